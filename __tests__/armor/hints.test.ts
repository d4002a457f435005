// What a text after a 401 says of the values' shape, and what it never says.

import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { hintsOf } from "../../src/armor/hints.ts";
import { holds } from "../fixtures/property.ts";

const APP = "6f1d2c3b-9a7e-4abc-8def-0123456789ab";
const KEY = "Zk3+vQ9/rT7pXw2LmN8sBd==";

/** @param runLength how many characters in a row count as repeated */
function repeated(text: string, value: string, runLength = 4): string[] {
  const runs: string[] = [];
  for (let start = 0; start + runLength <= value.length; start += 1) {
    const run = value.slice(start, start + runLength).toLowerCase();
    if (text.toLowerCase().includes(run)) runs.push(run);
  }
  return runs;
}

describe("after a refusal, a hint names", () => {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const pair = `${APP}:${KEY}`;

  test.each([
    { mistake: "double quotation marks", key: `"${KEY}"`, says: "quotation marks" },
    { mistake: "single quotation marks", key: `'${KEY}'`, says: "quotation marks" },
    { mistake: "backticks", key: `\`${KEY}\``, says: "quotation marks" },
    { mistake: "quotation marks and a comma", key: `"${KEY}",`, says: "quotation marks" },
    { mistake: "typographic quotation marks", key: `\u201c${KEY}\u201d`, says: "quotation marks" },
    { mistake: "German quotation marks", key: `\u201e${KEY}\u201c`, says: "quotation marks" },
    { mistake: "angle brackets", key: `<${KEY}>`, says: "brackets" },
    { mistake: "square brackets", key: `[${KEY}]`, says: "brackets" },
    { mistake: "bold type", key: `**${KEY}**`, says: "brackets or other marks" },
    { mistake: "a zero-width space", key: `${KEY}\u200b`, says: "invisible" },
    { mistake: "a byte order mark", key: `\ufeff${KEY}`, says: "invisible" },
    { mistake: "a soft hyphen", key: `Zk3+\u00advQ9/rT7p`, says: "invisible" },
    { mistake: "a word joiner", key: `Zk3+\u2060vQ9/rT7p`, says: "invisible" },
    { mistake: "a shell variable", key: "$ARMOR_API_KEY", says: "name of a variable" },
    { mistake: "a shell variable in braces", key: `$\{ARMOR_API_KEY}`, says: "name of a variable" },
    { mistake: "a variable of cmd", key: "%ARMOR_API_KEY%", says: "name of a variable" },
    { mistake: "a variable of PowerShell", key: "$env:ARMOR_API_KEY", says: "name of a variable" },
    { mistake: "a template", key: "{{ armor_api_key }}", says: "name of a variable" },
    { mistake: "an expression", key: `$\{{ secrets.ARMOR_API_KEY }}`, says: "has not evaluated" },
    { mistake: "an expression without braces", key: "secrets.ARMOR_API_KEY", says: "braces" },
    {
      mistake: "a shell variable with a default",
      key: `$\{ARMOR_KEY:-}`,
      says: "name of a variable",
    },
    { mistake: "a variable of Node", key: "process.env.ARMOR_API_KEY", says: "name of a variable" },
    { mistake: "a variable of Python", key: 'os.environ["KEY"]', says: "name of a variable" },
    { mistake: "one quotation mark at the end", key: `${KEY}'`, says: "quotation marks" },
    { mistake: "a placeholder", key: "REPLACE_ME", says: "some instructions" },
    { mistake: "a placeholder in one word", key: "replaceme", says: "some instructions" },
    { mistake: "a variable of a template", key: "$secrets.armor", says: "name of a variable" },
    { mistake: "percent-encoding", key: encodeURIComponent(KEY), says: "percent-encoded" },
    { mistake: "the path of a secret", key: "/run/secrets/armor", says: "is a path" },
    { mistake: "the name of a file", key: "@armor.key", says: "is a path" },
    { mistake: "the name of a file alone", key: "armor.yml", says: "is a path" },
    { mistake: "a file in a folder above", key: "../armor.key", says: "is a path" },
    { mistake: "a file at home", key: "~/armor.json", says: "is a path" },
    { mistake: "a file of Windows", key: "C:\\keys\\armor.txt", says: "is a path" },
    { mistake: "a semicolon", key: `${KEY};`, says: "semicolon" },
    { mistake: "the pair with a comma", key: `${APP},${KEY}`, says: "holds app-id, too" },
    {
      mistake: "the pair as curl takes it",
      key: `-u ${APP}:${KEY}`,
      says: "holds app-id, too",
    },
    { mistake: "an assignment", key: `ARMOR_API_KEY=${KEY}`, says: "a name and a sign" },
    { mistake: "an export", key: `export API_KEY="${KEY}"`, says: "a name and a sign" },
    { mistake: "a line of YAML", key: `api_key: ${KEY}`, says: "a name and a sign" },
    { mistake: "a member of JSON", key: `"api_key": "${KEY}"`, says: "a name and a sign" },
    { mistake: "a JSON object", key: JSON.stringify({ a: APP, k: KEY }), says: "JSON" },
    { mistake: "Basic", key: `Basic ${base64("x:y")}`, says: "scheme" },
    { mistake: "Bearer", key: `Bearer ${KEY}`, says: "scheme" },
    { mistake: "a whole header", key: `Authorization: Bearer ${KEY}`, says: "scheme" },
    { mistake: "the pair in one", key: pair, says: "both values, joined" },
    { mistake: "the pair's base64", key: base64(pair), says: "base64 of both" },
    {
      mistake: "the pair's base64 without padding",
      key: base64(pair).replace(/=+$/, ""),
      says: "base64 of both",
    },
    {
      mistake: "the pair's URL-safe base64",
      key: Buffer.from(`${APP}:??>>~~k`).toString("base64url"),
      says: "base64 of both",
    },
    {
      mistake: "Basic and the pair's base64",
      key: `Basic ${base64(pair)}`,
      says: "base64 of both",
    },
    { mistake: "a mask", key: "***", says: "instead of the value" },
    { mistake: "dots of a password field", key: "\u2022".repeat(12), says: "instead of the value" },
    { mistake: "a placeholder", key: "your-api-key", says: "placeholder" },
    { mistake: "another placeholder", key: "changeme", says: "placeholder" },
    { mistake: "a name", key: "ARMOR_API_KEY", says: "is a name" },
    { mistake: "nothing, by a program", key: "undefined", says: "if there is nothing" },
    { mistake: "both alike", key: APP, says: "the same text" },
    { mistake: "wrapped lines", key: "Zk3+vQ9/rT7p Xw2LmN8sBd==", says: "blanks" },
    { mistake: "a cut value", key: "Zk3+vQ9/rT7pXw...", says: "three dots" },
    { mistake: "the source of a web page", key: "Zk3&amp;vQ9/rT7pXw", says: "web page" },
    { mistake: "the inside of JSON", key: "Zk3\\u002BvQ9/rT7pXw", says: "inside JSON" },
    { mistake: "a written line end", key: "Zk3+vQ9/rT7pXw\\n", says: "line end" },
    { mistake: "a reference", key: "op://vault/armor/credential", says: "reference" },
    { mistake: "a token", key: "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl", says: "(JWT)" },
    { mistake: "a certificate", key: "-----BEGIN PRIVATE KEY----- MIIE", says: "PEM" },
    { mistake: "accents apart", key: "Zk3e\u0301vQ9/rT7pXw", says: "accents" },
    { mistake: "a long dash", key: "Zk3\u2013vQ9/rT7pXw", says: "typographic" },
    { mistake: "a damaged character", key: "Zk3\ufffdvQ9/rT7pXw", says: "damaged" },
  ])("$mistake, and nothing of the value", ({ key, says }) => {
    const text = hintsOf({ appId: APP, apiKey: key }).join(" ");
    expect(text).toContain(says);
    expect(text).toMatch(/^(?:app-id and )?api-key /);
    const words = text.replaceAll("api-key", "").replaceAll("app-id", "");
    expect(repeated(words, key)).toEqual([]);
  });

  test("the value that is meant, app-id or api-key", () => {
    expect(hintsOf({ appId: `<${APP}>`, apiKey: KEY }).join(" ")).toMatch(/^app-id .*brackets/);
    expect(hintsOf({ appId: pair, apiKey: KEY }).join(" ")).toContain("app-id holds both values");
    const encoded = hintsOf({ appId: base64(pair), apiKey: KEY });
    expect(encoded).toEqual(["app-id is the base64 of both values together."]);
    const ofAppId = hintsOf({ appId: APP, apiKey: base64(APP) });
    expect(ofAppId).toEqual(["api-key is the base64 of app-id."]);
    expect(hintsOf({ appId: `"${APP}"`, apiKey: `"${KEY}"` })).toHaveLength(2);
  });

  test("values that look swapped", () => {
    const swapped = { appId: "Zk3vQ9rT7pXw2LmN8sBdZk3vQ9rT7pXw2LmN8sBd", apiKey: APP };
    expect(hintsOf(swapped)).toEqual(["app-id and api-key look as if they were swapped."]);
    expect(hintsOf({ appId: APP, apiKey: APP.replace("6f", "7e") })).toEqual([]);
  });

  test("one of them inside the other, with something between, from eight characters on", () => {
    const both = hintsOf({ appId: `${APP} ${KEY}`, apiKey: KEY });
    expect(both[0]).toBe("app-id holds api-key, too: store the other part alone.");
    const short = { appId: "Q4w8Zr2T", apiKey: "Zk3+Q4w8Zr2T/vQ9rT7pXw2LmN8" };
    expect(hintsOf(short)[0]).toBe("api-key holds app-id, too: store the part behind it alone.");
    expect(hintsOf({ ...short, appId: "Q4w8Zr2" })).toEqual([]);
  });

  test.each([
    "Zk3replace-me",
    "replace-meZk3vQ9",
    "Zk3+vQ9%2BrT7pXw",
    "Zk3vQ9%2BrT7p+Xw",
    "Zk3+vQ9rT7p.key",
    "Zk3vQ9rT7p.keyXw",
    "Zk3vQ9/run/rT7pXw",
  ])("nothing for %s, in which a mistake's shape is only a part", (apiKey) => {
    expect(hintsOf({ appId: APP, apiKey })).toEqual([]);
  });

  test("nothing if its words would repeat a part of a value", () => {
    expect(hintsOf({ appId: APP, apiKey: "<brackets>" })).toEqual([]);
  });
});

