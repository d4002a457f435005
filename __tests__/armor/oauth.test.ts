import { describe, expect, jest, test } from "@jest/globals";
import type { ApiReply } from "../../src/armor/http.ts";
import { isClientUnknown, judgeTerminate, judgeToken } from "../../src/armor/oauth.ts";
import { hide } from "../../src/redact.ts";

hide(["S3cr3t", "QmFzaWM6UzNjcjN0"]);
const NOW = Date.parse("2026-11-22T02:00:00Z");

function reply(status: number, body: unknown = "", headers: ApiReply["headers"] = {}): ApiReply {
  return {
    url: new URL("https://armor.example/api/v1/iam/session/oauth2/token"),
    status,
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body),
  };
}

const GOOD = { access_token: "abc.DEF-123_~+/=", token_type: "Bearer", expires_in: 60 };

describe("isClientUnknown", () => {
  test.each([
    [401, "", true],
    [401, { error: "invalid_request" }, true],
    [400, { error: "invalid_client" }, true],
    [400, { error: "invalid_request" }, false],
    [400, "invalid_client", false],
    [403, { error: "invalid_client" }, false],
    [200, { error: "invalid_client" }, false],
  ])("status %i with %p: %p", (status, body, expected) => {
    expect(isClientUnknown(reply(status, body))).toBe(expected);
  });
});

