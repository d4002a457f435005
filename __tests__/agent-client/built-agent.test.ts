// The built agent as a process: how it is started, what it needs of the machine, and what it survives.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { chmod, chown, cp, mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { startBuiltAgent } from "../../sandbox/agent.ts";
import { ROOT } from "../../sandbox/runner.ts";
import { createAgentFolder } from "../../src/agent-client/folder.ts";
import { launchAgent, READY_MS } from "../../src/agent-client/launch.ts";
import { stopAgent } from "../../src/agent-client/stop.ts";
import { findWorker } from "../../src/agent-client/worker.ts";
import { type AgentConfig, CONTROL_FILE, REPORT_FILE } from "../../src/protocol/config.ts";
import {
  CREDENTIALS,
  call,
  isAlive,
  pause,
  reportIn,
  startArmor,
  tokenOf,
  until,
} from "../fixtures/agent.ts";
import { goodArmor, startJob } from "../fixtures/job.ts";
import { disposable, makeTempFolder, type TempFolder } from "../fixtures/opened.ts";
import { CALL, startServer } from "../fixtures/server.ts";

const IS_LINUX = process.platform === "linux";
const IS_WINDOWS = process.platform === "win32";
const IS_ROOT = process.getuid?.() === 0;
/** What Linux calls `nobody`; here it is the runner's user. */
const RUNNER_USER = 65_534;
const FIRST = { accessToken: "first", expiresIn: 60 };

interface AgentSettings {
  readonly env?: Record<string, string>;
  readonly dist?: string;
  readonly apiUrl: string;
}

/** The built agent in this RUNNER_TEMP. It is killed if the test has not ended it. */
async function startAgent(temp: TempFolder, { apiUrl, env = {} }: AgentSettings) {
  const agent = await startBuiltAgent({ apiUrl, temp: temp.path, first: FIRST, env });
  const control = (await readFile(join(agent.folder, CONTROL_FILE), "utf8")).trim();
  return disposable({ ...agent, control }, () => killAgent(agent.pid));
}

function killAgent(pid: number): void {
  if (pid > 0 && isAlive(pid)) process.kill(pid, "SIGKILL");
}

function stop(folder: string) {
  const env = { RUNNER_TEMP: dirname(folder) };
  return stopAgent(folder, AbortSignal.timeout(10_000), env);
}

/** A copy of the built files that a test may remove. */
async function copyDist(temp: TempFolder): Promise<string> {
  const dist = join(temp.path, "action", "dist");
  await cp(join(ROOT, "dist"), dist, { recursive: true });
  return dist;
}

/** An agent's configuration, as main makes it. */
function configFor(apiUrl: string, folder: string): AgentConfig {
  return {
    credentials: CREDENTIALS,
    apiUrl,
    certificates: [],
    route: { noProxy: "" },
    timeoutMs: 5_000,
    limits: { connectMs: 30_000, headMs: 30_000, idleMs: 30_000 },
    terminateSession: true,
    gatewayPaths: ["/api/v1/discovery/"],
    capability: "gateway-capability",
    controlCapability: "control-capability",
    folder,
    first: { ...tokenOf("first"), expiresAt: 0 },
  };
}

