// The whole agent in this process: what it reads, says, serves and ends by.

import { readdir, readFile, rm, stat } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { describe, expect, test } from "@jest/globals";
import { agent } from "../../src/agent/agent.ts";
import { clock } from "../../src/clock.ts";
import { CONTROL_FILE, DEBUG_FILE, REPORT_FILE } from "../../src/protocol/config.ts";
import {
  CREDENTIALS,
  call,
  DEAD,
  errorOf,
  pause,
  reportIn,
  startAgent,
  startArmor,
  stopAgentAt,
  tokenOf,
  until,
} from "../fixtures/agent.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { type Answer, CALL, json } from "../fixtures/server.ts";
import { setClock } from "../fixtures/virtual-clock.ts";

describe("the agent", () => {
  test("serves tokens and calls at two addresses, and ends when told to, its sessions with it", async () => {
    await using armor = await startArmor();
    await using running = await startAgent({ apiUrl: armor.url, first: DEAD });
    const { url, controlUrl, folder } = running;
    expect(await readFile(join(folder, CONTROL_FILE), "utf8")).toBe(`${controlUrl}\n`);
    if (process.platform !== "win32") {
      expect((await stat(join(folder, CONTROL_FILE))).mode & 0o777).toBe(0o600);
    }
    const token = await call(`${controlUrl}/token`);
    expect(token.headers).toMatchObject({
      "cache-control": "no-store",
      "content-type": "application/json",
    });
    const { expires_in: expiresIn, expires_at: expiresAt, ...fields } = JSON.parse(token.body);
    expect(fields).toEqual({ access_token: "token-a1", token_type: "Bearer" });
    expect(expiresIn).toBeGreaterThan(40);
    expect(expiresIn).toBeLessThanOrEqual(60);
    expect(Math.abs(Date.parse(expiresAt) - Date.now() - 1000 * expiresIn)).toBeLessThan(3_000);
    await expect(call(url + CALL)).resolves.toMatchObject({ status: 200 });
    await expect(stopAgentAt(running)).resolves.toEqual({
      minted: 2,
      handedOut: 1,
      answered: { "2xx": 1 },
      failed: {},
      refused: 0,
      abandoned: 0,
      problems: {},
      read: [{ method: "GET", path: CALL, status: 200, calls: 1 }],
      otherKinds: 0,
      otherCalls: 0,
      sessionsEnded: 1,
      sessionsNotEnded: 0,
    });
    expect(armor.endedSessions()).toEqual(["token-a1"]);
    await expect(call(url + CALL)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    expect((await readdir(folder)).toSorted()).toEqual([CONTROL_FILE, REPORT_FILE]);
  });

  test("begins with the step's token, and leaves its session alone if it is told so", async () => {
    await using armor = await startArmor();
    await using running = await startAgent({ apiUrl: armor.url, terminateSession: false });
    const { body } = await call(`${running.controlUrl}/token`);
    expect(JSON.parse(body)).toMatchObject({ access_token: "first" });
    const stats = { minted: 1, sessionsEnded: 0, sessionsNotEnded: 0 };
    await expect(stopAgentAt(running)).resolves.toMatchObject(stats);
    expect(armor.requests).toEqual([]);
  });

  test("counts as ended only sessions that there were, and says in the debug log why one was not", async () => {
    const statuses: Record<string, number> = { first: 401, "token-a1": 403 };
    await using armor = await startArmor({
      terminate: (response, { headers }) => {
        const accessToken = (headers.authorization ?? "").replace("Bearer ", "");
        const echo = JSON.stringify({
          error: "access_denied",
          error_description: `not ${accessToken}`,
        });
        response.writeHead(statuses[accessToken] ?? 204).end(echo);
      },
      other: (response, { headers }) =>
        response.writeHead(headers.authorization === "Bearer token-a2" ? 200 : 401).end(),
    });
    await using running = await startAgent({ apiUrl: armor.url, isDebug: true });
    await expect(call(running.url + CALL)).resolves.toMatchObject({ status: 200 });
    const { sessionsEnded, sessionsNotEnded, problems } = await stopAgentAt(running);
    expect([sessionsEnded, sessionsNotEnded, problems]).toEqual([1, 1, {}]);
    const debugLog = await readFile(join(running.folder, DEBUG_FILE), "utf8");
    expect(debugLog).toContain('403 access_denied ("not ***")');
  });

  test("says why it has no token, without the key that Armor repeats", async () => {
    await using armor = await startArmor({
      token: () =>
        json(401, { error: "invalid_client", error_description: `no key ${CREDENTIALS.apiKey}` }),
    });
    await using running = await startAgent({ apiUrl: armor.url, first: DEAD });
    const { url, controlUrl } = running;
    for (const got of [await call(`${controlUrl}/token`), await call(url + CALL)]) {
      expect([got.status, errorOf(got)]).toEqual([424, "credentials_rejected"]);
      expect(got.body).toContain("no key ***");
    }
    const report = await stopAgentAt(running);
    expect(report).toMatchObject({ handedOut: 0, failed: { credentials_rejected: 1 } });
    expect(report.problems["credentials_rejected"]).toMatch(
      /^Armor does not accept this client app/,
    );
    expect(leaksIn(JSON.stringify(report), formsOf(CREDENTIALS.apiKey))).toEqual([]);
    expect(armor.requests.filter(({ path }) => path.endsWith("/token"))).toHaveLength(1);
  });

  test("tells of a refresh that failed behind an answer, though no call failed", async () => {
    await using armor = await startArmor({ token: () => json(403, { error: "access_denied" }) });
    const ageing = { ...tokenOf("ageing"), expiresAt: Date.now() + 15_000 };
    await using running = await startAgent({ apiUrl: armor.url, first: ageing });
    await expect(call(running.url + CALL)).resolves.toMatchObject({ status: 200 });
    await until(() => armor.requests.some(({ path }) => path.endsWith("/token")));
    const { failed, minted, problems } = await stopAgentAt(running);
    expect([failed, minted, Object.keys(problems)]).toEqual([{}, 1, ["access_denied"]]);
  });

  test("tells of requests that were refused, if they had a capability", async () => {
    await using armor = await startArmor();
    await using running = await startAgent({ apiUrl: armor.url });
    const { url } = running;
    await call(`${url}/api/v1/iam/users`);
    await call(`${url.slice(0, -1)}/api/v1/discovery/x`);
    const { answered, failed, refused, problems } = await stopAgentAt(running);
    expect({ answered, failed, refused }).toEqual({ answered: {}, failed: {}, refused: 2 });
    expect(Object.keys(problems)).toEqual(["path_refused"]);
  });
});

describe("a stop", () => {
  const slowly: Answer = (response) => setTimeout(() => response.writeHead(204).end(), 300);

  test("is answered alike to all who ask meanwhile, and happens once", async () => {
    await using armor = await startArmor({ terminate: slowly });
    await using running = await startAgent({ apiUrl: armor.url });
    const [one, two] = await Promise.all([stopAgentAt(running), stopAgentAt(running)]);
    expect(one).toEqual(two);
    expect(one).toMatchObject({ sessionsEnded: 1, sessionsNotEnded: 0 });
    expect(armor.endedSessions()).toEqual(["first"]);
  });

  test("happens though whoever asked has left", async () => {
    await using armor = await startArmor({ terminate: slowly });
    await using agentRun = await startAgent({ apiUrl: armor.url });
    const { controlUrl, ended } = agentRun;
    const request = http
      .request(`${controlUrl}/stop`, { method: "POST" })
      .on("error", () => undefined);
    request.end();
    await until(() => armor.endedSessions().length > 0);
    request.destroy();
    await ended;
    expect(armor.endedSessions()).toEqual(["first"]);
  });

  test("waits for the refresh under way, ends its session, and lets nothing else begin", async () => {
    let isAsked = false;
    await using armor = await startArmor({
      token: (name) => (response, request) => {
        isAsked = true;
        setTimeout(() => json(200, { access_token: name, expires_in: 60 })(response, request), 400);
      },
      terminate: slowly,
    });
    await using running = await startAgent({ apiUrl: armor.url, timeoutMs: 5_000, first: DEAD });
    const { url, controlUrl } = running;
    const waiting = call(url + CALL).catch(() => undefined);
    await until(() => isAsked);
    const stopped = stopAgentAt(running);
    await pause(50);
    const late = await Promise.all([call(url + CALL), call(`${controlUrl}/token`)]);
    expect(late.map(errorOf)).toEqual(["agent_stopping", "agent_stopping"]);
    await expect(stopped).resolves.toMatchObject({ sessionsEnded: 1, sessionsNotEnded: 0 });
    expect(armor.endedSessions()).toEqual(["token-a1"]);
    await waiting;
  });

  test("does not wait for a refresh that hangs, and says that its session may go on", async () => {
    await using armor = await startArmor({ token: () => () => undefined });
    await using running = await startAgent({ apiUrl: armor.url, timeoutMs: 3_000, first: DEAD });
    call(running.url + CALL).catch(() => undefined);
    await until(() => armor.requests.length > 0);
    const asked = Date.now();
    const { sessionsNotEnded } = await stopAgentAt(running);
    expect(Date.now() - asked).toBeLessThan(6_000);
    expect(sessionsNotEnded).toBe(1);
  });
});

describe("the agent ends by itself, with its sessions, and says why", () => {
  const DAY_MS = 24 * 3_600_000;

  test("when its control file is gone", async () => {
    await using armor = await startArmor();
    await using agentRun = await startAgent({ apiUrl: armor.url });
    const { folder, ended, url } = agentRun;
    await rm(join(folder, CONTROL_FILE));
    await ended;
    expect((await reportIn(folder)).reason).toMatch(/removed, or given to another user/);
    expect(armor.endedSessions()).toEqual(["first"]);
    await expect(call(url + CALL)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  test("when its folder is gone, and then it has no place to say why", async () => {
    await using armor = await startArmor();
    await using agentRun = await startAgent({ apiUrl: armor.url });
    const { folder, ended, url } = agentRun;
    await rm(folder, { recursive: true });
    await ended;
    expect(armor.endedSessions()).toEqual(["first"]);
    await expect(call(url + CALL)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  test("after 24 hours without a request", async () => {
    await using armor = await startArmor();
    const { now } = clock;
    let passedMs = 0;
    setClock({ now: () => now() + passedMs });
    await using agentRun = await startAgent({ apiUrl: armor.url });
    const { folder, ended } = agentRun;
    passedMs = DAY_MS + 1;
    await ended;
    expect((await reportIn(folder)).reason).toMatch(/24 hours/);
    expect(armor.endedSessions()).toEqual(["first"]);
  });

  test("but not while there is a request every 23 hours", async () => {
    await using armor = await startArmor();
    const { now } = clock;
    let passedMs = 0;
    setClock({ now: () => now() + passedMs });
    const first = tokenOf("first", 14 * 24 * 3_600);
    await using agentRun = await startAgent({ apiUrl: armor.url, first });
    const { controlUrl } = agentRun;
    for (let requests = 0; requests < 2; requests += 1) {
      passedMs += DAY_MS - 3_600_000;
      await expect(call(`${controlUrl}/token`)).resolves.toMatchObject({ status: 200 });
    }
    await pause(2_500); // in which it looks whether it is needed
    await expect(call(`${controlUrl}/token`)).resolves.toMatchObject({ status: 200 });
  });

  // A terminal that closes sends SIGHUP, Ctrl-C SIGINT, and a system that shuts down SIGTERM.
  test.each(["SIGINT", "SIGHUP", "SIGTERM"] as const)("at %s", async (signal) => {
    await using armor = await startArmor();
    await using agentRun = await startAgent({ apiUrl: armor.url });
    const { folder, ended } = agentRun;
    process.emit(signal);
    await ended;
    expect(armor.endedSessions()).toEqual(["first"]);
    expect((await reportIn(folder)).reason).toContain(signal);
    expect(process.listenerCount(signal)).toBe(0);
  });
});

test("when something was not caught, the agent leaves the reason without the key", async () => {
  let fail: (error: Error) => void = () => undefined;
  const crash = new Promise<never>((_, reject) => {
    fail = reject;
  });
  await using armor = await startArmor();
  await using agentRun = await startAgent({ apiUrl: armor.url }, crash);
  const { folder, ended, url } = agentRun;
  fail(new Error(`lost ${CREDENTIALS.apiKey}`));
  await ended;
  expect((await reportIn(folder)).reason).toMatch(/^Unexpected Error: lost \*\*\*/);
  await expect(call(url + CALL)).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

describe("an agent that cannot start", () => {
  test("says why in its one line, when the folder is gone", async () => {
    await using armor = await startArmor();
    await using agentRun = await startAgent({ apiUrl: armor.url, folder: "/no/such/folder" });
    const { problem, ended } = agentRun;
    await ended;
    expect(problem).toContain("ENOENT");
  });

  test("says nothing of a configuration that it cannot read", async () => {
    const stdout = new PassThrough();
    const stdin = Readable.from([Buffer.from(`{"apiKey": ${CREDENTIALS.apiKey}`)]);
    await agent(new Promise<never>(() => undefined), { stdin, stdout });
    expect(String(stdout.read())).toBe("token agent: its configuration is cut off\n");
  });
});
