import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, test } from "@jest/globals";
import { startAgent } from "../../sandbox/agent.ts";
import { ROOT } from "../../sandbox/runner.ts";
import { createAgentFolder, removeFolder } from "../../src/agent-client/folder.ts";
import { allowedNodeFlags } from "../../src/agent-client/inherit.ts";
import { launchAgent, type Parent } from "../../src/agent-client/launch.ts";
import { stopAgent } from "../../src/agent-client/stop.ts";
import type { AgentConfig } from "../../src/protocol/config.ts";
import { Stats } from "../../src/protocol/stats.ts";
import { hide } from "../../src/redact.ts";
import { CALL, call, isAlive, pause, reportIn, startArmor, until } from "../fixtures/agent.ts";
import { type Answer, endless, raw, reset, silence, startServer } from "../fixtures/server.ts";
import { closing } from "../fixtures/teardown.ts";

let temp: string;
const soon = () => AbortSignal.timeout(5_000);
hide(["k3y"]);

beforeEach(async () => {
  temp = await mkdtemp(join(tmpdir(), "armor launch "));
  process.env["RUNNER_TEMP"] = temp; // below which stopAgent removes folders
  // An agent that is left ends without it.
  await closing({ close: () => rm(temp, { recursive: true, force: true, maxRetries: 3 }) });
});

/** The built agent, and its control address. */
async function start(apiUrl: string, env = {}) {
  const agent = await startAgent({
    apiUrl,
    temp,
    first: { accessToken: "first", expiresIn: 60 },
    env,
  });
  await closing({ close: () => isAlive(agent.pid) && process.kill(agent.pid, "SIGKILL") });
  return { ...agent, control: (await readFile(join(agent.folder, "control-url"), "utf8")).trim() };
}

/** A program in the agent's place, which knows its configuration as `config`. */
async function launch(script: string, parent: Partial<Parent> = {}, readyMs = 10_000) {
  const dist = join(temp, "dist");
  await mkdir(dist);
  await writeFile(join(dist, "package.json"), "{}");
  await writeFile(join(dist, "agent.js"), script);
  return await launchAgent({ folder: temp } as AgentConfig, { env: {}, dist, ...parent }, readyMs);
}

const say = (problem: string) => `console.log("token agent: " + ${problem});`;

describe("launchAgent", () => {
  test("starts an agent that serves; stopAgent ends it with its session, and removes its folder", async () => {
    const armor = await startArmor();
    const { folder, pid, gatewayUrl, control, command } = await start(armor.url);
    for (const url of [control, gatewayUrl])
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{43}$/);
    expect(control).not.toBe(gatewayUrl);
    expect(command.startsWith(folder)).toBe(true);
    await expect(call(gatewayUrl + CALL)).resolves.toMatchObject({ status: 200 });
    await expect((await fetch(`${control}/token`)).json()).resolves.toMatchObject({
      access_token: "first",
    });
    const stats = { minted: 1, sessionsEnded: 1 };
    await expect(stopAgent(folder, soon())).resolves.toMatchObject({ kind: "ended", stats });
    await until(() => !isAlive(pid));
    await expect(readdir(temp)).resolves.toEqual([]);
    await expect(stopAgent(folder, soon())).resolves.toMatchObject({ kind: "ended" });
  });

  test.each([
    [say('"the k3y is odd."'), "the *** is odd. Without"],
    ["process.exit(7)", "it ended with exit code 7 before it was ready."],
    [`console.log("{}\\nnull\\nhello"); ${say('"late"')}`, "late."],
    ["setInterval(() => {}, 1000)", "it was not ready within 0.5 s."],
  ])("leaves no process of an agent that does not get ready: %s", async (script, says) => {
    const pidFile = join(temp, "pid");
    const writePid = `require("fs").writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));`;
    await expect(
      launch(writePid + script, {}, says.includes("0.5") ? 500 : 10_000),
    ).rejects.toMatchObject({
      code: "agent_failed",
      message: expect.stringContaining(`did not start: ${says}`),
    });
    // On a busy machine it may end before its first statement.
    if (existsSync(pidFile))
      await until(async () => !isAlive(Number(await readFile(pidFile, "utf8"))));
  });

  test.each([
    ["is not there", "none", /did not start: .*ENOENT/],
    ["has no possible name", "no\0ne", /did not start: .*null bytes/],
  ])("fails where Node %s", async (_, name, says) => {
    const failure = launch("", { execPath: join(temp, name) });
    await expect(failure).rejects.toMatchObject({
      code: "agent_failed",
      message: expect.stringMatching(says),
    });
  });

  test("gives the agent the environment that it needs, with absolute paths, and no other", async () => {
    const given = { PATH: "/bin", RUNNER_TEMP: temp, RUNNER_TRACKING_ID: "z" };
    const env = {
      ...given,
      https_proxy: "http://x",
      NO_PROXY: "y",
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
      "INPUT_API-KEY": "k",
      GITHUB_TOKEN: "g",
      STATE_access_token: "t",
      MY_SECRET_PATH: "s",
      PATHS: "s",
      NODE_EXTRA_CA_CERTS: "certs/ca.pem",
      SSL_CERT_DIR: "certs",
      NODE_OPTIONS: "--require ./x.cjs --dns-result-order=ipv4first",
    };
    const file = join(temp, "seen");
    const seen = "JSON.stringify([process.env, process.execArgv, process.cwd()])";
    const script = `require("fs").writeFileSync(${JSON.stringify(file)}, ${seen}); ${say('"seen"')}`;
    await expect(launch(script, { env })).rejects.toThrow("seen");
    const [environment, flags, folder] = JSON.parse(await readFile(file, "utf8"));
    const certificates = {
      NODE_EXTRA_CA_CERTS: resolve("certs/ca.pem"),
      SSL_CERT_DIR: resolve("certs"),
    };
    expect(environment).toEqual({ ...given, ...certificates, MALLOC_ARENA_MAX: "1" });
    expect(flags).toContain("--dns-result-order=ipv4first");
    expect(flags.join(" ")).not.toMatch(/require|inspect/);
    expect([temp, ROOT]).not.toContain(folder);
  });

  test.each<[string, string[]]>([
    ["", []],
    ["--inspect --require ./a.cjs --max-old-space-size=99 --tls-keylog=/tmp/k --import=x", []],
    ["--use-system-ca-not --xuse-system-ca", []],
    ["--use-system-ca  --use-openssl-ca", ["--use-system-ca", "--use-openssl-ca"]],
    ["--use-bundled-ca --tls-min-v1.2", ["--use-bundled-ca", "--tls-min-v1.2"]],
    [
      "--tls-cipher-list=A:B --openssl-shared-config",
      ["--tls-cipher-list=A:B", "--openssl-shared-config"],
    ],
    ["--dns-result-order ipv4first --trace-warnings", ["--dns-result-order=ipv4first"]],
    ['"--openssl-config=a b.cnf"', [`--openssl-config=${resolve("a b.cnf")}`]],
    ['--tls-cipher-list "C D"', ["--tls-cipher-list=C D"]],
  ])("of NODE_OPTIONS %j gives the agent %j", (options, flags) => {
    expect(allowedNodeFlags(options)).toEqual(flags);
  });
});

