// `npm start` as somebody types it, in a pipe.

import { exec } from "node:child_process";
import { describe, expect, test } from "@jest/globals";
import { startSandbox } from "../../sandbox/armor.ts";
import { ROOT } from "../../sandbox/runner.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

function npmStart(env: Record<string, string>): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const options = {
      cwd: ROOT,
      env: { ...process.env, ARMOR_APP_ID: "", ARMOR_API_KEY: "", ...env },
    };
    exec("npm --silent start", options, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
    );
  });
}

describe("npm start", () => {
  test.concurrent("shows the whole job against the sandbox", async () => {
    const { code, output } = await npmStart({});
    expect(output).toMatch(/^Armor sandbox at http:\/\/127\.0\.0\.1:\d+, whose tokens live 2 seconds\n/);
    expect(output).toMatch(/▸ Run armor-token-action\n {2}Access token from .*\n {2}access-token: \*\*\*\n/);
    expect(output).toMatch(/\n {2}200: 1251 of 1514 assets in 3 connections are quantum-vulnerable\.\n/);
    expect(output).toMatch(/▸ Post armor-token-action\n {2}Ended the Armor session/);
    expect(output).toMatch(/▸ Run armor-token-action \(keep-fresh: true\)\n/);
    expect(output).toMatch(/\n {2}gateway-url: http:\/\/127\.0\.0\.1:\d+\/\*\*\*\n/);
    expect(output).toMatch(/\n {2}200, \d+ times in 6\.\d s, with a token that lives 2 s\.\n/);
    expect(output).toMatch(/▸ Run armor-token --header\n {2}Authorization: Bearer \*\*\*\n/);
    expect(output).toMatch(
      /\n {2}Token agent: \d tokens minted, \d+ calls served, 0 failures, [12] sessions? ended\.\n/,
    );
    expect(output).toMatch(/\n✓ All of it worked, in \d+\.\d s, and no secret was printed\.\n$/);
    expect(output).not.toContain("\u001b");
    expect(code).toBe(0);
  });

  test.concurrent("takes the real Armor where credentials are set, and prints none of them", async () => {
    const armor = await startSandbox({ appId: APP_ID, apiKey: API_KEY });
    const { code, output } = await npmStart({
      ARMOR_APP_ID: APP_ID,
      ARMOR_API_KEY: API_KEY,
      ARMOR_API_URL: armor.url,
    });
    await armor.close();
    expect(output).toContain(`Armor at ${armor.url}, with ARMOR_APP_ID and ARMOR_API_KEY`);
    expect(leaksIn(output, formsOf(API_KEY))).toEqual([]);
    expect(armor.requests.length).toBeGreaterThan(20);
    expect(code).toBe(0);
  });

  test.concurrent("ends with 1 where anything fails", async () => {
    const armor = await startSandbox({ appId: APP_ID, apiKey: "another" });
    const { code, output } = await npmStart({
      ARMOR_APP_ID: APP_ID,
      ARMOR_API_KEY: API_KEY,
      ARMOR_API_URL: armor.url,
    });
    await armor.close();
    expect(output).toMatch(/Error: Armor does not accept this client app/);
    expect(output).toMatch(/✗ It did not work: the main step failed\./);
    expect(leaksIn(output, formsOf(API_KEY))).toEqual([]);
    expect(code).toBe(1);
  });
});
