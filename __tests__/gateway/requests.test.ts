// What of a call reaches Armor, and what of Armor's refusals and redirects comes back.

import http from "node:http";
import { createServer as createTlsServer } from "node:https";
import net from "node:net";
import { networkInterfaces } from "node:os";
import { describe, expect, jest, test } from "@jest/globals";
import fc from "fast-check";
import { trustCertificates } from "../../src/armor/trust.ts";
import { clock } from "../../src/clock.ts";
import { ArmorError } from "../../src/errors.ts";
import { errorOf, hurry, pause, startGateway, tokenOf } from "../fixtures/agent.ts";
import { createAuthority, trust } from "../fixtures/certificates.ts";
import { disposable } from "../fixtures/opened.ts";
import { startConnectProxy, startProxy } from "../fixtures/proxy.ts";
import { type Answer, CALL, json, redirect, startServer, text } from "../fixtures/server.ts";

/** 401 to these tokens, 200 to all others. */
function refusing(isRefused: (accessToken: string, path: string) => boolean): Answer {
  return (response, request) => {
    const accessToken = (request.headers.authorization ?? "").replace("Bearer ", "");
    response.writeHead(isRefused(accessToken, request.path) ? 401 : 200).end(accessToken);
  };
}

describe("the request to Armor", () => {
  test("has the call's path, query and listed headers, Armor's host and a valid token", async () => {
    await using gateway = await startGateway([json(200, {})], { path: "/armor" });
    const { armor, call } = gateway;
    const passed = {
      accept: "application/json",
      "if-none-match": '"x"',
      range: "bytes=0-9",
      "user-agent": "t",
    };
    await call(`${CALL}?limit=5&filter=a%20b&to=/../x`, {
      headers: {
        ...passed,
        "X-Request-Id": "7",
        Connection: "close, X-Request-Id",
        "Content-Length": 0,
        Authorization: "Bearer of-the-client",
        Cookie: "a=b",
        "X-HTTP-Method-Override": "DELETE",
        "X-Original-URL": "/api/v1/iam/users",
      },
    });
    const host = `127.0.0.1:${armor.port}`;
    expect(armor.requests).toEqual([
      {
        method: "GET",
        path: `/armor${CALL}?limit=5&filter=a%20b&to=/../x`,
        body: "",
        headers: { ...passed, authorization: "Bearer first", connection: "keep-alive", host },
      },
    ]);
  });

  const LISTED =
    /^(accept|accept-encoding|accept-language|cache-control|if-.*|range|user-agent|traceparent|tracestate|x-request-id)$/;
  const NOT_HERE =
    /^(host|origin|sec-fetch-site|referer|x-forwarded.*|forwarded|via|x-real-ip|connection|expect|content-length|transfer-encoding)$/;
  const known =
    "Accept if-match If- range traceparent Upgrade TE Cookie Accept-Charset X-Request-Id2 X-Range Authorization";
  const names = fc.oneof(
    fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,20}$/),
    fc.constantFrom(...known.split(" ")),
  );
  const value = fc.stringMatching(/^[!-~][ -~]{0,20}[!-~]$/);

  test("has every listed header, and never another one", async () => {
    await using gateway = await startGateway([json(200, {})]);
    const { armor, call } = gateway;
    const kept = new http.Agent({ keepAlive: true });
    await using agent = disposable(kept, () => kept.destroy());
    const key = names.filter((name) => !NOT_HERE.test(name.toLowerCase().replaceAll("_", "-")));
    await fc.assert(
      fc.asyncProperty(fc.dictionary(key, value, { maxKeys: 8 }), async (headers) => {
        await call(CALL, { headers, agent });
        const { authorization, connection, host, ...others } = armor.requests.at(-1)?.headers ?? {};
        expect(authorization).toBe("Bearer first");
        const given = Object.keys(headers).map((name) => name.toLowerCase());
        const listed = new Set(given.filter((name) => LISTED.test(name)));
        expect(Object.keys(others).toSorted()).toEqual([...listed].toSorted());
      }),
      { numRuns: process.env["CI"] ? 1_000 : 100 },
    );
  });

  test("is a HEAD for a HEAD", async () => {
    await using gateway = await startGateway([text(200, "", { "Content-Length": "1000" })]);
    const { armor, call } = gateway;
    await expect(call(CALL, { method: "HEAD" })).resolves.toMatchObject({
      status: 200,
      body: "",
      headers: { "content-length": "1000" },
    });
    expect(armor.requests).toMatchObject([{ method: "HEAD", path: CALL }]);
  });

  test("comes over connections that are kept", async () => {
    await using gateway = await startGateway([json(200, {})]);
    const { armor, call } = gateway;
    for (let times = 0; times < 5; times += 1) await call();
    expect(armor.connections).toBe(1);
  });
});

