import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { secretForms } from "../src/armor/credentials.ts";
import { hide, maskCommand, quote, scrub } from "../src/redact.ts";
import { anyText, holds, trickyText } from "./fixtures/property.ts";

hide(["k::ey", "S3cr3t", "S3cr3t/+"]);

describe("quote", () => {
  test.each([
    ["plain words stay", "client is disabled", "client is disabled"],
    ["line breaks of every kind become spaces", "a\r\nb\u2028c\u0085d\ve", "a b c d e"],
    ["colours and other controls go", "\u001b[31mred\u001b[0m", "[31mred [0m"],
    ["zero-width and bidi marks go", "a\u200bb\u202ec\ufeff", "a b c"],
    [
      "a workflow command is none any more",
      "::error::you lost\n::stop-commands::x",
      ":error:you lost :stop-commands:x",
    ],
    ["nor is one of the old form", "##[error]x ##[add-mask]y", "## [error]x ## [add-mask]y"],
    ["nor one inside others", "####[error]x :::::error::x", "#### [error]x :error:x"],
    ["the secret goes", "key S3cr3t is wrong", "key *** is wrong"],
    ["the longer form goes whole", "S3cr3t/+", "***"],
    ["in any case of letters", "https://s3CR3T.example", "https://***.example"],
    ["a secret with colons goes", "it is k::ey!", "it is ***!"],
    ["white space around goes", "  x \t", "x"],
    ["nothing stays nothing", "", ""],
  ])("%s", (_, text, expected) => {
    expect(quote(text)).toBe(expected);
  });

  test("cuts what is long, after scrubbing, so that no half of a secret is left", () => {
    expect(quote(`${"x".repeat(195)}S3cr3t${"y".repeat(50_000)}`)).toBe(`${"x".repeat(195)}***yy…`);
    expect(quote("x".repeat(200))).toBe("x".repeat(200));
  });

  test("scrubs what the clean-up put together", () => {
    expect(quote("say a::b", ["a:b"])).toBe("say ***");
    expect(quote("say a\u200bb", ["a b"])).toBe("say ***");
  });

  test("takes a long reply of the worst", () => {
    for (const text of ["#", ":", "[", "\u200b", "s3cr3"]) {
      expect(quote(text.repeat(256 * 1024)).length).toBeLessThanOrEqual(201);
    }
  });

  holds(
    "gives one line without a command and without the secret, for any text",
    fc.property(
      fc.array(fc.oneof(anyText, trickyText), { maxLength: 8 }),
      fc
        .string({ unit: "grapheme", minLength: 4, maxLength: 20 })
        .filter((text) => !"***…".includes(text)),
      (parts, secret) => {
        const quoted = quote(parts.join(secret), [secret]);
        expect(quoted).not.toMatch(/[\p{Cc}\u2028\u2029]|::|##\[/u);
        expect(quoted.toLowerCase()).not.toContain(secret.toLowerCase());
      },
    ),
  );
});

describe("scrub", () => {
  test.each([
    [
      "takes a secret literally",
      ["a.*+?^$(){}|[]\\/-b"],
      "x a.*+?^$(){}|[]\\/-b y aaab",
      "x *** y aaab",
    ],
    [
      "takes the longest first, in whatever order they come",
      ["ab", "abcd", "abc"],
      "abcd abc ab a",
      "*** *** *** a",
    ],
    ["takes every occurrence", ["ab"], "abab ab", "****** ***"],
    ["folds ASCII letters only, and keeps all others", ["İx"], "İX i̇x İ", "*** i̇x İ"],
    ["changes nothing without secrets", [], "text", "text"],
    ["ignores an empty one", [""], "text", "text"],
  ])("%s", (_, secrets, text, expected) => {
    expect(scrub(text, secrets)).toBe(expected);
  });

  test("shows no secret of this process", () => {
    expect(scrub("S3cr3t")).toBe("***");
  });

  test("takes a secret of 40 KB, in all its forms", () => {
    const apiKey = `${"K3y+/=% ".repeat(5_000)}end`;
    const forms = secretForms({ appId: "id", apiKey });
    for (const form of forms) expect(scrub(`a ${form} b`, forms)).toBe("a *** b");
    expect(quote(`a ${apiKey} b`, forms)).toBe("a *** b");
  });
});

describe("maskCommand", () => {
  /** As the runner does it, in this order (actions/runner, ActionCommand.cs). */
  const unescaped = (data: string) =>
    data.replaceAll("%0D", "\r").replaceAll("%0A", "\n").replaceAll("%25", "%");

  test.each([
    ["abc", "::add-mask::abc\n"],
    ["a%b", "::add-mask::a%25b\n"],
    ["a%25b", "::add-mask::a%2525b\n"],
    ["a\r\nb", "::add-mask::a%0D%0Ab\n"],
  ])("of %j is %j", (secret, expected) => {
    expect(maskCommand(secret)).toBe(expected);
  });

  holds(
    "is one line, from which the runner gets the secret back",
    fc.property(
      fc.stringMatching(/^[\x21-\x7e]+$/),
      fc.array(fc.constantFrom("%", "%25", "%0A", "%0D", "%250A", "\r", "\n")),
      (text, parts) => {
        const secret = text + parts.join(text.slice(0, 2));
        const command = maskCommand(secret);
        expect(command).toMatch(/^::add-mask::[^\r\n]+\n$/);
        expect(unescaped(command.slice("::add-mask::".length, -1))).toBe(secret);
      },
    ),
  );
});