describe("judgeToken", () => {
  test.each([
    ["as documented", GOOD, 60],
    ["with a lifetime of an hour", { ...GOOD, expires_in: 3600 }, 3600],
    ["bearer in small letters", { ...GOOD, token_type: "bearer" }, 60],
    ["no token_type", { ...GOOD, token_type: undefined }, 60],
    ["expires_in as text", { ...GOOD, expires_in: "90" }, 90],
    ["expires_in as a fraction", { ...GOOD, expires_in: 0.25 }, 0.25],
    ["expires_in as a fraction in a text", { ...GOOD, expires_in: "60.25" }, 60.25],
    ["no expires_in", { ...GOOD, expires_in: undefined }, 60],
    ["members that are null", { ...GOOD, token_type: null, expires_in: null, error: null }, 60],
    ["a byte order mark before it", `\uFEFF${JSON.stringify(GOOD)}`, 60],
    ["more fields than known", { ...GOOD, scope: "x" }, 60],
    ["a lifetime at the limit", { ...GOOD, expires_in: 2 ** 31 - 1 }, 2 ** 31 - 1],
  ])("accepts one %s", (_, body, expiresIn) => {
    expect(judgeToken(reply(200, body))).toEqual({ accessToken: GOOD.access_token, expiresIn });
  });

  test.each([
    ["a web page", "<!doctype html><title>Sign in</title>", "a web page instead of a JSON object"],
    ["a web page behind white space", "\n  <html>", "a web page instead of a JSON object"],
    ["nothing", "", "something else instead of a JSON object"],
    ["text", "OK", "something else instead of a JSON object"],
    ["JSON null", "null", "something else instead of a JSON object"],
    ["a JSON text", '"access_token"', "something else instead of a JSON object"],
    ["a JSON number", "5", "something else instead of a JSON object"],
    ["a list", "[]", "something else instead of a JSON object"],
    ["a torn object", '{"access_token":"abc', "something else instead of a JSON object"],
    ["no token", { ...GOOD, access_token: undefined }, "no access_token"],
    ["an empty token", { ...GOOD, access_token: "" }, "no access_token"],
    ["a numeric token", { ...GOOD, access_token: 5 }, "no access_token"],
    ["a null token", { ...GOOD, access_token: null }, "no access_token"],
    ["a token with a line break", { ...GOOD, access_token: "a\nb" }, "characters that no header can carry"],
    ["a token with a space", { ...GOOD, access_token: "a b" }, "characters that no header can carry"],
    ["a token of 100 KB", { ...GOOD, access_token: "x".repeat(100_000) }, "longer than a header can be"],
    [
      "two byte order marks",
      `\uFEFF\uFEFF${JSON.stringify(GOOD)}`,
      "something else instead of a JSON object",
    ],
    ["gzip that nobody asked for", "\x1f\ufffd\b\0", "a compressed reply instead of a JSON object"],
    ["a token beyond ASCII", { ...GOOD, access_token: "aü" }, "characters that no header can carry"],
    ...["mac", "bearers", "a bearer", ["Bearer"]].map(
      (token_type) =>
        [`token_type ${token_type}`, { ...GOOD, token_type }, "a token_type other than Bearer"] as const,
    ),
    ["a numeric token_type", { ...GOOD, token_type: 1 }, "a token_type other than Bearer"],
    ...["abc", "", "-5", "1e3", " 60", "0", -5, 0, true, [60], 2 ** 31, "99999999999999999999"].map(
      (value) =>
        [
          `expires_in ${JSON.stringify(value)}`,
          { ...GOOD, expires_in: value },
          "an expires_in that is no number of seconds above 0",
        ] as const,
    ),
    ["a lifetime of infinity", '{"access_token":"a","expires_in":1e999}', "no number of seconds"],
    ["an error", { error: "invalid_client" }, "an OAuth error instead of a token invalid_client"],
    ["an error that is no text", { error: 5 }, "an OAuth error instead of a token."],
    ["an error beside a token", { ...GOOD, error: GOOD.access_token }, "an OAuth error instead of a token."],
  ])("refuses %s", (_, body, says) => {
    expect(() => judgeToken(reply(200, body))).toThrow(
      expect.objectContaining({ code: "reply_invalid", message: expect.stringContaining(says) }),
    );
  });

  test("a compressed reply is called one, also where only its header says so", () => {
    for (const encoding of ["gzip", "br", "zstd"]) {
      expect(() => judgeToken(reply(200, "x", { "content-encoding": encoding }))).toThrow(
        expect.objectContaining({ problem: expect.stringContaining("a compressed reply instead of") }),
      );
    }
    expect(judgeToken(reply(200, GOOD, { "content-encoding": "identity" }))).toMatchObject({
      expiresIn: 60,
    });
  });

  const PROBLEMS: Readonly<Record<string, string>> = {
    credentials_rejected: "Armor does not accept this client app",
    access_denied: "Armor denies access",
    endpoint_not_found: "This is not the Armor API",
    rate_limited: "Armor's rate limit is reached",
    server_unavailable: "Armor is not available",
    request_rejected: "Armor did not accept the request",
  };

  /** Status, OAuth's error, code, whether the token endpoint has said so for good, a word of the remedy. */
  test.each([
    [401, undefined, "credentials_rejected", false, "app-id and api-key"],
    [403, undefined, "access_denied", false, "allow-list"],
    [404, undefined, "endpoint_not_found", false, "Check api-url"],
    [400, undefined, "request_rejected", false, "api-url"],
    [405, undefined, "request_rejected", false, "api-url"],
    [201, undefined, "request_rejected", false, "api-url"],
    [204, undefined, "request_rejected", false, "api-url"],
    [304, undefined, "request_rejected", false, "api-url"],
    [408, undefined, "server_unavailable", false, "timeout"],
    [429, undefined, "rate_limited", false, "timeout"],
    [500, undefined, "server_unavailable", false, "timeout"],
    [502, undefined, "server_unavailable", false, "timeout"],
    [503, undefined, "server_unavailable", false, "timeout"],
    [599, undefined, "server_unavailable", false, "timeout"],
    [400, "invalid_client", "credentials_rejected", true, "app-id and api-key"],
    [401, "invalid_client", "credentials_rejected", true, "app-id and api-key"],
    [400, "invalid_grant", "credentials_rejected", true, "app-id and api-key"],
    [400, "unauthorized_client", "access_denied", true, "permitted"],
    [401, "unauthorized_client", "access_denied", true, "permitted"],
    [400, "access_denied", "access_denied", true, "permitted"],
    [401, "invalid_request", "request_rejected", true, "api-url"],
    [401, "invalid_scope", "request_rejected", true, "api-url"],
    [401, "unsupported_grant_type", "request_rejected", true, "api-url"],
    [400, "temporarily_unavailable", "server_unavailable", false, "later"],
    [400, "server_error", "server_unavailable", false, "later"],
    ...["401", "404", "429", "503"].map(
      (error) =>
        [400, error, "request_rejected", true, "api-url"] as [number, string, string, boolean, string],
    ),
    [400, "toString", "request_rejected", true, "api-url"],
    [401, "something_new", "credentials_rejected", true, "app-id and api-key"],
    [404, "invalid_client", "credentials_rejected", false, "app-id and api-key"],
    [429, "invalid_request", "rate_limited", false, "timeout"],
    [503, "invalid_client", "server_unavailable", false, "timeout"],
    [401, 5, "credentials_rejected", false, "app-id and api-key"],
  ])("status %i with the error %p is %s", (status, error, code, isPermanent, remedy) => {
    expect(() => judgeToken(reply(status, { ...GOOD, error }))).toThrow(
      expect.objectContaining({
        code,
        problem: expect.stringContaining(`${PROBLEMS[code]}: https://armor.example answered ${status}`),
        remedy: expect.stringContaining(remedy),
        details: expect.objectContaining({ isPermanent }),
      }),
    );
  });

  test.each([
    ["nothing where there is nothing", "", "answered 401"],
    ["nothing of a web page", "<html>S3cr3t</html>", "answered 401"],
    ["the code", { error: "invalid_client" }, "answered 401 invalid_client"],
    [
      "the code and the description",
      { error: "invalid_client", error_description: "unknown app" },
      'answered 401 invalid_client ("unknown app")',
    ],
    ["the description alone", { error_description: "unknown app" }, 'answered 401 ("unknown app")'],
    [
      "neither key nor header",
      { error: "S3cr3t", error_description: "Authorization: Basic QmFzaWM6UzNjcjN0" },
      'answered 401 *** ("Authorization: Basic ***")',
    ],
    ["no workflow command", { error: "\n::error::x ####[error]x" }, "answered 401 :error:x #### [error]x"],
    ["nothing that is no text", { error: ["x"], error_description: { a: 1 } }, "answered 401"],
  ])("of what the server says it repeats %s", (_, body, says) => {
    expect(() => judgeToken(reply(401, body))).toThrow(
      expect.objectContaining({
        problem: `Armor does not accept this client app: https://armor.example ${says}`,
      }),
    );
  });

  const on = (date: string) => ({ "retry-after": date });
  test.each([
    ["absent", {}, undefined],
    ["empty", on(" "), undefined],
    ["in seconds", on("7"), 7_000],
    ["at once", on("0"), 0],
    ["in seconds that no number can hold", on("9".repeat(400)), (2 ** 31 - 1) * 1000],
    ["a fraction", on("1.5"), undefined],
    ["below zero", on("-1"), undefined],
    ["with a sign", on("+1"), undefined],
    ["a date", on("Sun, 22 Nov 2026 02:00:09 GMT"), 9_000],
    [
      "a date of a server whose clock is off",
      { "retry-after": "Sun, 22 Nov 2026 12:00:09 GMT", date: "Sun, 22 Nov 2026 12:00:04 GMT" },
      5_000,
    ],
    ["a date that has passed", on("Sun, 22 Nov 2026 01:00:00 GMT"), 0],
    ["a date of RFC 850", on("Sunday, 22-Nov-26 02:00:09 GMT"), undefined],
    ["a date of asctime", on("Sun Nov 22 02:00:09 2026"), undefined],
    ["an ISO date", on("2026-11-22T02:00:09Z"), undefined],
    ["a date with words around it", on("at Sun, 22 Nov 2026 02:00:09 GMT or so"), undefined],
    ["a date that does not exist", on("Sun, 99 Nov 2026 02:00:09 GMT"), undefined],
    ["words", on("soon"), undefined],
  ])("Retry-After, %s", (_, headers, retryAfterMs) => {
    jest.spyOn(Date, "now").mockReturnValue(NOW);
    for (const status of [408, 429, 503]) {
      expect(() => judgeToken(reply(status, "", headers))).toThrow(
        expect.objectContaining({ details: expect.objectContaining({ retryAfterMs }) }),
      );
    }
  });

  test("Retry-After has no meaning for what does not pass", () => {
    expect(() => judgeToken(reply(403, "", on("7")))).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ retryAfterMs: undefined }) }),
    );
  });
});

