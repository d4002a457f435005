// The way to the runner, from a process that stands in for armor-token: a step that this process
// has started, as the runner's worker would have. What the tests of dist/ see of it are whole jobs.

import { execFileSync, spawn } from "node:child_process";
import { closeSync, constants, existsSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, jest, test } from "@jest/globals";
import { becomeWorker } from "../../sandbox/runner/machine.ts";
import { descendantsOf } from "../../src/command/proc.ts";
import { findRunnerPipe } from "../../src/command/runner-pipe.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";
import { kill } from "../fixtures/processes.ts";

const LINES = ["::add-mask::one\n", "::add-mask::two\n"];
const WRITTEN = `\n${LINES.join("")}`;
/** One read takes all that these tests write but where they say so. */
const READ_BYTES = 64 * 1024;
/** A pipe holds less (pipe(7): 64 KiB by default, and this is the system's most for others). */
const FULL_BYTES = 1024 * 1024;

/** The pipe of one of the step's streams, of which this process is the reader. */
interface ReadEnd extends AsyncDisposable {
  /** For the step, which takes it over. */
  readonly writeEnd: number;
  /** What has arrived since the last look; "" for nothing. */
  read(): string;
  /** As a runner does that has gone. */
  close(): void;
}

/** Node's own pipes to its children are sockets. */
function openPipe(path: string): ReadEnd {
  execFileSync("mkfifo", [path]);
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeEnd = openSync(path, constants.O_WRONLY);
  let isOpen = true;
  const close = () => {
    if (isOpen) closeSync(readEnd);
    isOpen = false;
  };
  const read = () => {
    const bytes = Buffer.alloc(READ_BYTES);
    try {
      return bytes.toString("latin1", 0, readSync(readEnd, bytes));
    } catch {
      return ""; // it is empty
    }
  };
  return disposable({ writeEnd, read, close }, close);
}

/** A step that runs this script until the test ends. @param script says `ready` on stdout, or waits */
async function startStep(script: string) {
  becomeWorker();
  const folder = await makeTempFolder("armor-pipe-");
  const stdout = openPipe(join(folder.path, "stdout"));
  const stderr = openPipe(join(folder.path, "stderr"));
  const stdio = ["pipe" as const, stdout.writeEnd, stderr.writeEnd];
  const child = spawn("sh", ["-c", script], { cwd: folder.path, stdio, detached: true });
  for (const { writeEnd } of [stdout, stderr]) closeSync(writeEnd);
  const { pid = 0 } = child;
  const until = async (isTrue: () => boolean) => {
    while (!isTrue()) await pause(5);
  };
  const saysReady = () => until(() => stdout.read().includes("ready\n"));
  const goOn = () => child.stdin?.write("\n");
  const end = async () => {
    kill(-pid, "SIGKILL"); // all of its group
    stdout.close();
    stderr.close();
    await folder[Symbol.asyncDispose]();
  };
  return disposable({ folder: folder.path, pid, stdout, stderr, saysReady, goOn, until }, end);
}

/** Looks for the runner as a process would that has this property. */
function findAs(name: "pid" | "platform", value: number | string) {
  const own = Object.getOwnPropertyDescriptor(process, name) ?? {};
  Object.defineProperty(process, name, { ...own, value });
  try {
    return findRunnerPipe();
  } finally {
    Object.defineProperty(process, name, own);
  }
}

function fill(path: string): void {
  const descriptor = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    for (let bytes = 0; bytes < FULL_BYTES; bytes += 1) writeSync(descriptor, "x");
  } catch {
    // it is full
  } finally {
    closeSync(descriptor);
  }
}

const WAIT = "echo ready; read -r line";
/** The pipe of stderr has another number, so that it cannot be told from that of stdout. */
const BOTH = `exec 3>&2 2>/dev/null; ${WAIT}`;

const ONLY_READS = "(exec 3<stderr >/dev/null 2>&1; : >held; exec sleep 600)";
const TURN_AWAY = "exec >/dev/null 2>&1; : >done; read -r line";

