// armor-token as a program, by its wrapper and from dist/, in steps that the model of the runner reads.

import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { describe, expect, jest, test } from "@jest/globals";
import { Job, ROOT, type RunOptions, type StepResult } from "../../sandbox/runner.ts";
import { createAgentFolder } from "../../src/agent-client/folder.ts";
import { maskCommand, maskedForms } from "../../src/redact.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { disposable } from "../fixtures/opened.ts";
import { type Answer, json, startServer } from "../fixtures/server.ts";

// Several processes a test, on a machine that may be busy.
jest.setTimeout(120_000);

const TOKEN = "t0k3n-of-the-agent";
const GOOD = json(200, { access_token: TOKEN });
const MASKS = `\n${maskedForms(TOKEN).map(maskCommand).join("")}`;
/** Batches in which both streams meet: then the order of the two streams is certain instead of likely. */
const BATCH_MS = 400;

/** A job, an agent that answers so, and a shell for which armor-token is there. In it, `$OUT` is `file`. */
async function openJob(answer: Answer = GOOD, dist = join(ROOT, "dist")) {
  const first = await Job.start({});
  const { path: folder, bin } = await createAgentFolder({ RUNNER_TEMP: first.temp }, dist);
  const server = await startServer([answer]);
  await writeFile(join(folder, "control-url"), `${server.url}/cap\n`);
  const file = join(folder, "token");
  const env = { PATH: [bin, process.env["PATH"]].join(delimiter), OUT: file };
  const job = await Job.start({}, env, first.temp);
  const close = async () => {
    await server.close();
    await job.end();
    await first.end();
  };
  const sh = (script: string, options: RunOptions = {}) => job.run(script, options);
  return disposable({ job, folder, server, file, sh }, close);
}

/** Where steps leave files that people might upload. */
async function filesOf(job: Job): Promise<string> {
  const folder = job.workspace;
  const names = await readdir(folder);
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return texts.join("\n");
}

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

/** Lengths that leave 0, 1 and 2 modulo 3, so that base64 of them ends in three ways. */
const LENGTHS = [40, 41, 42];

/** An agent that has another token for each call. @param start decides which length comes first */
function freshTokens(start = 0) {
  const tokens: string[] = [];
  const answer: Answer = (...args) => {
    const length = LENGTHS[(start + tokens.length) % LENGTHS.length] ?? 40;
    const token = randomBytes(40).toString("base64url").slice(0, length);
    tokens.push(token);
    json(200, { access_token: token })(...args);
  };
  return { tokens, answer };
}

/** How a script may get its token, whatever it does with the streams of the call. Each sets `t`. */
interface Way {
  readonly name: string;
  readonly script: string;
  /** sh by default. */
  readonly shell?: RunOptions["shell"];
  /** A program that the machine has to have. */
  readonly needs?: string;
}

