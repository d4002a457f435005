// What the debug log says of the network, and what it never says.

import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { text as readText } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { watchCertificate } from "../../src/armor/certificate.ts";
import { connect, Progress } from "../../src/armor/connecting.ts";
import { createSend } from "../../src/armor/http.ts";
import { explainRoute } from "../../src/armor/proxy.ts";
import { writeDebugTo } from "../../src/debug.ts";
import { Client } from "../../src/gateway/client.ts";
import { serverOf, Upstream } from "../../src/gateway/upstream.ts";
import { createAuthority, trust } from "../fixtures/certificates.ts";
import { nameHere } from "../fixtures/names.ts";
import { disposable } from "../fixtures/opened.ts";
import { startConnectProxy } from "../fixtures/proxy.ts";
import { CLOSED_PORT, json, startServer } from "../fixtures/server.ts";

const HOST = "armor.corp.test";
const PASSWORD = "Passw0rd";
const HEADERS = {
  Date: "Mon, 30 Nov 2026 10:00:00 GMT",
  Server: "front::end",
  Via: "1.1 edge",
  "X-Request-Id": "r-1",
  "Retry-After": "7",
  "Set-Cookie": "session=s3cret",
};

let lines: string[];

beforeEach(() => {
  lines = [];
  writeDebugTo((line) => lines.push(line));
});

afterEach(() => writeDebugTo(undefined));

async function openWorld() {
  const authority = await createAuthority("Corp CA");
  const distrust = trust(authority);
  const answer = json(200, { access_token: "t0k3n-of-armor" }, HEADERS);
  const armor = await startServer([answer], { tls: await authority.sign([HOST]) });
  const proxy = await startConnectProxy({
    to: armor.port,
    reply: "HTTP/1.1 200 OK\r\nVia: 1.1 squid",
  });
  const value = `http://user:${PASSWORD}@127.0.0.1:${proxy.port}`;
  const route = { proxy: { variable: "HTTPS_PROXY", value }, noProxy: "" };
  const close = async () => {
    await distrust[Symbol.asyncDispose]();
    await proxy.close();
    await armor.close();
  };
  return disposable(
    { armor, proxy, route, origin: new URL(`https://${HOST}:${armor.port}`) },
    close,
  );
}

type World = Awaited<ReturnType<typeof openWorld>>;

/** A monotonic clock counts from the start of the machine, so that a sum of two times is no duration. */
function expectDurations(): void {
  const durations = lines.flatMap((line) => [...line.matchAll(/(?<ms>\d+) ms/g)]);
  expect(durations.length).toBeGreaterThan(0);
  for (const { groups } of durations) expect(Number(groups?.["ms"])).toBeLessThan(15_000);
}

function expectWay({ proxy, origin }: World): void {
  const said = lines.join("\n");
  const at = `http://127.0.0.1:${proxy.port}`;
  const how = "with a user, by the variable HTTPS_PROXY";
  expect(said).toContain(`Route to ${origin.origin}: through the proxy ${at}, ${how}`);
  expect(said).toMatch(
    new RegExp(`^127\\.0\\.0\\.1 port ${proxy.port}: connected in \\d+ ms$`, "m"),
  );
  expect(said).toMatch(
    new RegExp(`^CONNECT ${origin.host} through ${at}: 200 in \\d+ ms, via: "1.1 squid"$`, "m"),
  );
  expect(said).toMatch(/^TLSv1\.3, certificate of "server" by "Corp CA" until \w+ \d+ .* GMT$/m);
  expect(said).not.toMatch(new RegExp(`${PASSWORD}|s3cret|t0k3n|c=d|Basic`));
}

const SHOWN =
  ', date: "Mon, 30 Nov 2026 10:00:00 GMT", server: "front:end", via: "1.1 edge", ' +
  'x-request-id: "r-1", retry-after: "7"';

test("the exchange says route, address, TLS, certificate, status, time, size and headers", async () => {
  await using world = await openWorld();
  const url = new URL("/a/b?c=d", world.origin);
  const request = { url, headers: { Authorization: "Basic s3cret" }, body: "s3cret" };
  const reply = await createSend(world.route)(request, AbortSignal.timeout(15_000));
  expectWay(world);
  expectDurations();
  const bytes = reply.body.length;
  expect(lines.at(-1)).toMatch(
    new RegExp(`^POST ${url.origin}/a/b: 200 in \\d+ ms, ${bytes} bytes${SHOWN}$`),
  );
});

