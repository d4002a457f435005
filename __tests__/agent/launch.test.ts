import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { startAgent } from "../../sandbox/agent.ts";
import { ROOT } from "../../sandbox/runner.ts";
import { createAgentFolder, removeFolder } from "../../src/agent/folder.ts";
import { allowedNodeFlags } from "../../src/agent/inherit.ts";
import { launchAgent, type Parent } from "../../src/agent/launch.ts";
import type { AgentConfig } from "../../src/agent/protocol.ts";
import { stopAgent } from "../../src/agent/stop.ts";

let temp: string;
const first = { accessToken: "t0k3n", expiresIn: 60 };
const soon = () => AbortSignal.timeout(5_000);
const quote = (text: string) => text.replaceAll("k3y", "***");

beforeEach(async () => {
  temp = await mkdtemp(join(tmpdir(), "armor launch "));
});

afterEach(() => rm(temp, { recursive: true, force: true, maxRetries: 3 }));

/** The folder's content is of no interest to a program in the agent's place. */
async function launch(
  script: string,
  env: Record<string, string> = {},
  readyMs = 5_000,
  changes: Partial<Parent> = {},
) {
  const dist = join(temp, "dist");
  await mkdir(dist, { recursive: true });
  await writeFile(join(dist, "package.json"), "{}");
  await writeFile(join(dist, "agent.js"), script);
  const folder = await createAgentFolder({ RUNNER_TEMP: temp });
  const parent: Parent = { env: { ...env }, execPath: process.execPath, dist, isWindows: false, ...changes };
  return {
    folder,
    running: launchAgent({ folder, capability: "cap" } as AgentConfig, parent, quote, readyMs),
  };
}

const say = (message: string) => `console.log(JSON.stringify({ agent: "failed", problem: ${message} }));`;

describe("launchAgent", () => {
  test("starts an agent whose control file is there when it is ready; stopAgent ends it and removes its folder", async () => {
    const { folder, gatewayUrl, command } = await startAgent({
      apiUrl: "http://127.0.0.1:9",
      temp,
      first,
      terminateSession: false,
    });
    const control = (await readFile(join(folder, "control-url"), "utf8")).trim();
    expect(control).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{43}$/);
    expect(gatewayUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{43}$/);
    expect(control).not.toBe(gatewayUrl);
    expect(command.startsWith(folder)).toBe(true);
    await expect((await fetch(`${control}/token`)).json()).resolves.toMatchObject({ access_token: "t0k3n" });
    await expect(stopAgent(folder, soon())).resolves.toMatchObject({
      kind: "stopped",
      reply: { report: { minted: 1 } },
    });
    await expect(fetch(`${control}/token`)).rejects.toThrow();
    await expect(readdir(temp)).resolves.toEqual([]);
    await expect(stopAgent(folder, soon())).resolves.toMatchObject({ kind: "ended" });
  });

  test.each<[string, string, string]>([
    ["says why", say('"the k3y is odd."'), "did not start: the *** is odd. Without"],
    ["ends early", "process.exit(7)", "did not start: it ended with exit code 7 before it was ready."],
    [
      "prints what is no message first",
      `console.log("{}\\nnull\\nhello"); ${say('"late"')}`,
      "did not start: late.",
    ],
    ["says nothing", "setInterval(() => {}, 1000)", "did not start: it was not ready within 0.5 s."],
  ])(
    "fails with the agent's own reason where it %s, and leaves neither process nor folder",
    async (_, script, says) => {
      const pidFile = join(temp, "pid");
      const { running } = await launch(
        `require("fs").writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));${script}`,
        {},
        says.includes("0.5") ? 500 : 10_000,
      );
      await expect(running).rejects.toMatchObject({
        code: "agent_failed",
        message: expect.stringContaining(says),
      });
      await expect(running).rejects.not.toThrow("k3y");
      await expect(readdir(temp)).resolves.not.toContainEqual(expect.stringMatching(/^armor-token-/));
      const pid = existsSync(pidFile) ? Number(await readFile(pidFile, "utf8")) : undefined;
      if (pid !== undefined) await expectEnd(pid);
    },
  );

  test("fails where Node is not there", async () => {
    const { running } = await launch("", {}, 5_000, { execPath: join(temp, "none") });
    await expect(running).rejects.toThrow(/did not start: .*ENOENT/);
  });

  test("gives the agent the environment that it needs, with absolute paths, and no other", async () => {
    const env = {
      PATH: "/bin",
      https_proxy: "http://x",
      NO_PROXY: "y",
      RUNNER_TEMP: temp,
      RUNNER_TRACKING_ID: "z",
      "INPUT_API-KEY": "k3y",
      GITHUB_TOKEN: "g",
      STATE_access_token: "t",
      MY_SECRET_PATH: "s",
      PATHS: "s",
      NODE_OPTIONS: "--require ./x.cjs --dns-result-order=ipv4first",
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
      NODE_EXTRA_CA_CERTS: "certs/ca.pem",
      SSL_CERT_DIR: "certs",
    };
    const { running } = await launch(
      say("JSON.stringify([process.env, process.execArgv, process.cwd()])"),
      env,
    );
    const failure = await running.catch(({ message }: Error) => message);
    const [given, flags, folder] = JSON.parse(/\[.*\]/.exec(String(failure))?.[0] ?? "[]");
    expect(given).toEqual({
      PATH: "/bin",
      RUNNER_TEMP: temp,
      RUNNER_TRACKING_ID: "z",
      MALLOC_ARENA_MAX: "1",
      NODE_EXTRA_CA_CERTS: resolve("certs/ca.pem"),
      SSL_CERT_DIR: resolve("certs"),
    });
    expect(flags).toContain("--dns-result-order=ipv4first");
    expect(flags.join(" ")).not.toMatch(/require|inspect/);
    expect([temp, ROOT]).not.toContain(folder);
  });

  test.each<[string, string[]]>([
    ["", []],
    ["--inspect --require ./a.cjs --max-old-space-size=99 --tls-keylog=/tmp/k --import=x", []],
    [
      "--use-system-ca  --use-openssl-ca --use-bundled-ca",
      ["--use-system-ca", "--use-openssl-ca", "--use-bundled-ca"],
    ],
    [
      "--tls-min-v1.2 --tls-cipher-list=A:B --openssl-legacy-provider",
      ["--tls-min-v1.2", "--tls-cipher-list=A:B", "--openssl-legacy-provider"],
    ],
    ["--dns-result-order ipv4first --trace-warnings", ["--dns-result-order=ipv4first"]],
    [
      '"--openssl-config=a b.cnf" --tls-cipher-list "C D"',
      [`--openssl-config=${resolve("a b.cnf")}`, "--tls-cipher-list=C D"],
    ],
    ["--use-system-ca-not --xuse-system-ca", []],
  ])("of NODE_OPTIONS %j it gets %j", (options, flags) => {
    expect(allowedNodeFlags(options)).toEqual(flags);
  });

  // Only these systems have that signal.
  if (process.platform !== "win32") {
    test("has no inspector that SIGUSR1 could open, and lives on", async () => {
      const { folder, pid } = await startAgent({
        apiUrl: "http://127.0.0.1:9",
        temp,
        first,
        terminateSession: false,
        env: { NODE_OPTIONS: "--inspect=127.0.0.1:0" },
      });
      try {
        for (let times = 0; times < 3; times += 1) process.kill(pid, "SIGUSR1");
        const control = (await readFile(join(folder, "control-url"), "utf8")).trim();
        await expect(fetch(`${control}/token`)).resolves.toMatchObject({ status: 200 });
        await expect(fetch("http://127.0.0.1:9229/json")).rejects.toThrow();
      } finally {
        await stopAgent(folder, soon());
      }
    });
  }
});

