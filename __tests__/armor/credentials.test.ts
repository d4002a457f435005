import { describe, expect, test } from "@jest/globals";
import { tokenRequest } from "../../src/armor/oauth.ts";
import { secretForms } from "../../src/armor/credentials.ts";

const credentials = { appId: "app 1/2", apiKey: 'k+/=:% ~ü"?>k' };

describe("secretForms", () => {
  const forms = secretForms(credentials);

  test.each([
    ["the key itself", credentials.apiKey],
    ["percent-encoded", "k%2B%2F%3D%3A%25%20~%C3%BC%22%3F%3Ek"],
    ["percent-encoded in small letters", "k%2b%2f%3d%3a%25%20~%c3%bc%22%3f%3ek"],
    ["form-encoded", "k%2B%2F%3D%3A%25+%7E%C3%BC%22%3F%3Ek"],
    ["base64", Buffer.from(credentials.apiKey).toString("base64")],
    ["base64url", Buffer.from(credentials.apiKey).toString("base64url")],
    ["base64 without padding", Buffer.from(credentials.apiKey).toString("base64").replace(/=+$/, "")],
    ["the raw Basic pair", Buffer.from(`${credentials.appId}:${credentials.apiKey}`).toString("base64")],
  ])("holds %s", (_, form) => {
    expect(forms).toContain(form);
  });

  test("holds what travels, as it travels", () => {
    for (const pair of ["app+1%2F2:k%2B%2F%3D%3A%25+%7E%C3%BC%22%3F%3Ek", `app 1/2:${credentials.apiKey}`]) {
      const { headers } = tokenRequest("https://armor.example", pair);
      expect(forms).toContain(headers["Authorization"]?.replace("Basic ", ""));
    }
  });

  test("begins with the key, has every form once, none empty, and never the app id", () => {
    expect(forms[0]).toBe(credentials.apiKey);
    expect(new Set(forms).size).toBe(forms.length);
    expect(forms).not.toContain("");
    expect(forms).not.toContain(credentials.appId);
    expect(forms.filter((form) => credentials.appId.includes(form))).toEqual([]);
  });

  test("of a plain key, there are few: a mask costs the runner time on every line", () => {
    expect(secretForms({ appId: "id", apiKey: "abc" })).toEqual(["abc", "YWJj", "aWQ6YWJj"]);
  });

  test("there are none without a key, and half a character does no harm", () => {
    expect(secretForms({ appId: "id", apiKey: "" })).toEqual([]);
    expect(secretForms({ appId: "id", apiKey: "\ud800" })).toContain("%EF%BF%BD");
  });
});