describe("the built agent", () => {
  test("has all that it needs in memory, and armor-token a copy, when the action's files are removed", async () => {
    await using armor = await startArmor();
    await using temp = await makeTempFolder("armor cleaned ");
    const dist = await copyDist(temp);
    const env = { ...process.env, RUNNER_TEMP: temp.path };
    const { path: folder, command } = await createAgentFolder(env, dist);
    const { gatewayUrl, pid } = await launchAgent(configFor(armor.url, folder), { env, dist });
    await using _ = disposable({}, () => killAgent(pid));
    await rm(join(temp.path, "action"), { recursive: true });
    await expect(call(gatewayUrl + CALL)).resolves.toMatchObject({ status: 200 });
    await expect(call(`${gatewayUrl}/api/v1/iam/`)).resolves.toMatchObject({ status: 403 });
    if (!IS_WINDOWS) {
      const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];
      const printed = execFileSync(command, ["--header"], { encoding: "utf8", stdio });
      expect(printed).toBe("Authorization: Bearer token-a1\n");
    }
    const stats = { minted: 2, answered: { "2xx": 1 }, sessionsEnded: 1 };
    await expect(stop(folder)).resolves.toMatchObject({ kind: "ended", stats });
    expect(armor.endedSessions()).toEqual(["token-a1"]);
  });

  test("works behind links to the action's files and to RUNNER_TEMP", async () => {
    await using armor = await startArmor();
    await using temp = await makeTempFolder("armor links ");
    await mkdir(join(temp.path, "temp"));
    await symlink(join(ROOT, "dist"), join(temp.path, "dist"), "junction");
    await symlink(join(temp.path, "temp"), join(temp.path, "link"), "junction");
    const env = { ...process.env, RUNNER_TEMP: join(temp.path, "link") };
    const dist = join(temp.path, "dist");
    const { path: folder } = await createAgentFolder(env, dist);
    const { gatewayUrl, pid } = await launchAgent(configFor(armor.url, folder), { env, dist });
    await using _ = disposable({}, () => killAgent(pid));
    await expect(call(gatewayUrl + CALL)).resolves.toMatchObject({ status: 200 });
    await expect(stop(folder)).resolves.toMatchObject({ kind: "ended", stats: { minted: 2 } });
    expect(existsSync(folder)).toBe(false);
  });

  test("is not started without its file, which is said", async () => {
    await using temp = await makeTempFolder("armor missing ");
    const dist = await copyDist(temp);
    const env = { ...process.env, RUNNER_TEMP: temp.path };
    const { path: folder } = await createAgentFolder(env, dist);
    await rm(join(dist, "agent.js"));
    const launched = launchAgent(configFor("http://127.0.0.1:9", folder), { env, dist });
    await expect(launched).rejects.toMatchObject({
      code: "agent_failed",
      message: expect.stringMatching(/did not start: agent\.js .* \(ENOENT\): a step has removed/),
    });
  });

  test("that Node cannot load says why", async () => {
    await using temp = await makeTempFolder("armor broken ");
    const dist = await copyDist(temp);
    await writeFile(join(dist, "agent.js"), 'require("./not-there.js")');
    const config = configFor("http://127.0.0.1:9", temp.path);
    const launched = launchAgent(config, { env: {}, dist });
    await expect(launched).rejects.toMatchObject({
      message: expect.stringMatching(/exit code 1 before it was ready: Error: Cannot find module/),
    });
  });

  test("that begins after the post step has gone finds no folder, and ends", async () => {
    await using armor = await startArmor();
    await using temp = await makeTempFolder("armor late ");
    const dist = join(ROOT, "dist");
    const env = { ...process.env, RUNNER_TEMP: temp.path };
    const { path: folder } = await createAgentFolder(env, dist);
    await expect(stop(folder)).resolves.toEqual({ kind: "ended", stats: undefined });
    const launched = launchAgent(configFor(armor.url, folder), { env, dist });
    await expect(launched).rejects.toThrow(/RUNNER_TEMP.*ENOENT/);
    expect(existsSync(folder)).toBe(false);
  });

  test("has the time to get ready that the documents promise", async () => {
    const documents = await readFile(join(ROOT, "docs", "troubleshooting.md"), "utf8");
    expect(documents).toContain(`was not ready within ${READY_MS / 1000} s`);
  });
});

describe("in a container, as root, the agent's folder", () => {
  const owner = IS_ROOT ? RUNNER_USER : process.getuid?.();

  test(`is RUNNER_TEMP's owner's (here ${owner}), so that the runner can clear it away`, async () => {
    await using armor = await startArmor();
    await using temp = await makeTempFolder("armor owner ");
    if (IS_ROOT) await chown(temp.path, RUNNER_USER, RUNNER_USER);
    await using agent = await startAgent(temp, { apiUrl: armor.url });
    for (const made of [agent.folder, join(agent.folder, "bin")]) {
      const { uid, mode } = await stat(made);
      if (owner !== undefined) expect([uid, mode & 0o777]).toEqual([owner, 0o700]);
    }
    await pause(2_500); // in which the agent looks whether the folder is still its own
    await expect(call(agent.gatewayUrl + CALL)).resolves.toMatchObject({ status: 200 });
    await expect(stop(agent.folder)).resolves.toMatchObject({
      kind: "ended",
      stats: { minted: 1 },
    });
    expect(existsSync(agent.folder)).toBe(false);
  });
});

test("the sign that parts folders in PATH is seen in RUNNER_TEMP", async () => {
  await using temp = await makeTempFolder("armor path ");
  const dist = join(ROOT, "dist");
  const odd = join(temp.path, "a;b");
  await mkdir(odd);
  const fits = (folder: string, isWindows: boolean) =>
    createAgentFolder({ RUNNER_TEMP: folder }, dist, isWindows).then(({ fitsPath }) => fitsPath);
  await expect(fits(temp.path, false)).resolves.toBe(true);
  await expect(fits(odd, true)).resolves.toBe(false);
  await expect(fits(odd, false)).resolves.toBe(!IS_WINDOWS);
});

