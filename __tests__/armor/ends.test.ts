// How the exchange ends when it does not succeed: which error is told, with whose words, and what the log says.

import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { ApiReply, ApiRequest, Send } from "../../src/armor/http.ts";
import { judgeToken } from "../../src/armor/oauth.ts";
import { FIRST_BACKOFF_MS, retry, retryLine, seconds } from "../../src/armor/retry.ts";
import { endSession, fetchToken, type RequestContext } from "../../src/armor/token.ts";
import { writeDebugTo } from "../../src/debug.ts";
import { ArmorError } from "../../src/errors.ts";
import { hide } from "../../src/redact.ts";
import { holds, seeded } from "../fixtures/property.ts";
import { virtualClock } from "../fixtures/virtual-clock.ts";

const PAIR = { appId: "id", apiKey: "k+y" };
const GRANT = { status: 200, body: '{"access_token":"t0k3n-abc","expires_in":60}' };
const REFUSED = { status: 401, body: '{"error":"invalid_client"}' };
const TIMEOUT = new ArmorError("reply_timeout", "No answer", "Raise timeout.");

/** An Armor that gives these replies in turn, and the last one for ever, each after `takesMs`. */
function armorWith(
  replies: readonly (Partial<ApiReply> | ArmorError)[],
  { timeoutMs = 10_000, takesMs = 1_000 } = {},
) {
  const clock = virtualClock(0.5);
  const sent: ApiRequest[] = [];
  const lines: string[] = [];
  const send: Send = async (request) => {
    const reply = replies[Math.min(sent.length, replies.length - 1)];
    sent.push(request);
    await clock.pass(takesMs);
    if (reply instanceof ArmorError) throw reply;
    return { status: 500, headers: {}, body: "", ...reply, url: request.url };
  };
  const onRetry: RequestContext["onRetry"] = (_error, _pauseMs, line) => lines.push(line);
  const context: RequestContext = { apiUrl: "https://armor.example", send, timeoutMs, onRetry };
  return { context, sent, lines, clock };
}

/** The error with which a promise rejects. */
async function errorOf(promise: Promise<unknown>): Promise<ArmorError> {
  const outcome: unknown = await promise.catch((error) => error);
  if (outcome instanceof ArmorError) return outcome;
  throw new Error(`no ArmorError: ${outcome}`);
}

describe("a key that was refused in form-encoded form", () => {
  const OTHER_FORM = "after it had refused the key in form-encoded form (401 invalid_client)";

  test.each([
    { what: "is slow", later: TIMEOUT, code: "reply_timeout" },
    { what: "is limited", later: { status: 429 }, code: "rate_limited" },
    { what: "is down", later: { status: 503 }, code: "server_unavailable" },
    { what: "is denied", later: { status: 403 }, code: "access_denied" },
    { what: "is no JSON", later: { status: 200, body: "<html>" }, code: "reply_invalid" },
  ])("is told of beside the second login that $what", async ({ later, code }) => {
    const { context } = armorWith([REFUSED, later]);
    const error = await errorOf(fetchToken(context, PAIR));
    expect(error.code).toBe(code);
    expect(error.problem.endsWith(OTHER_FORM)).toBe(true);
  });

  test("is not told of twice if both forms were refused", async () => {
    const { context, sent } = armorWith([REFUSED]);
    const { problem } = await errorOf(fetchToken(context, PAIR));
    const once = "https://armor.example answered 401 invalid_client";
    expect([problem, sent.length]).toEqual([`Armor does not accept this client app: ${once}`, 2]);
  });

  test("is not told of if the job was cancelled", async () => {
    const cancelled = new ArmorError("cancelled", "The job was cancelled", "R.");
    const { context } = armorWith([REFUSED, { status: 503 }]);
    const onRetry = () => {
      throw cancelled;
    };
    expect(await errorOf(fetchToken({ ...context, onRetry }, PAIR))).toBe(cancelled);
  });
});

