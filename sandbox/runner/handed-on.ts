// What steps hand on to later steps and to post, by their files and by older commands.

import { delimiter } from "node:path";
import { type FileCommand, readFileCommand, readPathFile } from "./file-commands.ts";
import type { Masks } from "./masks.ts";
import type { Values } from "./step.ts";

export class HandedOn {
  /** Of the action, for its post step. */
  state: Record<string, string> = {};
  /** Of the action. Outputs of scripts are nobody's here. */
  outputs: Record<string, string> = {};
  /** Of all steps so far, post included. */
  readonly exported: Record<string, string> = {};
  #path: string[] = [];

  /**
   * Takes the files of a step.
   * @param isOfAction whether the step is the action's, not a script
   * @returns what the runner complains of; if there is anything, the step has failed
   */
  take(files: Values, isOfAction: boolean): string[] {
    for (const folder of readPathFile(files["GITHUB_PATH"] ?? "")) {
      this.#path = [...this.#path.filter((one) => one !== folder), folder];
    }
    const exported: Record<string, string> = {};
    const problems = takeOne(files, "GITHUB_ENV", exported);
    for (const [name, value] of Object.entries(exported)) {
      if (name.toUpperCase() !== "NODE_OPTIONS") this.exported[name] = value;
      else problems.push("Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.");
    }
    problems.push(...takeOne(files, "GITHUB_STATE", isOfAction ? this.state : {}));
    problems.push(...takeOne(files, "GITHUB_OUTPUT", isOfAction ? this.outputs : {}));
    return problems;
  }

  /** PATH with the folders that steps have added. The last one added comes first. */
  extendPath(path: string | undefined): string {
    const added = [...this.#path].reverse();
    return path === undefined ? added.join(delimiter) : [...added, path].join(delimiter);
  }
}

/** Puts what stands before a broken line into `values`. @returns the runner's words for a broken line */
function takeOne(files: Values, name: FileCommand, values: Record<string, string>): string[] {
  const content = readFileCommand(files[name] ?? "");
  Object.assign(values, content.values);
  if (content.problem === undefined) return [];
  const what = name.replace(/^GITHUB_/, "").toLowerCase();
  return [`Unable to process file command '${what}' successfully.`, content.problem];
}

export interface JobOutputs {
  readonly values: Values;
  /** What the log says of the values that are left out. */
  readonly log: readonly string[];
}

/** The outputs of a job that other jobs get: those that are not empty, and hold nothing that is masked. */
export function handOn(outputs: Values, masks: Masks): JobOutputs {
  const values: Record<string, string> = {};
  const log: string[] = [];
  for (const [name, value] of Object.entries(outputs)) {
    if (value === "") continue;
    const isClear = value === masks.apply(value);
    if (isClear) values[name] = value;
    else log.push(`Warning: Skip output '${name}' since it may contain secret.`);
  }
  return { values, log };
}
