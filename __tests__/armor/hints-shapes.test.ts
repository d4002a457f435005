// The borders of each shape that a hint is given for: what just has it, and what just has it not.

import { describe, expect, test } from "@jest/globals";
import { hintsOf } from "../../src/armor/hints.ts";

const APP = "6f1d2c3b-9a7e-4abc-8def-0123456789ab";
const LONG = "Zk3vQ9rT7pXw2LmN8sBdZk3vQ9rT7pXw2LmN8sBd";
const base64 = (text: string) => Buffer.from(text).toString("base64");

const hintsFor = (apiKey: string) => hintsOf({ appId: APP, apiKey }).join(" ");

interface Shape {
  readonly says: string;
  readonly has: readonly string[];
  readonly hasNot: readonly string[];
}
const SHAPES: readonly Shape[] = [
  {
    says: "instead of the value",
    has: ["***", "[redacted]", "redacted", "HIDDEN", "[masked"],
    hasNot: ["***Q7", "Q7***", "Q7redacted", "redactedQ7"],
  },
  {
    says: "if there is nothing",
    has: ["null", "[object Object]"],
    hasNot: ["undefinedQ7", "Q7undefined"],
  },
  {
    says: "without the dollar sign",
    has: ["secrets.A_B-C", "secrets['A']"],
    hasNot: ["Q7secrets.ARM", "secrets.A/B", "Q7secrets[7]", "secrets[7]Q7"],
  },
  {
    says: "name of a variable",
    has: ["$MY_KEY", "$KEY_ONE", "$APPID", "!ARMOR_KEY!", "$(cat file)"],
    hasNot: ["Q7$MY_KEY", "$MY_KEY/Q7", "$HOME"],
  },
  { says: "PEM", has: ["ssh-ed25519 AAAA"], hasNot: ["Q7-----BEGIN", "(ssh-rsa Q7"] },
  {
    says: "an address or a reference",
    has: ["https://vault.example/x", "s3://bucket/x", "arn:aws:x"],
    hasNot: ["(https://x", "+arn:aws"],
  },
  { says: "a whole JSON text", has: ['{ "a": 1 }', '["a"]'], hasNot: ['Q7{"a":1}', '{"a":1}Q7'] },
  {
    says: "begins with a scheme",
    has: [
      "Authorization : Basic Q7",
      "Authorization:Bearer Q7",
      "Authorization:  Basic Q7",
      "Bearer  Q7",
    ],
    hasNot: ["(basic Q7", "basicQ7"],
  },
  { says: "(JWT)", has: ["eyJa.b."], hasNot: ["+eyJa.b.c", "eyJa.b.c+"] },
  {
    says: "a name and a sign",
    has: [
      "export  API_KEY=Q7",
      "API_KEY =Q7",
      "API_KEY=  Q7",
      "APPID=Q7",
      "app-id=Q7",
      "key=Q7",
      "apikey=Q7",
    ],
    hasNot: ["(KEY=Q7", "Q7==", "key=="],
  },
  { says: "has quotation marks", has: ['"Q7";'], hasNot: ['Q7"a"', '"a"Q7'] },
  {
    says: "stands in brackets",
    has: ["<Q7>", "(Q7)", "{Q7}", "[Q7]", "**Q7**"],
    hasNot: [
      "Q7<a>",
      "<a>Q7",
      "Q7[a]",
      "[a]Q7",
      "Q7(a)",
      "(a)Q7",
      "Q7{a}",
      "{a}Q7",
      "Q7**a**",
      "**a**Q7",
    ],
  },
  {
    says: "is a placeholder",
    has: ["your_secret", "my-key", "change-me", "todo", "to-do", "change it"],
    hasNot: ["Q7your-key", "your-keyQ7", "mykey", "Q7changeme", "changemeQ7"],
  },
  {
    says: "is a name, not",
    has: [
      "app-id",
      "appid",
      "api_key",
      "apikey",
      "client-id",
      "clientid",
      "client_secret",
      "armor_x",
      "x_api_key",
    ],
    hasNot: ["Q7app-id", "app-idQ7", "armor_x/Q7"],
  },
  { says: "contains blanks", has: ["Zk3+vQ9/rT7p  Xw2L"], hasNot: ["Q7 Q7", "(Zk3+vQ9/rT7p Xw2L"] },
  { says: "ends in three dots", has: ["Q7..."], hasNot: ["Q7...Q7", "Q7.", "Q7.."] },
  { says: "a web page", has: ["Q7&#38;", "Q7&#x2f;", "&NBSP;"], hasNot: ["&#3;", "&#xg1;", "&;"] },
  { says: "inside JSON", has: ["Q7\\u002b"], hasNot: ["Q7\\u002z"] },
  { says: "a line end", has: ["Q7\\n"], hasNot: ["Q7\\nQ7"] },
];

describe.each(SHAPES)("the hint that says '$says'", ({ says, has, hasNot }) => {
  test("is given for what has the shape", () => {
    expect(has.filter((value) => !hintsFor(value).includes(says))).toEqual([]);
  });

  test("is not given for what has it in part", () => {
    expect(hasNot.filter((value) => hintsFor(value).includes(says))).toEqual([]);
  });
});

describe("values that look swapped are", () => {
  const SWAPPED = ["app-id and api-key look as if they were swapped."];
  test.each([LONG, LONG.toUpperCase().replace(/$/, "a"), "Z".repeat(31).concat("a7")])(
    "a long random app-id: %s",
    (appId) => {
      expect(hintsOf({ appId, apiKey: APP })).toEqual(SWAPPED);
    },
  );

  test.each([
    { appId: LONG, apiKey: `Q${APP}` },
    { appId: LONG, apiKey: `${APP}7` },
    { appId: `é${LONG}`, apiKey: APP },
    { appId: `${LONG}é`, apiKey: APP },
    { appId: LONG.toUpperCase(), apiKey: APP },
    { appId: LONG.toLowerCase(), apiKey: APP },
    { appId: LONG.replace(/\d/g, "x"), apiKey: APP },
    { appId: LONG.slice(0, 31), apiKey: APP },
  ])("not $appId and $apiKey", ({ appId, apiKey }) => {
    expect(hintsOf({ appId, apiKey })).toEqual([]);
  });
});

test("the base64 of a value is known behind its scheme, and with a line end in it", () => {
  expect(hintsFor(base64(`${APP}\n`))).toBe("api-key is the base64 of app-id.");
  expect(hintsFor(`Basic  ${base64(`${APP}:Q7`)}`)).toContain("base64 of both values together");
});

test("a value that has letters of the inputs' own names gets its hint", () => {
  expect(hintsFor('"app-Q7"')).toContain("has quotation marks");
  expect(hintsOf({ appId: '"api-Q7"', apiKey: "Q7" })).toHaveLength(1);
});

test("a value that has the last four characters of a hint gets none", () => {
  expect(hintsFor('"Q7hem.Q7"')).toBe("");
});

test("a value that is longer than any is not looked at", () => {
  const quoted = (length: number) => `"${"7".repeat(length - 2)}"`;
  expect(hintsFor(quoted(4_096))).toContain("has quotation marks");
  expect(hintsFor(quoted(4_097))).toBe("");
});
