// A cancelled example stops. The runner sends SIGINT to the step's bash alone, and kills it only after ten seconds;
// what bash has started goes on until the end of the job (actions/runner, ProcessInvoker.cs).

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { POSIX, programs, testsThatNeed } from "../fixtures/needs.ts";
import { disposable } from "../fixtures/opened.ts";
import { type PlacedStep, STEPS } from "./workflows.ts";

/** Without exec, each of these steps would go on for the 30 seconds or more that its program waits. */
const STOPS_WITHIN_MS = 10_000;
const STARTED_WITHIN_MS = 15_000;

const NEEDED =
  process.platform === "win32"
    ? POSIX
    : programs(["bash", "curl", "jq", "mkfifo", "ps", "python3"]);

const WITH_PROGRAM = STEPS.filter(({ run = "" }) => run.includes("exec "));
/** The folder of Python itself: some machines have a shell script of that name first, which starts it. */
const PYTHON = spawnSync(
  "python3",
  ["-c", "import os, sys; print(os.path.dirname(sys.executable))"],
  {
    encoding: "utf8",
  },
);

/** Prints a file that is there already, and so does not wait for anything. */
const WAITING = WITH_PROGRAM.filter((step) => !step.if?.startsWith("failure()"));

/** A server that takes connections and never answers. */
async function startSilence() {
  const server = createServer((socket) => socket.on("error", () => socket.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return disposable({ url: `http://127.0.0.1:${port}` }, () => server.close());
}

/** A workspace with the scripts, and files that never end where steps expect what earlier steps wrote. */
async function openWorkspace() {
  const folder = mkdtempSync(join(tmpdir(), "armor-cancel-"));
  mkdirSync(join(folder, "inventory"));
  await symlink(ROOT, join(folder, "armor-token-action"));
  await writeFile(join(folder, "inventory", "c1.jsonl"), "{}\n");
  const names = ["report.json", "connections.json", join("inventory", "connections.json")];
  // Open for writing in this process, so that a reader waits for what is never written.
  const pipes = names.map((name) => {
    spawnSync("mkfifo", [join(folder, name)]);
    return openSync(join(folder, name), constants.O_RDWR | constants.O_NONBLOCK);
  });
  return disposable({ folder }, () => {
    for (const pipe of pipes) closeSync(pipe);
    rmSync(folder, { recursive: true, force: true });
  });
}

/** What the runner gives to a step: its own variables, and those of the workflow. */
function environment(step: PlacedStep, folder: string, url: string): NodeJS.ProcessEnv {
  const file = join(folder, "file");
  const given: Record<string, string> = {
    PATH: `${PYTHON.stdout.trim()}:${process.env["PATH"]}`,
    ARMOR_GATEWAY_URL: url,
    GITHUB_API_URL: url,
    GITHUB_OUTPUT: file,
    GITHUB_STEP_SUMMARY: file,
    GITHUB_REPOSITORY: "org/payments",
    RUNNER_TEMP: folder,
    PYTHONDONTWRITEBYTECODE: "1",
  };
  for (const [name, value] of Object.entries(step.env ?? {})) {
    // Of the runner's expressions a script's own settings need this one alone.
    const text = String(value).replace(/\$\{\{ runner\.temp \}\}/, folder);
    if (!text.includes("$" + "{{")) given[name] = text;
  }
  const secrets = { ARMOR_URL: url, SLACK_WEBHOOK_URL: url, ARMOR_TOKEN: "t", GITHUB_TOKEN: "t" };
  const settings = { CONNECTION: "aws", BUDGET: "1", POLL_SECONDS: "30", MAX_POLLS: "9" };
  return { ...given, ...secrets, ...settings };
}

/** Waits until the step's program has taken the place of bash. */
async function programHasStarted(child: ChildProcess): Promise<void> {
  const end = performance.now() + STARTED_WITHIN_MS;
  while (performance.now() < end) {
    const { stdout } = spawnSync("ps", ["-o", "comm=", "-p", String(child.pid)], {
      encoding: "utf8",
    });
    const name = stdout.trim();
    if (name !== "" && !name.includes("bash")) return;
    await sleep(20);
  }
  throw new Error("the program does not take the place of bash, or ended before it was cancelled");
}

/** Whether a process of the step runs; it is the leader of a group of its own. */
function isAnythingLeft({ pid }: ChildProcess): boolean {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pgid=,stat="], { encoding: "utf8" });
  const states = stdout.split("\n").flatMap((line) => {
    const [group, state = ""] = line.trim().split(/\s+/);
    return group === String(pid) ? [state] : [];
  });
  // A zombie has ended; it waits for a parent to take note.
  return states.some((state) => !state.startsWith("Z"));
}

/** Waits until no process of the step runs. @returns false if one still does after the time */
async function hasStopped(child: ChildProcess): Promise<boolean> {
  const end = performance.now() + STOPS_WITHIN_MS;
  while (performance.now() < end) {
    if (!isAnythingLeft(child)) return true;
    await sleep(50);
  }
  return false;
}

testsThatNeed(NEEDED, "the end of a cancelled example", () => {
  test.each(WAITING)("$title stops when the job is cancelled", async (step) => {
    await using silence = await startSilence();
    await using workspace = await openWorkspace();
    const script = join(workspace.folder, "step.sh");
    await writeFile(script, step.run ?? "");
    const child = spawn("bash", ["--noprofile", "--norc", "-eo", "pipefail", script], {
      cwd: workspace.folder,
      env: environment(step, workspace.folder, silence.url),
      detached: true,
      stdio: "ignore",
    });
    await using _group = disposable({}, () => {
      if (isAnythingLeft(child)) process.kill(-(child.pid ?? Number.NaN), "SIGKILL");
    });
    await programHasStarted(child);
    child.kill("SIGINT");
    await expect(hasStopped(child)).resolves.toBe(true);
  });
});
