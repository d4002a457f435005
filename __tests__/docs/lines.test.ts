// Every line that a step, the post step or armor-token can print is explained in troubleshooting.md.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { read } from "./markdown.ts";

const troubleshooting = read("docs", "troubleshooting.md").replace(/\s+/g, " ");

/** What prints a line, or throws one that is printed, before the text itself. */
const PRINTS = /(?:\.warn|\.warning|\.log|lineReport|say|new Error|UsageError)\(\s*["`]/.source;
/** Up to where a part differs from run to run. */
const LINE = new RegExp(`${PRINTS}(?<text>[^"\`$]{12,})`, "g");

/** As much of a text as troubleshooting.md has to repeat: its first words. */
function firstWords(text: string): string {
  return text.split(" ").slice(0, 4).join(" ").replace(/\W+$/, "");
}

function linesIn(...path: readonly string[]): string[] {
  const source = read("src", ...path);
  return [...source.matchAll(LINE)].map(({ groups }) => firstWords(groups?.["text"] ?? ""));
}

/** Caught before anybody sees it, or a bug of this action (internal_error). */
const NEVER_PRINTED: ReadonlySet<string> = new Set([
  "this is not the",
  "the process ended without",
]);

const FOLDERS = ["step", "command"] as const;
const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, "src", folder)).map((file) => ({ folder, file })),
);
const printed = files
  .flatMap(({ folder, file }) => linesIn(folder, file).map((line) => ({ file, line })))
  .concat(linesIn("index.ts").map((line) => ({ file: "index.ts", line })))
  .filter(({ line }) => !NEVER_PRINTED.has(line));

test("there are such lines in each of the places", () => {
  const places = new Set(printed.map(({ file }) => file));
  const known = ["supply.ts", "session-end.ts", "command.ts", "agent.ts", "index.ts"];
  expect([...places]).toEqual(expect.arrayContaining(known));
});

test.each(printed)("$line … ($file)", ({ line }) => {
  expect(troubleshooting).toContain(line);
});
