// action.yml, and what a runner makes of its inputs (actions/runner, ActionManifestManager.cs, ActionRunner.cs).

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Described {
  readonly description: string;
}

export interface ActionFile {
  readonly inputs: Readonly<
    Record<string, Described & { readonly default?: string; readonly required: boolean }>
  >;
  readonly outputs: Readonly<Record<string, Described>>;
  readonly runs: { readonly using: string; readonly main: string; readonly post: string };
}

let action: Promise<ActionFile> | undefined;

/** action.yml, which is read once. */
export async function readAction(): Promise<ActionFile> {
  action ??= readFile(join(ROOT, "action.yml"), "utf8").then((text) => parse(text) as ActionFile);
  return await action;
}

/** Given inputs and defaults, as names and values. Case does not matter, and what has no default is empty. */
function readInputs(
  given: Readonly<Record<string, string>>,
  { inputs: known }: ActionFile,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, { default: byDefault = "" }] of Object.entries(known)) {
    values.set(name.toLowerCase(), byDefault);
  }
  for (const [name, value] of Object.entries(given)) values.set(name.toLowerCase(), value);
  return values;
}

/** The same as an action finds them in its environment: INPUT_ and the name in capital letters. */
export function inputVariables(
  given: Readonly<Record<string, string>>,
  description: ActionFile,
): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of readInputs(given, description))
    variables[`INPUT_${name.replaceAll(" ", "_").toUpperCase()}`] = value;
  return variables;
}

/** What the log says of inputs that action.yml does not know. They reach the action all the same. */
export function unexpectedInputs(
  given: Readonly<Record<string, string>>,
  { inputs: known }: ActionFile,
): string[] {
  const knownNames = Object.keys(known);
  const isKnown = (name: string) => knownNames.includes(name.toLowerCase());
  const names = Object.keys(given).filter((name) => !isKnown(name));
  if (names.length === 0) return [];
  const list = (words: readonly string[]) => `'${words.join("', '")}'`;
  return [`Warning: Unexpected input(s) ${list(names)}, valid inputs are [${list(knownNames)}]`];
}
