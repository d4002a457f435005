// Measures what has to be reviewed, and what is installed.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../sandbox/runner.ts";

export interface Size {
  /** Of all files in dist/ together. */
  readonly distBytes: number;
  /** In the main lock. */
  readonly packages: number;
}

export function measureSize(): Size {
  const names = execFileSync("git", ["ls-files", "--", "dist"], { cwd: ROOT, encoding: "utf8" });
  const files = names.trimEnd().split("\n");
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, unknown>>;
  };
  return {
    distBytes: files.reduce((sum, file) => sum + readFileSync(join(ROOT, file)).length, 0),
    packages: Object.keys(lock.packages).filter((path) => path !== "").length,
  };
}
