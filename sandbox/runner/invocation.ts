// One process of a step, as GitHub's runner starts, reads and ends it (actions/runner, ProcessInvoker.cs).

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, constants, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { promisify } from "node:util";

/** After the end of its process, a step waits so long for whatever still holds its streams. */
const STREAMS_MS = 5_000;
const SIGINT_MS = 7_500; // until SIGTERM
const SIGTERM_MS = 2_500; // until SIGKILL

export interface InvocationOptions {
  readonly program: string;
  readonly args: readonly string[];
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
  readonly stdout: string;
  readonly stderr: string;
  /** Whether the runner cancelled it. */
  readonly isCancelled: boolean;
}

/** Runs a process until it and its streams have ended. @throws the error of a program that cannot be started */
export async function invoke(options: InvocationOptions): Promise<InvocationResult> {
  const pipes = await Promise.all([createPipe(), createPipe()]);
  const [outPipe, errPipe] = pipes;
  const child = spawn(options.program, options.args, {
    env: options.env,
    cwd: options.cwd,
    stdio: ["pipe", outPipe?.writeEnd ?? "pipe", errPipe?.writeEnd ?? "pipe"],
  });
  for (const pipe of pipes) if (pipe !== undefined) closeSync(pipe.writeEnd);
  const streams = [outPipe?.reader ?? child.stdout, errPipe?.reader ?? child.stderr];
  // Steps get an empty stdin. One that has ended before reading it is no failure.
  child.stdin?.on("error", () => undefined).end();
  const batches = new Batches(options);
  const [out, err] = streams as [Readable, Readable];
  const stdout = batches.read(out, "stdout");
  const stderr = batches.read(err, "stderr");
  let isCancelled = false;
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("exit", resolve).once("error", reject);
  });
  try {
    options.onStart(child, () => {
      isCancelled = true;
      void endBySignals(child, ended);
    });
    const exitCode = await ended;
    await within(STREAMS_MS, Promise.all([stdout.ended, stderr.ended]));
    return { exitCode, stdout: stdout.text(), stderr: stderr.text(), isCancelled };
  } finally {
    out.destroy();
    err.destroy();
    batches.flush();
  }
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
  readonly reader: Socket;
  readonly writeEnd: number;
}

/**
 * Node gives a child sockets, the runner gives it pipes. What a step can do with the two differs: a pipe can be
 * opened anew by its path in /proc. Undefined on Windows, which has no mkfifo.
 */
async function createPipe(): Promise<Pipe | undefined> {
  if (process.platform === "win32") return undefined;
  const path = join(tmpdir(), `armor-pipe-${randomUUID()}`);
  await promisify(execFile)("mkfifo", ["-m", "600", path]);
  try {
    // The reading end comes first, and without waiting, as there is no writer yet.
    const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writeEnd = openSync(path, constants.O_WRONLY);
    return { reader: new Socket({ fd: readEnd, readable: true, writable: false }), writeEnd };
  } finally {
    rmSync(path);
  }
}

type StreamName = "stdout" | "stderr";

interface ReadStream {
  readonly ended: Promise<void>;
  text(): string;
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
    const decoder = new TextDecoder(); // It drops a byte order mark at the start.
    const splitter = new LineSplitter((line) => this.#add(name, line));
    const take = (text: string) => {
      splitter.add(text);
      if (text !== "") this.#options.onOutput(text);
    };
    const ended = new Promise<void>((resolve) => {
      stream.once("close", () => {
        take(decoder.decode());
        splitter.end();
        resolve();
      });
    });
    stream.on("error", () => undefined); // "close" follows.
    stream.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      take(decoder.decode(chunk, { stream: true }));
    });
    return { ended, text: () => Buffer.concat(chunks).toString("utf8") };
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
