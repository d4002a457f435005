import { type AddressInfo, createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type ApiReply, createSend } from "../../src/armor/http.ts";
import { judgeToken, tokenRequest } from "../../src/armor/oauth.ts";
import { ERROR_CODES, type ErrorCode } from "../../src/errors.ts";
import { until } from "../fixtures/agent.ts";
import { type Authority, createAuthority, EXPIRED, trust } from "../fixtures/certificates.ts";
import { anyText, holds, trickyText } from "../fixtures/property.ts";
import { startAnsweringProxy } from "../fixtures/proxy.ts";
import {
  type Answer,
  cutOff,
  drip,
  endless,
  type FakeServer,
  type FakeServerOptions,
  raw,
  redirect,
  reset,
  silence,
  stall,
  startServer,
  text,
} from "../fixtures/server.ts";

const send = createSend({ noProxy: "" });

function post(base: string, signal = AbortSignal.timeout(15_000), headers = {}): Promise<ApiReply> {
  return send({ url: new URL("/x", base), headers, body: "a=b" }, signal);
}

function serverOf(answer: Answer, options: FakeServerOptions = {}): Promise<FakeServer> {
  return startServer([answer], options);
}

describe("what comes back", () => {
  test("is status, headers and body, and where it came from", async () => {
    await using server = await serverOf(text(201, "höhe", { "X-Thing": "1" }));
    const { url } = server;
    const reply = await post(url);
    expect(reply).toMatchObject({
      url: new URL(`${url}/x`),
      status: 201,
      body: "höhe",
      headers: { "x-thing": "1" },
    });
  });

  test.each([301, 308, 401, 407, 429, 503])(
    "is %i itself: nothing is followed or repeated",
    async (status) => {
      await using server = await serverOf(redirect(status, "/elsewhere"));
      const { url, requests } = server;
      await expect(post(url)).resolves.toMatchObject({
        status,
        headers: { location: "/elsewhere" },
      });
      expect(requests).toHaveLength(1);
    },
  );

  test("is at most a MiB", async () => {
    const mebibyte = "x".repeat(1024 * 1024);
    await using largest = await serverOf(text(200, mebibyte));
    await expect(post(largest.url)).resolves.toMatchObject({ status: 200 });
    const sent = { bytes: 0 };
    for (const answer of [text(200, `${mebibyte}x`), endless(sent)]) {
      await using server = await serverOf(answer);
      const { url } = server;
      await expect(post(url)).rejects.toMatchObject({
        code: "reply_invalid",
        problem: `${url} answered with more than 1 MiB, which is no token response`,
      });
    }
    expect(sent.bytes).toBeLessThan(64 * 1024 * 1024);
  });
});

const CUT_HEAD = "HTTP/1.1 200 OK\r\nX-";
const LONG_HEAD = `HTTP/1.1 200 OK\r\nX: ${"x".repeat(20_000)}\r\n\r\n`;
const TWO_LENGTHS = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx";
const BAD_CHUNK = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
const SWITCH = "HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";