const ALPHABETS = {
  hex: "0123456789abcdef",
  base64: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
  base64url: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
  signs: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=:%&~!#$*-._?@^",
};

const ofAlphabet = fc
  .constantFrom(...Object.values(ALPHABETS))
  .chain((alphabet) =>
    fc.string({ unit: fc.constantFrom(...alphabet), minLength: 20, maxLength: 64 }),
  );
const padded = fc
  .uint8Array({ minLength: 16, maxLength: 48 })
  .map((bytes) => Buffer.from(bytes).toString("base64"));
const anyValue = fc.oneof(ofAlphabet, padded, fc.uuid());

holds(
  "of random values there is no hint, whatever they are made of",
  fc.property(fc.oneof(fc.uuid(), anyValue), fc.oneof(ofAlphabet, padded), (appId, apiKey) => {
    fc.pre(!appId.includes(apiKey) && !apiKey.includes(appId)); // that is a shape of its own
    expect(hintsOf({ appId, apiKey })).toEqual([]);
  }),
);

const MISTAKES: readonly ((value: string) => string)[] = [
  (value) => `"${value}"`,
  (value) => `<${value}>`,
  (value) => `KEY=${value}`,
  (value) => `Basic ${value}`,
  (value) => `${value}\u200b`,
  (value) => `{"key": "${value}"}`,
];

holds(
  "a hint repeats no four characters in a row of either value",
  fc.property(anyValue, anyValue, fc.constantFrom(...MISTAKES), (appId, key, mistake) => {
    const apiKey = mistake(key);
    const words = hintsOf({ appId, apiKey })
      .join(" ")
      .replace(/ap[pi]-(?:id|key)/g, "");
    expect([...repeated(words, appId), ...repeated(words, apiKey)]).toEqual([]);
  }),
);
