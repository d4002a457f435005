// The shape of the request, seen by nock; all else of http.ts has real servers in http.test.ts.

import { afterEach, expect, test } from "@jest/globals";
import { createSend } from "../../src/armor/http.ts";
import { terminateRequest, tokenRequest } from "../../src/armor/oauth.ts";
import { useNock } from "../fixtures/nock.ts";

const nock = useNock();
const HOST = "https://armor.example";
const BASE = "/behind/a-gateway";

afterEach(() => {
  delete process.env["ACTIONS_ORCHESTRATION_ID"];
});

test.each([
  {
    what: "the exchange",
    request: tokenRequest(HOST + BASE, "id:key"),
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
    request: terminateRequest(HOST, "abc"),
    path: "/api/v1/iam/session/terminate",
    body: "",
    own: { authorization: "Bearer abc", "content-length": "0" },
  },
])("$what is sent as asked, and nothing about the runner", async ({ request, path, body, own }) => {
  process.env["ACTIONS_ORCHESTRATION_ID"] = "a-job-of-somebody";
  let headers: object = {};
  nock(HOST)
    .post(path, body)
    .reply(200, "{}")
    .on("request", (sent: { headers: Headers }) => {
      headers = Object.fromEntries(sent.headers);
    });
  await createSend({ noProxy: "" })(request, new AbortController().signal);
  expect(headers).toEqual({
    accept: "application/json",
    "accept-encoding": "identity",
    connection: "close",
    host: "armor.example",
    "user-agent": "armor-token-action",
    "x-csrf-header": '""',
    ...own,
  });
});
