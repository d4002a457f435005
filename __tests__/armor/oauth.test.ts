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

const TOKEN_BODY = { access_token: "abc.DEF-123_~+/=", token_type: "Bearer", expires_in: 60 };

describe("isClientUnknown", () => {
  test.each([
    { status: 401, body: "", expected: true },
    { status: 401, body: { error: "invalid_request" }, expected: true },
    { status: 400, body: { error: "invalid_client" }, expected: true },
    { status: 400, body: { error: "invalid_request" }, expected: false },
    { status: 400, body: "invalid_client", expected: false },
    { status: 403, body: { error: "invalid_client" }, expected: false },
    { status: 200, body: { error: "invalid_client" }, expected: false },
  ])("status $status with $body: $expected", ({ status, body, expected }) => {
    expect(isClientUnknown(reply(status, body))).toBe(expected);
  });
});

describe("judgeToken", () => {
  test.each([
    { what: "as documented", body: TOKEN_BODY, expiresIn: 60 },
    {
      what: "with a lifetime of an hour",
      body: { ...TOKEN_BODY, expires_in: 3600 },
      expiresIn: 3600,
    },
    {
      what: "bearer in small letters",
      body: { ...TOKEN_BODY, token_type: "bearer" },
      expiresIn: 60,
    },
    { what: "no token_type", body: { ...TOKEN_BODY, token_type: undefined }, expiresIn: 60 },
    { what: "expires_in as text", body: { ...TOKEN_BODY, expires_in: "90" }, expiresIn: 90 },
    {
      what: "expires_in as a fraction",
      body: { ...TOKEN_BODY, expires_in: 0.25 },
      expiresIn: 0.25,
    },
    {
      what: "expires_in as a fraction in a text",
      body: { ...TOKEN_BODY, expires_in: "60.25" },
      expiresIn: 60.25,
    },
    { what: "no expires_in", body: { ...TOKEN_BODY, expires_in: undefined }, expiresIn: 60 },
    {
      what: "members that are null",
      body: { ...TOKEN_BODY, token_type: null, expires_in: null, error: null },
      expiresIn: 60,
    },
    {
      what: "a byte order mark before it",
      body: `\uFEFF${JSON.stringify(TOKEN_BODY)}`,
      expiresIn: 60,
    },
    { what: "more fields than known", body: { ...TOKEN_BODY, scope: "x" }, expiresIn: 60 },
    {
      what: "a lifetime at the limit",
      body: { ...TOKEN_BODY, expires_in: 2 ** 31 - 1 },
      expiresIn: 2 ** 31 - 1,
    },
  ])("accepts one $what", ({ body, expiresIn }) => {
    expect(judgeToken(reply(200, body))).toEqual({
      accessToken: TOKEN_BODY.access_token,
      expiresIn,
    });
  });

  test.each([
    {
      what: "a web page",
      body: "<!doctype html><title>Sign in</title>",
      says: "a web page instead of a JSON object",
    },
    {
      what: "a web page behind white space",
      body: "\n  <html>",
      says: "a web page instead of a JSON object",
    },
    { what: "nothing", body: "", says: "something else instead of a JSON object" },
    { what: "text", body: "OK", says: "something else instead of a JSON object" },
    { what: "JSON null", body: "null", says: "something else instead of a JSON object" },
    {
      what: "a JSON text",
      body: '"access_token"',
      says: "something else instead of a JSON object",
    },
    { what: "a JSON number", body: "5", says: "something else instead of a JSON object" },
    { what: "a list", body: "[]", says: "something else instead of a JSON object" },
    {
      what: "a torn object",
      body: '{"access_token":"abc',
      says: "something else instead of a JSON object",
    },
    { what: "no token", body: { ...TOKEN_BODY, access_token: undefined }, says: "no access_token" },
    { what: "an empty token", body: { ...TOKEN_BODY, access_token: "" }, says: "no access_token" },
    { what: "a numeric token", body: { ...TOKEN_BODY, access_token: 5 }, says: "no access_token" },
    { what: "a null token", body: { ...TOKEN_BODY, access_token: null }, says: "no access_token" },
    {
      what: "a token with a line break",
      body: { ...TOKEN_BODY, access_token: "a\nb" },
      says: "characters that no header can carry",
    },
    {
      what: "a token with a space",
      body: { ...TOKEN_BODY, access_token: "a b" },
      says: "characters that no header can carry",
    },
    {
      what: "a token of 100 KB",
      body: { ...TOKEN_BODY, access_token: "x".repeat(100_000) },
      says: "longer than a header can be",
    },
    {
      what: "two byte order marks",
      body: `\uFEFF\uFEFF${JSON.stringify(TOKEN_BODY)}`,
      says: "something else instead of a JSON object",
    },
    {
      what: "gzip that nobody asked for",
      body: "\x1f\ufffd\b\0",
      says: "a compressed reply instead of a JSON object",
    },
    {
      what: "a token beyond ASCII",
      body: { ...TOKEN_BODY, access_token: "aü" },
      says: "characters that no header can carry",
    },
    ...["mac", "bearers", "a bearer", ["Bearer"]].map((token_type) => ({
      what: `token_type ${token_type}`,
      body: { ...TOKEN_BODY, token_type },
      says: "a token_type other than Bearer",
    })),
    {
      what: "a numeric token_type",
      body: { ...TOKEN_BODY, token_type: 1 },
      says: "a token_type other than Bearer",
    },
    ...["abc", "", "-5", "1e3", " 60", "0", -5, 0, true, [60], 2 ** 31, "99999999999999999999"].map(
      (value) => ({
        what: `expires_in ${JSON.stringify(value)}`,
        body: { ...TOKEN_BODY, expires_in: value },
        says: "an expires_in that is no number of seconds above 0",
      }),
    ),
    {
      what: "a lifetime of infinity",
      body: '{"access_token":"12345678","expires_in":1e999}',
      says: "no number of seconds",
    },
    {
      what: "an error that is no text",
      body: { error: 5 },
      says: "an OAuth error instead of a token.",
    },
    {
      what: "an error beside a token",
      body: { ...TOKEN_BODY, error: TOKEN_BODY.access_token },
      says: "an OAuth error instead of a token.",
    },
  ])("refuses $what", ({ body, says }) => {
    expect(() => judgeToken(reply(200, body))).toThrow(
      expect.objectContaining({ code: "reply_invalid", message: expect.stringContaining(says) }),
    );
  });

  test("a compressed reply is called one, also if only its header says so", () => {
    for (const encoding of ["gzip", "br", "zstd"]) {
      expect(() => judgeToken(reply(200, "x", { "content-encoding": encoding }))).toThrow(
        expect.objectContaining({
          problem: expect.stringContaining("a compressed reply instead of"),
        }),
      );
    }
    expect(judgeToken(reply(200, TOKEN_BODY, { "content-encoding": "identity" }))).toMatchObject({
      expiresIn: 60,
    });
  });

  describe("a refusal", () => {
    const CREDENTIALS = {
      code: "credentials_rejected",
      problem: "Armor does not accept this client app",
      remedy: expect.stringContaining("app-id and api-key are of the same client app"),
    };
    const DENIED = {
      code: "access_denied",
      problem: "Armor denies access",
      remedy: expect.stringContaining("IP allow-list"),
    };
    const NOT_FOUND = {
      code: "endpoint_not_found",
      problem: "This is not the Armor API",
      remedy: expect.stringContaining("Check api-url"),
    };
    const REJECTED = {
      code: "request_rejected",
      problem: "Armor did not accept the request",
      remedy: expect.stringContaining("Check that api-url is"),
    };
    const LIMITED = {
      code: "rate_limited",
      problem: "Armor's rate limit is reached",
      remedy: expect.stringMatching(/\btimeout\b/),
    };
    const UNAVAILABLE = {
      code: "server_unavailable",
      problem: "Armor is not available",
      remedy: expect.stringMatching(/\btimeout\b/),
    };

    function expectRefusal(
      status: number,
      error: unknown,
      meaning: typeof DENIED,
      isPermanent: boolean,
    ) {
      const { code, problem, remedy } = meaning;
      expect(() => judgeToken(reply(status, { ...TOKEN_BODY, error }))).toThrow(
        expect.objectContaining({
          code,
          problem: expect.stringContaining(`${problem}: https://armor.example answered ${status}`),
          remedy,
          details: expect.objectContaining({ isPermanent }),
        }),
      );
    }

    test.each([
      { status: 201, meaning: REJECTED },
      { status: 204, meaning: REJECTED },
      { status: 304, meaning: REJECTED },
      { status: 400, meaning: REJECTED },
      { status: 401, meaning: CREDENTIALS },
      { status: 403, meaning: DENIED },
      { status: 404, meaning: NOT_FOUND },
      { status: 405, meaning: REJECTED },
      { status: 408, meaning: UNAVAILABLE },
      { status: 429, meaning: LIMITED },
      { status: 500, meaning: UNAVAILABLE },
      { status: 502, meaning: UNAVAILABLE },
      { status: 503, meaning: UNAVAILABLE },
      { status: 599, meaning: UNAVAILABLE },
    ])(
      "by status $status alone is $meaning.code, and may be another server's",
      ({ status, meaning }) => {
        expectRefusal(status, undefined, meaning, false);
      },
    );

    test.each([
      { error: "invalid_client", meaning: CREDENTIALS },
      { error: "invalid_grant", meaning: CREDENTIALS },
      { error: "unauthorized_client", meaning: DENIED },
      { error: "access_denied", meaning: DENIED },
      { error: "invalid_request", meaning: REJECTED },
      { error: "invalid_scope", meaning: REJECTED },
      { error: "unsupported_grant_type", meaning: REJECTED },
    ])("with the OAuth error $error is $meaning.code, for good", ({ error, meaning }) => {
      for (const status of [400, 403]) expectRefusal(status, error, meaning, true);
      expectRefusal(401, error, CREDENTIALS, true);
    });

    test.each(["temporarily_unavailable", "server_error"])(
      "with the OAuth error %s can pass",
      (error) => {
        expectRefusal(400, error, UNAVAILABLE, false);
      },
    );

    test.each(["401", "404", "429", "503", "toString"])(
      "with an unknown OAuth error is judged by its status: %s",
      (error) => {
        expectRefusal(400, error, REJECTED, true);
        expectRefusal(401, error, CREDENTIALS, true);
      },
    );

    test("with an error that is no text is judged by its status, and not for good", () => {
      expectRefusal(401, 5, CREDENTIALS, false);
    });

    test("with an OAuth error and a status that does not go with it is not for good", () => {
      expectRefusal(404, "invalid_client", CREDENTIALS, false);
    });

    test("of a server that is overloaded can pass, whatever its body says", () => {
      expectRefusal(429, "invalid_request", LIMITED, false);
      expectRefusal(503, "invalid_client", UNAVAILABLE, false);
    });
  });

  test.each([
    { what: "nothing if there is nothing", body: "", says: "answered 401" },
    { what: "nothing of a web page", body: "<html>S3cr3t</html>", says: "answered 401" },
    { what: "the code", body: { error: "invalid_client" }, says: "answered 401 invalid_client" },
    {
      what: "the code and the description",
      body: { error: "invalid_client", error_description: "unknown app" },
      says: 'answered 401 invalid_client ("unknown app")',
    },
    {
      what: "the description alone",
      body: { error_description: "unknown app" },
      says: 'answered 401 ("unknown app")',
    },
    {
      what: "neither key nor header",
      body: { error: "S3cr3t", error_description: "Authorization: Basic QmFzaWM6UzNjcjN0" },
      says: 'answered 401 *** ("Authorization: Basic ***")',
    },
    {
      what: "no workflow command",
      body: { error: "\n::error::x ####[error]x" },
      says: "answered 401 :error:x #### [error]x",
    },
    {
      what: "nothing that is no text",
      body: { error: ["x"], error_description: { a: 1 } },
      says: "answered 401",
    },
  ])("of what the server says it repeats $what", ({ body, says }) => {
    expect(() => judgeToken(reply(401, body))).toThrow(
      expect.objectContaining({
        problem: `Armor does not accept this client app: https://armor.example ${says}`,
      }),
    );
  });

  const on = (date: string) => ({ "retry-after": date });
  test.each([
    { what: "absent", headers: {}, retryAfterMs: undefined },
    { what: "empty", headers: on(" "), retryAfterMs: undefined },
    { what: "in seconds", headers: on("7"), retryAfterMs: 7_000 },
    { what: "at once", headers: on("0"), retryAfterMs: 0 },
    {
      what: "in seconds that no number can hold",
      headers: on("9".repeat(400)),
      retryAfterMs: (2 ** 31 - 1) * 1000,
    },
    { what: "a fraction", headers: on("1.5"), retryAfterMs: undefined },
    { what: "below zero", headers: on("-1"), retryAfterMs: undefined },
    { what: "with a sign", headers: on("+1"), retryAfterMs: undefined },
    { what: "a date", headers: on("Sun, 22 Nov 2026 02:00:09 GMT"), retryAfterMs: 9_000 },
    {
      what: "a date of a server whose clock is off",
      headers: {
        "retry-after": "Sun, 22 Nov 2026 12:00:09 GMT",
        date: "Sun, 22 Nov 2026 12:00:04 GMT",
      },
      retryAfterMs: 5_000,
    },
    {
      what: "a date that has passed",
      headers: on("Sun, 22 Nov 2026 01:00:00 GMT"),
      retryAfterMs: 0,
    },
    {
      what: "a date of RFC 850",
      headers: on("Sunday, 22-Nov-26 02:00:09 GMT"),
      retryAfterMs: undefined,
    },
    { what: "a date of asctime", headers: on("Sun Nov 22 02:00:09 2026"), retryAfterMs: undefined },
    { what: "an ISO date", headers: on("2026-11-22T02:00:09Z"), retryAfterMs: undefined },
    {
      what: "a date with words around it",
      headers: on("at Sun, 22 Nov 2026 02:00:09 GMT or so"),
      retryAfterMs: undefined,
    },
    {
      what: "a date that does not exist",
      headers: on("Sun, 99 Nov 2026 02:00:09 GMT"),
      retryAfterMs: undefined,
    },
    { what: "words", headers: on("soon"), retryAfterMs: undefined },
  ])("Retry-After, $what", ({ headers, retryAfterMs }) => {
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
    { status: 204, expected: true },
    { status: 200, expected: true },
    { status: 401, expected: false },
  ])("status $status: there was one is $expected", ({ status, expected }) => {
    expect(judgeTerminate(reply(status))).toBe(expected);
  });

  test.each([
    { status: 404, code: "endpoint_not_found" },
    { status: 500, code: "server_unavailable" },
    { status: 300, code: "request_rejected" },
  ])("status $status is $code", ({ status, code }) => {
    expect(() => judgeTerminate(reply(status))).toThrow(expect.objectContaining({ code }));
  });
});

