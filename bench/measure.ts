// How things are measured: whole processes by the clock, in turns, and running ones by what
// /proc tells of them (Linux).

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

export interface Program {
  readonly pid: number;
  /** Without a slash at its end. */
  readonly base: string;
}

export interface StartedProgram extends Program {
  /** Does nothing if it has ended. */
  end(): void;
}

type Environment = Readonly<Record<string, string>>;

/** Starts a Node program whose first line on stdout is the port that it listens on. */
export async function startProgram(
  file: string,
  env: Environment,
  stdin = "",
): Promise<StartedProgram> {
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(stdin);
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once("data", (data: Buffer) => resolve(Number(String(data))));
    child.once("close", (code) => reject(new Error(`${file} ended with exit code ${code}`)));
  });
  return {
    pid: child.pid ?? 0,
    base: `http://127.0.0.1:${port}`,
    end: () => child.kill("SIGKILL"),
  };
}

/** Seconds of CPU that the process has used, all its threads together. */
export function cpuSeconds({ pid }: Program): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]),
  );
  return nanoseconds.reduce((sum, value) => sum + value, 0) / 1e9;
}

/** Resident memory now, or at its highest. */
export function memoryMiB(
  { pid }: Pick<Program, "pid">,
  field: "VmRSS" | "VmHWM" = "VmRSS",
): number {
  const line = new RegExp(`${field}:\\s+(\\d+) kB`).exec(
    readFileSync(`/proc/${pid}/status`, "utf8"),
  );
  return Number(line?.[1]) / 1024;
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Environment;
}

/**
 * Ms from before the process is started until it is gone and its output read. @throws if it fails
 */
export async function timed({ program, args, env }: Command): Promise<number> {
  const start = performance.now();
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise((resolve) => child.once("close", resolve));
  const ms = performance.now() - start;
  if (code === 0) return ms;
  throw new Error(
    `${program} ${args.join(" ")} ended with exit code ${code}:\n${Buffer.concat(chunks)}`,
  );
}

/**
 * Takes each measurement as often as told, in turns, so that what disturbs one disturbs all.
 * @returns by the measurements' names, in the order of the rounds
 */
export async function inTurns<Name extends string, Result>(
  measurements: Readonly<Record<Name, () => Promise<Result>>>,
  rounds: number,
): Promise<Record<Name, Result[]>> {
  const names = Object.keys(measurements) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    Result[]
  >;
  for (const name of names) await measurements[name](); // the first one warms caches
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) results[name].push(await measurements[name]());
  }
  return results;
}

export function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? 0;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The median of the ratios of what was measured side by side. */
export function ratio(values: readonly number[], floor: readonly number[]): number {
  return median(values.map((value, index) => value / (floor[index] ?? 0)));
}
