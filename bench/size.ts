// Measures what has to be reviewed, and what is installed.

import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../sandbox/runner.ts";

export async function measureSize() {
  const [dist, sources, tests] = await Promise.all(["dist", "src", "__tests__"].map(filesBelow));
  const bytes = await Promise.all((dist ?? []).map(async (file) => (await stat(file)).size));
  const lines = await linesOf(sources ?? []);
  const lock = JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, unknown>>;
  };
  return {
    distBytes: sum(bytes),
    sourceLines: sum(lines.map(({ length }) => length)),
    largestFile: Math.max(...lines.map(({ length }) => length)),
    longestLine: Math.max(...lines.flat().map(({ length }) => length)),
    testLines: sum((await linesOf(tests ?? [])).map(({ length }) => length)),
    packages: Object.keys(lock.packages).filter((name) => name.startsWith("node_modules/")).length,
  };
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, folder), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function linesOf(files: readonly string[]): Promise<string[][]> {
  return await Promise.all(files.map(async (file) => (await readFile(file, "utf8")).trimEnd().split("\n")));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