describe("the way to Armor", () => {
  const HOST = "armor.corp.test";

  test("through a proxy names Armor's host and the default port, and TLS is verified behind it", async () => {
    const authority = await createAuthority("agent-test");
    trustCertificates([authority.certificate]);
    const tls = await authority.sign([HOST]);
    const server = createTlsServer(tls, (_, response) => response.end("through"));
    await using target = disposable(server, () => server.close());
    await using proxy = await startProxy({ hosts: [HOST], connectTo: target });
    const variable = { variable: "https_proxy", value: `http://127.0.0.1:${proxy.port}` };
    const route = { proxy: variable, noProxy: "" };
    await using gateway = await startGateway([], { apiUrl: `https://${HOST}`, route });
    const { call } = gateway;
    for (let times = 0; times < 3; times += 1) {
      await expect(call()).resolves.toMatchObject({ status: 200, body: "through" });
    }
    expect(proxy.connects).toEqual([`${HOST}:443`]);
  });

  test("is refused by a certificate of another name", async () => {
    const authority = await createAuthority("agent-test");
    trustCertificates([authority.certificate]);
    const tls = await authority.sign(["other.test"]);
    await using gateway = await startGateway([json(200, {})], { tls });
    const { armor, call } = gateway;
    const got = await call();
    expect([got.status, errorOf(got)]).toEqual([502, "certificate_rejected"]);
    expect(armor.requests).toEqual([]);
  });

  const hasIPv6 = Object.values(networkInterfaces()).some((all) =>
    all?.some(({ address }) => address === "::1"),
  );

  test.each(hasIPv6 ? ["::1"] : [])("may be to an IPv6 address: %s", async (address) => {
    await using gateway = await startGateway([json(200, {})], { address });
    const { armor, call } = gateway;
    await expect(call()).resolves.toMatchObject({ status: 200 });
    expect(armor.requests[0]?.headers.host).toBe(`[::1]:${armor.port}`);
  });
});

