// Measures what has to be reviewed, and what is installed.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../sandbox/runner.ts";

export interface Size {
  /** Of all files in dist/ together, without lines that are a comment: those are no reason to read less. */
  readonly distBytes: number;
  /** In the main lock. */
  readonly packages: number;
}

const COMMENT_LINE = /^ *(?:\/\/|\/\*|\*).*\n/gm;

export function measureSize(): Size {
  const names = execFileSync("git", ["ls-files", "--", "dist"], { cwd: ROOT, encoding: "utf8" });
  const files = names.trimEnd().split("\n");
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, unknown>>;
  };
  return {
    distBytes: files.reduce((sum, file) => sum + codeBytes(join(ROOT, file)), 0),
    packages: Object.keys(lock.packages).filter((path) => path !== "").length,
  };
}

function codeBytes(file: string): number {
  return Buffer.byteLength(readFileSync(file, "utf8").replace(COMMENT_LINE, ""));
}