describe("judgeTerminate", () => {
  test.each([
    [204, true],
    [200, true],
    [401, false],
  ])("status %i: there was one is %p", (status, expected) => {
    expect(judgeTerminate(reply(status))).toBe(expected);
  });

  test.each([
    [404, "endpoint_not_found"],
    [500, "server_unavailable"],
    [300, "request_rejected"],
  ])("status %i is %s", (status, code) => {
    expect(() => judgeTerminate(reply(status))).toThrow(expect.objectContaining({ code }));
  });
});

test.each([
  [408, "server_unavailable"],
  [429, "rate_limited"],
  [500, "server_unavailable"],
])("a %i is asked again, whatever its body says", (status, code) => {
  for (const error of ["invalid_client", "xinvalid_client", "invalid_clientx"]) {
    const overloaded = () => judgeToken(reply(status, { error }));
    expect(overloaded).toThrow(expect.objectContaining({ code, canPass: true }));
  }
});

test.each(["xinvalid_client", "invalid_grantx", "xserver_error", "408x", "xinvalid_scope", "invalid_scopex"])(
  "an OAuth error is known as a whole, and %s is none",
  (error) => {
    expect(() => judgeToken(reply(404, { error }))).toThrow(
      expect.objectContaining({ code: "endpoint_not_found" }),
    );
  },
);
