// The way to the runner that no redirection of a step can turn away, on Linux.
//
// The runner learns a mask from the streams of the step's own process. A script may send the streams of a
// single call elsewhere: into a variable, a file, another program. So the mask goes to the pipe that the
// runner reads, by way of the process that it started.

import { closeSync, constants, fstatSync, openSync, readlinkSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  descendantsOf,
  idOf,
  idsOfReadable,
  listPipes,
  listPipesIfAllowed,
  listProcesses,
  type Pipe,
  readProcess,
} from "./proc.ts";

/** The program of GitHub's runner that starts each step (actions/runner, src/Runner.Worker). */
const WORKER = "Runner.Worker";
/** A process table that changes while it is read could lead in a circle. No step nests so deep. */
const MAX_ANCESTORS = 64;
/**
 * Of the machine itself, as opposed to a container: PROC_PID_INIT_INO in Linux'
 * include/linux/proc_ns.h.
 */
const MACHINE_NAMESPACE = "pid:[4026531836]";
/**
 * POSIX lets nobody else's text come between the bytes of a write that is no longer (Linux'
 * PIPE_BUF).
 */
const ATOMIC_BYTES = 4096;
/** A full pipe is one that the runner is about to read. A busy machine may keep it waiting. */
const FULL_PIPE_MS = 30_000;
const RETRY_MS = 5;

/** One or two pipes whose other ends the runner reads. */
export interface RunnerPipe {
  /**
   * False if a process whose descriptors cannot be read might be the reader instead. Then the mask
   * has to take the ordinary way as well.
   */
  readonly isCertain: boolean;
  /** Writes these lines, each with its line end. False if they did not all arrive. Never fails. */
  write(lines: readonly string[]): Promise<boolean>;
}

/**
 * Undefined on other systems, outside of a runner, and if the processes on the way cannot be looked
 * at.
 */
export function findRunnerPipe(): RunnerPipe | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const step = findStep();
    return step && findPipeOf(step);
  } catch {
    // A process has ended meanwhile, or belongs to another user.
    return undefined;
  }
}

interface StepProcess {
  readonly pid: number;
  /**
   * The pid of the runner's worker. Undefined in a container, from which the worker cannot be seen.
   */
  readonly worker: number | undefined;
}

/** Goes up from this process, which may be the step's own if its shell has replaced itself. */
function findStep(): StepProcess | undefined {
  let { pid, parent } = readProcess(process.pid);
  for (let count = 0; count < MAX_ANCESTORS; count += 1) {
    if (parent === 0) return isStepOfContainer(pid) ? { pid, worker: undefined } : undefined;
    const above = readProcess(parent);
    if (above.name === WORKER) return { pid, worker: parent };
    ({ pid, parent } = above);
  }
  return undefined;
}

/**
 * Steps of a container job are started from outside (`docker exec`), so their parent shows as 0.
 * The process with pid 1 is the container's own: it is the step only if the container runs nothing
 * but the step. Otherwise it has taken in a process whose parent has ended, which then belongs to
 * another session.
 */
function isStepOfContainer(pid: number): boolean {
  if (readlinkSync("/proc/self/ns/pid") === MACHINE_NAMESPACE) return false;
  if (pid !== 1) return true;
  if (readProcess(1).session !== readProcess(process.pid).session) return false;
  return !listProcesses().some(isWorker);
}

function isWorker(pid: number): boolean {
  try {
    return readProcess(pid).name === WORKER;
  } catch {
    return false; // It has ended meanwhile.
  }
}

function findPipeOf(step: StepProcess): RunnerPipe | undefined {
  const ofStep = listPipes(step.pid).filter(({ isWritable }) => isWritable);
  if (step.worker !== undefined) {
    const readByWorker = listPipes(step.worker).filter(({ isReadable }) => isReadable);
    return openable(choosePipes(step.pid, ofStep, readByWorker), true);
  }
  // The runner reads from outside of the container, so whatever has a reader inside is not its
  // pipe. Whether it is the runner who reads cannot be seen: without the pipe of descriptor 2, all
  // the others get the mask.
  const { ids, isComplete } = readInsideContainer();
  const outward = ofStep.filter(({ id }) => !ids.has(id));
  const stderr = outward.filter(({ descriptor }) => descriptor === 2);
  return openable(stderr.length > 0 ? stderr : outward, isComplete);
}

