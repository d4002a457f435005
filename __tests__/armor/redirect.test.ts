import { describe, expect, test } from "@jest/globals";
import type { ApiReply, ApiRequest, Send } from "../../src/armor/http.ts";
import { followingRedirects, isTrustedRedirect, redirectTarget } from "../../src/armor/redirect.ts";

const START = "https://api.armor.fortanix.com/api/v1/token";

function reply(status: number, location?: string, from = START): ApiReply {
  return { url: new URL(from), status, headers: { location }, body: "", receivedAt: 0 };
}

describe("redirectTarget", () => {
  test.each([200, 204, 304, 400, 401, 500])("%i is none", (status) => {
    expect(redirectTarget(reply(status, "/elsewhere"))).toBeUndefined();
  });

  test.each([
    ["relative", "/v2/token", "https://api.armor.fortanix.com/v2/token"],
    ["relative to the path", "other?x=1", "https://api.armor.fortanix.com/api/v1/other?x=1"],
    ["absolute", "https://api.armor.fortanix.com/x", "https://api.armor.fortanix.com/x"],
    [
      "between the vendor's hosts",
      "https://api.na.armor.fortanix.com/x",
      "https://api.na.armor.fortanix.com/x",
    ],
    ["without a scheme", "//api.eu.armor.fortanix.com/x", "https://api.eu.armor.fortanix.com/x"],
    ["with a fragment, which is no part of a request", "/x#y", "https://api.armor.fortanix.com/x"],
  ])("308 and 307 are followed: %s", (_, location, expected) => {
    expect(redirectTarget(reply(308, location))?.href).toBe(expected);
    expect(redirectTarget(reply(307, location))?.href).toBe(expected);
  });

  test.each([
    ["another host", "https://evil.example/x", "to https://evil.example, which must not get the credentials"],
    [
      "a host that only looks alike",
      "https://armor.fortanix.com.evil.example/",
      "https://armor.fortanix.com.evil.example",
    ],
    ["a host that ends alike", "https://evilarmor.fortanix.com/", "https://evilarmor.fortanix.com"],
    ["the vendor's domain itself", "https://armor.fortanix.com/x", "https://armor.fortanix.com"],
    ["two labels below it", "https://api.a.b.armor.fortanix.com/", "https://api.a.b.armor.fortanix.com"],
    ["no API host", "https://www.armor.fortanix.com/", "https://www.armor.fortanix.com"],
    ["another port", "https://api.na.armor.fortanix.com:8443/", "https://api.na.armor.fortanix.com:8443"],
    [
      "its own name with a dot at the end",
      "https://api.armor.fortanix.com./",
      "https://api.armor.fortanix.com.",
    ],
    ["a blob: address with the same origin", "blob:https://api.armor.fortanix.com/x", "to https://api.armor"],
    ["the vendor's other products", "https://sdkms.fortanix.com/", "https://sdkms.fortanix.com"],
    ["plain http", "http://api.armor.fortanix.com/x", "http://api.armor.fortanix.com"],
    ["a scheme without hosts", "data:text/plain,x", "a data: address"],
    ["a user in the address", "https://a:b@api.armor.fortanix.com/", "a user name in it"],
    ["no address", "https://[", "something that is no address"],
  ])("refused: %s", (_, location, says) => {
    for (const status of [301, 302, 303, 307, 308]) {
      expect(() => redirectTarget(reply(status, location))).toThrow(
        expect.objectContaining({ code: "redirect_refused", message: expect.stringContaining(says) }),
      );
    }
  });

  test("refused: no Location", () => {
    expect(() => redirectTarget(reply(308))).toThrow("redirects (308) without saying where to");
  });

  test.each([301, 302, 303])("refused: %i even to the same origin, for it drops the method", (status) => {
    expect(() => redirectTarget(reply(status, "/x"))).toThrow("turns a POST into a GET");
  });

  test("an on-premises Armor is not sent on to the vendor's, nor the other way round", () => {
    const onPremises = new URL("https://armor.corp.example/");
    const vendor = new URL(START);
    expect(isTrustedRedirect(onPremises, vendor)).toBe(false);
    expect(isTrustedRedirect(vendor, onPremises)).toBe(false);
    expect(isTrustedRedirect(onPremises, new URL("https://armor.corp.example:8443/"))).toBe(false);
  });
});

describe("followingRedirects", () => {
  const request: ApiRequest = {
    url: new URL(START),
    headers: { Authorization: "Basic abc" },
    body: "grant_type=client_credentials",
  };
  const { signal } = new AbortController();

  function sender(replies: readonly ApiReply[]): { send: Send; sent: ApiRequest[] } {
    const sent: ApiRequest[] = [];
    const send: Send = async (next) => {
      sent.push(next);
      return { ...(replies[sent.length - 1] ?? reply(200)), url: next.url };
    };
    return { send, sent };
  }

  test("keeps method, headers and body", async () => {
    const { send, sent } = sender([reply(308, "/a"), reply(307, "/b")]);
    await expect(followingRedirects(send)(request, signal)).resolves.toMatchObject({ status: 200 });
    expect(sent.map(({ url }) => url.pathname)).toEqual(["/api/v1/token", "/a", "/b"]);
    expect(sent.slice(1)).toEqual(sent.slice(1).map(({ url }) => ({ ...request, url })));
  });

  test("follows five, and not a sixth", async () => {
    const five = sender(Array(5).fill(reply(308, "/again")));
    await expect(followingRedirects(five.send)(request, signal)).resolves.toMatchObject({ status: 200 });
    const loop = sender(Array(9).fill(reply(308, "/again")));
    await expect(followingRedirects(loop.send)(request, signal)).rejects.toThrow(
      "redirects more than 5 times",
    );
    expect(loop.sent).toHaveLength(6);
  });

  test("sends nothing to a host where the credentials do not belong", async () => {
    const { send, sent } = sender([reply(308, "https://evil.example/")]);
    await expect(followingRedirects(send)(request, signal)).rejects.toThrow("https://evil.example");
    expect(sent).toHaveLength(1);
  });
});
