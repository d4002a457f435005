// What action.yml, README and troubleshooting.md list is what the sources have.

import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "@jest/globals";
import { parse } from "yaml";
import { ROOT } from "../../sandbox/runner.ts";
import { annotationOf, ERROR_CODES, REPOSITORY } from "../../src/errors.ts";
import { REFUSAL_STATUS } from "../../src/gateway/refusals.ts";
import { DEFAULTS, readInputs } from "../../src/step/inputs.ts";
import { anchors, codeBlocks, DOCUMENTS, ourFiles, read, tableUnder } from "./markdown.ts";

interface Described {
  readonly description: string;
  readonly default?: string;
  readonly required?: boolean;
}

const action = parse(read("action.yml")) as {
  readonly inputs: Readonly<Record<string, Described>>;
  readonly outputs: Readonly<Record<string, Described>>;
};
const readme = read("README.md");
const code = (cell = "") => cell.replace(/^`(.*)`$/, "$1");

test("action.yml has the inputs that are read, with the defaults of the code", () => {
  const asked = new Set<string>();
  const given: Record<string, string> = {
    "app-id": "id",
    "api-key": "key-of-the-app",
    ...DEFAULTS,
  };
  readInputs((name) => {
    asked.add(name);
    return given[name] ?? "";
  });
  expect(Object.keys(action.inputs).sort()).toEqual([...asked].sort());
  const defaults: Readonly<Record<string, string>> = DEFAULTS;
  for (const [name, input] of Object.entries(action.inputs)) {
    expect([name, input.default, input.required]).toEqual([
      name,
      defaults[name],
      !(name in defaults),
    ]);
  }
});

test("action.yml has the outputs that are set", () => {
  const calls = [...read("src", "step", "supply.ts").matchAll(/\bsetOutputs\(\{[^}]+/g)].join();
  const set = calls.match(/(?<=")[\w-]+(?=":)/g);
  expect(Object.keys(action.outputs).sort()).toEqual(set?.sort());
});

test("README lists the inputs of action.yml, with their defaults, and its outputs", () => {
  const plain = readme.replaceAll("<wbr>", "").replaceAll(/<\/?code>/g, "`"); // an address breaks on a narrow screen
  const listed = tableUnder(plain, "Inputs").map(([name, text]) => [
    code(name),
    text?.split(" ").at(-1),
  ]);
  const actual = Object.entries(action.inputs).map(([name, input]) => [
    name,
    input.required ? "Required." : input.default ? `\`${input.default}\`` : "none",
  ]);
  expect(listed).toEqual(actual);
  expect(tableUnder(readme, "Outputs").map(([name]) => code(name))).toEqual(
    Object.keys(action.outputs),
  );
});

test("README shows every example", () => {
  const shown = [...readme.matchAll(/\(examples\/(?<name>[\w-]+\.yml)\)/g)].map(
    ({ groups }) => groups?.["name"] ?? "",
  );
  const examples = readdirSync(join(ROOT, "examples")).filter((name) => name.endsWith(".yml"));
  expect(shown.sort()).toEqual(examples.sort());
});

test("workflows in README use inputs and outputs that exist, and every required input", () => {
  const required = Object.keys(action.inputs).filter((name) => action.inputs[name]?.required);
  const blocks = codeBlocks(readme, "yaml").map((block) => parse(block));
  const workflows = blocks.filter((block) => "jobs" in block);
  expect(workflows).toHaveLength(1);
  for (const { on, permissions, jobs } of workflows) {
    expect(Object.keys(on)).toContain("workflow_dispatch");
    expect(permissions).toEqual({});
    for (const job of Object.values<Record<string, unknown>>(jobs)) {
      expect(job["timeout-minutes"]).toBeGreaterThan(0);
      const [use] = job["steps"] as { uses?: string; with?: Record<string, string> }[];
      expect(use?.uses).toMatch(/\/armor-token-action@v1$/);
      expect(Object.keys(action.inputs)).toEqual(
        expect.arrayContaining(Object.keys(use?.with ?? {})),
      );
      expect(Object.keys(use?.with ?? {})).toEqual(expect.arrayContaining(required));
    }
  }
  for (const { groups } of readme.matchAll(/steps\.armor\.outputs\.(?<output>[\w-]+)/g)) {
    expect(Object.keys(action.outputs)).toContain(groups?.["output"]);
  }
});

test("troubleshooting.md has an entry for each code of an error or refusal, and for no other", () => {
  const entries = [...read("docs", "troubleshooting.md").matchAll(/^### `(?<name>\w+)`$/gm)].map(
    ({ groups }) => groups?.["name"],
  );
  expect(entries.sort()).toEqual([...ERROR_CODES, ...Object.keys(REFUSAL_STATUS)].sort());
});

// Links and anchors lead somewhere, and the owner's name is the same everywhere.

/** Whether a path below ROOT exists and, if the link names an anchor of a document, has it. */
function leadsSomewhere(from: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? from : join(dirname(from), path);
  if (!existsSync(join(ROOT, target))) return false;
  return anchor === undefined || anchors(read(target)).includes(anchor);
}

test.each(DOCUMENTS)("links of %s", (document) => {
  const links = [...read(document).matchAll(/\]\((?<link>[^)\s]+)\)/g)].map(
    ({ groups }) => groups?.["link"] ?? "",
  );
  const inside = links.filter((link) => !/^[a-z]+:/.test(link));
  expect(inside.filter((link) => !leadsSomewhere(document, link))).toEqual([]);
});

test("addresses of this repository lead somewhere", () => {
  const address = new RegExp(
    `${REPOSITORY}/(?:blob/v1|actions/workflows)/([\\w./-]*[\\w])(#[\\w-]+)?`,
    "g",
  );
  const texts = [...ourFiles().map((path) => read(path)), annotationOf("input_invalid", "")];
  const links = texts.flatMap((text) => [...text.matchAll(address)]);
  const paths = links.map(([all, path = "", anchor = ""]) =>
    all.includes("/blob/") ? path + anchor : `.github/workflows/${path.replace("/badge.svg", "")}`,
  );
  expect(paths.length).toBeGreaterThan(2);
  expect(paths.filter((path) => !leadsSomewhere("README.md", path))).toEqual([]);
});

test("the owner's name is the same everywhere", () => {
  const pattern = /(?<name>[\w-]+)\/armor-token-action\b/g;
  const owner = REPOSITORY.split("/").at(-2);
  const found = ourFiles().flatMap((path) =>
    [...read(path).matchAll(pattern)].map(({ groups }) => ({ path, name: groups?.["name"] })),
  );
  expect(found.length).toBeGreaterThan(10);
  // RELEASING.md names the place of the new one.
  expect(found.filter(({ name }) => name !== owner && name !== "OWNER")).toEqual([]);
});
