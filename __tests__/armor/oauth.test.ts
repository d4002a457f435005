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
    [
      "a token with a line break",
      { ...GOOD, access_token: "a\nb" },
      "characters that no header can carry",
    ],
    [
      "a token with a space",
      { ...GOOD, access_token: "a b" },
      "characters that no header can carry",
    ],
    [
      "a token of 100 KB",
      { ...GOOD, access_token: "x".repeat(100_000) },
      "longer than a header can be",
    ],
    [
      "two byte order marks",
      `\uFEFF\uFEFF${JSON.stringify(GOOD)}`,
      "something else instead of a JSON object",
    ],
    ["gzip that nobody asked for", "\x1f\ufffd\b\0", "a compressed reply instead of a JSON object"],
    [
      "a token beyond ASCII",
      { ...GOOD, access_token: "aü" },
      "characters that no header can carry",
    ],
    ...["mac", "bearers", "a bearer", ["Bearer"]].map(
      (token_type) =>
        [
          `token_type ${token_type}`,
          { ...GOOD, token_type },
          "a token_type other than Bearer",
        ] as const,
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
    [
      "an error beside a token",
      { ...GOOD, error: GOOD.access_token },
      "an OAuth error instead of a token.",
    ],
  ])("refuses %s", (_, body, says) => {
    expect(() => judgeToken(reply(200, body))).toThrow(
      expect.objectContaining({ code: "reply_invalid", message: expect.stringContaining(says) }),
    );
  });

  test("a compressed reply is called one, also where only its header says so", () => {
    for (const encoding of ["gzip", "br", "zstd"]) {
      expect(() => judgeToken(reply(200, "x", { "content-encoding": encoding }))).toThrow(
        expect.objectContaining({
          problem: expect.stringContaining("a compressed reply instead of"),
        }),
      );
    }
    expect(judgeToken(reply(200, GOOD, { "content-encoding": "identity" }))).toMatchObject({
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
      remedy: expect.stringContaining("raise timeout"),
    };
    const UNAVAILABLE = {
      code: "server_unavailable",
      problem: "Armor is not available",
      remedy: expect.stringContaining("raise timeout"),
    };

    function expectRefusal(
      status: number,
      error: unknown,
      meaning: typeof DENIED,
      isPermanent: boolean,
    ) {
      const { code, problem, remedy } = meaning;
      expect(() => judgeToken(reply(status, { ...GOOD, error }))).toThrow(
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
      for (const status of [400, 401, 403]) expectRefusal(status, error, meaning, true);
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
    [
      "no workflow command",
      { error: "\n::error::x ####[error]x" },
      "answered 401 :error:x #### [error]x",
    ],
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
