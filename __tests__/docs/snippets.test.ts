// What the documents show is run, or at least parsed.

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { startSandbox } from "../../sandbox/armor.ts";
import { Job, ROOT } from "../../sandbox/runner.ts";
import { codeBlocks, DOCUMENTS, ourFiles, read } from "./markdown.ts";

const APP = { appId: "app-of-the-docs", apiKey: "key-of-the-docs" };
const ARMOR = "https://api.armor.fortanix.com";

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

function openFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "armor-docs-"));
  opened.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

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

/** The steps of the only job of README's workflow with this number. */
function stepsOf(index: number): [Step, Step] {
  const { jobs } = parse(codeBlocks(read("README.md"), "yaml")[index] ?? "");
  const [{ steps }] = Object.values<{ steps: [Step, Step] }>(jobs) as [{ steps: [Step, Step] }];
  expect(steps).toHaveLength(2);
  return steps;
}

/** Runs the job: the action with the inputs that the workflow gives, then the script, then the post step. */
async function runJob([use, step]: [Step, Step], scanSeconds: number, change = (script: string) => script) {
  const sandbox = await startSandbox({ ...APP, scanSeconds });
  opened.push(() => sandbox.close());
  const inputs = { ...use.with, "app-id": APP.appId, "api-key": APP.apiKey, "api-url": sandbox.url };
  const job = await Job.start(inputs);
  opened.push(() => job.end());
  expect((await job.main()).exitCode).toBe(0);
  opened.push(() => job.post());
  const value = (text: string) =>
    text.replace(/^\$\{\{ steps\.armor\.outputs\.([\w-]+) \}\}$/, (_, name) => job.outputs[name] ?? "");
  const env = Object.entries(step.env ?? {}).map(([name, text]) => `export ${name}='${value(text)}'\n`);
  const file = join(job.temp, "step.sh").replaceAll("\\", "/");
  writeFileSync(file, env.join("") + change((step.run ?? "").replaceAll(ARMOR, sandbox.url)));
  const { exitCode, stdout, stderr } = await job.run(`bash --noprofile --norc -eo pipefail '${file}'`);
  return { exitCode, lines: (stdout + stderr).trim().split(/\r?\n/) };
}

test("README's first workflow reads the report, and prints only a number of it", async () => {
  expect(await runJob(stepsOf(0), 0)).toEqual({
    exitCode: 0,
    lines: [expect.stringMatching(/^connections: \d+$/)],
  });
});

test.each([
  ["ends where no scan runs", 0, 0, ["Poll 1: 0 running"]],
  ["waits where one runs, and not for ever", 3600, 1, ["Poll 1: 1 running", "Poll 2: 1 running"]],
])("README's long job %s", async (_, scanSeconds, exitCode, says) => {
  const faster = (script: string) =>
    script.replace("limit=100", "limit=2").replace("{1..240}", "{1..2}").replace("sleep 30", "sleep 0.1");
  const { lines, ...result } = await runJob(stepsOf(1), scanSeconds, faster);
  const end = exitCode === 0 ? [] : [expect.stringMatching(/^::error::/)];
  expect({ ...result, lines }).toEqual({ exitCode, lines: [...says, ...end] });
});

test("README's long job fails where a call fails", async () => {
  const broken = (script: string) => script.replace("/discovery/scans?", "/nowhere?");
  const { exitCode, lines } = await runJob(stepsOf(1), 0, broken);
  expect([exitCode, lines]).toEqual([1, [expect.stringMatching(/^curl: \(22\).* 403$/)]]);
});

const SHELL = DOCUMENTS.flatMap((name) => codeBlocks(read(name), "sh").map((text) => [name, text] as const));

test.each(SHELL)("shell in %s is valid: %s", (_, script) => {
  expect(bash(`bash -n <<'END'\n${script}END`)).toEqual({ status: 0, output: "" });
});

test("RELEASING's command replaces the owner's name everywhere", () => {
  const folder = openFolder();
  for (const path of ourFiles()) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(ROOT, path), join(folder, path));
  }
  const command =
    codeBlocks(read("RELEASING.md"), "sh")[0]?.split("\n")[0]?.replace("{OWNER/", "{acme/") ?? "";
  expect(bash(`git init --quiet && git add --all && ${command}`, folder)).toMatchObject({ status: 0 });
  const left = ourFiles().filter((path) =>
    /\borg\/armor-token-action/.test(readFileSync(join(folder, path), "utf8")),
  );
  expect(left).toEqual([]);
});

const CHANGES =
  "# Changelog\n\n## [1.2.0] - 2026-11-25\n\n- Something.\n\n## [1.1.0] - 2026-11-01\n\n" +
  "## [1.0.0] - Unreleased\n\n- Old.\n";

test.each([
  ["v1.2.0", 0, /^\n?- Something\.\n$/],
  ["v1.1.0", 1, /is empty/],
  ["v1.0.0", 1, /has no line/],
  ["v1.0.2", 1, /has no line/],
])("the release notes of %s", (tag, status, output) => {
  const folder = openFolder();
  writeFileSync(join(folder, "CHANGELOG.md"), CHANGES);
  const script = join(ROOT, ".github", "release-notes").replaceAll("\\", "/");
  expect(bash(`bash '${script}' ${tag} CHANGELOG.md`, folder)).toEqual({
    status,
    output: expect.stringMatching(output),
  });
});
