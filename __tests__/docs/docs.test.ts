// What the documents beside the README say is true: codes, quoted texts, links, version.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { ERROR_CODES } from "../../src/errors.ts";

const read = (...path: string[]) => readFileSync(join(ROOT, ...path), "utf8");

/** What stands for a variable part, in the documents and in the sources below. */
const HOLE = "…";
/** What a literal begins and ends with, or where a variable part is put in. */
const EDGES = ['"', "`", HOLE];

/** The text of a source without comments, every `${…}` a hole, literals that are added up in one piece. */
function literalsOf(source: string): string {
  let text = source.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/ .*$/gm, "").replace(/"\s*\+\s*"/g, "");
  for (let before = ""; before !== text; ) {
    before = text;
    text = text.replace(/\$\{[^{}]*\}/g, HOLE); // from the innermost outwards
  }
  return text;
}

const sources = readdirSync(join(ROOT, "src")).map((name) => literalsOf(read("src", name)));

/** Whether this fragment stands in the source, as one piece or as several that meet where literals have edges. */
function occurs(fragment: string, source: string, starts: readonly string[] = [""]): boolean {
  if (starts.some((start) => source.includes(start + fragment))) return true;
  return [...fragment].some((_, index) => {
    const left = fragment.slice(0, index);
    const isPiece =
      left !== "" && starts.some((start) => EDGES.some((end) => source.includes(start + left + end)));
    return isPiece && occurs(fragment.slice(index), source, EDGES);
  });
}

/** Whether one source has all of this text: numbers anywhere in it, the words between holes and numbers as they are. */
function isOfOneSource(text: string): boolean {
  const fragments = text.split(/…|\d+/).filter((fragment) => fragment.length > 3);
  const numbers = text.match(/\d+/g) ?? [];
  return (
    fragments.length > 0 &&
    sources.some(
      (source) =>
        fragments.every((fragment) => occurs(fragment, source)) &&
        numbers.every((number) => new RegExp(`\\b${number}\\b`).test(source)),
    )
  );
}

/** The texts at the beginning of list items, each in backticks, several of them separated by commas. */
function quotedIn(markdown: string): string[] {
  return [...markdown.matchAll(/^- (`[^`]+`(?:,\s+`[^`]+`)*)/gm)].flatMap(([, texts = ""]) =>
    [...texts.matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text),
  );
}

const troubleshooting = read("docs", "troubleshooting.md");
/** What stands under each code's heading. */
const sections = new Map(
  [...troubleshooting.matchAll(/^### `(.*)`\n([\s\S]*?)(?=^#|$(?![\s\S]))/gm)].map(
    ([, code = "", text = ""]) => [code, text],
  ),
);

/** The refusal codes, which are a type and so vanish when the guard runs. */
function refusalCodes(): string[] {
  const [, union = ""] = /readonly error: ([^;]+);/.exec(read("src", "guard.ts")) ?? [];
  return [...union.matchAll(/"(\w+)"/g)].map(([, code = ""]) => code);
}

describe("docs/troubleshooting.md", () => {
  test("has a heading for each code, once, in the order of the sources, and for nothing else", () => {
    expect(refusalCodes().length).toBeGreaterThan(3);
    const headings = troubleshooting.match(/^### .*$/gm);
    expect(headings).toEqual([...ERROR_CODES, ...refusalCodes()].map((code) => `### \`${code}\``));
  });

  test.each([...ERROR_CODES, ...refusalCodes()])("%s: quotes at least one text", (code) => {
    expect(quotedIn(sections.get(code) ?? "")).not.toEqual([]);
  });

  test("every list item begins with a text", () => {
    expect(troubleshooting.match(/^- .{0,40}/gm)?.filter((item) => !item.startsWith("- `"))).toEqual([]);
  });

  test.each(quotedIn(troubleshooting))("the sources say: %s", (text) => {
    expect(isOfOneSource(text)).toBe(true);
  });

  test.each([
    "Armor does not accept this server app: … answered 401",
    "Armor does not accept this client app: … answered 599",
    "app-name is empty",
    "Armor denies access: … does not connect to …",
    "… (…)",
  ])("the sources do not say: %s", (text) => {
    expect(isOfOneSource(text)).toBe(false);
  });

  test("quotes what the sources raise under the code that they raise it with", () => {
    const raised = sources.flatMap((source) => [
      ...[...source.matchAll(/new ArmorError\(\s*"(\w+)",\s*(["`])(.*?)\2/g)].map(
        ([, code = "", , text = ""]) => [code, text] as const,
      ),
      ...[...source.matchAll(/\brefusal\(\s*\d+,\s*"(\w+)",\s*(["`])(.*?)\2/g)].map(
        ([, code = "", , text = ""]) => [code, text] as const,
      ),
      ...[...source.matchAll(/(?<!\.)\b(invalid|refused|failed)\(\s*(["`])(.*?)\2/g)].map(
        ([, by = "", , text = ""]) =>
          [by.replace("invalid", "input_invalid").replace("refused", "redirect_refused"), text] as const,
      ),
    ]);
    expect(raised.length).toBeGreaterThan(50);
    const missing = raised.filter(([by, text]) => {
      const code = by === "failed" ? "agent_failed" : by;
      const words = text.split(HOLE).map((part) => part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
      const pattern = new RegExp(words.join(".*").trimEnd());
      return !quotedIn(sections.get(code) ?? "").some((quoted) => pattern.test(quoted));
    });
    expect(missing).toEqual([]);
  });
});

describe("documents", () => {
  const documents = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    ...readdirSync(join(ROOT, "docs"))
      .filter((name) => name.endsWith(".md"))
      .map((name) => `docs/${name}`),
  ];

  test.each(documents)("%s: its links lead somewhere", (document) => {
    const links = [...read(document).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
    const inside = links.filter((link) => !/^([a-z]+:|#)/.test(link)).map((link) => link.replace(/#.*/, ""));
    expect(inside.filter((link) => !existsSync(join(ROOT, dirname(document), link)))).toEqual([]);
  });

  test("CHANGELOG has an entry for the version of package.json", () => {
    const { version } = JSON.parse(read("package.json"));
    expect(read("CHANGELOG.md")).toContain(`\n## [${version}] - `);
  });
});
