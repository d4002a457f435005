// The scripts that workflows call, with a stand-in for gh.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { makeTempFolder } from "../fixtures/opened.ts";

/**
 * Runs a script of .github/ with a `gh` that runs this shell code. @returns its exit code and all
 * that it prints
 */
async function runScript(name: string, args: readonly string[], gh: string) {
  await using folder = await makeTempFolder("armor-scripts-");
  writeFileSync(join(folder.path, "gh"), `#!/usr/bin/env bash\n${gh}\n`, { mode: 0o755 });
  const script = join(ROOT, ".github", name).replaceAll("\\", "/");
  const { status, stdout, stderr } = spawnSync("bash", [script, ...args], {
    encoding: "utf8",
    env: {
      ...process.env,
      PATH: `${folder.path}${delimiter}${process.env["PATH"]}`,
      GITHUB_REPOSITORY: "org/payments",
      GITHUB_RUN_ID: "7",
      GITHUB_SHA: "c0ffee",
    },
  });
  return { status, output: stdout + stderr };
}

describe("check-tag", () => {
  test("passes if the tag is the commit of this run", async () => {
    const gh = '[ "$2" = repos/org/payments/commits/tags/v1.2.3 ] && echo c0ffee';
    await expect(runScript("check-tag", ["v1.2.3"], gh)).resolves.toMatchObject({ status: 0 });
  });

  test("fails if the tag was moved after the approval", async () => {
    const output = expect.stringContaining("::error::The tag v1.2.3 was moved");
    await expect(runScript("check-tag", ["v1.2.3"], "echo decade")).resolves.toEqual({
      status: 1,
      output,
    });
  });

  test("fails if GitHub cannot be asked", async () => {
    await expect(runScript("check-tag", ["v1.2.3"], "exit 1")).resolves.toMatchObject({
      status: 1,
    });
  });
});

describe("check-logs", () => {
  /** Two jobs have ended, of which the first has this log. */
  const logOf = (lines: readonly string[]) => {
    const log = lines.map((line) => `2026-11-30T10:00:00.1234567Z ${line}\r\n`).join("");
    return `case "$*" in
      *runs/7/jobs*) printf '11 a job (linux)\\n12 another job\\n' ;;
      *jobs/11/logs) cat <<'END'\n${log}END\n ;;
      *) exit 1 ;;
    esac`;
  };
  const SCRIPT = "\u001b[36;1mprintf 'token: %s\\n' \"$(armor-token)\"\u001b[0m";

  test.each([
    { what: "passes if all is masked", lines: ["token: ***"], says: /^$/ },
    { what: "knows the header", lines: ["token: Authorization: Bearer ***"], says: /^$/ },
    { what: "knows the address", lines: ["token: http://127.0.0.1:4711/***"], says: /^$/ },
    { what: "fails if a token is in clear", lines: ["token: s3cr3t"], says: /what 'token' should/ },
    {
      what: "fails if one of two lines is in clear",
      lines: ["token: ***", "token: s3cr3t"],
      says: /what 'token' should mask/,
    },
    {
      what: "fails if more than the mask is there",
      lines: ["token: ***s3cr3t"],
      says: /what 'token' should mask/,
    },
    { what: "fails if nothing was printed", lines: [SCRIPT], says: /has no line 'token: \.\.\.'/ },
    {
      what: "fails at a warning",
      lines: ["token: ***", "##[warning]A call was refused."],
      says: /A call was refused\.[\s\S]*a warning or an error/,
    },
  ])("$what", async ({ lines, says }) => {
    const { status, output } = await runScript("check-logs", ["a job", "token"], logOf(lines));
    expect(output).toMatch(says);
    expect(status).toBe(output === "" ? 0 : 1);
    expect(output).not.toContain("s3cr3t");
  });

  test("fails if no job of this name has ended", async () => {
    const { status, output } = await runScript("check-logs", ["no such job"], logOf([]));
    expect(output).toMatch(/^::error::No job whose name begins with 'no such job'/);
    expect(status).toBe(1);
  });
});