describe("the error that is told", () => {
  test("is the last one that was an answer, though later attempts got none", async () => {
    const { context } = armorWith([{ status: 504 }, TIMEOUT]);
    const { code, problem } = await errorOf(fetchToken(context, PAIR));
    expect(code).toBe("server_unavailable");
    expect(problem).toMatch(/answered 504, tried \d times in .* s, at last without an answer$/);
  });

  test("does not speak of a pause that the server asked for before", async () => {
    const asking = { status: 503, headers: { "retry-after": "1" } };
    const { context } = armorWith([asking, TIMEOUT]);
    const { problem } = await errorOf(fetchToken(context, PAIR));
    expect(problem).not.toContain("asks to wait");
  });

  test("is a later one that is final", async () => {
    const certificate = new ArmorError("certificate_rejected", "P", "R.");
    const { context } = armorWith([{ status: 504 }, certificate]);
    expect((await errorOf(fetchToken(context, PAIR))).code).toBe("certificate_rejected");
  });

  test("says what timeout would be enough for the pause that a rate limit asks for", async () => {
    const { context } = armorWith([{ status: 429, headers: { "retry-after": "60" } }], {
      timeoutMs: 5_000,
      takesMs: 100,
    });
    expect((await errorOf(fetchToken(context, PAIR))).message).toBe(
      "Armor's rate limit is reached: https://armor.example answered 429 and asks to wait 60 s, " +
        "longer than timeout (5 s) allows. Set timeout above 60, or start at another minute.",
    );
  });

  test("adds what was done before to the timeout that would be enough", async () => {
    const asking = { status: 503, headers: { "retry-after": "20" } };
    const { context } = armorWith([{ status: 503 }, asking]);
    const { message } = await errorOf(fetchToken(context, PAIR));
    expect(message).toMatch(
      /asks to wait 20 s, longer than timeout \(10 s\) allows, tried 2 times/,
    );
    expect(message).toContain("Set timeout above 22, or run the job again later.");
  });
});

describe("after a 401", () => {
  test("the shape of the values is told before the usual remedy", async () => {
    const { context } = armorWith([REFUSED]);
    const { remedy } = await errorOf(fetchToken(context, { appId: "an-id", apiKey: '"k3y"' }));
    expect(remedy).toMatch(
      /^api-key has quotation marks: store it without them\. Check that app-id/,
    );
  });

  test.each([403, 404, 503])("only: not after %i", async (status) => {
    const { context } = armorWith([{ status }]);
    const { remedy } = await errorOf(fetchToken(context, { appId: "an-id", apiKey: '"k3y"' }));
    expect(remedy).not.toContain("quotation marks");
  });

  test("a pair that had got a token is told by when it did, and not called copied wrongly", async () => {
    const { context } = armorWith([REFUSED]);
    const last = {
      accessToken: "t0k3n-old",
      expiresIn: 60,
      requestedAt: 0,
      expiresAt: Date.parse("2026-11-30T12:08:30Z"),
    };
    const { code, remedy } = await errorOf(fetchToken(context, PAIR, last));
    expect(code).toBe("credentials_rejected");
    expect(remedy).toMatch(
      /^This pair was accepted at 12:07 and is refused now: the key was replaced, or the app disabled\./,
    );
    expect(remedy).not.toContain("copied");
  });

  test.each(["unauthorized_client", "access_denied", "invalid_request", "temporarily_unavailable"])(
    "the status counts, whatever the OAuth error is: %s",
    async (error) => {
      const { context, sent } = armorWith([{ status: 401, body: JSON.stringify({ error }) }]);
      const told = await errorOf(fetchToken(context, { appId: "id", apiKey: "plain-key" }));
      expect([told.code, sent.length]).toEqual(["credentials_rejected", 1]);
    },
  );
});

