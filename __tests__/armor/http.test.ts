import { type AddressInfo, createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type ApiReply, createSend } from "../../src/armor/http.ts";
import { judgeToken, tokenRequest } from "../../src/armor/oauth.ts";
import { ERROR_CODES } from "../../src/errors.ts";
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
import { closing } from "../fixtures/teardown.ts";

const send = createSend({ noProxy: "" });

function post(base: string, signal = AbortSignal.timeout(15_000), headers = {}): Promise<ApiReply> {
  return send({ url: new URL("/x", base), headers, body: "a=b" }, signal);
}

async function serverOf(answer: Answer, options: FakeServerOptions = {}): Promise<FakeServer> {
  return await closing(startServer([answer], options));
}

describe("what comes back", () => {
  test("is status, headers and body, and where it came from", async () => {
    const { url } = await serverOf(text(201, "höhe", { "X-Thing": "1" }));
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
      const { url, requests } = await serverOf(redirect(status, "/elsewhere"));
      await expect(post(url)).resolves.toMatchObject({
        status,
        headers: { location: "/elsewhere" },
      });
      expect(requests).toHaveLength(1);
    },
  );

  test("is at most a MiB", async () => {
    const mebibyte = "x".repeat(1024 * 1024);
    await expect(post((await serverOf(text(200, mebibyte))).url)).resolves.toMatchObject({
      status: 200,
    });
    const sent = { bytes: 0 };
    for (const answer of [text(200, `${mebibyte}x`), endless(sent)]) {
      const { url } = await serverOf(answer);
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
  test.each<[string, Answer, string, RegExp]>([
    ["a reset", reset, "connection_failed", /^No connection to .* \(ECONNRESET\)\. /],
    ["a reply that breaks off", cutOff, "reply_incomplete", / broke off its answer\. /],
    [
      "a head that breaks off",
      raw(CUT_HEAD),
      "connection_failed",
      /^No connection to .* \(ECONNRESET\)\. /,
    ],
    [
      "something else than HTTP",
      raw("SSH-2.0-x\r\n"),
      "reply_invalid",
      /not HTTP \(HPE_INVALID_CONSTANT\)/,
    ],
    [
      "headers above 16 KB",
      raw(LONG_HEAD),
      "reply_invalid",
      /more than 16 KB \(HPE_HEADER_OVERFLOW\)/,
    ],
    ["two lengths", raw(TWO_LENGTHS), "reply_invalid", /HTTP that contradicts itself/],
    ["a chunk that is none", raw(BAD_CHUNK), "reply_incomplete", / broke off its answer\. /],
  ])("%s", async (_, answer, code, says) => {
    const { url } = await serverOf(answer);
    await expect(post(url)).rejects.toMatchObject({
      name: "ArmorError",
      code,
      message: expect.stringMatching(says),
    });
  });

  /** How long the caller waits; the head of a reply comes far sooner. */
  test.each<[string, number, Answer[], RegExp]>([
    ["no reply", 200, [silence, raw(SWITCH, { thenEnd: false })], /^No answer from /],
    ["no end of it", 1_500, [stall, drip], / began to answer and did not finish\. /],
  ])("a deadline with %s", async (_, limitMs, answers, says) => {
    const late = async (answer: Answer) =>
      await expect(
        post((await serverOf(answer)).url, AbortSignal.timeout(limitMs)),
      ).rejects.toMatchObject({
        code: "reply_timeout",
        message: expect.stringMatching(says),
      });
    await Promise.all(answers.map(late));
  });

  test("a signal ends the connection, too", async () => {
    const ended = new Promise<void>((resolve) => {
      const peer = startAnsweringProxy((client) => client.once("close", resolve));
      const sent = closing(peer).then(({ port }) =>
        post(`http://127.0.0.1:${port}`, AbortSignal.timeout(200)),
      );
      sent.catch(() => undefined);
    });
    await ended;
  });

  test("a signal that came before ends it at once", async () => {
    const { url } = await serverOf(silence);
    await expect(post(url, AbortSignal.abort())).rejects.toMatchObject({ code: "reply_timeout" });
  });

  test("a fault of the action itself is not taken for one of the network", async () => {
    const { url } = await serverOf(text(200, ""));
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
  let distrust: () => void;

  beforeAll(async () => {
    [authority, stranger] = await Promise.all([
      createAuthority("Corp CA"),
      createAuthority("Other CA"),
    ]);
    distrust = trust(authority);
  });

  afterAll(() => distrust());

  test("reaches a server of a trusted authority", async () => {
    const { url } = await serverOf(text(200, "ok"), { tls: await authority.sign(["127.0.0.1"]) });
    await expect(post(url)).resolves.toMatchObject({ body: "ok" });
  });

  test.each([
    [
      "another authority",
      () => stranger.sign(["127.0.0.1"]),
      "not signed by an authority that this runner trusts",
    ],
    [
      "an expired certificate",
      () => authority.sign(["127.0.0.1"], EXPIRED),
      "expired or not valid yet",
    ],
    ["another name", () => authority.sign(["armor.example"]), "for another host name"],
  ])("sends nothing in case of %s", async (_, sign, says) => {
    const { url, requests } = await serverOf(text(200, ""), { tls: await sign() });
    await expect(post(url)).rejects.toMatchObject({
      code: "certificate_rejected",
      problem: expect.stringContaining(says),
    });
    expect(requests).toEqual([]);
  });

  test.each([
    ["no TLS at all", {}, /does not speak TLS \(ERR_SSL_WRONG_VERSION_NUMBER\)/],
    [
      "a client certificate that is wanted",
      { requestCert: true, rejectUnauthorized: true },
      /asks for a client certificate/,
    ],
    [
      "an old TLS version",
      { maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "ALL:@SECLEVEL=0" },
      /no TLS version or cipher in common/,
    ],
  ])("calls %s by its name", async (_, options, says) => {
    const isPlain = Object.keys(options).length === 0;
    const own = { ...(await authority.sign(["127.0.0.1"])), ...options };
    const { url, requests } = await serverOf(text(200, ""), isPlain ? {} : { tls: own });
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
    ...["Content-Length: 99999999", " folded: line", ": nameless", "no colon", "X-Null: \0"],
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
