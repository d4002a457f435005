import { describe, expect, test } from "@jest/globals";
import { ArmorError, ERROR_CODES, type ErrorCode, messageOf } from "../src/errors.ts";

const CAN_PASS: readonly ErrorCode[] = [
  "connection_failed",
  "proxy_failed",
  "rate_limited",
  "reply_incomplete",
  "reply_timeout",
  "server_unavailable",
  "token_expired",
];

describe("ArmorError", () => {
  test.each(ERROR_CODES)("%s: whether it can pass is as designed", (code) => {
    expect(new ArmorError(code, "P", "R.").canPass).toBe(CAN_PASS.includes(code));
  });

  test("is a sentence of fact and one of remedy", () => {
    const error = new ArmorError("access_denied", "Armor denies access", "Check permissions.", 5);
    expect(error).toBeInstanceOf(Error);
    expect(error.message).toBe("Armor denies access. Check permissions.");
  });

  test("takes one more fact and keeps everything else", () => {
    const error = new ArmorError("rate_limited", "Too often", "Wait.", 5).adding("tried twice");
    expect(error).toMatchObject({
      code: "rate_limited",
      message: "Too often, tried twice. Wait.",
      retryAfterMs: 5,
    });
  });
});

describe("messageOf", () => {
  const quote = (text: string) => text.replace("secret", "***");

  test("says what an ArmorError says", () => {
    expect(messageOf(new ArmorError("tls_failed", "P", "R."), quote)).toBe("P. R.");
  });

  test.each([
    [new TypeError("bad secret"), "Unexpected TypeError: bad ***."],
    ["thrown text", "Unexpected thrown text."],
    [undefined, "Unexpected undefined."],
  ])("quotes %p as a fault of the action", (thrown, start) => {
    expect(messageOf(thrown, quote)).toBe(
      `${start} This is a fault of the action itself: please report this line.`,
    );
  });
});
