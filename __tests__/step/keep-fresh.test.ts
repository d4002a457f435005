// The main step and the post step with keep-fresh, inside the test's own process, around a real agent.

import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { systemClock } from "../../src/clock.ts";
import { send } from "../../src/armor/http.ts";
import { main } from "../../src/step/main.ts";
import { post } from "../../src/step/post.ts";
import { type EntryResult, NO_CRASH, runEntry } from "../fixtures/in-process.ts";
import { type FakeServer, startServer, text, token } from "../fixtures/server.ts";

let temp: string;
let armor: FakeServer;

beforeEach(async () => {
  temp = await mkdtemp(join(tmpdir(), "armor-entries-"));
  armor = await startServer([token({ access_token: "t0k3n" }), text(204, "")]);
});

afterEach(async () => {
  await armor.close();
  await rm(temp, { recursive: true });
});

/** What a file command's file is called in these tests. */
async function fileCommands(): Promise<Record<string, string>> {
  const names = ["GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"];
  const files = Object.fromEntries(names.map((name) => [name, join(temp, name)]));
  await Promise.all(Object.values(files).map((file) => writeFile(file, "")));
  return files;
}

async function runMain(inputs: Record<string, string> = {}): Promise<EntryResult> {
  const all = { "app-id": "id", "api-key": "k3y", "api-url": armor.url, "keep-fresh": "true", ...inputs };
  const env = { ...(await fileCommands()), RUNNER_TEMP: temp };
  return await runEntry(
    (own) => main(own, NO_CRASH, { send, clock: systemClock, dist: join(ROOT, "dist") }),
    all,
    env,
  );
}

async function runPost({ state }: EntryResult): Promise<EntryResult> {
  const saved = Object.entries(state).map(([name, value]) => [`STATE_${name}`, value]);
  const inputs = { "app-id": "id", "api-key": "k3y", "api-url": armor.url };
  const env = { ...(await fileCommands()), ...Object.fromEntries(saved) };
  return await runEntry((own) => post(own, NO_CRASH), inputs, env);
}

const said = ({ lines }: EntryResult) => lines.filter((line) => !line.startsWith("::add-mask::"));

describe("keep-fresh", () => {
  test("main masks the capability, hands on the agent's address, and post stops the agent", async () => {
    const started = await runMain();
    expect(started.exitCode).toBe(0);
    const gateway = started.outputs["gateway-url"] ?? "";
    expect(started.lines.at(-2)).toBe(`::add-mask::${gateway.split("/").at(-1)}`);
    expect(said(started).at(-1)).toMatch(/^The token agent supplies later steps: call ARMOR_GATEWAY_URL/);
    await expect((await fetch(`${gateway}/token`)).json()).resolves.toMatchObject({ access_token: "t0k3n" });
    const stopped = await runPost(started);
    expect(stopped.exitCode).toBe(0);
    expect(said(stopped)[0]).toBe(
      "Token agent: 1 token minted, 0 calls served, 0 failures, 1 session ended.",
    );
    expect(said(stopped)).toContain("  tokens minted   1");
    await expect(fetch(`${gateway}/token`)).rejects.toThrow();
    await expect(readdir(temp)).resolves.not.toContainEqual(expect.stringMatching(/^armor-token-/));
  });

  test("without an exported environment, main says whom the agent supplies", async () => {
    const started = await runMain({ "export-environment": "false" });
    expect(said(started).at(-1)).toBe(
      "The token agent supplies the steps that are given gateway-url or token-command.",
    );
    await runPost(started);
  });

  test("calls that failed are in the job summary, too", async () => {
    const started = await runMain({ "terminate-session": "false" });
    await armor.close();
    const call = await fetch(`${started.outputs["gateway-url"]}/api/v1/discovery/scans`);
    expect(call.status).toBe(502);
    const stopped = await runPost(started);
    expect(said(stopped)[0]).toBe("Token agent: 1 token minted, 1 call served, 1 failure.");
    armor = await startServer([]);
  });
});
