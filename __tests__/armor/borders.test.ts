// Values at the borders of what this room tells apart.

import { getEventListeners } from "node:events";
import tls from "node:tls";
import { describe, expect, jest, test } from "@jest/globals";
import { parseObject } from "../../src/armor/body.ts";
import { secretForms } from "../../src/armor/credentials.ts";
import { createSend } from "../../src/armor/http.ts";
import { judgeToken } from "../../src/armor/oauth.ts";
import { explainRoute } from "../../src/armor/proxy.ts";
import { proxyError } from "../../src/armor/proxy-error.ts";
import { terminateRefusal, tokenRefusal } from "../../src/armor/refusal.ts";
import { retry } from "../../src/armor/retry.ts";
import { ArmorError } from "../../src/errors.ts";
import { disposable } from "../fixtures/opened.ts";
import { startAnsweringProxy } from "../fixtures/proxy.ts";
import { startServer, text } from "../fixtures/server.ts";
import { virtualClock } from "../fixtures/virtual-clock.ts";

const url = new URL("https://armor.example/x");
const replyWith = (status: number, body: string, headers = {}) => ({ url, status, headers, body });
const soon = () => AbortSignal.timeout(15_000);

test("a byte order mark is dropped in front of a reply, and nowhere else", () => {
  expect(parseObject('\ufeff{"a":1}')).toEqual({ a: 1 });
  expect(parseObject('{\ufeff"a":1}')).toBeUndefined();
});

test("a 200 with an error that is no word is no token response, and no refusal", () => {
  expect(() => judgeToken(replyWith(200, '{"error":""}'))).toThrow(/an OAuth error instead of/);
});

test("a session that was not ended is judged by the OAuth error, too", () => {
  const { code } = terminateRefusal(replyWith(400, '{"error":"invalid_client"}'));
  expect(code).toBe("credentials_rejected");
});

describe("Retry-After", () => {
  const waitFor = (value: string) =>
    tokenRefusal(replyWith(429, "", { "retry-after": value })).details.retryAfterMs;
  const date = new Date(Date.now() + 3_600_000).toUTCString();

  test("is a date in the one form that servers must send", () => {
    expect(waitFor(date)).toBeGreaterThan(3_000_000);
    for (const value of [`x${date}`, `${date}x`, date.replace("GMT", "UTC"), ""])
      expect(waitFor(value)).toBeUndefined();
  });
});

describe("an attempt that fails where time is short", () => {
  const down = (code: "server_unavailable" | "rate_limited" | "reply_timeout", retryAfterMs = 0) =>
    new ArmorError(code, "It is down", "Wait.", { retryAfterMs });

  /** What is told of attempts that fail so in turn, each of which takes so long. */
  async function toldOf(errors: readonly ArmorError[], takesMs: number, timeoutMs = 30_000) {
    const clock = virtualClock(0.5);
    let count = 0;
    const attempt = async () => {
      await clock.pass(takesMs);
      count += 1;
      throw errors[Math.min(count, errors.length) - 1];
    };
    const error = (await retry(attempt, { timeoutMs }).catch((it) => it)) as ArmorError;
    return { error, count };
  }

  test("is not repeated in less time than the first pause may take", async () => {
    const { error, count } = await toldOf([down("server_unavailable")], 29_450);
    expect(count).toBe(1);
    expect(error.problem).toBe("It is down, tried once in 30 s");
  });

  test.each(["server_unavailable", "rate_limited"] as const)(
    "is told by Armor's last answer, if that was %s and no other came",
    async (code) => {
      const { error, count } = await toldOf([down(code), down("reply_timeout")], 10_000);
      expect(error.code).toBe(code);
      expect(error.problem).toMatch(
        new RegExp(`^It is down, tried ${count} times in \\d+ s, at last without an answer$`),
      );
    },
  );

  test.each([
    { askedMs: 299_000, remedy: "Set timeout above 299, or run the job again later." },
    { askedMs: 300_000, remedy: "No timeout is long enough for that: run the job again later." },
  ])("after $askedMs ms that Armor asks for, the remedy is: $remedy", async (row) => {
    const { error } = await toldOf([down("server_unavailable", row.askedMs)], 0);
    expect(error.remedy).toBe(row.remedy);
  });
});

