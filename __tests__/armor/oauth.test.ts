import { describe, expect, test } from "@jest/globals";
import type { ApiReply } from "../../src/armor/http.ts";
import {
  basicPairs,
  formEncode,
  judgeTerminate,
  judgeToken,
  terminateRequest,
  tokenRequest,
} from "../../src/armor/oauth.ts";
import { quoteWithout } from "../../src/redact.ts";

const quote = quoteWithout(["S3cr3t", "QmFzaWM6UzNjcjN0"]);
const NOW = Date.parse("2026-11-22T02:00:00Z");

function reply(status: number, body: unknown = "", headers: ApiReply["headers"] = {}): ApiReply {
  return {
    url: new URL("https://armor.example/api/v1/iam/session/oauth2/token"),
    status,
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body),
    receivedAt: NOW,
  };
}

const GOOD = { access_token: "abc.DEF-123_~+/=", token_type: "Bearer", expires_in: 60 };

describe("asking", () => {
  test("the token request is RFC 6749 section 4.4.2 with Armor's header", () => {
    expect(tokenRequest("https://armor.example/base", "id:key")).toEqual({
      method: "POST",
      url: new URL("https://armor.example/base/api/v1/iam/session/oauth2/token"),
      headers: {
        Accept: "application/json",
        Authorization: "Basic aWQ6a2V5",
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Csrf-Header": '""',
      },
      body: "grant_type=client_credentials",
    });
  });

  test("the end of a session is a POST without a body", () => {
    expect(terminateRequest("https://armor.example", "abc")).toEqual({
      method: "POST",
      url: new URL("https://armor.example/api/v1/iam/session/terminate"),
      headers: { Accept: "application/json", Authorization: "Bearer abc", "X-Csrf-Header": '""' },
      body: "",
    });
  });

  test.each([
    ["abcXYZ019*-._", "abcXYZ019*-._"],
    ["a b", "a+b"],
    ["+/=:%&~", "%2B%2F%3D%3A%25%26%7E"],
    ["ü€", "%C3%BC%E2%82%AC"],
    ["", ""],
  ])("form-encodes %p", (text, expected) => {
    expect(formEncode(text)).toBe(expected);
  });

  test.each([
    ["one pair where encoding changes nothing", "id", "key", ["id:key"]],
    ["form-encoded first, then raw", "id", "k+y", ["id:k%2By", "id:k+y"]],
    ["no raw pair for an app id with a colon", "i:d", "k+y", ["i%3Ad:k%2By"]],
    ["a colon in the key is no hindrance", "id", "k:y", ["id:k%3Ay", "id:k:y"]],
  ])("%s", (_, appId, apiKey, expected) => {
    expect(basicPairs({ appId, apiKey })).toEqual(expected);
  });
});

