// Measures what has to be reviewed, and what is installed.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../sandbox/runner.ts";

export function measureSize() {
  const sources = textsOf("src/*.ts").map((text) => text.trimEnd().split("\n"));
  const tests = textsOf("__tests__/*.ts", "__tests__/*.cjs").map((text) =>
    text.trimEnd().split("\n"),
  );
  const lock = JSON.parse(textsOf("package-lock.json")[0] ?? "") as { readonly packages: object };
  return {
    distBytes: textsOf("dist").reduce((sum, text) => sum + Buffer.byteLength(text), 0),
    sourceLines: sources.flat().length,
    largestFile: Math.max(...sources.map(({ length }) => length)),
    longestLine: Math.max(...sources.flat().map(({ length }) => length)),
    testLines: tests.flat().length,
    packages: Object.keys(lock.packages).filter((path) => path !== "").length,
  };
}

/** What Git has of the project; `*` stands for folders, too. */
function textsOf(...patterns: string[]): string[] {
  const files = execFileSync("git", ["ls-files", "--", ...patterns], {
    cwd: ROOT,
    encoding: "utf8",
  });
  return files
    .trimEnd()
    .split("\n")
    .map((file) => readFileSync(join(ROOT, file), "utf8"));
}
