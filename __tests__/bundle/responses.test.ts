// What the built main step makes of bad input and of replies: one case of each kind, as the tables are elsewhere.

import { describe, expect, test } from "@jest/globals";
import type { Values } from "../../sandbox/runner.ts";
import type { ErrorCode } from "../../src/errors.ts";
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
  test.concurrent.each<{ readonly what: string; readonly inputs: Values; readonly says: Says }>([
    {
      what: "no secrets",
      inputs: { "app-id": "", "api-key": "" },
      says: ["app-id and api-key are empty", "Check the secret's name"],
    },
    {
      what: "a key of 100 KB",
      inputs: { "api-key": "k".repeat(100_000) },
      says: ["api-key is longer than"],
    },
    {
      what: "the key in api-url",
      inputs: { "api-url": `https://u:${encodeURIComponent(API_KEY)}@x.test` },
      says: ["user name"],
    },
  ])("refuses $what, and sends nothing", async ({ inputs, says }) => {
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
  test.concurrent("tries the raw pair when the form-encoded one is refused", async () => {
    const { step, server } = await stepAgainst([json(401, { error: "invalid_client" }), token()]);
    expectToken(step);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
      ENCODED_PAIR,
      RAW_PAIR,
    ]);
  });

  test.concurrent.each<{
    readonly what: string;
    readonly answer: Answer;
    readonly code: ErrorCode;
    readonly says: Says;
  }>([
    {
      what: "429 for longer than is left",
      answer: text(429, "", { "Retry-After": "120" }),
      code: "rate_limited",
      says: ["120 s", "timeout"],
    },
    {
      what: "a web page",
      answer: text(200, "<!doctype html>"),
      code: "reply_invalid",
      says: ["with a web page"],
    },
    {
      what: "no HTTP",
      answer: raw("SSH-2.0-OpenSSH_9.9\r\n"),
      code: "reply_invalid",
      says: ["not HTTP"],
    },
  ])("tells what $what means, and does not try again", async ({ answer, code, says }) => {
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

  test.concurrent("ends in time though Armor never comes to an end", async () => {
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
