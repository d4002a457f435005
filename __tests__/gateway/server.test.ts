// The agent's door at a raw socket: what is refused, how, and that Armor sees none of it.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "@jest/globals";
import type { RefusalCode } from "../../src/gateway/refusals.ts";
import {
  CAPABILITY,
  CONTROL,
  call,
  errorOf,
  pause,
  readAll,
  startGateway,
  until,
} from "../fixtures/agent.ts";
import { type Answer, CALL, json } from "../fixtures/server.ts";
import { setClock } from "../fixtures/virtual-clock.ts";

const LISTED = "/api/v1/discovery/";
const GET = `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n`;
const POST = GET.replace("GET", "POST");

const METHODS = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "TRACE",
  "PROPFIND",
  "QUERY",
];

/** Head and body of what was answered to a request line, with the connection closed after it. */
function refusal(reply: string) {
  const [head = "", body = "{}"] = reply.split("\r\n\r\n");
  const { error, error_description: description } = JSON.parse(body) as Record<string, string>;
  const isClosing = /\r\nConnection: close(\r\n|$)/.test(head);
  return { status: Number(head.split(" ")[1]), error, description, isClosing };
}

describe("GET of a target that Armor must not see", () => {
  const BELOW_A_LISTED_PATH = [
    {
      kind: "dot segments",
      targets: [".", "..", "../iam/users", "../../../x", "./x", "x/..", "x/.", "...", ".hidden"],
    },
    {
      kind: "dot segments with parameters",
      targets: ["..;/iam", "..;a=b/iam", ";/../iam", "x;y=z"],
    },
    {
      kind: "encoded dots",
      targets: ["%2e%2e/iam", "%2E./iam", ".%2e/iam", "%252e%252e/iam", "%25252e%25252e/iam"],
    },
    {
      kind: "encoded slashes and others",
      targets: ["..%2fiam", "a%2fb", "a%5cb", "a%00", "..%20", "a%0d%0aX:y", "caf%C3%A9"],
    },
    { kind: "overlong and broken encodings", targets: ["%", "%zz", "%ff", "%c0%ae%c0%ae/iam"] },
    { kind: "backslashes", targets: ["\\..\\iam", "a\\b"] },
    {
      kind: "signs that not every server allows",
      targets: ["a'b", "a*", "a,b", "a+b", "a$b", "[a]", "{a}", 'a"b', "<a>", "a|b"],
    },
    { kind: "fragments", targets: ["x#y", "x?a#b"] },
    { kind: "two slashes in a row", targets: ["/x", "x//", "//other.example/x"] },
  ];
  const BAD_PREFIXES = [
    "/api//v1/discovery/x",
    "//api/v1/discovery/x",
    "//other.example/api/v1/discovery/x",
    "/%61pi/v1/discovery/x",
  ];
  const NOT_LISTED = [
    "/",
    "/api",
    "/api/v1",
    "/api/v1/discovery",
    "/token",
    "/stop",
    "/api/v1/discoveryx",
    "/api/v1/discovery.json",
    "/api/v1/Discovery/scans",
    "/API/v1/discovery/scans",
    "/api/v1/iam/users",
    "/api/v1/iam/session/terminate",
    "/x/api/v1/discovery/scans",
    "/api/v1/iam?x=/api/v1/discovery/",
  ];
  const WITHOUT_CAPABILITY = [
    "/",
    "/CAP",
    "*",
    "/api/v1/discovery/x",
    "/CAPx/api/v1/discovery/x",
    "/cap/api/v1/discovery/x",
    "/x/../CAP/api/v1/x",
    "//CAP/api/v1/discovery/x",
    "/./CAP/api/v1/discovery/x",
    "/CAP?/api/v1/discovery/x",
    "/api/v1/discovery/x?/CAP/",
    "http://HOST/CAP/api/v1/discovery/x",
    "http://other.example/CAP/api/v1/discovery/x",
  ];

  async function expectRefused(
    targets: readonly string[],
    status: number,
    error: RefusalCode,
  ): Promise<void> {
    await using gateway = await startGateway([json(200, {})]);
    const { armor, speak } = gateway;
    for (const target of targets) {
      const reply = await speak(`GET ${target} HTTP/1.1\r\nHost: HOST\r\n\r\n`);
      const description = expect.stringMatching(/^[A-Z].*\.$/);
      expect([target, refusal(reply)]).toEqual([
        target,
        { status, error, description, isClosing: true },
      ]);
      expect(reply).toMatch(/\r\nX-Armor-Gateway: 1\r\n/);
      expect(reply).not.toContain(CAPABILITY);
    }
    expect(armor.requests).toEqual([]);
  }

  test.each(BELOW_A_LISTED_PATH)("is a bad target: $kind", async ({ targets }) => {
    await expectRefused(
      targets.map((target) => `/CAP${LISTED}${target}`),
      400,
      "bad_target",
    );
  });

  test("is a bad target, also if it does not begin as a listed path does", async () => {
    await expectRefused(
      BAD_PREFIXES.map((target) => `/CAP${target}`),
      400,
      "bad_target",
    );
  });

  test("is refused if its path is not listed", async () => {
    await expectRefused(
      NOT_LISTED.map((target) => `/CAP${target}`),
      403,
      "path_refused",
    );
  });

  test("is refused if it does not begin with the capability and a path", async () => {
    await expectRefused(WITHOUT_CAPABILITY, 403, "wrong_capability");
  });
});

