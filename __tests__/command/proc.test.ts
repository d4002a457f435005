import { type StdioOptions, spawn } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import {
  descendantsOf,
  idsOfReadable,
  listPipes,
  listPipesIfAllowed,
  listProcesses,
  readProcess,
} from "../../src/command/proc.ts";
import { LINUX, testsThatNeed } from "../fixtures/needs.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";
import { kill } from "../fixtures/processes.ts";

/** A shell that runs this until the test ends. @param script says something once it is ready */
function startShell(script: string, cwd = ".") {
  return startProgram("sh", ["-c", script], cwd);
}

async function startProgram(program: string, args: readonly string[] = [], cwd = ".") {
  const stdio: StdioOptions = ["pipe", "pipe", "ignore"];
  const child = spawn(program, args, { cwd, stdio, detached: true });
  const { pid = 0 } = child;
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  return disposable({ pid }, () => kill(-pid, "SIGKILL"));
}

/** Of a process that has ended, and has been waited for. */
async function pidOfNobody(): Promise<number> {
  const child = spawn("true");
  await new Promise((resolve) => child.once("exit", resolve));
  return child.pid ?? 0;
}

testsThatNeed(LINUX, "processes", () => {
  test.each(["a b", "a) S 1 2 (b", "a) S 1 1", "(a", "line\nend"])(
    "a process is read whatever its name holds: %j",
    async (name) => {
      await using folder = await makeTempFolder();
      const program = join(folder.path, name);
      await writeFile(program, "#!/bin/sh\necho ready; read -r line\n");
      await chmod(program, 0o700);
      await using shell = await startProgram(program);
      const expected = { pid: shell.pid, name, parent: process.pid, session: shell.pid };
      expect(readProcess(shell.pid)).toEqual(expected);
      expect(descendantsOf(process.pid)).toContain(shell.pid);
    },
  );

  test("a process that has ended is an error of the system", async () => {
    const pid = await pidOfNobody();
    expect(() => readProcess(pid)).toThrow("ENOENT");
    expect(() => listPipes(pid)).toThrow("ENOENT");
    expect(listPipesIfAllowed(pid)).toEqual([]);
  });

  test("the processes of this namespace are listed, and nothing else of /proc", () => {
    const pids = listProcesses();
    expect(pids).toContain(process.pid);
    expect(pids.filter((pid) => !Number.isSafeInteger(pid))).toEqual([]);
  });

  test("descendants are all that a process has started, and what that has started", async () => {
    await using shell = await startShell("sh -c 'sleep 600; true' & echo ready; read -r line");
    await using other = await startShell("echo ready; read -r line");
    let below = descendantsOf(shell.pid);
    const isSleep = (pid: number) => readProcess(pid).name === "sleep";
    while (below.length < 2 || !below.some(isSleep)) {
      await pause(5);
      below = descendantsOf(shell.pid);
    }
    const [first = 0, second = 0] = below.toSorted((a, b) => a - b);
    expect(below).toHaveLength(2);
    expect(readProcess(first)).toMatchObject({ name: "sh", parent: shell.pid, session: shell.pid });
    expect(readProcess(second)).toMatchObject({ name: "sleep", parent: first, session: shell.pid });
    expect(descendantsOf(process.pid)).toEqual(
      expect.arrayContaining([shell.pid, other.pid, first, second]),
    );
    expect(descendantsOf(second)).toEqual([]);
  });

  test("of each pipe it is told who may read and who may write", async () => {
    await using folder = await makeTempFolder();
    const script =
      "mkfifo one two; exec 5<>one 3<one 4>one 6<>two 7</dev/null 8>file; echo ready; read -r line";
    await using shell = await startShell(script, folder.path);
    // This process may have given others to the shell, with higher numbers.
    const pipes = listPipes(shell.pid).filter(({ descriptor }) => descriptor < 10);
    const found = pipes.map(({ descriptor, path, isReadable, isWritable }) => ({
      descriptor,
      path,
      isReadable,
      isWritable,
    }));
    const at = (descriptor: number) => ({
      descriptor,
      path: `/proc/${shell.pid}/fd/${descriptor}`,
    });
    expect(found).toEqual([
      { ...at(3), isReadable: true, isWritable: false },
      { ...at(4), isReadable: false, isWritable: true },
      { ...at(5), isReadable: true, isWritable: true },
      { ...at(6), isReadable: true, isWritable: true },
    ]);
    const [three, four, five, six] = pipes.map(({ id }) => id);
    expect([four, five]).toEqual([three, three]);
    expect(six).not.toBe(three);
    expect(listPipesIfAllowed(shell.pid)).toEqual(expect.arrayContaining(pipes));
    expect(idsOfReadable(pipes)).toEqual(new Set([three, six]));
    expect(idsOfReadable(pipes.filter(({ descriptor }) => descriptor === 4))).toEqual(new Set());
  });
});
