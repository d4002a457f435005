// When the agent ends by itself, what it leaves, and whom it counts. In this process.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { DebugFile } from "../../src/agent/debug-file.ts";
import { END_SIGNALS, MAX_LIFE_DAYS } from "../../src/agent/life.ts";
import { clock } from "../../src/clock.ts";
import {
  CONTROL_FILE,
  DEBUG_FILE,
  MAX_DEBUG_BYTES,
  REPORT_FILE,
} from "../../src/protocol/config.ts";
import {
  CREDENTIALS,
  call,
  DEAD,
  pause,
  reportIn,
  startAgent,
  startArmor,
  stopAgentAt,
  tokenOf,
  until,
} from "../fixtures/agent.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";
import { CALL, json } from "../fixtures/server.ts";
import { setClock } from "../fixtures/virtual-clock.ts";

const DAY_MS = 24 * 3_600_000;

/** A process that does nothing, in the place of the runner's worker. */
async function startWorker() {
  const worker = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], {
    stdio: "ignore",
  });
  await once(worker, "spawn");
  const end = async () => {
    if (worker.exitCode !== null || worker.signalCode !== null) return;
    worker.kill("SIGKILL");
    await once(worker, "exit");
  };
  return disposable({ pid: worker.pid ?? 0, end }, end);
}

describe("the agent ends by itself, with its sessions, and says why", () => {
  test.each(END_SIGNALS)("at %s", async (signal) => {
    await using armor = await startArmor();
    await using agent = await startAgent({ apiUrl: armor.url });
    process.emit(signal);
    await agent.ended;
    expect(armor.endedSessions()).toEqual(["first"]);
    expect((await reportIn(agent.folder)).reason).toContain(signal);
    expect(process.listenerCount(signal)).toBe(0);
  });

  test("when the runner's worker is gone", async () => {
    await using armor = await startArmor();
    await using worker = await startWorker();
    await using agent = await startAgent({ apiUrl: armor.url, workerPid: worker.pid });
    await pause(2_500); // in which it looks whether the worker is there
    await expect(call(agent.url + CALL)).resolves.toMatchObject({ status: 200 });
    await worker.end();
    await agent.ended;
    expect(armor.endedSessions()).toEqual(["first"]);
    expect((await reportIn(agent.folder)).reason).toMatch(/worker.* is gone$/);
  });

  test("but not for a worker that it never saw, as in a container", async () => {
    await using armor = await startArmor();
    await using worker = await startWorker();
    await worker.end();
    await using agent = await startAgent({ apiUrl: armor.url, workerPid: worker.pid });
    await pause(2_500); // in which it looks whether it is needed
    await expect(call(agent.url + CALL)).resolves.toMatchObject({ status: 200 });
  });

  test("after five days, though it was asked all the time", async () => {
    await using armor = await startArmor();
    const { now } = clock;
    let passedMs = 0;
    setClock({ now: () => now() + passedMs });
    const first = tokenOf("first", 14 * 24 * 3_600);
    await using agent = await startAgent({ apiUrl: armor.url, first });
    for (let days = 0; days < MAX_LIFE_DAYS; days += 1) {
      await expect(call(`${agent.controlUrl}/token`)).resolves.toMatchObject({ status: 200 });
      passedMs += DAY_MS - 1_000;
    }
    await call(`${agent.controlUrl}/token`);
    passedMs += MAX_LIFE_DAYS * 1_000;
    await agent.ended;
    expect((await reportIn(agent.folder)).reason).toMatch(/5 days/);
    expect(armor.endedSessions()).toEqual(["first"]);
  });
});

describe("the reply to a stop", () => {
  test("is the report, with its length, after the sessions have ended", async () => {
    await using armor = await startArmor();
    await using agent = await startAgent({ apiUrl: armor.url });
    await call(agent.url + CALL);
    const { status, headers, body } = await call(`${agent.controlUrl}/stop`, { method: "POST" });
    expect(armor.endedSessions()).toEqual(["first"]);
    expect([status, headers["content-type"]]).toEqual([200, "application/json"]);
    expect(headers["content-length"]).toBe(String(Buffer.byteLength(body)));
    expect(JSON.parse(body)).toMatchObject({ answered: { "2xx": 1 }, sessionsEnded: 1 });
    await agent.ended;
    await expect(readFile(join(agent.folder, REPORT_FILE), "utf8")).resolves.toBe(body);
  });

  test("has the report also if its file cannot be written", async () => {
    await using armor = await startArmor();
    await using agent = await startAgent({ apiUrl: armor.url });
    await mkdir(join(agent.folder, REPORT_FILE, "full"), { recursive: true });
    const { body } = await call(`${agent.controlUrl}/stop`, { method: "POST" });
    expect(JSON.parse(body)).toMatchObject({ sessionsEnded: 1 });
    await agent.ended;
  });
});

