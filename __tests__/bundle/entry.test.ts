// The first file of main and post: what it refuses, what it drops, and that nothing ends a step
// without a word.

import { spawnSync } from "node:child_process";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { Job, ROOT, type StepResult, type Values } from "../../sandbox/runner.ts";
import { POSIX, testsThatNeed } from "../fixtures/needs.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";
import { type Answer, startServer, token } from "../fixtures/server.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

const CREDENTIALS = { "app-id": APP_ID, "api-key": API_KEY };

/** A job whose steps load this script before their first file. */
async function startHooked(hook: string, inputs: Values = {}, options = "") {
  const folder = await makeTempFolder();
  const file = join(folder.path, "hook.cjs");
  await writeFile(file, hook);
  const env = { NODE_OPTIONS: `${options} --require "${file}"` };
  const job = await Job.start({ ...CREDENTIALS, ...inputs }, env, folder.path);
  return disposable(job, async () => {
    await job.end();
    await folder[Symbol.asyncDispose]();
  });
}

/** As a runner starts `node` on PATH, which may be too old. */
const NODE_18 = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.20.8" } });`;

function expectOneAnnotation({ stdout }: StepResult, expected: RegExp): void {
  const said = stdout.split("\n").filter((line) => line !== "" && !line.startsWith("::add-mask::"));
  expect(said).toEqual([expect.stringMatching(expected)]);
}

