// What the README says is true.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { ROOT, readAction } from "../sandbox/runner.ts";

const readme = readFileSync(join(ROOT, "README.md"), "utf8");

function codeBlocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"))].map(
    ([, code = ""]) => code,
  );
}

/** The cells of each row of the table under this heading. */
function tableUnder(heading: string): string[][] {
  const section = readme.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const code = (cell = "") => cell.replace(/^`(.*)`$/, "$1");

describe("README", () => {
  let action: Awaited<ReturnType<typeof readAction>>;

  beforeAll(async () => {
    action = await readAction();
  });

  test("its commands are these two, and package.json has their scripts", () => {
    expect(codeBlocks("sh")).toEqual(["npm ci && npm start\n", "npm ci && npm test\n"]);
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(["build", "check", "start", "test"]));
  });

  test("its inputs are those of action.yml, with their defaults", () => {
    const described = tableUnder("Inputs").map(([name, byDefault]) => [code(name), code(byDefault)]);
    const actual = Object.entries(action.inputs).map(([name, input]) => [
      name,
      input.required ? "required" : input.default || "none",
    ]);
    expect(described).toEqual(actual);
  });

  test("its outputs are those of action.yml", () => {
    expect(tableUnder("Outputs").map(([name]) => code(name))).toEqual(Object.keys(action.outputs));
  });

  test("its workflow uses inputs and outputs that exist", () => {
    const [workflow = ""] = codeBlocks("yaml");
    const { jobs } = parse(workflow) as { jobs: { report: { steps: { id?: string; with?: object }[] } } };
    const step = jobs.report.steps.find(({ id }) => id === "armor");
    const required = Object.entries(action.inputs).filter(([, input]) => input.required);
    expect(Object.keys(step?.with ?? {})).toEqual(required.map(([name]) => name));
    for (const [, output = ""] of workflow.matchAll(/steps\.armor\.outputs\.([\w-]+)/g)) {
      expect(Object.keys(action.outputs)).toContain(output);
    }
  });

  test("its errors are texts that the sources contain", () => {
    const sources = readdirSync(join(ROOT, "src")).map((name) =>
      readFileSync(join(ROOT, "src", name), "utf8"),
    );
    const text =
      sources.join("\n").replaceAll(/\$\{name\}/g, "app-id") +
      sources.join("\n").replaceAll(/\$\{name\}/g, "api-key");
    const quoted = tableUnder("When it fails").flatMap(([cell = ""]) => [...cell.matchAll(/`([^`]+)`/g)]);
    expect(quoted.length).toBeGreaterThan(10);
    for (const [, words = ""] of quoted) expect(text).toContain(words);
  });

  test("it is readable on a narrow screen: prose lines are short", () => {
    const prose = readme.split("\n").filter((line) => !line.startsWith("|"));
    for (const line of prose) expect(line.length).toBeLessThanOrEqual(100);
  });
});
