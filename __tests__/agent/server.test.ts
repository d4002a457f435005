// The agent's door at a raw socket: what is refused, how, and that Armor sees none of it.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { CALL, CAPABILITY, CONTROL, open, pause, readAll, startGateway, until } from "../fixtures/agent.ts";
import { json } from "../fixtures/server.ts";

const LISTED = "/api/v1/discovery/";

/** Targets, of which Armor must see none. `CAP` is the gateway's capability. */
const TARGETS: readonly (readonly [target: string, status: number, error: string])[] = [
  // What the path rule refuses.
  ...[
    `${LISTED}..`,
    `${LISTED}../iam/users`,
    `${LISTED}../../../x`,
    `${LISTED}./x`,
    `${LISTED}x/..`,
    `${LISTED}x/.`,
    `${LISTED}...`,
    `${LISTED}.hidden`,
    `${LISTED}..;/iam`,
    `${LISTED}..;a=b/iam`,
    `${LISTED};/../iam`,
    `${LISTED}x;y=z`,
    `${LISTED}%2e%2e/iam`,
    `${LISTED}%2E./iam`,
    `${LISTED}.%2e/iam`,
    `${LISTED}%252e%252e/iam`,
    `${LISTED}%25252e%25252e/iam`,
    `${LISTED}..%2fiam`,
    `${LISTED}a%2fb`,
    `${LISTED}a%5cb`,
    `${LISTED}a%00`,
    `${LISTED}%`,
    `${LISTED}%zz`,
    `${LISTED}%ff`,
    `${LISTED}%c0%ae%c0%ae/iam`,
    `${LISTED}caf%C3%A9`,
    `${LISTED}..%20`,
    `${LISTED}a%0d%0aX:y`,
    `${LISTED}\\..\\iam`,
    `${LISTED}a\\b`,
    `${LISTED}a'b`,
    `${LISTED}a*`,
    `${LISTED}a,b`,
    `${LISTED}a+b`,
    `${LISTED}a$b`,
    `${LISTED}[a]`,
    `${LISTED}{a}`,
    `${LISTED}a"b`,
    `${LISTED}<a>`,
    `${LISTED}a|b`,
    `${LISTED}x#y`,
    `${LISTED}x?a#b`,
    "/api/v1/discovery//x",
    "/api//v1/discovery/x",
    "//api/v1/discovery/x",
    "//other.example/api/v1/discovery/x",
    "/api/v1/discovery/x//",
    "/%61pi/v1/discovery/x",
  ].map((path) => [`/CAP${path}`, 400, "bad_target"] as const),
  // Plain paths that are not listed.
  ...[
    "/",
    "/api",
    "/api/v1",
    "/api/v1/discovery",
    "/api/v1/discoveryx",
    "/api/v1/discovery.json",
    "/api/v1/Discovery/scans",
    "/API/v1/discovery/scans",
    "/api/v1/iam/users",
    "/api/v1/iam/session/terminate",
    "/api/v1/iam?x=/api/v1/discovery/",
    "/x/api/v1/discovery/scans",
    "/token",
    "/stop",
  ].map((path) => [`/CAP${path}`, 403, "path_refused"] as const),
  // Not below the capability.
  ...[
    "/",
    "/CAP",
    "/CAP?/api/v1/discovery/x",
    "/CAPx/api/v1/discovery/x",
    "/cap/api/v1/discovery/x",
    "//CAP/api/v1/discovery/x",
    "/./CAP/api/v1/discovery/x",
    "/x/../CAP/api/v1/discovery/x",
    "/api/v1/discovery/x",
    "/api/v1/discovery/x?/CAP/",
    "http://HOST/CAP/api/v1/discovery/x",
    "http://other.example/CAP/api/v1/discovery/x",
    "*",
  ].map((target) => [target, 403, "wrong_capability"] as const),
];

