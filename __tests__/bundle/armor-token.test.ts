// armor-token as a program, with an agent that answers as the test wants it.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, expect } from "@jest/globals";
import { ROOT, type Values } from "../../sandbox/runner.ts";
import { writeCommand } from "../../src/agent/wrapper.ts";
import { type Open, scopedTest } from "../fixtures/job.ts";
import { type Answer, endless, json, raw, reset, startServer, text } from "../fixtures/server.ts";

const TOKEN = "t0k3n";
const GOOD = json(200, { access_token: TOKEN });
const NOT_RUNNING =
  "the token agent is not running. It lives from the step with keep-fresh: true to the end of that job.";

interface Result {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An agent's folder, and an agent that answers so; undefined for none. */
async function fakeAgent(open: Open, answer: Answer | undefined) {
  const folder = await mkdtemp(join(tmpdir(), "armor token "));
  await open({ close: () => rm(folder, { recursive: true }) });
  const server = await open(startServer([answer ?? GOOD]));
  if (answer !== undefined) await writeFile(join(folder, "control-url"), `${server.url}/cap\n`);
  const program = join(ROOT, "dist", "armor-token.js");
  const { bin } = await writeCommand(folder, program);
  const env = { ...process.env, PATH: [bin, process.env["PATH"]].join(delimiter) };
  return {
    folder,
    server,
    armorToken: (...args: string[]) => run(process.execPath, [program, folder, ...args], process.env),
    /** In a shell, through the wrapper. */
    sh: (script: string, more: Values = {}, onOutput?: (text: string) => void) =>
      run("sh", ["-c", script], { ...env, ...more }, onOutput),
  };
}

function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  onOutput: (text: string) => void = () => undefined,
): Promise<Result> {
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (piece: string) => {
      output[name] += piece;
      onOutput(piece);
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode) => resolve({ exitCode, ...output }));
  });
}

