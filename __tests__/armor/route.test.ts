// Tunnels through real proxies to real TLS servers, and what is said if there is no tunnel.

import { execFile } from "node:child_process";
import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { text as readText } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { createSend } from "../../src/armor/http.ts";
import { tokenRequest } from "../../src/armor/oauth.ts";
import { proxyFor, type RouteConfig, takeRoute } from "../../src/armor/proxy.ts";
import type { ArmorError, ErrorCode } from "../../src/errors.ts";
import { Client } from "../../src/gateway/client.ts";
import { serverOf, Upstream } from "../../src/gateway/upstream.ts";
import { type Authority, createAuthority, EXPIRED, trust } from "../fixtures/certificates.ts";
import { disposable } from "../fixtures/opened.ts";
import { anyText, holds, trickyText } from "../fixtures/property.ts";
import {
  type ConnectProxyOptions,
  type FakeProxy,
  flood,
  startAnsweringProxy,
  startConnectProxy,
  startProxy,
  startSilentProxy,
} from "../fixtures/proxy.ts";
import { CLOSED_PORT, type FakeServer, silence, startServer, text } from "../fixtures/server.ts";

/** A name that only the proxy resolves (RFC 6761 keeps `.test` out of the DNS). */
const HIDDEN = "armor.corp.test";
const PROXY_NAME = "localhost";
const DIGEST = 'HTTP/1.1 407 x\r\nProxy-Authenticate: Digest realm="a", NTLM';

let authority: Authority;
let stranger: Authority;
let armor: FakeServer;
let trusted: AsyncDisposable;

beforeAll(async () => {
  [authority, stranger] = await Promise.all([
    createAuthority("Corp CA"),
    createAuthority("Other CA"),
  ]);
  trusted = trust(authority);
  armor = await startServer([text(200, "reached")], {
    tls: await authority.sign([HIDDEN, "2001:db8::7"]),
  });
});

afterAll(async () => {
  await trusted[Symbol.asyncDispose]();
  await armor.close();
});

function through(proxy: FakeProxy | string): RouteConfig {
  const value = typeof proxy === "string" ? proxy : `http://127.0.0.1:${proxy.port}`;
  return { proxy: { variable: "https_proxy", value }, noProxy: "" };
}

async function ownProxy(options: Partial<ConnectProxyOptions> = {}): Promise<FakeProxy> {
  return await startConnectProxy({ to: armor.port, ...options });
}

/** As the exchange does: one connection a request. */
async function send(
  route: RouteConfig,
  host = HIDDEN,
  limit: number | AbortSignal = 15_000,
): Promise<string> {
  const url = new URL(`https://${host}:${armor.port}/x`);
  const request = { url, headers: {}, body: "" };
  const signal = typeof limit === "number" ? AbortSignal.timeout(limit) : limit;
  return (await createSend(route)(request, signal)).body;
}

/** As the gateway does, over a connection that is kept. */
async function sendKept(route: RouteConfig, host = HIDDEN, connectMs = 15_000): Promise<string> {
  const origin = new URL(`https://${host}:${armor.port}`);
  const limits = { connectMs, headMs: 15_000, idleMs: 15_000 };
  const upstream = new Upstream(route, limits);
  await using _opened = disposable({}, () => upstream.close());
  const client = new Client(new EventEmitter() as ServerResponse);
  const server = serverOf(origin);
  const headers = ["Host", origin.host];
  const reply = await upstream.send({ method: "GET", server, path: "/x", headers, client });
  return await readText(reply);
}

/** Both ways to Armor, which have to do and to say the same. */
const WAYS = [
  { name: "exchange", way: send },
  { name: "gateway", way: sendKept },
];

async function failureOf(sending: Promise<unknown>): Promise<ArmorError> {
  try {
    await sending;
  } catch (error) {
    return error as ArmorError;
  }
  throw new Error("there was no failure");
}

