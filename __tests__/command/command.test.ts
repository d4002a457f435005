import { execFileSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, jest, test } from "@jest/globals";
import { TROUBLESHOOTING } from "../../src/command/agent.ts";
import { annotationOf } from "../../src/errors.ts";
import { CONTROL_FILE } from "../../src/protocol/config.ts";
import { maskCommand, maskedForms } from "../../src/redact.ts";
import { type Answer, endless, json, raw, reset, text } from "../fixtures/server.ts";
import { GOOD, openAgent, TOKEN } from "./call.ts";

/** The least that lies between a mask and what it masks. A timer may be a millisecond early. */
const PAUSE_MS = 95;

const MASKS = maskedForms(TOKEN).map(maskCommand).join("");
/** A line that something else has left unfinished ends before the masks. */
const ON_A_STREAM = `\n${MASKS}`;

/** Windows has no such pipes, and takes an empty file in their place. */
async function makePipe(path: string): Promise<void> {
  if (process.platform === "win32") await writeFile(path, "");
  else execFileSync("mkfifo", [path]);
}

describe("armor-token", () => {
  test.concurrent.each([
    { args: [], stdout: `${TOKEN}\n` },
    { args: ["--header"], stdout: `Authorization: Bearer ${TOKEN}\n` },
  ])("prints the masks on stderr and then the token: $args", async ({ args, stdout }) => {
    await using agent = await openAgent();
    const result = await agent.call(args);
    expect(result).toMatchObject({ exitCode: 0, stdout, stderr: ON_A_STREAM });
    const [mask, token] = result.written;
    expect([mask?.to, token?.to]).toEqual(["stderr", "stdout"]);
    expect((token?.at ?? 0) - (mask?.at ?? 0)).toBeGreaterThan(PAUSE_MS);
    expect(agent.server.requests).toMatchObject([{ method: "GET", path: "/cap/token" }]);
  });

  test.concurrent("gives the masks to the runner alone if its pipe is found", async () => {
    await using agent = await openAgent();
    const result = await agent.call([], { runner: "certain", stderr: "nothing" });
    const expected = { exitCode: 0, stdout: `${TOKEN}\n`, stderr: "", runner: MASKS };
    expect(result).toMatchObject(expected);
    const [mask, token] = result.written;
    expect((token?.at ?? 0) - (mask?.at ?? 0)).toBeGreaterThan(PAUSE_MS);
  });

  test.concurrent("takes the ordinary way as well if another process might read the runner's pipe", async () => {
    await using agent = await openAgent();
    const result = await agent.call([], { runner: "uncertain" });
    expect(result).toMatchObject({ exitCode: 0, runner: MASKS, stderr: ON_A_STREAM });
  });

  test.concurrent.each([
    { stderr: "reader" as const, expected: { exitCode: 0, stderr: ON_A_STREAM } },
    { stderr: "nothing" as const, expected: { exitCode: 1, stdout: "" } },
  ])(
    "takes the ordinary way if the runner's pipe breaks, with stderr that leads to: $stderr",
    async ({ stderr, expected }) => {
      await using agent = await openAgent();
      await expect(agent.call([], { runner: "broken", stderr })).resolves.toMatchObject(expected);
    },
  );

  test.concurrent.each([
    {
      stderr: "nothing" as const,
      says: /stderr is closed or .*, so the token could not be masked/,
    },
    { stderr: "file" as const, says: /stderr is a regular file, so the token could not be masked/ },
  ])("asks for no token if stderr leads to: $stderr", async ({ stderr, says }) => {
    await using agent = await openAgent();
    for (const args of [[], ["--header"], ["--file", join(agent.folder, "token")]]) {
      const result = await agent.call(args, { stderr });
      expect(result).toMatchObject({ exitCode: 1, stdout: "" });
      expect(result.stderr).toMatch(says);
    }
    expect(agent.server.requests).toEqual([]);
    await expect(readdir(agent.folder)).resolves.toEqual([CONTROL_FILE]);
  });

  test.concurrent("prints no token if the reader of its masks has left", async () => {
    await using agent = await openAgent();
    await expect(agent.call([], { stderr: "gone" })).resolves.toMatchObject({
      exitCode: 1,
      stdout: "",
    });
  });

  test.concurrent("does not mind a reader of the token that has left", async () => {
    await using agent = await openAgent();
    const result = await agent.call([], { stdout: "gone" });
    expect(result).toMatchObject({ exitCode: 0, stderr: ON_A_STREAM });
  });

  test.concurrent("fails if the disk is full under stdout: an empty file is no token", async () => {
    await using agent = await openAgent();
    const { exitCode, stderr } = await agent.call([], { stdout: "full" });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("stdout cannot be written (ENOSPC)");
  });

  test.concurrent("masks a token with percent signs as the runner unescapes it", async () => {
    const token = "a%25b%0Ac%dd";
    await using agent = await openAgent(json(200, { access_token: token }));
    const { stdout, stderr } = await agent.call([]);
    expect(stdout).toBe(`${token}\n`);
    expect(stderr).toContain("\n::add-mask::a%2525b%250Ac%25dd\n");
  });

  test.concurrent.each(["-h", "--help"])(
    "explains itself for %s, and asks no agent",
    async (option) => {
      await using agent = await openAgent();
      const { exitCode, stdout, stderr } = await agent.call([option], { stderr: "nothing" });
      expect(stdout).toMatch(/^Usage: armor-token \[--header \| --file PATH\]\n[\s\S]*--header @-/);
      expect([exitCode, stderr, agent.server.requests]).toEqual([0, "", []]);
    },
  );

  test.concurrent.each([
    { args: ["--token"] },
    { args: ["--header", "x"] },
    { args: ["--file"] },
    { args: ["--file", ""] },
    { args: ["--file="] },
    { args: ["--file", "a", "b"] },
    { args: ["--header", "--file", "a"] },
    { args: [""] },
  ])("refuses the arguments $args with exit code 2", async ({ args }) => {
    await using agent = await openAgent();
    const stderr = "armor-token: it takes --header, --file PATH or --help, and nothing else.\n";
    await expect(agent.call(args)).resolves.toMatchObject({ exitCode: 2, stdout: "", stderr });
    expect(agent.server.requests).toEqual([]);
  });

  const notRunning =
    /^armor-token: the token agent is not running\. .* see the post step's warning\.\n$/;
  const noToken = /^armor-token: the token agent has no token: it answered without one\.\n$/;
  const problem = (description: string) => json(502, { error_description: description });
  test.concurrent.each<{ agent: string; answer: Answer; says: RegExp }>([
    { agent: "dies", answer: reset, says: notRunning },
    {
      agent: "breaks off",
      answer: raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
      says: notRunning,
    },
    {
      agent: "switches protocols",
      answer: raw("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
      says: notRunning,
    },
    { agent: "does not come to an end", answer: endless({ bytes: 0 }), says: notRunning },
    { agent: "is a web page", answer: text(404, "<html>::error::forged"), says: notRunning },
    { agent: "says null", answer: text(200, "null"), says: noToken },
    { agent: "says a text", answer: text(200, '"::error::forged"'), says: noToken },
    {
      agent: "has no token",
      answer: problem("Armor is\nnot available."),
      says: /no token: Armor is not available\.\n$/,
    },
    {
      agent: "says commands",
      answer: problem("x\n::error::a\u001b[31m ##[error]b"),
      says: /: x :error:a \[31m (## )?\[error\]b\.\n$/,
    },
  ])("says in one line that the agent $agent", async ({ answer, says }) => {
    await using agent = await openAgent(answer);
    const { exitCode, stdout, stderr } = await agent.call([]);
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(says);
    expect(stderr.split("\n")).toHaveLength(2);
  });

  test.concurrent("says in one line that there is no agent", async () => {
    await using agent = await openAgent();
    await rm(join(agent.folder, CONTROL_FILE));
    const { exitCode, stderr } = await agent.call([]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(notRunning);
  });

  test.concurrent.each<{ what: string; put: (path: string) => Promise<void> }>([
    { what: "a folder", put: async (path) => void (await mkdir(path)) },
    { what: "a link", put: (path) => symlink("/dev/zero", path) },
    { what: "a file of a megabyte", put: (path) => writeFile(path, "x".repeat(1024 * 1024)) },
    { what: "a pipe that nobody writes to", put: makePipe },
  ])("does not wait for $what in place of the agent's file", async ({ put }) => {
    await using agent = await openAgent();
    const file = join(agent.folder, CONTROL_FILE);
    await rm(file);
    await put(file);
    const { exitCode, stderr } = await agent.call([]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(notRunning);
  });

  test.concurrent.each([
    "::error::forged",
    "a##[error]forged",
    "long-enough\n::error::forged",
    "long enough",
    "",
    "x",
    "1234567",
    7,
  ])("does not take %j for a token", async (token) => {
    await using agent = await openAgent(json(200, { access_token: token }));
    const { exitCode, stdout, stderr } = await agent.call([]);
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(noToken);
  });

  test.concurrent("repeats the agent's text with its remedy, its code and the code's address", async () => {
    const remedy = "Check that both values were copied whole, and that the app is enabled.";
    const description = `Armor does not accept ${"these words of a server ".repeat(12)}. ${remedy}`;
    const answer = json(424, { error: "credentials_rejected", error_description: description });
    await using agent = await openAgent(answer);
    const { stderr } = await agent.call([]);
    const whole = annotationOf("credentials_rejected", description);
    expect(stderr).toBe(`armor-token: the token agent has no token: ${whole}.\n`);
  });

  test.concurrent("bounds what a stranger on the agent's port says, and shows no code that is none", async () => {
    const answer = json(502, { error: "::error::x", error_description: "a ".repeat(20_000) });
    await using agent = await openAgent(answer);
    const { stderr } = await agent.call([]);
    expect(stderr.length).toBeLessThan(2_000);
    expect(stderr).not.toContain(TROUBLESHOOTING);
  });
});

describe("armor-token --file", () => {
  test.concurrent.each([
    { form: "--file PATH", argsFor: (path: string) => ["--file", path] },
    { form: "--file=PATH", argsFor: (path: string) => [`--file=${path}`] },
  ])(
    "masks on both streams, and replaces a file by one for this user: $form",
    async ({ argsFor }) => {
      await using agent = await openAgent();
      const path = join(agent.folder, "token");
      await writeFile(path, "old", { mode: 0o644 });
      const result = await agent.call(argsFor(path));
      expect(result).toMatchObject({ exitCode: 0, stderr: ON_A_STREAM, stdout: ON_A_STREAM });
      await expect(readFile(path, "utf8")).resolves.toBe(TOKEN);
      const { mode, mtimeMs } = await stat(path);
      if (process.platform !== "win32") expect(mode & 0o777).toBe(0o600);
      const maskedAt = performance.timeOrigin + (result.written.at(-1)?.at ?? 0);
      expect(mtimeMs - maskedAt).toBeGreaterThan(PAUSE_MS - 20); // a file's clock is a little behind
      expect((await readdir(agent.folder)).sort()).toEqual([CONTROL_FILE, "token"]);
    },
  );

  test.concurrent("leaves no copy of the token in a file that stdout leads to", async () => {
    await using agent = await openAgent();
    const path = join(agent.folder, "token");
    const result = await agent.call(["--file", path], { stdout: "file" });
    expect(result).toMatchObject({ exitCode: 0, stdout: "", stderr: ON_A_STREAM });
  });

  test.concurrent.each(["stdout", "stderr"] as const)(
    "writes nothing if the reader of %s has left",
    async (stream) => {
      await using agent = await openAgent();
      const path = join(agent.folder, "token");
      await expect(agent.call(["--file", path], { [stream]: "gone" })).resolves.toMatchObject({
        exitCode: 1,
      });
      await expect(readdir(agent.folder)).resolves.toEqual([CONTROL_FILE]);
    },
  );

  test.concurrent("gives the masks to the runner alone if its pipe is found", async () => {
    await using agent = await openAgent();
    const path = join(agent.folder, "token");
    const options = { runner: "certain", stdout: "nothing", stderr: "file" } as const;
    const result = await agent.call(["--file", path], options);
    expect(result).toMatchObject({ exitCode: 0, stdout: "", stderr: "", runner: MASKS });
    await expect(readFile(path, "utf8")).resolves.toBe(TOKEN);
  });

  test.concurrent("keeps the old content if there is no token, and leaves no other file", async () => {
    await using agent = await openAgent(text(404, "none"));
    const path = join(agent.folder, "token");
    await writeFile(path, "old");
    await expect(agent.call(["--file", path])).resolves.toMatchObject({ exitCode: 1, stdout: "" });
    await expect(readFile(path, "utf8")).resolves.toBe("old");
    expect((await readdir(agent.folder)).sort()).toEqual([CONTROL_FILE, "token"]);
  });

  test.concurrent("says why it cannot write into a folder that is not there", async () => {
    await using agent = await openAgent();
    const { exitCode, stderr } = await agent.call(["--file", join(agent.folder, "no", "token")]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/armor-token: the file cannot be written \(ENOENT\)\.\n$/);
  });

  test.concurrent.each([
    { what: "a folder", make: (path: string) => mkdir(path) },
    { what: "a link to nothing", make: async (path: string) => symlinkSync("nowhere", path) },
    { what: "a link to a file", make: async (path: string) => symlinkSync(CONTROL_FILE, path) },
  ])("refuses $what before it asks for a token, and leaves it as it is", async ({ make }) => {
    await using agent = await openAgent();
    const path = join(agent.folder, "token");
    await make(path);
    const { exitCode, stderr } = await agent.call(["--file", path]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/the file cannot be written \(.*not a regular file\)\.\n$/);
    expect(agent.server.requests).toEqual([]);
    expect((await readdir(agent.folder)).sort()).toEqual([CONTROL_FILE, "token"]);
    await expect(readFile(join(agent.folder, CONTROL_FILE), "utf8")).resolves.toMatch(/^http:/);
  });

  test.concurrent("removes its temporary file if the last step fails", async () => {
    // The path becomes a folder while the agent answers, so that the rename fails.
    let path = "";
    const answer: Answer = async (...args) => {
      await mkdir(path);
      await chmod(path, 0o700);
      GOOD(...args);
    };
    await using agent = await openAgent(answer);
    path = join(agent.folder, "token");
    await expect(agent.call(["--file", path])).resolves.toMatchObject({ exitCode: 1 });
    expect((await readdir(agent.folder)).sort()).toEqual([CONTROL_FILE, "token"]);
  });
});

test("a stranger's answer of more than 64 KB is none, though there is a token in it", async () => {
  const padding = "x".repeat(64 * 1024);
  await using agent = await openAgent(json(200, { access_token: TOKEN, padding }));
  const { exitCode, stdout, stderr } = await agent.call([]);
  expect([exitCode, stdout]).toEqual([1, ""]);
  expect(stderr).toContain("the token agent is not running");
});

test("armor-token waits longer than the agent tries at the largest timeout of main", async () => {
  const limiting = jest.spyOn(AbortSignal, "timeout");
  await using agent = await openAgent();
  await expect(agent.call([])).resolves.toMatchObject({ exitCode: 0 });
  expect(limiting.mock.calls.map(([ms]) => ms)).toEqual([expect.any(Number)]);
  expect(limiting.mock.calls[0]?.[0]).toBeGreaterThan(300_000);
  limiting.mockRestore();
});
