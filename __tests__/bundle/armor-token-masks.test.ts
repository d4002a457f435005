// The masks of armor-token, from dist/, against whatever a script does with the streams of the call.

import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { describe, expect, jest, test } from "@jest/globals";
import type { Job, StepResult } from "../../sandbox/runner.ts";
import { openCommandJob as openJob } from "../fixtures/command-job.ts";
import { WAYS } from "../fixtures/command-ways.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { LINUX, type Need, programs, testsThatNeed } from "../fixtures/needs.ts";
import { disposable } from "../fixtures/opened.ts";
import { type Answer, json } from "../fixtures/server.ts";

// Several processes a test, on a machine that may be busy.
jest.setTimeout(120_000);

/** Batches in which both streams meet: then the order of the two streams is certain instead of likely. */
const BATCH_MS = 400;

/** Where steps leave files that people might upload. */
async function filesOf(job: Job): Promise<string> {
  const folder = job.workspace;
  const names = await readdir(folder);
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return texts.join("\n");
}

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
testsThatNeed(LINUX, "the masks of armor-token", () => {
  describe("the masks of armor-token are ahead of the token", () => {
    for (const [index, { name, script, shell = "sh", needs = "sh" }] of WAYS.entries()) {
      testsThatNeed(programs([needs], has(needs)), name, () =>
        test.concurrent(`${name} (${shell})`, async () => {
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
        }),
      );
    }

    testsThatNeed(programs(["python3"], has("python3")), "Python", () =>
      test.concurrent("Python, which captures both streams", async () => {
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
      }),
    );

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
      const cores = { length: availableParallelism() };
      const loops = Array.from(cores, () => spawn("sh", ["-c", "while :; do :; done"]));
      await using busy = disposable({ loops }, () => {
        for (const loop of loops) loop.kill("SIGKILL");
      });
      expect(busy.loops).toHaveLength(cores.length);
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
});

/** A process namespace of its own, as a container has it, where this machine lets a test have one. */
const CONTAINER = "unshare --user --map-root-user --pid --fork --mount-proc";
const NAMESPACES: Need = {
  name: "process namespaces that a test may make",
  isMet: process.platform === "linux" && spawnSync("sh", ["-c", `${CONTAINER} true`]).status === 0,
  isExpected: false, // Ubuntu 24.04 and Docker let no ordinary user make one
};

testsThatNeed(NAMESPACES, "the masks of armor-token in a container", () => {
  describe("the masks of armor-token in a container", () => {
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
      await writeFile(join(job.folder, "orphan"), `${orphan}\n`);
      const script = `setsid sh '${job.folder}/orphan' &\nwhile [ ! -s code ]; do sleep 0.1; done; cat code t.log`;
      await writeFile(join(job.folder, "step"), script);
      const result = await job.sh(`${CONTAINER} sh '${job.folder}/step'`);
      expect(result.stdout).toBe("1\n");
    });
  });
});
