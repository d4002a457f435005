// Each bound of the gateway is filled: what is beyond it has its answer, and the job's own calls go on.

import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { describe, expect, test } from "@jest/globals";
import { BOUNDS, LIMITS } from "../../src/gateway/bounds.ts";
import { Client } from "../../src/gateway/client.ts";
import { ForbiddenPaths } from "../../src/gateway/forbidden-paths.ts";
import { passOn } from "../../src/gateway/pass-on.ts";
import { call, errorOf, readAll, startGateway, until } from "../fixtures/agent.ts";
import { type Answer, CALL, endless, json, silence } from "../fixtures/server.ts";
import { setClock } from "../fixtures/virtual-clock.ts";

const GET = `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n`;
const BUSY = /^HTTP\/1\.1 503 [\s\S]*\r\nRetry-After: \d+\r\n[\s\S]*"gateway_busy"/;

/** An Armor that answers nothing until it is told to. */
function heldArmor() {
  const held: (() => void)[] = [];
  let isHolding = true;
  const answer: Answer = (response) => {
    if (isHolding) held.push(() => response.end("{}"));
    else response.end("{}");
  };
  const finish = () => {
    isHolding = false;
    for (const end of held.splice(0)) end();
  };
  return { answer, finish };
}

function headersOf(count: number): string {
  return Array.from({ length: count }, (_, index) => `a${index}: 1\r\n`).join("");
}

test("every bound says what it protects and what is seen beyond it", () => {
  for (const { value, protects, beyond } of Object.values(BOUNDS)) {
    expect(value).toBeGreaterThan(0);
    for (const sentence of [protects, beyond]) expect(sentence).toMatch(/^[A-Z\d].*\.$/);
  }
});

describe("headers", () => {
  const OTHERS = 2; // Host and Connection

  test("below the number are served", async () => {
    await using gateway = await startGateway([json(200, {})]);
    const headers = headersOf(LIMITS.maxHeaders - 1 - OTHERS);
    expect(await gateway.speak(`${GET}Connection: close\r\n${headers}\r\n`)).toMatch(/ 200 OK/);
  });

  test.each([
    { title: "just beyond it", count: LIMITS.maxHeaders - OTHERS },
    { title: "beyond what Node 20 keeps by itself", count: 1_200 },
  ])("$title are refused, whatever comes behind them", async ({ count }) => {
    await using gateway = await startGateway([json(200, {})]);
    const last = "Connection: close\r\nVia: 1.1 proxy\r\nContent-Length: 0\r\n\r\n";
    const reply = await gateway.speak(`${GET}${headersOf(count)}${last}`);
    expect(reply).toMatch(
      /^HTTP\/1\.1 431 [\s\S]*\r\nConnection: close\r\n[\s\S]*"head_too_large"/,
    );
    expect(gateway.armor.requests).toEqual([]);
  });
});

describe("connections in all", () => {
  /** A gateway that takes three connections, and whose time the test sets. */
  async function startSmall(answer: Answer) {
    const time = { now: 5_000 };
    setClock({ now: () => time.now });
    const serverLimits = { maxConnections: 3, maxWaiting: 3, minWaitMs: 2_000 };
    return Object.assign(await startGateway([answer], { serverLimits }), { time });
  }

  test("a call gets through though strangers have taken all, and the oldest of them goes", async () => {
    await using gateway = await startSmall(json(200, {}));
    const strangers: Socket[] = [];
    for (let times = 0; times < 3; times += 1)
      strangers.push((await gateway.openConnection()).resume());
    await expect(gateway.call()).resolves.toMatchObject({ status: 200 });
    await until(() => strangers[0]?.closed ?? false);
    expect(strangers.map(({ closed }) => closed)).toEqual([true, false, false]);
  });

  test("so does one of a request that was refused and whose body never comes", async () => {
    await using gateway = await startSmall(json(200, {}));
    const body = `${GET.replace("GET", "POST")}Content-Length: 9\r\n\r\n`;
    const refused = await Promise.all([1, 2, 3].map(() => gateway.begin(body)));
    for (const socket of refused) socket.resume();
    await until(() => gateway.counts().refused === 3);
    await expect(gateway.call()).resolves.toMatchObject({ status: 200 });
    await until(() => refused.some(({ closed }) => closed));
  });

  test("so does one that was refused after a call that was admitted", async () => {
    await using gateway = await startSmall(json(200, {}));
    const body = `${GET.replace("GET", "POST")}Content-Length: 9\r\n\r\n`;
    const refused = await Promise.all([1, 2, 3].map(() => gateway.begin(`${GET}\r\n${body}`)));
    for (const socket of refused) socket.resume();
    await until(() => gateway.counts().refused === 3);
    await expect(gateway.call()).resolves.toMatchObject({ status: 200 });
    await until(() => refused.some(({ closed }) => closed));
  });

  test("so does one that is kept after a call, once it is old enough", async () => {
    await using gateway = await startSmall(json(200, {}));
    const kept = await Promise.all([1, 2, 3].map(() => gateway.begin(`${GET}\r\n`)));
    for (const socket of kept) socket.resume();
    await until(() => gateway.counts().answered["2xx"] === 3);
    gateway.time.now += 2_000;
    await expect(gateway.call()).resolves.toMatchObject({ status: 200 });
    await until(() => kept.some(({ closed }) => closed));
    expect(kept.filter(({ closed }) => closed)).toHaveLength(1);
  });

  test("calls under way are never closed for others", async () => {
    const { answer, finish } = heldArmor();
    await using gateway = await startSmall(answer);
    const calls = [1, 2, 3].map(() => gateway.call());
    await until(() => gateway.armor.requests.length === 3);
    gateway.time.now += 60_000;
    await expect(gateway.call()).rejects.toMatchObject({ code: "ECONNRESET" });
    finish();
    for (const { status } of await Promise.all(calls)) expect(status).toBe(200);
  });

  test("one that has closed counts no more", async () => {
    await using gateway = await startSmall(json(200, {}));
    for (let times = 0; times < 5; times += 1) {
      const socket = await gateway.openConnection();
      socket.destroy();
      await until(async () => (await gateway.connections()) === 0);
    }
    const open = [await gateway.openConnection(), await gateway.openConnection()];
    gateway.time.now += 60_000;
    await expect(gateway.call()).resolves.toMatchObject({ status: 200 });
    expect(open.filter(({ closed }) => closed)).toEqual([]);
  });
});

