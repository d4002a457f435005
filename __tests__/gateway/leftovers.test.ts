// What a call leaves behind when it is over: no connection, no timer, no work for a client that has left. And
// time-outs of an agent that was kept from running.

import { once } from "node:events";
import https from "node:https";
import { connect } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { createAgent } from "../../src/armor/route-agents.ts";
import { LIMITS } from "../../src/gateway/bounds.ts";
import { DEAD, pause, startGateway, tokenOf, until } from "../fixtures/agent.ts";
import { disposable } from "../fixtures/opened.ts";
import { startAnsweringProxy } from "../fixtures/proxy.ts";
import { type Answer, CALL, json, type Received, text } from "../fixtures/server.ts";

const GET = `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n\r\n`;

describe("a reply that is not passed on keeps no connection, though its body never ends", () => {
  /** Answers so until the call is sent again, and tells when the connection of that answer is closed. */
  function unfinished(status: number, isSentAgain: (request: Received) => boolean) {
    const seen = { isClosed: false };
    const answer: Answer = (response, request) => {
      if (isSentAgain(request)) {
        response.end("{}");
        return;
      }
      response.socket?.once("close", () => {
        seen.isClosed = true;
      });
      response.writeHead(status, { Location: "b" }).write("x");
    };
    return { seen, answer };
  }

  test.each([
    {
      what: "a 401",
      status: 401,
      isSentAgain: ({ headers }: Received) => headers.authorization === "Bearer fetched-1",
    },
    {
      what: "a redirect that is followed",
      status: 307,
      isSentAgain: ({ path }: Received) => path !== CALL,
    },
  ])("if it is $what", async ({ status, isSentAgain }) => {
    const { seen, answer } = unfinished(status, isSentAgain);
    await using gateway = await startGateway([answer]);
    await expect(gateway.call()).resolves.toMatchObject({ status: 200 });
    await until(() => seen.isClosed);
  });
});

test("a client that left amid a refresh costs Armor no call", async () => {
  let finish: () => void = () => undefined;
  const fetch = () =>
    new Promise<ReturnType<typeof tokenOf>>((resolve) => {
      finish = () => resolve(tokenOf("new"));
    });
  await using gateway = await startGateway([json(200, {})], { first: DEAD, fetch });
  const client = await gateway.begin(GET.replace(CALL, `${CALL}?left`));
  await until(() => gateway.fetches() === 1);
  client.destroy();
  await until(async () => (await gateway.connections()) === 0);
  finish();
  await gateway.call();
  expect(gateway.armor.requests.map(({ path }) => path)).toEqual([CALL]);
});

test("an idle connection is kept for longer than clients keep one", async () => {
  await using gateway = await startGateway([]);
  expect(gateway.server.keepAliveTimeout).toBe(LIMITS.keepAliveMs);
  expect(LIMITS.keepAliveMs).toBeGreaterThanOrEqual(60_000);
});

test("calls that are over leave no timer", async () => {
  await using gateway = await startGateway([text(200, "x")]);
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  await gateway.call();
  const before = timers();
  for (let times = 0; times < 20; times += 1) await gateway.call();
  expect(timers()).toBeLessThan(before + 10);
});

/**
 * Nothing in this process runs meanwhile, as when a virtual machine is paused. Called from `setImmediate`, behind
 * which the event loop looks at its timers before it reads.
 */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe("what had arrived before a pause of the machine is read before a time-out is decided", () => {
  test("of Armor's reply", async () => {
    const answer: Answer = (response) => {
      response.writeHead(200, { "Content-Length": "4" }).write("ab");
      setTimeout(setImmediate, 200, () => {
        response.end("cd");
        standStill(700);
      });
    };
    await using gateway = await startGateway([answer], { limits: { idleMs: 500 } });
    await expect(gateway.call()).resolves.toMatchObject({ status: 200, body: "abcd" });
  });

  test("of a request's head", async () => {
    const serverLimits = { headMs: 500 };
    await using gateway = await startGateway([json(200, {})], { serverLimits });
    const [start, end] = [GET.slice(0, 10), GET.slice(10)];
    const socket = await gateway.begin(start);
    await pause(200);
    let reply = "";
    socket.on("data", (chunk) => {
      reply += String(chunk);
    });
    const url = new URL(gateway.url);
    await new Promise(setImmediate);
    socket.write(end.replaceAll("HOST", url.host).replaceAll("CAP", url.pathname.slice(1)));
    standStill(900);
    await until(() => reply !== "");
    expect(reply).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("of the next request on a kept connection", async () => {
    await using gateway = await startGateway([json(200, {})], {
      serverLimits: { keepAliveMs: 1_500 },
    });
    const socket = (await gateway.begin(GET)).resume();
    await until(() => gateway.counts().answered["2xx"] === 1);
    const url = new URL(gateway.url);
    await pause(200);
    await new Promise(setImmediate);
    socket.write(GET.replaceAll("HOST", url.host).replaceAll("CAP", url.pathname.slice(1)));
    standStill(3_500); // Node adds a second to what it announces
    await until(() => socket.closed || gateway.counts().answered["2xx"] === 2);
    expect(gateway.counts().answered).toEqual({ "2xx": 2 });
  });
});

test("a kept connection that is idle for too long is closed", async () => {
  await using gateway = await startGateway([json(200, {})], {
    serverLimits: { keepAliveMs: 300 },
  });
  const socket = (await gateway.begin(GET)).resume();
  await until(() => socket.closed);
  expect(gateway.counts()).toEqual({ answered: { "2xx": 1 }, failed: {}, refused: 0 });
});

test("a client that leaves while the proxy says nothing leaves no CONNECT open", async () => {
  let isClosed = false;
  await using proxy = await startAnsweringProxy((client) => {
    client.once("close", () => {
      isClosed = true;
    });
  });
  const variable = { variable: "https_proxy", value: `http://127.0.0.1:${proxy.port}` };
  const route = { proxy: variable, noProxy: "" };
  const apiUrl = "https://armor.corp.test";
  await using gateway = await startGateway([], { apiUrl, route });
  const client = await gateway.begin(GET);
  await until(() => proxy.connects.length === 1);
  client.destroy();
  await until(() => isClosed);
});

test.each([
  { what: "asks for a tunnel", bytes: "CONNECT other.example:443 HTTP/1.1\r\nHost: HOST\r\n\r\n" },
  { what: "speaks no HTTP", bytes: "no HTTP at all\r\n\r\n" },
])(
  "a client that $what, and keeps its connection, is let go of after a while",
  async ({ bytes }) => {
    await using gateway = await startGateway([], { serverLimits: { headMs: 300 } });
    const { port, connections } = gateway;
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    await using _socket = disposable({}, () => socket.destroy());
    socket.on("error", () => undefined).resume();
    socket.write(bytes.replace("HOST", `127.0.0.1:${port}`));
    await once(socket, "end");
    await until(async () => (await connections()) === 0);
  },
);

test("an agent of connections that is destroyed ends the CONNECT under way", async () => {
  let isClosed = false;
  await using proxy = await startAnsweringProxy((client) => {
    client.once("close", () => {
      isClosed = true;
    });
  });
  const url = new URL("https://armor.corp.test");
  const agent = createAgent(url, { origin: `http://127.0.0.1:${proxy.port}` });
  const request = https.get(url, { agent }).on("error", () => undefined);
  await until(() => proxy.connects.length === 1);
  agent.destroy();
  await until(() => isClosed);
  request.destroy();
});