const WAYS: readonly Way[] = [
  { name: "as it is", script: "t=$(armor-token)" },
  { name: "stderr into a file", script: "t=$(armor-token 2>e.log)" },
  { name: "stderr behind a file", script: "t=$(armor-token 2>>e.log)" },
  { name: "stderr of the shell into a file", script: "exec 2>e.log; t=$(armor-token)" },
  { name: "stderr dropped", script: "t=$(armor-token 2>/dev/null)" },
  { name: "stderr closed", script: "t=$(armor-token 2>&-)" },
  { name: "stderr of a group dropped", script: "{ t=$(armor-token); } 2>/dev/null" },
  {
    name: "stderr of a group dropped, with a mask that must not be late",
    script: "{ t=$(armor-token); } 2>/dev/null; show",
  },
  { name: "both of a group dropped", script: "{ t=$(armor-token); } >/dev/null 2>&1" },
  { name: "both into one variable", script: "t=$(armor-token 2>&1)" },
  { name: "both through tee", script: "armor-token 2>&1 | tee t.log >/dev/null; t=$(cat t.log)" },
  { name: "stdout through tee", script: "t=$(armor-token | tee /dev/null)" },
  { name: "both in a file", script: "armor-token >t.log 2>&1; t=$(cat t.log); rm t.log" },
  { name: "streams exchanged", script: "t=$(armor-token 3>&1 1>&2 2>&3 | cat; armor-token)" },
  { name: "a nested shell", script: `t=$(sh -c 'sh -c "armor-token 2>/dev/null"')` },
  { name: "a shell that replaces itself", script: "t=$(exec armor-token 2>/dev/null)" },
  { name: "in the background", script: "armor-token >t.log 2>/dev/null & wait; t=$(cat t.log)" },
  { name: "a nice process", script: "t=$(nice -n 19 armor-token 2>/dev/null)" },
  { name: "a time limit", script: "t=$(timeout 60 armor-token 2>/dev/null)", needs: "timeout" },
  { name: "without an environment", script: 't=$(env -i PATH="$PATH" armor-token 2>/dev/null)' },
  { name: "an own session", script: "t=$(setsid -w armor-token 2>/dev/null)", needs: "setsid" },
  { name: "xargs", script: "t=$(echo | xargs armor-token 2>/dev/null)", needs: "xargs" },
  {
    name: "make, which collects",
    script: "printf 'all:\\n\\t@armor-token >t.log\\n' >Makefile; make -sO; t=$(cat t.log)",
    needs: "make",
  },
  {
    name: "a terminal of its own",
    script: "t=$(script -qec 'armor-token 2>/dev/null' /dev/null | tr -d '\\r')",
    needs: "script",
  },
  { name: "a file", script: "armor-token --file f; t=$(cat f); rm f" },
  { name: "a file, captured", script: "x=$(armor-token --file f 2>&1); t=$(cat f); rm f" },
  {
    name: "a file, both dropped",
    script: "armor-token --file f >/dev/null 2>&1; t=$(cat f); rm f",
  },
  { name: "a file, both closed", script: "armor-token --file f >&- 2>&-; t=$(cat f); rm f" },
  { name: "a header", script: "t=$(armor-token --header 2>/dev/null | cut -d' ' -f3)" },
  {
    name: "a line that is not finished",
    script: "printf 'asking … ' >&2; t=$(armor-token)",
  },
  {
    name: "a line that is not finished, on both streams",
    script: "printf 'asking … '; printf 'asking … ' >&2; armor-token --file f; t=$(cat f); rm f",
  },
  {
    name: "stderr through a filter",
    script: "t=$(armor-token 2> >(sed s/a/b/ >&2))",
    shell: "bash",
    needs: "bash",
  },
  {
    name: "stderr of a group through a filter",
    script: "{ t=$(armor-token); show; } 2> >(sed s/^/x/ >&2)",
    shell: "bash",
    needs: "bash",
  },
  {
    name: "stderr of the shell through a filter",
    script: "exec 2> >(sed s/^/x/ >&2); t=$(armor-token)",
    shell: "bash",
    needs: "bash",
  },
  {
    name: "process substitution",
    script: "t=$(cat <(armor-token 2>/dev/null))",
    shell: "bash",
    needs: "bash",
  },
  {
    name: "a coprocess",
    // The name of the descriptor's variable is in two parts, as it is none of JavaScript's.
    script: "coproc armor-token 2>/dev/null; read -r t <&$" + "{COPROC[0]}",
    shell: "bash",
    needs: "bash",
  },
];

/** Prints the token by itself and in base64, on both streams at once. Ends the lines that were begun. */
const SHOW = `show() {
  echo; echo >&2
  printf 'err %s\\n' "$t" >&2; printf 'out %s\\n' "$t"
  printf 'a%s' "$t" | base64 | tr -d '\\n'; echo; printf 'ab%s:' "$t" | base64 | tr -d '\\n' >&2; echo >&2
}`;
const NOISE = "i=0; while [ $i -lt 500 ]; do echo out $i; echo err $i >&2; i=$((i + 1)); done";

function has(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}

/** Twelve characters of base64 of a text around the token: as many as a mask may not leave. */
function piecesOfBase64(token: string): string[] {
  const texts = [`a${token}`, `ab${token}:`].map((text) => Buffer.from(text).toString("base64"));
  return texts.flatMap((text) => {
    return Array.from({ length: text.length - 12 }, (_, index) => text.slice(index, index + 12));
  });
}