describe("requests in line on one connection", () => {
  test("beyond the bound one is refused when it is its turn, and the connection ends", async () => {
    const serverLimits = { maxInLine: 5 };
    await using gateway = await startGateway([json(200, {})], { serverLimits });
    const replies = (await gateway.speak(`${GET}\r\n`.repeat(2_000))).split(/(?=HTTP\/1\.1 \d)/);
    expect(replies).toHaveLength(7);
    for (const reply of replies.slice(0, 6)) expect(reply).toMatch(/^HTTP\/1\.1 200 /);
    expect(replies[6]).toMatch(BUSY);
    expect(gateway.armor.requests).toHaveLength(6);
  });

  test.each([
    { title: "number", serverLimits: { maxInLineInAll: 9 } },
    { title: "bytes", serverLimits: { maxBytesInLine: 9_000 } },
  ])("over all connections are bounded in $title, and room is made by their end", async (row) => {
    const { answer, finish } = heldArmor();
    await using gateway = await startGateway([answer], row);
    const get = `${GET}X-Long: ${"x".repeat(1_000)}\r\n\r\n`;
    const patient = await gateway.begin(get.repeat(5));
    await until(() => gateway.armor.requests.length === 1);
    expect(await gateway.speak(get.repeat(8))).toBe("");
    expect(patient.closed).toBe(false);
    const other = await gateway.begin(get.repeat(5));
    finish();
    const replies = [patient, other].map(async (socket) => {
      socket.write(
        `${GET.replaceAll("HOST", `127.0.0.1:${gateway.port}`)}Connection: close\r\n\r\n`,
      );
      return (await readAll(socket)).match(/HTTP\/1\.1 200 /g)?.length ?? 0;
    });
    expect(Math.min(...(await Promise.all(replies)))).toBeGreaterThanOrEqual(5);
  });
});