test("a certificate that is refused is shown with its issuer, and why", async () => {
  const authority = await createAuthority("Unknown CA");
  const tls = await authority.sign(["127.0.0.1"]);
  await using armor = await startServer([json(200, {})], { tls });
  const request = { url: new URL(armor.url), headers: {}, body: "" };
  const sent = createSend({ noProxy: "" })(request, AbortSignal.timeout(15_000));
  await expect(sent).rejects.toMatchObject({ code: "certificate_rejected" });
  expect(lines.at(-1)).toMatch(
    /^TLS failed: UNABLE_TO_VERIFY_LEAF_SIGNATURE, certificate of "server" by "Unknown CA" until /,
  );
});

test("the gateway says the same", async () => {
  await using world = await openWorld();
  const { origin } = world;
  const limits = { connectMs: 15_000, headMs: 15_000, idleMs: 15_000 };
  const upstream = new Upstream(world.route, limits);
  await using _upstream = disposable({}, () => upstream.close());
  const client = new Client(new EventEmitter() as ServerResponse);
  const server = serverOf(origin);
  const headers = ["Host", origin.host, "Authorization", "Bearer s3cret"];
  await readText(await upstream.send({ method: "GET", server, path: "/a/b?c=d", headers, client }));
  expectWay(world);
  expect(lines.at(-1)).toMatch(new RegExp(`^GET ${origin.origin}/a/b: 200 in \\d+ ms.*${SHOWN}$`));
});

test.each([
  {
    route: { noProxy: "" },
    url: "https://a.test",
    why: "neither https_proxy nor HTTPS_PROXY is set",
  },
  {
    route: { noProxy: "b.test, .TEST" },
    url: "https://a.test",
    why: "no_proxy has the entry .test",
  },
  { route: { noProxy: "*" }, url: "https://a.test", why: "no_proxy has the entry *" },
  { route: { noProxy: "" }, url: "http://localhost:1", why: "the host is this machine" },
])("$url goes direct, because $why", ({ route, url, why }) => {
  const proxy = { variable: "https_proxy", value: `http://u:${PASSWORD}@p.test:1` };
  const isSet = !why.startsWith("neither");
  const explained = explainRoute(new URL(url), isSet ? { ...route, proxy } : route);
  expect(explained).toBe(`Route to ${url}: direct, because ${why}`);
});

test("a proxy without a user is explained as such", () => {
  const proxy = { variable: "https_proxy", value: "http://p.test:1" };
  const explained = explainRoute(new URL("https://a.test"), { proxy, noProxy: "" });
  expect(explained).toMatch(/http:\/\/p\.test:1, without a user, by the variable https_proxy$/);
});

test("each answer of DNS and each attempt that failed has a line", async () => {
  await using _names = nameHere({ localhost: ["ENOTFOUND", ["127.0.0.3", "127.0.0.1"]] });
  const endpoint = { host: "localhost", port: CLOSED_PORT };
  const failed = connect(endpoint, new Progress(), AbortSignal.timeout(15_000));
  await expect(failed).rejects.toThrow("ECONNREFUSED");
  expect(lines).toEqual([
    expect.stringMatching(/^DNS: no address for localhost \(ENOTFOUND\), after \d+ ms$/),
    expect.stringMatching(/^DNS: localhost is 127\.0\.0\.3, 127\.0\.0\.1, after \d+ ms$/),
    expect.stringMatching(/^127\.0\.0\.3 port 1: .*ECONNREFUSED.*, after \d+ ms$/),
    expect.stringMatching(/^127\.0\.0\.1 port 1: .*ECONNREFUSED.*, after \d+ ms$/),
  ]);
  expectDurations();
});

test("a DNS that says nothing until time is over has a line", async () => {
  await using _names = nameHere({ localhost: ["silence"] });
  const endpoint = { host: "localhost", port: CLOSED_PORT };
  await expect(connect(endpoint, new Progress(), AbortSignal.timeout(50))).rejects.toThrow();
  expect(lines).toEqual([
    expect.stringMatching(/^DNS: no address for localhost \(no answer\), after \d+ ms$/),
  ]);
});

test.each([
  { names: {}, shown: '"nobody" by "nobody"' },
  { names: { O: "Corp", OU: "Unit" }, shown: '"Corp" by "Corp"' },
  { names: { OU: "Unit" }, shown: '"Unit" by "Unit"' },
  { names: { CN: ["a", 'b"'] }, shown: `"a, b'" by "a, b'"` },
  { names: { CN: "" }, shown: '"nobody" by "nobody"' },
])("a certificate for $names is shown as $shown", ({ names, shown }) => {
  const getPeerCertificate = () => ({ subject: names, issuer: names, valid_to: "then" });
  const socket = Object.assign(new EventEmitter(), { getPeerCertificate, getProtocol: () => "T" });
  watchCertificate(socket as never);
  socket.emit("secureConnect");
  expect(lines).toEqual([`T, certificate of ${shown} until then`]);
  expect(socket.listenerCount("error")).toBe(0);
});
