// What comes back to the client: whole replies, heads at once, broken ones as broken connections.

import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import { describe, expect, test } from "@jest/globals";
import { CALL, type Got, open, pause, readAll, startGateway, until } from "../fixtures/agent.ts";
import { type Answer, cutOff, drip, json, raw, stall, text } from "../fixtures/server.ts";

/** Head and body in pieces, as bytes, so many ms apart. */
function pieces(ms: number, ...parts: readonly string[]): Answer {
  return async (response) => {
    for (const part of parts) {
      response.socket?.write(part);
      await pause(ms);
    }
    response.socket?.destroy();
  };
}

const MIB = 1024 * 1024;

function stream(bytes: number, sent: { bytes: number }): Answer {
  const chunk = Buffer.alloc(64 * 1024, "x");
  return (response) => {
    const more = () => {
      while (sent.bytes < bytes) {
        sent.bytes += chunk.length;
        if (!response.write(chunk)) return;
      }
      response.end();
    };
    response.on("drain", more);
    more();
  };
}

function get(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    http.get(url, { agent: false }, resolve).on("error", reject);
  });
}

describe("a reply", () => {
  test("has status, headers and body, without what belongs to one connection", async () => {
    const { call } = await startGateway([
      text(206, "part", {
        ...{ "Content-Range": "bytes 0-3/9", ETag: '"x"', "X-Kept": "yes" },
        ...{ Connection: "X-Hop", "X-Hop": "1", "Keep-Alive": "timeout=77", "Proxy-Authenticate": "Basic" },
        ...{ "Set-Cookie": "session=abc", "Referrer-Policy": "unsafe-url", "X-Armor-Gateway": "1" },
      }),
    ]);
    const { status, headers, body } = await call();
    expect([status, body]).toEqual([206, "part"]);
    expect(headers).toMatchObject({
      ...{ "content-range": "bytes 0-3/9", etag: '"x"', "x-kept": "yes", "referrer-policy": "no-referrer" },
    });
    for (const name of ["set-cookie", "proxy-authenticate", "x-hop", "x-armor-gateway"]) {
      expect(headers).not.toHaveProperty(name);
    }
    expect(headers["keep-alive"]).not.toBe("timeout=77");
  });

  test.each<[string, Answer, Partial<Got>]>([
    ["204", text(204, ""), { status: 204, body: "" }],
    [
      "204 with a body",
      raw("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody"),
      { status: 204, body: "" },
    ],
    ["304", text(304, "", { ETag: '"x"' }), { status: 304, body: "" }],
    ["an error of Armor's", json(422, { code: 5 }), { status: 422, body: '{"code":5}' }],
    ["a compressed body", text(200, "\x1f\x8b…", { "Content-Encoding": "gzip" }), { body: "\x1f\x8b…" }],
    ["HTTP/1.0", raw("HTTP/1.0 200 OK\r\n\r\nold"), { status: 200, body: "old" }],
    [
      "many informational replies before it",
      raw(
        `${"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(20)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`,
      ),
      { status: 200, body: "ok" },
    ],
    [
      "trailers",
      raw("HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: 1\r\n\r\n"),
      { status: 200, body: "ok" },
    ],
  ])("with %s is passed on, and the next call works", async (_, answer, expected) => {
    const { call, stats } = await startGateway([answer, json(200, {})]);
    await expect(call()).resolves.toMatchObject(expected);
    await expect(call()).resolves.toMatchObject({ status: 200 });
    expect(Object.values(stats.report().answered).reduce((sum, times) => sum + times)).toBe(2);
  });

  test("begins when Armor's does, though the body comes later", async () => {
    let finish: () => void = () => undefined;
    const { url } = await startGateway([
      (response) => {
        response.flushHeaders();
        finish = () => response.end("later");
      },
    ]);
    const response = await get(url + CALL); // the body comes only now
    finish();
    expect(String((await response.toArray())[0])).toBe("later");
  });

  test("may pause between bytes for less than the limit, and take longer in all", async () => {
    const slowly: Answer = (response, request) => {
      drip(response, request);
      setTimeout(() => response.end("done"), 1_500);
    };
    const { call } = await startGateway([slowly], { limits: { idleMs: 1_000 } });
    await expect(call()).resolves.toMatchObject({ status: 200, body: expect.stringMatching(/^ +done$/) });
  });
});

