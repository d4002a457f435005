// A pipe without a writer or a reader, where a file of the runner should be, does not keep a step.

import { execFile, execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { POSIX, testsThatNeed } from "../fixtures/needs.ts";
import { makeTempFolder } from "../fixtures/opened.ts";

/** Above what a busy machine needs to start Node, and below the limit of a test. */
const SOON_MS = 15_000;

/** In a process of its own, as waiting for a pipe stops the whole process. @returns what it printed */
function runAlone(script: string, env: NodeJS.ProcessEnv): Promise<string> {
  const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", script];
  const options = { cwd: ROOT, env, timeout: SOON_MS, killSignal: "SIGKILL" as const };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, options, (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    );
  });
}

testsThatNeed(POSIX, "pipes", () => {
  test("a pipe in the place of GITHUB_ENV is left alone", async () => {
    await using temp = await makeTempFolder();
    const pipe = join(temp.path, "pipe");
    execFileSync("mkfifo", [pipe]);
    const script = `import { closeFilesToOthers } from "./src/step/runner-files.ts";
      closeFilesToOthers();
      process.stdout.write("went on");`;
    await expect(runAlone(script, { GITHUB_ENV: pipe })).resolves.toBe("went on");
  });

  test("a pipe in the place of the event tells nothing of why an input is missing", async () => {
    await using temp = await makeTempFolder();
    const pipe = join(temp.path, "pipe");
    execFileSync("mkfifo", [pipe]);
    const script = `import { missingError } from "./src/step/missing.ts";
      process.stdout.write(missingError(["api-key"], false, process.env).remedy);`;
    const env = { GITHUB_EVENT_NAME: "pull_request", GITHUB_EVENT_PATH: pipe };
    await expect(runAlone(script, env)).resolves.toMatch(/^Check the secret's name\./);
  });
});