describe.each(WAYS)("a tunnel of the $name", ({ way }) => {
  test("leads through proxy-chain, which checks user and password", async () => {
    const credentials = { username: "us@er", password: "p:a/s#ä" };
    await using proxy = await startProxy({ hosts: [HIDDEN], credentials });
    const address = `http://us%40er:p%3Aa%2Fs%23%C3%A4@127.0.0.1:${proxy.port}`;
    await expect(way(through(address))).resolves.toBe("reached");
    expect(proxy.connects).toEqual([`${HIDDEN}:${armor.port}`]);
  });

  test("leads through a proxy on IPv6", async () => {
    await using proxy = await ownProxy({ address: "::1" }).catch(() => undefined);
    const sent = way(through(`http://[::1]:${proxy?.port ?? 1}`));
    // Containers often have no IPv6.
    if (proxy === undefined) expect(await failureOf(sent)).toMatchObject({ code: "proxy_failed" });
    else await expect(sent).resolves.toBe("reached");
  });

  test("leads to a target with an IPv6 address, in brackets, and its certificate is checked", async () => {
    await using proxy = await ownProxy();
    await expect(way(through(proxy), "[2001:db8::7]")).resolves.toBe("reached");
    expect(proxy.connects).toEqual([`[2001:db8::7]:${armor.port}`]);
    expect(await failureOf(way(through(proxy), "[2001:db8::8]"))).toMatchObject({
      code: "certificate_rejected",
    });
  });

  test.each([
    { name: "a name", names: [PROXY_NAME], host: PROXY_NAME },
    { name: "an address", names: ["127.0.0.1"], host: "127.0.0.1" },
  ])("leads over TLS to a proxy whose certificate is for $name", async ({ names, host }) => {
    await using proxy = await ownProxy({ tls: await authority.sign(names) });
    const route = through(`https://user:pass@${host}:${proxy.port}`);
    await expect(way(route)).resolves.toBe("reached");
    expect(proxy.connects).toEqual([`user:pass@${HIDDEN}:${armor.port}`]);
  });

  test("takes every 2xx, HTTP/1.0 and a length that has no meaning there", async () => {
    await using proxy = await ownProxy({ reply: "HTTP/1.0 201 Made\r\nContent-Length: 5" });
    await expect(way(through(proxy))).resolves.toBe("reached");
  });

  test("verifies Armor by the name in its address, not by the proxy's", async () => {
    await using proxy = await ownProxy();
    const failure = await failureOf(way(through(proxy), "other.corp.test"));
    expect(failure.code).toBe("certificate_rejected");
    expect(failure.problem).toBe(
      `https://other.corp.test:${armor.port} through the proxy http://127.0.0.1:${proxy.port} ` +
        "has a certificate for another host name (ERR_TLS_CERT_ALTNAME_INVALID); " +
        'its issuer is "Corp CA"',
    );
  });
});

interface ProxyAnswer {
  /** What the proxy says to CONNECT. */
  readonly bytes: string;
  /** Whether it then ends the connection. */
  readonly isEnd: boolean;
  readonly code: ErrorCode;
  /** The words after the name of the proxy. */
  readonly says: string;
}

const ANSWERS: readonly ProxyAnswer[] = [
  {
    bytes: "HTTP/1.1 403 No\r\n\r\n",
    isEnd: false,
    code: "proxy_refused",
    says: "refuses to connect to TARGET (403).",
  },
  {
    bytes: "HTTP/1.1 503 x\r\n\r\nbody",
    isEnd: false,
    code: "proxy_failed",
    says: "cannot connect to TARGET (503).",
  },
  {
    bytes: "HTTP/1.1 407 x\r\n\r\n",
    isEnd: false,
    code: "proxy_refused",
    says: "does not accept the user and password (407).",
  },
  {
    bytes: `${DIGEST}\r\n\r\n`,
    isEnd: false,
    code: "proxy_refused",
    says: "wants authentication by digest or ntlm (407), and this",
  },
  {
    bytes: "HTTP/1.1 100 Continue\r\n\r\n",
    isEnd: false,
    code: "proxy_failed",
    says: "does not answer as an HTTP proxy (100): no",
  },
  {
    bytes: "220 ftp ready\r\n",
    isEnd: false,
    code: "proxy_failed",
    says: "does not answer as an HTTP proxy (HPE_INVALID_CONSTANT): no",
  },
  {
    bytes: "HTTP/1.1 200 OK\r\n\r\nhello",
    isEnd: false,
    code: "proxy_failed",
    says: "does not answer as an HTTP proxy (EARLY_BYTES): no",
  },
  {
    bytes: "",
    isEnd: true,
    code: "proxy_failed",
    says: "cannot be used (ECONNRESET): no connection to TARGET.",
  },
  {
    bytes: "HTTP/1.1 2",
    isEnd: true,
    code: "proxy_failed",
    says: "cannot be used (ECONNRESET): no connection to TARGET.",
  },
];