test("a token for a client that has left does not count as handed out", async () => {
  let answer: () => void = () => undefined;
  await using armor = await startArmor({
    token: (name) => (response, request) => {
      answer = () => json(200, { access_token: name, expires_in: 60 })(response, request);
    },
  });
  await using agent = await startAgent({ apiUrl: armor.url, first: DEAD, timeoutMs: 10_000 });
  const leaving = http.get(`${agent.controlUrl}/token`).on("error", () => undefined);
  const staying = call(`${agent.controlUrl}/token`);
  await until(() => armor.requests.length > 0);
  leaving.destroy();
  await new Promise((resolve) => leaving.once("close", resolve)); // `once` would throw
  await pause(100); // the agent hears of it by its own turn
  answer();
  await expect(staying).resolves.toMatchObject({ status: 200 });
  expect(await stopAgentAt(agent)).toMatchObject({ handedOut: 1 });
});

describe("the debug log", () => {
  test("tells of versions, refreshes and the end, without a secret, and only if it is wanted", async () => {
    await using armor = await startArmor();
    await using quiet = await startAgent({ apiUrl: armor.url, first: DEAD });
    await call(quiet.url + CALL);
    await stopAgentAt(quiet);
    await expect(readFile(join(quiet.folder, DEBUG_FILE))).rejects.toMatchObject({
      code: "ENOENT",
    });

    await using agent = await startAgent({ apiUrl: armor.url, first: DEAD, isDebug: true });
    await call(agent.url + CALL);
    const control = await readFile(join(agent.folder, CONTROL_FILE), "utf8");
    await stopAgentAt(agent);
    const log = await readFile(join(agent.folder, DEBUG_FILE), "utf8");
    expect(log).toContain(`Node ${process.versions.node}, OpenSSL ${process.versions.openssl}`);
    expect(log).toMatch(/fetched a token, valid for 60 s\n/);
    expect(log).toMatch(/ends, as it was told to\n$/);
    const untimed = log.split("\n").filter((line) => !/^\d\d:\d\d:\d\d\.\d{3} \S/.test(line));
    expect(untimed).toEqual([""]); // behind the last line end
    const secrets = [CREDENTIALS.apiKey, "token-2"].flatMap((secret) => formsOf(secret));
    const capabilities = [agent.url, control].map((url) => url.trim().split("/").at(-1) ?? "");
    expect(leaksIn(log, [...secrets, ...capabilities])).toEqual([]);
  });

  test("keeps its last lines, as many as it may have and as the post step reads", async () => {
    await using temp = await makeTempFolder();
    const file = new DebugFile(temp.path);
    for (let line = 0; line < 3_000; line += 1) file.add(`line ${line}`);
    await file.close();
    const lines = (await readFile(join(temp.path, DEBUG_FILE), "utf8")).trimEnd().split("\n");
    expect([lines.length, lines[0], lines.at(-1)]).toEqual([1_000, "line 2000", "line 2999"]);
    for (let line = 0; line < 1_000; line += 1) file.add("ö".repeat(500));
    await file.close();
    const { length } = await readFile(join(temp.path, DEBUG_FILE));
    expect(length).toBeLessThanOrEqual(MAX_DEBUG_BYTES);
    expect(length).toBeGreaterThan(MAX_DEBUG_BYTES - 2_000);
  });

  test("is there while the agent runs, for an agent that is killed", async () => {
    await using temp = await makeTempFolder();
    const file = new DebugFile(temp.path);
    await using _ = disposable({}, () => file.close());
    file.add("one");
    const read = () => readFile(join(temp.path, DEBUG_FILE), "utf8").catch(() => "");
    await until(async () => (await read()) === "one\n");
  });
});
