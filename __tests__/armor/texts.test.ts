// What every text of this room has in common: the problem is a phrase, the remedy is sentences.

import fs from "node:fs";
import { describe, expect, jest, test } from "@jest/globals";
import { certificateFault } from "../../src/armor/certificate.ts";
import { containerHint } from "../../src/armor/host.ts";
import { createSend } from "../../src/armor/http.ts";
import { networkError, timeoutError } from "../../src/armor/network-error.ts";
import { sendFollowing } from "../../src/armor/redirect.ts";
import { tokenRefusal } from "../../src/armor/refusal.ts";
import { seconds } from "../../src/armor/retry.ts";
import { TokenCache } from "../../src/armor/token-cache.ts";
import { VERIFY_ERRORS } from "../../src/armor/verify-errors.ts";
import type { ArmorError } from "../../src/errors.ts";
import { tokenOf } from "../fixtures/agent.ts";
import { startServer, text } from "../fixtures/server.ts";

const url = new URL("https://armor.example/x");
const proxy = { origin: "http://proxy.example:3128" };

/** As where a container's files are. */
function inContainer<T>(action: () => T): T {
  const exists = jest.spyOn(fs, "existsSync").mockReturnValue(true);
  try {
    return action();
  } finally {
    exists.mockRestore();
  }
}

/** No part of a text that is put together from several is missing. */
function expectSentences(problem: string, remedy: string): void {
  expect(problem).toMatch(/^\S.*[^.\s]$/);
  expect(remedy).toMatch(/^[A-Z].*[^.\s]\.$/);
  // A sentence begins with a capital letter, or with the name of an input.
  expect(remedy.replaceAll("ca-certificate", "It")).not.toMatch(/\. [a-z]| {2}/);
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error("there was no failure")),
    (error: ArmorError) => error,
  );

describe("OpenSSL's reasons to reject a certificate", () => {
  test("have a name and words each", () => {
    const entries = [...VERIFY_ERRORS];
    expect(entries.filter(([name]) => !/^[A-Z][A-Z\d_]{4,}$/.test(name))).toEqual([]);
    expect(entries.filter(([, words]) => !/^\w.{6,}[\w)]$/.test(words))).toEqual([]);
    expect(new Set(entries.map(([, words]) => words)).size).toBe(entries.length);
  });

  test.each([...VERIFY_ERRORS.keys(), "ERR_TLS_CERT_ALTNAME_INVALID"])(
    "%s is told in sentences",
    (name) => {
      const fault = certificateFault(name, new Error("words"));
      expectSentences(fault?.problem ?? "", fault?.remedy ?? "");
    },
  );

  test("what is too weak has a remedy that names what is strong enough", () => {
    for (const name of ["CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "EE_KEY_TOO_SMALL"])
      expect(certificateFault(name, new Error("x"))?.remedy).toMatch(
        /RSA .*2048 .*SHA-256 .*SHA-1/,
      );
  });

  test("an error that has no words is told without them", () => {
    const fault = certificateFault("UNSPECIFIED", { code: "UNSPECIFIED" });
    expect(fault?.problem).toBe("has a certificate that was rejected");
    expect(certificateFault("CERT_NEW", new Error("x"))?.problem).toBe(fault?.problem);
  });
});

test.each([400, 401, 403, 404, 429, 500])("a refusal with %i is told in sentences", (status) => {
  const { problem, remedy } = tokenRefusal({ url, status, headers: {}, body: "" });
  expectSentences(problem, remedy);
});

test("a redirect that is not followed is told in sentences", async () => {
  const reply = { url, status: 302, headers: { location: "https://other.example" }, body: "" };
  const sent = sendFollowing(
    async () => reply,
    { url, headers: {}, body: "" },
    AbortSignal.timeout(9_000),
  );
  const { problem, remedy } = await failureOf(sent);
  expectSentences(problem, remedy);
});

test("a reply that is too long is told in sentences", async () => {
  await using server = await startServer([text(200, "x".repeat(2 ** 20 + 1))]);
  const request = { url: new URL(server.url), headers: {}, body: "" };
  const { code, problem, remedy } = await failureOf(
    createSend({ noProxy: "" })(request, AbortSignal.timeout(15_000)),
  );
  expect(code).toBe("reply_invalid");
  expectSentences(problem, remedy);
});

test("an agent that stops is told of in sentences", async () => {
  const neverFetch = () => new Promise<never>(() => undefined);
  const cache = new TokenCache(tokenOf("first"), neverFetch, () => undefined);
  await cache.close(0);
  const { code, problem, remedy } = await failureOf(cache.get());
  expect(code).toBe("agent_stopping");
  expectSentences(problem, remedy);
});

test("the hint for a container says what to do, and leads over to the usual remedy", () => {
  const hint = inContainer(() => containerHint("localhost"));
  expect(hint).toMatch(/^In a container, .*address by which .*docker\.internal .*\. Otherwise: $/);
  for (const host of ["127.0.0.1.example", "x127.0.0.1"])
    expect(inContainer(() => containerHint(host))).toBe("");
});

describe("a deadline", () => {
  const connecting = { url, proxy: undefined, isReplying: false };

  test.each([
    { stage: "looking-up", dnsCode: "EAI_AGAIN", says: "(EAI_AGAIN)" },
    { stage: "connecting", dnsCode: "EAI_AGAIN", says: "(ETIMEDOUT)" },
  ] as const)("while the proxy is at: $stage, says $says", ({ stage, dnsCode, says }) => {
    const error = timeoutError({ ...connecting, proxy, progress: { stage, dnsCode } });
    expect(error.problem).toContain(says);
  });
});

test("only a refused connection has the hint for containers, and one without a code has none", () => {
  const local = { url: new URL("http://localhost:9"), proxy: undefined, isReplying: false };
  const broken = Object.assign(new Error("x"), { code: "EPIPE" });
  expect(inContainer(() => networkError(broken, local)).remedy).toMatch(/^Check api-url/);
});

test.each([
  { ms: 0, says: "0.1 s" },
  { ms: 9_999, says: "10.0 s" },
  { ms: 10_000, says: "10 s" },
  { ms: 86_400_000, says: "86400 s" },
  { ms: 86_400_001, says: "more than a day" },
])("$ms ms are told as $says", ({ ms, says }) => {
  expect(seconds(ms)).toBe(says);
});
