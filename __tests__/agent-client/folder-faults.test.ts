// What the agent's folder is worth when something about it is not as usual.

import { mkdir, readdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { askToStop } from "../../src/agent-client/ask-to-stop.ts";
import { createAgentFolder, isAgentFolder } from "../../src/agent-client/folder.ts";
import { stopAgent } from "../../src/agent-client/stop.ts";
import { CONTROL_FILE, DEBUG_FILE } from "../../src/protocol/config.ts";
import { makeTempFolder } from "../fixtures/opened.ts";
import { silence, startServer } from "../fixtures/server.ts";

const DIST = join(ROOT, "dist");

test("without the built command there is no folder, and the error says what is missing", async () => {
  await using temp = await makeTempFolder();
  const dist = join(temp.path, "dist");
  await mkdir(dist);
  await expect(createAgentFolder({ RUNNER_TEMP: temp.path }, dist)).rejects.toMatchObject({
    code: "file_failed",
    problem: "armor-token.js of this action cannot be read (ENOENT)",
    remedy: expect.stringMatching(/^A step has removed or changed the action's files: .*\.$/),
  });
  await expect(readdir(temp.path)).resolves.toEqual(["dist"]);
});

test.each([
  { sign: delimiter, isWindows: false, fits: false },
  { sign: "x", isWindows: false, fits: true },
  { sign: ";", isWindows: true, fits: false },
  { sign: "x", isWindows: true, fits: true },
])(
  "a folder with $sign in its name fits into PATH, on Windows $isWindows: $fits",
  async ({ sign, isWindows, fits }) => {
    await using temp = await makeTempFolder();
    const runnerTemp = join(temp.path, `a${sign}b`);
    await mkdir(runnerTemp);
    const { fitsPath } = await createAgentFolder({ RUNNER_TEMP: runnerTemp }, DIST, isWindows);
    expect(fitsPath).toBe(fits);
  },
);

test("what lies below a file is no folder of the agent's that has gone", async () => {
  await using temp = await makeTempFolder();
  const file = join(temp.path, "file");
  await writeFile(file, "");
  await expect(
    isAgentFolder(join(file, "armor-token-abcdef"), { RUNNER_TEMP: file }),
  ).resolves.toBe(false);
});

test("the debug log is given also of an agent that did not end in time", async () => {
  await using temp = await makeTempFolder();
  await using server = await startServer([silence]);
  const env = { RUNNER_TEMP: temp.path };
  const { path: folder } = await createAgentFolder(env, DIST);
  await writeFile(join(folder, CONTROL_FILE), `${server.url}/c\n`);
  await writeFile(join(folder, DEBUG_FILE), "one\n");
  await expect(stopAgent(folder, AbortSignal.timeout(300), env)).resolves.toEqual({
    kind: "unknown",
    reason: "it did not end in time",
    debugLog: ["one"],
  });
});

test("an answer that does not come in time is late, whatever the connection says then", async () => {
  await using server = await startServer([silence]);
  const { port } = server;
  const asked = askToStop({ port, capability: "c", signal: AbortSignal.timeout(100) });
  await expect(asked).resolves.toMatchObject({ kind: "late", body: undefined });
});
