import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  basicPairs,
  type Credentials,
  formEncode,
  secretForms,
} from "../../src/armor/credentials.ts";
import { tokenRequest } from "../../src/armor/oauth.ts";
import { anyText, holds } from "../fixtures/property.ts";

const credentials = { appId: "app 1/2", apiKey: 'k+/=:% ~ü"?>k' };

describe("formEncode", () => {
  test.each([
    { text: "abcXYZ019*-._", expected: "abcXYZ019*-._" },
    { text: "a b", expected: "a+b" },
    { text: "+/=:%&~", expected: "%2B%2F%3D%3A%25%26%7E" },
    { text: "ü€", expected: "%C3%BC%E2%82%AC" },
    { text: "", expected: "" },
  ])("$text becomes $expected", ({ text, expected }) => {
    expect(formEncode(text)).toBe(expected);
  });
});

describe("basicPairs", () => {
  test("has no raw pair if encoding changes nothing", () => {
    expect(basicPairs({ appId: "id", apiKey: "key" })).toEqual({
      encoded: "id:key",
      raw: undefined,
    });
  });

  test("has both pairs if encoding changes the key", () => {
    expect(basicPairs({ appId: "id", apiKey: "k+y" })).toEqual({
      encoded: "id:k%2By",
      raw: "id:k+y",
    });
    expect(basicPairs({ appId: "id", apiKey: "k:y" })).toEqual({
      encoded: "id:k%3Ay",
      raw: "id:k:y",
    });
  });

  test("has no raw pair for an app id with a colon, which would end the id there", () => {
    expect(basicPairs({ appId: "i:d", apiKey: "k+y" })).toEqual({
      encoded: "i%3Ad:k%2By",
      raw: undefined,
    });
  });
});

/** The pairs that are sent. */
function pairsOf(given: Credentials): string[] {
  const { encoded, raw } = basicPairs(given);
  return raw === undefined ? [encoded] : [encoded, raw];
}

describe("secretForms", () => {
  const forms = secretForms(credentials);

  test.each([
    { what: "the key itself", form: credentials.apiKey },
    { what: "percent-encoded", form: "k%2B%2F%3D%3A%25%20~%C3%BC%22%3F%3Ek" },
    { what: "percent-encoded in small letters", form: "k%2b%2f%3d%3a%25%20~%c3%bc%22%3f%3ek" },
    { what: "form-encoded", form: "k%2B%2F%3D%3A%25+%7E%C3%BC%22%3F%3Ek" },
    { what: "base64", form: Buffer.from(credentials.apiKey).toString("base64") },
    { what: "base64url", form: Buffer.from(credentials.apiKey).toString("base64url") },
    {
      what: "the raw Basic pair",
      form: Buffer.from(`${credentials.appId}:${credentials.apiKey}`).toString("base64"),
    },
  ])("hold $what", ({ form }) => {
    expect(forms).toContain(form);
  });

  test.each(["k", "ke", "key-1234567", "key-12345678"])(
    "hold base64 as it is sent: %s",
    (apiKey) => {
      const padded = Buffer.from(apiKey).toString("base64");
      expect(secretForms({ appId: "id", apiKey })).toContain(padded);
    },
  );

  test.each([">>>>>>>>", "????????"])("hold base64url of what is no letter there: %s", (apiKey) => {
    const all = secretForms({ appId: "id", apiKey });
    expect(all).toContain(Buffer.from(apiKey).toString("base64url"));
  });

  test("hold what travels, as it travels, also if an app id with a colon rules the raw pair out", () => {
    for (const pair of [...pairsOf(credentials), ...pairsOf({ ...credentials, appId: "a:b" })]) {
      const { headers } = tokenRequest("https://armor.example", pair);
      const all = [...forms, ...secretForms({ ...credentials, appId: "a:b" })];
      expect(all).toContain(headers["Authorization"]?.replace("Basic ", ""));
    }
  });

  test("hold the raw pair also if it is never sent: other steps may make it of the same secrets", () => {
    expect(secretForms({ appId: "a:b", apiKey: "k+y" })).toContain(btoa("a:b:k+y"));
  });

  test("begin with the key, have every form once, none empty, and never the app id", () => {
    expect(forms[0]).toBe(credentials.apiKey);
    expect(new Set(forms).size).toBe(forms.length);
    expect(forms.filter((form) => credentials.appId.includes(form))).toEqual([]);
  });

  test("of a plain key are few: a mask costs the runner time on every line", () => {
    expect(secretForms({ appId: "id", apiKey: "abc" })).toEqual(["abc", "YWJj", "aWQ6YWJj"]);
  });

  test("do not exist without a key, and half a character does no harm", () => {
    expect(secretForms({ appId: "id", apiKey: "" })).toEqual([]);
    expect(secretForms({ appId: "id", apiKey: "\ud800" })).toContain("%EF%BF%BD");
  });

  holds(
    "hold every pair that is sent, for any text",
    fc.property(anyText, anyText, (appId, apiKey) => {
      fc.pre(apiKey !== "");
      const all = secretForms({ appId, apiKey });
      for (const pair of pairsOf({ appId, apiKey })) {
        expect(all).toContain(Buffer.from(pair, "utf8").toString("base64"));
      }
    }),
  );
});