/**
 * The runner's pipe for stderr, because it handles what has arrived there before what has arrived on stdout: a
 * mask on stdout may come too late for a token on stderr. Descriptor 2 of the step's shell may lead elsewhere:
 *
 * - to the other pipe, as behind `exec 3>&1 1>&2 2>&3`. The worker has opened that for stderr last, so its own
 *   end of it has the highest number. Both get the mask if they are not the same.
 * - to no pipe of the runner's, as behind `{ …; } 2>file` or `exec 2> >(sed …)`. Then the shell, or a program
 *   that it has started, holds the pipe under another number. Which it is cannot be seen, so each gets the mask.
 */
function choosePipes(
  step: number,
  ofStep: readonly Pipe[],
  readByWorker: readonly Pipe[],
): readonly Pipe[] {
  const ends = new Map(readByWorker.map(({ id, descriptor }) => [id, descriptor]));
  const isOfRunner = ({ id, isWritable }: Pipe) => isWritable && ends.has(id);
  const held = ofStep.filter(isOfRunner);
  const stderr = held.find(({ descriptor }) => descriptor === 2);
  if (stderr === undefined) {
    const below = descendantsOf(step).flatMap(listPipesIfAllowed);
    return eachOnce([...held, ...below.filter(isOfRunner)]);
  }
  const endOf = ({ id }: Pipe) => ends.get(id) ?? 0;
  const last = held.reduce((highest, pipe) => (endOf(pipe) > endOf(highest) ? pipe : highest));
  return eachOnce([stderr, last]);
}

function eachOnce(pipes: readonly Pipe[]): Pipe[] {
  return [...new Map(pipes.map((pipe) => [pipe.id, pipe])).values()];
}

interface Readers {
  readonly ids: ReadonlySet<string>;
  /** False if the descriptors of some process could not be read. */
  readonly isComplete: boolean;
}

function readInsideContainer(): Readers {
  const ids = new Set<string>();
  let isComplete = true;
  for (const pid of listProcesses()) {
    try {
      for (const id of idsOfReadable(listPipes(pid))) ids.add(id);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ESRCH") isComplete = false;
    }
  }
  return { ids, isComplete };
}

function openable(pipes: readonly Pipe[], isCertain: boolean): RunnerPipe | undefined {
  if (pipes.length === 0) return undefined;
  const write = async (lines: readonly string[]) => {
    const results = await Promise.all(pipes.map((pipe) => writeLines(pipe, lines)));
    // A pipe that nobody reads any more is not the runner's.
    return results.includes("arrived") && !results.includes("failed");
  };
  return { isCertain, write };
}

async function writeLines(
  pipe: Pipe,
  lines: readonly string[],
): Promise<"arrived" | "failed" | "nobody reads"> {
  let descriptor: number | undefined;
  try {
    // Without O_NONBLOCK, this would wait for ever for a runner that has gone.
    descriptor = openSync(pipe.path, constants.O_WRONLY | constants.O_NONBLOCK);
    const stats = fstatSync(descriptor);
    const isSamePipe = stats.isFIFO() && idOf(stats) === pipe.id;
    if (!isSamePipe) return "failed";
    for (const text of joinShort(lines)) await writeWhole(descriptor, Buffer.from(text));
    return "arrived";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENXIO" || code === "EPIPE" ? "nobody reads" : "failed";
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/**
 * What to write at once: all lines, if they stay together on their way. A line end goes before
 * them, because a line that another program has begun on the same pipe would make the runner print
 * the command.
 */
function joinShort(lines: readonly string[]): readonly string[] {
  const all = `\n${lines.join("")}`;
  return Buffer.byteLength(all) <= ATOMIC_BYTES ? [all] : lines.map((line) => `\n${line}`);
}

/** @throws the system's error, also if the pipe stays full */
async function writeWhole(descriptor: number, bytes: Buffer): Promise<void> {
  const deadline = performance.now() + FULL_PIPE_MS;
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (error) {
      const isFull = (error as NodeJS.ErrnoException).code === "EAGAIN";
      if (!isFull || performance.now() > deadline) throw error;
      await sleep(RETRY_MS);
    }
  }
}
