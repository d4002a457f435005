// What redact.ts does with texts that are long or hostile, and what it takes for a token.

import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  hide,
  isToken,
  MAX_TOKEN_LENGTH,
  MIN_TOKEN_LENGTH,
  maskedForms,
  printable,
  quote,
  scrub,
  tokenFault,
} from "../src/redact.ts";
import { holds } from "./fixtures/property.ts";

const SECRET = "Q8zW4nT6yLs2";
const INVISIBLE = "Inv\u200bisible-S3cret";
hide([SECRET, INVISIBLE]);

describe("quote", () => {
  test("reads a bounded part of a text, however long it is", () => {
    const secrets = Array.from({ length: 30 }, (_, index) => `${SECRET}${index}`);
    const start = process.cpuUsage().user;
    quote("Aa".repeat(512 * 1024), secrets);
    const seconds = (process.cpuUsage().user - start) / 1e6;
    expect(seconds).toBeLessThan(0.5); // it was four when the whole text was read
  });

  holds(
    "shows no part of a secret, wherever reading stops",
    fc.property(
      fc.nat(2_000),
      fc.constantFrom("x", "\u200b", "::", "##[", "é"),
      (count, filler) => {
        const quoted = quote(`${filler.repeat(count)}${SECRET}${"y".repeat(5_000)}`, [SECRET]);
        for (let length = 4; length <= SECRET.length; length += 1)
          expect(quoted).not.toContain(SECRET.slice(0, length));
      },
    ),
  );

  test("shows no part of a secret that stands where reading stops, wherever that is", () => {
    for (let count = 0; count < 200; count += 1) {
      const quoted = quote(`${"\u200b".repeat(count)}${SECRET}${"y".repeat(500)}`, [SECRET], 20);
      for (let length = 4; length <= SECRET.length; length += 1)
        expect(quoted).not.toContain(SECRET.slice(0, length));
    }
  });

  test("does not show what stands far behind the beginning, however little comes before it", () => {
    expect(quote(`near${" ".repeat(100_000)}far`, [])).toBe("near…");
  });

  test("ends with a whole character", () => {
    const quoted = quote("\u{1f511}".repeat(1_000));
    expect(quoted.isWellFormed()).toBe(true);
    expect(quote(`x${"\u{1f511}".repeat(9)}`, [], 4)).toBe("x\u{1f511}…");
  });
});

describe("scrub", () => {
  test("leaves nothing of secrets that overlap", () => {
    expect(scrub("abcdefgh", ["abcde", "cdefgh"])).toBe("***");
    expect(scrub("xabcabcabcx", ["abcabc"])).toBe("x***x");
  });
});

describe("printable", () => {
  test("hides a secret with an invisible character in it", () => {
    expect(printable(`it is ${INVISIBLE}!`)).toBe("it is ***!");
  });

  test("is one line, for every kind of line end", () => {
    expect(printable("a\nb\r\nc\u2028d\u2029e\u0085f")).toBe("a b c d e f");
    expect(printable("é\nü\u001b")).toBe("é ü ");
  });
});

describe("the shorter masks", () => {
  const END = "c2lnbmF0dXJlLW9mLWl0";

  test.each([
    { what: "a JWT", secret: `eyJhbGciOiJ9.eyJzdWIifQ.${END}`, of: END },
    { what: "an encrypted JWT", secret: `eyJhbGciOiJ9.a2V5.aXY.dGV4dA.${END}`, of: END },
    { what: "a key with a JWT behind its own sign", secret: `key/eyJhbGciOiJ9.eyJzdWIifQ.${END}` },
    { what: "a JWT with more behind it", secret: `eyJhbGciOiJ9.eyJzdWIifQ.${END}/more` },
    { what: "a token in two parts", secret: `eyJhbGciOiJ9.${END}` },
  ])("of $what are of the part that nobody can do without", ({ secret, of = secret }) => {
    expect(maskedForms(secret)).toEqual([secret, of.slice(0, -1), of.slice(0, -2)]);
  });
});

describe("a token", () => {
  const visible = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index));

  test.each([
    { what: "is short", token: "x".repeat(MIN_TOKEN_LENGTH - 1), fault: /fewer than 8/ },
    { what: "is empty", token: "", fault: /fewer than 8/ },
    { what: "is long", token: "x".repeat(MAX_TOKEN_LENGTH + 1), fault: /longer than a header/ },
    { what: "has a blank", token: "12345678 9", fault: /no header/ },
    { what: "has a line end", token: "12345678\n", fault: /no header/ },
    { what: "has a letter beyond ASCII", token: "1234567ü", fault: /no header/ },
    { what: "is a command", token: "::error::x", fault: /command/ },
    { what: "has an old command in it", token: "12345##[error]x", fault: /command/ },
  ])("is refused if it $what", ({ token, fault }) => {
    expect(isToken(token)).toBe(false);
    expect(tokenFault(token)).toMatch(fault);
  });

  test("may have any visible sign, and be as long and as short as the limits", () => {
    expect(isToken(visible.join(""))).toBe(true);
    expect(isToken("1::2::34")).toBe(true);
    expect(isToken("x".repeat(MIN_TOKEN_LENGTH))).toBe(true);
    expect(isToken("x".repeat(MAX_TOKEN_LENGTH))).toBe(true);
  });
});

describe("a secret in pieces", () => {
  test.each([
    { what: "soft hyphens", between: "\u00ad" },
    { what: "zero-width spaces", between: "\u200b" },
    { what: "blanks", between: " " },
    { what: "line ends", between: "\r\n  " },
    { what: "blanks that do not break", between: "\u00a0" },
  ])("is not shown if $what stand between its characters", ({ between }) => {
    const broken = [...SECRET].join(between);
    expect(quote(`no such key: ${broken}, sorry`)).toBe("nosuchkey:***,sorry");
  });

  test("leaves every other text as it is", () => {
    expect(quote("the key is not known here")).toBe("the key is not known here");
  });
});