/** If the script has failed, its log and its files say why. */
async function expectSuccess(job: Job, { outcome, log }: StepResult): Promise<void> {
  if (outcome !== "success") throw new Error([...log, await filesOf(job)].join("\n"));
}

/** No token in the log in any form, and no copy of one where people upload files from. */
function expectNothingClear(log: readonly string[], tokens: readonly string[]): void {
  const text = log.join("\n");
  for (const token of tokens) {
    expect(leaksIn(text, formsOf(token))).toEqual([]);
    expect(piecesOfBase64(token).filter((piece) => text.includes(piece))).toEqual([]);
  }
}

// The way past the step's redirections leads through /proc.
const onLinux = process.platform === "linux" ? describe : describe.skip;

onLinux("the masks of armor-token are ahead of the token", () => {
  for (const [index, { name, script, shell = "sh", needs = "sh" }] of WAYS.entries()) {
    const run = has(needs) ? test.concurrent : test.skip;
    run(`${name} (${shell})`, async () => {
      const { tokens, answer } = freshTokens(index);
      await using job = await openJob(answer);
      job.job.batchMs = BATCH_MS;
      const noise = index % 2 === 0 ? NOISE : ":";
      const result = await job.sh(`${SHOW}\n${noise}\n${script}\nshow`, { shell });
      await expectSuccess(job.job, result);
      expect(result.stdout).toContain(`out ${tokens.at(-1)}`);
      expect(result.log).toContain("out ***");
      expectNothingClear(result.log, tokens);
      await expect(filesOf(job.job)).resolves.not.toContain("add-mask");
    });
  }

  const python = has("python3") ? test.concurrent : test.skip;
  python("Python, which captures both streams", async () => {
    const { tokens, answer } = freshTokens();
    await using job = await openJob(answer);
    job.job.batchMs = BATCH_MS;
    const script = [
      "import subprocess, sys",
      "t = subprocess.run(['armor-token'], capture_output=True, text=True).stdout.strip()",
      "print('out', t, flush=True)",
      "print('err', t, file=sys.stderr, flush=True)",
    ].join("\n");
    const result = await job.sh(script, { shell: "python3" });
    expect([...result.log].sort()).toEqual(["", "err ***", "out ***"]);
    expectNothingClear(result.log, tokens);
  });

  test.concurrent.each([
    { name: "exchanged", turn: "exec 3>&1 1>&2 2>&3 3>&-", show: 'echo "out $t"' },
    { name: "exchanged, and kept", turn: "exec 3>&1 1>&2 2>&3", show: 'echo "out $t"' },
    { name: "joined, and kept", turn: "exec 3>&2 2>&1", show: 'echo "out $t" >&3' },
  ])("a shell whose streams are $name, on the runner's stderr", async ({ turn, show }) => {
    const { tokens, answer } = freshTokens();
    await using job = await openJob(answer);
    job.job.batchMs = BATCH_MS;
    const result = await job.sh(`${turn}\nt=$(armor-token)\n${show}`);
    expect(result.stderr).toContain(`out ${tokens.at(-1)}`);
    expect(result.log).toContain("out ***");
    expectNothingClear(result.log, tokens);
  });

  test("beside a machine that is busy, and without batches", async () => {
    const loops = Array.from({ length: 4 }, () => spawn("sh", ["-c", "while :; do :; done"]));
    await using busy = disposable({ loops }, () => {
      for (const loop of loops) loop.kill("SIGKILL");
    });
    expect(busy.loops).toHaveLength(4);
    const { tokens, answer } = freshTokens();
    await using job = await openJob(answer);
    const script = `${SHOW}\nfor n in 1 2; do ${NOISE}; t=$(armor-token 2>>e.log); show; done`;
    const result = await job.sh(script);
    expect(result.log.filter((line) => line === "out ***")).toHaveLength(2);
    expectNothingClear(result.log, tokens);
  });

  test("are what hides it: without them it is seen", async () => {
    const { tokens, answer } = freshTokens();
    await using job = await openJob(answer);
    const { stdout, stderr } = await job.sh(`${SHOW}\nt=$(armor-token)\nshow`);
    const withoutMasks = `${stdout}${stderr}`.replaceAll("::add-mask::", "::debug::");
    expect(() => expectNothingClear(withoutMasks.split("\n"), tokens)).toThrow();
  });
});

