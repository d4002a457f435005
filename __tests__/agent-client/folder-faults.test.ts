// What the agent's folder is worth when something about it is not as usual.

import { constants, promises, type Stats } from "node:fs";
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { expect, jest, test } from "@jest/globals";
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

test.each([
  { isWindows: false, files: ["armor-token", "armor-token.cjs"] },
  { isWindows: true, files: ["armor-token", "armor-token.cjs", "armor-token.cmd"] },
])("there is a wrapper for each shell of the system, on Windows $isWindows", async (row) => {
  await using temp = await makeTempFolder();
  const env = { RUNNER_TEMP: temp.path };
  const { bin } = await createAgentFolder(env, DIST, row.isWindows);
  expect((await readdir(bin)).sort()).toEqual(row.files);
});

test("a file system that forbids programs is noticed", async () => {
  await using temp = await makeTempFolder();
  using access = jest.spyOn(promises, "access");
  access.mockImplementation(async (_path, mode) => {
    if (mode === constants.X_OK) throw new Error("EACCES: permission denied");
  });
  const { canRun } = await createAgentFolder({ RUNNER_TEMP: temp.path }, DIST);
  expect(canRun).toBe(false);
});

test("without RUNNER_TEMP there is no folder, and the error says where the action belongs", async () => {
  await expect(createAgentFolder({}, DIST)).rejects.toMatchObject({
    code: "runner_unsupported",
    remedy: expect.stringContaining("GitHub Actions"),
  });
});

// Windows knows its users by other names than numbers.
if (process.platform !== "win32") {
  /** RUNNER_TEMP is this user's, whoever runs the tests. */
  const ownedBy = (uid: number) => async () => ({ uid, gid: uid }) as Stats;

  test("a folder that root could not use any more is root's again", async () => {
    await using temp = await makeTempFolder();
    using user = jest.spyOn(process as Pick<Required<typeof process>, "getuid">, "getuid");
    user.mockReturnValue(0);
    using owner = jest.spyOn(promises, "stat");
    owner.mockImplementation(ownedBy(1001) as never);
    using giving = jest.spyOn(promises, "chown");
    giving.mockResolvedValue(undefined);
    using access = jest.spyOn(promises, "access");
    access.mockImplementation(async (_path, mode) => {
      const isForUse = mode === (constants.R_OK | constants.W_OK | constants.X_OK);
      if (isForUse) throw new Error("EACCES: permission denied");
    });
    const { path, bin } = await createAgentFolder({ RUNNER_TEMP: temp.path }, DIST);
    const owners = Object.fromEntries(giving.mock.calls);
    expect(owners).toEqual({ [path]: 0, [bin]: 0 });
  });

  test.each([
    { what: "this user's", user: 0, owner: 1, isOurs: true },
    { what: "that of RUNNER_TEMP's owner", user: 1, owner: 0, isOurs: true },
    { what: "somebody else's", user: 1, owner: 2, isOurs: false },
  ])("a folder that is $what is the agent's: $isOurs", async (row) => {
    await using temp = await makeTempFolder();
    const env = { RUNNER_TEMP: temp.path };
    const path = join(temp.path, "armor-token-abcdef");
    await mkdir(path);
    const { uid } = await stat(path);
    using user = jest.spyOn(process as Pick<Required<typeof process>, "getuid">, "getuid");
    user.mockReturnValue(uid + row.user);
    using owner = jest.spyOn(promises, "stat");
    owner.mockImplementation(ownedBy(uid + row.owner) as never);
    await expect(isAgentFolder(path, env)).resolves.toBe(row.isOurs);
  });
}

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
