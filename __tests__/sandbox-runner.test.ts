// The model of the runner is worth testing on only if it is as strict as the original.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, jest, test } from "@jest/globals";
import { commandOf } from "../sandbox/runner/machine.ts";
import { Masks } from "../sandbox/runner/masks.ts";
import { Job, parseFileCommand, type RunOptions, type Values } from "../sandbox/runner.ts";
import { disposable } from "./fixtures/opened.ts";
import { kill } from "./fixtures/processes.ts";

jest.setTimeout(60_000);

async function openJob(inputs: Values = {}, env: Values = {}) {
  const job = await Job.start(inputs, env);
  return disposable(job, () => job.end());
}

/** What the log shows of a script's output, without the line about its exit code. */
async function logOf(script: string, options: RunOptions = {}): Promise<readonly string[]> {
  await using job = await openJob();
  const { log } = await job.run(script, options);
  return log;
}

describe("the log of the model", () => {
  test.concurrent.each([
    { what: "the start of a line", script: "echo '::add-mask::sesame'; echo sesame" },
    { what: "any letter case", script: "echo '::ADD-Mask::sesame'; echo sesame" },
    {
      what: "white space before",
      script: "printf ' \\t\\v\\302\\240::add-mask::sesame\\n'; echo sesame",
    },
    { what: "a bare CR before", script: "printf '\\r::add-mask::sesame\\n'; echo sesame" },
    { what: "CR LF behind", script: "printf '::add-mask::sesame\\r\\n'; echo sesame" },
    { what: "properties", script: "echo '::add-mask a=b::sesame'; echo sesame" },
    { what: "the older form amid a line", script: "echo 'x ##[add-mask]sesame'; echo sesame" },
    { what: "stderr", script: "echo '::add-mask::sesame' >&2; sleep 0.3; echo sesame" },
  ])("takes a mask with $what", async ({ script }) => {
    expect((await logOf(script)).filter((line) => line !== "")).toEqual(["***"]);
  });

  test.concurrent.each([
    { what: "text before it", line: "x ::add-mask::sesame" },
    { what: "one colon too few", line: "::add-mask:sesame" },
    { what: "an unknown command", line: "::add-masks::sesame" },
    { what: "a blank before the name", line: ":: add-mask::sesame" },
    { what: "an unknown older command", line: "##[nothing]x ##[add-mask]sesame" },
  ])("prints a line with $what as it is", async ({ line }) => {
    await expect(logOf(`echo '${line}'`)).resolves.toEqual([line]);
  });

  test.concurrent("ends lines with CR, too, also amid what arrives at once", async () => {
    const script = "printf 'x\\r::add-mask::sesame\\rsesame\\r\\nlast'";
    await expect(logOf(script)).resolves.toEqual(["x", "***", "last"]);
  });

  test.concurrent("handles all of stderr in a batch before stdout", async () => {
    await using job = await openJob();
    job.batchMs = 300;
    const { log } = await job.run("echo out1; echo err1 >&2; echo out2; echo err2 >&2");
    expect(log).toEqual(["err1", "err2", "out1", "out2"]);
    const late = await job.run("echo '::add-mask::sesame'; echo sesame >&2");
    expect(late.log).toEqual(["sesame"]);
  });

  test.concurrent("takes no commands between stop-commands and its token, nor after the step", async () => {
    await using job = await openJob();
    const stop = "echo '::stop-commands::token-7'; echo '::add-mask::sesame'";
    const { log } = await job.run(
      `${stop}; echo '::TOKEN-7::'; echo '::add-mask::cumin'; echo cumin`,
    );
    const shown = ["::stop-commands::***", "::add-mask::sesame", "::TOKEN-7::", "***"];
    expect(log).toEqual(shown);
    await job.run(stop);
    const next = await job.run("echo '::add-mask::caraway'; echo caraway");
    expect(next.log).toEqual(["***"]);
  });

  test.concurrent.each(["", "error", "Pause-Logging"])(
    "shows nothing more of a step that stops commands with the token '%s'",
    async (token) => {
      await using job = await openJob();
      const { log, outcome } = await job.run(`echo '::stop-commands::${token}'; echo after`);
      expect(log).toEqual([expect.stringMatching(/^Error: You cannot use a endToken/)]);
      expect(outcome).toBe("failure");
    },
  );

  test.concurrent("shows annotations, groups and refused commands", async () => {
    const lines = [
      "::error file=a::e%0Af",
      "::warning::w",
      "::notice::",
      "::group::g",
      "::endgroup::",
    ];
    const script = [...lines, "::debug::d"].map((line) => `echo '${line}'`).join("; ");
    await expect(logOf(script)).resolves.toEqual(["Error: e\nf", "Warning: w", "g"]);
    await using job = await openJob();
    const refused = await job.run("echo '::set-env name=A::1'");
    expect(refused).toMatchObject({ exitCode: 0, outcome: "failure" });
    expect(refused.log.join("\n")).toContain("The `set-env` command is disabled.");
  });
});

