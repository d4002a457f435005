// Calls that Armor, the network or the token does not let succeed: one reply that says why, one count.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, jest, test } from "@jest/globals";
import { ArmorError, type ErrorCode } from "../../src/errors.ts";
import { DEAD, errorOf, startGateway, until } from "../fixtures/agent.ts";
import { disposable } from "../fixtures/opened.ts";
import { startAnsweringProxy } from "../fixtures/proxy.ts";
import { type Answer, CALL, json, raw, reset, silence } from "../fixtures/server.ts";

const ok = json(200, {});
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
const TWO_LENGTHS = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok";
const LONG_HEAD = `HTTP/1.1 200 OK\r\nX: ${"x".repeat(20_000)}\r\n\r\n`;

describe("an Armor that", () => {
  test.each<{
    readonly what: string;
    readonly answer: Answer;
    readonly status: number;
    readonly code: ErrorCode;
  }>([
    { what: "resets the connection", answer: reset, status: 502, code: "connection_failed" },
    { what: "says nothing", answer: silence, status: 504, code: "reply_timeout" },
    {
      what: "switches protocols",
      answer: raw(SWITCH, { thenEnd: false }),
      status: 502,
      code: "reply_invalid",
    },
    {
      what: "does not speak HTTP",
      answer: raw("SSH-2.0-OpenSSH_9.2\r\n"),
      status: 502,
      code: "reply_invalid",
    },
    {
      what: "breaks off amid its head",
      answer: raw("HTTP/1.1 200 OK\r\nX-Half: "),
      status: 502,
      code: "connection_failed",
    },
    { what: "sends a head of 20 KB", answer: raw(LONG_HEAD), status: 502, code: "reply_invalid" },
    { what: "sends two lengths", answer: raw(TWO_LENGTHS), status: 502, code: "reply_invalid" },
    {
      what: "sends no status",
      answer: raw("HTTP/1.1 099 What\r\nContent-Length: 0\r\n\r\n"),
      status: 502,
      code: "reply_invalid",
    },
  ])("$what is told of, and counted once", async ({ answer, status, code }) => {
    let isClosed = false;
    const observed: Answer = (response, request) => {
      response.socket?.once("close", () => {
        isClosed = true;
      });
      answer(response, request);
    };
    await using gateway = await startGateway([observed, ok], { limits: { headMs: 300 } });
    const { call, counts, stats } = gateway;
    const got = await call();
    expect([got.status, errorOf(got)]).toEqual([status, code]);
    expect(got.headers).toMatchObject({
      "x-armor-gateway": "1",
      "content-type": "application/json",
    });
    await until(() => isClosed);
    await expect(call()).resolves.toMatchObject({ status: 200 });
    expect(counts()).toEqual({ answered: { "2xx": 1 }, failed: { [code]: 1 }, refused: 0 });
    expect(stats.problems[code]).toBe(JSON.parse(got.body).error_description);
  });

  test("answers late, but in time, is waited for, on new and on kept connections", async () => {
    await using gateway = await startGateway(
      [(response) => setTimeout(() => response.end("late"), 500)],
      {
        limits: { connectMs: 250, headMs: 5_000, idleMs: 250 },
      },
    );
    const { call } = gateway;
    for (const _ of [1, 2])
      await expect(call()).resolves.toMatchObject({ status: 200, body: "late" });
  });

  test("is not there is told of", async () => {
    await using gateway = await startGateway([ok]);
    const { armor, call } = gateway;
    await armor.close();
    const got = await call();
    expect([got.status, errorOf(got)]).toEqual([502, "connection_failed"]);
  });
});