/** Where a link leads to; nothing for a descriptor that was closed meanwhile. */
function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}

/** The ports on which a process listens, by any address; from /proc. */
function listenersOf(pid: number): string[] {
  const sockets = readdirSync(`/proc/${pid}/fd`).map((fd) => targetOf(`/proc/${pid}/fd/${fd}`));
  const table =
    readFileSync(`/proc/${pid}/net/tcp`, "utf8") + readFileSync(`/proc/${pid}/net/tcp6`, "utf8");
  const rows = table.split("\n").map((line) => line.trim().split(/\s+/));
  const listening = rows.filter((row) => row[3] === "0A" && sockets.includes(`socket:[${row[9]}]`));
  return listening.map((row) => row[1] ?? "");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

// What /proc shows, and what only Linux has.
if (IS_LINUX) {
  describe("on Linux, the built agent", () => {
    test("works in a folder that is always there, not in that of the step, which a step may remove", async () => {
      await using armor = await startArmor();
      await using temp = await makeTempFolder("armor cwd ");
      await using agent = await startAgent(temp, { apiUrl: armor.url });
      expect(readlinkSync(`/proc/${agent.pid}/cwd`)).toBe("/");
    });

    test("leads a process group of its own, so that the runner does not end it with the step", async () => {
      await using armor = await startArmor();
      await using temp = await makeTempFolder("armor group ");
      await using agent = await startAgent(temp, { apiUrl: armor.url });
      const afterName = readFileSync(`/proc/${agent.pid}/stat`, "utf8").split(") ").at(-1) ?? "";
      const [, , group, session] = afterName.split(" ");
      expect([Number(group), Number(session)]).toEqual([agent.pid, agent.pid]);
    });

    test("listens at one port of loopback alone, whatever NODE_OPTIONS and SIGUSR1 ask for", async () => {
      await using armor = await startArmor();
      await using temp = await makeTempFolder("armor inspector ");
      const inspectorPort = await freePort();
      const env = {
        NODE_OPTIONS: `--inspect=127.0.0.1:${inspectorPort} --inspect-port=${inspectorPort}`,
      };
      await using agent = await startAgent(temp, { apiUrl: armor.url, env });
      for (let times = 0; times < 3; times += 1) process.kill(agent.pid, "SIGUSR1");
      await pause(300);
      await expect(call(`${agent.control}/token`)).resolves.toMatchObject({ status: 200 });
      const { port } = new URL(agent.gatewayUrl);
      const hexPort = Number(port).toString(16).toUpperCase().padStart(4, "0");
      expect(listenersOf(agent.pid)).toEqual([`0100007F:${hexPort}`]);
    });

    test("ends when the runner's worker, the parent of main, has been killed", async () => {
      await using armor = await startServer([goodArmor]);
      await using temp = await makeTempFolder("armor-worker-");
      // Its name is that of its file. It lives as long as main, like a worker that is killed then. bash, as
      // other shells drop variables with a hyphen, such as the inputs.
      const worker = join(temp.path, "Runner.Worker");
      await writeFile(worker, `#!/bin/bash\n"${process.execPath}" "$@"\nexit $?\n`);
      await chmod(worker, 0o700);
      await using started = await startJob({ "api-url": armor.url }, {}, { node: worker });
      const report = join(started.folder, REPORT_FILE);
      for (let looks = 0; looks < 300 && !existsSync(report); looks += 1) await pause(50);
      expect((await reportIn(started.folder)).reason).toMatch(/worker.* is gone$/);
      expect(armor.requests.at(-1)?.path).toMatch(/terminate$/);
    });

    test("knows the runner's worker by its name alone", async () => {
      // Not this process: a job that a test has started names it as the runner's worker is named.
      await expect(findWorker(process.ppid)).resolves.toBeUndefined();
      await expect(findWorker(0)).resolves.toBeUndefined();
      await using temp = await makeTempFolder("armor-worker-");
      const worker = join(temp.path, "Runner.Worker");
      await writeFile(worker, "#!/bin/sh\nread line\n");
      await chmod(worker, 0o700);
      const child = spawn(worker, { stdio: ["pipe", "ignore", "ignore"] });
      await using _ = disposable({}, () => child.kill("SIGKILL"));
      await until(async () => (await findWorker(child.pid)) === child.pid);
    });
  });
}
