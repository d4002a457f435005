import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { startBuiltAgent } from "../../sandbox/agent.ts";
import { ROOT } from "../../sandbox/runner.ts";
import { createAgentFolder, removeFolder } from "../../src/agent-client/folder.ts";
import { allowedNodeFlags } from "../../src/agent-client/inherit.ts";
import { launchAgent, type Parent } from "../../src/agent-client/launch.ts";
import { stopAgent } from "../../src/agent-client/stop.ts";
import { type AgentConfig, CONTROL_FILE, REPORT_FILE } from "../../src/protocol/config.ts";
import { Stats } from "../../src/protocol/stats.ts";
import { hide } from "../../src/redact.ts";
import { call, isAlive, pause, reportIn, startArmor, until } from "../fixtures/agent.ts";
import { disposable, makeTempFolder, type TempFolder } from "../fixtures/opened.ts";
import {
  type Answer,
  CALL,
  endless,
  raw,
  reset,
  silence,
  startServer,
} from "../fixtures/server.ts";

let temp: TempFolder;
const soon = () => AbortSignal.timeout(5_000);
hide(["k3y"]);

beforeEach(async () => {
  temp = await makeTempFolder("armor launch ");
  process.env["RUNNER_TEMP"] = temp.path; // below which stopAgent removes folders
});
afterEach(async () => await temp[Symbol.asyncDispose]());

/** The built agent, and its control address. It is killed if the test has not ended it. */
async function openBuiltAgent(apiUrl: string, env = {}) {
  const first = { accessToken: "first", expiresIn: 60 };
  const agent = await startBuiltAgent({ apiUrl, temp: temp.path, first, env });
  const control = (await readFile(join(agent.folder, CONTROL_FILE), "utf8")).trim();
  const close = () => isAlive(agent.pid) && process.kill(agent.pid, "SIGKILL");
  return disposable({ ...agent, control }, close);
}

/** A program in the agent's place, which knows its configuration as `config`. */
async function launchProgram(script: string, parent: Partial<Parent> = {}, readyMs = 10_000) {
  const dist = join(temp.path, "dist");
  await mkdir(dist);
  await writeFile(join(dist, "package.json"), "{}");
  await writeFile(join(dist, "agent.js"), script);
  return await launchAgent(
    { folder: temp.path } as AgentConfig,
    { env: {}, dist, ...parent },
    readyMs,
  );
}

const say = (problem: string) => `console.log("token agent: " + ${problem});`;

describe("launchAgent", () => {
  test("starts an agent that serves; stopAgent ends it with its session, and removes its folder", async () => {
    await using armor = await startArmor();
    await using agent = await openBuiltAgent(armor.url);
    const { folder, pid, gatewayUrl, control, command } = agent;
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
    await expect(readdir(temp.path)).resolves.toEqual([]);
    await expect(stopAgent(folder, soon())).resolves.toMatchObject({ kind: "ended" });
  });

  test.each([
    { script: say('"the k3y is odd."'), says: "the *** is odd. Without" },
    { script: "process.exit(7)", says: "it ended with exit code 7 before it was ready." },
    { script: `console.log("{}\\nnull\\nhello"); ${say('"late"')}`, says: "late." },
    {
      // Of what a program prints without end, the last part is looked through.
      script: 'process.stderr.write("Error: one\\n" + "x\\n".repeat(40_000) + "Error: two\\n")',
      says: "it ended with exit code 0 before it was ready: Error: two.",
    },
    {
      script: 'process.stderr.write("  \\n  no such library\\r\\n"); process.exitCode = 7',
      says: "it ended with exit code 7 before it was ready: no such library.",
    },
    { script: "setInterval(() => {}, 1000)", says: "it was not ready within 0.5 s." },
  ])("leaves no process of an agent that does not get ready: $script", async ({ script, says }) => {
    const pidFile = join(temp.path, "pid");
    const writePid = `require("fs").writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));`;
    await expect(
      launchProgram(writePid + script, {}, says.includes("0.5") ? 500 : 10_000),
    ).rejects.toMatchObject({
      code: "agent_failed",
      message: expect.stringContaining(`did not start: ${says}`),
    });
    // On a busy machine it may end before its first statement.
    if (existsSync(pidFile))
      await until(async () => !isAlive(Number(await readFile(pidFile, "utf8"))));
  });

  test.each([
    { what: "is not there", name: "none", says: /did not start: .*ENOENT/ },
    { what: "has no possible name", name: "no\0ne", says: /did not start: .*null bytes/ },
  ])("fails if Node $what", async ({ name, says }) => {
    const failure = launchProgram("", { execPath: join(temp.path, name) });
    await expect(failure).rejects.toMatchObject({
      code: "agent_failed",
      message: expect.stringMatching(says),
    });
  });

  test("gives the agent the environment that it needs, with absolute paths, and no other", async () => {
    const given = { PATH: "/bin", RUNNER_TEMP: temp.path, RUNNER_TRACKING_ID: "z" };
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
    const file = join(temp.path, "seen");
    const seen = "JSON.stringify([process.env, process.execArgv, process.cwd()])";
    const script = `require("fs").writeFileSync(${JSON.stringify(file)}, ${seen}); ${say('"seen"')}`;
    await expect(launchProgram(script, { env })).rejects.toThrow("seen");
    const [environment, flags, folder] = JSON.parse(await readFile(file, "utf8"));
    const certificates = {
      NODE_EXTRA_CA_CERTS: resolve("certs/ca.pem"),
      SSL_CERT_DIR: resolve("certs"),
    };
    expect(environment).toEqual({ ...given, ...certificates, MALLOC_ARENA_MAX: "1" });
    expect(flags).toContain("--dns-result-order=ipv4first");
    expect(flags.join(" ")).not.toMatch(/require|inspect/);
    expect([temp.path, ROOT]).not.toContain(folder);
  });

  test.each<{ readonly options: string; readonly flags: string[] }>([
    { options: "", flags: [] },
    {
      options: "--inspect --require ./a.cjs --max-old-space-size=99 --tls-keylog=/tmp/k --import=x",
      flags: [],
    },
    { options: "--use-system-ca-not --xuse-system-ca", flags: [] },
    {
      options: "--use-system-ca  --use-openssl-ca",
      flags: ["--use-system-ca", "--use-openssl-ca"],
    },
    { options: "--use-bundled-ca --tls-min-v1.2", flags: ["--use-bundled-ca", "--tls-min-v1.2"] },
    {
      options: "--tls-cipher-list=A:B --openssl-shared-config",
      flags: ["--tls-cipher-list=A:B", "--openssl-shared-config"],
    },
    {
      options: "--dns-result-order ipv4first --trace-warnings",
      flags: ["--dns-result-order=ipv4first"],
    },
    { options: '"--openssl-config=a b.cnf"', flags: [`--openssl-config=${resolve("a b.cnf")}`] },
    { options: '--tls-cipher-list "C D"', flags: ["--tls-cipher-list=C D"] },
  ])("of NODE_OPTIONS $options gives the agent $flags", ({ options, flags }) => {
    expect(allowedNodeFlags(options)).toEqual(flags);
  });
});

