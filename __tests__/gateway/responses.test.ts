// What comes back to the client: whole replies, heads at once, broken ones as broken connections.

import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import { describe, expect, test } from "@jest/globals";
import type { ErrorCode } from "../../src/errors.ts";
import { pause, readAll, startGateway, until } from "../fixtures/agent.ts";
import { type Answer, CALL, cutOff, drip, json, raw, stall, text } from "../fixtures/server.ts";

const GET = `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n\r\n`;

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

/** Without its last chunk. */
const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
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
    const kept = {
      "content-range": "bytes 0-3/9",
      "content-length": "4",
      etag: '"x"',
      "x-kept": "yes",
      "x-connection": "1",
      "trailer-name": "1",
      "my-x-armor-gateway": "1",
    };
    const dropped = {
      connection: "X-Hop, Content-Length",
      "x-hop": "1",
      "keep-alive": "timeout=77",
      upgrade: "h2c",
      "proxy-authenticate": "Basic",
      "proxy-connection": "x",
      "set-cookie": "session=abc",
      "referrer-policy": "unsafe-url",
      "x-armor-gateway": "1",
    };
    await using gateway = await startGateway([text(206, "part", { ...kept, ...dropped })]);
    const { call } = gateway;
    const { status, headers, body } = await call();
    expect([status, body]).toEqual([206, "part"]);
    expect(headers).toMatchObject({ ...kept, "referrer-policy": "no-referrer" });
    for (const [name, value] of Object.entries(dropped))
      expect([name, headers[name]]).not.toEqual([name, value]);
    expect(
      Object.keys(headers).filter((name) => /hop|proxy|upgrade|cookie|^x-armor/.test(name)),
    ).toEqual([]);
  });

  const EARLY = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(20);
  const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  const TRAILED = `${CHUNKED.replace("\r\n", "\r\nTrailer: X\r\n")}0\r\nX: 1\r\n\r\n`;

  test.each<{
    readonly what: string;
    readonly answer: Answer;
    readonly status: number;
    readonly body: string;
  }>([
    { what: "204", answer: text(204, ""), status: 204, body: "" },
    {
      what: "204 with a body",
      answer: raw("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody"),
      status: 204,
      body: "",
    },
    { what: "304", answer: text(304, "", { ETag: '"x"' }), status: 304, body: "" },
    {
      what: "an error of Armor's",
      answer: json(422, { code: 5 }),
      status: 422,
      body: '{"code":5}',
    },
    {
      what: "a compressed body",
      answer: text(200, "\x1f\x8b…", { "Content-Encoding": "gzip" }),
      status: 200,
      body: "\x1f\x8b…",
    },
    { what: "HTTP/1.0", answer: raw("HTTP/1.0 200 OK\r\n\r\nold"), status: 200, body: "old" },
    {
      what: "many informational replies before it",
      answer: raw(EARLY + OK),
      status: 200,
      body: "ok",
    },
    { what: "trailers", answer: raw(TRAILED), status: 200, body: "ok" },
  ])("with $what is passed on, and the next call works", async ({ answer, status, body }) => {
    await using gateway = await startGateway([answer, json(200, {})]);
    const { call, stats } = gateway;
    await expect(call()).resolves.toMatchObject({ status, body });
    await expect(call()).resolves.toMatchObject({ status: 200 });
    expect(Object.values(stats.answered).reduce((sum, times) => sum + times)).toBe(2);
  });

  test("begins when Armor's does, though the body comes later", async () => {
    let finish: () => void = () => undefined;
    await using gateway = await startGateway([
      (response) => {
        response.flushHeaders();
        finish = () => response.end("later");
      },
    ]);
    const { url } = gateway;
    const response = await get(url + CALL); // the body comes only now
    finish();
    expect(String((await response.toArray())[0])).toBe("later");
  });

  test("may pause between bytes for less than the limit, and take longer in all", async () => {
    const slowly: Answer = (response, request) => {
      drip(response, request);
      setTimeout(() => response.end("done"), 900);
    };
    await using gateway = await startGateway([slowly], { limits: { idleMs: 600 } });
    const { call } = gateway;
    await expect(call()).resolves.toMatchObject({
      status: 200,
      body: expect.stringMatching(/^ +done$/),
    });
  });
});

