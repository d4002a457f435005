// Which lines of the sources a branch has changed, by git.

import { execFileSync } from "node:child_process";
import { ROOT } from "../../sandbox/runner.ts";

/** Of each file that changed, its lines that are new or changed, counted from 1. */
export type ChangedLines = ReadonlyMap<string, ReadonlySet<number>>;

/** In a pull request's checkout, CI has no branch main of its own, so GitHub's comes first. */
const MAIN = ["origin/main", "main"];

/**
 * What is committed, staged and edited in src/ since this branch left main. @throws if git knows no
 * main
 */
export function changedLines(): ChangedLines {
  const main = MAIN.find((name) => git("rev-parse", "--verify", "--quiet", name) !== undefined);
  const base = main === undefined ? undefined : git("merge-base", main, "HEAD");
  if (base === undefined)
    throw new Error("git knows no main to compare with: fetch it, or name files");
  const diff = git("diff", "--unified=0", "--no-color", "--no-ext-diff", base.trim(), "--", "src");
  return linesOf(diff ?? "");
}

/** Reads a diff without context. */
export function linesOf(diff: string): ChangedLines {
  const changed = new Map<string, Set<number>>();
  let lines = new Set<number>();
  for (const line of diff.split("\n")) {
    const file = /^\+\+\+ b\/(?<path>.+)$/.exec(line)?.groups?.["path"];
    if (file !== undefined) {
      lines = new Set();
      changed.set(file, lines);
    }
    const { start, count = "1" } =
      /^@@ -\S+ \+(?<start>\d+)(?:,(?<count>\d+))? @@/.exec(line)?.groups ?? {};
    if (start === undefined) continue;
    for (let offset = 0; offset < Number(count); offset += 1) lines.add(Number(start) + offset);
  }
  return changed;
}

/** Undefined if git fails. */
function git(...args: string[]): string | undefined {
  try {
    return execFileSync("git", args, {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch {
    return undefined;
  }
}