/** The certificate of a proxy over TLS. */
const CERTIFICATES = [
  {
    what: "of another authority",
    sign: () => stranger.sign(["127.0.0.1"]),
    says: "that is not signed by an authority",
  },
  {
    what: "that has expired",
    sign: () => authority.sign(["127.0.0.1"], EXPIRED),
    says: "that is expired",
  },
  {
    what: "for the Armor host",
    sign: () => authority.sign([HIDDEN]),
    says: "for another host name",
  },
];

describe("before the tunnel stands, the proxy is at fault, in the same words for both ways", () => {
  async function expectFailure(address: string, code: ErrorCode, says: string): Promise<void> {
    const seen = armor.requests.length;
    const route = through(address);
    const [failure, kept] = [await failureOf(send(route)), await failureOf(sendKept(route))];
    const who = address.replace("user:Passw0rd@", "");
    const words = says.replace("TARGET", `${HIDDEN}:${armor.port}`);
    expect(failure).toMatchObject({
      code,
      message: expect.stringContaining(`The proxy ${who} ${words}`),
    });
    expect(failure.message).not.toContain("Passw0rd");
    expect(kept).toMatchObject({ code, message: failure.message });
    expect(armor.requests).toHaveLength(seen);
  }

  test.each(ANSWERS)("an answer of $bytes, and then its end: $isEnd", async (row) => {
    const { bytes, isEnd, code, says } = row;
    const answer = (client: Socket) => (isEnd ? client.end(bytes) : client.write(bytes));
    await using proxy = await startAnsweringProxy(answer);
    await expectFailure(`http://user:Passw0rd@127.0.0.1:${proxy.port}`, code, says);
  });

  test("no credentials though they are wanted", async () => {
    await using proxy = await startAnsweringProxy("HTTP/1.1 407 x\r\n\r\n");
    const says = "wants a user and a password (407).";
    await expectFailure(`http://127.0.0.1:${proxy.port}`, "proxy_refused", says);
  });

  test("nothing that listens", async () => {
    await expectFailure(
      `http://127.0.0.1:${CLOSED_PORT}`,
      "proxy_failed",
      "cannot be used (ECONNREFUSED)",
    );
  });

  test.each(CERTIFICATES)("a certificate $what", async ({ sign, says }) => {
    await using proxy = await ownProxy({ tls: await sign() });
    const address = `https://127.0.0.1:${proxy.port}`;
    await expectFailure(address, "proxy_refused", `has a certificate ${says}`);
    expect(proxy.connects).toEqual([]);
  });

  test("no TLS behind https://", async () => {
    await using proxy = await ownProxy();
    await expectFailure(`https://127.0.0.1:${proxy.port}`, "proxy_refused", "does not speak TLS");
  });

  test.each([
    { what: "a head", start: "HTTP/1.1 200 OK\r\nX: ", chunk: "x".repeat(65_536) },
    { what: "nothing that is HTTP", start: "", chunk: "x".repeat(65_536) },
    { what: "interim replies", start: "", chunk: "HTTP/1.1 102 Processing\r\n\r\n".repeat(2_000) },
    { what: "a body", start: "HTTP/1.1 503 x\r\n\r\n", chunk: "x".repeat(65_536) },
  ])("$what without end", async ({ start, chunk }) => {
    let client: Socket | undefined;
    await using proxy = await startAnsweringProxy((socket) => {
      client = socket;
      flood(socket, start, chunk);
    });
    expect(await failureOf(send(through(proxy)))).toMatchObject({ code: "proxy_failed" });
    expect(client?.bytesWritten).toBeLessThan(64 * 1024 * 1024);
  });

  test.each(WAYS)("silence ends by the deadline: $name", async ({ way }) => {
    await using proxy = await startSilentProxy();
    expect(await failureOf(way(through(proxy), HIDDEN, 300))).toMatchObject({
      code: "proxy_failed",
      problem:
        `The proxy http://127.0.0.1:${proxy.port} cannot be used (ETIMEDOUT): ` +
        `no connection to ${HIDDEN}:${armor.port}`,
    });
  });

  test("NODE_TLS_REJECT_UNAUTHORIZED=0 opens neither the proxy nor Armor", async () => {
    const tls = await stranger.sign([HIDDEN, "127.0.0.1"]);
    await using fake = await startServer([text(200, "")], { tls });
    await using untrusted = await startConnectProxy({ to: fake.port, tls });
    await using plain = await startConnectProxy({ to: fake.port });
    const hidden = `https://${HIDDEN}:${fake.port}`;
    const codes = await codesInChild([
      { url: fake.url },
      { url: hidden, proxy: `http://127.0.0.1:${plain.port}` },
      { url: hidden, proxy: `https://127.0.0.1:${untrusted.port}` },
    ]);
    expect(codes).toEqual(["certificate_rejected", "certificate_rejected", "proxy_refused"]);
    expect(fake.requests).toEqual([]);
    expect(untrusted.connects).toEqual([]);
  });
});