describe("stopAgent", () => {
  async function folderWith(url: string | undefined, reason?: string): Promise<string> {
    const folder = await createAgentFolder({ RUNNER_TEMP: temp });
    if (url !== undefined) await writeFile(join(folder, "control-url"), `${url}\n`);
    if (reason !== undefined) await writeFile(join(folder, "ended"), reason);
    return folder;
  }

  test("an agent that has ended is known by its closed port, with the reason that it left", async () => {
    const folder = await folderWith("http://127.0.0.1:9/c", "it had enough");
    await expect(stopAgent(folder, soon())).resolves.toEqual({ kind: "ended", reason: "it had enough" });
    expect(existsSync(folder)).toBe(false);
  });

  test("one that does not answer in time, or breaks off, is not said to have ended", async () => {
    const server = http.createServer((request, response) => {
      if (request.url?.startsWith("/cut")) response.destroy();
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const silent = stopAgent(await folderWith(`${base}/silent`), AbortSignal.timeout(300));
      await expect(silent).resolves.toEqual({ kind: "unknown", reason: "it did not answer in time" });
      const cut = stopAgent(await folderWith(`${base}/cut`), soon());
      await expect(cut).resolves.toMatchObject({
        kind: "unknown",
        reason: expect.stringContaining("ECONNRESET"),
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test.each([
    ["no JSON", "<html>"],
    ["JSON of another kind", '{"report":null}'],
    ["a number that is none", JSON.stringify(replyWith({ minted: "1" }))],
    ["a code that is a command", JSON.stringify(replyWith({ problems: { "x::y": "text" } }))],
    ["a text of two lines", JSON.stringify(replyWith({ problems: { x: "text\n::error::no" } }))],
  ])("%s, from a program on a dead agent's port, is not read", async (_, body) => {
    const server = http.createServer({ keepAliveTimeout: 0 }, (_request, response) => response.end(body));
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    try {
      const folder = await folderWith(`http://127.0.0.1:${(server.address() as AddressInfo).port}/c`);
      // That program keeps the connection, too.
      await expect(stopAgent(folder, AbortSignal.timeout(300))).resolves.toEqual({
        kind: "unknown",
        reason: "what answered at its address is not the agent",
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test("one that is starting is waited for", async () => {
    const folder = await folderWith(undefined);
    setTimeout(() => void writeFile(join(folder, "control-url"), "http://127.0.0.1:9/c"), 200);
    await expect(stopAgent(folder, soon())).resolves.toMatchObject({ kind: "ended" });
  });

  test("removing a folder that is gone is no failure", async () => {
    await expect(removeFolder(join(temp, "none"))).resolves.toBeUndefined();
  });
});

/** What an agent says at its stop, with this instead. */
function replyWith(changes: object) {
  const report = { minted: 1, handedOut: 0, refused: 0, answered: {}, failed: {}, problems: {}, ...changes };
  return { report, sessions: { ended: 1, notEnded: 0 } };
}

/** Waits until the process is gone; the test's own time limit is the end of patience. */
async function expectEnd(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((next) => setTimeout(next, 20));
  }
}
