// Lines of the debug log for calls that do not end as usual.

import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { writeDebugTo } from "../../src/debug.ts";
import { startGateway, until } from "../fixtures/agent.ts";
import {
  type Answer,
  CALL,
  endless,
  json,
  reset,
  silence,
  startServer,
  text,
} from "../fixtures/server.ts";

let lines: string[];
beforeEach(() => {
  lines = [];
  writeDebugTo((line) => lines.push(line));
});
afterEach(() => writeDebugTo(undefined));

/** Also of a call of the test before, which may end late. */
const ofGateway = () => lines.filter((line) => line.startsWith("Gateway: "));
const get = (target: string) => `GET /CAP${target} HTTP/1.1\r\nHost: HOST\r\n\r\n`;

test("a call for which there is no slot has a line that says so", async () => {
  const serverLimits = { maxCalls: 1, maxCallsWaiting: 0 };
  await using gateway = await startGateway([silence], { serverLimits });
  await gateway.begin(get(CALL));
  await until(() => gateway.armor.requests.length === 1);
  await expect(gateway.call()).resolves.toMatchObject({ status: 503 });
  expect(ofGateway()).toContainEqual(
    expect.stringMatching(
      /^Gateway: GET \/api\/v1\/discovery\/scans, \d+ ms: no slot \(tooMany\)$/,
    ),
  );
});

test("a call that was ended because its client did not read has a line that says so", async () => {
  const sent = { bytes: 0 };
  const answer: Answer = (response, request) =>
    (request.path.endsWith("?large") ? endless(sent) : json(200, {}))(response, request);
  const serverLimits = { maxCalls: 1, maxUnreadMs: 300 };
  await using gateway = await startGateway([answer], { serverLimits });
  await gateway.begin(get(`${CALL}?large`));
  await until(() => sent.bytes > 0);
  await expect(gateway.call()).resolves.toMatchObject({ status: 200 });
  expect(ofGateway()).toContainEqual(
    expect.stringMatching(/ ms: ended, as its client did not read$/),
  );
});

test("a call that goes out once more has a line of its own, and each reply one with its length", async () => {
  const answers = [text(200, "one", { "Content-Length": "3" }), reset, text(200, "two")];
  await using gateway = await startGateway(answers);
  for (const body of ["one", "two"])
    await expect(gateway.call()).resolves.toMatchObject({ status: 200, body });
  const { url } = gateway.armor;
  expect(lines).toContain(`${url} closed a kept connection: the call goes out once more`);
  const replies = lines.filter((line) => line.startsWith(`GET ${url}${CALL}: 200`));
  expect(replies).toEqual([
    expect.stringMatching(/: 200 in \d+ ms, 3 bytes, date: /),
    expect.stringMatching(/: 200 in \d+ ms, date: /),
  ]);
});

test("what breaks a connection is in the debug log by its code", async () => {
  await using closed = await startServer([]);
  await closed.close();
  await using gateway = await startGateway([], { apiUrl: closed.url });
  await expect(gateway.call()).resolves.toMatchObject({ status: 502 });
  expect(lines).toContainEqual(
    expect.stringMatching(new RegExp(`^${closed.url}: ECONNREFUSED: connect ECONNREFUSED`)),
  );
});
