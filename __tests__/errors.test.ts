import { constants } from "node:os";
import { describe, expect, test } from "@jest/globals";
import { ArmorError, fileError } from "../src/errors.ts";

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
});
