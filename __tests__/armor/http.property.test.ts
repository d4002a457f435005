// Made-up bytes on the wire in place of a reply: whatever arrives is a token, or an error of the closed list.

import { type AddressInfo, createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect } from "@jest/globals";
import fc from "fast-check";
import { createSend } from "../../src/armor/http.ts";
import { judgeToken, tokenRequest } from "../../src/armor/oauth.ts";
import { ERROR_CODES } from "../../src/errors.ts";
import { quoteWithout } from "../../src/redact.ts";
import { anyText, holds, trickyText } from "../fixtures/property.ts";

const TOKEN_REPLY = '{"access_token":"t0k3n","token_type":"Bearer","expires_in":60}';
const CHUNKED = `${TOKEN_REPLY.length.toString(16)}\r\n${TOKEN_REPLY}\r\n0\r\n\r\n`;

const statusLine = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom("HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 200", "HTTP/1.1 503 x"),
  },
  fc.constantFrom("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", "HTTP/1.1 204 x", "HTTP/2 200", ""),
  fc.nat(2_000).map((status) => `HTTP/1.1 ${status} x`),
  anyText,
);
const header = fc.oneof(
  fc.constantFrom(
    ...["Content-Type: application/json", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked"],
    ...["Content-Encoding: gzip", "Connection: close", "Connection: keep-alive", "Upgrade: websocket"],
    ...["Trailer: X", "Location: /other", "Retry-After: 5", "Content-Length: 5", "Content-Length: -1"],
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
      .tuple(statusLine, fc.array(header, { maxLength: 4 }), body, fc.constantFrom("\r\n", "\n", "\r"))
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
        expect(judgeToken(answer, quoteWithout(["key"]))).toEqual({ accessToken: "t0k3n", expiresIn: 60 });
      } catch (error) {
        expect(error).toMatchObject({ name: "ArmorError", message: expect.stringMatching(/^[^\r\n]+\.$/) });
        expect(ERROR_CODES).toContain((error as { code: string }).code);
      }
    }),
  );
});
