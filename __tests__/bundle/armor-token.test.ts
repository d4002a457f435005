// armor-token inside the test's own process: what it prints where, and when.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { type Answer, type FakeServer, json, raw, startServer, text } from "../fixtures/server.ts";

let folder: string;
let server: FakeServer | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "armor-cli-"));
});

afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true });
});

/** Runs armor-token with an agent that answers so. */
async function armorToken(answer: Answer | undefined, ...args: string[]) {
  if (answer !== undefined) {
    server = await startServer([answer]);
    await writeFile(join(folder, "gateway-url"), `${server.url}/cap`);
  }
  const before = { argv: process.argv, exitCode: process.exitCode };
  process.argv = ["node", "cli", folder, ...args];
  const written: { stream: string; text: string; at: number }[] = [];
  const done = new Promise<void>((resolve) => {
    for (const stream of ["stdout", "stderr"] as const) {
      jest.spyOn(process[stream], "write").mockImplementation((chunk, ...rest) => {
        written.push({ stream, text: String(chunk), at: performance.now() });
        for (const callback of rest) if (typeof callback === "function") callback();
        if (stream === "stdout" || String(chunk).startsWith("armor-token:")) setImmediate(resolve);
        return true;
      });
    }
  });
  await jest.isolateModulesAsync(async () => {
    await import("../src/cli.ts");
    await done;
  });
  const { exitCode } = process;
  process.argv = before.argv;
  process.exitCode = before.exitCode;
  process.stdout.removeAllListeners("error");
  jest.restoreAllMocks();
  return {
    exitCode,
    written,
    of: (stream: string) =>
      written
        .filter((part) => part.stream === stream)
        .map((part) => part.text)
        .join(""),
  };
}

const good = json(200, { access_token: "t0k3n" });

describe("armor-token", () => {
  test.each([
    [[], "t0k3n\n"],
    [["--header"], "Authorization: Bearer t0k3n\n"],
  ])("%p: the mask, a pause, the token", async (args, expected) => {
    const { exitCode, written } = await armorToken(good, ...args);
    expect(written.map(({ stream, text }) => [stream, text])).toEqual([
      ["stderr", "::add-mask::t0k3n\n"],
      ["stdout", expected],
    ]);
    expect((written[1]?.at ?? 0) - (written[0]?.at ?? 0)).toBeGreaterThanOrEqual(95);
    expect(exitCode).toBe(0);
    expect(server?.requests).toMatchObject([{ method: "GET", path: "/cap/token" }]);
  });

  test("--help asks nobody", async () => {
    const { exitCode, of } = await armorToken(good, "--help");
    expect(of("stdout")).toMatch(/^Usage: armor-token \[--header\]\n[\s\S]*--header .*curl --header @-/);
    expect(exitCode).toBe(0);
    expect(server?.requests).toEqual([]);
  });

  test.each<[string, Answer | undefined, string[], string]>([
    ["an unknown option", good, ["--token"], "it takes --header or --help, and nothing else."],
    ["too many options", good, ["--header", "x"], "it takes --header or --help, and nothing else."],
    [
      "no agent",
      undefined,
      [],
      "the token agent is not running. It lives from the step with keep-fresh: true to the end of that job.",
    ],
    ["an agent that died", (response) => response.socket?.destroy(), [], "the token agent is not running."],
    [
      "an agent without a token",
      json(502, { error: "x", error_description: "Armor is\nnot available." }),
      [],
      "the token agent has no token: Armor is not available.",
    ],
    ["a stranger in its place", text(404, "<html>"), [], "the token agent has no token: it answered 404."],
    ["a stranger who says yes", text(200, "null"), [], "the token agent has no token: it answered 200."],
    [
      "half an answer",
      raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
      [],
      "the token agent is not running.",
    ],
  ])("%s is one line on stderr", async (_, answer, args, says) => {
    const { exitCode, of } = await armorToken(answer, ...args);
    expect(of("stdout")).toBe("");
    expect(of("stderr")).toMatch(/^armor-token: [^\n]+\n$/);
    expect(of("stderr")).toContain(says);
    expect(exitCode).toBe(1);
  });
});
