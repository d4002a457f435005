import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  ArmorError,
  annotationOf,
  asArmorError,
  ERROR_CODES,
  type ErrorCode,
  fileError,
  REPOSITORY,
} from "../src/errors.ts";
import { hide } from "../src/redact.ts";
import { anyText, holds, trickyText } from "./fixtures/property.ts";

const CAN_PASS: readonly ErrorCode[] = [
  "connection_failed",
  "dns_failed",
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
    const error = new ArmorError("access_denied", "Armor denies access", "Check permissions.");
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: "ArmorError",
      message: "Armor denies access. Check permissions.",
    });
    expect(error.details).toEqual({});
  });

  test("takes one more fact and keeps everything else", () => {
    const details = { retryAfterMs: 5, isPermanent: true };
    const error = new ArmorError("rate_limited", "Too often", "Wait.", details).adding(
      "tried twice",
    );
    expect(error).toMatchObject({
      code: "rate_limited",
      message: "Too often, tried twice. Wait.",
      details,
    });
  });
});

describe("asArmorError", () => {
  hide(["secret"]);

  test("leaves an ArmorError as it is", () => {
    const error = new ArmorError("tls_failed", "P", "R.");
    expect(asArmorError(error)).toBe(error);
  });

  test.each([
    { thrown: new TypeError("bad secret"), start: "Unexpected TypeError: bad ***. " },
    { thrown: new Error("It ended."), start: "Unexpected Error: It ended. " },
    { thrown: "thrown text", start: "Unexpected thrown text. " },
    { thrown: undefined, start: "Unexpected undefined. " },
  ])(
    "calls $thrown a fault of the action, without its secrets and its stack",
    ({ thrown, start }) => {
      expect(asArmorError(thrown)).toMatchObject({
        code: "internal_error",
        message: `${start}This is a fault of the action itself: please report this line.`,
      });
    },
  );

  const KEY = "K3y::of/this+process=%41";
  hide([KEY]);

  holds(
    "its text never holds the key, and is one line",
    fc.property(fc.array(fc.oneof(anyText, trickyText), { maxLength: 6 }), (parts) => {
      const { message } = asArmorError(new Error(`${KEY}${parts.join(KEY)}`));
      expect(message.toLowerCase()).not.toContain(KEY.toLowerCase());
      expect(message).not.toMatch(/[\r\n\u2028\u2029]|::|##\[/);
    }),
  );
});

test("an annotation ends with the code and the address of its entry", () => {
  expect(annotationOf("rate_limited", "Too often. Wait.")).toBe(
    `Too often. Wait. (rate_limited, ${REPOSITORY}/blob/v1/docs/troubleshooting.md#rate_limited)`,
  );
});

describe("fileError", () => {
  test.each([
    {
      message: "EACCES: permission denied, open '/x, y'",
      reason: "permission denied (EACCES)",
      remedy: "options: --user",
    },
    {
      message: "EPERM: operation not permitted, open '/x'",
      reason: "operation not permitted (EPERM)",
      remedy: "options: --user",
    },
    {
      message: "ENOSPC: no space left on device, write",
      reason: "no space left on device (ENOSPC)",
      remedy: "Free space",
    },
    {
      message: "EMFILE: too many open files, open '/x'",
      reason: "too many open files (EMFILE)",
      remedy: "ulimit -n",
    },
    {
      message: "EFBIG: file too large, write",
      reason: "file too large (EFBIG)",
      remedy: "ulimit -f",
    },
    {
      message: "EROFS: read-only file system, open '/x'",
      reason: "read-only file system (EROFS)",
      remedy: "can be written",
    },
    { message: "Missing file at path: /x", reason: "for an unknown reason", remedy: "RUNNER_TEMP" },
  ])("$message is said without a path", ({ message, reason, remedy }) => {
    expect(fileError("The file", new Error(message))).toMatchObject({
      code: "file_failed",
      problem: `The file cannot be written: ${reason}`,
      remedy: expect.stringContaining(remedy),
    });
  });

  test("names the user who owns the file, if that is known", () => {
    const denied = new Error("EACCES: permission denied, open '/x'");
    expect(fileError("The file", denied, 1001).remedy).toContain("(options: --user 1001)");
    expect(fileError("The file", denied).remedy).toContain("(options: --user)");
  });
});