describe("a reply that breaks off", () => {
  const LENGTH = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n";

  test.each<{ readonly what: string; readonly answer: Answer; readonly code: ErrorCode }>([
    { what: "is cut off", answer: cutOff, code: "reply_incomplete" },
    { what: "has bad chunks", answer: raw(`${CHUNKED}zz\r\n`), code: "reply_incomplete" },
    { what: "ends before its last chunk", answer: raw(CHUNKED), code: "reply_incomplete" },
    {
      what: "is cut off a while after its head",
      answer: pieces(50, `${LENGTH}\r\n`, "ok"),
      code: "reply_incomplete",
    },
    {
      what: "names its length in Connection",
      answer: raw(`${LENGTH}Connection: Content-Length\r\n\r\nok`),
      code: "reply_incomplete",
    },
    { what: "stalls", answer: stall, code: "reply_timeout" },
  ])(
    "($what) is a broken connection, counted once, and the next call works",
    async ({ answer, code }) => {
      await using gateway = await startGateway([answer, json(200, {})], {
        limits: { idleMs: 300 },
      });
      const { call, counts, stats } = gateway;
      await expect(call()).rejects.toMatchObject({ code: "ECONNRESET" });
      await expect(call()).resolves.toMatchObject({ status: 200 });
      expect(counts()).toEqual({ answered: { "2xx": 1 }, failed: { [code]: 1 }, refused: 0 });
      const says =
        /(broke off its answer\. Run the job again|began to answer and did not finish\. Check) .+\.$/;
      expect(stats.problems[code]).toMatch(says);
    },
  );

  test.each(["HTTP/1.0", "HTTP/1.1"])("resets a client of %s", async (version) => {
    await using gateway = await startGateway([pieces(100, CHUNKED)]);
    const { begin } = gateway;
    const socket = await begin(GET.replace("HTTP/1.1", version));
    const events: string[] = [];
    for (const name of ["end", "error"]) socket.on(name, () => events.push(name));
    expect(await readAll(socket)).toContain("ok");
    expect(events).toEqual(["error"]);
  });

  test("has nothing written into it when its client goes on with what is not HTTP", async () => {
    await using gateway = await startGateway([
      (response) => void response.writeHead(200, { "Content-Length": 99 }).write("begun"),
    ]);
    const { begin } = gateway;
    const socket = await begin(GET);
    const got = readAll(socket);
    await once(socket, "data");
    socket.write("\x16\x03\x01 nonsense\r\n\r\n");
    expect((await got).split("HTTP/1.1 ")).toHaveLength(2);
  });
});

describe("a client that does not read", () => {
  /** Resolves when Armor can send no more. */
  const standstill = async (sent: { bytes: number }, ms: number) => {
    for (let before = -1; sent.bytes !== before; await pause(ms)) before = sent.bytes;
  };

  test("slows Armor down, loses nothing, and may take longer than any limit", async () => {
    const sent = { bytes: 0 };
    await using gateway = await startGateway([stream(64 * MIB, sent)], {
      limits: { idleMs: 600 },
    });
    const { url, counts } = gateway;
    const response = await get(url + CALL);
    response.pause();
    await standstill(sent, 800);
    expect(sent.bytes).toBeLessThan(32 * MIB);
    let received = 0;
    for await (const part of response) received += part.length;
    expect(received).toBe(64 * MIB);
    expect(counts()).toEqual({ answered: { "2xx": 1 }, failed: {}, refused: 0 });
  });

  test("ends Armor's reply when it leaves, though nothing is being read", async () => {
    const sent = { bytes: 0 };
    let isClosed = false;
    await using gateway = await startGateway([
      (response, request) => {
        response.on("close", () => {
          isClosed = true;
        });
        stream(64 * MIB, sent)(response, request);
      },
    ]);
    const { begin, counts } = gateway;
    const socket = await begin(GET);
    await standstill(sent, 100);
    socket.destroy();
    await until(() => isClosed);
    expect(counts()).toEqual({ answered: {}, failed: {}, refused: 0 });
  });
});

test("a connection that is only opened is closed quietly, and counted as nothing", async () => {
  await using gateway = await startGateway([json(200, {})], {
    serverLimits: { headMs: 300, maxWaiting: 10, minWaitMs: 100 },
  });
  const { openConnection, stats } = gateway;
  expect(await readAll(await openConnection())).toBe("");
  expect(stats.refused).toBe(0);
});