interface ChildCall {
  readonly url: string;
  /** Undefined for a direct connection. */
  readonly proxy?: string;
}

/** What a process with that variable throws: Jest's own `process.env` is a copy, which Node does not see. */
async function codesInChild(calls: readonly ChildCall[]): Promise<unknown> {
  const script = `
    import { createSend } from ${JSON.stringify(new URL("../../src/armor/http.ts", import.meta.url))};
    const codes = ${JSON.stringify(calls)}.map(async ({ url, proxy: value }) => {
      const proxy = value === undefined ? undefined : { variable: "https_proxy", value };
      const route = { noProxy: "", proxy };
      const request = { url: new URL(url), headers: {}, body: "" };
      return (await createSend(route)(request, AbortSignal.timeout(15_000)).catch((thrown) => thrown)).code;
    });
    process.stdout.write(JSON.stringify(await Promise.all(codes)));`;
  const env = { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: "0" };
  const run = promisify(execFile);
  return JSON.parse(
    (await run(process.execPath, ["--input-type=module", "-e", script], { env })).stdout,
  );
}

describe("once the tunnel stands", () => {
  test.each(WAYS)("an end is Armor's, and names the proxy: $name", async ({ way }) => {
    await using proxy = await startAnsweringProxy((client) => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      client.once("data", () => client.resetAndDestroy());
    });
    expect(await failureOf(way(through(proxy)))).toMatchObject({
      code: "connection_failed",
      problem: expect.stringMatching(
        /^No connection to https:\/\/armor\.corp\.test:\d+ through the proxy http:\S+ \(ECONNRESET\)$/,
      ),
    });
  });

  test("silence is Armor's, and names the proxy", async () => {
    const late = new AbortController();
    await using proxy = await startAnsweringProxy((client) => {
      client.once("data", () => late.abort()).write("HTTP/1.1 200 OK\r\n\r\n");
    });
    expect(await failureOf(send(through(proxy), HIDDEN, late.signal))).toMatchObject({
      code: "reply_timeout",
      problem: expect.stringContaining("through the proxy"),
    });
  });

  test("an end of TLS in TLS breaks the request alone", async () => {
    await using quiet = await startServer([silence], { tls: await authority.sign([HIDDEN]) });
    await using proxy = await startConnectProxy({
      to: quiet.port,
      tls: await authority.sign(["127.0.0.1"]),
    });
    const sending = failureOf(send(through(`https://127.0.0.1:${proxy.port}`)));
    while (quiet.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await proxy.close();
    expect(await sending).toMatchObject({ code: "connection_failed" });
  });

  test("the deadline for a connection is over: it lives on, and serves again", async () => {
    await using proxy = await ownProxy();
    const origin = new URL(`https://${HIDDEN}:${armor.port}`);
    const limits = { connectMs: 1_000, headMs: 15_000, idleMs: 15_000 };
    const upstream = new Upstream(through(proxy), limits);
    await using _opened = disposable({}, () => upstream.close());
    const server = serverOf(origin);
    const headers = ["Host", origin.host];
    const get = async () => {
      const client = new Client(new EventEmitter() as ServerResponse);
      return await readText(
        await upstream.send({ method: "GET", server, path: "/x", headers, client }),
      );
    };
    await expect(get()).resolves.toBe("reached");
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await expect(get()).resolves.toBe("reached");
    expect(proxy.connects).toHaveLength(1);
  });
});

