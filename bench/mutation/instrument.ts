// Writes all mutants of the sources into a copy of the project, each behind a switch.

import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { Instrumenter } from "@stryker-mutator/instrumenter";
import { ROOT } from "../../sandbox/runner.ts";
import { nameAt, namedRangesOf, type Position } from "./functions.ts";

export interface Mutant {
  /** Counted over all files of one run. */
  readonly id: string;
  readonly file: string;
  /** The innermost function or constant of the top level that it is in. */
  readonly function: string;
  /** Stryker's name of the kind of change, such as `EqualityOperator`. */
  readonly mutator: string;
  /** From 1, as is `lastLine`. */
  readonly line: number;
  readonly lastLine: number;
  /** For people: shortened to one line, as is the replacement. */
  readonly original: string;
  readonly replacement: string;
}

const NOT_COPIED = [".git", "bench", "build", "coverage", "node_modules"];
const LOGGER = { isDebugEnabled: () => false, debug() {}, info() {} } as never;
const OPTIONS = { plugins: null, excludedMutations: [], ignorers: [] };
const BRIEF = 70;

/** @returns the mutants, in the order of the files and of their places */
export async function instrument(copy: string, files: readonly string[]): Promise<Mutant[]> {
  await mkdir(copy);
  const filter = (path: string) => !NOT_COPIED.includes(relative(ROOT, path).split(sep)[0] ?? "");
  await cp(ROOT, copy, { recursive: true, filter });
  await symlink(join(ROOT, "node_modules"), join(copy, "node_modules"), "junction");
  const sources = await Promise.all(
    files.map(async (name) => ({
      name,
      mutate: true,
      content: await readFile(join(copy, name), "utf8"), // the project may be edited meanwhile
    })),
  );
  const result = await new Instrumenter(LOGGER).instrument(sources, OPTIONS);
  for (const { name, content } of result.files) await writeFile(join(copy, name), content);
  const ranges = new Map(sources.map(({ name, content }) => [name, namedRangesOf(content)]));
  const lines = new Map(sources.map(({ name, content }) => [name, content.split("\n")]));
  return result.mutants.map(({ id, fileName, mutatorName, location, replacement = "" }) => ({
    id,
    file: fileName,
    function: nameAt(ranges.get(fileName) ?? [], location.start),
    mutator: mutatorName,
    line: location.start.line + 1,
    lastLine: location.end.line + 1,
    original: brief(textBetween(lines.get(fileName) ?? [], location.start, location.end)),
    replacement: brief(replacement),
  }));
}

function textBetween(lines: readonly string[], start: Position, end: Position): string {
  const some = lines.slice(start.line, end.line + 1);
  const cut = [...some.slice(0, -1), (some.at(-1) ?? "").slice(0, end.column)];
  return cut.join("\n").slice(start.column);
}

function brief(code: string): string {
  const line = code.replaceAll(/\s+/g, " ");
  return line.length > BRIEF ? `${line.slice(0, BRIEF)}…` : line;
}
