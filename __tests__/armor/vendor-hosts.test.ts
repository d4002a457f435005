// The vendor's own hosts, which no test may ask: nock answers in their place and forbids every other host.

import https from "node:https";
import { expect, jest, test } from "@jest/globals";
import { createSend } from "../../src/armor/http.ts";
import { tokenRequest } from "../../src/armor/oauth.ts";
import { sendFollowing } from "../../src/armor/redirect.ts";
import { RouteAgent } from "../../src/armor/route-agents.ts";
import { useNock } from "../fixtures/nock.ts";

const nock = useNock();
const DEFAULT_HOST = "https://api.armor.fortanix.com";
const REGION_HOST = "https://api.na.armor.fortanix.com";
const PATH = "/api/v1/iam/session/oauth2/token";
const BODY = "grant_type=client_credentials";

test("a redirect to another region gets the same request, with that region's Host header", async () => {
  // nock takes over the connections that Node opens, by their host's name, which only Node's own agent gives.
  using connections = jest.spyOn(RouteAgent.prototype, "createConnection");
  connections.mockImplementation(https.Agent.prototype.createConnection as never);
  const hosts: string[] = [];
  const noteHost = (sent: { headers: Headers }) => hosts.push(sent.headers.get("host") ?? "");
  nock(DEFAULT_HOST)
    .post(PATH, BODY)
    .reply(307, "", { Location: REGION_HOST + PATH })
    .on("request", noteHost);
  nock(REGION_HOST, { reqheaders: { authorization: "Basic aWQ6a2V5" } })
    .post(PATH, BODY)
    .reply(200, '{"a":1}')
    .on("request", noteHost);
  const send = createSend({ noProxy: "" });
  const reply = await sendFollowing(
    send,
    tokenRequest(DEFAULT_HOST, "id:key"),
    AbortSignal.timeout(15_000),
  );
  expect(reply).toMatchObject({ status: 200, body: '{"a":1}' });
  expect(hosts).toEqual(["api.armor.fortanix.com", "api.na.armor.fortanix.com"]);
});