// Whatever the variables hold: with a proxy set and not bypassed, the proxy sees the connection, or there is
// an error before anything is sent. Only a proxy knows the host: a request past it would be a question to DNS.

const HOST = "armor.corp.test";
const REQUEST = tokenRequest(`https://${HOST}`, "id:K3y-to-Armor");

let proxy: FakeProxy;

beforeAll(async () => {
  proxy = await startAnsweringProxy((client) => client.end("HTTP/1.1 403 No\r\n\r\n"));
});

afterAll(() => proxy.close());

const parts = "http:// HTTPS:// socks5:// // : @ / ? # [ ] user p%40ss %zz".split(" ");
const piece = fc.oneof(anyText, trickyText, fc.constantFrom(...parts));
const junk = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(""));
const userinfo = fc.oneof(
  fc.constant(""),
  fc.constantFrom("https://a.test/b?c=d#e", "user:p@", "user:p#d@", "us/er:p@", "user:100%@"),
  junk.map((text) => `${text}@`),
);
/** `HERE` is the address at which the proxy listens. */
const value = fc.oneof(
  fc
    .tuple(fc.constantFrom("http://", "HTTP://", ""), userinfo, fc.constantFrom("", "/"))
    .map(([scheme, user, end]) => `${scheme}${user}HERE${end}`),
  fc.tuple(junk, junk).map(([before, after]) => `${before}HERE${after}`),
  junk.filter((text) => text !== ""),
);
/** Nothing that names the host. */
const noProxy = fc.oneof(
  fc.constantFrom("", "example.com", "corp.test.example", "10.0.0.0/8", ".orp.test", "[", "*.x"),
  fc.constant("armor.corp.test:8443"),
  junk.filter((text) => !text.includes("*") && !text.includes("test")),
);

holds(
  "the proxy sees the connection, or the step fails before it sends anything",
  fc.asyncProperty(
    value,
    noProxy,
    fc.constantFrom("https_proxy", "HTTPS_PROXY"),
    async (made, bypass, variable) => {
      const text = made.replaceAll("HERE", `127.0.0.1:${proxy.port}`);
      const route = takeRoute({ [variable]: text, no_proxy: bypass });
      const seen = proxy.connects.length;
      // A made-up host would be looked up: what matters of it is that it is asked for.
      const address = await Promise.resolve(REQUEST.url)
        .then((url) => proxyFor(url, route))
        .catch((error: ArmorError) => error);
      if (!(address instanceof Error) && address?.origin !== `http://127.0.0.1:${proxy.port}`) {
        expect(address).toBeDefined();
        return;
      }
      const error = await createSend(route)(REQUEST, AbortSignal.timeout(10_000)).catch(
        (thrown: ArmorError) => thrown,
      );
      expect(error).toMatchObject({ name: "ArmorError", code: "proxy_refused" });
      expect((error as ArmorError).message).not.toContain("K3y-to-Armor");
      const says =
        address instanceof Error ? `variable ${variable} ` : `refuses to connect to ${HOST} (403)`;
      expect(error).toMatchObject({ message: expect.stringContaining(says) });
      if (!(address instanceof Error)) expect(proxy.connects.slice(seen)).toEqual([`${HOST}:443`]);
    },
  ),
);