describe("a reply that breaks off", () => {
  const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";

  test.each<[string, Answer, string]>([
    ["is cut off", cutOff, "reply_incomplete"],
    ["has bad chunks", raw(`${CHUNKED}zz\r\n`), "reply_incomplete"],
    ["ends before its last chunk", raw(CHUNKED), "reply_incomplete"],
    [
      "is cut off a while after its head",
      pieces(50, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "ok"),
      "reply_incomplete",
    ],
    [
      "names its length in Connection",
      raw("HTTP/1.1 200 OK\r\nConnection: close, Content-Length\r\nContent-Length: 9\r\n\r\nok"),
      "reply_incomplete",
    ],
    ["stalls", stall, "reply_timeout"],
  ])("(%s) is a broken connection, counted once, and the next call works", async (_, answer, code) => {
    const { call, stats } = await startGateway([answer, json(200, {})], { limits: { idleMs: 300 } });
    await expect(call()).rejects.toMatchObject({ code: "ECONNRESET" });
    await expect(call()).resolves.toMatchObject({ status: 200 });
    expect(stats.report()).toMatchObject({ answered: { "2xx": 1 }, failed: { [code]: 1 }, refused: 0 });
  });

  test.each(["HTTP/1.0", "HTTP/1.1"])(
    "resets a client of %s, which sees no end of the body",
    async (version) => {
      const { begin } = await startGateway([pieces(100, CHUNKED)]);
      const socket = await begin(`GET /CAP${CALL} ${version}\r\nHost: HOST\r\n\r\n`);
      const events: string[] = [];
      for (const name of ["end", "error"]) socket.on(name, () => events.push(name));
      expect(await readAll(socket)).toContain("ok");
      expect(events).toEqual(["error"]);
    },
  );

  test("has nothing written into it when its client goes on with what is not HTTP", async () => {
    const { begin } = await startGateway([
      (response) => void response.writeHead(200, { "Content-Length": 99 }).write("begun"),
    ]);
    const socket = await begin(`GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n\r\n`);
    const got = readAll(socket);
    await once(socket, "data");
    socket.write("\x16\x03\x01 nonsense\r\n\r\n");
    expect((await got).split("HTTP/1.1 ")).toHaveLength(2);
  });
});

describe("a client that does not read", () => {
  test("slows Armor down, loses nothing, and may take longer than any limit", async () => {
    const sent = { bytes: 0 };
    const { url, stats } = await startGateway([stream(64 * MIB, sent)], { limits: { idleMs: 1_000 } });
    const response = await get(url + CALL);
    response.pause();
    for (let before = -1; sent.bytes !== before; await pause(1_500)) before = sent.bytes;
    expect(sent.bytes).toBeLessThan(32 * MIB);
    let received = 0;
    for await (const part of response) received += part.length;
    expect(received).toBe(64 * MIB);
    expect(stats.report()).toMatchObject({ answered: { "2xx": 1 }, failed: {} });
  });

  test("ends Armor's reply when it leaves, though nothing is being read", async () => {
    const sent = { bytes: 0 };
    let isClosed = false;
    const { begin, stats } = await startGateway([
      (response, request) => {
        response.on("close", () => {
          isClosed = true;
        });
        stream(64 * MIB, sent)(response, request);
      },
    ]);
    const socket = await begin(`GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n\r\n`);
    for (let before = -1; sent.bytes !== before; await pause(200)) before = sent.bytes;
    socket.destroy();
    await until(() => isClosed);
    expect(stats.report()).toMatchObject({ answered: {}, failed: {} });
  });
});

test("a connection that is only opened is closed quietly, and counted as nothing", async () => {
  const { port, stats } = await startGateway([json(200, {})], {
    serverLimits: { headMs: 300, maxWaiting: 10, minWaitMs: 100 },
  });
  expect(await readAll(await open(port))).toBe("");
  expect(stats.report().refused).toBe(0);
});
