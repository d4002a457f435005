// What the workflows of this repository may do, and with whose words.

import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { ROOT } from "../../sandbox/runner.ts";
import { ourFiles, read } from "./markdown.ts";

interface Job {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly steps: readonly { readonly run?: string; readonly uses?: string }[];
}

const WORKFLOWS = readdirSync(join(ROOT, ".github", "workflows"));
const textOf = (workflow: string) => read(".github", "workflows", workflow);
const jobs = WORKFLOWS.flatMap((workflow) =>
  Object.entries<Job>(parse(textOf(workflow)).jobs).map(([name, job]) => ({
    name: `${name} of ${workflow}`,
    job,
  })),
);

describe("workflows", () => {
  // Whoever may write a variable needs no review for it: an address or an authority in one decides
  // where a key goes.
  test("take no variable of the repository but the pause of the end-to-end test", () => {
    const variables = WORKFLOWS.flatMap((workflow) => textOf(workflow).match(/\bvars\.\w+/g) ?? []);
    expect(variables).toEqual(["vars.CALL_PAUSE"]);
  });

  const mayWrite = jobs.filter(({ job }) => {
    const rights = Object.entries(job.permissions ?? {});
    return rights.some(
      ([right, level]) => level === "write" && /^(contents|id-token|attestations)$/.test(right),
    );
  });

  test("have a few jobs that may write to the repository or sign", () => {
    expect(mayWrite.map(({ name }) => name)).toEqual([
      "push of dist.yml",
      "attest of release.yml",
      "draft of release.yml",
      "analysis of scorecard.yml",
    ]);
  });

  test.each(mayWrite)("run no code of packages in $name", ({ job }) => {
    const code = job.steps.map(({ run = "", uses = "" }) => `${run} ${uses}`).join("\n");
    expect(code).not.toMatch(/\bnpm\b|\bnpx\b|\bnode\b|setup-node|\.\/(?!\/)/);
  });
});

test("Dependabot looks at every folder that has a lock or a workflow", () => {
  interface Update {
    readonly "package-ecosystem": string;
    readonly directory?: string;
    readonly directories?: readonly string[];
  }
  const { updates } = parse(read(".github", "dependabot.yml")) as { updates: readonly Update[] };
  const watched = (ecosystem: string) =>
    updates
      .filter((update) => update["package-ecosystem"] === ecosystem)
      .flatMap(({ directory, directories = [] }) => [directory ?? [], ...directories].flat())
      .sort();
  const foldersWith = (name: string) =>
    ourFiles()
      .filter((path) => path.split("/").at(-1) === name)
      .map((path) => `/${dirname(path).replace(/^\.$/, "")}`)
      .sort();
  expect(watched("npm")).toEqual(foldersWith("package-lock.json"));
  expect(watched("gomod")).toEqual(foldersWith("go.mod"));
  expect(watched("pip")).toEqual(foldersWith("requirements.txt"));
  expect(watched("github-actions")).toEqual(expect.arrayContaining(["/", "/examples"]));
});

// A runner executes action.yml and what is in dist/, and nothing else.
test("a release signs every file that a runner executes, and RELEASING shows how to verify each", () => {
  const { jobs: releaseJobs } = parse(textOf("release.yml"));
  const { steps } = releaseJobs.attest as {
    steps: readonly { readonly with?: Readonly<Record<string, string>> }[];
  };
  const paths = steps.map((step) => step.with?.["subject-path"]?.trim().split("\n"));
  expect(paths).toContainEqual(["action.yml", "dist/*"]);
  const entries = readdirSync(join(ROOT, "dist"), { withFileTypes: true });
  expect(entries.filter((entry) => !entry.isFile())).toEqual([]); // dist/* names no file of a folder
  const verify = read("docs", "RELEASING.md").split("\n## Verify\n")[1]?.split("\n## ")[0];
  expect(verify).toContain("for file in action.yml dist/*; do\n  gh attestation verify ");
});

test("CI mutates every file and folder of src/, each in one job", () => {
  const { jobs: ciJobs } = parse(textOf("ci.yml"));
  const parts = (ciJobs.mutation.strategy.matrix.part as readonly string[]).join(" ").split(" ");
  const sources = readdirSync(join(ROOT, "src")).filter((name) => !name.endsWith(".cjs"));
  const names = sources.map((name) => name.replace(/\.ts$/, ""));
  expect(parts.sort()).toEqual(names.sort());
});
