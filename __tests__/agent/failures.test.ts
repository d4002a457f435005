// Calls that Armor, the network or the token does not let succeed: one reply that says why, one count.

import { type AddressInfo, createServer } from "node:net";
import { describe, expect, jest, test } from "@jest/globals";
import { ArmorError } from "../../src/errors.ts";
import { atEnd, errorOf, startGateway, tokenOf, until } from "../fixtures/agent.ts";
import { startAnsweringProxy } from "../fixtures/proxy.ts";
import { type Answer, json, raw, reset, silence } from "../fixtures/server.ts";

const ok = json(200, {});

/** A token that has expired, so that the first call needs another. */
const DEAD = { ...tokenOf("dead"), expiresAt: 0 };

describe("Armor", () => {
  test.each<[string, Answer, number, string]>([
    ["resets the connection", reset, 502, "connection_failed"],
    ["says nothing", silence, 504, "reply_timeout"],
    [
      "switches protocols",
      raw("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", {
        thenEnd: false,
      }),
      502,
      "reply_invalid",
    ],
    ["does not speak HTTP", raw("SSH-2.0-OpenSSH_9.2\r\n"), 502, "reply_invalid"],
    ["breaks off amid its head", raw("HTTP/1.1 200 OK\r\nX-Half: "), 502, "connection_failed"],
    [
      "sends a head of 20 KB",
      raw(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(20_000)}\r\n\r\n`),
      502,
      "reply_invalid",
    ],
    [
      "sends two lengths",
      raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"),
      502,
      "reply_invalid",
    ],
    [
      "sends a status that is none",
      raw("HTTP/1.1 099 What\r\nContent-Length: 0\r\n\r\n"),
      502,
      "reply_invalid",
    ],
  ])("that %s: the call is told, and counted once", async (_, answer, status, code) => {
    const { call, stats } = await startGateway([answer, ok], { limits: { headMs: 300 } });
    const got = await call();
    expect([got.status, errorOf(got)]).toEqual([status, code]);
    expect(got.headers).toMatchObject({ "x-armor-gateway": "1", "content-type": "application/json" });
    await expect(call()).resolves.toMatchObject({ status: 200 });
    const { answered, failed, problems } = stats.report();
    expect({ answered, failed }).toEqual({ answered: { "2xx": 1 }, failed: { [code]: 1 } });
    expect(problems[code]).toBe(JSON.parse(got.body).error_description);
  });

  test("whose head comes late, but in time, is waited for", async () => {
    const { call } = await startGateway([(response) => setTimeout(() => response.end("late"), 600)], {
      limits: { connectMs: 300, headMs: 5_000, idleMs: 300 },
    });
    await expect(call()).resolves.toMatchObject({ status: 200, body: "late" });
  });

  test("that switches protocols has its connection closed", async () => {
    let isClosed = false;
    const { call } = await startGateway([
      (response) => {
        response.socket?.once("close", () => {
          isClosed = true;
        });
        response.socket?.write(
          "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        );
      },
    ]);
    await expect(call()).resolves.toMatchObject({ status: 502 });
    await until(() => isClosed);
  });

  test("that is not there: the call is told", async () => {
    const { armor, call } = await startGateway([ok]);
    await armor.close();
    const got = await call();
    expect([got.status, errorOf(got)]).toEqual([502, "connection_failed"]);
  });
});

describe("a kept connection", () => {
  test("that breaks when it is used again costs nothing, though all have broken", async () => {
    const used = new WeakSet<object>();
    let isBreaking = false;
    const { armor, call, stats } = await startGateway([
      (response, request) => {
        const socket = response.socket ?? response;
        if (isBreaking && used.has(socket)) return reset(response, request);
        used.add(socket);
        setTimeout(() => response.end("{}"), 100);
      },
    ]);
    await Promise.all(Array.from({ length: 20 }, () => call()));
    const before = armor.connections;
    isBreaking = true;
    const replies = await Promise.all(Array.from({ length: 20 }, () => call()));
    expect(replies.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(armor.connections).toBeGreaterThan(before);
    expect(stats.report()).toMatchObject({ answered: { "2xx": 40 }, failed: {} });
  });

  /** Keeps its connections for ever, and announces no limit. */
  async function startPatientArmor() {
    const closed: Promise<unknown>[] = [];
    const server = createServer((socket) => {
      closed.push(new Promise((resolve) => socket.on("close", resolve)));
      socket.on("error", () => undefined);
      socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"));
      atEnd(() => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    atEnd(() => server.close());
    return { closed, apiUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  test("that was idle for 15 s is closed, and not used again", async () => {
    const { closed, apiUrl } = await startPatientArmor();
    const { call } = await startGateway([], { apiUrl, ...(process.env["CI"] ? {} : { maxIdleMs: 1_000 }) });
    await call();
    await call();
    expect(closed).toHaveLength(1);
    await closed[0];
    await expect(call()).resolves.toMatchObject({ status: 200 });
    expect(closed).toHaveLength(2);
  }, 40_000);

  test("is not used again when the machine has slept", async () => {
    const { closed, apiUrl } = await startPatientArmor();
    const { call } = await startGateway([], { apiUrl });
    await call();
    const wallClock = jest.spyOn(Date, "now").mockReturnValue(Date.now() + 16_000);
    await expect(call()).resolves.toMatchObject({ status: 200 });
    wallClock.mockRestore();
    expect(closed).toHaveLength(2);
  });
});

describe("a token that cannot be had", () => {
  test.each<[string, ArmorError, number, string | undefined]>([
    ["for good", new ArmorError("credentials_rejected", "P", "R.", { isPermanent: true }), 424, undefined],
    [
      "for as long as Armor says",
      new ArmorError("rate_limited", "P", "R.", { retryAfterMs: 7_100 }),
      503,
      "8",
    ],
    ["in time", new ArmorError("reply_timeout", "P", "R."), 504, undefined],
    ["for now", new ArmorError("server_unavailable", "P", "R."), 502, undefined],
  ])("%s is a reply that says so, and Armor is asked once", async (_, error, status, retryAfter) => {
    const { armor, call, fetches, stats } = await startGateway([ok], {
      ...{ first: DEAD, fetch: () => Promise.reject(error) },
    });
    for (let times = 0; times < 3; times += 1) {
      const got = await call();
      expect([got.status, got.headers["retry-after"]]).toEqual([status, retryAfter]);
      expect(JSON.parse(got.body)).toEqual({ error: error.code, error_description: "P. R." });
    }
    expect(fetches()).toBe(1);
    expect(armor.requests).toEqual([]);
    expect(stats.report()).toMatchObject({ answered: {}, failed: { [error.code]: 3 } });
  });

  test("because of a fault of the agent's is called one", async () => {
    const { call } = await startGateway([ok], {
      first: DEAD,
      fetch: () => Promise.reject(new TypeError("x")),
    });
    const got = await call();
    expect([got.status, errorOf(got)]).toEqual([502, "internal_error"]);
  });
});

describe("a proxy", () => {
  test.each([
    ["refuses", "HTTP/1.1 403 Forbidden\r\n\r\n", 502, "proxy_refused"],
    ["wants a user", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", 502, "proxy_refused"],
    ["is overloaded", "HTTP/1.1 503 Service Unavailable\r\n\r\n", 502, "proxy_failed"],
    ["is no proxy", "SSH-2.0-OpenSSH_9.2\r\n", 502, "proxy_failed"],
    [
      "sends bytes before the tunnel's",
      "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
      502,
      "proxy_failed",
    ],
    ["never answers", "", 502, "proxy_failed"],
  ])("that %s: the call is told so, without the password", async (_, answer, status, code) => {
    const proxy = await startAnsweringProxy(answer);
    atEnd(() => proxy.close());
    const { call } = await startGateway([], {
      apiUrl: "https://armor.corp.test",
      route: {
        proxy: { variable: "https_proxy", value: `http://user:Passw0rd@127.0.0.1:${proxy.port}` },
        noProxy: "",
      },
      limits: { connectMs: 500 },
    });
    const got = await call();
    expect([got.status, errorOf(got)]).toEqual([status, code]);
    expect(got.body).toContain(`http://127.0.0.1:${proxy.port}`);
    expect(got.body).not.toContain("Passw0rd");
  });
});

test("a connection on which TLS never begins is given up after the limit for connecting", async () => {
  const deaf = await startAnsweringProxy("");
  atEnd(() => deaf.close());
  const { call } = await startGateway([], {
    apiUrl: `https://127.0.0.1:${deaf.port}`,
    limits: { connectMs: 400, headMs: 60_000 },
  });
  const got = await call();
  expect([got.status, errorOf(got)]).toEqual([504, "reply_timeout"]);
});

test("a call that waits in line for longer than every limit is not Armor's silence", async () => {
  const limits = { connectMs: 3_500, headMs: 3_500, idleMs: 3_500 };
  const { armor, call, stats } = await startGateway(
    [(response) => setTimeout(() => response.end("{}"), 800)], // five times 128 calls take 4 s
    { limits },
  );
  const replies = await Promise.all(Array.from({ length: 640 }, () => call()));
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(640);
  expect(armor.connections).toBeLessThanOrEqual(128);
  expect(stats.report()).toMatchObject({ answered: { "2xx": 640 }, failed: {} });
});
