// What the documents show is run, or at least parsed.

import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { parse } from "yaml";
import { ROOT } from "../../sandbox/runner.ts";
import { openJob } from "../fixtures/job.ts";
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

/** Runs the only job of README's workflow with this number: the action, a script, and the post step. */
async function runJob(index: number, scanSeconds: number, change: (script: string) => string) {
  const { jobs } = parse(codeBlocks(read("README.md"), "yaml")[index] ?? "");
  const [{ steps }] = Object.values<{ steps: [Step, Step] }>(jobs) as [{ steps: [Step, Step] }];
  const [use, step] = steps;
  await using armor = await openSandbox({ scanSeconds });
  const inputs = { ...use.with, "app-id": APP_ID, "api-key": API_KEY, "api-url": armor.url };
  await using job = await openJob(inputs);
  expect([steps.length, (await job.main()).exitCode]).toEqual([2, 0]);
  const value = (text: string) =>
    text.replace(
      /^\$\{\{ steps\.armor\.outputs\.([\w-]+) \}\}$/,
      (_, name) => job.outputs[name] ?? "",
    );
  const env = Object.entries(step.env ?? {}).map(
    ([name, text]) => `export ${name}='${value(text)}'\n`,
  );
  const script = step.run?.replaceAll("https://api.armor.fortanix.com", armor.url) ?? "";
  const file = join(job.temp, "step.sh").replaceAll("\\", "/");
  writeFileSync(file, env.join("") + change(script));
  const { exitCode, stdout, stderr } = await job.run(
    `bash --noprofile --norc -eo pipefail '${file}'`,
  );
  await job.post();
  return { exitCode, lines: (stdout + stderr).trim().split(/\r?\n/) };
}

test.concurrent("README's first workflow reads the report, and prints only a number of it", async () => {
  const lines = [expect.stringMatching(/^connections: \d+$/)];
  await expect(runJob(0, 0, String)).resolves.toEqual({ exitCode: 0, lines });
});

const once = (script: string) =>
  script
    .replace("limit=100", "limit=2")
    .replace("{1..240}", "{1..2}")
    .replace("sleep 30", "sleep 0.1");
const broken = (script: string) => script.replace("/discovery/scans?", "/nowhere?");
test.concurrent.each([
  {
    what: "ends where no scan runs",
    scanSeconds: 0,
    change: once,
    exitCode: 0,
    says: [/^Poll 1: 0 running$/],
  },
  {
    what: "waits, but not for ever",
    scanSeconds: 3600,
    change: once,
    exitCode: 1,
    says: [/^Poll 1: 1 running$/, /^Poll 2: 1 running$/, /^::error::/],
  },
  {
    what: "fails where a call fails",
    scanSeconds: 0,
    change: broken,
    exitCode: 1,
    says: [/^curl: \(22\).* 403$/],
  },
])("README's long job $what", async ({ scanSeconds, change, exitCode, says }) => {
  const lines = says.map((pattern) => expect.stringMatching(pattern));
  await expect(runJob(1, scanSeconds, change)).resolves.toEqual({ exitCode, lines });
});

const SHELL = DOCUMENTS.flatMap((name) =>
  codeBlocks(read(name), "sh").map((text) => [name, text] as const),
);

test.each(SHELL)("shell in %s is valid: %s", (_, script) => {
  expect(bash(`bash -n <<'END'\n${script}END`)).toEqual({ status: 0, output: "" });
});

test("RELEASING's command replaces the owner's name everywhere", async () => {
  await using folder = await makeTempFolder("armor-docs-");
  for (const path of ourFiles()) cpSync(join(ROOT, path), join(folder.path, path));
  const [line] = (codeBlocks(read("RELEASING.md"), "sh")[0] ?? "").split("\n");
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
