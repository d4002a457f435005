// The guard's verdicts, pure: texts that a user reads, and a property for any request line and headers. Which
// targets and headers are refused is held at the wire, in server.test.ts.

import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { LIMITS } from "../../src/gateway/bounds.ts";
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
  test.each<{
    readonly line: string;
    readonly headers: readonly string[];
    readonly expected: object;
  }>([
    {
      line: "GET /GATE/api/v1/discovery/x?y",
      headers: [],
      expected: { route: "gateway", target: "/api/v1/discovery/x?y" },
    },
    {
      line: "HEAD /GATE/api/v1/exact",
      headers: [],
      expected: { route: "gateway", target: "/api/v1/exact" },
    },
    { line: "GET /CONTROL/token", headers: [], expected: { route: "token" } },
    { line: "POST /CONTROL/stop", headers: [], expected: { route: "stop" } },
    {
      line: "GET /CONTROL/token",
      headers: ["referer", `http://${config.host}/x`],
      expected: { route: "token" },
    },
    { line: "GET /CONTROL/token", headers: ["X", "Origin"], expected: { route: "token" } },
    {
      line: "GET /CONTROL/token",
      headers: ["X-Origin", "x", "Origins", "x"],
      expected: { route: "token" },
    },
    {
      line: "GET /CONTROL/token",
      headers: ["X-Via", "x", "Viaduct", "x"],
      expected: { route: "token" },
    },
    {
      line: "GET /GATE/api/v1/exact",
      headers: ["Content-Length", "00"],
      expected: { route: "gateway", target: "/api/v1/exact" },
    },
  ])("admits $line with the headers $headers", ({ line, headers, expected }) => {
    expect(authorize(head(line, headers), config)).toEqual(expected);
  });

  test.each<{
    readonly line: string;
    readonly headers: readonly string[];
    readonly status: number;
    readonly text: RegExp;
    readonly isFromJob: boolean;
  }>([
    {
      line: "POST /GATE/api/v1/discovery/x",
      headers: [],
      status: 405,
      text: /armor-token/,
      isFromJob: true,
    },
    {
      line: "GET /GATE/api/v1/iam",
      headers: [],
      status: 403,
      text: /refused \/api\/v1\/iam: .*gateway-paths \(\/api\/v1\/discovery\/, \/api\/v1\/exact\)/,
      isFromJob: true,
    },
    {
      line: "GET /GATE/api/v1/exact/x",
      headers: [],
      status: 403,
      text: /gateway-paths/,
      isFromJob: true,
    },
    {
      line: "GET /GATE//api/v1/discovery/x",
      headers: [],
      status: 400,
      text: /two slashes.*base address/,
      isFromJob: true,
    },
    {
      line: "GET /GATE/api/v1/discovery/%41",
      headers: [],
      status: 400,
      text: /refused \/api\/v1\/discovery\/%41: .*encoded character \(%41\)/,
      isFromJob: true,
    },
    {
      line: "GET /GATE/api/v1/discovery/x?a b",
      headers: [],
      status: 400,
      text: /query.*percent-encoded.*%20/,
      isFromJob: true,
    },
    {
      line: "GET /GATE/api/v1/discovery/x",
      headers: ["Content_Length", "1"],
      status: 400,
      text: /\bbody\b/,
      isFromJob: true,
    },
    {
      line: "GET /GATE/api/v1/discovery/x",
      headers: ["Content-Length", "0x1"],
      status: 400,
      text: /\bbody\b/,
      isFromJob: true,
    },
    {
      line: "GET /CONTROL/api/v1/discovery/x",
      headers: [],
      status: 404,
      text: /GET \/token and POST \/stop/,
      isFromJob: true,
    },
    {
      line: "GET /wrong/api/v1/discovery/x",
      headers: [],
      status: 403,
      text: /ARMOR_GATEWAY_URL as it is/,
      isFromJob: false,
    },
    {
      line: "GET /GATE/x",
      headers: ["X_Real_IP", "1"],
      status: 403,
      text: /proxy \(header x-real-ip\).*export no_proxy=127\.0\.0\.1,\S+ NO_PROXY=127\.0\.0\.1,\S+$/,
      isFromJob: true,
    },
    {
      line: "GET /wrong/x",
      headers: ["Origin", ""],
      status: 403,
      text: /header origin.*web page/,
      isFromJob: false,
    },
    {
      line: "GET /x",
      headers: ["Via", "x", "Origin", ""],
      status: 403,
      text: /proxy/,
      isFromJob: false,
    },
    {
      line: "GET /GATE/x",
      headers: ["host", config.host],
      status: 403,
      text: /Host header/,
      isFromJob: true,
    },
  ])(
    "refuses $line with the headers $headers, and says why",
    ({ line, headers, status, text, isFromJob }) => {
      const verdict = authorize(head(line, headers), config);
      expect(verdict).toMatchObject({
        status,
        description: expect.stringMatching(text),
        isFromJob,
      });
    },
  );
});

test.each([
  { path: "", fault: "no slash at its beginning" },
  { path: "api", fault: "no slash at its beginning" },
  { path: "//", fault: "two slashes in a row (//)" },
  { path: "/%", fault: "an encoded character (%)" },
  { path: "/a/.b/c", fault: "a segment that begins with a dot (.b)" },
  { path: "/a/../b", fault: "a segment that begins with a dot (..)" },
  { path: "/a%2fb", fault: "an encoded character (%2f)" },
  { path: "/a;b", fault: "a character other than A-Z a-z 0-9 - . _ ~ : @ (;)" },
  { path: "/a\n", fault: "a character other than A-Z a-z 0-9 - . _ ~ : @" },
  { path: "/", fault: undefined },
  { path: "/a.b/c", fault: undefined },
])("the fault of the path $path is $fault", ({ path, fault }) => {
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
  oneOf("/token /stop /token?x /api/v1/exact /api/v1/discovery/a /api/v1/discovery/a/b?x=/.."),
  fc.constant(""),
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
  method: mostly("GET", fc.oneof(oneOf("POST HEAD DELETE get"), anyText)),
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

test("the requests and targets that these properties try are often admitted, and often refused", () => {
  const requests = fc.sample(request, { numRuns: 1_000, seed: 1 });
  const admitted = requests.filter((made) => authorize(made, config).route !== "refused");
  const targets = fc.sample(fc.oneof(path, below), { numRuns: 1_000, seed: 1 });
  const allowed = targets.filter((made) => allowedTarget(made, config.gatewayPaths) === made);
  for (const { length } of [admitted, allowed]) {
    expect(length).toBeGreaterThan(50);
    expect(length).toBeLessThan(950);
  }
});

test("a head of too many headers is refused by their number, on every Node", () => {
  const headersOf = (count: number) => Array.from({ length: count * 2 }, () => "x");
  const line = "GET /GATE/api/v1/exact";
  const most = LIMITS.maxHeaders - 2; // beside Host
  expect(authorize(head(line, headersOf(most)), config)).toMatchObject({ route: "gateway" });
  expect(authorize(head(line, headersOf(most + 1)), config)).toMatchObject({ status: 431 });
});
