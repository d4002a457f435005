import { constants } from "node:os";
import { describe, expect, test } from "@jest/globals";
import { ArmorError, asArmorError, fileError } from "../src/errors.ts";

test("an error with one more fact keeps all that it says to the code which handles it", () => {
  const details = { retryAfterMs: 7_000, isPermanent: true };
  const error = new ArmorError("rate_limited", "Too many", "Wait.", details);
  const added = error.adding("tried twice");
  expect(added).toMatchObject({ code: "rate_limited", remedy: "Wait.", details });
  expect(added.message).toBe("Too many, tried twice. Wait.");
});

describe("a file that cannot be written", () => {
  const denied = new Error("EACCES: permission denied, open '/a/path'");

  test("names the user who owns it, as whom the container has to run", () => {
    expect(fileError("The file", denied, 1001).remedy).toContain("--user 1001)");
  });

  test("names no user if the owner is not known", () => {
    expect(fileError("The file", denied).remedy).toMatch(
      /as the user who owns the runner's files\.$/,
    );
  });

  test("knows a full quota, for which Node has no name", () => {
    const unnamed = Object.assign(new Error("Unknown system error -122: write"), {
      errno: -constants.errno.EDQUOT,
    });
    const { problem, remedy } = fileError("The file", unnamed);
    expect(problem).toBe("The file cannot be written: disk quota exceeded (EDQUOT)");
    expect(remedy).toMatch(/^Raise the disk quota/);
  });

  test("names the system's reason, and not the path, which a workflow has chosen", () => {
    const { problem } = fileError("The file", denied);
    expect(problem).toBe("The file cannot be written: permission denied (EACCES)");
  });

  test.each([
    { reason: "EPERM: operation not permitted, chown '/a'", helps: /^In a container job, run/ },
    { reason: "ENOSPC: no space left on device, write", helps: /^Free space/ },
    { reason: "EDQUOT: disk quota exceeded, write", helps: /quota/ },
    { reason: "EROFS: read-only file system, open '/a'", helps: /^Mount/ },
    { reason: "EMFILE: too many open files, open '/a'", helps: /ulimit -n/ },
    { reason: "ENFILE: file table overflow, open '/a'", helps: /fs\.file-max/ },
    { reason: "EFBIG: file too large, write", helps: /ulimit -f/ },
    { reason: "ENOENT: no such file or directory, open '/a'", helps: /has removed it/ },
    { reason: "EIO: i/o error, write", helps: /^Check the runner's disk/ },
  ])("says what helps against $reason", ({ reason, helps }) => {
    expect(fileError("The file", new Error(reason)).remedy).toMatch(helps);
  });

  test.each(["the disk said EIO: at /a/path", "no code: at /a/path", ""])(
    "shows nothing of a text that is not the system's: %j",
    (message) => {
      const { problem, remedy } = fileError("The file", new Error(message));
      expect(problem).toBe("The file cannot be written: for an unknown reason");
      expect(remedy).toMatch(/^Check the runner's disk/);
    },
  );
});

test("a fault of the action itself is quoted with its inner full stops, and ends with one", () => {
  const { message } = asArmorError(new TypeError("a.b is not a function."));
  expect(message).toMatch(/^Unexpected TypeError: a\.b is not a function\. This is a fault /);
});
