// Starting and stopping the built agent, as main and post do.

import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { launchAgent, type Parent, stopAgent } from "../../src/agent/launch.ts";

let temp: string;

beforeEach(async () => {
  temp = await mkdtemp(join(tmpdir(), "armor launch "));
});

afterEach(() => rm(temp, { recursive: true, force: true }));

const config = {
  credentials: { appId: "id", apiKey: "k3y" },
  apiUrl: "http://127.0.0.1:9",
  certificates: [],
  timeoutMs: 1_000,
  idleMs: 1_000,
  terminateSession: false,
  first: { accessToken: "t0k3n", expiresIn: 60, expiresAt: Date.now() + 60_000 },
};

function parent(changes: Partial<Parent> = {}): Parent {
  return {
    env: { ...process.env, RUNNER_TEMP: temp },
    execPath: process.execPath,
    bundle: join(ROOT, "dist", "index.js"),
    cli: join(ROOT, "dist", "cli", "index.js"),
    isWindows: false,
    ...changes,
  };
}

const quote = (text: string) => text.replaceAll("k3y", "***");

/** A program in the agent's place. */
async function program(script: string): Promise<Partial<Parent>> {
  const bundle = join(temp, "program.cjs");
  await writeFile(bundle, script);
  return { bundle };
}

describe("launchAgent", () => {
  test("starts an agent that answers at its address, and stopAgent ends it and takes its folder away", async () => {
    const { folder, gatewayUrl, command, capability } = await launchAgent(config, parent(), quote);
    expect(gatewayUrl).toMatch(new RegExp(`^http://127\\.0\\.0\\.1:\\d+/${capability}$`));
    expect(capability).toMatch(/^[\w-]{43}$/);
    expect(command.startsWith(folder)).toBe(true);
    await expect((await fetch(`${gatewayUrl}/token`)).json()).resolves.toMatchObject({
      access_token: "t0k3n",
    });
    await expect(stopAgent(folder)).resolves.toMatchObject({ ended: 0, report: { minted: 1 } });
    await expect(fetch(`${gatewayUrl}/token`)).rejects.toThrow();
    await expect(readdir(temp)).resolves.toEqual([]);
    await expect(stopAgent(folder)).resolves.toBeUndefined();
  });

  test.each<[string, string, string]>([
    ["says why", `console.log('{"problem":"the k3y is odd."}')`, "did not start: the *** is odd. Without"],
    ["ends early", "process.exit(7)", "did not start: it ended with exit code 7 before it was ready."],
    ["says nothing", "setInterval(() => {}, 1000)", "did not start: it was not ready within 0.5 s."],
    ["says what nobody understands", "console.log('k3y')", "did not start: SyntaxError"],
  ])("fails with the agent's own reason where it %s, and leaves nothing behind", async (_, script, says) => {
    const failure = launchAgent(config, parent(await program(script)), quote, 500);
    await expect(failure).rejects.toMatchObject({
      code: "agent_failed",
      message: expect.stringContaining(says),
    });
    await expect(failure).rejects.not.toThrow("k3y");
    await expect(readdir(temp)).resolves.toEqual(["program.cjs"]);
  });

  test("fails where node is not there, or RUNNER_TEMP is not", async () => {
    await expect(launchAgent(config, parent({ execPath: join(temp, "none") }), quote)).rejects.toThrow(
      /did not start: .*ENOENT/,
    );
    await expect(launchAgent(config, parent({ env: {} }), quote)).rejects.toThrow("RUNNER_TEMP is not set");
  });

  test("gives the agent the environment that it needs, and no other", async () => {
    const script = `console.log(JSON.stringify({ problem: Object.keys(process.env).sort().join(" ") }))`;
    const env = {
      PATH: "/bin",
      https_proxy: "http://x",
      NO_PROXY: "y",
      RUNNER_TEMP: temp,
      RUNNER_TRACKING_ID: "z",
      INPUT_API_KEY: "k3y",
      "INPUT_API-KEY": "k3y",
      GITHUB_TOKEN: "g",
      ACTIONS_RUNTIME_TOKEN: "a",
      STATE_access_token: "t",
    };
    await expect(launchAgent(config, parent({ ...(await program(script)), env }), quote)).rejects.toThrow(
      "did not start: MALLOC_ARENA_MAX NO_PROXY PATH RUNNER_TEMP RUNNER_TRACKING_ID https_proxy. ",
    );
  });
});
