// armor-token as another user than the one whose agent it is to ask.

import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { CONTROL_FILE } from "../../src/protocol/config.ts";
import { disposable } from "../fixtures/opened.ts";
import { openAgent } from "./call.ts";

/** The user and the group that own nothing, on most systems. */
const NOBODY = 65_534;

/** Root may read everything, so it becomes somebody else until the end. */
async function denyReading(folder: string): Promise<AsyncDisposable> {
  const { seteuid } = process;
  if (process.geteuid?.() !== 0 || seteuid === undefined) {
    await chmod(join(folder, CONTROL_FILE), 0);
    return disposable({}, () => undefined);
  }
  seteuid(NOBODY);
  return disposable({}, () => seteuid(0));
}

if (process.platform !== "win32") {
  test("who may not read the agent's address is told whose it is, and what to do", async () => {
    await using agent = await openAgent();
    await using _denied = await denyReading(agent.folder);
    const { exitCode, stdout, stderr } = await agent.call([]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(
      /control-url of the token agent cannot be read \(EACCES\)\. It belongs to another user: .* as root/,
    );
    expect(agent.server.requests).toEqual([]);
  });
}