describe("the server's own words", () => {
  const words = (status: number, body: unknown) => {
    const url = new URL("https://armor.example/");
    const text = typeof body === "string" ? body : JSON.stringify(body);
    try {
      judgeToken({ url, status, headers: {}, body: text });
    } catch (error) {
      return error as ArmorError;
    }
    throw new Error("it is a token");
  };

  test.each([
    { where: "message", body: { message: "App is locked" }, says: '401 ("App is locked")' },
    { where: "detail", body: { detail: "App is locked" }, says: '401 ("App is locked")' },
    { where: "title", body: { title: "Locked" }, says: '401 ("Locked")' },
    {
      where: "an object as error",
      body: { error: { code: 7, message: "Locked" } },
      says: '401 ("Locked")',
    },
    {
      where: "message beside error",
      body: { error: "Unauthorized", message: "Locked" },
      says: '401 Unauthorized ("Locked")',
    },
    {
      where: "error_description first",
      body: { error_description: "First", message: "Second" },
      says: '401 ("First")',
    },
    { where: "nothing in empty texts", body: { error: "", message: "" }, says: "401" },
    { where: "nothing of other types", body: { message: ["x"], error: 7 }, says: "401" },
  ])("are taken from $where", ({ body, says }) => {
    expect(words(401, body).problem.endsWith(`answered ${says}`)).toBe(true);
  });

  test("are short, of one line and without a secret, in whatever field they come", () => {
    hide(["S3cr3t-of-this-test"]);
    const long = `s3CR3T-of-this-TEST\n::error::${"x".repeat(12_000)}`;
    for (const field of ["error", "error_description", "message", "detail", "title"]) {
      const { message } = words(400, { [field]: long });
      expect(message.toLowerCase()).not.toContain("s3cr3t");
      expect(message).not.toMatch(/\n|::/);
      expect(message.length).toBeLessThan(600);
    }
  });

  test.each([
    { error: "invalid_client", code: "credentials_rejected" },
    { error: "unauthorized_client", code: "access_denied" },
    { error: "temporarily_unavailable", code: "server_unavailable" },
    { error: "anything_else", code: "request_rejected" },
  ])("are told as that error if they come with 200: $error", ({ error, code }) => {
    const told = words(200, { error, error_description: "Look here" });
    expect(told.code).toBe(code);
    expect(told.problem).toContain(`answered 200 ${error} ("Look here")`);
  });

  test("may be nested as deep as they like", () => {
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    const token = '"access_token":"t0k3n-abc"';
    for (const field of ["expires_in", "token_type", "error", "access_token"]) {
      const { code } = words(200, `{${token},"${field}":${deep}}`);
      expect(code).toBe("reply_invalid");
    }
    expect(words(401, `{"error":${deep},"message":${deep}}`).code).toBe("credentials_rejected");
  });
});

describe("the log before a pause", () => {
  test("has the problem once, then the number of the next try, and a new problem when there is one", async () => {
    const { context, lines } = armorWith([
      { status: 503 },
      { status: 503 },
      { status: 502 },
      GRANT,
    ]);
    await fetchToken(context, PAIR);
    const pause = (times: number) => seconds(FIRST_BACKOFF_MS * times);
    expect(lines).toEqual([
      `Armor is not available: https://armor.example answered 503. Next try in ${pause(0.5)}.`,
      `Try 3 in ${pause(1)}.`,
      `Armor is not available: https://armor.example answered 502. Next try in ${pause(2)}.`,
    ]);
  });

  test("has the same by hand", () => {
    const down = new ArmorError("server_unavailable", "It is down", "Wait.");
    expect(retryLine(down, 1, 2_200)).toBe("It is down. Next try in 2.2 s.");
    expect(retryLine(down, 2, 2_200, down)).toBe("Try 3 in 2.2 s.");
  });

  test("comes before it", async () => {
    const clock = virtualClock();
    const pausesSoFar: number[] = [];
    const onRetry = () => pausesSoFar.push(clock.pauses.length);
    let tries = 0;
    const attempt = async () => {
      tries += 1;
      if (tries < 3) throw new ArmorError("server_unavailable", "P", "R.");
    };
    await retry(attempt, { timeoutMs: 30_000, onRetry });
    expect(pausesSoFar).toEqual([0, 1]);
  });
});

const FAILURES = [
  new ArmorError("server_unavailable", "P", "R."),
  new ArmorError("rate_limited", "P", "R."),
  TIMEOUT,
];

