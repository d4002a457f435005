// The agent's control address: what it says of a token's life, and which sessions it counts.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { expect, test } from "@jest/globals";
import { agentConfig } from "../../sandbox/agent.ts";
import { agent } from "../../src/agent/agent.ts";
import { Control, type ControlOptions } from "../../src/agent/control.ts";
import { TokenCache } from "../../src/armor/token-cache.ts";
import { clock } from "../../src/clock.ts";
import { CONTROL_FILE } from "../../src/protocol/config.ts";
import { Stats } from "../../src/protocol/stats.ts";
import {
  call,
  DEAD,
  startAgent,
  startArmor,
  stopAgentAt,
  tokenOf,
  until,
} from "../fixtures/agent.ts";
import { makeTempFolder } from "../fixtures/opened.ts";
import { type Answer, CALL } from "../fixtures/server.ts";

test("expires_in is never more than what is left", async () => {
  await using armor = await startArmor();
  const first = { ...tokenOf("first-token", 60), expiresAt: Date.now() + 50_900 };
  await using running = await startAgent({ apiUrl: armor.url, first });
  const { body } = await call(`${running.controlUrl}/token`);
  expect(JSON.parse(body).expires_in).toBeLessThanOrEqual(50);
});

/** A cache of which this is left when it is closed. */
class ClosedCache extends TokenCache {
  override async close() {
    return { accessTokens: [], forgotten: 3, isFetching: true };
  }
}

test.each([
  { terminateSession: true, notEnded: 4 },
  { terminateSession: false, notEnded: 0 },
])(
  "sessions of unknown tokens count as not ended, if they were to end: $terminateSession",
  async (row) => {
    const { terminateSession, notEnded } = row;
    const stats = new Stats();
    const never = () => Promise.reject(new Error("nothing is to be sent"));
    const tokenCache = new ClosedCache(tokenOf("first-token"), never, () => undefined);
    const context = { apiUrl: "https://armor.example", send: never, timeoutMs: 1_000 };
    const onStopped = () => undefined;
    const options: ControlOptions = { tokenCache, context, stats, terminateSession, onStopped };
    await new Control(options).stop();
    expect(stats.sessionsNotEnded).toBe(notEnded);
  },
);

test("at the end, sessions are ended at the same time, as little time is left", async () => {
  const waiting: ServerResponse[] = [];
  // Answers nobody before all have asked.
  const terminate: Answer = (response) => {
    waiting.push(response);
    if (waiting.length < 3) return;
    for (const one of waiting) one.writeHead(204).end();
  };
  const revoked = new Set<string>();
  const other: Answer = (response, { headers }) => {
    const token = headers.authorization ?? "";
    // Each token is refused from its second call on.
    response.writeHead(revoked.has(token) ? 401 : 200).end();
    if (revoked.size < 2) revoked.add(token);
  };
  await using armor = await startArmor({ terminate, other });
  const requestedAt = clock.now() - 10_000; // old enough to be known everywhere
  await using running = await startAgent({
    apiUrl: armor.url,
    first: { ...tokenOf("first"), requestedAt },
  });
  await until(async () => {
    await call(running.url + CALL);
    return armor.requests.filter(({ path }) => path.endsWith("/token")).length === 2;
  });
  await expect(stopAgentAt(running)).resolves.toMatchObject({
    sessionsEnded: 3,
    sessionsNotEnded: 0,
  });
}, 60_000);

test("an agent that a system ends waits for Armor for less time than one that post stops", async () => {
  let isGivenUp = false;
  const silent: Answer = (response) => {
    response.once("close", () => {
      isGivenUp = true;
    });
  };
  // A refresh that hangs takes the first part of a stop, and a session that hangs the second.
  let answerAtLast: () => void = () => undefined;
  const hanging: Answer = (response) => {
    answerAtLast = () => response.writeHead(400).end();
  };
  await using armor = await startArmor({ token: () => hanging, terminate: silent });
  const running = { apiUrl: armor.url, first: DEAD, timeoutMs: 5_000 };
  await using agentRun = await startAgent(running);
  void call(`${agentRun.controlUrl}/token`).catch(() => undefined);
  await until(() => armor.requests.length === 1);
  process.emit("SIGTERM");
  await agentRun.ended;
  expect(isGivenUp).toBe(false); // the end of the session was still waited for
  answerAtLast();
  await until(() => isGivenUp);
});

test("an agent whose main step has gone before it could read the port goes on", async () => {
  await using armor = await startArmor();
  await using temp = await makeTempFolder("armor-agent-");
  const first = { accessToken: "t0k3n-first", expiresIn: 60 };
  const config = agentConfig({ apiUrl: armor.url, temp: temp.path, first }, temp.path);
  const stdin = Readable.from([Buffer.from(JSON.stringify(config))]);
  const stdout = new Writable({
    write: (_chunk, _encoding, done) => done(new Error("write EPIPE")),
  });
  const { exitCode } = process;
  const ended = agent(new Promise(() => undefined), { stdin, stdout });
  const controlFile = join(temp.path, CONTROL_FILE);
  await until(() => existsSync(controlFile));
  const url = (await readFile(controlFile, "utf8")).trim();
  await expect(call(`${url}/token`)).resolves.toMatchObject({ status: 200 });
  await call(`${url}/stop`, { method: "POST" });
  await ended;
  process.exitCode = exitCode;
});
