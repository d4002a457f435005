// One process of a step, as GitHub's runner starts, reads and ends it (actions/runner, ProcessInvoker.cs).

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, constants, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { constants as system, tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import type { Command } from "./machine.ts";
import type { Outcome } from "./step.ts";

/** After the end of its process, a step waits so long for whatever still holds its streams. */
const STREAMS_MS = 5_000;
const SIGINT_MS = 7_500; // until SIGTERM
const SIGTERM_MS = 2_500; // until SIGKILL

export interface InvocationOptions {
  readonly command: Command;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Milliseconds that lines are left to gather before a batch of them is handled. */
  readonly batchMs: number;
  /** Gets each line in the order in which the runner handles it, without its end. */
  readonly onLine: (line: string) => void;
  /** Gets each piece as it is read. */
  readonly onOutput: (text: string) => void;
  /** Told of the process, and how the runner cancels it. */
  readonly onStart: (child: ChildProcess, cancel: () => void) => void;
}

export interface InvocationResult {
  /** null if a signal ended it. */
  readonly exitCode: number | null;
  /** As the runner and shells say it: 128 and the signal's number for a process that a signal ended. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** From its start until it and its streams had ended. */
  readonly ms: number;
  /** Whether the runner cancelled it. */
  readonly isCancelled: boolean;
  /** Why the process could not be started. Undefined if it was. */
  readonly problem: string | undefined;
}

/** Runs a process until it and its streams have ended. */
export async function invoke(options: InvocationOptions): Promise<InvocationResult> {
  const paths = await Promise.all([makeFifo(), makeFifo(), makeFifo()]);
  // Opened in this order, as .NET does it, so that the numbers of the runner's ends rise.
  const [input, outPipe, errPipe] = paths.map(openPipe);
  // Steps get an empty stdin: nobody writes.
  if (input !== undefined) closeSync(input.writeEnd);
  const { program, args, isVerbatim } = options.command;
  const startedAt = performance.now();
  const child = spawn(program, args, {
    windowsVerbatimArguments: isVerbatim,
    env: options.env,
    cwd: options.cwd,
    stdio: [input?.readEnd ?? "ignore", outPipe?.writeEnd ?? "pipe", errPipe?.writeEnd ?? "pipe"],
  });
  if (input !== undefined) closeSync(input.readEnd);
  const batches = new Batches(options);
  const stdout = batches.read(readerOf(outPipe, child.stdout), "stdout");
  const stderr = batches.read(readerOf(errPipe, child.stderr), "stderr");
  let isCancelled = false;
  let problem: string | undefined;
  const ended = new Promise<number | null>((resolve) => {
    child.once("exit", resolve);
    child.once("error", ({ message }) => {
      const what = `process '${program}' with working directory '${options.cwd}'`;
      problem = `An error occurred trying to start ${what}. ${message}`;
      resolve(null);
    });
  });
  options.onStart(child, () => {
    isCancelled = true;
    void endBySignals(child, ended);
  });
  const exitCode = await ended;
  await within(STREAMS_MS, Promise.all([stdout.ended, stderr.ended]));
  // What still holds a stream may write on: it is read, so that it does not break, and shown nowhere.
  stdout.stop();
  stderr.stop();
  batches.flush();
  const signalNumber = child.signalCode === null ? 0 : system.signals[child.signalCode];
  const status = exitCode ?? 128 + signalNumber;
  const ms = performance.now() - startedAt;
  return {
    exitCode,
    status,
    stdout: stdout.text(),
    stderr: stderr.text(),
    ms,
    isCancelled,
    problem,
  };
}

/** @param hasFailed whether a command or a file has made the step fail, whatever its exit code */
export function outcomeOf(
  { exitCode, isCancelled }: InvocationResult,
  hasFailed: boolean,
): Outcome {
  if (isCancelled) return "cancelled";
  return exitCode === 0 && !hasFailed ? "success" : "failure";
}

/** To the direct child alone: what a shell has started does not hear of it. */
async function endBySignals(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill("SIGINT");
  if (await within(SIGINT_MS, ended)) return;
  child.kill("SIGTERM");
  if (await within(SIGTERM_MS, ended)) return;
  child.kill("SIGKILL");
}

/** Whether it happened in time. */
async function within(ms: number, happens: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  try {
    return await Promise.race([happens.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

interface Pipe {
  readonly readEnd: number;
  readonly writeEnd: number;
}

/**
 * Node gives a child sockets, the runner gives it pipes. What a step can do with the two differs: a pipe can be
 * opened anew by its path in /proc. Undefined on Windows, which has no mkfifo.
 */
async function makeFifo(): Promise<string | undefined> {
  if (process.platform === "win32") return undefined;
  const path = join(tmpdir(), `armor-pipe-${randomUUID()}`);
  await promisify(execFile)("mkfifo", ["-m", "600", path]);
  return path;
}

/** The path of the FIFO is removed. */
function openPipe(path: string | undefined): Pipe | undefined {
  if (path === undefined) return undefined;
  try {
    // The reading end comes first, and without waiting, as there is no writer yet.
    const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return { readEnd, writeEnd: openSync(path, constants.O_WRONLY) };
  } finally {
    rmSync(path);
  }
}

/** The runner's end of a stream. The step's own is closed here, so that its end can be seen. */
function readerOf(pipe: Pipe | undefined, stream: Readable | null): Readable {
  if (pipe === undefined) {
    if (stream === null) throw new Error("this step has no stream");
    return stream;
  }
  closeSync(pipe.writeEnd);
  return new Socket({ fd: pipe.readEnd, readable: true, writable: false });
}

type StreamName = "stdout" | "stderr";

interface ReadStream {
  readonly ended: Promise<void>;
  text(): string;
  /** Reads on without looking at it, and without keeping this process alive. */
  stop(): void;
}

/**
 * Lines of both streams, in the order in which the runner handles them: of each batch that has arrived, all of
 * stderr comes before all of stdout.
 */
class Batches {
  readonly #options: InvocationOptions;
  readonly #lines: Record<StreamName, string[]> = { stdout: [], stderr: [] };
  #isPlanned = false;

  constructor(options: InvocationOptions) {
    this.#options = options;
  }

  read(stream: Readable, name: StreamName): ReadStream {
    const chunks: Buffer[] = [];
    let isStopped = false;
    const decoder = new TextDecoder(); // It drops a byte order mark at the start.
    const splitter = new LineSplitter((line) => this.#add(name, line));
    const take = (text: string) => {
      splitter.add(text);
      if (text !== "") this.#options.onOutput(text);
    };
    const ended = new Promise<void>((resolve) => {
      stream.once("close", () => {
        if (!isStopped) {
          take(decoder.decode());
          splitter.end();
        }
        resolve();
      });
    });
    stream.on("error", () => undefined); // "close" follows.
    stream.on("data", (chunk: Buffer) => {
      if (isStopped) return;
      chunks.push(chunk);
      take(decoder.decode(chunk, { stream: true }));
    });
    const stop = () => {
      isStopped = true;
      if (stream instanceof Socket) stream.unref();
    };
    return { ended, text: () => Buffer.concat(chunks).toString("utf8"), stop };
  }

  #add(name: StreamName, line: string): void {
    this.#lines[name].push(line);
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    const flush = () => this.flush();
    // setImmediate comes after everything that can be read at this moment has been read.
    if (this.#options.batchMs === 0) setImmediate(flush);
    else setTimeout(flush, this.#options.batchMs);
  }

  flush(): void {
    this.#isPlanned = false;
    const lines = [...this.#lines.stderr.splice(0), ...this.#lines.stdout.splice(0)];
    for (const line of lines) this.#options.onLine(line);
  }
}

/** LF, CR and CR LF end a line. A CR at the end of what has arrived waits for the next character. */
class LineSplitter {
  readonly #onLine: (line: string) => void;
  #rest = "";

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  add(text: string): void {
    const all = this.#rest + text;
    const isHeld = all.endsWith("\r");
    const lines = (isHeld ? all.slice(0, -1) : all).split(/\r\n|\r|\n/);
    this.#rest = (lines.pop() ?? "") + (isHeld ? "\r" : "");
    for (const line of lines) this.#onLine(line);
  }

  end(): void {
    const isHeld = this.#rest.endsWith("\r");
    const line = isHeld ? this.#rest.slice(0, -1) : this.#rest;
    if (isHeld || line !== "") this.#onLine(line);
    this.#rest = "";
  }
}
