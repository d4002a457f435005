// The guard's verdicts, pure: texts that a user reads, and a property for any request line and headers. Which
// targets and headers are refused is held at the wire, in server.test.ts.

import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { authorize, type RequestHead } from "../../src/gateway/guard.ts";
import { allowedTarget, pathFault } from "../../src/gateway/targets.ts";
import { anyText, holds, trickyText } from "../fixtures/property.ts";

const config = {
  host: "127.0.0.1:4711",
  capability: "gateway-capability-gateway",
  controlCapability: "control-capability-control",
  gatewayPaths: ["/api/v1/discovery/", "/api/v1/exact"],
};
const HOST = ["Host", config.host];

/** `GET /path`, with GATE and CONTROL for the capabilities. */
function head(line: string, headers: readonly string[] = []): RequestHead {
  const [method = "", ...target] = line.split(" ");
  const filled = target
    .join(" ")
    .replace("GATE", config.capability)
    .replace("CONTROL", config.controlCapability);
  return { method, url: filled, rawHeaders: [...HOST, ...headers] };
}

describe("authorize", () => {
  test.each<[string, readonly string[], object]>([
    ["GET /GATE/api/v1/discovery/x?y", [], { route: "gateway", target: "/api/v1/discovery/x?y" }],
    ["HEAD /GATE/api/v1/exact", [], { route: "gateway", target: "/api/v1/exact" }],
    ["GET /CONTROL/token", [], { route: "token" }],
    ["POST /CONTROL/stop", [], { route: "stop" }],
    ["GET /CONTROL/token", ["referer", `http://${config.host}/x`], { route: "token" }],
    ["GET /CONTROL/token", ["X", "Origin"], { route: "token" }],
    ["GET /CONTROL/token", ["X-Origin", "x", "Origins", "x"], { route: "token" }],
    ["GET /CONTROL/token", ["X-Via", "x", "Viaduct", "x"], { route: "token" }],
    [
      "GET /GATE/api/v1/exact",
      ["Content-Length", "00"],
      { route: "gateway", target: "/api/v1/exact" },
    ],
  ])("admits %s with the headers %j", (line, headers, expected) => {
    expect(authorize(head(line, headers), config)).toEqual(expected);
  });

  test.each<[string, readonly string[], number, RegExp, boolean]>([
    ["POST /GATE/api/v1/discovery/x", [], 405, /armor-token/, true],
    [
      "GET /GATE/api/v1/iam",
      [],
      403,
      /refused \/api\/v1\/iam: .*gateway-paths \(\/api\/v1\/discovery\/, \/api\/v1\/exact\)/,
      true,
    ],
    ["GET /GATE/api/v1/exact/x", [], 403, /gateway-paths/, true],
    ["GET /GATE//api/v1/discovery/x", [], 400, /two slashes.*base address/, true],
    [
      "GET /GATE/api/v1/discovery/%41",
      [],
      400,
      /refused \/api\/v1\/discovery\/%41: .*encoded character \(%41\)/,
      true,
    ],
    ["GET /GATE/api/v1/discovery/x?a b", [], 400, /query.*percent-encoded.*%20/, true],
    ["GET /GATE/api/v1/discovery/x", ["Content_Length", "1"], 400, /no body/, true],
    ["GET /GATE/api/v1/discovery/x", ["Content-Length", "0x1"], 400, /no body/, true],
    ["GET /CONTROL/api/v1/discovery/x", [], 404, /GET \/token and POST \/stop/, true],
    ["GET /wrong/api/v1/discovery/x", [], 403, /ARMOR_GATEWAY_URL as it is/, false],
    [
      "GET /GATE/x",
      ["X_Real_IP", "1"],
      403,
      /proxy \(header x-real-ip\).*export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1/,
      true,
    ],
    ["GET /wrong/x", ["Origin", ""], 403, /header origin.*web page/, false],
    ["GET /x", ["Via", "x", "Origin", ""], 403, /proxy/, false],
    ["GET /GATE/x", ["host", config.host], 403, /Host header/, true],
  ])("refuses %s with the headers %j, and says why", (line, headers, status, text, isFromJob) => {
    const verdict = authorize(head(line, headers), config);
    expect(verdict).toMatchObject({ status, description: expect.stringMatching(text), isFromJob });
  });
});

