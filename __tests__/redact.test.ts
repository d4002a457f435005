import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { secretForms } from "../src/armor/credentials.ts";
import { hide, maskCommand, quote, scrub } from "../src/redact.ts";
import { anyText, holds, trickyText } from "./fixtures/property.ts";

hide(["k::ey", "S3cr3t", "S3cr3t/+"]);

describe("quote", () => {
  test.each([
    { what: "plain words stay", text: "client is disabled", expected: "client is disabled" },
    {
      what: "line breaks of every kind become spaces",
      text: "a\r\nb\u2028c\u0085d\ve",
      expected: "a b c d e",
    },
    {
      what: "colours and other controls go",
      text: "\u001b[31mred\u001b[0m",
      expected: "[31mred [0m",
    },
    { what: "zero-width and bidi marks go", text: "a\u200bb\u202ec\ufeff", expected: "a b c" },
    {
      what: "a workflow command is none any more",
      text: "::error::you lost\n::stop-commands::x",
      expected: ":error:you lost :stop-commands:x",
    },
    {
      what: "nor is one of the old form",
      text: "##[error]x ##[add-mask]y",
      expected: "## [error]x ## [add-mask]y",
    },
    {
      what: "nor one inside others",
      text: "####[error]x :::::error::x",
      expected: "#### [error]x :error:x",
    },
    { what: "the secret goes", text: "key S3cr3t is wrong", expected: "key *** is wrong" },
    { what: "the longer form goes whole", text: "S3cr3t/+", expected: "***" },
    {
      what: "in any case of letters",
      text: "https://s3CR3T.example",
      expected: "https://***.example",
    },
    { what: "a secret with colons goes", text: "it is k::ey!", expected: "it is ***!" },
    { what: "white space around goes", text: "  x \t", expected: "x" },
    { what: "nothing stays nothing", text: "", expected: "" },
  ])("$what", ({ text, expected }) => {
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
    {
      what: "takes a secret literally",
      secrets: ["a.*+?^$(){}|[]\\/-b"],
      text: "x a.*+?^$(){}|[]\\/-b y aaab",
      expected: "x *** y aaab",
    },
    {
      what: "takes the longest first, in whatever order they come",
      secrets: ["ab", "abcd", "abc"],
      text: "abcd abc ab a",
      expected: "*** *** *** a",
    },
    { what: "takes every occurrence", secrets: ["ab"], text: "abab ab", expected: "****** ***" },
    {
      what: "folds ASCII letters only, and keeps all others",
      secrets: ["İx"],
      text: "İX i̇x İ",
      expected: "*** i̇x İ",
    },
    { what: "changes nothing without secrets", secrets: [], text: "text", expected: "text" },
    { what: "ignores an empty one", secrets: [""], text: "text", expected: "text" },
  ])("$what", ({ secrets, text, expected }) => {
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
    { secret: "abc", expected: "::add-mask::abc\n" },
    { secret: "a%b", expected: "::add-mask::a%25b\n" },
    { secret: "a%25b", expected: "::add-mask::a%2525b\n" },
    { secret: "a\r\nb", expected: "::add-mask::a%0D%0Ab\n" },
  ])("of $secret is $expected", ({ secret, expected }) => {
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