describe("what goes wrong", () => {
  test.each<{
    readonly what: string;
    readonly answer: Answer;
    readonly code: ErrorCode;
    readonly says: RegExp;
  }>([
    {
      what: "a reset",
      answer: reset,
      code: "connection_failed",
      says: /^No connection to .* \(ECONNRESET\)\. /,
    },
    {
      what: "a reply that breaks off",
      answer: cutOff,
      code: "reply_incomplete",
      says: / broke off its answer\. /,
    },
    {
      what: "a head that breaks off",
      answer: raw(CUT_HEAD),
      code: "connection_failed",
      says: /^No connection to .* \(ECONNRESET\)\. /,
    },
    {
      what: "something else than HTTP",
      answer: raw("SSH-2.0-x\r\n"),
      code: "reply_invalid",
      says: /not HTTP \(HPE_INVALID_CONSTANT\)/,
    },
    {
      what: "headers above 16 KB",
      answer: raw(LONG_HEAD),
      code: "reply_invalid",
      says: /more than 16 KB \(HPE_HEADER_OVERFLOW\)/,
    },
    {
      what: "two lengths",
      answer: raw(TWO_LENGTHS),
      code: "reply_invalid",
      says: /HTTP that contradicts itself/,
    },
    {
      what: "a chunk that is none",
      answer: raw(BAD_CHUNK),
      code: "reply_incomplete",
      says: / broke off its answer\. /,
    },
  ])("$what", async ({ answer, code, says }) => {
    await using server = await serverOf(answer);
    const { url } = server;
    await expect(post(url)).rejects.toMatchObject({
      name: "ArmorError",
      code,
      message: expect.stringMatching(says),
    });
  });

  /** How long the caller waits; the head of a reply comes far sooner. */
  test.each<{
    readonly what: string;
    readonly limitMs: number;
    readonly answers: Answer[];
    readonly says: RegExp;
  }>([
    {
      what: "no reply",
      limitMs: 200,
      answers: [silence, raw(SWITCH, { thenEnd: false })],
      says: /^No answer from /,
    },
    {
      what: "no end of it",
      limitMs: 1_500,
      answers: [stall, drip],
      says: / began to answer and did not finish\. /,
    },
  ])("a deadline with $what", async ({ limitMs, answers, says }) => {
    const late = async (answer: Answer) => {
      await using server = await serverOf(answer);
      await expect(post(server.url, AbortSignal.timeout(limitMs))).rejects.toMatchObject({
        code: "reply_timeout",
        message: expect.stringMatching(says),
      });
    };
    await Promise.all(answers.map(late));
  });

  test("a signal ends the connection, too", async () => {
    let isClosed = false;
    await using peer = await startAnsweringProxy((client) =>
      client.once("close", () => {
        isClosed = true;
      }),
    );
    const sent = post(`http://127.0.0.1:${peer.port}`, AbortSignal.timeout(200));
    await expect(sent).rejects.toMatchObject({ code: "reply_timeout" });
    await until(() => isClosed);
  });

  test("a signal that came before ends it at once", async () => {
    await using server = await serverOf(silence);
    const { url } = server;
    await expect(post(url, AbortSignal.abort())).rejects.toMatchObject({ code: "reply_timeout" });
  });

  test("a fault of the action itself is not taken for one of the network", async () => {
    await using server = await serverOf(text(200, ""));
    const { url } = server;
    const faulty = {
      get "X-Broken"(): string {
        throw new RangeError("broken");
      },
    };
    await expect(post(url, undefined, faulty)).rejects.toThrow(new RangeError("broken"));
  });

  test("a proxy that cannot be understood is refused before anything is sent", async () => {
    const route = { proxy: { variable: "HTTPS_PROXY", value: "socks5://p:1" }, noProxy: "" };
    const request = { url: new URL("https://armor.example"), headers: {}, body: "" };
    await expect(createSend(route)(request, AbortSignal.timeout(15_000))).rejects.toMatchObject({
      code: "proxy_refused",
      message: expect.stringContaining("The variable HTTPS_PROXY is not a valid proxy address"),
    });
  });
});

describe("TLS without a proxy", () => {
  let authority: Authority;
  let stranger: Authority;
  let trusted: AsyncDisposable;

  beforeAll(async () => {
    [authority, stranger] = await Promise.all([
      createAuthority("Corp CA"),
      createAuthority("Other CA"),
    ]);
    trusted = trust(authority);
  });

  afterAll(async () => await trusted[Symbol.asyncDispose]());

  test("reaches a server of a trusted authority", async () => {
    await using server = await serverOf(text(200, "ok"), {
      tls: await authority.sign(["127.0.0.1"]),
    });
    const { url } = server;
    await expect(post(url)).resolves.toMatchObject({ body: "ok" });
  });

  test.each([
    {
      what: "another authority",
      sign: () => stranger.sign(["127.0.0.1"]),
      says: "not signed by an authority that this runner trusts",
    },
    {
      what: "an expired certificate",
      sign: () => authority.sign(["127.0.0.1"], EXPIRED),
      says: "expired or not valid yet",
    },
    {
      what: "another name",
      sign: () => authority.sign(["armor.example"]),
      says: "for another host name",
    },
  ])("sends nothing in case of $what", async ({ sign, says }) => {
    await using server = await serverOf(text(200, ""), { tls: await sign() });
    const { url, requests } = server;
    await expect(post(url)).rejects.toMatchObject({
      code: "certificate_rejected",
      problem: expect.stringContaining(says),
    });
    expect(requests).toEqual([]);
  });

  test.each([
    {
      what: "no TLS at all",
      options: {},
      says: /does not speak TLS \(ERR_SSL_WRONG_VERSION_NUMBER\)/,
    },
    {
      what: "a client certificate that is wanted",
      options: { requestCert: true, rejectUnauthorized: true },
      says: /asks for a client certificate/,
    },
    {
      what: "an old TLS version",
      options: { maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "ALL:@SECLEVEL=0" },
      says: /no TLS version or cipher in common/,
    },
  ])("calls $what by its name", async ({ options, says }) => {
    const isPlain = Object.keys(options).length === 0;
    const own = { ...(await authority.sign(["127.0.0.1"])), ...options };
    await using server = await serverOf(text(200, ""), isPlain ? {} : { tls: own });
    const { url, requests } = server;
    await expect(post(url.replace("http:", "https:"))).rejects.toMatchObject({
      code: "tls_failed",
      canPass: false,
      problem: expect.stringMatching(says),
    });
    expect(requests).toEqual([]);
  });
});