if (process.platform === "linux") {
  test("the masks go to the pipe of the step's stderr alone, at once and on a line of their own", async () => {
    await using step = await startStep(WAIT);
    await step.saysReady();
    const pipe = findAs("pid", step.pid);
    expect(pipe?.isCertain).toBe(true);
    await expect(pipe?.write(LINES)).resolves.toBe(true);
    expect({ stdout: step.stdout.read(), stderr: step.stderr.read() }).toEqual({
      stdout: "",
      stderr: WRITTEN,
    });
  });

  test("a program below the step finds the step's pipe", async () => {
    await using step = await startStep(`sh -c '(${WAIT}) 2>/dev/null; true' 2>/dev/null; true`);
    await step.saysReady();
    const below = descendantsOf(step.pid);
    expect(below).toHaveLength(2);
    for (const pid of below) {
      await expect(findAs("pid", pid)?.write(LINES)).resolves.toBe(true);
      expect(step.stderr.read()).toBe(WRITTEN);
    }
  });

  test("both pipes get the masks if it cannot be seen which is that of stderr", async () => {
    await using step = await startStep(BOTH);
    await step.saysReady();
    await expect(findAs("pid", step.pid)?.write(LINES)).resolves.toBe(true);
    expect([step.stdout.read(), step.stderr.read()]).toEqual([WRITTEN, WRITTEN]);
  });

  test("a pipe that is open under two numbers gets the masks once", async () => {
    await using step = await startStep(`exec 3>&2 4>&2 2>/dev/null; ${WAIT}`);
    await step.saysReady();
    await expect(findAs("pid", step.pid)?.write(LINES)).resolves.toBe(true);
    expect(step.stderr.read()).toBe(WRITTEN);
  });

  test("the pipe is found that only a program below the step still holds", async () => {
    await using step = await startStep(
      "sh -c 'sleep 600; true' & echo ready; exec >/dev/null 2>&1; wait",
    );
    await step.saysReady();
    await step.until(() => descendantsOf(step.pid).length === 2);
    await expect(findAs("pid", step.pid)?.write(LINES)).resolves.toBe(true);
    expect(step.stderr.read()).toBe(WRITTEN);
  });

  test("a pipe that somebody else reads is not the runner's", async () => {
    await using step = await startStep(
      "mkfifo other; cat other >/dev/null 2>&1 & exec 2>other; echo ready; read -r line",
    );
    await step.saysReady();
    await expect(findAs("pid", step.pid)?.write(LINES)).resolves.toBe(true);
    expect(step.stdout.read()).toBe(WRITTEN);
    expect(step.stderr.read()).toBe("");
  });

  test.each([
    { name: "the step has turned all its streams away", script: TURN_AWAY },
    // The runner's own pipes to its helpers are inherited so.
    { name: "the step only reads the runner's pipe", script: `exec 3<stderr; ${TURN_AWAY}` },
    {
      name: "a program below the step only reads the runner's pipe",
      script: `${ONLY_READS} & until [ -e held ]; do sleep 0.01; done; ${TURN_AWAY}`,
    },
  ])("there is none if $name", async ({ script }) => {
    await using step = await startStep(script);
    await step.until(() => existsSync(join(step.folder, "done")));
    expect(findAs("pid", step.pid)).toBeUndefined();
  });

  test("there is none for a process that has ended", async () => {
    const child = spawn("true");
    await new Promise((resolve) => child.once("exit", resolve));
    expect(findAs("pid", child.pid ?? 0)).toBeUndefined();
  });

  test("there is none on a system without /proc", async () => {
    await using step = await startStep(WAIT);
    await step.saysReady();
    const own = Object.getOwnPropertyDescriptor(process, "pid") ?? {};
    Object.defineProperty(process, "pid", { ...own, value: step.pid });
    try {
      expect(findAs("platform", "darwin")).toBeUndefined();
      expect(findRunnerPipe()).toBeDefined();
    } finally {
      Object.defineProperty(process, "pid", own);
    }
  });

  test("masks do not arrive at a runner that has gone", async () => {
    await using step = await startStep(WAIT);
    await step.saysReady();
    const pipe = findAs("pid", step.pid);
    step.stderr.close();
    await expect(pipe?.write(LINES)).resolves.toBe(false);
  });

  test("masks arrive if of two pipes nobody reads one any more", async () => {
    await using step = await startStep(BOTH);
    await step.saysReady();
    const pipe = findAs("pid", step.pid);
    step.stdout.close();
    await expect(pipe?.write(LINES)).resolves.toBe(true);
    expect(step.stderr.read()).toBe(WRITTEN);
  });

  test("masks arrive if of two pipes one loses its reader while it is full", async () => {
    await using step = await startStep(BOTH);
    await step.saysReady();
    const pipe = findAs("pid", step.pid);
    fill(join(step.folder, "stdout"));
    const written = pipe?.write(LINES);
    step.stdout.close();
    await expect(written).resolves.toBe(true);
    expect(step.stderr.read()).toBe(WRITTEN);
  });

  test.each([
    { name: "a file", command: "exec 3>file" },
    { name: "another pipe", command: "mkfifo other; cat other >/dev/null 2>&1 & exec 3>other" },
    { name: "nothing", command: "exec 3>&-" },
  ])("masks have not all arrived if a pipe has meanwhile become $name", async ({ command }) => {
    await using step = await startStep(
      `exec 3>&2 2>/dev/null; echo ready; read -r line; ${command}; ${WAIT}`,
    );
    await step.saysReady();
    const pipe = findAs("pid", step.pid);
    step.goOn();
    await step.saysReady();
    await expect(pipe?.write(LINES)).resolves.toBe(false);
    expect(step.stderr.read()).toBe("");
  });

  test.each([
    { bytes: 4096, written: (lines: readonly string[]) => `\n${lines.join("")}` },
    { bytes: 4097, written: (lines: readonly string[]) => `\n${lines.join("\n")}` },
  ])(
    "masks of $bytes bytes stay together as far as the system keeps them so",
    async ({ bytes, written }) => {
      await using step = await startStep(WAIT);
      await step.saysReady();
      const first = "::add-mask::é\n";
      const rest = "x".repeat(bytes - 1 - Buffer.byteLength(first) - 1);
      const lines = [first, `${rest}\n`];
      await expect(findAs("pid", step.pid)?.write(lines)).resolves.toBe(true);
      expect(Buffer.from(step.stderr.read(), "latin1").toString()).toBe(written(lines));
    },
  );

  test("a mask that the pipe cannot hold at once arrives as the runner reads", async () => {
    await using step = await startStep(WAIT);
    await step.saysReady();
    const long = `${"0123456789".repeat(20_000)}\n`;
    const writing = findAs("pid", step.pid)?.write([long]);
    let text = "";
    await step.until(() => {
      text += step.stderr.read();
      return text.length > long.length;
    });
    expect(text).toBe(`\n${long}`);
    await expect(writing).resolves.toBe(true);
  });

  test("a pipe that stays full is given up after half a minute", async () => {
    await using step = await startStep(WAIT);
    await step.saysReady();
    fill(join(step.folder, "stderr"));
    let ms = 0;
    const now = jest.spyOn(performance, "now").mockImplementation(() => ms);
    try {
      let result: boolean | undefined;
      const writing = findAs("pid", step.pid)
        ?.write(LINES)
        .then((value) => {
          result = value;
        });
      ms = 30_000;
      await pause(50);
      expect(result).toBeUndefined();
      ms = 30_001;
      await writing;
      expect(result).toBe(false);
    } finally {
      now.mockRestore();
    }
  });
} else {
  test("there is none on other systems", () => {
    expect(findRunnerPipe()).toBeUndefined();
  });
}
