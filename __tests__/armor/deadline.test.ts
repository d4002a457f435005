// What is decided at a deadline: never whole without its end, and never late if the answer was
// there in time.

import { EventEmitter, once } from "node:events";
import type { ServerResponse } from "node:http";
import { text as readText } from "node:stream/consumers";
import { Worker } from "node:worker_threads";
import { expect, test } from "@jest/globals";
import { createSend } from "../../src/armor/http.ts";
import { Client } from "../../src/gateway/client.ts";
import { serverOf, Upstream } from "../../src/gateway/upstream.ts";
import { disposable } from "../fixtures/opened.ts";
import { type Answer, startServer, TOKEN } from "../fixtures/server.ts";

const REPLY = JSON.stringify({ access_token: TOKEN, expires_in: 60 });

/** A whole token and no end: a reply without a length ends with its connection. */
const withoutEnd: Answer = (response) => {
  response.socket?.write(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n${REPLY}`);
};

test("a reply without a length that has not ended at the deadline is not judged as whole", async () => {
  await using armor = await startServer([withoutEnd]);
  const request = { url: new URL(armor.url), headers: {}, body: "" };
  await expect(
    createSend({ noProxy: "" })(request, AbortSignal.timeout(1_000)),
  ).rejects.toMatchObject({
    code: "reply_timeout",
    problem: `${armor.url} began to answer and did not finish`,
  });
});

test("a reply without a length that ends in time is whole", async () => {
  await using armor = await startServer([
    (response, request) => {
      withoutEnd(response, request);
      response.socket?.end();
    },
  ]);
  const request = { url: new URL(armor.url), headers: {}, body: "" };
  const sent = createSend({ noProxy: "" })(request, AbortSignal.timeout(15_000));
  await expect(sent).resolves.toMatchObject({ body: REPLY });
});

/** Says when it was asked, and answers a moment later, also while this thread stands still. */
const SERVER = `
  const { parentPort, workerData } = require("node:worker_threads");
  const asked = new Int32Array(workerData);
  const server = require("node:http").createServer((request, response) => {
    Atomics.store(asked, 0, 1);
    setTimeout(() => response.write("in "), 20);
    // The rest of a report comes later, when nobody must think any more that it is late.
    setTimeout(() => response.end("time"), request.method === "GET" ? 2_500 : 20);
  });
  server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));`;

async function startServerOfItsOwn() {
  const asked = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(SERVER, { eval: true, workerData: asked.buffer });
  const [port] = (await once(worker, "message")) as [number];
  return disposable({ url: `http://127.0.0.1:${port}`, asked }, () => worker.terminate());
}

const LIMIT_MS = 1_000;

/** As a VM that is suspended for longer than the limit, while the answer arrives. */
async function standStillOnceAsked(asked: Int32Array): Promise<void> {
  while (Atomics.load(asked, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  // From here Node goes on with its timers, and then with the network.
  await new Promise((resolve) => setImmediate(resolve));
  Atomics.wait(asked, 0, 1, LIMIT_MS * 1.5);
}

test("an exchange that stood still reads what has arrived before it decides that it is late", async () => {
  await using armor = await startServerOfItsOwn();
  const deadline = new AbortController();
  setTimeout(() => deadline.abort(), LIMIT_MS);
  const request = { url: new URL(armor.url), headers: {}, body: "" };
  const sent = createSend({ noProxy: "" })(request, deadline.signal);
  await standStillOnceAsked(armor.asked);
  await expect(sent).resolves.toMatchObject({ body: "in time" });
});

test("a gateway that stood still does so, too", async () => {
  await using armor = await startServerOfItsOwn();
  const limits = { connectMs: 15_000, headMs: LIMIT_MS, idleMs: 15_000 };
  const upstream = new Upstream({ noProxy: "" }, limits);
  await using _upstream = disposable({}, () => upstream.close());
  const client = new Client(new EventEmitter() as ServerResponse);
  const origin = new URL(armor.url);
  const server = serverOf(origin);
  const headers = ["Host", origin.host];
  const sent = upstream.send({ method: "GET", server, path: "/x", headers, client });
  await standStillOnceAsked(armor.asked);
  expect(await readText(await sent)).toBe("in time");
});