// Made-up bytes on the wire in place of a reply: whatever arrives is a token, or an error of the closed list.

const TOKEN_REPLY = '{"access_token":"t0k3n","token_type":"Bearer","expires_in":60}';
const CHUNKED = `${TOKEN_REPLY.length.toString(16)}\r\n${TOKEN_REPLY}\r\n0\r\n\r\n`;

const statusLine = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "HTTP/1.1 200 OK",
      "HTTP/1.0 200 OK",
      "HTTP/1.1 200",
      "HTTP/1.1 503 x",
    ),
  },
  fc.constantFrom(
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
    "HTTP/1.1 204 x",
    "HTTP/2 200",
    "",
  ),
  fc.nat(2_000).map((status) => `HTTP/1.1 ${status} x`),
  anyText,
);
const header = fc.oneof(
  fc.constantFrom(
    "Content-Type: application/json",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Content-Encoding: gzip",
    "Connection: close",
    "Connection: keep-alive",
    "Upgrade: websocket",
    "Trailer: X",
    "Location: /other",
    "Retry-After: 5",
    "Content-Length: 5",
    "Content-Length: -1",
    "Content-Length: 99999999",
    " folded: line",
    ": nameless",
    "no colon",
    "X-Null: \0",
    `X-Long: ${"x".repeat(20_000)}`,
  ),
  fc.constant(`Content-Length: ${TOKEN_REPLY.length}`),
  fc.tuple(anyText, anyText).map(([name, value]) => `${name}: ${value}`),
);
const body = fc.oneof(
  fc.constantFrom(TOKEN_REPLY, CHUNKED, `${CHUNKED}HTTP/1.1 200 OK\r\n\r\n`),
  fc.constantFrom("", "<html>", "ffffffffffff\r\n", "zz\r\n"),
  fc.array(fc.oneof(anyText, trickyText), { maxLength: 6 }).map((parts) => parts.join("")),
);
const bytes = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        statusLine,
        fc.array(header, { maxLength: 4 }),
        body,
        fc.constantFrom("\r\n", "\n", "\r"),
      )
      .map(([first, headers, rest, end]) => [first, ...headers, "", rest].join(end)),
  },
  fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array).toString("latin1")),
);

describe("the wire, for any bytes", () => {
  let server: Server;
  let reply = "";
  let isCut = false;

  beforeAll(async () => {
    server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => {
        if (isCut) socket.write(reply, () => socket.resetAndDestroy());
        else socket.end(reply);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });

  afterAll(() => new Promise((resolve) => server.close(resolve)));

  holds(
    "there is a token, or an error of the closed list",
    fc.asyncProperty(bytes, fc.boolean(), async (made, cut) => {
      reply = made;
      isCut = cut;
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      try {
        const answer = await createSend({ noProxy: "" })(
          tokenRequest(url, "id:key"),
          AbortSignal.timeout(5_000),
        );
        expect(judgeToken(answer)).toEqual({ accessToken: "t0k3n", expiresIn: 60 });
      } catch (error) {
        expect(error).toMatchObject({
          name: "ArmorError",
          message: expect.stringMatching(/^[^\r\n]+\.$/),
        });
        expect(ERROR_CODES).toContain((error as { code: string }).code);
      }
    }),
  );
});
