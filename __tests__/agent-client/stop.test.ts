// What the post step finds in an agent's folder, which every step of the job can change.

import { execFileSync } from "node:child_process";
import { existsSync, promises } from "node:fs";
import { mkdir, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { createAgentFolder, isAgentFolder, removeFolder } from "../../src/agent-client/folder.ts";
import { type StopResult, stopAgent } from "../../src/agent-client/stop.ts";
import {
  CONTROL_FILE,
  DEBUG_FILE,
  MAX_REPORT_BYTES,
  REPORT_FILE,
} from "../../src/protocol/config.ts";
import { Stats } from "../../src/protocol/stats.ts";
import { makeTempFolder, type TempFolder } from "../fixtures/opened.ts";
import { type Answer, CLOSED_PORT, raw, silence, startServer } from "../fixtures/server.ts";

const IS_WINDOWS = process.platform === "win32";
const NOBODY = `http://127.0.0.1:${CLOSED_PORT}/capability\n`;
const REPORT = JSON.stringify(Object.assign(new Stats(), { handedOut: 7 }));

let temp: TempFolder;
let folder: string;

beforeEach(async () => {
  temp = await makeTempFolder("armor stop ");
  const created = await createAgentFolder({ RUNNER_TEMP: temp.path }, join(ROOT, "dist"));
  folder = created.path;
});
afterEach(async () => await temp[Symbol.asyncDispose]());

function stop(ms = 5_000): Promise<StopResult> {
  return stopAgent(folder, AbortSignal.timeout(ms), { RUNNER_TEMP: temp.path });
}

/** A reply to a stop, which ends the connection. */
function replyWith(body: string, length = Buffer.byteLength(body)): Answer {
  return raw(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${body}`);
}

describe("the report", () => {
  test("comes with the reply, so that a full disk does not silence it", async () => {
    await using server = await startServer([replyWith(REPORT)]);
    await writeFile(join(folder, CONTROL_FILE), `${server.url}/c\n`);
    await expect(stop()).resolves.toMatchObject({ kind: "ended", stats: { handedOut: 7 } });
    expect(server.requests).toMatchObject([{ method: "POST", path: "/c/stop" }]);
  });

  test("of the reply counts, though an older one lies in the folder", async () => {
    await using server = await startServer([replyWith(REPORT)]);
    await writeFile(join(folder, CONTROL_FILE), `${server.url}/c\n`);
    await writeFile(join(folder, REPORT_FILE), JSON.stringify(new Stats()));
    await expect(stop()).resolves.toMatchObject({ stats: { handedOut: 7 } });
  });

  test("is read from the folder if the reply was cut off", async () => {
    await using server = await startServer([replyWith(REPORT.slice(0, -9), REPORT.length)]);
    await writeFile(join(folder, CONTROL_FILE), `${server.url}/c\n`);
    await writeFile(join(folder, REPORT_FILE), REPORT);
    await expect(stop()).resolves.toMatchObject({ kind: "ended", stats: { handedOut: 7 } });
  });

  test("counts up to the size that it may have", async () => {
    await using server = await startServer([replyWith(REPORT.padEnd(MAX_REPORT_BYTES))]);
    await writeFile(join(folder, CONTROL_FILE), `${server.url}/c\n`);
    await expect(stop()).resolves.toMatchObject({ kind: "ended", stats: { handedOut: 7 } });
  });

  interface Row {
    readonly what: string;
    readonly answer: Answer;
  }
  test.each<Row>([
    { what: "is cut off", answer: replyWith(REPORT.slice(0, -9), REPORT.length) },
    { what: "has no length", answer: raw(`HTTP/1.1 200 OK\r\n\r\n${REPORT}`) },
    { what: "has another status", answer: raw(`HTTP/1.1 404 No\r\n\r\n${REPORT}`) },
    { what: "is not HTTP", answer: raw(REPORT) },
    {
      what: "begins with something else",
      answer: raw(`x HTTP/1.1 200 OK\r\nContent-Length: ${REPORT.length + 2}\r\n\r\n${REPORT}`),
    },
    { what: "is not JSON", answer: replyWith("<html>") },
    { what: "is JSON of something else", answer: replyWith('{"ok":true}') },
    { what: "is too long", answer: replyWith(" ".repeat(2 * MAX_REPORT_BYTES) + REPORT) },
  ])("is not believed from what answers on the agent's port, and $what", async ({ answer }) => {
    await using server = await startServer([answer]);
    await writeFile(join(folder, CONTROL_FILE), `${server.url}/c\n`);
    const reason = "what answered there gave no report: it is another program";
    await expect(stop()).resolves.toEqual({ kind: "unknown", reason });
  });
});

test("nothing is read of a folder if time is over before it was looked at", async () => {
  await using other = await makeTempFolder("armor other ");
  await writeFile(join(other.path, DEBUG_FILE), "foreign\n");
  const found = await stopAgent(other.path, AbortSignal.abort(), { RUNNER_TEMP: temp.path });
  expect(found).toEqual({ kind: "unknown", reason: "it did not end in time" });
  expect(existsSync(join(other.path, DEBUG_FILE))).toBe(true);
});

describe("a folder with something else in it does not keep the post step", () => {
  interface Row {
    readonly what: string;
    readonly put: (path: string) => Promise<unknown>;
  }
  const makeLarge = async (path: string) => {
    await writeFile(path, "");
    await truncate(path, 200e6);
  };
  const rows: Row[] = [{ what: "200 MB", put: makeLarge }];
  if (!IS_WINDOWS) {
    rows.push(
      { what: "a folder", put: (path) => mkdir(path) },
      { what: "a link", put: (path) => symlink("/etc/hosts", path) },
      { what: "a FIFO", put: async (path) => execFileSync("mkfifo", [path]) },
    );
  }

  test.each(rows)("as its address: $what", async ({ put }) => {
    await put(join(folder, CONTROL_FILE));
    const reason = expect.stringMatching(
      new RegExp(`^${CONTROL_FILE} cannot be read \\([A-Z_]+\\)\\. A step has `),
    );
    await expect(stop(20_000)).resolves.toEqual({ kind: "unknown", reason });
    expect(existsSync(folder)).toBe(false);
  });

  test.each(rows)("as its report and debug log: $what", async ({ put }) => {
    await writeFile(join(folder, CONTROL_FILE), NOBODY);
    await put(join(folder, REPORT_FILE));
    await put(join(folder, DEBUG_FILE));
    await expect(stop(20_000)).resolves.toEqual({ kind: "ended", stats: undefined });
    expect(existsSync(folder)).toBe(false);
  });

  test.each([
    "http://armor.example:80/c",
    "http://127.0.0.1:65536/c",
    "http://127.0.0.1:80/c/../d",
    "http://armor.example/ http://127.0.0.1:80/c",
    "http://127.0.0.1@armor.example:80/c",
    "http://127.0.0.1:80/c\r\nX: y",
    "http://[::1]:80/c",
    "",
  ])("as its address: %j", async (address) => {
    await writeFile(join(folder, CONTROL_FILE), address);
    const reason = expect.stringContaining(`${CONTROL_FILE} does not hold the agent's address`);
    await expect(stop()).resolves.toEqual({ kind: "unknown", reason });
  });
});