describe("judging a token response", () => {
  test.each([
    ["as documented", GOOD, 60],
    ["with a lifetime of an hour", { ...GOOD, expires_in: 3600 }, 3600],
    ["bearer in small letters", { ...GOOD, token_type: "bearer" }, 60],
    ["no token_type", { ...GOOD, token_type: undefined }, 60],
    ["expires_in as text", { ...GOOD, expires_in: "90" }, 90],
    ["expires_in as a fraction", { ...GOOD, expires_in: 0.5 }, 0.5],
    ["no expires_in", { ...GOOD, expires_in: undefined }, 60],
    ["more fields than known, and an empty error", { ...GOOD, scope: "x", error: null }, 60],
  ])("accepts one %s", (_, body, expiresIn) => {
    expect(judgeToken(reply(200, body), quote)).toEqual({ accessToken: GOOD.access_token, expiresIn });
  });

  test.each([
    ["a web page", "<!doctype html><title>Sign in</title>", "a web page"],
    ["a web page behind white space", "\n  <html>", "a web page"],
    ["nothing", "", "something else instead of a JSON object"],
    ["text", "OK", "something else instead of a JSON object"],
    ["JSON null", "null", "something else instead of a JSON object"],
    ["a list", "[]", "something else instead of a JSON object"],
    ["a torn object", '{"access_token":"abc', "something else instead of a JSON object"],
    ["no token", { ...GOOD, access_token: undefined }, "no access_token"],
    ["an empty token", { ...GOOD, access_token: "" }, "no access_token"],
    ["a numeric token", { ...GOOD, access_token: 5 }, "no access_token"],
    ["a null token", { ...GOOD, access_token: null }, "no access_token"],
    ["a token with a line break", { ...GOOD, access_token: "a\nb" }, "characters that no header can carry"],
    ["a token with a space", { ...GOOD, access_token: "a b" }, "characters that no header can carry"],
    ["a token beyond ASCII", { ...GOOD, access_token: "aü" }, "characters that no header can carry"],
    ["token_type mac", { ...GOOD, token_type: "mac" }, "a token_type other than Bearer"],
    ["a numeric token_type", { ...GOOD, token_type: 1 }, "a token_type other than Bearer"],
    ["a token_type of null", { ...GOOD, token_type: null }, "a token_type other than Bearer"],
    ...["abc", "", "-5", "1e3", " 60", -5, 0, null, true, [60], 2 ** 31, "99999999999999999999"].map(
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
    expect(() => judgeToken(reply(200, body), quote)).toThrow(
      expect.objectContaining({ code: "reply_invalid", message: expect.stringContaining(says) }),
    );
  });

  test.each([
    [401, "credentials_rejected", "app-id and api-key"],
    [403, "access_denied", "permissions"],
    [404, "endpoint_not_found", "Check api-url"],
    [400, "request_rejected", "api-url"],
    [405, "request_rejected", "api-url"],
    [201, "request_rejected", "api-url"],
    [204, "request_rejected", "api-url"],
    [304, "request_rejected", "api-url"],
    [408, "server_unavailable", "timeout"],
    [429, "rate_limited", "timeout"],
    [500, "server_unavailable", "timeout"],
    [502, "server_unavailable", "timeout"],
    [503, "server_unavailable", "timeout"],
    [599, "server_unavailable", "timeout"],
  ])("status %i is %s", (status, code, remedy) => {
    expect(() => judgeToken(reply(status, GOOD), quote)).toThrow(
      expect.objectContaining({
        code,
        problem: expect.stringContaining(`https://armor.example answered ${status}`),
        remedy: expect.stringContaining(remedy),
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
    ["no workflow command", { error: "\n::error::x" }, "answered 401 :error:x"],
    ["nothing that is no text", { error: ["x"], error_description: { a: 1 } }, "answered 401"],
  ])("of what the server says it repeats %s", (_, body, says) => {
    expect(() => judgeToken(reply(401, body), quote)).toThrow(
      expect.objectContaining({
        problem: `Armor does not accept this client app: https://armor.example ${says}`,
      }),
    );
  });

  test.each([
    ["absent", {}, undefined],
    ["empty", { "retry-after": " " }, undefined],
    ["in seconds", { "retry-after": "7" }, 7_000],
    ["at once", { "retry-after": "0" }, 0],
    ["as a date", { "retry-after": "Sun, 22 Nov 2026 02:00:09 GMT" }, 9_000],
    [
      "as a date on a clock that is off",
      { "retry-after": "Sun, 22 Nov 2026 12:00:09 GMT", date: "Sun, 22 Nov 2026 12:00:04 GMT" },
      5_000,
    ],
    ["as a date that has passed", { "retry-after": "Sun, 22 Nov 2026 01:00:00 GMT" }, 0],
    ["as nonsense", { "retry-after": "soon" }, undefined],
  ])("Retry-After %s", (_, headers, expected) => {
    for (const status of [429, 503]) {
      expect(() => judgeToken(reply(status, "", headers), quote)).toThrow(
        expect.objectContaining({ retryAfterMs: expected }),
      );
    }
  });
});

describe("judging the end of a session", () => {
  test.each([
    [204, true],
    [200, true],
    [401, false],
  ])("status %i: there was one is %p", (status, expected) => {
    expect(judgeTerminate(reply(status), quote)).toBe(expected);
  });

  test.each([
    [404, "endpoint_not_found"],
    [500, "server_unavailable"],
    [302, "request_rejected"],
  ])("status %i is %s", (status, code) => {
    expect(() => judgeTerminate(reply(status), quote)).toThrow(expect.objectContaining({ code }));
  });
});
