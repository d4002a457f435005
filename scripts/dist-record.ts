// What `npm run build` has built dist/ from, so that tests can refuse a dist/ of other sources.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

/** All that decides what is in dist/, but for packages, which have a lock of their own. */
const SOURCES = ["src", "scripts", "tsconfig.json"];

/** A clone writes all files within this time; nobody edits a file of it sooner. */
const CLONE_MS = 60_000;

/**
 * Hashes of contents. Times would not do: git gives each file that it writes the time of the
 * checkout.
 */
interface DistRecord {
  readonly sources: string;
  readonly dist: string;
}

/** Notes, in build/, which git does not keep, that dist/ is what the sources build. */
export function writeDistRecord(root: string): void {
  writeFileSync(recordPath(root), JSON.stringify(currentRecord(root)));
}

/**
 * Whether dist/ is what the sources build, by the record of the last build. A fresh clone has no record: there,
 * dist/ counts as built from the sources that came with it until one of these is edited. That the two belong
 * together is held by a test, byte for byte.
 */
export function isDistCurrent(root: string): boolean {
  const record = readDistRecord(root);
  if (record === undefined) {
    const builtAt = statSync(join(root, "dist", "index.js")).mtimeMs;
    return filesOf(root, SOURCES).every((file) => statSync(file).mtimeMs < builtAt + CLONE_MS);
  }
  const { sources, dist } = currentRecord(root);
  return sources === record.sources && dist === record.dist;
}

function recordPath(root: string): string {
  return join(root, "build", "dist-record.json");
}

function readDistRecord(root: string): DistRecord | undefined {
  try {
    return JSON.parse(readFileSync(recordPath(root), "utf8"));
  } catch {
    return undefined;
  }
}

function currentRecord(root: string): DistRecord {
  return { sources: hashOf(root, SOURCES), dist: hashOf(root, ["dist"]) };
}

function hashOf(root: string, names: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of filesOf(root, names)) {
    const content = readFileSync(file);
    hash.update(`${relative(root, file)} ${content.length}\n`).update(content);
  }
  return hash.digest("hex");
}

/** The files that have these names or are in these folders, in an order that is always the same. */
function filesOf(root: string, names: readonly string[]): string[] {
  const paths = names.map((name) => join(root, name));
  return paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [path];
    const entries = readdirSync(path, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    return files.map(({ parentPath, name }) => join(parentPath, name)).sort();
  });
}