describe("a 401", () => {
  test.each(["GET", "HEAD"])("makes %s go out again with a newer token", async (method) => {
    // An hour old, so that it is replaced at once: a new one would be tried again first.
    const first = { ...tokenOf("first", 7_200), requestedAt: clock.now() - 3_600_000 };
    await using gateway = await startGateway([refusing((token) => token === "first")], { first });
    const { armor, call, fetches } = gateway;
    await expect(call(CALL, { method })).resolves.toMatchObject({ status: 200 });
    expect(armor.requests).toHaveLength(2);
    expect(fetches()).toBe(1);
  });

  // What is a second or ten for the agent; in CI in real time, and for longer.
  const SPEED = process.env["CI"] ? 1 : 10;

  test("for several tokens in turn does not reach the client", async () => {
    hurry(SPEED);
    const refused = ["first", "fetched-1", "fetched-2"];
    await using gateway = await startGateway([refusing((token) => refused.includes(token))]);
    const { call, fetches } = gateway;
    await expect(call()).resolves.toMatchObject({ status: 200, body: "fetched-3" });
    expect(fetches()).toBe(3);
  });

  test("that 60 calls get at once costs one token", async () => {
    await using gateway = await startGateway([refusing((token) => token === "first")]);
    const { call, fetches } = gateway;
    const replies = await Promise.all(Array.from({ length: 60 }, () => call()));
    expect(replies.map(({ status }) => status)).toEqual(Array(60).fill(200));
    expect(fetches()).toBe(1);
  });

  test("that a path always gives is passed on, and costs few tokens beside a path that works", async () => {
    hurry(SPEED);
    await using gateway = await startGateway([refusing((_, path) => path.includes("/closed"))]);
    const { call, fetches, stats } = gateway;
    const until = clock.now() + 10_000;
    const statuses = { open: new Set<number>(), closed: new Set<number>() };
    while (clock.now() < until) {
      const [open, closed] = await Promise.all([
        call(),
        call(`/api/v1/discovery/closed?at=${Date.now()}`),
      ]);
      statuses.open.add(open.status);
      statuses.closed.add(closed.status);
      await pause(10);
    }
    expect(statuses).toEqual({ open: new Set([200]), closed: new Set([401]) });
    expect(fetches()).toBeLessThanOrEqual(5);
    const { answered, failed } = stats;
    expect(failed).toEqual({});
    expect(answered["2xx"]).toBe(answered["4xx"]);
  }, 60_000);

  test("several times a second, by revocation, is survived by every call", async () => {
    let valid = "first";
    let issued = 0;
    await using gateway = await startGateway([refusing((token) => token !== valid)], {
      fetch: async () => {
        issued += 1;
        valid = `issued-${issued}`;
        return tokenOf(valid, 14_400);
      },
    });
    const { call, fetches } = gateway;
    // In real time: on a slow machine, a call must not take longer than a token lives.
    const until = Date.now() + (process.env["CI"] ? 40_000 : 3_000);
    const revoke = async () => {
      for (; Date.now() < until; await pause(100 + Math.random() * 400)) valid = "none";
    };
    const ask = async () => {
      const statuses: number[] = [];
      for (; Date.now() < until; await pause(5)) statuses.push((await call()).status);
      return statuses;
    };
    const revoking = revoke();
    const statuses = await Promise.all(Array.from({ length: 8 }, ask));
    await revoking;
    expect(new Set(statuses.flat())).toEqual(new Set([200]));
    expect(fetches()).toBeGreaterThan(1);
  }, 60_000);

  test("from an Armor that gives the same token again, and refuses it, comes back to the client", async () => {
    hurry(SPEED);
    const fetch = () => Promise.resolve({ ...tokenOf("first"), requestedAt: clock.now() });
    await using gateway = await startGateway([text(401, "")], { fetch });
    const { call, fetches } = gateway;
    await expect(call()).resolves.toMatchObject({ status: 401 });
    expect(fetches()).toBe(3);
  }, 60_000);

  test("is answered with the reason, after one question for all calls, if no new token can be had", async () => {
    const rejected = new ArmorError("credentials_rejected", "P", "R.", { isPermanent: true });
    const fetch = () => Promise.reject(rejected);
    await using gateway = await startGateway([text(401, "")], { fetch });
    const { call, fetches, counts } = gateway;
    for (const got of [...(await Promise.all([call(), call(), call()])), await call()]) {
      expect([got.status, errorOf(got)]).toEqual([424, "credentials_rejected"]);
    }
    expect(fetches()).toBe(1);
    expect(counts()).toEqual({ answered: {}, failed: { credentials_rejected: 4 }, refused: 0 });
  });
});