/** A process namespace of its own, as a container has it, where this machine lets a test have one. */
const CONTAINER = "unshare --user --map-root-user --pid --fork --mount-proc";
const hasContainers =
  process.platform === "linux" && spawnSync("sh", ["-c", `${CONTAINER} true`]).status === 0;
const inContainers = hasContainers ? describe : describe.skip;

inContainers("the masks of armor-token in a container", () => {
  test.concurrent.each([
    { name: "stderr dropped", script: "t=$(armor-token 2>/dev/null)" },
    { name: "stderr of the shell dropped", script: "exec 2>/dev/null; t=$(armor-token)" },
    { name: "both in a file", script: "armor-token >t.log 2>&1; t=$(cat t.log)" },
    { name: "a pipe that ends inside", script: "t=$(armor-token 2>&1 | cat)" },
  ])("go to the pipe that nobody inside reads: $name", async ({ script }) => {
    const { tokens, answer } = freshTokens();
    await using job = await openJob(answer);
    job.job.batchMs = BATCH_MS;
    await writeFile(join(job.folder, "step"), `${SHOW}\n${script}\nshow\n`);
    const result = await job.sh(`${CONTAINER} sh -e '${job.folder}/step'`);
    await expectSuccess(job.job, result);
    expect(result.log).toContain("out ***");
    expectNothingClear(result.log, tokens);
  });

  test.concurrent("do not go to the container's own process for an orphan", async () => {
    await using job = await openJob();
    // pid 1 is not the step: it has taken in what the step's session has left.
    const orphan = "armor-token >t.log 2>/dev/null; echo $? >code";
    await writeFile(join(job.folder, "orphan"), `sleep 0.5\n${orphan}\n`);
    const script = `setsid sh '${job.folder}/orphan' &\nwhile [ ! -s code ]; do sleep 0.1; done; cat code t.log`;
    await writeFile(join(job.folder, "step"), script);
    const result = await job.sh(`${CONTAINER} sh '${job.folder}/step'`);
    expect(result.stdout).toBe("1\n");
  });
});

describe("armor-token without a way of its own to the runner", () => {
  /** The runner's worker by another name: what is left are the streams of the call. */
  const HIDDEN = "hidden";

  async function openHidden(answer: Answer = GOOD) {
    const job = await openJob(answer);
    const node = process.execPath;
    // A step whose parents have ended: nothing leads up to the worker.
    const start = (script: string) =>
      job.sh(
        `cat >script <<'${HIDDEN}'\n${script}\n${HIDDEN}\n` +
          `'${node}' -e 'const c = require("child_process").spawn("sh", ["script"], ` +
          `{ detached: true, stdio: ["ignore", "inherit", "inherit"] }); c.unref();'\n` +
          "while [ ! -e done ]; do sleep 0.05; done",
      );
    return Object.assign(job, { start });
  }

  test.concurrent("masks on stderr, with --file on both streams", async () => {
    await using job = await openHidden();
    const plain = await job.start("sleep 0.5; armor-token; : >done");
    expect(plain).toMatchObject({ stdout: `${TOKEN}\n`, stderr: MASKS });
    const file = await job.start('rm done; sleep 0.5; armor-token --file "$OUT"; : >done');
    expect(file).toMatchObject({ stdout: MASKS, stderr: MASKS });
  });

  test.concurrent.each(["2>&-", "2>/dev/null", "2>e.log", "--file f 2>&-", "--file f 2>>e.log"])(
    "refuses to ask for a token: %s",
    async (redirection) => {
      await using job = await openHidden();
      const result = await job.start(
        `sleep 0.5; armor-token ${redirection}; echo "code $?"; ls f || true; : >done`,
      );
      expect(result.stdout).toBe("code 1\n");
      expect(job.server.requests).toEqual([]);
    },
  );
});