describe("the entry file", () => {
  test.concurrent("has main fail where the inspector was open, before anything is sent", async () => {
    await using armor = await startServer([token()]);
    await using job = await startHooked("", { "api-url": armor.url }, "--inspect=127.0.0.1:0");
    const main = await job.main();
    expect(main.exitCode).toBe(1);
    expectOneAnnotation(
      main,
      /^::error::Node's inspector was open.* replace the key\. \(runner_unsupported, \S+#runner_unsupported\)$/,
    );
    expect(armor.requests).toEqual([]);
  });

  test.concurrent("closes the inspector of post, and drops the inputs before the program is loaded", async () => {
    const hook = `const load = require("module")._load;
      require("module")._load = function (name, ...rest) {
        if (name === "./index.js") {
          console.log("inspector:", require("inspector").url());
          console.log("inputs:", Object.keys(process.env).filter((name) => name.startsWith("INPUT_")));
        }
        return load.call(this, name, ...rest);
      };`;
    await using job = await startHooked(hook, {}, "--inspect=127.0.0.1:0");
    const post = await job.post();
    expect(post).toMatchObject({ exitCode: 0, stdout: "inspector: undefined\ninputs: []\n" });
  });

  test.concurrent("keeps SIGUSR1 from opening the inspector", async () => {
    const slow: Answer = (...args) => setTimeout(token(), 500, ...args);
    await using armor = await startServer([slow]);
    await using job = await startHooked("", { "api-url": armor.url });
    const main = await job.main(async (child) => {
      while (armor.requests.length === 0) await sleep(10);
      if (process.platform !== "win32") child.kill("SIGUSR1");
    });
    expect(main).toMatchObject({ exitCode: 0, stderr: "" });
  });

  test.concurrent("says in one line that this Node is too old: main fails, and post does not", async () => {
    await using job = await startHooked(NODE_18);
    const main = await job.main();
    const post = await job.post();
    const text =
      /needs Node 20 or newer, and was started with Node 18\.20\.8\. .*\(runner_unsupported, /;
    expectOneAnnotation(main, new RegExp(`^::error::.*${text.source}`));
    expectOneAnnotation(post, new RegExp(`^::warning::.*${text.source}`));
    expect([main.exitCode, main.stderr, post.exitCode, post.stderr]).toEqual([1, "", 0, ""]);
  });

  test("has no syntax and no module name that Node 12 does not know", async () => {
    const entry = await readFile(join(ROOT, "src", "entry.cjs"), "utf8");
    const code = entry.replace(/^\s*(\/\/|\/?\*).*$/gm, "").replace(/"[^"\n]*"|`[^`]*`/g, '""');
    expect(code).not.toMatch(
      /\?\.|\?\?|[|&]{2}=|\bawait\b|\bimport\b|#\w|\.at\(|\.replaceAll\(|\d_\d/,
    );
    expect(entry).not.toMatch(/require\("node:/);
  });

  test.each([
    {
      kind: "is missing",
      change: rm,
      code: "file_failed",
      says: /A file of this action is missing/,
    },
    {
      kind: "is damaged",
      change: (file: string) => writeFile(file, "const = ;"),
      code: "internal_error",
      says: /Unexpected SyntaxError at the start of/,
    },
    {
      kind: "gives a program that throws",
      change: (file: string) =>
        writeFile(
          file,
          `exports.runMain = exports.runPost = () => { throw new Error("k\\ney"); };`,
        ),
      code: "internal_error",
      says: /Unexpected Error at the start of/,
    },
    {
      kind: "gives a program that fails",
      change: (file: string) =>
        writeFile(file, `exports.runMain = exports.runPost = async () => { throw undefined; };`),
      code: "internal_error",
      says: /Unexpected undefined at the start of/,
    },
  ])("says in one line that the bundle $kind", async ({ change, code, says }) => {
    await using job = await startHooked("");
    const dist = join(job.temp, "dist");
    await cp(join(ROOT, "dist"), dist, { recursive: true });
    await change(join(dist, "index.js"));
    await writeFile(join(job.temp, "package.json"), "{}");
    const run = (file: string) =>
      spawnSync(process.execPath, [join(dist, file)], { encoding: "utf8", input: "" });
    const [main, post] = [run("main.js"), run("post.js")];
    expect([main.status, main.stderr, post.status, post.stderr]).toEqual([1, "", 0, ""]);
    expect(main.stdout).toMatch(
      new RegExp(`^::error::${says.source}.*\\(${code}, \\S+#${code}\\)\n$`),
    );
    expect(post.stdout).toMatch(new RegExp(`^::warning::${says.source}.*\\(${code}, `));
  });
});

describe("main never ends without a word", () => {
  test.concurrent("where something is thrown in no promise: without a stack and the key", async () => {
    const late: Answer = (...args) => setTimeout(token(), 3_000, ...args);
    await using armor = await startServer([late]);
    const hook = `if (process.argv[1].endsWith("main.js")) {
      const key = process.env["INPUT_API-KEY"];
      const { request } = require("http");
      require("http").request = function (...args) {
        setTimeout(() => { throw new Error("lost " + key); }, 100);
        return request.apply(this, args);
      };
    }`;
    await using job = await startHooked(hook, { "api-url": armor.url });
    const main = await job.main();
    expect(main).toMatchObject({ exitCode: 1, stderr: "" });
    expectOneAnnotation(main, /^::error::Unexpected Error: lost \*\*\*.*\(internal_error, /);
  });

  test.concurrent("where the process runs dry, because nothing is left that could settle", async () => {
    // A request that stays silent, and holds nothing that keeps the process alive.
    const hook = `const { EventEmitter } = require("events");
      const { setTimeout } = global;
      global.setTimeout = (...args) => setTimeout(...args).unref();
      require("http").request = () =>
        Object.assign(new EventEmitter(), { end() {}, write() {}, destroy() {}, setTimeout() {} });`;
    await using job = await startHooked(hook, { "api-url": "http://127.0.0.1:1" });
    const main = await job.main();
    expect(main).toMatchObject({ exitCode: 1, stderr: "" });
    expectOneAnnotation(main, /^::error::Unexpected Error: the process ended without a result/);
  });

  testsThatNeed(POSIX, "a signal", () => {
    test.concurrent("where Armor says nothing and the job is cancelled: it ends in some seconds", async () => {
      await using armor = await startServer([() => undefined]);
      await using job = await startHooked("", { "api-url": armor.url, timeout: "60" });
      const main = await job.main(async (child) => {
        while (armor.requests.length === 0) await sleep(10);
        child.kill("SIGINT");
      });
      expect(main.exitCode).toBe(1);
      expectOneAnnotation(main, /^::error::The job was cancelled\. .*\(cancelled, /);
      expect(main.ms).toBeLessThan(30_000);
    });
  });
});
