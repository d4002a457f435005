// The masks of the key and of tokens, against the runner's own masking: what common tools print of a secret.

import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { secretForms } from "../../src/armor/credentials.ts";
import { maskedForms } from "../../src/redact.ts";
import { holds, seeded } from "../fixtures/property.ts";

/** What the runner masks for one value (actions/runner, SecretMasker.cs, ValueEncoders.cs, AddMaskCommand). */
function derivedFrom(value: string): string[] {
  const bytes = Buffer.from(value, "utf8");
  const shifted = [0, 1, 2].map((count) => bytes.subarray(count).toString("base64"));
  const uriEscaped = encodeURIComponent(value).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const json = JSON.stringify(value).slice(1, -1);
  return [
    value,
    ...shifted,
    uriEscaped,
    json,
    value.replaceAll('"', '\\"'),
    value.replaceAll("'", "''"),
  ];
}

/** A job's log, by a runner that was told these masks. A mask of several lines counts whole and by line. */
function logged(text: string, masks: readonly string[]): string {
  const values = masks.flatMap((mask) => [mask, ...mask.split("\n")]).flatMap(derivedFrom);
  const isHidden = Array<boolean>(text.length).fill(false);
  for (const value of new Set(values)) {
    let start = value === "" ? -1 : text.indexOf(value);
    while (start !== -1) {
      isHidden.fill(true, start, start + value.length);
      start = text.indexOf(value, start + 1);
    }
  }
  return [...text].map((letter, index) => (isHidden[index] ? "*" : letter)).join("");
}

/** What is left of an encoded secret that stands in a longer text, at its ends. */
function visibleOf(
  secret: string,
  before: string,
  after: string,
  masks: readonly string[],
): string {
  const bytes = Buffer.from(before + secret + after, "utf8");
  const log = logged(bytes.toString("base64"), masks);
  const start = Math.ceil((Buffer.byteLength(before) * 8) / 6);
  const end = Math.floor((Buffer.byteLength(before + secret) * 8) / 6);
  return log.slice(start, end).replaceAll("*", "");
}

const random = seeded(7);
const SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

function randomText(length: number, alphabet = SIGNS): string {
  const letters = Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)]);
  return letters.join("");
}

const APP = "6f1d2c3b-9a7e-4abc-8def-0123456789ab";
const KEYS = [
  randomText(24),
  randomText(25),
  randomText(26),
  `${randomText(20)}+/=%&<`,
  'S3cr+t/K=y:%& ~"9z',
];

describe("base64 of a text that contains the secret", () => {
  const lengths = [0, 1, 2, 3, 10, 11, 12];
  const secrets = [
    ...KEYS.map((key) => ({
      what: "the key",
      secret: key,
      masks: secretForms({ appId: APP, apiKey: key }),
    })),
    ...[60, 61, 62].map((length) => {
      const token = randomText(length);
      return { what: "a token", secret: token, masks: maskedForms(token) };
    }),
  ];

  test.each(secrets)("shows four characters of $what at most: $secret", ({ secret, masks }) => {
    for (const before of lengths) {
      for (const after of lengths) {
        const visible = visibleOf(secret, randomText(before), randomText(after), masks);
        expect([before, after, visible.length <= 4]).toEqual([before, after, true]);
      }
    }
  });

  test("is clear at two of three lengths without the shorter masks", () => {
    const token = randomText(60);
    const clear = [0, 1, 2].filter(
      (before) => visibleOf(token, randomText(before), "more", [token]).length > 4,
    );
    expect(clear).toHaveLength(2);
  });
});