test("the highest port is one where an agent can listen", async () => {
  await writeFile(join(folder, CONTROL_FILE), "http://127.0.0.1:65535/c");
  const text = JSON.stringify(await stop(1_000)); // whatever listens there
  expect(text).not.toContain("does not hold the agent's address");
});

test("a disk that hangs does not keep the post step", async () => {
  using looking = jest.spyOn(promises, "lstat");
  looking.mockImplementationOnce(() => new Promise(() => undefined));
  const reason = "it did not end in time";
  await expect(stop(50)).resolves.toEqual({ kind: "unknown", reason });
});

describe("an agent", () => {
  test("that does not answer loses its folder, so that it ends", async () => {
    await using server = await startServer([silence]);
    await writeFile(join(folder, CONTROL_FILE), `${server.url}/c\n`);
    const reason = "it did not end in time";
    await expect(stop(300)).resolves.toEqual({ kind: "unknown", reason });
    expect(existsSync(folder)).toBe(false);
  });

  test("leaves its debug log, whatever has become of it", async () => {
    await writeFile(join(folder, DEBUG_FILE), "one\ntwo\n");
    const debugLog = ["one", "two"];
    await expect(stop()).resolves.toEqual({ kind: "ended", stats: undefined, debugLog });
  });
});

describe("only a folder of ours is removed", () => {
  const isOurs = (path: string) => isAgentFolder(path, { RUNNER_TEMP: temp.path });

  /** The folder is still there after the attempt. */
  async function expectKept(path: string): Promise<void> {
    await expect(isOurs(path)).resolves.toBe(false);
    await removeFolder(path, { RUNNER_TEMP: temp.path });
    expect(existsSync(path)).toBe(true);
  }

  test("one that was created is", async () => {
    await expect(isOurs(folder)).resolves.toBe(true);
    await removeFolder(folder, { RUNNER_TEMP: temp.path });
    expect(existsSync(folder)).toBe(false);
    await expect(isOurs(folder)).resolves.toBe(true);
  });

  test.each(["other", "armor-token-", "armor-token-abcdefg", "xarmor-token-abcdef"])(
    "one that is called %s is not",
    async (name) => {
      await mkdir(join(temp.path, name));
      await expectKept(join(temp.path, name));
    },
  );

  test("one that does not lie directly below RUNNER_TEMP is not", async () => {
    const deep = join(temp.path, "deep", "armor-token-abcdef");
    await mkdir(deep, { recursive: true });
    await expectKept(deep);
    await expectKept(`${temp.path}/deep/../${basename(folder)}`);
    await expect(isAgentFolder(folder, {})).resolves.toBe(false);
  });

  if (!IS_WINDOWS) {
    test("one that is a link is not, nor what it points to", async () => {
      const target = join(temp.path, "target");
      await rename(folder, target);
      await symlink(target, folder);
      await expectKept(folder);
      expect(existsSync(join(target, "bin"))).toBe(true);
      await rm(folder);
    });
  }
});

test("a report with letters beyond ASCII, whose length is in bytes, counts as whole", async () => {
  const stats = Object.assign(new Stats(), { reason: "sie endete – höhere Gewalt" });
  await using server = await startServer([replyWith(JSON.stringify(stats))]);
  await writeFile(join(folder, CONTROL_FILE), `${server.url}/c\n`);
  await expect(stop()).resolves.toMatchObject({ kind: "ended", stats: { reason: stats.reason } });
});