test.each([
  { status: 408, code: "server_unavailable" },
  { status: 429, code: "rate_limited" },
  { status: 500, code: "server_unavailable" },
])("a $status is asked again, whatever its body says", ({ status, code }) => {
  for (const error of ["invalid_client", "xinvalid_client", "invalid_clientx"]) {
    const overloaded = () => judgeToken(reply(status, { error }));
    expect(overloaded).toThrow(expect.objectContaining({ code, canPass: true }));
  }
});

test.each([
  "xinvalid_client",
  "invalid_grantx",
  "xserver_error",
  "408x",
  "xinvalid_scope",
  "invalid_scopex",
])("an OAuth error is known as a whole, and %s is none", (error) => {
  expect(() => judgeToken(reply(404, { error }))).toThrow(
    expect.objectContaining({ code: "endpoint_not_found" }),
  );
});

describe("the words of servers that are no OAuth servers", () => {
  test.each([
    { server: "ASP.NET", body: { Message: "The key has expired." } },
    { server: "JSON:API", body: { errors: [{ status: "401", detail: "The key has expired." }] } },
    { server: "Apigee", body: { fault: { faultstring: "The key has expired." } } },
    { server: "one with a list as error", body: { error: [{ message: "The key has expired." }] } },
  ])("are told: $server", ({ body }) => {
    expect(() => judgeToken(reply(401, body))).toThrow(
      expect.objectContaining({
        problem: expect.stringMatching(/401 \("The key has expired\."\)$/),
      }),
    );
  });

  test.each([{ errors: [] }, { errors: [null] }, { fault: "x" }, { error: [], message: ["x"] }])(
    "are left out if there are none: %j",
    (body) => {
      expect(() => judgeToken(reply(401, body))).toThrow(
        expect.objectContaining({ problem: expect.stringMatching(/answered 401$/) }),
      );
    },
  );
});
