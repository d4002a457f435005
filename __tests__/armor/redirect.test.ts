import { describe, expect, test } from "@jest/globals";
import type { ApiReply, ApiRequest } from "../../src/armor/http.ts";
import { isTrustedRedirect, sendFollowing } from "../../src/armor/redirect.ts";

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
    ["/v2/token", "https://api.armor.fortanix.com/v2/token"],
    ["other?x=1", "https://api.armor.fortanix.com/api/v1/other?x=1"],
    ["https://api.armor.fortanix.com/x", "https://api.armor.fortanix.com/x"],
    ["https://api.na.armor.fortanix.com/x", "https://api.na.armor.fortanix.com/x"],
    ["//api.eu.armor.fortanix.com/x", "https://api.eu.armor.fortanix.com/x"],
    ["/x#no-part-of-a-request", "https://api.armor.fortanix.com/x"],
  ])("follows 307 and 308 to %s, with headers and body", async (location, expected) => {
    for (const status of [307, 308]) {
      const { outcome, sent, request } = await follow([status, location]);
      expect(outcome).toMatchObject({ status: 200 });
      expect(sent).toEqual([request, { ...request, url: new URL(expected) }]);
    }
  });

  test.each([
    ["https://evil.example/x", "to https://evil.example, which must not get the credentials"],
    ["https://armor.fortanix.com.evil.example/", "https://armor.fortanix.com.evil.example"],
    ["https://evilarmor.fortanix.com/", "https://evilarmor.fortanix.com"],
    ["https://armor.fortanix.com/x", "https://armor.fortanix.com"],
    ["https://api.a.b.armor.fortanix.com/", "https://api.a.b.armor.fortanix.com"],
    ["https://www.armor.fortanix.com/", "https://www.armor.fortanix.com"],
    ["https://api.na.armor.fortanix.com:8443/", "https://api.na.armor.fortanix.com:8443"],
    ["https://api.armor.fortanix.com./", "https://api.armor.fortanix.com."],
    ["blob:https://api.armor.fortanix.com/x", "to https://api.armor"],
    ["https://sdkms.fortanix.com/", "https://sdkms.fortanix.com"],
    ["http://api.armor.fortanix.com/x", "http://api.armor.fortanix.com"],
    ["data:text/plain,x", "a data: address"],
    ["https://a:b@api.armor.fortanix.com/", "a user name in it"],
    ["https://:b@api.armor.fortanix.com/", "a user name in it"],
    ["https://[", "something that is no address"],
    [undefined, "without saying where to"],
  ])("refuses every redirect to %s and sends nothing there", async (location, says) => {
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
  ["https://armor.corp.example/", START],
  [START, "https://armor.corp.example/"],
  ["https://armor.corp.example/", "https://armor.corp.example:8443/"],
])("a redirect from %s to %s is not trusted", (from, to) => {
  expect(isTrustedRedirect(new URL(from), new URL(to))).toBe(false);
});
