// The sandbox is worth testing against only if it says no whenever Armor would.

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Sandbox } from "../sandbox/armor.ts";
import { openSandbox } from "./fixtures/sandbox.ts";
import { API_KEY, APP_ID, ENCODED_PAIR, RAW_PAIR } from "./fixtures/step.ts";

const CSRF = { "X-Csrf-Header": '""' };
const FORM = { "Content-Type": "application/x-www-form-urlencoded" };

describe("sandbox", () => {
  let armor: Sandbox;

  beforeAll(async () => {
    armor = await openSandbox();
  });

  afterAll(() => armor.close());

  function ask(
    headers: Record<string, string>,
    body = "grant_type=client_credentials",
  ): Promise<Response> {
    return fetch(`${armor.url}/api/v1/iam/session/oauth2/token`, { method: "POST", headers, body });
  }

  async function mint(): Promise<string> {
    const response = await ask({ ...CSRF, ...FORM, Authorization: ENCODED_PAIR });
    return ((await response.json()) as { access_token: string }).access_token;
  }

  function get(path: string, token?: string): Promise<Response> {
    return fetch(armor.url + path, {
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    });
  }

  test("issues a token as RFC 6749 section 5.1 says", async () => {
    const response = await ask({ ...CSRF, ...FORM, Authorization: ENCODED_PAIR });
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    await expect(response.json()).resolves.toEqual({
      access_token: expect.stringMatching(/^[\w-]{40,}$/),
      token_type: "Bearer",
      expires_in: 60,
    });
  });

  test.each<{
    readonly what: string;
    readonly headers: Record<string, string>;
    readonly body: string;
    readonly status: number;
  }>([
    {
      what: "a wrong key",
      headers: { ...CSRF, ...FORM, Authorization: `Basic ${btoa(`${APP_ID}:no`)}` },
      body: "grant_type=client_credentials",
      status: 401,
    },
    {
      what: "a pair that is not form-encoded",
      headers: { ...CSRF, ...FORM, Authorization: RAW_PAIR },
      body: "grant_type=client_credentials",
      status: 400,
    },
    {
      what: "another grant",
      headers: { ...CSRF, ...FORM, Authorization: ENCODED_PAIR },
      body: "grant_type=password",
      status: 400,
    },
    {
      what: "no X-Csrf-Header",
      headers: { ...FORM, Authorization: ENCODED_PAIR },
      body: "grant_type=client_credentials",
      status: 403,
    },
    {
      what: "an empty X-Csrf-Header",
      headers: { ...FORM, "X-Csrf-Header": "", Authorization: ENCODED_PAIR },
      body: "grant_type=client_credentials",
      status: 403,
    },
  ])("refuses $what", async ({ headers, body, status }) => {
    const response = await ask(headers, body);
    expect(response.status).toBe(status);
    await expect(response.json()).resolves.toMatchObject({ error: expect.any(String) });
  });

  test("refuses a client whose key was replaced, repeats what it sent on request, and honours its tokens", async () => {
    await using echoing = await openSandbox({ echoesCredentials: true });
    const url = `${echoing.url}/api/v1/iam/session/oauth2/token`;
    const headers = { ...CSRF, ...FORM, Authorization: ENCODED_PAIR };
    const mintThere = () =>
      fetch(url, { method: "POST", headers, body: "grant_type=client_credentials" });
    const { access_token } = (await (await mintThere()).json()) as { access_token: string };
    echoing.refuseClient();
    const refusal = await mintThere();
    expect([refusal.status, await refusal.json()]).toEqual([
      401,
      { error: "invalid_client", error_description: expect.stringContaining(API_KEY) },
    ]);
    const call = { headers: { Authorization: `Bearer ${access_token}` } };
    await expect(fetch(`${echoing.url}/api/v1/discovery/scans`, call)).resolves.toMatchObject({
      status: 200,
    });
  });

  test("answers Key Insight calls to a token of its own only", async () => {
    const path = "/api/v1/discovery/pqc/report";
    await expect(get(path)).resolves.toMatchObject({ status: 401 });
    await expect(get(path, "made-up")).resolves.toMatchObject({ status: 401 });
    await expect(get(path, await mint())).resolves.toMatchObject({ status: 200 });
  });

  test("pages through an inventory", async () => {
    const token = await mint();
    const { items: scans } = (await (
      await get("/api/v1/discovery/scans?limit=1", token)
    ).json()) as {
      items: { scan_id: string }[];
    };
    expect(scans).toHaveLength(1);
    const path = `/api/v1/discovery/scans/${scans[0]?.scan_id}`;
    await expect((await get(path, token)).json()).resolves.toEqual(scans[0]);
    const ids = new Set<string>();
    for (let previous = ""; ; ) {
      const page = await get(`${path}/scan_inventory_objects?limit=100${previous}`, token);
      const { items } = (await page.json()) as { items: { id: string }[] };
      for (const { id } of items) ids.add(id);
      if (items.length === 0) break;
      previous = `&previous_id=${items.at(-1)?.id}`;
    }
    expect(ids.size).toBe(2_400);
    await expect(get(`${path}/assessment_report/aws`, token)).resolves.toMatchObject({
      status: 200,
    });
  });

  test.each([
    "/api/v1/discovery/nothing",
    "/api/v1/discovery/scans/none",
    "/api/v1/discovery/scans/none/x",
  ])("knows no %s", async (path) => {
    await expect(get(path, await mint())).resolves.toMatchObject({ status: 404 });
  });

  test("ends a session for good, and only with the header", async () => {
    const token = await mint();
    const terminate = (headers: Record<string, string>) =>
      fetch(`${armor.url}/api/v1/iam/session/terminate`, {
        method: "POST",
        headers: { ...headers, Authorization: `Bearer ${token}` },
      });
    await expect(terminate({})).resolves.toMatchObject({ status: 403 });
    await expect(get("/api/v1/discovery/connections", token)).resolves.toMatchObject({
      status: 200,
    });
    await expect(terminate(CSRF)).resolves.toMatchObject({ status: 204 });
    await expect(get("/api/v1/discovery/connections", token)).resolves.toMatchObject({
      status: 401,
    });
    await expect(terminate(CSRF)).resolves.toMatchObject({ status: 401 });
  });
});