test.each(TARGETS)("GET %s is answered %i %s", async (target, status, error) => {
  const { armor, speak } = await startGateway([json(200, {})]);
  const reply = await speak(`GET ${target} HTTP/1.1\r\nHost: HOST\r\n\r\n`);
  expect(reply).toMatch(new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*\r\nConnection: close\r\n`));
  expect(reply).toMatch(/\r\nX-Armor-Gateway: 1\r\n/);
  expect(JSON.parse(reply.split("\r\n\r\n")[1] ?? "")).toEqual({
    ...{ error, error_description: expect.stringMatching(/^[A-Z].*\.$/) },
  });
  expect(reply).not.toContain(CAPABILITY);
  expect(armor.requests).toEqual([]);
});

test.each([
  `${LISTED}scans?limit=5&filter=a%20eq%20'../x'&next=/../%2e%2e`,
  `${LISTED}?`,
  `${LISTED}x??y`,
  `${LISTED}x/`,
  LISTED,
  `${LISTED}a-b._~:@c/0`,
  `${LISTED}x?"<>\\^\`{|}[]`,
])("GET %s reaches Armor as it is", async (target) => {
  const { armor, speak } = await startGateway([json(200, {})], { path: "/base" });
  await speak(`GET /CAP${target} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n`);
  expect(armor.requests).toMatchObject([{ method: "GET", path: `/base${target}` }]);
});

describe("every route", () => {
  const ROUTES = [
    { route: "the gateway", method: "GET", own: CAPABILITY, other: CONTROL, path: CALL, body: "{}" },
    { route: "the token", method: "GET", own: CONTROL, other: CAPABILITY, path: "/token", body: "token" },
    { route: "the stop", method: "POST", own: CONTROL, other: CAPABILITY, path: "/stop", body: "stop" },
  ];
  const FOREIGN: readonly (readonly [string, string])[] = [
    ["no Host", ""],
    ["another Host", "Host: other.example\r\n"],
    ["another name for loopback", "Host: localhost:PORT\r\n"],
    ["another port", "Host: 127.0.0.1:1\r\n"],
    ["two Hosts", "Host: HOST\r\nHost: HOST\r\n"],
    ...[
      "Origin: http://HOST",
      "origin: null",
      "Sec-Fetch-Site: none",
      "Referer: http://other.example/",
      "Referer: http://HOST.other.example/",
      "X-Forwarded-For: 10.0.0.1",
      "X_Forwarded_For: 10.0.0.1",
      "x-forwarded-anything: 1",
      "Forwarded: for=10.0.0.1",
      "Via: 1.1 proxy",
      "X-Real-IP: 10.0.0.1",
      "X_REAL_IP: 10.0.0.1",
    ].map((line) => [line, `Host: HOST\r\n${line}\r\n`] as const),
  ];

  test.each(ROUTES)(
    "$route is served with its capability, and with no other",
    async ({ method, own, other, path, body }) => {
      const { armor, speak } = await startGateway([json(200, {})]);
      const ask = (target: string) =>
        speak(`${method} ${target} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n`);
      expect(await ask(`/${own}${path}`)).toMatch(new RegExp(`^HTTP/1.1 200 [\\s\\S]*${body}`));
      const { length } = armor.requests;
      for (const target of [
        `/${other}${path}`,
        path,
        `/none${path}`,
        `/${own}x${path}`,
        `/${own.slice(1)}${path}`,
      ]) {
        expect(await ask(target)).toMatch(/^HTTP\/1.1 40[345] /);
      }
      expect(armor.requests).toHaveLength(length);
    },
  );

  test.each(ROUTES)("$route refuses what comes from elsewhere", async ({ method, own, path }) => {
    const { armor, speak, port, stats } = await startGateway([json(200, {})]);
    for (const [, headers] of FOREIGN) {
      const head = `${method} /${own}${path} HTTP/1.1\r\n${headers.replace("PORT", String(port))}\r\n`;
      expect(await speak(head)).toMatch(/^HTTP\/1.1 403 [\s\S]*foreign_request/);
    }
    expect(armor.requests).toEqual([]);
    expect(stats.report().problems).toHaveProperty("foreign_request");
  });

  test.each(ROUTES)("$route refuses other methods", async ({ route, method, own, path }) => {
    const { armor, speak } = await startGateway([json(200, {})]);
    for (const other of [
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
    ]) {
      if (other === method || (route === "the gateway" && other === "HEAD")) continue;
      const reply = await speak(`${other} /${own}${path} HTTP/1.1\r\nHost: HOST\r\n\r\n`);
      expect(reply).toMatch(/^HTTP\/1.1 405 [\s\S]*\r\nAllow: /);
    }
    expect(armor.requests).toEqual([]);
  });
});

describe("a proxy on the way", () => {
  test("is named in the refusal, with what to set", async () => {
    const { speak } = await startGateway([]);
    const reply = await speak(`GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\nVia: 1.1 squid\r\n\r\n`);
    expect(reply).toMatch(/header via.*no_proxy/);
  });
});

describe("a request with a body", () => {
  const POST = `POST /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n`;
  const GET = `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n`;
  const SECOND = `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n\r\n`;

  test.each<[string, string, string]>([
    ["GET with a length", `${GET}Content-Length: 4\r\n\r\nbody`, "400"],
    ["GET with chunks", `${GET}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, "400"],
    ["GET with another encoding", `${GET}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, "400"],
    ["both lengths", `${GET}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, "400"],
    ["two lengths", `${GET}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef`, "400"],
    ["chunked that is not last", `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`, "400"],
    ["bad chunks", `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, "405"],
    ["a folded header", `${GET}X: a\r\n b\r\nContent Length: 5\r\n\r\n`, "400"],
    ["a length named in Connection", `${GET}Connection: Content-Length\r\nContent-Length: 60\r\n\r\n`, "400"],
  ])("(%s) is refused, and what follows it is no second request", async (_, bytes, status) => {
    const { armor, begin } = await startGateway([json(200, {})]);
    const socket = await begin(bytes + SECOND);
    setTimeout(() => socket.end(), 200);
    const reply = await readAll(socket);
    expect(reply).toMatch(new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*\r\nConnection: close\r\n`));
    expect(reply.split("HTTP/1.1 ")).toHaveLength(2);
    expect(armor.requests).toEqual([]);
  });

  test("has its reply before the body, without 100 Continue, and the body may take a while", async () => {
    const { begin } = await startGateway([]);
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
    const { speak } = await startGateway([], {
      serverLimits: { headMs: 300, maxWaiting: 9, minWaitMs: 100 },
    });
    expect(await speak(`${POST}Content-Length: 9\r\n\r\n123`)).toMatch(/^HTTP\/1.1 405 /);
  });

  test("of no length is none", async () => {
    const { speak } = await startGateway([json(200, {})]);
    expect(await speak(`${GET}Connection: close\r\nContent-Length: 0\r\n\r\n`)).toMatch(/^HTTP\/1.1 200 /);
  });
});

describe("what Node's parser gives up", () => {
  test.each([
    [
      "headers of 20 KB",
      `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
      431,
      "head_too_large",
    ],
    [
      "headers of 2 MB",
      `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\nX: ${"x".repeat(2_000_000)}\r\n\r\n`,
      431,
      "head_too_large",
    ],
    ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request"],
    [
      "CONNECT",
      "CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n",
      405,
      "method_not_allowed",
    ],
    ["half a head", "GET /CAP", 408, "request_timeout"],
  ])("(%s) is answered like any other refusal", async (_, bytes, status, error) => {
    const { armor, begin, stats } = await startGateway([], {
      serverLimits: { headMs: 500, maxWaiting: 9, minWaitMs: 100 },
    });
    const reply = await readAll(await begin(bytes));
    expect(reply).toMatch(new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*\r\nConnection: close\r\n`));
    expect(JSON.parse(reply.split("\r\n\r\n")[1] ?? "").error).toBe(error);
    expect(armor.requests).toEqual([]);
    expect(stats.report().refused).toBe(1);
  });
});

describe("connections without an admitted request", () => {
  test("go by time: above the limit the oldest is closed, unless it is new", async () => {
    let now = 0;
    const { port } = await startGateway([json(200, {})], {
      ...{ now: () => now, serverLimits: { headMs: 60_000, maxWaiting: 3, minWaitMs: 2_000 } },
    });
    const sockets = await Promise.all([1, 2, 3, 4].map(() => open(port)));
    for (const socket of sockets) socket.resume();
    await pause(100);
    expect(sockets.filter((socket) => socket.closed)).toHaveLength(0);
    now = 2_000;
    await open(port);
    await until(() => sockets.some((socket) => socket.closed));
    expect(sockets.filter((socket) => socket.closed)).toHaveLength(1);
  });

  test("do not count those that had one", async () => {
    let now = 0;
    const { port, begin } = await startGateway([json(200, {})], {
      ...{ now: () => now, serverLimits: { headMs: 60_000, maxWaiting: 1, minWaitMs: 1 } },
    });
    const admitted = await Promise.all(
      [1, 2, 3].map(() => begin(`GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n\r\n`)),
    );
    await Promise.all(admitted.map((socket) => once(socket, "data")));
    now = 10;
    const waiting = (await open(port)).resume();
    now = 20;
    await open(port);
    await until(() => waiting.closed);
    expect(admitted.filter((socket) => socket.closed)).toHaveLength(0);
  });
});

test("the agent listens on 127.0.0.1 alone", async () => {
  const { server } = await startGateway([]);
  expect((server.address() as AddressInfo).address).toBe("127.0.0.1");
});

test("the reason is readable for every one of 300 refusals at once", async () => {
  const { port, call, stats } = await startGateway([json(200, {})]);
  const replies = await Promise.all(
    Array.from({ length: 300 }, async () => await fetch(`http://127.0.0.1:${port}/wrong${CALL}`)),
  );
  expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([403]));
  expect(stats.report()).toMatchObject({ refused: 300, problems: {} });
  await expect(call()).resolves.toMatchObject({ status: 200 });
});
