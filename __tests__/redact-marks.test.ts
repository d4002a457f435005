// What a clean-up or a cut may do to the text around it.

import { expect, test } from "@jest/globals";
import { hide, printable, quote, scrub } from "../src/redact.ts";

const SECRET = "two words";
hide([SECRET]);

test.each([
  { what: "a zero-width mark", text: "it is two\u200bwords!" },
  { what: "a line end", text: "it is two\nwords!" },
  { what: "a line separator", text: "it is two\u2028words!" },
])("a secret whose blank was written as $what is not printed", ({ text }) => {
  expect(scrub(text)).toBe(text);
  expect(printable(text)).toBe("it is ***!");
});

test("a secret with an invisible character inside is not printed", () => {
  hide(["s3cr\u00adet-soft"]);
  expect(printable("it is s3cr\u00adet-soft!")).toBe("it is ***!");
});

test("a text is never cut amid a character that JavaScript stores as two", () => {
  for (let before = 190; before <= 201; before += 1) {
    const shown = quote(`${"x".repeat(before)}${"\u{1f600}".repeat(30)}`);
    expect(shown.isWellFormed()).toBe(true);
    expect(shown.endsWith("…")).toBe(true);
  }
});