test.each([
  ["", "no slash at its beginning"],
  ["api", "no slash at its beginning"],
  ["//", "two slashes in a row (//)"],
  ["/%", "an encoded character (%)"],
  ["/a/.b/c", "a segment that begins with a dot (.b)"],
  ["/a/../b", "a segment that begins with a dot (..)"],
  ["/a;b", "a character other than A-Z a-z 0-9 - . _ ~ : @ (;)"],
  ["/a\n", "a character other than A-Z a-z 0-9 - . _ ~ : @"],
  ["/", undefined],
  ["/a.b/c", undefined],
])("the fault of the path %j is %s", (path, fault) => {
  expect(pathFault(path)).toBe(fault);
});

const mostly = <T>(usual: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });
const oneOf = (words: string) => fc.constantFrom(...words.split(" "));
const segment = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("api", "v1", "discovery", "exact", "iam", "a.b", "") },
  oneOf(".. . ... %2e%2e %252e ..; ;.. %2f \\ % # ? ?x=/.. * @"),
  anyText,
  trickyText,
);
const path = fc.array(segment, { maxLength: 6 }).map((segments) => segments.join("/"));
const below = fc.oneof(
  path.map((rest) => `/api/v1/discovery/${rest}`),
  path.map((rest) => `/${rest}`),
  fc.constantFrom("/token", "/stop", "/token?x", "/api/v1/exact", ""),
);
const capability = mostly(
  config.capability,
  fc.constantFrom(config.controlCapability, "", config.capability.toUpperCase()),
);
const header = fc.tuple(
  oneOf("Accept Origin X_Forwarded_For via HOST Content-Length Transfer-Encoding Referer"),
  fc.constantFrom("", "0", "1", "chunked", config.host, `http://${config.host}/`),
);
const request: fc.Arbitrary<RequestHead> = fc.record({
  method: fc.oneof(oneOf("GET POST HEAD DELETE get"), anyText),
  url: fc.tuple(capability, below).map(([start, rest]) => `/${start}${rest}`),
  rawHeaders: fc
    .tuple(
      mostly<string[]>(HOST, fc.constantFrom<string[][]>([], ["Host", "other.example"])),
      mostly<[string, string][]>([], fc.array(header, { maxLength: 3 })),
    )
    .map(([host, others]) => [...host, ...others.flat()]),
});

holds(
  "for any request line and headers, admits what is described here in other words, and nothing else",
  fc.property(request, (made) => {
    const verdict = authorize(made, config);
    if ("status" in verdict) {
      expect(verdict.description).not.toContain(config.capability);
      expect(verdict.description).not.toContain(config.controlCapability);
      expect([400, 403, 404, 405]).toContain(verdict.status);
      return;
    }
    const names = made.rawHeaders
      .filter((_, index) => index % 2 === 0)
      .map((name) => name.toLowerCase());
    expect(names.filter((name) => name === "host")).toHaveLength(1);
    for (const name of ["origin", "x_forwarded_for", "via"]) expect(names).not.toContain(name);
    if (verdict.route !== "gateway") {
      const [method, route] = verdict.route === "token" ? ["GET", "/token"] : ["POST", "/stop"];
      expect([made.method, made.url]).toEqual([method, `/${config.controlCapability}${route}`]);
      return;
    }
    expect(["GET", "HEAD"]).toContain(made.method);
    expect(names).not.toContain("transfer-encoding");
    expect(made.url).toBe(`/${config.capability}${verdict.target}`);
    expectPlain(verdict.target);
  }),
);

holds(
  "for any redirect target, what is allowed is read alike by everybody, and listed",
  fc.property(fc.oneof(path, below), (made) => {
    const allowed = allowedTarget(made, config.gatewayPaths);
    if (typeof allowed !== "string") return;
    expect(allowed).toBe(made);
    expectPlain(allowed);
  }),
);

/** Nothing to decode, no dot segment, and a URL parser finds the same path in it. */
function expectPlain(allowed: string): void {
  const [plain = ""] = allowed.split("?");
  expect(plain).toMatch(/^(\/[A-Za-z0-9_~:@-][A-Za-z0-9._~:@-]*)+\/?$/);
  expect(plain === "/api/v1/exact" || plain.startsWith("/api/v1/discovery/")).toBe(true);
  expect(new URL(`https://armor.example${allowed}`)).toMatchObject({ pathname: plain, hash: "" });
}
