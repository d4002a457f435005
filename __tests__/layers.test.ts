// Imports point down, as the list below draws them, and each outside package has one owner.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { ROOT } from "../sandbox/runner.ts";

/** From the edge to the leaves. A file imports from lower layers, and from its own only what stands after it. */
const LAYERS = [
  ["index.ts", "main.ts", "post.ts", "agent.ts", "cli.ts", "exit.ts"],
  [
    "inputs.ts",
    "outputs.ts",
    "state.ts",
    "file-command.ts",
    "launch.ts",
    "command.ts",
    "usage.ts",
    "gateway.ts",
    "server.ts",
    "guard.ts",
  ],
  ["keeper.ts", "token.ts", "stats.ts"],
  [
    "redirect.ts",
    "secrets.ts",
    "oauth.ts",
    "http.ts",
    "network-error.ts",
    "retry.ts",
    "quote.ts",
    "clock.ts",
    "errors.ts",
  ],
];
const ORDER = LAYERS.flat();
const ENTRIES = ["index.ts", "main.ts", "post.ts"];

const sources = new Map(
  readdirSync(join(ROOT, "src")).map((name) => [name, readFileSync(join(ROOT, "src", name), "utf8")]),
);

/** What a file runs of others: types alone are no dependency, and vanish when it is built. */
function importsOf(text: string): string[] {
  return [...text.matchAll(/^(?:import|export) (?!type )[^;]*?from "([^"]+)";/gm)].map(
    ([, from = ""]) => from,
  );
}

/** The files whose code, comments left out, matches. */
function filesWith(pattern: RegExp): string[] {
  const code = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  return [...sources].filter(([, text]) => pattern.test(code(text))).map(([name]) => name);
}

describe("src", () => {
  test("every file has its place", () => {
    expect([...sources.keys()].sort()).toEqual([...ORDER].sort());
  });

  test.each(ORDER)("%s imports downwards only", (name) => {
    const own = importsOf(sources.get(name) ?? "").filter((from) => from.startsWith("./"));
    for (const from of own) expect(ORDER.indexOf(from.slice(2))).toBeGreaterThan(ORDER.indexOf(name));
  });

  test("every file says in its first line what it owns", () => {
    for (const text of sources.values()) expect(text).toMatch(/^\/\/ [A-Z].*[.:]/);
  });

  test("each concern has one owner", () => {
    expect(filesWith(/from "@actions\/core"/)).toEqual(["main.ts", "post.ts"]);
    expect(filesWith(/from "@actions\/http-client"/)).toEqual(["http.ts"]);
    expect(filesWith(/\.sleep\(/)).toEqual(["retry.ts"]);
    expect(
      filesWith(/(?<!\.)\bset(Timeout|Interval)\(|Date\.now|Math\.random|performance\.now|hrtime/).sort(),
    ).toEqual(["agent.ts", "cli.ts", "clock.ts", "gateway.ts", "http.ts", "launch.ts"]);
    expect(filesWith(/\.setSecret\(|\.setOutput\(/)).toEqual(["outputs.ts"]);
    expect(filesWith(/appendFile|O_APPEND/)).toEqual(["file-command.ts"]);
    expect(filesWith(/\.saveState\(/)).toEqual(["state.ts"]);
    expect(filesWith(/\.getInput\(/)).toEqual(["inputs.ts"]);
    expect(filesWith(/^import (?!type )[^;]*from "node:https?"/m).sort()).toEqual([
      "cli.ts",
      "gateway.ts",
      "http.ts",
      "launch.ts",
      "server.ts",
    ]);
    expect(importsOf(sources.get("cli.ts") ?? "").filter((from) => !from.startsWith("node:"))).toEqual([]);
    expect(filesWith(/process\.exit\(/)).toEqual(["exit.ts"]);
    expect(filesWith(/process\.env/).every((name) => ENTRIES.includes(name))).toBe(true);
  });
});
