// What the built main step makes of bad input and of replies: one case of each kind, as the tables are elsewhere.

import { describe, expect, test } from "@jest/globals";
import type { Values } from "../../sandbox/runner.ts";
import { expectFailure, expectToken, type MainStep, runBuiltMain } from "../fixtures/job.ts";
import {
  type Answer,
  cutOff,
  endless,
  type FakeServer,
  json,
  raw,
  redirect,
  stall,
  startServer,
  text,
  token,
} from "../fixtures/server.ts";
import { API_KEY, APP_ID, ENCODED_PAIR, RAW_PAIR } from "../fixtures/step.ts";

type Says = readonly (string | RegExp)[];

/** The main step against a server that gives these answers. */
async function stepAgainst(
  answers: readonly Answer[],
  inputs: Values = {},
): Promise<{ step: MainStep; server: FakeServer }> {
  await using server = await startServer(answers);
  return { step: await runBuiltMain({ "api-url": server.url, ...inputs }), server };
}

describe("the main step with bad input", () => {
  test.concurrent.each<[string, Values, Says]>([
    [
      "no secrets",
      { "app-id": "", "api-key": "" },
      ["app-id and api-key are empty", "not defined here"],
    ],
    ["a key of 100 KB", { "api-key": "k".repeat(100_000) }, ["api-key is longer than"]],
    [
      "the key in api-url",
      { "api-url": `https://u:${encodeURIComponent(API_KEY)}@x.test` },
      ["user name"],
    ],
  ])("refuses %s, and sends nothing", async (_, inputs, says) => {
    const { step, server } = await stepAgainst([token()], inputs);
    expectFailure(step, "input_invalid", says);
    expect(server.requests).toEqual([]);
  });

  test.concurrent("forgives white space around the secrets, and a slash after api-url", async () => {
    await using server = await startServer([token()]);
    const inputs = {
      "app-id": ` ${APP_ID}\n`,
      "api-key": `\t${API_KEY} \r\n`,
      "api-url": `${server.url}/`,
    };
    expectToken(await runBuiltMain(inputs));
    expect(server.requests).toMatchObject([
      { path: "/api/v1/iam/session/oauth2/token", headers: { authorization: ENCODED_PAIR } },
    ]);
  });
});

describe("the main step", () => {
  test.concurrent("tries the raw pair where the form-encoded one is refused", async () => {
    const { step, server } = await stepAgainst([json(401, { error: "invalid_client" }), token()]);
    expectToken(step);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
      ENCODED_PAIR,
      RAW_PAIR,
    ]);
  });

  test.concurrent.each<[string, Answer, string, Says]>([
    [
      "429 for longer than is left",
      text(429, "", { "Retry-After": "120" }),
      "rate_limited",
      ["120 s", "timeout"],
    ],
    ["a web page", text(200, "<!doctype html>"), "reply_invalid", ["with a web page"]],
    ["no HTTP", raw("SSH-2.0-OpenSSH_9.9\r\n"), "reply_invalid", ["not HTTP"]],
  ])("tells what %s means, and does not try again", async (_, answer, code, says) => {
    const { step, server } = await stepAgainst([answer]);
    expectFailure(step, code, [server.url, ...says]);
    expect(server.requests).toHaveLength(1);
  });

  test.concurrent("tries again after a reply that breaks off", async () => {
    const { step, server } = await stepAgainst([cutOff, token({ expires_in: "3600" })]);
    expectToken(step);
    expect(step.outputs["expires-in"]).toBe("3600");
    expect(server.requests).toHaveLength(2);
    expect(step.said[0]).toMatch(/\. Next try in \d\.\d s\.$/);
  });

  test.concurrent("waits as long as Retry-After says", async () => {
    const { step } = await stepAgainst([text(503, "", { "Retry-After": "1" }), token()]);
    expectToken(step);
    expect(step.ms).toBeGreaterThan(1_000);
  });

  test.concurrent("ends in time where Armor never comes to an end", async () => {
    const { step, server } = await stepAgainst([stall], { timeout: "1" });
    expectFailure(step, "reply_timeout", [server.url, "began to answer and did not finish"]);
  });

  test.concurrent("does not take in a reply without an end", async () => {
    const sent = { bytes: 0 };
    const { step } = await stepAgainst([endless(sent)]);
    expectFailure(step, "reply_invalid", ["more than 1 MiB", "api-url"]);
    expect(sent.bytes).toBeLessThan(16 * 1024 * 1024);
  });

  test.concurrent("obeys no workflow command of Armor's", async () => {
    const error_description = "x\n::error::forged\r\n::add-mask::a\n##[error]forged";
    const { step } = await stepAgainst([
      json(400, { error: "invalid_request", error_description }),
    ]);
    expectFailure(step, "request_rejected", [/x :error:forged :add-mask:a (## )?\[error\]forged/]);
  });
});

describe("the main step with redirects", () => {
  test.concurrent("follows 308 to the same origin", async () => {
    const { step, server } = await stepAgainst([redirect(308, "/moved?x=1"), token()]);
    expectToken(step);
    const [first, second] = server.requests;
    expect(second).toEqual({ ...first, path: "/moved?x=1" });
  });

  test.concurrent("refuses another origin, which is sent nothing", async () => {
    await using other = await startServer([token()]);
    const { step, server } = await stepAgainst([redirect(308, `${other.url}/x`)]);
    expectFailure(step, "redirect_refused", [server.url, other.url, "api-url"]);
    expect(other.connections).toBe(0);
  });
});
