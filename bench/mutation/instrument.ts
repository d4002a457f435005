// Writes all mutants of the sources into a copy of the project, each behind a switch.

import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { Instrumenter } from "@stryker-mutator/instrumenter";
import { ROOT } from "../../sandbox/runner.ts";

export interface Mutant {
  readonly id: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** That line, trimmed. */
  readonly text: string;
  /** Shortened to one line, as is the replacement. */
  readonly original: string;
  readonly replacement: string;
}

const NOT_COPIED = [".git", "bench", "build", "coverage", "node_modules"];
const LOGGER = { isDebugEnabled: () => false, debug() {}, info() {} } as never;
const OPTIONS = { plugins: null, excludedMutations: [], ignorers: [] };
const BRIEF = 70;

export async function instrument(copy: string, files: readonly string[]): Promise<Mutant[]> {
  await mkdir(copy);
  const filter = (path: string) => !NOT_COPIED.includes(relative(ROOT, path).split(sep)[0] ?? "");
  await cp(ROOT, copy, { recursive: true, filter });
  await symlink(join(ROOT, "node_modules"), join(copy, "node_modules"), "junction");
  const sources = await Promise.all(
    files.map(async (name) => ({
      name,
      mutate: true,
      content: await readFile(join(ROOT, name), "utf8"),
    })),
  );
  const result = await new Instrumenter(LOGGER).instrument(sources, OPTIONS);
  for (const { name, content } of result.files) await writeFile(join(copy, name), content);
  const texts = new Map(sources.map(({ name, content }) => [name, content.split("\n")]));
  return result.mutants.map(({ id, fileName, location: { start, end }, replacement = "" }) => {
    const lines = (texts.get(fileName) ?? []).slice(start.line, end.line + 1);
    const text = (lines[0] ?? "").trim();
    const cut = [...lines.slice(0, -1), (lines.at(-1) ?? "").slice(0, end.column)].join("\n");
    const original = brief(cut.slice(start.column));
    return {
      id,
      file: fileName,
      line: start.line + 1,
      text,
      original,
      replacement: brief(replacement),
    };
  });
}

function brief(code: string): string {
  const line = code.replaceAll(/\s+/g, " ");
  return line.length > BRIEF ? `${line.slice(0, BRIEF)}…` : line;
}
