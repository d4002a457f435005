// Default ports, which no test can listen on, and a proxy that is spoken to over TLS.

import http from "node:http";
import { expect, jest, test } from "@jest/globals";
import { atEnd, startGateway } from "../fixtures/agent.ts";
import { createAuthority, trust } from "../fixtures/certificates.ts";
import { startConnectProxy } from "../fixtures/proxy.ts";
import { json, startServer } from "../fixtures/server.ts";
import { closing } from "../fixtures/teardown.ts";

const HOST = "armor.corp.test";

test("https goes to port 443, here through a proxy over TLS, with a Host header without a port", async () => {
  const authority = await createAuthority("ports-test");
  atEnd(trust(authority));
  const armor = await closing(startServer([json(200, {})], { tls: await authority.sign([HOST]) }));
  const tls = await authority.sign(["127.0.0.1"]);
  const proxy = await closing(startConnectProxy({ to: armor.port, tls }));
  const variable = { variable: "https_proxy", value: `https://127.0.0.1:${proxy.port}` };
  const { call } = await startGateway([], {
    ...{ apiUrl: `https://${HOST}`, route: { proxy: variable, noProxy: "" } },
  });
  await expect(call()).resolves.toMatchObject({ status: 200 });
  expect(proxy.connects).toEqual([`${HOST}:443`]);
  expect(armor.requests[0]?.headers.host).toBe(HOST);
});

test("http goes to port 80, with a Host header without a port", async () => {
  const { createConnection } = http.Agent.prototype;
  const ports: unknown[] = [];
  const connecting = jest.spyOn(http.Agent.prototype, "createConnection");
  atEnd(() => connecting.mockRestore());
  const { armor, call } = await startGateway([json(200, {})], { apiUrl: "http://127.0.0.1" });
  connecting.mockImplementation(function (this: http.Agent, options, done) {
    if (options.port === 80) ports.push(options.port);
    const port = options.port === 80 ? armor.port : options.port;
    return createConnection.call(this, { ...options, port } as typeof options, done);
  });
  await expect(call()).resolves.toMatchObject({ status: 200 });
  expect(ports).toEqual([80]);
  expect(armor.requests[0]?.headers.host).toBe("127.0.0.1");
});
