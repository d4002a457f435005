// armor-token as a program, by its wrapper and from dist/, in steps that the model of the runner reads.

import { spawnSync } from "node:child_process";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, jest, test } from "@jest/globals";
import { Job, ROOT } from "../../sandbox/runner.ts";
import { maskCommand, maskedForms } from "../../src/redact.ts";
import { GOOD, openCommandJob as openJob, TOKEN } from "../fixtures/command-job.ts";
import { disposable } from "../fixtures/opened.ts";
import { type Answer, json } from "../fixtures/server.ts";

// Several processes a test, on a machine that may be busy.
jest.setTimeout(120_000);

const MASKS = `\n${maskedForms(TOKEN).map(maskCommand).join("")}`;

describe("armor-token", () => {
  test.concurrent("prints the token on stdout, and gives its masks to the log", async () => {
    await using job = await openJob();
    const plain = await job.sh("armor-token");
    expect(plain).toMatchObject({ exitCode: 0, stdout: `${TOKEN}\n`, stderr: MASKS });
    expect(plain.log).toEqual(["", "***"]);
    const header = await job.sh("armor-token --header");
    expect(header.stdout).toBe(`Authorization: Bearer ${TOKEN}\n`);
    expect(header.log).toEqual(["", "Authorization: Bearer ***"]);
  });

  test.concurrent("works whatever the job's Node is configured to do", async () => {
    await using job = await openJob();
    const options = "NODE_OPTIONS='--require ./not-there.cjs --no-such-flag'";
    const proxy = "NODE_USE_ENV_PROXY=1 http_proxy=http://127.0.0.1:9";
    const result = await job.sh(`${options} ${proxy} armor-token`);
    expect(result).toMatchObject({ exitCode: 0, stdout: `${TOKEN}\n` });
  });

  test.concurrent("has its exit codes, and one line on stderr", async () => {
    await using job = await openJob(json(502, { error_description: "Armor is not there." }));
    const without = await job.sh("armor-token");
    expect(without).toMatchObject({ exitCode: 1, stdout: "" });
    expect(without.stderr).toMatch(/^armor-token: [^\n]+\n$/);
    const wrong = await job.sh("armor-token --token");
    expect(wrong).toMatchObject({ exitCode: 2, stdout: "" });
    expect(wrong.stderr).toMatch(/^armor-token: [^\n]+\n$/);
    await expect(job.sh("armor-token --help")).resolves.toMatchObject({ exitCode: 0, stderr: "" });
  });

  test.concurrent("waits for an agent that has to fetch a token first", async () => {
    const slow: Answer = (...args) => setTimeout(GOOD, process.env["CI"] ? 10_000 : 2_000, ...args);
    await using job = await openJob(slow);
    await expect(job.sh("armor-token")).resolves.toMatchObject({
      exitCode: 0,
      stdout: `${TOKEN}\n`,
    });
  });

  test.concurrent("is quiet if its reader leaves early", async () => {
    await using job = await openJob();
    await expect(job.sh("armor-token | head -c 5")).resolves.toMatchObject({
      exitCode: 0,
      stdout: TOKEN.slice(0, 5),
      stderr: MASKS,
    });
    await expect(job.sh("armor-token | true")).resolves.toMatchObject({ exitCode: 0, stdout: "" });
  });

  test.concurrent("writes a file that only this user can read, whatever the umask is", async () => {
    await using job = await openJob();
    const script = 'umask 022; armor-token --file "$OUT"; ls -l "$OUT" | cut -c1-10; cat "$OUT"';
    const result = await job.sh(script);
    expect(result).toMatchObject({ exitCode: 0, stdout: `-rw-------\n${TOKEN}`, stderr: MASKS });
  });

  test.concurrent("goes on when a step has removed the action", async () => {
    const place = await Job.start({});
    await using action = disposable(place, () => place.end());
    const dist = join(action.temp, "action");
    await mkdir(dist);
    await copyFile(join(ROOT, "dist", "armor-token.js"), join(dist, "armor-token.js"));
    await using job = await openJob(GOOD, dist);
    await expect(job.sh("armor-token")).resolves.toMatchObject({ exitCode: 0 });
    await expect(job.sh(`rm -r '${dist}'; armor-token`)).resolves.toMatchObject({ exitCode: 0 });
  });
});

describe("armor-token without a way of its own to the runner", () => {
  /** Starts a script whose parents have ended when it goes on, so that nothing leads up to the worker. */
  async function openHidden(answer: Answer = GOOD) {
    const job = await openJob(answer);
    const detach =
      'const { spawn } = require("child_process");' +
      'spawn("sh", ["hidden.sh", String(process.pid)], { detached: true, stdio: ["ignore", "inherit", "inherit"] }).unref();';
    const start = async (script: string) => {
      const wait = "while kill -0 $1 2>/dev/null; do sleep 0.05; done";
      await writeFile(join(job.job.workspace, "hidden.sh"), `${wait}\n${script}\n: >done\n`);
      const untilDone = "while [ ! -e done ]; do sleep 0.05; done; rm done";
      return await job.sh(`'${process.execPath}' -e '${detach}'\n${untilDone}`);
    };
    return Object.assign(job, { start });
  }

  test.concurrent("masks on stderr, with --file on both streams", async () => {
    await using job = await openHidden();
    const plain = await job.start("armor-token");
    expect(plain).toMatchObject({ stdout: `${TOKEN}\n`, stderr: MASKS });
    const file = await job.start('armor-token --file "$OUT"');
    expect(file).toMatchObject({ stdout: MASKS, stderr: MASKS });
  });

  test.concurrent.each(["2>&-", "2>/dev/null", "2>e.log", "--file f 2>&-", "--file f 2>>e.log"])(
    "refuses to ask for a token: %s",
    async (redirection) => {
      await using job = await openHidden();
      const result = await job.start(`armor-token ${redirection}; echo "code $?"; ls f || true`);
      expect(result.stdout).toBe("code 1\n");
      expect(job.server.requests).toEqual([]);
    },
  );
});

test("a program that runs dry before it has an answer has not succeeded", async () => {
  await using job = await openJob();
  // A request that stays silent, and holds nothing that keeps the process alive.
  const hook = join(job.folder, "hook.cjs");
  const silent = "() => ({ on() { return this; }, end() { return this; } })";
  await writeFile(hook, `require("http").get = ${silent};\n`);
  const program = join(ROOT, "dist", "armor-token.js");
  const { status, stdout } = spawnSync(process.execPath, ["--require", hook, program, job.folder], {
    encoding: "utf8",
  });
  expect([status, stdout]).toEqual([1, ""]);
});
