import { describe, expect, test } from "@jest/globals";
import type { ApiReply, ApiRequest, Send } from "../../src/armor/http.ts";
import { endSession, fetchToken, type RequestContext } from "../../src/armor/token.ts";
import { virtualClock } from "../fixtures/virtual-clock.ts";

const GRANT = {
  status: 200,
  body: '{"access_token":"t0k3n-abc","token_type":"Bearer","expires_in":60}',
};
const credentials = { appId: "id", apiKey: "k+y" };
const ENCODED = `Basic ${btoa("id:k%2By")}`;
const RAW = `Basic ${btoa("id:k+y")}`;

/** An Armor that gives these replies in turn, a second after each request. */
function armorWith(replies: readonly Partial<ApiReply>[]) {
  const clock = virtualClock(0);
  const sent: ApiRequest[] = [];
  const send: Send = async (request) => {
    await clock.pass(1_000);
    sent.push(request);
    const reply = { status: 500, headers: {}, body: "" };
    return { ...reply, ...replies[sent.length - 1], url: request.url };
  };
  const armor: RequestContext = {
    apiUrl: "https://armor.example",
    send,
    timeoutMs: 10_000,
    onRetry: () => undefined,
  };
  return {
    armor,
    clock,
    sent,
    authorizations: () => sent.map(({ headers }) => headers["Authorization"]),
  };
}

describe("fetchToken", () => {
  test("counts the lifetime from before the request was sent", async () => {
    const { armor, clock } = armorWith([GRANT]);
    const before = clock.date();
    await expect(fetchToken(armor, credentials)).resolves.toEqual({
      accessToken: "t0k3n-abc",
      expiresIn: 60,
      expiresAt: before + 60_000,
      requestedAt: 1_000,
    });
  });

  test("after a failure, from before the request that succeeded", async () => {
    const { armor, clock } = armorWith([{ status: 503 }, GRANT]);
    const before = clock.date();
    await expect(fetchToken(armor, credentials)).resolves.toMatchObject({
      expiresAt: before + 1_000 + 60_000,
    });
  });

  test("tries the raw pair once if the form-encoded one is answered by 401", async () => {
    const { armor, authorizations } = armorWith([{ status: 401 }, GRANT]);
    await expect(fetchToken(armor, credentials)).resolves.toMatchObject({
      accessToken: "t0k3n-abc",
    });
    expect(authorizations()).toEqual([ENCODED, RAW]);
  });

  test("tries it after 400 invalid_client, too, and not after another 400", async () => {
    const unknown = armorWith([{ status: 400, body: '{"error":"invalid_client"}' }, GRANT]);
    await fetchToken(unknown.armor, credentials);
    expect(unknown.authorizations()).toEqual([ENCODED, RAW]);
    const wrong = armorWith([{ status: 400, body: '{"error":"invalid_request"}' }, GRANT]);
    await expect(fetchToken(wrong.armor, credentials)).rejects.toMatchObject({
      code: "request_rejected",
    });
    expect(wrong.authorizations()).toEqual([ENCODED]);
  });

  test("gives up after 401 to both", async () => {
    const { armor, authorizations } = armorWith([{ status: 401 }, { status: 401 }, GRANT]);
    await expect(fetchToken(armor, credentials)).rejects.toMatchObject({
      code: "credentials_rejected",
    });
    expect(authorizations()).toEqual([ENCODED, RAW]);
  });

  test("reports the first answer if the raw pair is only called malformed", async () => {
    const { armor } = armorWith([{ status: 401 }, { status: 400 }]);
    await expect(fetchToken(armor, credentials)).rejects.toMatchObject({
      code: "credentials_rejected",
    });
  });

  test.each([
    { what: "a plain key", pair: { appId: "id", apiKey: "key" } },
    { what: "an app id with a colon", pair: { appId: "i:d", apiKey: "k+y" } },
  ])("there is no second pair for $what", async ({ pair }) => {
    const { armor, sent } = armorWith([{ status: 401 }, GRANT]);
    await expect(fetchToken(armor, pair)).rejects.toMatchObject({ code: "credentials_rejected" });
    expect(sent).toHaveLength(1);
  });

  test("goes on with the raw pair alone once the form-encoded one was refused", async () => {
    const { armor, authorizations } = armorWith([{ status: 401 }, { status: 502 }, GRANT]);
    await fetchToken(armor, credentials);
    expect(authorizations()).toEqual([ENCODED, RAW, RAW]);
  });

  test.each([400, 403, 404])("asks once if the answer is %i", async (status) => {
    const { armor, sent } = armorWith([{ status }, GRANT]);
    await expect(fetchToken(armor, credentials)).rejects.toThrow(`answered ${status}`);
    expect(sent).toHaveLength(1);
  });

  test("follows a redirect with the same pair", async () => {
    const { armor, sent } = armorWith([{ status: 308, headers: { location: "/moved" } }, GRANT]);
    await fetchToken(armor, credentials);
    expect(sent.map(({ url, headers }) => [url.pathname, headers["Authorization"]])).toEqual([
      ["/api/v1/iam/session/oauth2/token", ENCODED],
      ["/moved", ENCODED],
    ]);
  });
});

describe("endSession", () => {
  test.each([
    { what: "ends one that lives", reply: { status: 204 }, expected: true },
    { what: "finds one that has ended", reply: { status: 401 }, expected: false },
  ])("$what", async ({ reply, expected }) => {
    const { armor, sent } = armorWith([reply]);
    await expect(endSession(armor, "abc")).resolves.toBe(expected);
    expect(sent.map(({ url, headers }) => [url.pathname, headers["Authorization"]])).toEqual([
      ["/api/v1/iam/session/terminate", "Bearer abc"],
    ]);
  });

  test("tries again what can pass", async () => {
    const { armor, sent } = armorWith([{ status: 503 }, { status: 204 }]);
    await expect(endSession(armor, "abc")).resolves.toBe(true);
    expect(sent).toHaveLength(2);
  });
});
