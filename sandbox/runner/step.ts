// One step of a job: how it is described, what comes out of it, and the files by which it speaks to the runner.

import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FILE_PREFIXES } from "./file-commands.ts";
import type { Command } from "./machine.ts";

export type Values = Readonly<Record<string, string>>;

/** What a step's `outcome` can be. */
export type Outcome = "success" | "failure" | "cancelled" | "skipped";

export interface StepResult {
  /** null if a signal ended the process, or if the step was skipped. */
  readonly exitCode: number | null;
  readonly outcome: Outcome;
  readonly stdout: string;
  readonly stderr: string;
  /** What a person reads in the job's log: commands carried out, and masked by what was known by then. */
  readonly log: readonly string[];
  /** From before the process was started until it was gone. */
  readonly ms: number;
  /** The file commands' files as the step left them, unparsed, by name: GITHUB_OUTPUT, GITHUB_STATE … */
  readonly files: Values;
}

export type OnOutput = (text: string) => void;
/** @param cancel ends the step as the runner does: SIGINT, 7.5 s, SIGTERM, 2.5 s, SIGKILL */
export type OnStart = (child: ChildProcess, cancel: () => void) => void;

/** Whether a step runs, as `if: success()` and so on. */
export type Condition = "success" | "failure" | "cancelled" | "always";

/** What a later step may have besides its script or program. */
export interface StepOptions {
  /** `always` by default: a test may want to go on after a script that has to fail. */
  readonly condition?: Condition;
  /** The step's own `env:`. */
  readonly env?: Values;
  /** Called with each piece of output as it is read. */
  readonly onOutput?: OnOutput;
  readonly onStart?: OnStart;
}

export interface RunOptions extends StepOptions {
  /** `sh` by default. Bash runs with `-e` too, as the runner does it if no shell is named. */
  readonly shell?: "sh" | "bash" | "python3";
}

export interface Step {
  readonly command: Command;
  /** The job's `env:`, what earlier steps have exported, the step's own `env:`. */
  readonly env: Values;
  /** Inputs and state. */
  readonly own: Values;
  readonly isOfAction: boolean;
  /** What the log says before the step starts. */
  readonly warnings: readonly string[];
  readonly onOutput: OnOutput;
  readonly onStart: OnStart;
}

/** Of a step whose condition does not hold. */
export const SKIPPED: StepResult = {
  exitCode: null,
  outcome: "skipped",
  stdout: "",
  stderr: "",
  log: [],
  ms: 0,
  files: {},
};

/** The files of one step. They stay until the job ends. @returns their paths by the names of the variables */
export async function createFiles(temp: string): Promise<Values> {
  const folder = join(temp, "_runner_file_commands");
  await mkdir(folder, { recursive: true });
  const suffix = randomUUID();
  const paths: Record<string, string> = {};
  for (const [name, prefix] of Object.entries(FILE_PREFIXES)) {
    const path = join(folder, prefix + suffix);
    await writeFile(path, "");
    paths[name] = path;
  }
  return paths;
}

/** What the step has left in these files. */
export async function readFiles(paths: Values): Promise<Values> {
  const contents: Record<string, string> = {};
  for (const [name, path] of Object.entries(paths)) {
    // A step may have removed it, or all of RUNNER_TEMP.
    contents[name] = await readFile(path, "utf8").catch(() => "");
  }
  return contents;
}