/** The pauses between attempts that all fail, each of which takes this long. */
async function pausesOf(options: {
  failures: readonly ArmorError[];
  chance: number | (() => number);
  timeoutMs: number;
  takesMs: number;
}): Promise<readonly number[]> {
  const { failures, chance, timeoutMs, takesMs } = options;
  const clock = virtualClock(chance);
  const start = clock.now();
  let tries = 0;
  const attempt = async () => {
    await clock.pass(takesMs);
    tries += 1;
    throw failures[tries % failures.length];
  };
  await errorOf(retry(attempt, { timeoutMs }));
  expect(clock.now() - start).toBeLessThanOrEqual(timeoutMs);
  return clock.pauses;
}

holds(
  "but for jitter, no pause is shorter than the one before it, and none goes beyond the timeout",
  fc.asyncProperty(
    fc.constantFrom(...FAILURES),
    // Not 0: if attempts take no time either, no time would ever pass.
    fc.constantFrom(0.05, 0.25, 0.5, 0.75, 0.999),
    fc.integer({ min: 1_000, max: 300_000 }),
    fc.nat(250),
    async (failure, chance, timeoutMs, takesMs) => {
      const pauses = await pausesOf({ failures: [failure], chance, timeoutMs, takesMs });
      const sorted = pauses.toSorted((a, b) => a - b);
      expect(pauses).toEqual(sorted);
    },
  ),
);

test("the last seconds have no cluster of attempts", async () => {
  const chance = seeded(11);
  let late = 0;
  for (let run = 0; run < 200; run += 1) {
    const timeoutMs = 30_000;
    const failures = FAILURES.slice(0, 1);
    const pauses = await pausesOf({ failures, chance, timeoutMs, takesMs: 50 });
    let at = 50;
    for (const pause of pauses) {
      at += pause + 50;
      if (at > timeoutMs - 1_500) late += 1;
    }
  }
  expect(late / 200).toBeLessThan(0.6); // attempts a run; a cluster would be three or four
});

describe("a session that could not be ended", () => {
  test.each([
    { what: "a status", reply: { status: 503 }, reason: "Armor answered 503" },
    {
      what: "a status and words",
      reply: { status: 403, body: '{"error":"access_denied"}' },
      reason: "Armor answered 403 access_denied",
    },
    {
      what: "a pause that was asked for",
      reply: { status: 429, headers: { "retry-after": "60" } },
      reason: "Armor answered 429",
    },
    { what: "no answer", reply: TIMEOUT, reason: "No answer" },
  ])("has a short reason and no remedy of the exchange: $what", async ({ reply, reason }) => {
    const { context } = armorWith([reply], { timeoutMs: 5_000 });
    const { problem, remedy } = await errorOf(endSession(context, "t0k3n-abc"));
    expect(problem).toBe(reason);
    expect(remedy).toBe("The session ends by itself when its token expires.");
  });

  test("is tried again after the pause that Armor asks for, and not before", async () => {
    const limited = { status: 429, headers: { "retry-after": "9" } };
    const { context, clock } = armorWith([limited, { status: 204 }], { timeoutMs: 30_000 });
    await expect(endSession(context, "t0k3n-abc")).resolves.toBe(true);
    expect(clock.pauses).toHaveLength(1);
    expect(clock.pauses[0]).toBeGreaterThanOrEqual(9_000);
  });

  test("keeps the remedy of a bug, which is to report it", async () => {
    const { context } = armorWith([]);
    const send = () => Promise.reject(new TypeError("x is not a function"));
    const { code, remedy } = await errorOf(endSession({ ...context, send }, "t0k3n-abc"));
    expect(code).toBe("internal_error");
    expect(remedy).toContain("please report");
  });
});

test("the debug log has a line for each attempt that failed, with its milliseconds, and no secret", async () => {
  const { context } = armorWith([{ status: 503 }, TIMEOUT, GRANT]);
  const lines: string[] = [];
  writeDebugTo((line) => lines.push(line));
  try {
    await fetchToken(context, { appId: "id", apiKey: "plain-key" });
  } finally {
    writeDebugTo(undefined);
  }
  expect(lines).toEqual([
    "Attempt 1 failed after 1000 ms: server_unavailable",
    "Attempt 2 failed after 1000 ms: reply_timeout",
  ]);
});