// Only these systems have these signals.
if (process.platform !== "win32") {
  describe("the built agent", () => {
    test("lives on at SIGUSR1, and then has no inspector at Node's usual port", async () => {
      await using agent = await openBuiltAgent("http://127.0.0.1:9", {
        NODE_OPTIONS: "--inspect=127.0.0.1:0",
      });
      const { pid, control } = agent;
      for (let times = 0; times < 3; times += 1) process.kill(pid, "SIGUSR1");
      await pause(300);
      await expect(fetch(`${control}/token`)).resolves.toMatchObject({ status: 200 });
      await expect(call("http://127.0.0.1:9229/json")).rejects.toMatchObject({
        code: "ECONNREFUSED",
      });
    });

    test("ends at SIGTERM though Armor does not answer, and leaves the reason", async () => {
      await using armor = await startArmor({ terminate: silence });
      await using agent = await openBuiltAgent(armor.url);
      const { pid, folder } = agent;
      process.kill(pid, "SIGTERM");
      await until(() => !isAlive(pid));
      expect(armor.endedSessions()).toEqual(["first"]);
      expect((await reportIn(folder)).reason).toMatch(/SIGTERM/);
    });
  });
}

describe("stopAgent", () => {
  async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
    const { path: folder } = await createAgentFolder(
      { RUNNER_TEMP: temp.path },
      join(ROOT, "dist"),
    );
    for (const [name, content] of Object.entries(files))
      await writeFile(join(folder, name), content);
    return folder;
  }

  test("knows an agent that has ended by its closed port, and gives the report that it left", async () => {
    const stats = Object.assign(new Stats(), { reason: "it had enough" });
    const report = { [REPORT_FILE]: JSON.stringify(stats) };
    const folder = await folderWith({ [CONTROL_FILE]: "http://127.0.0.1:9/c\n", ...report });
    const result = { kind: "ended", stats: { reason: "it had enough" } };
    await expect(stopAgent(folder, soon())).resolves.toMatchObject(result);
    expect(existsSync(folder)).toBe(false);
  });

  test("waits for an agent that is starting", async () => {
    const folder = await folderWith({});
    setTimeout(() => void writeFile(join(folder, CONTROL_FILE), "http://127.0.0.1:9/c"), 200);
    const result = { kind: "ended", stats: undefined };
    await expect(stopAgent(folder, soon())).resolves.toEqual(result);
    await expect(removeFolder(folder)).resolves.toBeUndefined();
  });

  const late = "it did not end in time";
  const foreign = "what answered there gave no report: it is another program";
  test.each<{ readonly what: string; readonly answer: Answer; readonly reason: string }>([
    { what: "says nothing", answer: silence, reason: late },
    {
      what: "is killed",
      answer: (response) => response.socket?.end(),
      reason: "it closed the connection without a reply, as one that is killed does",
    },
    { what: "breaks off", answer: reset, reason: "the connection broke off (ECONNRESET)" },
    {
      what: "answers and keeps the connection",
      answer: raw("HTTP/1.1 204 No Content\r\n\r\n", { thenEnd: false }),
      reason: late,
    },
    { what: "answers without end", answer: endless({ bytes: 0 }), reason: foreign },
    { what: "answers and closes it", answer: raw("HTTP/1.1 200 OK\r\n\r\n{}"), reason: foreign },
  ])(
    "does not believe what listens on an agent's port and $what, and removes the folder, so that the agent ends",
    async ({ answer, reason }) => {
      await using server = await startServer([answer]);
      const folder = await folderWith({ [CONTROL_FILE]: `${server.url}/c\n` });
      const env = { RUNNER_TEMP: temp.path };
      const stopping = stopAgent(folder, AbortSignal.timeout(1_000), env);
      await expect(stopping).resolves.toEqual({ kind: "unknown", reason });
      expect(existsSync(folder)).toBe(false);
    },
  );
});
