// Owns how is measured: whole processes by the clock, in turns, and running ones by what /proc tells of them.

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Program {
  readonly pid: number;
  /** Without a slash at its end. */
  readonly base: string;
}

const CLOCK_TICKS_PER_SECOND = 100;

/** Starts a Node program whose first line on stdout is the port that it listens on. */
export async function startProgram(
  script: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const child = spawn(process.execPath, ["-e", script], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return { pid: child.pid ?? 0, base: `http://127.0.0.1:${Number(await firstLine(child))}` };
}

async function firstLine(child: ChildProcess): Promise<string> {
  return await new Promise((resolve) => child.stdout?.once("data", (data: Buffer) => resolve(String(data))));
}

/** Seconds of CPU that the process has used. */
export function cpuSeconds({ pid }: Pick<Program, "pid">): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

/** Resident memory now, or at its highest. */
export function memoryMiB({ pid }: Pick<Program, "pid">, field: "VmRSS" | "VmHWM" = "VmRSS"): number {
  const line = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) / 1024;
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Ms from before the process is started until it is gone and its output read. @throws where it fails */
async function timed({ program, args, env }: Command): Promise<number> {
  const start = performance.now();
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  child.stdout.resume();
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with exit code ${code}`);
  return performance.now() - start;
}

/**
 * Runs each command as often as told, in turns, so that what disturbs one disturbs all.
 * @returns ms by the commands' names, in the order of the rounds
 */
export async function inTurns<Name extends string>(
  commands: Readonly<Record<Name, Command>>,
  rounds: number,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(commands) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>;
  for (const name of names) await timed(commands[name]); // the first run warms the disk
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) times[name].push(await timed(commands[name]));
  }
  return times;
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
