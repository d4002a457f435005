// The debug log of armor-token: where it goes, and what it says of a call.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { fetchToken } from "../../src/command/agent.ts";
import { DebugLog } from "../../src/command/debug-log.ts";
import { CONTROL_FILE, MAX_CONTROL_BYTES } from "../../src/protocol/config.ts";
import { openAgent, TOKEN } from "./call.ts";

/** Prints two lines. @param runner whether the runner's pipe takes them; undefined if there is none */
async function print(runner: boolean | undefined, isStderrOpen = true) {
  const written = { runner: "", stderr: "" };
  const log = new DebugLog();
  log.add("one: 100%");
  log.add("two");
  const write = async (lines: readonly string[]) => {
    written.runner += lines.join("");
    return runner === true;
  };
  const stderr = async (text: string) => {
    if (!isStderrOpen) throw new Error("write EPIPE");
    written.stderr += text;
  };
  const pipe = runner === undefined ? undefined : { isCertain: true, write };
  await log.print(pipe, { destination: "reader", write: stderr });
  return written;
}

const LINES = "::debug::armor-token: one: 100%25\n::debug::armor-token: two\n";

test.each([
  { runner: true, written: { runner: LINES, stderr: "" } },
  { runner: false, written: { runner: LINES, stderr: LINES } },
  { runner: undefined, written: { runner: "", stderr: LINES } },
])("goes to the runner's pipe, and to stderr if that takes it not: $runner", async (row) => {
  await expect(print(row.runner)).resolves.toEqual(row.written);
});

test("does not fail if nobody reads it", async () => {
  await expect(print(undefined, false)).resolves.toEqual({ runner: "", stderr: "" });
});

/** What one call says to the debug log. */
async function linesOf(folder: string): Promise<string> {
  const log = new DebugLog();
  await fetchToken(folder, log).catch(() => undefined);
  let printed = "";
  const write = async (text: string) => {
    printed += text;
  };
  await log.print(undefined, { destination: "reader", write });
  return printed;
}

test("says what the agent answered, and after how long", async () => {
  await using agent = await openAgent();
  const startedAt = performance.now();
  const said = await linesOf(agent.folder);
  const tookMs = performance.now() - startedAt;
  expect(Number(/ in (?<ms>\d+) ms$/m.exec(said)?.groups?.["ms"])).toBeLessThanOrEqual(tookMs + 1);
  expect(said).toMatch(/^::debug::armor-token: The token agent answered 200 in \d{1,5} ms\n$/);
  await agent.server.close();
  expect(await linesOf(agent.folder)).toMatch(
    /^::debug::armor-token: No answer from the token agent \(ECONNREFUSED\) in \d{1,5} ms\n$/,
  );
});

test.each([
  { bytes: MAX_CONTROL_BYTES, outcome: "is read" },
  { bytes: MAX_CONTROL_BYTES + 1, outcome: "is not the agent's" },
])("a control-url of $bytes bytes $outcome", async ({ bytes, outcome }) => {
  await using agent = await openAgent();
  const path = join(agent.folder, CONTROL_FILE);
  await writeFile(path, `${agent.server.url}/cap`.padEnd(bytes));
  const fetched = await fetchToken(agent.folder).catch(() => undefined);
  expect(fetched).toBe(outcome === "is read" ? TOKEN : undefined);
});

test.each([
  { runner: "certain" as const, to: "runner" as const, says: "has taken the masks: true" },
  { runner: "broken" as const, to: "stderr" as const, says: "has taken the masks: false" },
  { runner: undefined, to: "stderr" as const, says: "was not found" },
])("says of a call that the runner's own pipe $says", async ({ runner, to, says }) => {
  await using agent = await openAgent();
  const options = runner === undefined ? {} : { runner };
  const { [to]: log } = await agent.call([], { ...options, isDebug: true });
  expect(log).toMatch(/^::debug::armor-token: Node \d+\.\d+\.\d+, \w+$/m);
  expect(log).toContain(`::debug::armor-token: The runner's own pipe ${says}\n`);
  await using quiet = await openAgent();
  const { [to]: nothing } = await quiet.call([], options);
  expect(nothing).not.toContain("::debug::");
});
