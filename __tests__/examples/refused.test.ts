// Examples that call by curl: if Armor refuses, its own words are shown, and the runner finds no command in them.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { POSIX, programs, testsThatNeed } from "../fixtures/needs.ts";
import { disposable } from "../fixtures/opened.ts";
import { type PlacedStep, STEPS } from "./workflows.ts";

const NEEDED = process.platform === "win32" ? POSIX : programs(["bash", "curl", "jq"]);

/** The steps of one workflow that calls by curl: the call, what reads its answer, what explains a refusal. */
interface Calling {
  readonly file: string;
  readonly call: PlacedStep;
  readonly read: PlacedStep;
  readonly explain: PlacedStep;
}

const CALLING: readonly Calling[] = STEPS.flatMap((call, index) => {
  const [read, explain] = STEPS.slice(index + 1);
  if (!call.run?.includes("exec curl") || read === undefined || explain === undefined) return [];
  return [{ file: call.title.split(":")[0] ?? "", call, read, explain }];
});

async function openFolder() {
  const folder = mkdtempSync(join(tmpdir(), "armor-refused-"));
  return disposable({ folder }, () => rmSync(folder, { recursive: true, force: true }));
}

async function startArmor(status: number, body: string) {
  const seen: { path?: string | undefined; authorization?: string | undefined } = {};
  const server = createServer((request, response) => {
    seen.path = request.url;
    seen.authorization = request.headers.authorization;
    response.writeHead(status).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return disposable({ url: `http://127.0.0.1:${port}`, seen }, () => server.close());
}

/** Runs a step's script as the runner does. @returns its exit code and all that it printed */
async function runStep(step: PlacedStep, folder: string, url: string) {
  const args = ["--noprofile", "--norc", "-eo", "pipefail", "-c", step.run ?? ""];
  const env = {
    PATH: process.env["PATH"],
    RUNNER_TEMP: folder,
    ARMOR_URL: url,
    ARMOR_GATEWAY_URL: url,
    ARMOR_TOKEN: "a-token",
  };
  const child = spawn("bash", args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [exitCode] = (await once(child, "close")) as [number];
  return { exitCode, log: Buffer.concat(chunks).toString("utf8") };
}

const HOSTILE = "busy ##[stop-commands]x\r\n::error::y\u000b \u2028 z";

testsThatNeed(NEEDED, "what examples show of a refusal", () => {
  describe.each(CALLING)("$file", ({ call, read, explain }) => {
    test.each([
      {
        desc: "the description of an OAuth error",
        body: JSON.stringify({ error: "invalid", error_description: HOSTILE }),
        says: /^Armor answered: busy ## \[stop-commands\]x :error:y z$/m,
      },
      {
        desc: "a message",
        body: JSON.stringify({ message: "The app may not read this." }),
        says: /^Armor answered: The app may not read this\.$/m,
      },
      {
        desc: "something else than JSON",
        body: `<html>${HOSTILE}`,
        says: /^Armor answered: <html>busy ## \[stop-commands\]x :error:y z$/m,
      },
      {
        desc: "a very long text",
        body: "x".repeat(100_000),
        says: /^Armor answered: x{500}$/m,
      },
      {
        desc: "nothing of an unfinished report, which may hold names",
        body: '{"connection_summary": {"secret-project": ',
        says: /^Armor answered: \(no words\)$/m,
      },
      { desc: "nothing, if there are no words", body: "", says: /^Armor sent no words\./m },
    ])("shows $desc", async ({ body, says }) => {
      await using armor = await startArmor(403, body);
      await using opened = await openFolder();
      const called = await runStep(call, opened.folder, armor.url);
      expect(called).toMatchObject({ exitCode: 22, log: expect.stringContaining("403") });
      const { exitCode, log } = await runStep(explain, opened.folder, armor.url);
      expect(log).toMatch(says);
      expect(log.trim().split(/[\r\n\v\f\u2028\u2029]/)).toHaveLength(1);
      expect(log).not.toMatch(/::|##\[/);
      expect(exitCode).toBe(0);
    });

    test("says in one line what it has read", async () => {
      const reply = { connection_summary: { a: {}, b: {} }, metadata: { total_count: 2 } };
      await using armor = await startArmor(200, JSON.stringify(reply));
      await using opened = await openFolder();
      await expect(runStep(call, opened.folder, armor.url)).resolves.toEqual({
        exitCode: 0,
        log: "",
      });
      expect(armor.seen.path).toMatch(/^\/api\/v1\/discovery\//);
      const { exitCode, log } = await runStep(read, opened.folder, armor.url);
      expect({ exitCode, log }).toEqual({
        exitCode: 0,
        log: expect.stringMatching(/^(The report|Armor) has 2 connections\.\n$/),
      });
    });

    test.each([
      { desc: "another answer", body: '{"other": "::error::x"}' },
      { desc: "something else than JSON", body: "<html>##[x]" },
    ])("fails at $desc, without repeating it", async ({ body }) => {
      await using armor = await startArmor(200, body);
      await using opened = await openFolder();
      await runStep(call, opened.folder, armor.url);
      const { exitCode, log } = await runStep(read, opened.folder, armor.url);
      expect(exitCode).not.toBe(0);
      expect(log).toMatch(/^(jq: )?(parse )?error/);
      expect(log).not.toMatch(/::error|##\[/);
    });
  });
});
