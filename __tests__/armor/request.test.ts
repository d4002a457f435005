// The shape of the requests, as a server sees them; all else of http.ts is in http.test.ts.

import { afterEach, expect, test } from "@jest/globals";
import { createSend } from "../../src/armor/http.ts";
import { terminateRequest, tokenRequest } from "../../src/armor/oauth.ts";
import { startServer, text } from "../fixtures/server.ts";

const BASE = "/behind/a-gateway";

afterEach(() => {
  delete process.env["ACTIONS_ORCHESTRATION_ID"];
});

test.each([
  {
    what: "the exchange",
    request: (host: string) => tokenRequest(host + BASE, "id:key"),
    path: `${BASE}/api/v1/iam/session/oauth2/token`,
    body: "grant_type=client_credentials",
    own: {
      authorization: "Basic aWQ6a2V5",
      "content-length": "29",
      "content-type": "application/x-www-form-urlencoded",
    },
  },
  {
    what: "the end of a session",
    request: (host: string) => terminateRequest(host, "abc"),
    path: "/api/v1/iam/session/terminate",
    body: "",
    own: { authorization: "Bearer abc", "content-length": "0" },
  },
])("$what is sent as asked, and nothing about the runner", async ({ request, path, body, own }) => {
  process.env["ACTIONS_ORCHESTRATION_ID"] = "a-job-of-somebody";
  await using server = await startServer([text(200, "{}")]);
  await createSend({ noProxy: "" })(request(server.url), AbortSignal.timeout(15_000));
  expect(server.requests).toEqual([
    {
      method: "POST",
      path,
      body,
      headers: {
        accept: "application/json",
        "accept-encoding": "identity",
        connection: "close",
        host: new URL(server.url).host,
        "user-agent": "armor-token-action",
        "x-csrf-header": '""',
        ...own,
      },
    },
  ]);
});