test("GET of a listed path reaches Armor as it is, with any query", async () => {
  await using gateway = await startGateway([json(200, {})], { path: "/base" });
  const { armor, speak } = gateway;
  const targets = [
    "scans?limit=5&filter=a%20eq%20'../x'&next=/../%2e%2e",
    "?",
    "x??y",
    "x/",
    "",
    "a-b._~:@c/0",
    'x?"<>\\^`{|}[]',
  ];
  for (const target of targets) {
    await speak(`GET /CAP${LISTED}${target} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n`);
  }
  expect(armor.requests.map(({ path }) => path)).toEqual(
    targets.map((target) => `/base${LISTED}${target}`),
  );
});

describe("every route", () => {
  const ROUTES = [
    {
      route: "the gateway",
      method: "GET",
      own: CAPABILITY,
      other: CONTROL,
      path: CALL,
      body: "{}",
    },
    {
      route: "the token",
      method: "GET",
      own: CONTROL,
      other: CAPABILITY,
      path: "/token",
      body: "token",
    },
    {
      route: "the stop",
      method: "POST",
      own: CONTROL,
      other: CAPABILITY,
      path: "/stop",
      body: "stop",
    },
  ];
  /** Heads that come from elsewhere, `|` between two lines. */
  const FOREIGN = `
    X: no Host
    Host: other.example
    Host: localhost:PORT
    Host: 127.0.0.1:1
    Host: HOST|Host: HOST
    Host: HOST|Origin: http://HOST
    Host: HOST|Origin: http://HOST/
    Host: HOST|origin: null
    Host: HOST|Sec-Fetch-Site: none
    Host: HOST|Referer: http://other.example/
    Host: HOST|Referer: http://HOST.other.example/
    Host: HOST|X-Forwarded-For: 10.0.0.1
    Host: HOST|X_Forwarded_For: 10.0.0.1
    Host: HOST|x-forwarded-anything: 1
    Host: HOST|Forwarded: for=10.0.0.1
    Host: HOST|Via: 1.1 proxy
    Host: HOST|X-Real-IP: 10.0.0.1
    Host: HOST|X_REAL_IP: 10.0.0.1`.trim();

  test.each(ROUTES)("$route is served with its capability, and with no other", async (route) => {
    const { method, own, other, path, body } = route;
    await using gateway = await startGateway([json(200, {})]);
    const { armor, speak } = gateway;
    const ask = (target: string) =>
      speak(`${method} ${target} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n`);
    expect(await ask(`/${own}${path}`)).toMatch(new RegExp(`^HTTP/1.1 200 [\\s\\S]*${body}`));
    const { length } = armor.requests;
    for (const start of [`/${other}`, "", "/none", `/${own}x`, `/${own.slice(1)}`]) {
      expect(await ask(start + path)).toMatch(/^HTTP\/1.1 40[345] /);
    }
    expect(armor.requests).toHaveLength(length);
  });

  test.each(ROUTES)("$route refuses what comes from elsewhere", async ({ method, own, path }) => {
    await using gateway = await startGateway([json(200, {})]);
    const { armor, speak, port, stats } = gateway;
    for (const lines of FOREIGN.split(/\n */)) {
      const headers = lines.replace("PORT", String(port)).replaceAll("|", "\r\n");
      const reply = await speak(`${method} /${own}${path} HTTP/1.1\r\n${headers}\r\n\r\n`);
      expect(reply).toMatch(/^HTTP\/1.1 403 [\s\S]*foreign_request/);
    }
    expect(armor.requests).toEqual([]);
    expect(stats.problems).toHaveProperty("foreign_request");
  });

  test.each(ROUTES)("$route refuses other methods", async ({ route, method, own, path }) => {
    await using gateway = await startGateway([json(200, {})]);
    const { armor, speak } = gateway;
    for (const other of METHODS) {
      if (other === method || (route === "the gateway" && other === "HEAD")) continue;
      const reply = await speak(`${other} /${own}${path} HTTP/1.1\r\nHost: HOST\r\n\r\n`);
      expect(reply).toMatch(/^HTTP\/1.1 405 [\s\S]*\r\nAllow: /);
    }
    expect(armor.requests).toEqual([]);
  });
});