// Only these systems have these signals.
if (process.platform !== "win32") {
  describe("the built agent", () => {
    test("has no inspector that SIGUSR1 or NODE_OPTIONS could open, and lives on", async () => {
      const { pid, control } = await start("http://127.0.0.1:9", {
        NODE_OPTIONS: "--inspect=127.0.0.1:0",
      });
      for (let times = 0; times < 3; times += 1) process.kill(pid, "SIGUSR1");
      await pause(300);
      await expect(fetch(`${control}/token`)).resolves.toMatchObject({ status: 200 });
      await expect(call("http://127.0.0.1:9229/json")).rejects.toMatchObject({
        code: "ECONNREFUSED",
      });
    });

    test("ends at SIGTERM though Armor does not answer, and leaves the reason", async () => {
      const armor = await startArmor({ terminate: silence });
      const { pid, folder } = await start(armor.url);
      process.kill(pid, "SIGTERM");
      await until(() => !isAlive(pid));
      expect(armor.endedSessions()).toEqual(["first"]);
      expect((await reportIn(folder)).reason).toMatch(/SIGTERM/);
    });
  });
}

describe("stopAgent", () => {
  async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
    const { path: folder } = await createAgentFolder({ RUNNER_TEMP: temp }, join(ROOT, "dist"));
    for (const [name, content] of Object.entries(files))
      await writeFile(join(folder, name), content);
    return folder;
  }

  test("knows an agent that has ended by its closed port, and gives the report that it left", async () => {
    const stats = Object.assign(new Stats(), { reason: "it had enough" });
    const report = { "report.json": JSON.stringify(stats) };
    const folder = await folderWith({ "control-url": "http://127.0.0.1:9/c\n", ...report });
    const result = { kind: "ended", stats: { reason: "it had enough" } };
    await expect(stopAgent(folder, soon())).resolves.toMatchObject(result);
    expect(existsSync(folder)).toBe(false);
  });

  test("waits for an agent that is starting", async () => {
    const folder = await folderWith({});
    setTimeout(() => void writeFile(join(folder, "control-url"), "http://127.0.0.1:9/c"), 200);
    const result = { kind: "ended", stats: undefined };
    await expect(stopAgent(folder, soon())).resolves.toEqual(result);
    await expect(removeFolder(folder)).resolves.toBeUndefined();
  });

  const late = "it did not end in time";
  const foreign = "what answered there gave no report: it is another program";
  test.each<[string, Answer, string]>([
    ["says nothing", silence, late],
    ["breaks off", reset, "the connection broke off (ECONNRESET)"],
    [
      "answers and keeps the connection",
      raw("HTTP/1.1 204 No Content\r\n\r\n", { thenEnd: false }),
      late,
    ],
    ["answers without end", endless({ bytes: 0 }), foreign],
    ["answers and closes it", raw("HTTP/1.1 200 OK\r\n\r\n{}"), foreign],
  ])("does not believe what listens on an agent's port and %s", async (_, answer, reason) => {
    const server = await closing(startServer([answer]));
    const folder = await folderWith({ "control-url": `${server.url}/c\n` });
    await expect(stopAgent(folder, AbortSignal.timeout(1_000))).resolves.toEqual({
      kind: "unknown",
      reason,
    });
  });
});
