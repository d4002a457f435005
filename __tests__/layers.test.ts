// The rooms of src/: imports run one way, types included, and each outside package has one owner.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { ROOT } from "../sandbox/runner.ts";

/** What lies at the top of src/, but for index.ts and the command. */
const SHARED = "shared";

/**
 * The folders of src/, from the edge to the leaves: each imports from those below it, and inside
 * itself not in a circle.
 */
const ROOMS = ["index", "step", "agent-client", "agent", "gateway", "protocol", "armor", SHARED];

/** A program of its own, in a bundle of its own: its entry and its room. */
const isOfCommand = (file: string) => file === "armor-token.ts" || file.startsWith("command/");

const SRC = join(ROOT, "src");
const files = (readdirSync(SRC, { recursive: true }) as string[])
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".ts"));

/** What a file names in `import`, `export … from`, `import()` or `import type`. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  return [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(?<name>[^"]+)"/g)].map(
    ({ groups }) => groups?.["name"] ?? "",
  );
}

/** The files of this project that a file imports, as paths below src/. */
function ownImportsOf(file: string): string[] {
  const relative = importsOf(file).filter((name) => name.startsWith("."));
  return relative.map((name) => join(dirname(file), name).replaceAll("\\", "/"));
}

/** Its folder; at the top, index.ts is a room of its own above all others. */
function roomOf(file: string): number {
  if (file.includes("/")) return ROOMS.indexOf(dirname(file));
  return ROOMS.indexOf(file === "index.ts" ? "index" : SHARED);
}

function isUpwards(from: string, to: string): boolean {
  return isOfCommand(to) || roomOf(to) < roomOf(from);
}

/** The files on the way from this one back to itself, if there is such a way. */
function cycleFrom(
  file: string,
  path: readonly string[] = [file],
  seen = new Set<string>(),
): readonly string[] {
  for (const next of ownImportsOf(path.at(-1) ?? file)) {
    if (next === file) return path;
    if (seen.has(next)) continue;
    seen.add(next);
    const cycle = cycleFrom(file, [...path, next], seen);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

function importersOf(pattern: RegExp): string[] {
  return files.filter((file) => importsOf(file).some((name) => pattern.test(name)));
}

describe("src/", () => {
  test("has no file outside the rooms", () => {
    expect(files.length).toBeGreaterThan(20);
    expect(files.filter((file) => roomOf(file) < 0 && !isOfCommand(file))).toEqual([]);
  });

  test.each(files.filter((file) => !isOfCommand(file)))(
    "%s imports downwards only, and not in a circle",
    (file) => {
      expect(ownImportsOf(file).filter((target) => isUpwards(file, target))).toEqual([]);
      expect(cycleFrom(file)).toEqual([]);
    },
  );

  test("armor-token stands on Node and redact.ts alone, and nothing stands on it", () => {
    const command = files.filter(isOfCommand);
    expect(command.length).toBeGreaterThan(3);
    const outside = command.flatMap(ownImportsOf).filter((file) => !isOfCommand(file));
    expect([...new Set(outside)]).toEqual(["redact.ts"]);
    expect(command.flatMap((file) => cycleFrom(file))).toEqual([]);
    const packages = command.flatMap(importsOf).filter((name) => !/^(\.|node:)/.test(name));
    expect(packages).toEqual([]);
  });

  test("what it needs from outside has owners: Node, and two packages", () => {
    const packages = files.flatMap(importsOf).filter((name) => !/^(\.|node:)/.test(name));
    expect([...new Set(packages)].sort()).toEqual(["@actions/core", "@actions/http-client"]);
    expect(importersOf(/^@actions\/http-client$/)).toEqual(["armor/http.ts"]);
    expect(
      importersOf(/^@actions\/core$/).filter((file) => !/^(step\/|index\.ts$)/.test(file)),
    ).toEqual([]);
  });
});
