// What is closed, and in which order, when an agent ends.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Server } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { DebugFile } from "../../src/agent/debug-file.ts";
import { DEBUG_FILE, REPORT_FILE } from "../../src/protocol/config.ts";
import { call, startAgent, startArmor, stopAgentAt, until } from "../fixtures/agent.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";
import { CALL } from "../fixtures/server.ts";

/** Less than the limits after which an idle connection, or half a request, is given up anyway. */
const BEFORE_LIMITS_MS = 8_000;

/** A connection on which half a request was sent. */
function beginRequest(url: string) {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => undefined).resume();
  socket.write("GET /x HTTP/1.1\r\nHost:");
  return disposable({ socket }, () => socket.destroy());
}

test(
  "no connection stays open, neither of a client nor to Armor",
  async () => {
    let toArmor: Socket | null = null;
    await using armor = await startArmor({
      other: (response) => {
        toArmor = response.socket;
        // Otherwise Armor would have the connection closed after 5 s. It counts from the next call on.
        const { server } = response.socket as unknown as { server: Server };
        server.keepAliveTimeout = 60_000;
        response.end("{}");
      },
    });
    await using running = await startAgent({ apiUrl: armor.url });
    await using half = beginRequest(running.url);
    for (let calls = 0; calls < 2; calls += 1)
      await expect(call(running.url + CALL)).resolves.toMatchObject({ status: 200 });
    await stopAgentAt(running);
    await until(() => half.socket.closed && toArmor?.closed === true);
  },
  BEFORE_LIMITS_MS,
);

test("the report is there before a connection is closed, as post takes that for the end", async () => {
  await using armor = await startArmor();
  await using running = await startAgent({ apiUrl: armor.url });
  await using half = beginRequest(running.url);
  const report = join(running.folder, REPORT_FILE);
  let wasThere: boolean | undefined;
  half.socket.once("close", () => {
    wasThere = existsSync(report);
  });
  await call(`${running.controlUrl}/token`);
  process.emit("SIGTERM");
  await until(() => wasThere !== undefined);
  expect(wasThere).toBe(true);
});

test("an older debug log never takes the place of a newer one", async () => {
  await using temp = await makeTempFolder();
  const file = new DebugFile(temp.path);
  const writing: Promise<void>[] = [];
  for (let line = 1; line <= 100; line += 1) {
    file.add(`line ${line} ${"x".repeat(1_000)}`);
    writing.push(file.write());
    if (line % 10 !== 0) continue;
    await Promise.all(writing);
    const text = await readFile(join(temp.path, DEBUG_FILE), "utf8");
    expect(text).toContain(`line ${line} `);
  }
  await file.close();
});