describe("a JWT", () => {
  const part = (length: number) => randomText(length);
  const jwts = [43, 44, 45].map((length) => `eyJ${part(33)}.eyJ${part(80)}.${part(length)}`);

  test.each(jwts)(
    "needs three masks, which hide it whole, and its last part by itself: %s",
    (jwt) => {
      const masks = maskedForms(jwt);
      expect(masks).toHaveLength(3);
      expect(logged(`Bearer ${jwt} `, masks)).toBe(`Bearer ${"*".repeat(jwt.length)} `);
      const lastPart = jwt.split(".")[2] ?? "";
      expect(logged(lastPart, masks).replaceAll("*", "").length).toBeLessThanOrEqual(1);
    },
  );

  test.each(jwts)("has a last part that base64 does not show: %s", (jwt) => {
    const masks = maskedForms(jwt);
    const lastPart = jwt.split(".")[2] ?? "";
    const firstParts = jwt.slice(0, -lastPart.length);
    for (const before of [0, 1, 2]) {
      for (const after of [0, 1, 2, 30]) {
        const start = randomText(before) + firstParts;
        const visible = visibleOf(lastPart, start, randomText(after), masks);
        expect(visible.length).toBeLessThanOrEqual(4);
      }
    }
  });
});

describe("the key as common tools print it", () => {
  const key = "K3y+/=%&<>'\"~ ab?cd!*($9zq";
  const masks = secretForms({ appId: APP, apiKey: key });
  const pair = Buffer.from(`${APP}:${key}`).toString("base64");

  test.each([
    {
      how: "System.Text.Json of .NET",
      text: "K3y\\u002B/=%\\u0026\\u003C\\u003E\\u0027\\u0022~ ab?cd!*($9zq",
    },
    { how: "Gson", text: 'K3y+/\\u003d%\\u0026\\u003c\\u003e\\u0027\\"~ ab?cd!*($9zq' },
    { how: "Go", text: "K3y+/=%\\u0026\\u003c\\u003e'\\\"~ ab?cd!*($9zq" },
    { how: "PHP", text: "K3y+\\/=%&<>'\\\"~ ab?cd!*($9zq" },
    { how: "Python's quote", text: "K3y%2B/%3D%25%26%3C%3E%27%22~%20ab%3Fcd%21%2A%28%249zq" },
    { how: "encodeURI", text: encodeURI(key) },
    { how: "encodeURIComponent", text: encodeURIComponent(key) },
    { how: "a form", text: new URLSearchParams({ k: key }).toString().slice(2) },
    { how: "Basic", text: pair },
    { how: "Basic, URL-safe", text: Buffer.from(`${APP}:${key}`).toString("base64url") },
    {
      how: "base64 of a whole header",
      text: Buffer.from(`Authorization: Basic ${pair}`).toString("base64").slice(28),
    },
  ])("is hidden: $how", ({ text }) => {
    expect(logged(text, masks).replaceAll("*", "")).toBe("");
  });

  test("is hidden in the lines of 76 that GNU base64 makes of the pair, by one mask", () => {
    const lines = pair.match(/.{1,76}/g) ?? [];
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect(logged(line, masks)).toBe("*".repeat(line.length));
    expect(masks.filter((mask) => mask.includes("\n"))).toEqual([lines.join("\n")]);
  });

  test("has no mask for a last line that is too short to tell anything", () => {
    const apiKey = "k".repeat(57 - APP.length - 1 + 3);
    const line = Buffer.from(`${APP}:${apiKey}`).toString("base64");
    expect(line).toHaveLength(80);
    const last = secretForms({ appId: APP, apiKey }).filter((mask) => mask.length < 8);
    expect(last).toEqual([]);
  });
});

describe("the number of masks, each of which costs the runner time on every later line", () => {
  test.each(KEYS.slice(0, 3))("is six for a plain key: %s", (apiKey) => {
    expect(secretForms({ appId: APP, apiKey }).length).toBeLessThanOrEqual(6);
  });

  const withSigns = fc.string({
    unit: fc.constantFrom(...`${SIGNS}+/=%&<>'"~!?*()$: \\`),
    minLength: 26,
    maxLength: 26,
  });
  holds(
    "is 24 at most for any key of 26 characters",
    fc.property(withSigns, fc.uuid(), (apiKey, appId) => {
      expect(secretForms({ appId, apiKey }).length).toBeLessThanOrEqual(24);
    }),
  );

  test("is three for a token, and none is so short that it covers words", () => {
    expect(maskedForms("0123456789abcdef")).toHaveLength(3);
    expect(maskedForms("01234567")).toEqual(["01234567", "0123456", "012345"]);
    expect(maskedForms("0123456")).toEqual(["0123456", "012345"]);
  });
});