describe("a redirect", () => {
  test.each([301, 302, 303, 307, 308])(
    "%i to a listed path of Armor's is followed",
    async (status) => {
      await using gateway = await startGateway(
        [
          redirect(status, "/armor/api/v1/discovery/b?x=1"),
          redirect(status, "c"),
          json(200, { a: 1 }),
        ],
        { path: "/armor" },
      );
      const { armor, call } = gateway;
      await expect(call()).resolves.toMatchObject({ status: 200, body: '{"a":1}' });
      const paths = [CALL, "/api/v1/discovery/b?x=1", "/api/v1/discovery/c"].map(
        (path) => `/armor${path}`,
      );
      expect(armor.requests.map(({ path }) => path)).toEqual(paths);
      expect(armor.requests.at(-1)?.headers.authorization).toBe("Bearer first");
    },
  );

  test.each([
    { what: "another host", location: "https://other.example/api/v1/discovery/x" },
    { what: "another port", location: "http://127.0.0.1:9/api/v1/discovery/x" },
    {
      what: "an API host of the vendor's",
      location: "https://api.armor.fortanix.com/api/v1/discovery/x",
    },
    { what: "another scheme", location: "ftp://127.0.0.1/api/v1/discovery/x" },
    { what: "a path that is not listed", location: "/api/v1/iam/users" },
    { what: "a way out of the listed path", location: "/api/v1/discovery/../iam/users" },
    { what: "the same, encoded", location: "/api/v1/discovery/%2e%2e/iam/users" },
    { what: "an encoded slash", location: "/api/v1/discovery/a%2fb" },
    { what: "two slashes", location: "/api//v1/discovery/x" },
    { what: "parameters of a segment", location: "/api/v1/discovery/..;/iam" },
    { what: "a listed path in the query", location: "/login?next=/api/v1/discovery/x" },
  ])(
    "to $what is passed on with an absolute Location, and sends nothing there",
    async ({ location }) => {
      await using gateway = await startGateway([redirect(307, location)]);
      const { armor, call } = gateway;
      const { status, headers } = await call();
      expect([status, headers.location]).toEqual([307, new URL(location, armor.url).href]);
      expect(armor.requests).toHaveLength(1);
    },
  );

  test.each(["user:word@", "user@", ":word@"])(
    "with %s in its address is passed on",
    async (user) => {
      const own = { url: "" };
      await using gateway = await startGateway([
        (response) => response.writeHead(307, { Location: own.url, "X-Kept": "yes" }).end(),
      ]);
      const { armor, call } = gateway;
      own.url = `http://${user}127.0.0.1:${armor.port}${CALL}`;
      const headers = { location: own.url, "x-kept": "yes" };
      await expect(call()).resolves.toMatchObject({ status: 307, headers });
      expect(armor.requests).toHaveLength(1);
    },
  );

  test("without Location, or with one that is no address, is passed on", async () => {
    await using gateway = await startGateway([
      (response) => response.writeHead(302).end(),
      redirect(302, "https://["),
    ]);
    const { armor, call } = gateway;
    await expect(call()).resolves.toMatchObject({ status: 302 });
    await expect(call()).resolves.toMatchObject({
      status: 302,
      headers: { location: "https://[" },
    });
    expect(armor.requests).toHaveLength(2);
  });

  test("to a path beside that of api-url is passed on", async () => {
    await using gateway = await startGateway([redirect(302, `/other${CALL}`)], {
      path: "/armor",
    });
    const { armor, call } = gateway;
    const headers = { location: `${armor.url}/other${CALL}` };
    await expect(call()).resolves.toMatchObject({ status: 302, headers });
    expect(armor.requests).toHaveLength(1);
  });

  test("in a circle is followed five times, and then passed on", async () => {
    await using gateway = await startGateway([redirect(308, CALL)]);
    const { armor, call } = gateway;
    await expect(call()).resolves.toMatchObject({
      status: 308,
      headers: { location: armor.url + CALL },
    });
    expect(armor.requests).toHaveLength(6);
  });
});

// Default ports, which no test can listen on, and a proxy that is spoken to over TLS.

const HOST = "armor.corp.test";

test("https goes to port 443, here through a proxy over TLS, with a Host header without a port", async () => {
  const authority = await createAuthority("ports-test");
  await using _trusted = trust(authority);
  await using armor = await startServer([json(200, {})], { tls: await authority.sign([HOST]) });
  const tls = await authority.sign(["127.0.0.1"]);
  await using proxy = await startConnectProxy({ to: armor.port, tls });
  const variable = { variable: "https_proxy", value: `https://127.0.0.1:${proxy.port}` };
  await using gateway = await startGateway([], {
    apiUrl: `https://${HOST}`,
    route: { proxy: variable, noProxy: "" },
  });
  const { call } = gateway;
  await expect(call()).resolves.toMatchObject({ status: 200 });
  expect(proxy.connects).toEqual([`${HOST}:443`]);
  expect(armor.requests[0]?.headers.host).toBe(HOST);
});

test("http goes to port 80, with a Host header without a port", async () => {
  const { connect } = net;
  const ports: unknown[] = [];
  await using gateway = await startGateway([json(200, {})], { apiUrl: "http://127.0.0.1" });
  const { armor, call } = gateway;
  using connecting = jest.spyOn(net, "connect");
  connecting.mockImplementation(((options: net.TcpNetConnectOpts) => {
    ports.push(options.port);
    return connect({ ...options, port: armor.port });
  }) as typeof net.connect);
  await expect(call()).resolves.toMatchObject({ status: 200 });
  expect(ports).toEqual([80]);
  expect(armor.requests[0]?.headers.host).toBe("127.0.0.1");
});