test("however often its line was empty between, a connection has no listener more", async () => {
  await using gateway = await startGateway([json(200, {})]);
  const { server } = gateway;
  let accepted: Socket | undefined;
  server.once("connection", (socket: Socket) => {
    accepted = socket;
  });
  const client = await gateway.begin("");
  const { host, pathname } = new URL(gateway.url);
  const get = `GET ${pathname}${CALL} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const listeners: number[] = [];
  for (let pair = 1; pair <= 15; pair += 1) {
    client.write(get.repeat(2));
    await until(() => gateway.armor.requests.length === 2 * pair);
    listeners.push(accepted?.listenerCount("close") ?? 0);
  }
  client.destroy();
  expect(Math.max(...listeners.slice(1))).toBeLessThanOrEqual((listeners[0] ?? 0) + 1);
});

describe("calls that wait for a slot", () => {
  test("beyond their number are refused, to be repeated later, and are told of once", async () => {
    const { answer, finish } = heldArmor();
    const serverLimits = { maxCalls: 2, maxCallsWaiting: 3 };
    await using gateway = await startGateway([answer], { serverLimits });
    const waiting = Array.from({ length: 5 }, () => gateway.call());
    await until(() => gateway.armor.requests.length === 2);
    await until(async () => (await gateway.connections()) === 5);
    const refused = await gateway.call();
    expect([refused.status, errorOf(refused)]).toEqual([503, "gateway_busy"]);
    expect(refused.headers).toMatchObject({
      "retry-after": expect.stringMatching(/^[1-9]\d*$/),
      "x-armor-gateway": "1",
    });
    finish();
    for (const { status } of await Promise.all(waiting)) expect(status).toBe(200);
    expect(gateway.counts()).toEqual({ answered: { "2xx": 5 }, failed: {}, refused: 1 });
    expect(gateway.stats.problems).toHaveProperty("gateway_busy");
  });

  test("beyond their time are refused, too", async () => {
    const serverLimits = { maxCalls: 1, callWaitMs: 100 };
    await using gateway = await startGateway([silence], { serverLimits });
    const first = await gateway.begin(`${GET}\r\n`);
    await until(() => gateway.armor.requests.length === 1);
    const late = await gateway.call();
    expect([late.status, errorOf(late)]).toEqual([503, "gateway_busy"]);
    expect(first.closed).toBe(false);
  });
});

describe("a client that does not read", () => {
  const serverLimits = { maxCalls: 1, maxUnreadMs: 300 };
  /** The first call gets more than fits into all buffers, every other one a small reply. */
  const large = () => {
    const sent = { bytes: 0 };
    const small = json(200, {});
    const answer: Answer = (response, request) =>
      request.path.endsWith("?large") ? endless(sent)(response, request) : small(response, request);
    return { sent, answer };
  };

  test("loses its slot to one that waits, is told of, and sees a broken connection", async () => {
    const { sent, answer } = large();
    await using gateway = await startGateway([answer], { serverLimits });
    const stuck = await gateway.begin(`${GET.replace(CALL, `${CALL}?large`)}\r\n`);
    await until(() => sent.bytes > 0);
    await expect(gateway.call()).resolves.toMatchObject({ status: 200 });
    stuck.resume();
    await until(() => stuck.closed);
    expect(gateway.counts()).toEqual({
      answered: { "2xx": 1 },
      failed: { gateway_busy: 1 },
      refused: 0,
    });
    expect(gateway.stats.abandoned).toBe(0);
  });

  test("has its slot until the end of its reply is with the system", async () => {
    const paused: Client[] = [];
    let finish: () => void = () => undefined;
    const response = Object.assign(new EventEmitter(), {
      writableLength: 2, // of what was written, the system has not taken so much
      writeHead: () => undefined,
      write: () => true,
      end: (done: () => void) => {
        finish = done;
      },
    });
    const message = Object.assign(Readable.from([Buffer.from("ok")]), {
      statusCode: 200,
      complete: true,
      headers: {},
      rawHeaders: [],
    });
    const client = new Client(response as never);
    const reply = { message, origin: new URL("http://x"), location: undefined, repeats: 0 };
    const slots = { notePause: (it: Client) => paused.push(it) };
    const options = { idleMs: 60_000, slots, route: { noProxy: "" } } as never;
    let length: number | undefined;
    const passing = passOn(reply as never, response as never, client, options).then((bytes) => {
      length = bytes;
    });
    await until(() => paused.length === 1);
    expect(paused).toEqual([client]);
    expect(length).toBeUndefined();
    finish();
    await passing;
    expect(length).toBe(2);
  });
});

test("paths that answer 401 to every token are remembered up to a number, the first is forgotten", () => {
  const paths = new ForbiddenPaths(3);
  for (const path of ["/a?x=1", "/b", "/c", "/a?x=2", "/d"]) paths.add(path);
  expect(paths.size).toBe(3);
  expect(["/a", "/b", "/c", "/d"].filter((path) => paths.has(path))).toEqual(["/a", "/c", "/d"]);
});

describe("calls whose clients leave are counted", () => {
  test("while Armor works, and while they wait in line", async () => {
    const serverLimits = { maxCalls: 1 };
    await using gateway = await startGateway([silence], { serverLimits });
    const clients = [await gateway.begin(`${GET}\r\n`), await gateway.begin(`${GET}\r\n`)];
    await until(() => gateway.armor.requests.length === 1);
    for (const client of clients) client.destroy();
    await until(() => gateway.stats.abandoned === 2);
    expect(gateway.counts()).toEqual({ answered: {}, failed: {}, refused: 0 });
  });
});

test("300 calls at once all have their answer beside 300 strangers", async () => {
  const slow: Answer = (response) => setTimeout(() => response.end("{}"), 20);
  await using gateway = await startGateway([slow]);
  const strangers = Array.from({ length: 300 }, () => gateway.begin("GET /x HTTP/1.1\r\nHo"));
  const calls = Array.from({ length: 300 }, () => call(gateway.url + CALL));
  for (const { status } of await Promise.all(calls)) expect(status).toBe(200);
  await Promise.all(strangers);
});
