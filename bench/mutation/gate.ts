// What a run of `npm run mutate` has to say, and whether it is good: every survivor is accepted by
// name, and every entry of the list still stands for something.

import { ACCEPTED, type Accepted } from "./accepted.ts";
import type { Mutant } from "./instrument.ts";

/** What the run has tried. */
export interface Outcome {
  readonly mutants: readonly Mutant[];
  /** Their ids. */
  readonly killed: ReadonlySet<string>;
  /** Ids of those that time did not allow. */
  readonly untried: ReadonlySet<string>;
  /** All files of src/, mutated or not. */
  readonly sources: readonly string[];
  /**
   * Whether all mutants of these files were tried, so that entries which stand for nothing can be
   * told.
   */
  readonly isWhole: boolean;
}

/** Survivors of one kind in one function. */
interface Group {
  readonly file: string;
  readonly function: string;
  readonly mutator: string;
  readonly survivors: readonly Mutant[];
}

/** @returns the lines to be printed, and whether nothing is left over */
export function judge(outcome: Outcome, accepted = ACCEPTED): { lines: string[]; isGood: boolean } {
  const { mutants, killed, untried, sources, isWhole } = outcome;
  const survivors = mutants.filter(({ id }) => !killed.has(id) && !untried.has(id));
  const groups = groupsOf(survivors);
  const open = groups.filter((group) => group.survivors.length > countFor(accepted, group));
  const files = new Set(mutants.map(({ file }) => file));
  const judged = Object.keys(accepted).filter((file) => isWhole && files.has(file));
  const gone = Object.keys(accepted).filter((file) => !sources.includes(file));
  const stale = [...judged, ...gone].flatMap((file) =>
    staleEntries(file, accepted[file] ?? [], groups),
  );
  const unexplained = Object.entries(accepted).flatMap(([file, entries]) =>
    entries.filter(({ why }) => why.trim() === "").map((entry) => nameOf(file, entry)),
  );
  const lines = [
    ...tableOf(outcome, survivors),
    ...openLines(open),
    ...stale.map((line) => `accepted, but survives no longer so often: ${line}`),
    ...unexplained.map((line) => `accepted without a reason: ${line}`),
  ];
  if (untried.size > 0) lines.push(`${untried.size} mutants were not tried: the time was over.`);
  return { lines, isGood: open.length + stale.length + unexplained.length === 0 };
}

function groupsOf(survivors: readonly Mutant[]): Group[] {
  const name = (one: Mutant) => [one.file, one.function, one.mutator].join("\n");
  return [...Map.groupBy(survivors, name).values()].flatMap((some) =>
    some.slice(0, 1).map(({ file, function: place, mutator }) => ({
      file,
      function: place,
      mutator,
      survivors: some,
    })),
  );
}

function countFor(accepted: typeof ACCEPTED, group: Group): number {
  const entries = accepted[group.file] ?? [];
  return entries
    .filter((entry) => entry.function === group.function && entry.mutator === group.mutator)
    .reduce((sum, { count = 1 }) => sum + count, 0);
}

/** Entries of a file whose whole group has fewer survivors than are accepted. */
function staleEntries(
  file: string,
  entries: readonly Accepted[],
  groups: readonly Group[],
): string[] {
  const found = (entry: Accepted) =>
    groups.find(
      (group) =>
        group.file === file && group.function === entry.function && group.mutator === entry.mutator,
    )?.survivors.length ?? 0;
  const wanted = (entry: Accepted) =>
    countFor({ [file]: entries }, { file, ...entry, survivors: [] });
  return entries
    .filter((entry) => found(entry) < wanted(entry))
    .map((entry) => `${nameOf(file, entry)}: ${found(entry)} of ${wanted(entry)}`);
}

function nameOf(file: string, entry: Accepted): string {
  return `${file} ${entry.function} ${entry.mutator}`;
}

/** As they would stand in accepted.ts, with what was changed as a comment, and without a reason. */
function openLines(open: readonly Group[]): string[] {
  if (open.length === 0) return [];
  const lines = ["Write a test for each of these, or accept it in accepted.ts with a reason:", ""];
  for (const [file, groups] of Map.groupBy(open, (group) => group.file)) {
    lines.push(`  ${JSON.stringify(file)}: [`);
    for (const { function: place, mutator, survivors } of groups) {
      for (const { line, original, replacement } of survivors)
        lines.push(`    // line ${line}: ${original} -> ${replacement}`);
      const names = `function: ${JSON.stringify(place)}, mutator: ${JSON.stringify(mutator)}`;
      const count = survivors.length === 1 ? "" : ` count: ${survivors.length},`;
      lines.push(`    { ${names},${count} why: "" },`);
    }
    lines.push("  ],");
  }
  return [...lines, ""];
}

/** @param text what an earlier run has printed. @returns whether a mutant is one that it has left */
export function leftBy(text: string): (mutant: Mutant) => boolean {
  const left = new Set<string>();
  let file = "";
  for (const line of text.split("\n")) {
    file = /^ {2}"(?<file>src\/[^"]+)": \[$/.exec(line)?.groups?.["file"] ?? file;
    const change = /^ {4}\/\/ line \d+: (?<change>.*)$/.exec(line)?.groups?.["change"];
    if (change !== undefined) left.add(`${file} ${change}`);
  }
  return (mutant) => left.has(`${mutant.file} ${mutant.original} -> ${mutant.replacement}`);
}

function tableOf({ mutants, killed, untried }: Outcome, survivors: readonly Mutant[]): string[] {
  const row = (name: string, cells: readonly (number | string)[]) =>
    name.padEnd(34) + cells.map((cell) => String(cell).padStart(10)).join("");
  const lines = [row("file", ["mutants", "killed", "survived", "untried"])];
  const countsOf = (files: (file: string) => boolean) => {
    const all = mutants.filter(({ file }) => files(file));
    return [
      all.length,
      all.filter(({ id }) => killed.has(id)).length,
      survivors.filter(({ file }) => files(file)).length,
      all.filter(({ id }) => untried.has(id)).length,
    ];
  };
  for (const file of new Set(mutants.map((mutant) => mutant.file)))
    lines.push(
      row(
        file,
        countsOf((other) => other === file),
      ),
    );
  return [
    ...lines,
    row(
      "all",
      countsOf(() => true),
    ),
    "",
  ];
}