describe("a request with a body", () => {
  test.each<{ readonly what: string; readonly bytes: string; readonly status: string }>([
    { what: "GET with a length", bytes: `${GET}Content-Length: 4\r\n\r\nbody`, status: "400" },
    {
      what: "GET with chunks",
      bytes: `${GET}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      status: "400",
    },
    {
      what: "GET with another encoding",
      bytes: `${GET}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
      status: "400",
    },
    {
      what: "both lengths",
      bytes: `${GET}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      status: "400",
    },
    {
      what: "two lengths",
      bytes: `${GET}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef`,
      status: "400",
    },
    {
      what: "chunked that is not last",
      bytes: `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
      status: "400",
    },
    { what: "bad chunks", bytes: `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, status: "405" },
    {
      what: "a folded header",
      bytes: `${GET}X: a\r\n b\r\nContent Length: 5\r\n\r\n`,
      status: "400",
    },
    {
      what: "a length named in Connection",
      bytes: `${GET}Connection: Content-Length\r\nContent-Length: 60\r\n\r\n`,
      status: "400",
    },
  ])("($what) is refused, and what follows it is no second request", async ({ bytes, status }) => {
    await using gateway = await startGateway([json(200, {})]);
    const { armor, begin } = gateway;
    const socket = await begin(`${bytes}${GET}\r\n`);
    let isReset = false;
    socket.on("error", () => {
      isReset = true;
    });
    setTimeout(() => socket.end(), 200);
    const reply = await readAll(socket);
    expect(reply).toMatch(new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*\r\nConnection: close\r\n`));
    expect(reply.split("HTTP/1.1 ")).toHaveLength(2);
    expect(isReset).toBe(false);
    expect(armor.requests).toEqual([]);
  });

  test("has its reply before the body, without 100 Continue, and the body may take a while", async () => {
    await using gateway = await startGateway([]);
    const { begin } = gateway;
    const socket = await begin(`${POST}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`);
    const [reply] = (await once(socket, "data")) as [Buffer];
    expect(String(reply)).toMatch(/^HTTP\/1.1 405 /);
    for (const byte of "123456789") {
      await pause(30);
      socket.write(byte);
    }
    let hasError = false;
    socket.on("error", () => {
      hasError = true;
    });
    await readAll(socket);
    expect(hasError).toBe(false);
  });

  test("that never comes is not waited for longer than for a head", async () => {
    await using gateway = await startGateway([], {
      serverLimits: { headMs: 300, maxWaiting: 9, minWaitMs: 100 },
    });
    const { speak } = gateway;
    expect(await speak(`${POST}Content-Length: 9\r\n\r\n123`)).toMatch(/^HTTP\/1.1 405 /);
  });

  test("of no length is none", async () => {
    await using gateway = await startGateway([json(200, {})]);
    const { speak } = gateway;
    expect(await speak(`${GET}Connection: close\r\nContent-Length: 0\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 200 /,
    );
  });
});

describe("what Node's parser gives up", () => {
  const [LARGE, HUGE] = [20_000, 2_000_000].map((size) => `${GET}X: ${"x".repeat(size)}\r\n\r\n`);
  const CONNECT = "CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n";

  test.each<{
    readonly what: string;
    readonly bytes: string | undefined;
    readonly status: number;
    readonly error: RefusalCode;
  }>([
    { what: "headers of 20 KB", bytes: LARGE, status: 431, error: "head_too_large" },
    { what: "headers of 2 MB", bytes: HUGE, status: 431, error: "head_too_large" },
    {
      what: "TLS",
      bytes: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
      status: 400,
      error: "bad_request",
    },
    { what: "CONNECT", bytes: CONNECT, status: 405, error: "method_not_allowed" },
    { what: "half a head", bytes: "GET /CAP", status: 408, error: "request_timeout" },
  ])("($what) is answered like any other refusal", async ({ bytes = "", status, error }) => {
    const serverLimits = { headMs: 500, maxWaiting: 9, minWaitMs: 100 };
    await using gateway = await startGateway([], { serverLimits });
    const { armor, speak, stats } = gateway;
    const description = expect.stringMatching(/^[A-Z].+\.$/);
    expect(refusal(await speak(bytes))).toEqual({ status, error, description, isClosing: true });
    expect(armor.requests).toEqual([]);
    expect(stats.refused).toBe(1);
  });
});

test("a CONNECT behind a request is not answered in place of that request's reply", async () => {
  const slow: Answer = (response) => void setTimeout(() => response.end("late"), 300);
  await using gateway = await startGateway([slow]);
  const connect = "CONNECT other.example:443 HTTP/1.1\r\nHost: HOST\r\n\r\n";
  const read = await gateway.speak(`${GET}\r\n${connect}`).catch(() => "");
  expect(read).not.toContain("405");
});

describe("connections without an admitted request", () => {
  /** A server whose time the test sets. */
  const startWith = async (maxWaiting: number, minWaitMs: number) => {
    const time = { now: 5_000 };
    setClock({ now: () => time.now });
    const serverLimits = { headMs: 60_000, maxWaiting, minWaitMs };
    return Object.assign(await startGateway([json(200, {})], { serverLimits }), { time });
  };

  test("go by time: above the limit the oldest are closed, unless they are new", async () => {
    await using gateway = await startWith(3, 2_000);
    const { time, openConnection } = gateway;
    const sockets = await Promise.all([1, 2, 3, 4].map(() => openConnection()));
    for (const socket of sockets) socket.resume();
    await pause(100);
    expect(sockets.filter((socket) => socket.closed)).toHaveLength(0);
    time.now = 7_000;
    await openConnection();
    const closed = () => sockets.filter((socket) => socket.closed).length;
    await until(() => closed() >= 2);
    expect(closed()).toBe(2); // the four and the new one are two more than the limit
  });

  test("are left alone up to the limit, however old they are", async () => {
    await using gateway = await startWith(3, 2_000);
    const { time, openConnection } = gateway;
    const old = [await openConnection(), await openConnection()];
    time.now += 60_000;
    old.push(await openConnection());
    for (const socket of old) socket.resume();
    await pause(100);
    expect(old.filter((socket) => socket.closed)).toHaveLength(0);
  });

  test("do not count those that had one", async () => {
    await using gateway = await startWith(1, 1);
    const { time, openConnection, begin } = gateway;
    const admitted = await Promise.all([1, 2, 3].map(() => begin(`${GET}\r\n`)));
    await Promise.all(admitted.map((socket) => once(socket, "data")));
    time.now += 10;
    const waiting = (await openConnection()).resume();
    time.now += 10;
    await openConnection();
    await until(() => waiting.closed);
    expect(admitted.filter((socket) => socket.closed)).toHaveLength(0);
  });
});

test("the agent listens on 127.0.0.1 alone", async () => {
  await using gateway = await startGateway([]);
  const { server } = gateway;
  expect((server.address() as AddressInfo).address).toBe("127.0.0.1");
});

test("the reason is readable for every one of 300 refusals at once", async () => {
  await using gateway = await startGateway([json(200, {})]);
  const { port, counts, stats } = gateway;
  const replies = await Promise.all(
    Array.from({ length: 300 }, () => call(`http://127.0.0.1:${port}/x`)),
  );
  expect(new Set(replies.map(errorOf))).toEqual(new Set(["wrong_capability"]));
  expect(counts()).toEqual({ answered: {}, failed: {}, refused: 300 });
  expect(stats.problems).toEqual({});
});
