// What the gateway says of a call: to its client, to the post step and in the debug log. Never a secret.

import { describe, expect, test } from "@jest/globals";
import { writeDebugTo } from "../../src/debug.ts";
import { ArmorError } from "../../src/errors.ts";
import { hide } from "../../src/redact.ts";
import { CAPABILITY, DEAD, startGateway, until } from "../fixtures/agent.ts";
import { disposable } from "../fixtures/opened.ts";
import { CALL, json, reset, silence, stall, text } from "../fixtures/server.ts";

const KEY = "K3y-of-the-gateways-texts";
const LISTED = "/api/v1/discovery/";

describe("a refusal names what it refuses", () => {
  const remedy = "Add it there if every step may read it.";
  test.each([
    {
      target: "/api/v1/iam/users?x=1",
      says: `The gateway refused /api/v1/iam/users: it is not below gateway-paths (${LISTED}). ${remedy}`,
    },
    { target: `${LISTED}a//b`, says: "a//b: the path has two slashes in a row (//)." },
    { target: `${LISTED}a%2fb`, says: "a%2fb: the path has an encoded character (%2f)." },
    { target: `${LISTED}../iam`, says: "a segment that begins with a dot (..)." },
    { target: `${LISTED}a;b`, says: "a character other than A-Z a-z 0-9 - . _ ~ : @ (;)." },
    {
      target: `${LISTED}a?x=#y`,
      says: "a character that must be percent-encoded. Write %23 for it.",
    },
  ])("of $target", async ({ target, says }) => {
    await using gateway = await startGateway([json(200, {})]);
    const reply = await gateway.speak(`GET /CAP${target} HTTP/1.1\r\nHost: HOST\r\n\r\n`);
    const { error_description: description } = JSON.parse(reply.split("\r\n\r\n")[1] ?? "");
    expect(description).toContain(says);
    expect(Object.values(gateway.stats.problems)).toEqual([description]);
  });

  test.each([
    { what: "a path of 12 KB", target: `/api/v1/iam/${"x".repeat(12_000)}` },
    { what: "the key in small letters", target: `/api/v1/iam/${KEY.toLowerCase()}` },
    { what: "the key at the place where it is cut", target: `/api/${"x".repeat(85)}${KEY}/y` },
    { what: "the key, encoded wrongly", target: `${LISTED}%${KEY}` },
    { what: "the key as a dot segment", target: `${LISTED}.${KEY}` },
    { what: "the capability", target: `/api/v1/iam/${CAPABILITY}` },
    { what: "a workflow command", target: "/api/::error::x" },
  ])("in a short line that shows no secret and is no command: $what", async ({ target }) => {
    hide([KEY]);
    await using gateway = await startGateway([json(200, {})]);
    const { body } = await gateway.call(target);
    expect(body.length).toBeLessThan(500);
    expect(body.toLowerCase()).not.toContain("k3y-of");
    expect(body).not.toMatch(/gateway-cap|::/);
  });
});

test("a failure's text shows no secret, whoever made it", async () => {
  hide([KEY]);
  const error = new ArmorError("server_unavailable", `Armor says ${KEY}\n::error::`, "R.");
  const fetch = () => Promise.reject(error);
  await using gateway = await startGateway([], { first: DEAD, fetch });
  const { body } = await gateway.call();
  expect(JSON.parse(body).error_description).toBe("Armor says *** ::error::. R.");
  expect(JSON.stringify(gateway.stats)).not.toContain(KEY);
});

/** The debug log of this process. */
function collectDebug() {
  const lines: string[] = [];
  writeDebugTo((line) => lines.push(line));
  return disposable({ lines }, () => writeDebugTo(undefined));
}

describe("the debug log has one line for each call", () => {
  test.each([
    { how: "is answered", answer: json(200, { a: 1 }), says: /: 200, 7 bytes, 0 repeats$/ },
    { how: "may not be read", answer: text(401, "no"), says: /: 401, 2 bytes, 3 repeats$/ },
    { how: "fails", answer: reset, says: /: connection_failed$/ },
  ])(
    "that $how, without query and capability",
    async ({ answer, says }) => {
      await using log = collectDebug();
      await using gateway = await startGateway([answer]);
      await gateway.call(`${CALL}?secret=1`).catch(() => undefined);
      const lines = log.lines.filter((line) => line.startsWith("Gateway: "));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(/^Gateway: GET \/api\/v1\/discovery\/scans, \d+ ms: /);
      expect(lines[0]).toMatch(says);
      expect(log.lines.join("\n")).not.toMatch(/secret|gateway-capability|first|fetched/);
    },
    20_000,
  );

  test("whose client leaves", async () => {
    await using log = collectDebug();
    await using gateway = await startGateway([silence]);
    const client = await gateway.begin(`GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n\r\n`);
    await until(() => gateway.armor.requests.length === 1);
    client.destroy();
    await until(() => log.lines.some((line) => line.endsWith(": its client left")));
  });
});

describe("a call that takes too long is not told to raise timeout, which is for fetching tokens", () => {
  test.each([
    { what: "no reply", answer: silence, limits: { headMs: 300 } },
    { what: "half a reply", answer: stall, limits: { idleMs: 300 } },
  ])("$what", async ({ answer, limits }) => {
    await using gateway = await startGateway([answer], { limits });
    await gateway.call(CALL).catch(() => undefined);
    await until(() => gateway.stats.problems["reply_timeout"] !== undefined);
    const told = gateway.stats.problems["reply_timeout"];
    expect(told).toMatch(/ask for less in one call\.$/);
    expect(told).not.toContain("raise timeout");
  });
});
