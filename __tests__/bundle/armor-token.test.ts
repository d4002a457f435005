// armor-token as a program, with an agent that answers as the test wants it.

import { randomBytes } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { createAgentFolder } from "../../src/agent-client/folder.ts";
import { CONTROL_FILE } from "../../src/protocol/config.ts";
import { openJob } from "../fixtures/job.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";
import { type Answer, endless, json, raw, reset, startServer, text } from "../fixtures/server.ts";

const TOKEN = "t0k3n";
const MASK = `::add-mask::${TOKEN}\n`;
const givesToken = json(200, { access_token: TOKEN });

/** An agent that answers so, null for none, and a shell for which it is there. In the shell, `$OUT` is `file`. */
async function startFakeAgent(answer: Answer | null = givesToken) {
  const temp = await makeTempFolder("armor job ");
  const runner = { RUNNER_TEMP: temp.path };
  const { path: folder, bin } = await createAgentFolder(runner, join(ROOT, "dist"));
  const server = await startServer([answer ?? givesToken]);
  if (answer !== null) await writeFile(join(folder, CONTROL_FILE), `${server.url}/cap\n`);
  const file = join(folder, "token");
  const env = { PATH: [bin, process.env["PATH"]].join(delimiter), OUT: file };
  const job = await openJob({}, env, { temp: temp.path });
  const close = async () => {
    await job[Symbol.asyncDispose]();
    await server.close();
    await temp[Symbol.asyncDispose]();
  };
  return disposable({ folder, server, file, sh: job.run.bind(job) }, close);
}