describe("a kept connection", () => {
  test("that breaks when it is used again costs nothing, though all have broken", async () => {
    const used = new WeakSet<object>();
    let isBreaking = false;
    await using gateway = await startGateway([
      (response, request) => {
        const socket = response.socket ?? response;
        if (isBreaking && used.has(socket)) return reset(response, request);
        used.add(socket);
        setTimeout(() => response.end("{}"), 100);
      },
    ]);
    const { armor, call, counts } = gateway;
    const callAll = () => Promise.all(Array.from({ length: 20 }, () => call()));
    await callAll();
    const before = armor.connections;
    isBreaking = true;
    expect((await callAll()).map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(armor.connections).toBeGreaterThan(before);
    expect(counts()).toEqual({ answered: { "2xx": 40 }, failed: {}, refused: 0 });
  });

  /** Keeps its connections for ever, and announces no limit. */
  async function startPatientArmor() {
    const closed: Promise<unknown>[] = [];
    const server = createServer({ keepAliveTimeout: 0 }, (_, response) => response.end("{}"));
    server.on("connection", (socket) => {
      closed.push(new Promise((resolve) => socket.on("close", resolve)));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const close = () => {
      server.close();
      server.closeAllConnections();
    };
    return disposable({ closed, apiUrl }, close);
  }

  test("that was idle for 15 s is closed, and not used again", async () => {
    await using patient = await startPatientArmor();
    const { closed, apiUrl } = patient;
    await using gateway = await startGateway([], {
      apiUrl,
      ...(process.env["CI"] ? {} : { maxIdleMs: 1_000 }),
    });
    const { call } = gateway;
    await call();
    await call();
    expect(closed).toHaveLength(1);
    await closed[0];
    await expect(call()).resolves.toMatchObject({ status: 200 });
    expect(closed).toHaveLength(2);
  }, 40_000);

  test("is not used again when the machine has slept", async () => {
    await using patient = await startPatientArmor();
    const { closed, apiUrl } = patient;
    await using gateway = await startGateway([], { apiUrl });
    const { call } = gateway;
    await call();
    jest.spyOn(Date, "now").mockReturnValue(Date.now() + 16_000);
    await expect(call()).resolves.toMatchObject({ status: 200 });
    expect(closed).toHaveLength(2);
  });
});

describe("a token that cannot be had", () => {
  const permanent = new ArmorError("credentials_rejected", "P", "R.", { isPermanent: true });
  const limited = new ArmorError("rate_limited", "P", "R.", { retryAfterMs: 7_100 });

  test.each<{
    readonly what: string;
    readonly error: ArmorError;
    readonly status: number;
    readonly retryAfter: string | undefined;
  }>([
    { what: "for good", error: permanent, status: 424, retryAfter: undefined },
    { what: "for as long as Armor says", error: limited, status: 503, retryAfter: "8" },
    {
      what: "in time",
      error: new ArmorError("reply_timeout", "P", "R."),
      status: 504,
      retryAfter: undefined,
    },
    {
      what: "for now",
      error: new ArmorError("server_unavailable", "P", "R."),
      status: 502,
      retryAfter: undefined,
    },
  ])(
    "$what is a reply that says so, and Armor is asked once",
    async ({ error, status, retryAfter }) => {
      const fetch = () => Promise.reject(error);
      await using gateway = await startGateway([ok], { first: DEAD, fetch });
      const { armor, call, fetches, counts } = gateway;
      for (let times = 0; times < 3; times += 1) {
        const got = await call();
        expect([got.status, got.headers["retry-after"]]).toEqual([status, retryAfter]);
        expect(JSON.parse(got.body)).toEqual({ error: error.code, error_description: "P. R." });
      }
      expect([fetches(), armor.requests]).toEqual([1, []]);
      expect(counts()).toEqual({ answered: {}, failed: { [error.code]: 3 }, refused: 0 });
    },
  );

  test("because of a fault of the agent's is called one", async () => {
    const fetch = () => Promise.reject(new TypeError("x"));
    await using gateway = await startGateway([ok], { first: DEAD, fetch });
    const got = await gateway.call();
    expect([got.status, errorOf(got)]).toEqual([502, "internal_error"]);
  });
});

describe("a proxy that", () => {
  test.each([
    { what: "refuses", answer: "HTTP/1.1 403 Forbidden\r\n\r\n", code: "proxy_refused" },
    { what: "never answers", answer: "", code: "proxy_failed" },
  ])("$what is named, without the password", async ({ answer, code }) => {
    await using proxy = await startAnsweringProxy(answer);
    const value = `http://user:Passw0rd@127.0.0.1:${proxy.port}`;
    await using gateway = await startGateway([], {
      apiUrl: "https://armor.corp.test",
      route: { proxy: { variable: "https_proxy", value }, noProxy: "" },
      limits: { connectMs: 500 },
    });
    const { call } = gateway;
    const got = await call();
    expect([got.status, errorOf(got)]).toEqual([502, code]);
    expect(got.body).toContain(`http://127.0.0.1:${proxy.port}`);
    expect(got.body).not.toContain("Passw0rd");
  });
});

test("a connection on which TLS never begins is given up after the limit for connecting", async () => {
  await using silent = await startAnsweringProxy("");
  const apiUrl = `https://127.0.0.1:${silent.port}`;
  const limits = { connectMs: 400, headMs: 60_000 };
  await using gateway = await startGateway([], { apiUrl, limits });
  const got = await gateway.call();
  expect([got.status, errorOf(got)]).toEqual([504, "reply_timeout"]);
});

test("a call that waits in line for longer than every limit is not Armor's silence", async () => {
  let isBusy = true;
  const slowly: Answer = (response) => {
    const timer = setInterval(() => (isBusy ? response.write(" ") : response.end()), 200);
    response.on("close", () => clearInterval(timer));
  };
  const limits = { connectMs: 1_200, headMs: 1_200, idleMs: 1_200 };
  await using gateway = await startGateway([slowly], { limits });
  const { armor, call, begin, stats } = gateway;
  const get = `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n`;
  for (const socket of await Promise.all(Array.from({ length: 128 }, () => begin(get))))
    socket.resume();
  await until(() => armor.requests.length === 128);
  const last = call();
  setTimeout(() => {
    isBusy = false;
  }, 1_500);
  await expect(last).resolves.toMatchObject({ status: 200 });
  expect(armor.connections).toBeLessThanOrEqual(128);
  await until(() => stats.answered["2xx"] === 129);
  expect(stats.failed).toEqual({});
});
