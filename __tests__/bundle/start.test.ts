// `npm start` as a newcomer types it, in a pipe.

import { exec } from "node:child_process";
import { readdir } from "node:fs/promises";
import { describe, expect, test } from "@jest/globals";
import { ROOT, type Values } from "../../sandbox/runner.ts";
import { goodArmor } from "../fixtures/job.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { makeTempFolder } from "../fixtures/opened.ts";
import { type Answer, type FakeServer, json, startServer } from "../fixtures/server.ts";
import { API_KEY, APP_ID, ENCODED_PAIR } from "../fixtures/step.ts";

/** What npm runs, without npm. */
const START = `"${process.execPath}" sandbox/start.ts`;

function run(command: string, env: Values): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const unset = { ARMOR_APP_ID: "", ARMOR_API_KEY: "" };
    const options = { cwd: ROOT, env: { ...process.env, START_SECONDS: "0.5", ...unset, ...env } };
    exec(command, options, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
    );
  });
}

/** In place of the real Armor. */
const real = (answer: Answer = goodArmor) => startServer([answer]);
const target = ({ url }: FakeServer): Values => ({
  ARMOR_APP_ID: APP_ID,
  ARMOR_API_KEY: API_KEY,
  ARMOR_API_URL: url,
});

describe("npm start", () => {
  test.concurrent("shows a failure and whole jobs against the sandbox, and says what that is", async () => {
    const { code, output } = await run("npm --silent start", {});
    const [first, second] = output.split("\n");
    expect(first).toMatch(/^Armor sandbox at http:\/\/127\.0\.0\.1:\d+$/);
    expect(second).toMatch(/Nothing leaves this machine\.$/);
    for (const part of [
      /\nA token of this sandbox lives 3 s, .*\n/,
      /▸ Run armor-token-action with a wrong api-key \(it has to fail\)\n {2}Error: Armor does not accept .*credentials_rejected\)\n {2}As intended: /,
      /▸ Run armor-token-action\n {2}Access token from .*\n {2}access-token: \*\*\*\n/,
      /\n {2}200: 1251 of 1514 assets in 3 connections are quantum-vulnerable\.\n/,
      /▸ Post armor-token-action\n {2}The Armor session was (ended|over already)\..*\n/,
      /▸ Run armor-token-action \(keep-fresh: true\)\n/,
      /\n {2}gateway-url: http:\/\/127\.0\.0\.1:\d+\/\*\*\*\n/,
      /\n {2}\d+ calls in \d+\.\d s, all 200, while a token lives 3 s\.\n/,
      /▸ Run armor-token --header\n {2}Authorization: Bearer \*\*\*\n/,
      /\n {2}Token agent: \d+ calls? answered \(2xx \d+\), 1 token handed out, \d+ tokens? fetched, .* ended\.\n/,
      /\n✓ All of it worked as it should, in \d+\.\d s, and no secret was printed\.\n$/,
    ]) {
      expect(output).toMatch(part);
    }
    expect(output).not.toContain("\u001b");
    expect(code).toBe(0);
  });

  test.concurrent("takes the real Armor if credentials are set, prints none of them, and tries no wrong key there", async () => {
    await using armor = await real();
    const { code, output } = await run(START, target(armor));
    expect(output).toContain(`Armor at ${armor.url}, with ARMOR_APP_ID and ARMOR_API_KEY`);
    expect(leaksIn(output, formsOf(API_KEY))).toEqual([]);
    const sent = armor.requests.map(({ path, headers }) => [
      path.split("/").at(-1),
      headers.authorization,
    ]);
    expect(sent.filter(([name]) => name === "token")).toEqual(
      Array(2).fill(["token", ENCODED_PAIR]),
    );
    expect(sent.filter(([name]) => name === "terminate")).toHaveLength(2);
    expect(code).toBe(0);
  });

  test.concurrent("ends with 1 if anything fails", async () => {
    await using armor = await real(json(401, { error: "invalid_client" }));
    const { code, output } = await run(START, target(armor));
    expect(output).toMatch(/Error: Armor does not accept this client app/);
    expect(output).toMatch(/✗ It did not work: the main step failed\./);
    expect(leaksIn(output, formsOf(API_KEY))).toEqual([]);
    expect(code).toBe(1);
  });

  test.concurrent("leaves no agent and no folder when its reader leaves early", async () => {
    await using folder = await makeTempFolder("armor start ");
    await using armor = await real();
    const env = { ...target(armor), TMPDIR: folder.path, START_SECONDS: "1" };
    const { output } = await run(`${START} | sed /gateway-url/q`, env);
    expect(output).toMatch(/gateway-url: \S+\n$/);
    await expect(readdir(folder.path)).resolves.toEqual([]);
  });
});
