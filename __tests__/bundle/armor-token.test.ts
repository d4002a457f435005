// armor-token as a program, with an agent that answers as the test wants it.

import { randomBytes } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { describe, expect } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { createAgentFolder } from "../../src/agent-client/folder.ts";
import { type Open, openJob, scopedTest } from "../fixtures/job.ts";
import { type Answer, endless, json, raw, reset, startServer, text } from "../fixtures/server.ts";

const TOKEN = "t0k3n";
const MASK = `::add-mask::${TOKEN}\n`;
const GOOD = json(200, { access_token: TOKEN });

/** An agent that answers so, null for none, and a shell for which it is there. In the shell, `$OUT` is `file`. */
async function fakeAgent(open: Open, answer: Answer | null = GOOD) {
  const { temp } = await openJob(open, {});
  const { path: folder, bin } = await createAgentFolder({ RUNNER_TEMP: temp }, join(ROOT, "dist"));
  const server = await open(startServer([answer ?? GOOD]));
  if (answer !== null) await writeFile(join(folder, "control-url"), `${server.url}/cap\n`);
  const file = join(folder, "token");
  const env = { PATH: [bin, process.env["PATH"]].join(delimiter), OUT: file };
  const job = await openJob(open, {}, env, temp);
  return { folder, server, file, sh: job.run.bind(job) };
}