describe("the masks of the model", () => {
  const value = `Key&"+/o'f <b>`;
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  test.each([
    { form: "itself", text: value },
    { form: "base64", text: base64(value) },
    { form: "base64 behind one character", text: base64(`x${value}`).slice(4) },
    { form: "base64 behind two characters", text: base64(`xy${value}`).slice(4) },
    { form: "JSON", text: JSON.stringify(value).slice(1, -1) },
    { form: "XML", text: "Key&amp;&quot;+/o&apos;f &lt;b&gt;" },
    { form: "URI", text: "Key%26%22%2B%2Fo%27f%20%3Cb%3E" },
    { form: "quotes for PowerShell", text: value.replaceAll("'", "''") },
    { form: "the part behind an ampersand", text: value.slice(4) },
  ])("cover $form", ({ text }) => {
    const masks = new Masks();
    masks.add(value);
    expect(masks.apply(`a ${text} b`)).toBe("a *** b");
  });

  test("cover lines of a value, and nothing that a derived form would give", () => {
    const masks = new Masks();
    masks.add("line-one\n  line-two ");
    expect(masks.apply("line-two and line-one")).toBe("*** and ***");
    expect(masks.apply(base64(base64("line-one")))).toBe(base64(base64("line-one")));
    expect(masks.apply("line-oneline-two")).toBe("***");
  });
});

describe("the files of the model", () => {
  test("end their lines with LF alone but on Windows, and drop a byte order mark", () => {
    const text = "\ufeffA=1\r\nB<<E\nx\r\ny\nE\nC=a<<b\n";
    const cr = process.platform === "win32" ? "" : "\r";
    expect(parseFileCommand(text)).toEqual({ A: `1${cr}`, B: `x${cr}\ny`, C: "a<<b" });
  });

  test.each([
    { line: "without a sign", text: "A=1\nbroken\n", says: "Invalid format 'broken'" },
    { line: "without an end", text: "B<<E\nx\n", says: "Matching delimiter not found 'E'" },
    { line: "without a last line end", text: "B<<E\nx", says: "EOF marker missing new line." },
    { line: "without a delimiter", text: "B<<\nx\n", says: "delimiter must not be empty" },
    { line: "without a name", text: "=x\n", says: "Value cannot be null" },
  ])("complain of a line $line", ({ text, says }) => {
    expect(() => parseFileCommand(text)).toThrow(says);
  });

  test.concurrent("count up to a broken line, and the step has failed", async () => {
    await using job = await openJob();
    const result = await job.run('printf "GOOD=1\\nbroken\\nLATE=1\\n" >>"$GITHUB_ENV"');
    expect(result).toMatchObject({ exitCode: 0, outcome: "failure" });
    expect(result.log).toEqual([
      "Error: Unable to process file command 'env' successfully.",
      "Error: Invalid format 'broken'",
    ]);
    expect(job.exported).toEqual({ GOOD: "1" });
  });

  test.concurrent("are each step's own, and stay until the job ends", async () => {
    await using job = await openJob();
    await job.run('echo "FIRST=$GITHUB_ENV" >>"$GITHUB_ENV"');
    const { stdout } = await job.run('test "$FIRST" != "$GITHUB_ENV"; cat "$FIRST"');
    expect(stdout).toMatch(/^FIRST=.*set_env_/);
  });

  test.concurrent("put the last folder of PATH first, and set no NODE_OPTIONS", async () => {
    await using job = await openJob();
    await job.run(
      'printf "/one\\n/two\\n" >>"$GITHUB_PATH"; echo NODE_OPTIONS=--x >>"$GITHUB_ENV"',
    );
    const { stdout } = await job.run('echo "$PATH"; echo "[$NODE_OPTIONS]"');
    expect(stdout).toMatch(/^\/two:\/one:.*\n\[\]\n$/);
  });
});

