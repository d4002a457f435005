// What the README says is true.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { startSandbox } from "../../sandbox/armor.ts";
import { Job, ROOT, readAction } from "../../sandbox/runner.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

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

interface Step {
  readonly uses?: string;
  readonly with?: object;
  readonly run?: string;
}

/** Those of the workflow and of the steps that stand by themselves. */
function steps(): Step[] {
  return codeBlocks("yaml").flatMap((block) => {
    const parsed = parse(block) as Step[] | { jobs: Record<string, { steps: Step[] }> };
    return Array.isArray(parsed) ? parsed : Object.values(parsed.jobs).flatMap((job) => job.steps);
  });
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

  test("its workflows use inputs and outputs that exist, and every required one", () => {
    const required = Object.entries(action.inputs).filter(([, input]) => input.required);
    for (const { uses, with: inputs = {} } of steps()) {
      if (!uses?.includes("armor-token-action")) continue;
      expect(Object.keys(action.inputs)).toEqual(expect.arrayContaining(Object.keys(inputs)));
      expect(Object.keys(inputs)).toEqual(expect.arrayContaining(required.map(([name]) => name)));
    }
    for (const [, output = ""] of readme.matchAll(/steps\.armor\.outputs\.([\w-]+)/g)) {
      expect(Object.keys(action.outputs)).toContain(output);
    }
  });

  test("its calls to Armor work as they stand there", async () => {
    const armor = await startSandbox({ appId: APP_ID, apiKey: API_KEY, scanSeconds: 1 });
    const job = await Job.start({
      "app-id": APP_ID,
      "api-key": API_KEY,
      "api-url": armor.url,
      "keep-fresh": "true",
    });
    await job.main();
    const scripts = steps().filter(({ run }) => run?.includes("https://api.armor.fortanix.com"));
    expect(scripts).toHaveLength(2);
    for (const { run = "" } of scripts) {
      const script = run.replaceAll("https://api.armor.fortanix.com", armor.url);
      const step = await job.run(`ARMOR_TOKEN='${job.outputs["access-token"]}'\n${script}`);
      expect(step).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^\{.*\}$/) });
    }
    const [waiting, ...others] = steps().filter(({ run }) => run?.includes("sleep 30"));
    expect(others).toEqual([]);
    const step = await job.run(waiting?.run?.replace("sleep 30", "sleep 0.1") ?? "");
    expect(step).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^(false\n)+true\n$/) });
    await job.post();
    await job.end();
    await armor.close();
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

  test("it shows every example", () => {
    const shown = tableUnder("Examples").map(([cell = ""]) => /\((.*)\)/.exec(cell)?.[1]);
    const examples = readdirSync(join(ROOT, "examples")).filter((name) => name.endsWith(".yml"));
    expect(shown.sort()).toEqual(examples.map((name) => `examples/${name}`).sort());
  });

  test("CONTRIBUTING has a line for every dependency, and every script", () => {
    const contributing = readFileSync(join(ROOT, "CONTRIBUTING.md"), "utf8");
    const { scripts, dependencies, devDependencies } = JSON.parse(
      readFileSync(join(ROOT, "package.json"), "utf8"),
    );
    for (const name of Object.keys({ ...dependencies, ...devDependencies }))
      expect(contributing).toContain(name);
    for (const name of Object.keys(scripts))
      expect(contributing).toMatch(new RegExp(`npm (run )?${name}\\b`));
  });

  test("it is readable on a narrow screen: prose lines are short", () => {
    const prose = readme.split("\n").filter((line) => !line.startsWith("|"));
    for (const line of prose) expect(line.length).toBeLessThanOrEqual(100);
  });
});
