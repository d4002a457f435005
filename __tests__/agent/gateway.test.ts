// The gateway between real sockets: a scripted Armor behind it, well- and ill-behaved clients before it.

import { once } from "node:events";
import http, { type IncomingHttpHeaders, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { systemClock } from "../../src/clock.ts";
import { ArmorError } from "../../src/errors.ts";
import { createGateway } from "../../src/agent/gateway.ts";
import { keptRoute } from "../../src/armor/http.ts";
import { Keeper } from "../../src/agent/token-cache.ts";
import { listen } from "../../src/agent/server.ts";
import { Stats } from "../../src/agent/stats.ts";
import { startAnsweringProxy } from "../fixtures/proxy.ts";
import {
  type Answer,
  cutOff,
  drip,
  type FakeServer,
  json,
  raw,
  redirect,
  reset,
  silence,
  stall,
  startServer,
  text,
} from "../fixtures/server.ts";

const CAPABILITY = "c4p4bility";
const CALL = "/api/v1/discovery/scans";

interface Open {
  readonly armor: FakeServer;
  readonly server: Server;
  readonly agent: http.Agent;
  readonly port: number;
  readonly url: string;
  readonly stats: Stats;
  readonly mints: () => number;
}

let open: Open;

afterEach(async () => {
  if ("destroy" in open.agent) open.agent.destroy(); // that of `tunnel` has no such method
  open.server.closeAllConnections();
  open.server.close();
  await open.armor.close();
});

/** A gateway before an Armor that gives these answers, with tokens `first`, `minted-1` and so on. */
async function gatewayTo(
  answers: readonly Answer[],
  {
    idleMs = 5_000,
    clientIdleMs = 10_000,
    mint = undefined as (() => Promise<never>) | undefined,
    path = "",
    hidden = "",
    isHasty = false,
  } = {},
): Promise<Open> {
  const armor = await startServer(answers, { isHasty });
  const stats = new Stats();
  const apiUrl = hidden === "" ? armor.url + path : hidden;
  const { agent, proxy } = keptRoute(new URL(apiUrl), hidden === "" ? idleMs : 300);
  let mints = 0;
  const make = (accessToken: string) => ({
    accessToken,
    expiresIn: 60,
    expiresAt: Date.now() + 60_000,
    requestedAt: systemClock.now(),
  });
  const keeper = new Keeper({
    first: mint === undefined ? make("first") : { ...make("first"), expiresIn: 1e-9 },
    mint:
      mint ??
      (async () => {
        mints += 1;
        return make(`minted-${mints}`);
      }),
    clock: systemClock,
    onMint: () => stats.minted(),
    onFailure: () => undefined,
  });
  const { port, server } = await listen(
    CAPABILITY,
    stats,
    systemClock.now,
    (own) => ({
      gateway: createGateway({
        apiUrl,
        gatewayPath: `http://127.0.0.1:${own}/${CAPABILITY}`,
        keeper,
        agent,
        proxy,
        idleMs: hidden === "" ? idleMs : 300,
        clock: systemClock,
        stats,
      }),
      token: async (response) => void response.end("the token"),
      stop: async (response) => void response.end("the end"),
      onRequest: () => undefined,
    }),
    clientIdleMs,
  );
  open = {
    armor,
    server,
    agent,
    port,
    url: `http://127.0.0.1:${port}/${CAPABILITY}`,
    stats,
    mints: () => mints,
  };
  return open;
}

interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A call with nothing added by a friendly client. */
function call(
  path: string,
  { method = "GET", headers = {}, body = "" }: { method?: string; headers?: object; body?: string } = {},
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const target = { host: "127.0.0.1", port: open.port, path: `/${CAPABILITY}${path}` };
    const options = { ...target, method, headers: { ...headers }, agent: false };
    const request = http.request(options, async (response) => {
      const chunks: Buffer[] = [];
      try {
        for await (const chunk of response) chunks.push(chunk);
        const text = Buffer.concat(chunks).toString("utf8");
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      } catch (error) {
        reject(error);
      }
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** Sends bytes as they are, and gives what comes back until the connection ends. */
async function speak(bytes: string): Promise<string> {
  const socket: Socket = connect(open.port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  socket.write(bytes.replaceAll("HOST", `127.0.0.1:${open.port}`).replaceAll("CAP", CAPABILITY));
  await once(socket, "close");
  return Buffer.concat(chunks).toString("utf8");
}

/** The next call works, and nothing of the calls before it is left: no connection, no request that waits. */
async function expectWellAfter(): Promise<void> {
  await expect(call(CALL)).resolves.toMatchObject({ status: 200 });
  const connections = () =>
    new Promise<number>((resolve) => open.server.getConnections((_, count) => resolve(count)));
  const { sockets, requests } = open.agent;
  const busy = () => [...Object.values(sockets), ...Object.values(requests)].flat().length;
  while ((await connections()) > 0 || busy() > 0) await new Promise(setImmediate);
}

describe("what reaches Armor", () => {
  test("is the call, with a live token and the right host, and without what is not Armor's", async () => {
    await gatewayTo([json(200, {})]);
    await call(`${CALL}?limit=5&filter=a%20b`, {
      headers: {
        Authorization: "Bearer somebody-else's",
        Connection: "close, X-Hop",
        Cookie: "a=b",
        Forwarded: "for=10.0.0.1",
        "Keep-Alive": "timeout=5",
        "Proxy-Authorization": "Basic eDp5",
        "Proxy-Connection": "keep-alive",
        TE: "trailers",
        "X-Csrf-Header": '""',
        "X-Hop": "1",
        "X-Kept": "yes",
      },
    });
    const [request] = open.armor.requests;
    expect(request).toMatchObject({ method: "GET", path: `${CALL}?limit=5&filter=a%20b`, body: "" });
    expect(request?.headers).toEqual({
      authorization: "Bearer first",
      connection: "keep-alive",
      host: `127.0.0.1:${open.armor.port}`,
      "x-csrf-header": '""',
      "x-kept": "yes",
    });
  });

  test.each(["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])("%s with its body", async (method) => {
    await gatewayTo([json(200, {})]);
    const body = "ü".repeat(1000);
    await call(CALL, { method, body, headers: { "Content-Length": 2000, "Content-Type": "text/plain" } });
    await call(CALL, { method, body, headers: { "Transfer-Encoding": "chunked" } });
    expect(open.armor.requests).toEqual([
      expect.objectContaining({
        method,
        body,
        headers: expect.objectContaining({ "content-length": "2000" }),
      }),
      expect.objectContaining({
        method,
        body,
        headers: expect.objectContaining({ "transfer-encoding": "chunked" }),
      }),
    ]);
  });

  test.each(["GET", "POST", "DELETE"])(
    "%s with its length, though the Connection header names it",
    async (method) => {
      await gatewayTo([json(200, {})]);
      const body = "GET /api/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
      const headers = {
        Connection: "close, Content-Length, Transfer-Encoding",
        "Content-Length": body.length,
      };
      await call(CALL, { method, body, headers });
      await call(CALL);
      expect(open.armor.requests).toEqual([
        expect.objectContaining({ method, path: CALL, body }),
        expect.objectContaining({ method: "GET", path: CALL, body: "" }),
      ]);
    },
  );

  test("is below api-url, where that has a path of its own", async () => {
    await gatewayTo([json(200, {})], { path: "/armor" });
    await call(CALL);
    expect(open.armor.requests[0]?.path).toBe(`/armor${CALL}`);
  });

  test("comes over connections that are kept", async () => {
    await gatewayTo([json(200, {})]);
    for (let times = 0; times < 5; times += 1) await call(CALL);
    expect(open.armor.connections).toBe(1);
  });

  test("is nothing of what the guard refuses", async () => {
    await gatewayTo([json(200, {})]);
    await expect(call("/api/../x", {})).resolves.toMatchObject({ status: 400 });
    await expect(call("/api/%2e%2e/x")).resolves.toMatchObject({ status: 400 });
    await expect(call(CALL, { headers: { Origin: "https://evil.example" } })).resolves.toMatchObject({
      status: 403,
      headers: { connection: "close", "content-type": "application/json" },
      body: '{"error":"foreign_request","error_description":"Requests with a header origin are not of this job."}',
    });
    expect(open.armor.requests).toEqual([]);
    expect(open.stats.report()).toMatchObject({ refused: 3, calls: {} });
  });

  test.each([
    [
      "both lengths",
      "POST /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
    ],
    [
      "two lengths",
      "POST /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    ],
    [
      "an encoding behind chunked",
      "POST /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ],
    ["a folded header", "GET /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nX: a\r\n b\r\nContent Length: 5\r\n\r\n"],
    ["too many headers", `GET /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nX: ${"x".repeat(20_000)}\r\n\r\n`],
    ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
  ])("is nothing of a request with %s", async (_, bytes) => {
    await gatewayTo([json(200, {})]);
    await expect(speak(bytes)).resolves.toMatch(/^HTTP\/1\.1 4\d\d .*\r\n(.*\r\n)*Connection: close\r\n/);
    expect(open.armor.requests).toEqual([]);
  });

  test("is at most the torn request whose chunks are bad, and never a second one", async () => {
    await gatewayTo([json(200, {})]);
    await speak(
      "POST /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET /CAP/api/evil HTTP/1.1\r\n\r\n",
    );
    expect(open.armor.requests.filter(({ path }) => path.includes("evil"))).toEqual([]);
    await expect(call(CALL)).resolves.toMatchObject({ status: 200 });
  });

  test("is no tunnel and no switch of protocols", async () => {
    await gatewayTo([json(200, {})]);
    await expect(
      speak("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n"),
    ).resolves.toMatch(/^HTTP\/1\.1 405 /);
    const upgrade =
      "GET /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    await expect(speak(upgrade)).resolves.toMatch(/^HTTP\/1\.1 400 /);
    await expect(speak("GET http://evil.example/ HTTP/1.1\r\nHost: HOST\r\n\r\n")).resolves.toMatch(
      /^HTTP\/1\.1 400 /,
    );
    expect(open.armor.requests).toEqual([]);
  });
});

describe("what comes back", () => {
  test("is status, headers and body, without what belongs to one connection", async () => {
    await gatewayTo([
      text(206, "part", {
        "Content-Range": "bytes 0-3/9",
        "Keep-Alive": "timeout=77",
        "Set-Cookie": "session=abc",
        "Proxy-Authenticate": "Basic",
        Connection: "X-Hop",
        "X-Hop": "1",
        "X-Kept": "yes",
      }),
    ]);
    const { status, headers, body } = await call(CALL);
    expect([status, body]).toEqual([206, "part"]);
    expect(headers).toMatchObject({ "content-range": "bytes 0-3/9", "x-kept": "yes" });
    for (const name of ["set-cookie", "proxy-authenticate", "x-hop"])
      expect(headers).not.toHaveProperty(name);
    expect(headers["keep-alive"]).not.toBe("timeout=77");
  });

  test.each<[string, Answer, Partial<Got>]>([
    ["204", text(204, ""), { status: 204, body: "" }],
    [
      "204 with a body, against the rules",
      raw("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody"),
      { status: 204, body: "" },
    ],
    [
      "what follows many informational replies",
      raw(
        `${"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n".repeat(20)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`,
      ),
      { status: 200, body: "ok" },
    ],
    ["304", text(304, "", { ETag: '"x"' }), { status: 304, body: "" }],
    ["an error of Armor's own", json(422, { code: 5 }), { status: 422, body: '{"code":5}' }],
    [
      "what is compressed, untouched",
      text(200, "\x1f\x8b…", { "Content-Encoding": "gzip" }),
      { status: 200, body: "\x1f\x8b…" },
    ],
    [
      "HTTP/1.0, which ends with its connection",
      raw("HTTP/1.0 200 OK\r\n\r\nold"),
      { status: 200, body: "old" },
    ],
    [
      "what follows informational replies",
      raw("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
      { status: 200, body: "ok" },
    ],
    [
      "a body with trailers, less the trailers",
      raw("HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: 1\r\n\r\n"),
      { status: 200, body: "ok" },
    ],
  ])("is %s", async (_, answer, expected) => {
    await gatewayTo([answer, json(200, {})]);
    await expect(call(CALL)).resolves.toMatchObject(expected);
    await expectWellAfter();
  });

  test("is no body to HEAD", async () => {
    await gatewayTo([text(200, "", { "Content-Length": "1000" })]);
    await expect(call(CALL, { method: "HEAD" })).resolves.toMatchObject({
      status: 200,
      headers: { "content-length": "1000" },
      body: "",
    });
  });

  test.each<[string, Answer]>([
    ["is cut off", cutOff],
    ["stalls", stall],
    ["has bad chunks", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n")],
    ["ends before its last chunk", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")],
  ])("a body that %s is a broken connection, and the next call works", async (_, answer) => {
    await gatewayTo([answer, json(200, {})], { idleMs: 300 });
    await expect(call(CALL)).rejects.toMatchObject({ code: "ECONNRESET" });
    await expectWellAfter();
    expect(open.stats.report().failures).toEqual({ reply_incomplete: 1 });
  });

  test("a slow body is none that stalls", async () => {
    const slowly: Answer = (response) => {
      drip(response, { method: "", path: "", headers: {}, body: "" });
      setTimeout(() => response.end("done"), 700);
    };
    await gatewayTo([slowly], { idleMs: 400 });
    await expect(call(CALL)).resolves.toMatchObject({ status: 200, body: expect.stringMatching(/^ +done$/) });
  });

  test.each<[string, Answer, number, string]>([
    ["resets", reset, 502, "connection_failed"],
    ["says nothing", silence, 504, "reply_timeout"],
    [
      "switches protocols",
      raw("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", {
        thenEnd: false,
      }),
      502,
      "reply_invalid",
    ],
    [
      "answers with a status that is none",
      raw("HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"),
      502,
      "reply_invalid",
    ],
    ["does not speak HTTP", raw("220 mail.example ESMTP\r\n"), 502, "reply_invalid"],
    [
      "has huge headers",
      raw(`HTTP/1.1 200 OK\r\n${`X: ${"x".repeat(1000)}\r\n`.repeat(100)}\r\n`),
      502,
      "reply_invalid",
    ],
  ])("an Armor that %s is told in the reply, and the next call works", async (_, answer, status, error) => {
    await gatewayTo([answer, json(200, {})], { idleMs: 300 });
    const got = await call(CALL);
    expect(got).toMatchObject({ status, headers: { "content-type": "application/json" } });
    expect(JSON.parse(got.body)).toEqual({
      error,
      error_description: expect.stringContaining(open.armor.url),
    });
    await expectWellAfter();
    expect(open.stats.report()).toMatchObject({ failures: { [error]: 1 }, calls: { "2xx": 1, "5xx": 1 } });
  });

  test("an Armor that is gone is told too, with a body half sent", async () => {
    await gatewayTo([json(200, {})]);
    await open.armor.close();
    const got = await call(CALL, { method: "POST", body: "x".repeat(1_000_000) });
    expect(got).toMatchObject({ status: 502, body: expect.stringContaining("connection_failed") });
    open = { ...open, armor: await startServer([]) };
  });

  test("so is a token that cannot be had", async () => {
    await gatewayTo([json(200, {})], {
      mint: () => Promise.reject(new ArmorError("credentials_rejected", "Not accepted", "Check.")),
    });
    await expect(call(CALL)).resolves.toMatchObject({
      status: 502,
      body: '{"error":"credentials_rejected","error_description":"Not accepted. Check."}',
    });
    expect(open.armor.requests).toEqual([]);
  });

  test("and a fault of the agent, without its words", async () => {
    await gatewayTo([json(200, {})], {
      mint: () => Promise.reject(new TypeError("s3cret is not a function")),
    });
    const { status, body } = await call(CALL);
    expect([status, JSON.parse(body).error]).toEqual([502, "agent_failed"]);
    expect(body).not.toContain("s3cret");
  });

  test.each<[string, number]>([
    ["GET", 200],
    ["POST", 502],
  ])("a kept connection that breaks when it is used again: %s is %i", async (method, status) => {
    await gatewayTo([json(200, {}), reset, json(200, {})]);
    await expect(call(CALL)).resolves.toMatchObject({ status: 200 });
    await expect(call(CALL, { method })).resolves.toMatchObject({ status });
    await expect(call(CALL)).resolves.toMatchObject({ status: 200 });
    expect(open.armor.requests).toHaveLength(4 - Number(status !== 200));
  });
});

describe("a token that Armor refuses", () => {
  test.each(["GET", "HEAD"])("is renewed, and %s replayed, once", async (method) => {
    await gatewayTo([text(401, ""), json(200, {})]);
    await expect(call(CALL, { method })).resolves.toMatchObject({ status: 200 });
    expect(open.armor.requests.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer first",
      "Bearer minted-1",
    ]);
  });

  test("is told where renewing does not help, and not renewed at every call", async () => {
    await gatewayTo([json(401, { error: "unauthorized" })]);
    await expect(call(CALL)).resolves.toMatchObject({ status: 401, body: '{"error":"unauthorized"}' });
    await expect(call(CALL)).resolves.toMatchObject({ status: 401 });
    expect(open.mints()).toBe(1);
  });

  test.each([
    ["POST", ""],
    ["GET", "body"],
  ])("is told to %s %p, which is not replayed, and renewed for the next call", async (method, body) => {
    await gatewayTo([text(401, ""), json(200, {})]);
    await expect(
      call(CALL, { method, body, headers: { "Content-Length": body.length } }),
    ).resolves.toMatchObject({
      status: 401,
    });
    expect(open.armor.requests).toHaveLength(1);
    await expect(call(CALL)).resolves.toMatchObject({ status: 200 });
    expect(open.armor.requests[1]?.headers.authorization).toBe("Bearer minted-1");
  });
});

describe("redirects", () => {
  test.each([301, 302, 303, 307, 308])(
    "%i of a GET within Armor's origin is followed inside",
    async (status) => {
      await gatewayTo([
        redirect(status, "/api/v2/scans?x=1"),
        redirect(status, "scans3"),
        json(200, { a: 1 }),
      ]);
      await expect(call(CALL)).resolves.toMatchObject({ status: 200, body: '{"a":1}' });
      expect(open.armor.requests.map(({ path }) => path)).toEqual([
        CALL,
        "/api/v2/scans?x=1",
        "/api/v2/scans3",
      ]);
      expect(open.armor.requests.at(-1)?.headers.authorization).toBe("Bearer first");
    },
  );

  test("of a POST stays inside by its Location", async () => {
    await gatewayTo([redirect(308, "/armor/api/v2/scans?x=1"), json(200, {})], { path: "/armor" });
    const { status, headers } = await call(CALL, { method: "POST" });
    expect([status, headers.location]).toEqual([308, `${open.url}/api/v2/scans?x=1`]);
  });

  test.each([
    "https://evil.example/api/x",
    "/login",
    "http://user:word@127.0.0.1/api/x",
    "https://api.armor.fortanix.com/api/x",
    "https://[",
  ])("to %s passes through, without credentials", async (location) => {
    await gatewayTo([redirect(307, location)]);
    const { status, headers, body } = await call(CALL);
    expect([status, headers.location, body]).toEqual([307, location, ""]);
    expect(open.armor.requests).toHaveLength(1);
  });

  test("in a circle are followed five times, and then shown", async () => {
    await gatewayTo([redirect(308, CALL)]);
    await expect(call(CALL)).resolves.toMatchObject({
      status: 308,
      headers: { location: `${open.url}${CALL}` },
    });
    expect(open.armor.requests).toHaveLength(6);
  });
});

describe("through a proxy", () => {
  afterEach(() => {
    delete process.env["https_proxy"];
  });

  /** A call to a host behind this proxy. */
  async function callThrough(proxyUrl: string): Promise<Got> {
    process.env["https_proxy"] = proxyUrl;
    await gatewayTo([], { hidden: "https://armor.corp.test" });
    return await call(CALL);
  }

  test.each([
    ["refuses", "HTTP/1.1 403 Forbidden\r\n\r\n", 502, "proxy_refused"],
    ["wants credentials", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", 502, "proxy_refused"],
    ["is overloaded", "HTTP/1.1 503 Service Unavailable\r\n\r\n", 502, "proxy_failed"],
    ["never answers", "", 504, "reply_timeout"],
  ])("that %s, the call is told so", async (_, answer, status, error) => {
    const proxy = await startAnsweringProxy(answer);
    const got = await callThrough(`http://user:Passw0rd@127.0.0.1:${proxy.port}`);
    await proxy.close();
    expect([got.status, JSON.parse(got.body).error]).toEqual([status, error]);
    expect(got.body).toContain(`http://127.0.0.1:${proxy.port}`);
    expect(got.body).not.toContain("Passw0rd");
  });

  test("that is not there, the call is told so", async () => {
    const { port, close } = await startAnsweringProxy("");
    await close();
    const got = await callThrough(`http://127.0.0.1:${port}`);
    expect([got.status, JSON.parse(got.body).error]).toEqual([502, "connection_failed"]);
    expect(got.body).toContain(`through the proxy http://127.0.0.1:${port}`);
  });

  test("by way of `tunnel`, where Node does not know proxies itself", async () => {
    const symbols = jest.spyOn(Object, "getOwnPropertySymbols").mockReturnValue([]);
    const proxy = await startAnsweringProxy("");
    const got = await callThrough(`http://127.0.0.1:${proxy.port}`);
    symbols.mockRestore();
    await proxy.close();
    expect([got.status, JSON.parse(got.body).error]).toEqual([504, "reply_timeout"]);
  });
});

describe("clients", () => {
  test.each<[string, Answer]>([
    ["before", silence],
    ["amid", drip],
  ])("one that leaves ends the request to Armor, %s the reply", async (_, answer) => {
    let client: http.ClientRequest | undefined;
    const left = new Promise<void>((resolve) => {
      gatewayTo([
        (response, request) => {
          response.on("close", resolve);
          answer(response, request);
          client?.destroy();
        },
      ]).then(({ url }) => {
        client = http.get(url + CALL, { agent: false }, (response) => response.resume());
        client.on("error", () => undefined);
      });
    });
    await left;
    expect(open.stats.report().failures).toEqual({});
  });

  /** Sends the beginning of a request, and keeps the connection. */
  async function begin(bytes: string): Promise<Socket> {
    const socket = connect(open.port, "127.0.0.1").on("error", () => undefined);
    await once(socket, "connect");
    socket.write(bytes.replaceAll("HOST", `127.0.0.1:${open.port}`).replaceAll("CAP", CAPABILITY));
    return socket;
  }

  test.each([
    ["the request line", "GET /CA"],
    ["the headers", "GET /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nAcc"],
    ["the body", "POST /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 999\r\n\r\nabc"],
    ["a chunk", "POST /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc"],
  ])("one that leaves amid %s leaves nothing behind", async (_, bytes) => {
    await gatewayTo([json(200, {})]);
    const socket = await begin(bytes);
    socket.destroy();
    await expectWellAfter();
    expect(open.armor.requests).toHaveLength(1);
    expect(open.stats.report().failures).toEqual({});
  });

  test("one that has its answer before it has sent everything may leave, or go on", async () => {
    await gatewayTo([json(200, { ok: true })], { isHasty: true, idleMs: 60_000 });
    const post = (path: string) =>
      `POST /CAP/api/${path} HTTP/1.1\r\nHost: HOST\r\nContent-Length: 20\r\n\r\nabc`;
    const leaver = await begin(post("a"));
    await leaver.take(1).toArray();
    leaver.destroy();
    const other = await begin(post("b"));
    await once(other, "data");
    other.write(
      `${"x".repeat(17)}GET /CAP/api/c HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n`
        .replace("HOST", `127.0.0.1:${open.port}`)
        .replace("CAP", CAPABILITY),
    );
    await expect(other.take(1).toArray()).resolves.toEqual([expect.anything()]);
    await expectWellAfter();
    expect(open.armor.requests.map(({ path }) => path)).toEqual(["/api/a", "/api/b", "/api/c", CALL]);
  });

  test.each([
    ["the body", "POST /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 999\r\n\r\nabc"],
    ["a chunk", "POST /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc"],
  ])("one that stalls amid %s is told so, and does not stop others", async (_, bytes) => {
    await gatewayTo([json(200, {})], { idleMs: 300 });
    const socket = await begin(bytes);
    await expect(call(CALL)).resolves.toMatchObject({ status: 200 });
    const answer = await new Promise((resolve) => socket.once("data", (data) => resolve(String(data))));
    expect(answer).toMatch(/^HTTP\/1\.1 504 .*\r\n(.*\r\n)*Connection: close\r\n/);
    await expectWellAfter();
  });

  test("one that stalls amid its headers is sent away, and does not stop others", async () => {
    await gatewayTo([json(200, {})], { clientIdleMs: 300 });
    const socket = await begin("GET /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nAcc");
    await expect(call(CALL)).resolves.toMatchObject({ status: 200 });
    await once(socket.resume(), "close");
    await expectWellAfter();
    expect(open.armor.requests).toHaveLength(2);
  });

  test("one that drips its request is patiently served", async () => {
    await gatewayTo([json(200, {})], { idleMs: 300 });
    const socket = await begin(
      "POST /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Length: 20\r\n\r\n",
    );
    const drops = setInterval(() => socket.write("x"), 30);
    const chunks = await socket.take(1).toArray();
    clearInterval(drops);
    expect(String(chunks[0])).toMatch(/^HTTP\/1\.1 200 /);
    expect(open.armor.requests).toMatchObject([{ body: "x".repeat(20) }]);
    await expectWellAfter();
  });

  test.each<[string, string, RegExp, object]>([
    [
      "speaks HTTP/1.0",
      "GET /CAP/api/x HTTP/1.0\r\nHost: HOST\r\n\r\n",
      /^HTTP\/1\.1 200 OK\r\n(?!(.+\r\n)*transfer-encoding)(.+\r\n)*connection: close\r\n(.+\r\n)*\r\n\{"ok":true\}$/i,
      { method: "GET", body: "" },
    ],
    [
      "waits for 100 Continue",
      "POST /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
      /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /,
      { method: "POST", body: "body" },
    ],
    [
      "sends trailers",
      "POST /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX: 1\r\n\r\n",
      /^HTTP\/1\.1 200 /,
      { method: "POST", body: "body", headers: expect.not.objectContaining({ trailer: "X", x: "1" }) },
    ],
    [
      "sends what is compressed, which stays so",
      "POST /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x08zz",
      /^HTTP\/1\.1 200 /,
      { body: "\x1f\x08zz", headers: expect.objectContaining({ "content-encoding": "gzip" }) },
    ],
    [
      "sends a body where none belongs",
      "GET /CAP/api/x HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
      /^HTTP\/1\.1 200 /,
      { method: "GET", body: "body" },
    ],
  ])("one that %s is served", async (_, bytes, answer, received) => {
    await gatewayTo([json(200, { ok: true })]);
    await expect(speak(bytes)).resolves.toMatch(answer);
    expect(open.armor.requests).toMatchObject([{ path: "/api/x", ...received }]);
    await expectWellAfter();
  });

  test("one that sends its next request before the reply gets both, in order", async () => {
    await gatewayTo([
      (response) => setTimeout(() => response.end("first"), 50),
      (response) => response.end("second"),
    ]);
    const get = (path: string, connection: string) =>
      `GET /CAP/api/${path} HTTP/1.1\r\nHost: HOST\r\nConnection: ${connection}\r\n\r\n`;
    await expect(speak(get("a", "keep-alive") + get("b", "close"))).resolves.toMatch(/first[\s\S]*second/);
    await expectWellAfter();
  });

  test("one that does not read slows Armor down, and the agent holds little", async () => {
    let sent = 0;
    const chunk = Buffer.alloc(64 * 1024);
    await gatewayTo([
      (response) => {
        const more = () => {
          while (sent < 64 * 1024 * 1024) {
            sent += chunk.length;
            if (!response.write(chunk)) return;
          }
          response.end();
        };
        response.on("drain", more);
        more();
      },
    ]);
    const response = await new Promise<http.IncomingMessage>((resolve) => {
      http.get(open.url + CALL, { agent: false }, resolve);
    });
    response.pause();
    let before = -1;
    while (sent !== before) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(sent).toBeLessThan(32 * 1024 * 1024);
    let received = 0;
    for await (const part of response) received += part.length;
    expect(received).toBe(64 * 1024 * 1024);
  });

  test("strangers cannot fill the house: a caller with the capability gets in", async () => {
    await gatewayTo([json(200, {})]);
    const strangers = Array.from({ length: 300 }, () =>
      connect(open.port, "127.0.0.1").on("error", () => undefined),
    );
    await Promise.all(strangers.map((socket) => once(socket, "connect")));
    await expect(call(CALL)).resolves.toMatchObject({ status: 200 });
    for (const socket of strangers) socket.destroy();
  });

  test("a stream of mistakes is not answered for ever, and does not keep the job from its calls", async () => {
    await gatewayTo([json(200, {})]);
    const mistakes = await Promise.allSettled(
      Array.from({ length: 200 }, () => fetch(`http://127.0.0.1:${open.port}/wrong/token`)),
    );
    const answered = mistakes.filter(({ status }) => status === "fulfilled").length;
    expect(answered).toBeGreaterThanOrEqual(50);
    expect(answered).toBeLessThan(200);
    await expect(call(CALL)).resolves.toMatchObject({ status: 200 });
    expect(open.stats.report().refused).toBeGreaterThanOrEqual(200);
  });

  test("the agent's own routes are behind the same door", async () => {
    await gatewayTo([]);
    await expect(call("/token")).resolves.toMatchObject({ status: 200, body: "the token" });
    await expect(call("/stop", { method: "POST" })).resolves.toMatchObject({ status: 200, body: "the end" });
    await expect(call("/stop")).resolves.toMatchObject({ status: 405 });
  });
});