describe("armor-token", () => {
  scopedTest.each([
    ["armor-token", `${TOKEN}\n`],
    ["armor-token --header", `Authorization: Bearer ${TOKEN}\n`],
  ])("prints the mask on stderr and the token on stdout: %s", async (open, script, stdout) => {
    const { sh, server } = await fakeAgent(open);
    await expect(sh(script)).resolves.toMatchObject({ exitCode: 0, stdout, stderr: MASK });
    expect(server.requests).toMatchObject([{ method: "GET", path: "/cap/token" }]);
  });

  const times = process.env["CI"] ? 20 : 4;
  scopedTest(
    "prints a token only when the runner's other reader has had time for its mask",
    async (open) => {
      const fresh: Answer = (...args) =>
        json(200, { access_token: randomBytes(24).toString("base64url") })(...args);
      const { sh } = await fakeAgent(open, fresh);
      const masked = new Set<string>();
      const printed: string[] = [];
      const unmasked: string[] = [];
      const read = (piece: string) => {
        for (const line of piece.split("\n").filter(Boolean)) {
          const token = line.replace(/^::add-mask::/, "");
          const isMask = token !== line;
          if (isMask) {
            masked.add(token);
          } else {
            printed.push(token);
            if (!masked.has(token)) unmasked.push(token);
          }
        }
      };
      await sh(`for i in $(seq ${times}); do armor-token; done`, read);
      expect(unmasked).toEqual([]);
      expect(printed).toHaveLength(times);
    },
  );

  scopedTest("masks a token with percent signs as the runner unescapes it", async (open) => {
    const { sh } = await fakeAgent(open, json(200, { access_token: "a%25b%0Ac%" }));
    const { stdout, stderr } = await sh("armor-token");
    expect([stdout, stderr]).toEqual(["a%25b%0Ac%\n", "::add-mask::a%2525b%250Ac%25\n"]);
  });

  scopedTest("works whatever the job's Node is configured to do", async (open) => {
    const { sh } = await fakeAgent(open);
    const options = "NODE_OPTIONS='--require ./not-there.cjs --no-such-flag'";
    const proxy = "NODE_USE_ENV_PROXY=1 http_proxy=http://127.0.0.1:9";
    const result = await sh(`${options} ${proxy} armor-token`);
    expect(result).toMatchObject({ exitCode: 0, stdout: `${TOKEN}\n`, stderr: MASK });
  });

  scopedTest.each([["-h"], ["--help"]])(
    "explains itself for %s, and asks no agent",
    async (open, option) => {
      const { sh, server } = await fakeAgent(open);
      const { exitCode, stdout, stderr } = await sh(`armor-token ${option}`);
      expect(stdout).toMatch(/^Usage: armor-token \[--header \| --file PATH\]\n[\s\S]*--header @-/);
      expect([exitCode, stderr, server.requests]).toEqual([0, "", []]);
    },
  );

  scopedTest.each([["--token"], ["--header x"], ['--file ""'], ["--file a b"], ['""']])(
    "refuses the arguments %s with exit code 2",
    async (open, args) => {
      const { sh, server } = await fakeAgent(open);
      const stderr = "armor-token: it takes --header, --file PATH or --help, and nothing else.\n";
      await expect(sh(`armor-token ${args}`)).resolves.toMatchObject({
        exitCode: 2,
        stdout: "",
        stderr,
      });
      expect(server.requests).toEqual([]);
    },
  );

  const notRunning =
    /is not running\. It lives from the step with keep-fresh: true to the end of that job\.\n$/;
  const noToken = /^armor-token: the token agent has no token: it answered without one\.\n$/;
  const problem = (description: string) => json(502, { error_description: description });
  const unfit = (access_token: unknown): [string, Answer, RegExp] => {
    return [`the token ${JSON.stringify(access_token)}`, json(200, { access_token }), noToken];
  };
  scopedTest.each<[string, Answer | null, RegExp]>([
    ["no agent", null, notRunning],
    ["an agent that dies", reset, notRunning],
    ["half an answer", raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), notRunning],
    [
      "a switch of protocols",
      raw("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
      notRunning,
    ],
    ["an answer without an end", endless({ bytes: 0 }), notRunning],
    ["a web page", text(404, "<html>::error::forged"), notRunning],
    ["null", text(200, "null"), noToken],
    ["a text", text(200, '"::error::forged"'), noToken],
    [
      "an agent without a token",
      problem("Armor is\nnot available."),
      /no token: Armor is not available\.\n$/,
    ],
    [
      "commands in the description",
      problem("x\n::error::a\u001b[31m ##[error]b"),
      /: x :error:a \[31m (## )?\[error\]b\.\n$/,
    ],
    ...["::error::forged", "a##[error]forged", "a\n::error::forged", "a b", "", 7].map(unfit),
  ])("with %s says so in one line on stderr, and exit code 1", async (open, _, answer, says) => {
    const { sh } = await fakeAgent(open, answer);
    const { exitCode, stdout, stderr } = await sh("armor-token");
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(says);
    expect(stderr.split("\n")).toHaveLength(2);
  });

  scopedTest("waits for an agent that has to fetch a token first", async (open) => {
    const slow: Answer = (...args) => setTimeout(GOOD, process.env["CI"] ? 10_000 : 2_000, ...args);
    const { sh } = await fakeAgent(open, slow);
    await expect(sh("armor-token")).resolves.toMatchObject({ exitCode: 0, stdout: `${TOKEN}\n` });
  });

  scopedTest.each([
    ["armor-token 2>&-", /^$/],
    ["armor-token 2>/dev/null", /^$/],
    [
      'armor-token --file "$OUT" >&-',
      /^armor-token: stdout is closed or \/dev\/null, so the token could not be masked/,
    ],
    ['armor-token --file "$OUT" >/dev/null', /^armor-token: stdout is closed/],
  ])("refuses to print where the mask would be lost: %s", async (open, script, says) => {
    const { sh, folder, server } = await fakeAgent(open);
    const { exitCode, stdout, stderr } = await sh(script);
    expect([exitCode, stdout, server.requests]).toEqual([1, "", []]);
    expect(stderr).toMatch(says);
    await expect(readdir(folder)).resolves.not.toContain("token");
  });

  scopedTest("is quiet where its reader leaves early", async (open) => {
    const { sh } = await fakeAgent(open);
    const output = (stdout: string) => ({ exitCode: 0, stdout, stderr: MASK });
    await expect(sh("armor-token | head -c 5")).resolves.toMatchObject(output(TOKEN));
    await expect(sh("armor-token | true")).resolves.toMatchObject(output(""));
  });
});

describe("armor-token --file", () => {
  scopedTest("replaces a file by one with the token that only its owner can read", async (open) => {
    const { sh, folder, file } = await fakeAgent(open);
    await writeFile(file, "old", { mode: 0o644 });
    const result = await sh('armor-token --file "$OUT"');
    expect(result).toMatchObject({ exitCode: 0, stderr: "", stdout: MASK });
    await expect(readFile(file, "utf8")).resolves.toBe(TOKEN);
    if (process.platform !== "win32") expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readdir(folder)).sort()).toEqual(["bin", "control-url", "token"]);
  });

  scopedTest("writes nothing before the mask is out", async (open) => {
    const { sh, folder } = await fakeAgent(open);
    // The reader of stdout is gone before the mask is printed, so no token may be written.
    await sh('armor-token --file "$OUT" | true; sleep 0.3');
    await expect(readdir(folder)).resolves.not.toContain("token");
  });

  scopedTest(
    "keeps the old content where there is no token, and leaves no other file",
    async (open) => {
      const { sh, folder, file } = await fakeAgent(open, null);
      await writeFile(file, "old");
      await expect(sh('armor-token --file "$OUT"')).resolves.toMatchObject({
        exitCode: 1,
        stdout: "",
      });
      await expect(readFile(file, "utf8")).resolves.toBe("old");
      expect((await readdir(folder)).sort()).toEqual(["bin", "token"]);
    },
  );

  scopedTest.each([
    ["no/token", "ENOENT"],
    [".", "not a regular file"],
  ])("says why it cannot write: %s", async (open, name, why) => {
    const { sh } = await fakeAgent(open);
    const stderr = `armor-token: the file cannot be written (${why}).\n`;
    await expect(sh(`armor-token --file ${name}`)).resolves.toMatchObject({ exitCode: 1, stderr });
  });
});