test("an entry of no_proxy that only ends like a range of addresses is none", () => {
  const proxy = { variable: "https_proxy", value: "http://p.test:1" };
  const told = (noProxy: string) => explainRoute(new URL("https://10.1.1.1"), { proxy, noProxy });
  expect(told("10.0.0.0/8")).toContain("no_proxy has the entry");
  expect(told("x10.0.0.0/8")).toContain("through the proxy");
});

test("only a proxy that refuses on loopback has the hint for containers", () => {
  const proxy = { origin: "http://127.0.0.1:3128" };
  const ppid = Object.getOwnPropertyDescriptor(process, "ppid") ?? {};
  Object.defineProperty(process, "ppid", { value: 0, configurable: true });
  const remedyOf = (code: string) => proxyError(proxy, "armor.example", { code }).remedy;
  const remedies = { refused: remedyOf("ECONNREFUSED"), broken: remedyOf("EPIPE") };
  Object.defineProperty(process, "ppid", ppid);
  expect(remedies).toEqual({
    refused: expect.stringMatching(/^In a container/),
    broken: expect.stringMatching(/^Check https_proxy/),
  });
});

describe("what a proxy answers to CONNECT", () => {
  test.each([
    { status: 299, code: "proxy_failed" }, // followed by bytes, so it opens no tunnel
    { status: 300, code: "proxy_refused" },
  ])("with $status is told as $code, with the port that was asked for", async (row) => {
    await using proxy = await startAnsweringProxy((client) => {
      client.end(`HTTP/1.1 ${row.status} So\r\n\r\nbytes`);
    });
    const value = `http://127.0.0.1:${proxy.port}`;
    const send = createSend({ proxy: { variable: "https_proxy", value }, noProxy: "" });
    const request = { url: new URL("https://armor.corp.test:4430/x"), headers: {}, body: "" };
    await expect(send(request, soon())).rejects.toMatchObject({
      code: row.code,
      problem: expect.stringContaining("armor.corp.test:4430"),
    });
  });

  test.each([
    { host: "127.0.0.1", servername: "" },
    { host: "localhost", servername: "localhost" },
  ])("over TLS is asked of $host by the name '$servername'", async ({ host, servername }) => {
    await using server = await startServer([]);
    const connecting = jest.spyOn(tls, "connect").mockImplementation(() => {
      throw Object.assign(new Error("seen"), { code: "EPIPE" });
    });
    await using _mock = disposable({}, () => connecting.mockRestore());
    const proxy = { variable: "https_proxy", value: `https://${host}:${server.port}` };
    const request = { url, headers: {}, body: "" };
    await createSend({ proxy, noProxy: "" })(request, soon()).catch(() => undefined);
    expect(connecting.mock.calls[0]?.[0]).toMatchObject({ host, servername });
  });
});

test("nothing of a request that has ended listens to its deadline", async () => {
  await using server = await startServer([text(200, "x")]);
  const { signal } = new AbortController();
  const request = { url: new URL(server.url), headers: {}, body: "" };
  await createSend({ noProxy: "" })(request, signal);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

describe("a key is hidden", () => {
  test("as .NET writes it in JSON", () => {
    const forms = secretForms({ appId: "id", apiKey: 'a\\b"c+d' });
    expect(forms).toContain("a\\\\b\\u0022c\\u002Bd");
  });

  test("in lines of base64, but for a last one that is too short to be told from other words", () => {
    const apiKey = "k".repeat(58); // 80 characters of base64
    const base64 = Buffer.from(apiKey).toString("base64");
    const lines = secretForms({ appId: "id", apiKey }).flatMap((form) => form.split("\n"));
    expect(lines).toContain(base64.slice(0, 76));
    expect(lines).not.toContain(base64.slice(76));
  });
});