describe("a step of the model", () => {
  test.concurrent("has what the runner sets, whatever any env: says", async () => {
    const env = { RUNNER_TEMP: "/evil", GITHUB_OUTPUT: "/evil", GITHUB_ACTIONS: "no", MINE: "1" };
    await using job = await openJob({}, env);
    await job.run('printf "RUNNER_TEMP=/evil\\nMINE=2\\n" >>"$GITHUB_ENV"');
    const script = 'echo "$RUNNER_TEMP $GITHUB_ACTIONS $MINE"; pwd; test "$GITHUB_OUTPUT" != /evil';
    const { exitCode, stdout } = await job.run(script);
    expect(exitCode).toBe(0);
    expect(stdout).toBe(`${job.temp} true 2\n${job.workspace}\n`);
  });

  test.concurrent("gets an empty stdin, and reads and writes pipes", async () => {
    await using job = await openJob();
    const kinds = "for n in 0 1 2; do test -p /dev/fd/$n && echo pipe $n; done";
    const { stdout } = await job.run(`cat; ${kinds}`);
    if (process.platform === "linux") expect(stdout).toBe("pipe 0\npipe 1\npipe 2\n");
    else expect(stdout).toMatch(/^(pipe \d\n)*$/);
  });

  test.concurrent("waits five seconds for what holds its streams, and lets it live", async () => {
    await using job = await openJob();
    const script = "(sleep 6.5; echo late; : >alive) & echo started";
    const { ms, log } = await job.run(script);
    expect(log).toEqual(["started"]);
    expect(ms).toBeGreaterThan(4_900);
    while (!existsSync(join(job.workspace, "alive"))) await job.run("sleep 0.2");
  });

  test.concurrent("is cancelled by SIGINT, then SIGTERM, then SIGKILL", async () => {
    await using job = await openJob();
    const script =
      "trap 'echo int' INT; trap 'echo term' TERM; echo ready; while :; do sleep 0.1; done";
    let cancel: () => void = () => undefined;
    const result = await job.run(script, {
      onStart: (_, how) => {
        cancel = how;
      },
      onOutput: (text) => {
        if (text.includes("ready")) cancel();
      },
    });
    expect(result).toMatchObject({ exitCode: null, outcome: "cancelled" });
    expect(result.log).toEqual(["ready", "int", "term", "Error: The operation was canceled."]);
    expect(result.ms).toBeGreaterThan(9_900);
    await expect(job.run("echo x")).resolves.toMatchObject({ outcome: "success" });
    const skipped = await job.run("echo x", { condition: "success" });
    expect(skipped.outcome).toBe("skipped");
    const cancelled = await job.run("echo x", { condition: "cancelled" });
    expect(cancelled.outcome).toBe("success");
  });

  test.concurrent("fails without its working folder", async () => {
    await using job = await openJob();
    await rm(job.workspace, { recursive: true });
    const result = await job.run("echo x");
    expect(result).toMatchObject({ exitCode: null, outcome: "failure", stdout: "" });
    expect(result.log.join("\n")).toContain(`with working directory '${job.workspace}'`);
  });
});

describe("a program of the model", () => {
  test.concurrent("runs as a step without a shell", async () => {
    await using job = await openJob({}, { MINE: "1" });
    const args = ["-p", "process.env.MINE + process.argv[1]", "a b"];
    const result = await job.runProgram(process.execPath, args, { env: { MINE: "2" } });
    expect(result).toMatchObject({ exitCode: 0, outcome: "success", log: ["2a b"] });
    const failed = await job.runProgram(process.execPath, ["-e", "process.exit(3)"]);
    expect(failed.log).toEqual(["Error: Process completed with exit code 3."]);
  });

  test("is given to cmd.exe if Windows has a .cmd, with quotation marks around what holds blanks", () => {
    const path = "D:\\a job\\armor-token.CMD";
    const { program, args, isVerbatim } = commandOf(path, ["--header"], "win32");
    expect(program).toMatch(/cmd\.exe$/i);
    expect(args).toEqual(["/d", "/s", "/c", `""${path}" "--header""`]);
    expect(isVerbatim).toBe(true);
    const elsewhere = { program: path, args: ["--header"], isVerbatim: false };
    expect(commandOf(path, ["--header"], "linux")).toEqual(elsewhere);
    expect(commandOf("node.exe", [], "win32").program).toBe("node.exe");
  });
});

describe("a job of the model", () => {
  test.concurrent("warns of unknown inputs, and passes them all the same", async () => {
    const inputs = { "app-id": "", "API-KEY": "", app_id: "x" };
    await using job = await openJob(inputs);
    const { exitCode, log } = await job.main();
    expect(exitCode).toBe(1);
    expect(log[0]).toMatch(
      /^Warning: Unexpected input\(s\) 'app_id', valid inputs are \['app-id', /,
    );
  });

  test.concurrent("drops outputs that hold a secret", async () => {
    await using job = await openJob();
    await job.run("echo '::add-mask::sesame'");
    expect(job.handOn({ open: "sesame!", count: "7", empty: "" })).toEqual({
      values: { count: "7" },
      log: ["Warning: Skip output 'open' since it may contain secret."],
    });
  });

  test.concurrent("ends what its steps have left running, but not what gave its mark away", async () => {
    const job = await openJob();
    const start = async (before: string) => {
      const script = `${before}; sleep 60 >/dev/null 2>&1 </dev/null & echo $!`;
      return (await job.run(script)).stdout.trim();
    };
    const kept = await start(":");
    const freed = await start("RUNNER_TRACKING_ID=; export RUNNER_TRACKING_ID");
    await job[Symbol.asyncDispose]();
    try {
      if (process.platform === "linux") expect(isRunning(kept)).toBe(false);
      expect(isRunning(freed)).toBe(true);
    } finally {
      for (const pid of [kept, freed]) kill(Number(pid), "SIGKILL");
    }
  });
});

/** A process that has ended may still be listed, as a zombie that nobody has asked for. */
function isRunning(pid: string): boolean {
  const state = spawnSync("ps", ["-o", "stat=", "-p", pid]).stdout.toString("utf8").trim();
  return state !== "" && !state.startsWith("Z");
}