describe("armor-token", () => {
  test.concurrent.each([
    { script: "armor-token", stdout: `${TOKEN}\n` },
    { script: "armor-token --header", stdout: `Authorization: Bearer ${TOKEN}\n` },
  ])("prints the mask on stderr and the token on stdout: $script", async ({ script, stdout }) => {
    await using agent = await startFakeAgent();
    const { sh, server } = agent;
    await expect(sh(script)).resolves.toMatchObject({ exitCode: 0, stdout, stderr: MASK });
    expect(server.requests).toMatchObject([{ method: "GET", path: "/cap/token" }]);
  });

  const times = process.env["CI"] ? 20 : 4;
  test.concurrent("prints a token only when the runner's other reader has had time for its mask", async () => {
    const fresh: Answer = (...args) =>
      json(200, { access_token: randomBytes(24).toString("base64url") })(...args);
    await using agent = await startFakeAgent(fresh);
    const { sh } = agent;
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
  });

  test.concurrent("masks a token with percent signs as the runner unescapes it", async () => {
    await using agent = await startFakeAgent(json(200, { access_token: "a%25b%0Ac%" }));
    const { sh } = agent;
    const { stdout, stderr } = await sh("armor-token");
    expect([stdout, stderr]).toEqual(["a%25b%0Ac%\n", "::add-mask::a%2525b%250Ac%25\n"]);
  });

  test.concurrent("works whatever the job's Node is configured to do", async () => {
    await using agent = await startFakeAgent();
    const { sh } = agent;
    const options = "NODE_OPTIONS='--require ./not-there.cjs --no-such-flag'";
    const proxy = "NODE_USE_ENV_PROXY=1 http_proxy=http://127.0.0.1:9";
    const result = await sh(`${options} ${proxy} armor-token`);
    expect(result).toMatchObject({ exitCode: 0, stdout: `${TOKEN}\n`, stderr: MASK });
  });

  test.concurrent.each(["-h", "--help"])(
    "explains itself for %s, and asks no agent",
    async (option) => {
      await using agent = await startFakeAgent();
      const { sh, server } = agent;
      const { exitCode, stdout, stderr } = await sh(`armor-token ${option}`);
      expect(stdout).toMatch(/^Usage: armor-token \[--header \| --file PATH\]\n[\s\S]*--header @-/);
      expect([exitCode, stderr, server.requests]).toEqual([0, "", []]);
    },
  );

  test.concurrent.each(["--token", "--header x", '--file ""', "--file a b", '""'])(
    "refuses the arguments %s with exit code 2",
    async (args) => {
      await using agent = await startFakeAgent();
      const { sh, server } = agent;
      const stderr = "armor-token: it takes --header, --file PATH or --help, and nothing else.\n";
      await expect(sh(`armor-token ${args}`)).resolves.toMatchObject({
        exitCode: 2,
        stdout: "",
        stderr,
      });
      expect(server.requests).toEqual([]);
    },
  );

  interface AgentAnswer {
    readonly what: string;
    /** Null for no agent. */
    readonly answer: Answer | null;
    /** What armor-token makes of it, on stderr. */
    readonly says: RegExp;
  }
  const notRunning =
    /is not running\. It lives from the step with keep-fresh: true to the end of that job\.\n$/;
  const noToken = /^armor-token: the token agent has no token: it answered without one\.\n$/;
  const problem = (description: string) => json(502, { error_description: description });
  const unfit = (access_token: unknown): AgentAnswer => ({
    what: `the token ${JSON.stringify(access_token)}`,
    answer: json(200, { access_token }),
    says: noToken,
  });
  test.concurrent.each<AgentAnswer>([
    { what: "no agent", answer: null, says: notRunning },
    { what: "an agent that dies", answer: reset, says: notRunning },
    {
      what: "half an answer",
      answer: raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
      says: notRunning,
    },
    {
      what: "a switch of protocols",
      answer: raw("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
      says: notRunning,
    },
    { what: "an answer without an end", answer: endless({ bytes: 0 }), says: notRunning },
    { what: "a web page", answer: text(404, "<html>::error::forged"), says: notRunning },
    { what: "null", answer: text(200, "null"), says: noToken },
    { what: "a text", answer: text(200, '"::error::forged"'), says: noToken },
    {
      what: "an agent without a token",
      answer: problem("Armor is\nnot available."),
      says: /no token: Armor is not available\.\n$/,
    },
    {
      what: "commands in the description",
      answer: problem("x\n::error::a\u001b[31m ##[error]b"),
      says: /: x :error:a \[31m (## )?\[error\]b\.\n$/,
    },
    ...["::error::forged", "a##[error]forged", "a\n::error::forged", "a b", "", 7].map(unfit),
  ])("with $what says so in one line on stderr, and exit code 1", async ({ answer, says }) => {
    await using agent = await startFakeAgent(answer);
    const { sh } = agent;
    const { exitCode, stdout, stderr } = await sh("armor-token");
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(says);
    expect(stderr.split("\n")).toHaveLength(2);
  });

  test.concurrent("waits for an agent that has to fetch a token first", async () => {
    const slow: Answer = (...args) =>
      setTimeout(givesToken, process.env["CI"] ? 10_000 : 2_000, ...args);
    await using agent = await startFakeAgent(slow);
    const { sh } = agent;
    await expect(sh("armor-token")).resolves.toMatchObject({ exitCode: 0, stdout: `${TOKEN}\n` });
  });

  test.concurrent.each([
    { script: "armor-token 2>&-", says: /^$/ },
    { script: "armor-token 2>/dev/null", says: /^$/ },
    {
      script: 'armor-token --file "$OUT" >&-',
      says: /^armor-token: stdout is closed or \/dev\/null, so the token could not be masked/,
    },
    { script: 'armor-token --file "$OUT" >/dev/null', says: /^armor-token: stdout is closed/ },
  ])("refuses to print where the mask would be lost: $script", async ({ script, says }) => {
    await using agent = await startFakeAgent();
    const { sh, folder, server } = agent;
    const { exitCode, stdout, stderr } = await sh(script);
    expect([exitCode, stdout, server.requests]).toEqual([1, "", []]);
    expect(stderr).toMatch(says);
    await expect(readdir(folder)).resolves.not.toContain("token");
  });

  test.concurrent("is quiet when its reader leaves early", async () => {
    await using agent = await startFakeAgent();
    const { sh } = agent;
    const output = (stdout: string) => ({ exitCode: 0, stdout, stderr: MASK });
    await expect(sh("armor-token | head -c 5")).resolves.toMatchObject(output(TOKEN));
    await expect(sh("armor-token | true")).resolves.toMatchObject(output(""));
  });
});

describe("armor-token --file", () => {
  test.concurrent("replaces a file by one with the token that only its owner can read", async () => {
    await using agent = await startFakeAgent();
    const { sh, folder, file } = agent;
    await writeFile(file, "old", { mode: 0o644 });
    const result = await sh('armor-token --file "$OUT"');
    expect(result).toMatchObject({ exitCode: 0, stderr: "", stdout: MASK });
    await expect(readFile(file, "utf8")).resolves.toBe(TOKEN);
    if (process.platform !== "win32") expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readdir(folder)).sort()).toEqual(["bin", CONTROL_FILE, "token"]);
  });

  test.concurrent("writes nothing before the mask is out", async () => {
    await using agent = await startFakeAgent();
    const { sh, folder } = agent;
    // The reader of stdout is gone before the mask is printed, so no token may be written.
    await sh('armor-token --file "$OUT" | true; sleep 0.3');
    await expect(readdir(folder)).resolves.not.toContain("token");
  });

  test.concurrent("keeps the old content if there is no token, and leaves no other file", async () => {
    await using agent = await startFakeAgent(null);
    const { sh, folder, file } = agent;
    await writeFile(file, "old");
    await expect(sh('armor-token --file "$OUT"')).resolves.toMatchObject({
      exitCode: 1,
      stdout: "",
    });
    await expect(readFile(file, "utf8")).resolves.toBe("old");
    expect((await readdir(folder)).sort()).toEqual(["bin", "token"]);
  });

  test.concurrent.each([
    { name: "no/token", why: "ENOENT" },
    { name: ".", why: "not a regular file" },
  ])("says why it cannot write: $name", async ({ name, why }) => {
    await using agent = await startFakeAgent();
    const { sh } = agent;
    const stderr = `armor-token: the file cannot be written (${why}).\n`;
    await expect(sh(`armor-token --file ${name}`)).resolves.toMatchObject({ exitCode: 1, stderr });
  });
});