describe("armor-token", () => {
  scopedTest.each([
    [[], `${TOKEN}\n`],
    [["--header"], `Authorization: Bearer ${TOKEN}\n`],
  ])("with %p prints the mask on stderr and the token on stdout", async (open, args, stdout) => {
    const { armorToken, server } = await fakeAgent(open, GOOD);
    const stderr = `::add-mask::${TOKEN}\n`;
    await expect(armorToken(...args)).resolves.toEqual({ exitCode: 0, stdout, stderr });
    expect(server.requests).toMatchObject([{ method: "GET", path: "/cap/token" }]);
  });

  scopedTest(
    "prints a new token only when the runner's other reader has had time for its mask",
    async (open) => {
      const fresh: Answer = (response, request) =>
        json(200, { access_token: randomBytes(24).toString("base64url") })(response, request);
      const { sh } = await fakeAgent(open, fresh);
      const [masks, seen, printed] = [new Set<string>(), new Set<string>(), new Set<string>()];
      const read = (piece: string) => {
        for (const line of piece.split("\n").filter(Boolean)) {
          const [, masked] = /^::add-mask::(.*)$/.exec(line) ?? [];
          (masked !== undefined ? masks : masks.has(line) ? printed : seen).add(masked ?? line);
        }
      };
      await sh("for i in 1 2 3 4 5 6 7 8 9 10; do armor-token; done", {}, read);
      expect([...seen]).toEqual([]);
      expect(printed.size).toBe(10);
    },
  );

  scopedTest("masks a token with percent signs as the runner unescapes it", async (open) => {
    const { armorToken } = await fakeAgent(open, json(200, { access_token: "a%25b%0Ac%" }));
    const { stdout, stderr } = await armorToken();
    expect([stdout, stderr]).toEqual(["a%25b%0Ac%\n", "::add-mask::a%2525b%250Ac%25\n"]);
  });

  scopedTest("runs in sh through its wrapper, whatever the job's Node is configured to do", async (open) => {
    const { sh } = await fakeAgent(open, GOOD);
    const env = {
      NODE_OPTIONS: "--require ./not-there.cjs --no-such-flag",
      NODE_USE_ENV_PROXY: "1",
      http_proxy: "http://127.0.0.1:9",
    };
    await expect(sh("armor-token", env)).resolves.toMatchObject({ exitCode: 0, stdout: `${TOKEN}\n` });
    await expect(sh("armor-token --token", env)).resolves.toMatchObject({ exitCode: 2, stdout: "" });
  });

  scopedTest.each([["-h"], ["--help"]])("%s explains itself, and asks no agent", async (open, option) => {
    const { armorToken, server } = await fakeAgent(open, GOOD);
    const { exitCode, stdout, stderr } = await armorToken(option);
    expect(stdout).toMatch(/^Usage: armor-token \[--header \| --file PATH\]\n[\s\S]*--header @-/);
    expect([exitCode, stderr, server.requests]).toEqual([0, "", []]);
  });

  scopedTest.each([
    [["--token"]],
    [["--header", "x"]],
    [["--file"]],
    [["--file", ""]],
    [["--file", "a", "b"]],
    [[""]],
  ])("refuses the arguments %j with exit code 2", async (open, args) => {
    const { armorToken, server } = await fakeAgent(open, GOOD);
    await expect(armorToken(...args)).resolves.toEqual({
      exitCode: 2,
      stdout: "",
      stderr: "armor-token: it takes --header, --file PATH or --help, and nothing else.\n",
    });
    expect(server.requests).toEqual([]);
  });

  scopedTest.each<[string, Answer | undefined, string | RegExp]>([
    ["no agent", undefined, NOT_RUNNING],
    ["an agent that dies", reset, NOT_RUNNING],
    ["half an answer", raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), NOT_RUNNING],
    ["a switch of protocols", raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), NOT_RUNNING],
    ["an answer without an end", endless({ bytes: 0 }), NOT_RUNNING],
    ["a web page", text(404, "<html>::error::forged"), NOT_RUNNING],
    ["null", text(200, "null"), "the token agent has no token: it answered 200."],
    ["a text", text(200, '"::error::forged"'), "the token agent has no token: it answered 200."],
    [
      "an agent without a token",
      json(502, { error: "x", error_description: "Armor is\nnot available." }),
      "the token agent has no token: Armor is not available.",
    ],
    [
      "commands in the description",
      json(502, { error_description: "x\n::error::forged\u001b[31m ##[error]forged" }),
      /^armor-token: the token agent has no token: x :error:forged \[31m (## )?\[error\]forged\.\n$/,
    ],
    ...[
      "::error::forged",
      "a##[error]forged",
      "a\n::error::forged",
      "a b",
      "\u001b[31m",
      "",
      7,
      ["t"],
      {},
    ].map((access_token): [string, Answer, string] => [
      `the token ${JSON.stringify(access_token)}`,
      json(200, { access_token }),
      "the token agent has no token: it answered 200.",
    ]),
  ])("with %s is one line on stderr, and exit code 1", async (open, _, answer, says) => {
    const { armorToken } = await fakeAgent(open, answer);
    const { exitCode, stdout, stderr } = await armorToken();
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(says instanceof RegExp ? says : `armor-token: ${says}\n`);
    expect(stderr.split("\n")).toHaveLength(2);
  });

  scopedTest("waits for an agent that has to fetch a token first", async (open) => {
    const slow: Answer = (...args) => setTimeout(GOOD, 5_500, ...args);
    const { armorToken } = await fakeAgent(open, slow);
    await expect(armorToken()).resolves.toMatchObject({ exitCode: 0, stdout: `${TOKEN}\n` });
  });

  scopedTest.each([
    ["armor-token 2>&-", ""],
    ["armor-token 2>/dev/null", ""],
    [
      'armor-token --file "$OUT" >&-',
      "armor-token: stdout is closed or /dev/null, so the token could not be masked",
    ],
    ['armor-token --file "$OUT" >/dev/null', "armor-token: stdout is closed or /dev/null, so"],
  ])("refuses to print where the mask would be lost: %s", async (open, script, says) => {
    const { sh, folder, server } = await fakeAgent(open, GOOD);
    const { exitCode, stdout, stderr } = await sh(script, { OUT: join(folder, "token") });
    expect([exitCode, stdout, server.requests]).toEqual([1, "", []]);
    expect(stderr.startsWith(says)).toBe(true);
    await expect(readdir(folder)).resolves.not.toContain("token");
  });

  scopedTest("is quiet where its reader leaves early", async (open) => {
    const { sh } = await fakeAgent(open, GOOD);
    const mask = `::add-mask::${TOKEN}\n`;
    await expect(sh("armor-token | head -c 5")).resolves.toEqual({
      exitCode: 0,
      stdout: TOKEN,
      stderr: mask,
    });
    await expect(sh("armor-token | true")).resolves.toEqual({ exitCode: 0, stdout: "", stderr: mask });
  });

  describe("--file", () => {
    scopedTest("replaces a file by one with the token that only its owner can read", async (open) => {
      const { armorToken, folder } = await fakeAgent(open, GOOD);
      const file = join(folder, "token of the job");
      await writeFile(file, "old", { mode: 0o644 });
      await expect(armorToken("--file", file)).resolves.toEqual({
        ...{ exitCode: 0, stderr: "", stdout: `::add-mask::${TOKEN}\n` },
      });
      await expect(readFile(file, "utf8")).resolves.toBe(TOKEN);
      if (process.platform !== "win32") expect((await stat(file)).mode & 0o777).toBe(0o600);
      expect((await readdir(folder)).filter((name) => name.startsWith("token"))).toHaveLength(1);
    });

    scopedTest("writes nothing before the mask is out", async (open) => {
      const { sh, folder } = await fakeAgent(open, GOOD);
      const file = join(folder, "token");
      // The reader of stdout is gone before the mask is printed, so no token may be written.
      await sh('armor-token --file "$OUT" | true; sleep 0.3', { OUT: file });
      await expect(readdir(folder)).resolves.not.toContain("token");
    });

    scopedTest("keeps the old content where there is no token, and leaves no other file", async (open) => {
      const { armorToken, folder } = await fakeAgent(open, undefined);
      const file = join(folder, "token");
      await writeFile(file, "old");
      await expect(armorToken("--file", file)).resolves.toMatchObject({ exitCode: 1, stdout: "" });
      await expect(readFile(file, "utf8")).resolves.toBe("old");
      await expect(readdir(folder)).resolves.toEqual(["bin", "token"]);
    });

    scopedTest("says why a file cannot be written", async (open) => {
      const { armorToken, folder } = await fakeAgent(open, GOOD);
      await expect(armorToken("--file", join(folder, "no", "token"))).resolves.toMatchObject({
        exitCode: 1,
        stderr: "armor-token: the file cannot be written (ENOENT).\n",
      });
      await expect(armorToken("--file", folder)).resolves.toMatchObject({
        exitCode: 1,
        stderr: "armor-token: the file cannot be written (not a regular file).\n",
      });
    });
  });
});
