// Bytes of headers and bodies as they are, and the interim reply that some clients wait for.

import { once } from "node:events";
import { describe, expect, test } from "@jest/globals";
import { ArmorError } from "../../src/errors.ts";
import { DEAD, startGateway, until } from "../fixtures/agent.ts";
import { type Answer, CALL, json, silence } from "../fixtures/server.ts";

const GET = `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n`;
/** A text whose UTF-8 bytes are sent as they are, and one whose bytes are Latin-1. */
const UTF8 = Buffer.from("größe … 🔑", "utf8").toString("latin1");
const LATIN1 = "gr\xf6\xdfe";

/** A reply of these bytes, one a character. */
function bytes(text: string): Answer {
  return (response) => void response.socket?.end(Buffer.from(text, "latin1"));
}

describe("bytes of headers pass unchanged", () => {
  const replies = [
    {
      title: "a length before a disposition in UTF-8",
      name: "Content-Disposition",
      value: `attachment; filename="${UTF8}"`,
    },
    {
      title: "a disposition in Latin-1",
      name: "Content-Disposition",
      value: `attachment; filename="${LATIN1}"`,
    },
    { title: "another header in UTF-8", name: "X-Name", value: UTF8 },
    { title: "another header in Latin-1", name: "X-Name", value: LATIN1 },
  ];
  const lengths = [
    { title: "with a length", framing: "Content-Length: 2", body: "ok" },
    { title: "in chunks", framing: "Transfer-Encoding: chunked", body: "2\r\nok\r\n0\r\n\r\n" },
  ];
  for (const { title: framingTitle, framing, body } of lengths) {
    test.each(replies)(`from Armor: $title, ${framingTitle}`, async ({ name, value }) => {
      const armor = bytes(`HTTP/1.1 200 OK\r\n${framing}\r\n${name}: ${value}\r\n\r\n${body}`);
      await using gateway = await startGateway([armor]);
      const reply = await gateway.speak(`${GET}Connection: close\r\n\r\n`);
      expect(reply).toContain(`\r\n${name}: ${value}\r\n`);
      expect(reply).toMatch(/^HTTP\/1\.1 200 /);
      expect(reply).toContain("ok");
    });
  }

  test.each([
    { title: "UTF-8", value: UTF8 },
    { title: "Latin-1", value: LATIN1 },
  ])("to Armor: $title", async ({ value }) => {
    await using gateway = await startGateway([json(200, {})]);
    await gateway.speak(`${GET}X-Request-Id: ${value}\r\nConnection: close\r\n\r\n`);
    expect(gateway.armor.requests[0]?.headers["x-request-id"]).toBe(value);
  });

  test("a relative Location in UTF-8 leads where it says", async () => {
    const location = `/other/${UTF8.split(" ", 1)[0]}`;
    await using gateway = await startGateway([
      bytes(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`),
    ]);
    const { headers } = await gateway.call();
    expect(headers.location).toBe(`${gateway.armor.url}/other/gr%C3%B6%C3%9Fe`);
  });

  test("a reply of the agent's own with letters beyond ASCII is whole", async () => {
    const error = new ArmorError("credentials_rejected", "nicht gültig – höhe", "R.", {
      isPermanent: true,
    });
    await using gateway = await startGateway([], {
      first: DEAD,
      fetch: () => Promise.reject(error),
    });
    const { body } = await gateway.call();
    expect(JSON.parse(body).error_description).toBe("nicht gültig – höhe. R.");
  });
});

describe("a request that expects 100 Continue", () => {
  const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

  test.each(["100-continue", "100-Continue"])(
    "(%s) gets it when it is admitted, before Armor has answered, and then the reply",
    async (expectation) => {
      let finish: () => void = () => undefined;
      await using gateway = await startGateway([
        (response) => {
          finish = () => response.end('{"ok":true}');
        },
      ]);
      const socket = await gateway.begin(`${GET}Expect: ${expectation}\r\n\r\n`);
      const [interim] = (await once(socket, "data")) as [Buffer];
      expect(String(interim)).toBe(CONTINUE);
      await until(() => gateway.armor.requests.length === 1);
      finish();
      const [reply] = (await once(socket, "data")) as [Buffer];
      expect(String(reply)).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\{"ok":true\}/);
      expect(gateway.armor.requests[0]?.headers.expect).toBeUndefined();
    },
  );

  test("gets its refusal alone when it is refused", async () => {
    await using gateway = await startGateway([silence]);
    const post = GET.replace("GET", "POST");
    const requests = [
      `${post}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`,
      `${GET}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`,
      "GET /x HTTP/1.1\r\nHost: HOST\r\nExpect: 100-continue\r\n\r\n",
    ];
    for (const request of requests) {
      const socket = await gateway.begin(request);
      const [reply] = (await once(socket, "data")) as [Buffer];
      expect(String(reply)).toMatch(/^HTTP\/1\.1 40[035] /);
    }
  });

  test("gets none in HTTP/1.0, nor for another expectation", async () => {
    await using gateway = await startGateway([json(200, {})]);
    const old = GET.replace("HTTP/1.1", "HTTP/1.0");
    for (const head of [`${old}Expect: 100-continue`, `${GET}Connection: close\r\nExpect: x`])
      expect(await gateway.speak(`${head}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("has its turn behind the reply to the request before it", async () => {
    await using gateway = await startGateway([json(200, { a: 1 })]);
    const second = `${GET}Connection: close\r\nExpect: 100-continue\r\n\r\n`;
    const replies = await gateway.speak(`${GET}\r\n${second}`);
    expect(replies).toMatch(
      /^HTTP\/1\.1 200 [\s\S]*\{"a":1\}[\s\S]*HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /,
    );
  });
});
