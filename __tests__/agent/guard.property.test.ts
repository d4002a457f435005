// The guard with made-up request lines and headers: it admits nothing but what is described here in other words.

import { describe, expect } from "@jest/globals";
import fc from "fast-check";
import { type Door, isRefusal, judgeRequest, type Knock } from "../../src/agent/guard.ts";
import { anyText, holds, trickyText } from "../fixtures/property.ts";

const door: Door = { host: "127.0.0.1:4711", capability: "c4p4bility-c4p4bility-c4p4bility" };
const API_URL = "https://armor.example/base";

const mostly = <T>(usual: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });

const segment = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("v1", "a", "scans", "x-y", "a.b", "") },
  fc.constantFrom(
    ...[
      "..",
      ".",
      "...",
      "%2e%2e",
      "%2E.",
      ".%2e",
      "%252e%252e",
      "%25252e.",
      "..;",
      "..;a=b",
      ";..",
      "..%00",
      "..%20",
    ],
    ...[
      "%2f",
      "%5c",
      "\\",
      "%252f",
      "%255C",
      "%",
      "%zz",
      "%ff",
      "%c0%ae",
      "%e0%80%ae",
      "#",
      "?",
      "?x=/..",
      "*",
      "@",
    ],
  ),
  anyText,
  trickyText,
);
const path = fc.array(segment, { maxLength: 6 }).map((segments) => segments.join("/"));
const capability = mostly(
  door.capability,
  fc.oneof(
    anyText,
    fc.constantFrom("", door.capability.slice(1), door.capability.toUpperCase(), `${door.capability}x`),
  ),
);
const target = fc.oneof(
  fc
    .tuple(capability, mostly("api", segment), path)
    .map(([given, first, rest]) => `/${given}/${first}/${rest}`),
  fc
    .tuple(capability, fc.constantFrom("/token", "/stop", "/token/", "/stop?x", "/api", ""))
    .map((parts) => `/${parts.join("")}`),
  fc
    .tuple(fc.constantFrom("http://127.0.0.1:4711", "//evil.example", "*", ""), path)
    .map((parts) => parts.join("")),
);
const header = fc.oneof(
  fc.tuple(fc.constantFrom("Accept", "X-Csrf-Header", "Authorization", "Cookie"), anyText),
  fc.tuple(
    fc.constantFrom(
      "Origin",
      "referer",
      "Sec-Fetch-Site",
      "X-Forwarded-For",
      "x-forwarded-anything",
      "Upgrade",
      "HOST",
      "host",
    ),
    fc.constantFrom("null", "", door.host, "evil.example", "websocket"),
  ),
);
const knock: fc.Arbitrary<Knock> = fc.record({
  method: fc.oneof(fc.constantFrom("GET", "POST", "HEAD", "DELETE", "get"), anyText),
  target,
  rawHeaders: fc
    .tuple(
      mostly<string[]>(
        ["Host", door.host],
        fc.constantFrom<string[][]>([], ["Host", "evil.example"], ["Host", "127.0.0.1:4712"]),
      ),
      mostly(
        [],
        fc.array(header, { maxLength: 4 }).map((headers) => headers.flat()),
      ),
    )
    .map(([host, others]) => [...host, ...others]),
});

describe("the guard, for any request line and headers", () => {
  holds(
    "admits only requests of this job to the three places there are",
    fc.property(knock, (made) => {
      const verdict = judgeRequest(made, door);
      if (isRefusal(verdict)) {
        expect(verdict.description).not.toContain(door.capability);
        expect([400, 403, 404, 405]).toContain(verdict.status);
        return;
      }
      const { method, target, rawHeaders } = made;
      const headers = Array.from({ length: rawHeaders.length / 2 }, (_, index) => ({
        name: rawHeaders[2 * index]?.toLowerCase() ?? "",
        value: rawHeaders[2 * index + 1],
      }));
      expect(headers.filter(({ name }) => name === "host")).toEqual([{ name: "host", value: door.host }]);
      for (const { name } of headers) {
        expect(["origin", "referer", "sec-fetch-site", "upgrade"]).not.toContain(name);
        expect(name.startsWith("x-forwarded-")).toBe(false);
      }
      const prefix = `/${door.capability}`;
      if (verdict.route === "api") {
        expect(prefix + verdict.target).toBe(target);
        for (const reading of readings(verdict.target)) expectBelowApi(reading);
      } else {
        expect([method, target]).toEqual(
          verdict.route === "token" ? ["GET", `${prefix}/token`] : ["POST", `${prefix}/stop`],
        );
      }
    }),
  );
});

/** How the target could be read by whoever decodes it once or again, or drops parameters of segments. */
function readings(target: string): string[] {
  const [path = ""] = target.split("?");
  const all = [path];
  for (let text = path, times = 0; times < 8; times += 1) {
    try {
      text = decodeURIComponent(text);
    } catch {
      break;
    }
    all.push(text);
  }
  return [target, ...all, ...all.map((text) => text.replace(/;[^/]*/g, ""))];
}

function expectBelowApi(reading: string): void {
  const url = new URL(API_URL + reading);
  expect(url.origin).toBe("https://armor.example");
  expect(url.hash).toBe("");
  expect(url.pathname.startsWith("/base/api/")).toBe(true);
  const [path = ""] = reading.split("?");
  expect(path.split("/")).not.toContain("..");
  expect(path).not.toMatch(/[\\\0\r\n]/);
}
