// What the documents show is run, or at least parsed.

import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { type Job, ROOT } from "../../sandbox/runner.ts";
import { openJob, startJob } from "../fixtures/job.ts";
import { makeTempFolder } from "../fixtures/opened.ts";
import { openSandbox } from "../fixtures/sandbox.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";
import { codeBlocks, DOCUMENTS, ourFiles, read } from "./markdown.ts";

/** `shell: bash` of a workflow. @returns its output, whatever its exit code is */
function bash(script: string, cwd = ROOT): { status: number | null; output: string } {
  const args = ["--noprofile", "--norc", "-eo", "pipefail", "-c", script];
  const { status, stdout, stderr } = spawnSync("bash", args, { cwd, encoding: "utf8" });
  return { status, output: stdout + stderr };
}

interface Step {
  readonly with?: Readonly<Record<string, string>>;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const README = read("README.md");

/** Runs README's workflow, with one line of its script changed: the action, the script, and the post step. */
async function runFirstWorkflow(change: (script: string) => string) {
  const { jobs } = parse(codeBlocks(README, "yaml")[0] ?? "");
  const [{ steps }] = Object.values<{ steps: [Step, Step] }>(jobs) as [{ steps: [Step, Step] }];
  const [use, step] = steps;
  await using armor = await openSandbox();
  const inputs = { ...use.with, "app-id": APP_ID, "api-key": API_KEY, "api-url": armor.url };
  await using job = await openJob(inputs);
  expect([steps.length, (await job.main()).exitCode]).toEqual([2, 0]);
  const env = Object.entries(step.env ?? {}).map(([name, text]) => {
    const output = /^\$\{\{ steps\.armor\.outputs\.(?<output>[\w-]+) \}\}$/.exec(text)?.groups?.[
      "output"
    ];
    return `export ${name}='${job.outputs[output ?? ""]}'\n`;
  });
  const result = await runBash(job, env.join("") + change(step.run ?? ""));
  await job.post();
  return result;
}

/** A later step of the job, with `shell: bash`. */
async function runBash(job: Job, script: string) {
  const file = join(job.temp, "step.sh").replaceAll("\\", "/");
  writeFileSync(file, script);
  // What mktemp makes goes with the job.
  const command = `TMPDIR='${job.temp}' bash --noprofile --norc -eo pipefail '${file}'`;
  const { exitCode, stdout, stderr } = await job.run(command);
  return { exitCode, lines: (stdout + stderr).trim().split(/\r?\n/) };
}

describe("README's first workflow", () => {
  test.concurrent("reads the report, and prints only a number of it", async () => {
    const lines = [expect.stringMatching(/^connections: \d+$/)];
    await expect(runFirstWorkflow(String)).resolves.toEqual({ exitCode: 0, lines });
  });

  test.concurrent("prints Armor's own words if Armor refuses, without a command in them", async () => {
    const result = await runFirstWorkflow((script) => script.replace("pqc/report", "pqc/nothing"));
    expect(result.exitCode).toBe(1);
    expect(result.lines).toContainEqual(expect.stringContaining('{"error""not_found"'));
    expect(result.lines.join("\n")).not.toContain("::");
  });
});

test.concurrent("README's call through the gateway works as it stands there", async () => {
  const command = codeBlocks(README, "sh").find((block) => block.includes("ARMOR_GATEWAY_URL"));
  await using armor = await openSandbox();
  await using started = await startJob({ "api-url": armor.url });
  const { exitCode, lines } = await runBash(started.job, command ?? "exit 1");
  expect(exitCode).toBe(0);
  expect(JSON.parse(lines.join(""))).toBeInstanceOf(Object);
});

const SHELL = DOCUMENTS.flatMap((name) =>
  codeBlocks(read(name), "sh").map((script) => ({ name, script })),
);

test.each(SHELL)("shell in $name is valid: $script", ({ script }) => {
  expect(bash(`bash -n <<'END'\n${script}END`)).toEqual({ status: 0, output: "" });
});

test("RELEASING's command replaces the owner's name everywhere", async () => {
  await using folder = await makeTempFolder("armor-docs-");
  for (const path of ourFiles()) cpSync(join(ROOT, path), join(folder.path, path));
  const [line] = (codeBlocks(read("docs", "RELEASING.md"), "sh")[0] ?? "").split("\n");
  const command = `git init --quiet && git add --all && ${line?.replace("{OWNER/", "{acme/")}`;
  expect(bash(command, folder.path)).toMatchObject({ status: 0 });
  const text = (path: string) => readFileSync(join(folder.path, path), "utf8");
  expect(ourFiles().filter((path) => /\borg\/armor-token-action/.test(text(path)))).toEqual([]);
});

const CHANGES =
  "# Changelog\n\n## [1.2.0] - 2026-11-25\n\n- Something.\n\n## [1.1.0] - 2026-11-01\n\n" +
  "## [1.0.0] - Unreleased\n\n- Old.\n";

test.each([
  { tag: "v1.2.0", status: 0, output: /^\n?- Something\.\n$/ },
  { tag: "v1.1.0", status: 1, output: /is empty/ },
  { tag: "v1.0.0", status: 1, output: /has no line/ },
  { tag: "v1.0.2", status: 1, output: /has no line/ },
])("the release notes of $tag", async ({ tag, status, output }) => {
  await using folder = await makeTempFolder("armor-docs-");
  writeFileSync(join(folder.path, "CHANGELOG.md"), CHANGES);
  const script = join(ROOT, ".github", "release-notes").replaceAll("\\", "/");
  expect(bash(`bash '${script}' ${tag} CHANGELOG.md`, folder.path)).toEqual({
    status,
    output: expect.stringMatching(output),
  });
});
