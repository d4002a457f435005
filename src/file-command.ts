// Owns the runner's file commands: one line a value, in the file that the runner named for it, or an error.
//
// Those of @actions/core do two things more. They draw a random delimiter for values of several lines, and load all
// of node:crypto for it, a tenth of the step's time; no value here has a line break. And where there is no file, they
// print the value, the token in plain sight.

import { closeSync, constants, existsSync, openSync, writeSync } from "node:fs";
import { ArmorError } from "./errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The variables that name the files for outputs, state, environment and PATH. */
export type FileVariable = "GITHUB_OUTPUT" | "GITHUB_STATE" | "GITHUB_ENV" | "GITHUB_PATH";

/** To be called before anything is done whose result could not be handed on. @throws ArmorError runner_unsupported */
export function checkFileCommands(env: Environment, variables: readonly FileVariable[]): void {
  for (const variable of variables) {
    if (!existsSync(env[variable] ?? "")) throw unsupported(variable);
  }
}

/** The functions of @actions/core by the same names. Each throws an ArmorError runner_unsupported without its file. */
export function fileCommands(env: Environment) {
  const set = (variable: FileVariable) => (name: string, value: string) =>
    append(env, variable, `${name}=${value}`);
  return {
    setOutput: set("GITHUB_OUTPUT"),
    saveState: set("GITHUB_STATE"),
    exportVariable: set("GITHUB_ENV"),
    addPath: (folder: string) => append(env, "GITHUB_PATH", folder),
  };
}

/** The runner takes what follows the first `=` as it is, to the end of the line (actions/runner, FileCommandManager.cs). */
function append(env: Environment, variable: FileVariable, line: string): void {
  if (/[\r\n]/.test(line)) throw new Error(`a line break in a value for ${variable}`);
  let file: number | undefined;
  try {
    // Without O_CREAT: what is not there, nobody reads.
    file = openSync(env[variable] ?? "", constants.O_WRONLY | constants.O_APPEND);
    writeSync(file, `${line}\n`);
  } catch {
    throw unsupported(variable);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function unsupported(variable: FileVariable): ArmorError {
  return new ArmorError(
    "runner_unsupported",
    `${variable} is not the path of a file, so there is no safe way to hand the token on`,
    "Run this as a step of a GitHub Actions workflow.",
  );
}
