import { describe, expect, test } from "@jest/globals";
import type { ApiReply, ApiRequest } from "../../src/armor/http.ts";
import { isTrustedRedirect, sendFollowing } from "../../src/armor/redirect.ts";
import { hide } from "../../src/redact.ts";

const START = "https://api.armor.fortanix.com/api/v1/token";

/** Sends to a server that gives these answers in turn, then 200. */
async function follow(
  ...answers: readonly (readonly [status: number, location?: string | undefined])[]
) {
  const sent: ApiRequest[] = [];
  const request = {
    url: new URL(START),
    headers: { Authorization: "Basic abc" },
    body: "grant_type=x",
  };
  const send = async (next: ApiRequest): Promise<ApiReply> => {
    const [status, location] = answers[sent.length] ?? [200];
    sent.push(next);
    return { url: next.url, status, headers: { location }, body: "" };
  };
  const outcome = await sendFollowing(send, request, new AbortController().signal).catch(
    (error) => error,
  );
  return { outcome, sent, request, urls: sent.map(({ url }) => url.href) };
}

describe("sendFollowing", () => {
  test.each([200, 204, 304, 400, 401, 500])(
    "takes %i for an answer, whatever its Location",
    async (status) => {
      const { outcome, sent } = await follow([status, "/elsewhere"]);
      expect(outcome).toMatchObject({ status });
      expect(sent).toHaveLength(1);
    },
  );

  test.each([
    { location: "/v2/token", expected: "https://api.armor.fortanix.com/v2/token" },
    { location: "other?x=1", expected: "https://api.armor.fortanix.com/api/v1/other?x=1" },
    { location: "https://api.armor.fortanix.com/x", expected: "https://api.armor.fortanix.com/x" },
    {
      location: "https://api.na.armor.fortanix.com/x",
      expected: "https://api.na.armor.fortanix.com/x",
    },
    { location: "//api.eu.armor.fortanix.com/x", expected: "https://api.eu.armor.fortanix.com/x" },
    { location: "/x#no-part-of-a-request", expected: "https://api.armor.fortanix.com/x" },
  ])("follows 307 and 308 to $location, with headers and body", async ({ location, expected }) => {
    for (const status of [307, 308]) {
      const { outcome, sent, request } = await follow([status, location]);
      expect(outcome).toMatchObject({ status: 200 });
      expect(sent).toEqual([request, { ...request, url: new URL(expected) }]);
    }
  });

  test.each([
    {
      location: "https://evil.example/x",
      says: "to https://evil.example, which must not get the credentials",
    },
    {
      location: "https://armor.fortanix.com.evil.example/",
      says: "https://armor.fortanix.com.evil.example",
    },
    { location: "https://evilarmor.fortanix.com/", says: "https://evilarmor.fortanix.com" },
    { location: "https://armor.fortanix.com/x", says: "https://armor.fortanix.com" },
    { location: "https://api.a.b.armor.fortanix.com/", says: "https://api.a.b.armor.fortanix.com" },
    { location: "https://www.armor.fortanix.com/", says: "https://www.armor.fortanix.com" },
    {
      location: "https://api.na.armor.fortanix.com:8443/",
      says: "https://api.na.armor.fortanix.com:8443",
    },
    { location: "https://api.armor.fortanix.com./", says: "https://api.armor.fortanix.com." },
    { location: "blob:https://api.armor.fortanix.com/x", says: "to https://api.armor" },
    { location: "https://sdkms.fortanix.com/", says: "https://sdkms.fortanix.com" },
    { location: "http://api.armor.fortanix.com/x", says: "http://api.armor.fortanix.com" },
    { location: "data:text/plain,x", says: "a data: address" },
    { location: "https://a:b@api.armor.fortanix.com/", says: "a user name in it" },
    { location: "https://:b@api.armor.fortanix.com/", says: "a user name in it" },
    { location: "https://[", says: "something that is no address" },
    { location: undefined, says: "without saying where to" },
  ])("refuses every redirect to $location and sends nothing there", async ({ location, says }) => {
    for (const status of [301, 302, 303, 307, 308]) {
      const { outcome, urls } = await follow([status, location]);
      expect(outcome).toMatchObject({
        code: "redirect_refused",
        problem: expect.stringContaining(says),
      });
      expect(outcome.problem).toContain(`https://api.armor.fortanix.com redirects (${status}) `);
      expect(urls).toEqual([START]);
    }
  });

  test.each([301, 302, 303])(
    "refuses %i even to the same origin, for it drops the method",
    async (status) => {
      const { outcome } = await follow([status, "/x"]);
      expect(outcome.problem).toContain("turns a POST into a GET");
    },
  );

  test("follows five, and not a sixth", async () => {
    const again = [308, "/again"] as const;
    expect((await follow(...Array(5).fill(again))).outcome).toMatchObject({ status: 200 });
    const { outcome, sent } = await follow(...Array(9).fill(again));
    expect(outcome.problem).toBe("https://api.armor.fortanix.com redirects more than 5 times");
    expect(sent).toHaveLength(6);
  });
});

test.each([
  { from: "https://armor.corp.example/", to: START },
  { from: START, to: "https://armor.corp.example/" },
  { from: "https://armor.corp.example/", to: "https://armor.corp.example:8443/" },
])("a redirect from $from to $to is not trusted", ({ from, to }) => {
  expect(isTrustedRedirect(new URL(from), new URL(to))).toBe(false);
});

describe("what a redirect says", () => {
  const key = "R3directed-K3y-of-this-test";
  hide([key]);

  test.each([
    { what: "the key as a host", location: `https://${key}.example/` },
    { what: "the key as a host inside blob:", location: `blob:https://${key}.example/x` },
    { what: "the key as a scheme", location: `${key}:x` },
    { what: "the key as a user", location: `https://${key}@evil.example/` },
    { what: "a host of 12 KB", location: `https://${"x".repeat(12_000)}.example/` },
    { what: "a scheme of 12 KB", location: `${"x".repeat(12_000)}:y` },
    {
      what: "a region of 12 KB",
      location: `https://api.${"x".repeat(12_000)}.armor.fortanix.com/`,
    },
  ])("is short and without a secret in its error: $what", async ({ location }) => {
    const { outcome, urls } = await follow([307, location]);
    expect(outcome.code).toBe("redirect_refused");
    expect(outcome.message.toLowerCase()).not.toContain(key.toLowerCase());
    expect(outcome.message.length).toBeLessThan(500);
    expect(urls).toHaveLength(1);
  });
});
