// The guard's verdicts, pure: texts that a user reads, and a property for any request line and headers.

import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { allowedTarget, authorize, isRefusal, pathFault, type RequestHead } from "../../src/agent/guard.ts";
import { anyText, holds, trickyText } from "../fixtures/property.ts";

const config = {
  host: "127.0.0.1:4711",
  capability: "gateway-capability-gateway",
  controlCapability: "control-capability-control",
  gatewayPaths: ["/api/v1/discovery/", "/api/v1/exact"],
};
const HOST = ["Host", config.host];

function head(target: string, { method = "GET", headers = HOST as readonly string[] } = {}): RequestHead {
  return { method, target, rawHeaders: headers };
}

describe("authorize", () => {
  test.each<[string, RequestHead, object]>([
    [
      "a listed path",
      head(`/${config.capability}/api/v1/discovery/x?y`),
      { route: "gateway", target: "/api/v1/discovery/x?y" },
    ],
    [
      "HEAD",
      head(`/${config.capability}/api/v1/exact`, { method: "HEAD" }),
      { route: "gateway", target: "/api/v1/exact" },
    ],
    ["the token", head(`/${config.controlCapability}/token`), { route: "token" }],
    ["the stop", head(`/${config.controlCapability}/stop`, { method: "POST" }), { route: "stop" }],
    [
      "its own Referer",
      head(`/${config.controlCapability}/token`, {
        headers: [...HOST, "referer", `http://${config.host}/x`],
      }),
      { route: "token" },
    ],
    [
      "a value that looks like a name",
      head(`/${config.controlCapability}/token`, { headers: [...HOST, "X", "Origin"] }),
      { route: "token" },
    ],
  ])("admits %s", (_, asked, expected) => {
    expect(authorize(asked, config)).toEqual(expected);
  });

  test.each<[string, RequestHead, number, RegExp, boolean]>([
    [
      "a POST",
      head(`/${config.capability}/api/v1/discovery/x`, { method: "POST" }),
      405,
      /armor-token/,
      true,
    ],
    [
      "a path that is not listed",
      head(`/${config.capability}/api/v1/iam`),
      403,
      /gateway-paths: \/api\/v1\/discovery\/, \/api\/v1\/exact/,
      true,
    ],
    ["a path below an exact one", head(`/${config.capability}/api/v1/exact/x`), 403, /gateway-paths/, true],
    [
      "two slashes",
      head(`/${config.capability}//api/v1/discovery/x`),
      400,
      /two slashes.*end of the base address/,
      true,
    ],
    [
      "an encoded character",
      head(`/${config.capability}/api/v1/discovery/%41`),
      400,
      /encoded character \(%\)/,
      true,
    ],
    [
      "a query with a blank",
      head(`/${config.capability}/api/v1/discovery/x?a b`),
      400,
      /query.*percent-encoded/,
      true,
    ],
    [
      "a body",
      head(`/${config.capability}/api/v1/discovery/x`, { headers: [...HOST, "Content_Length", "1"] }),
      400,
      /no body/,
      true,
    ],
    [
      "an unknown control route",
      head(`/${config.controlCapability}/api/v1/discovery/x`),
      404,
      /GET \/token and POST \/stop/,
      true,
    ],
    ["a wrong capability", head("/wrong/api/v1/discovery/x"), 403, /ARMOR_GATEWAY_URL as it is/, false],
    [
      "a proxy's header",
      head(`/${config.capability}/x`, { headers: [...HOST, "X_Real_IP", "1"] }),
      403,
      /proxy \(header x-real-ip\).*no_proxy and NO_PROXY/,
      true,
    ],
    [
      "a browser's header",
      head("/wrong/x", { headers: [...HOST, "Origin", ""] }),
      403,
      /header origin.*web page/,
      false,
    ],
    [
      "a proxy's header before a browser's",
      head("/x", { headers: [...HOST, "Via", "x", "Origin", ""] }),
      403,
      /proxy/,
      false,
    ],
    ["no Host", head(`/${config.capability}/x`, { headers: [] }), 403, /Host header/, true],
  ])("refuses %s, and says so", (_, asked, status, text, isFromJob) => {
    const verdict = authorize(asked, config);
    expect(verdict).toMatchObject({ status, description: expect.stringMatching(text), isFromJob });
  });
});

describe("pathFault", () => {
  test.each([
    ["", "no slash at its beginning"],
    ["api", "no slash at its beginning"],
    ["//", "two slashes in a row: is there one at the end of the base address?"],
    ["/%", "an encoded character (%)"],
    ["/a/.b", "a segment that begins with a dot"],
    ["/a;b", "a character other than A-Z a-z 0-9 - . _ ~ : @"],
    ["/a\n", "a character other than A-Z a-z 0-9 - . _ ~ : @"],
    ["/", undefined],
    ["/a.b/c", undefined],
  ])("of %j is %s", (path, fault) => {
    expect(pathFault(path)).toBe(fault);
  });
});

const mostly = <T>(usual: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });
const segment = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("api", "v1", "discovery", "exact", "iam", "a.b", "") },
  fc.constantFrom(
    "..",
    ".",
    "...",
    "%2e%2e",
    "%252e",
    "..;",
    ";..",
    "%2f",
    "\\",
    "%",
    "#",
    "?",
    "?x=/..",
    "*",
    "@",
  ),
  anyText,
  trickyText,
);
const path = fc.array(segment, { maxLength: 6 }).map((segments) => segments.join("/"));
const target = fc
  .tuple(
    mostly(config.capability, fc.constantFrom(config.controlCapability, "", config.capability.toUpperCase())),
    fc.oneof(
      path.map((rest) => `/api/v1/discovery/${rest}`),
      path.map((rest) => `/${rest}`),
      fc.constantFrom("/token", "/stop", "/token?x", "/api/v1/exact", ""),
    ),
  )
  .map(([capability, rest]) => `/${capability}${rest}`);
const header = fc.tuple(
  fc.constantFrom(
    "Accept",
    "Origin",
    "X_Forwarded_For",
    "via",
    "HOST",
    "Content-Length",
    "Transfer-Encoding",
    "Referer",
  ),
  fc.constantFrom("", "0", "1", "chunked", config.host, `http://${config.host}/`),
);
const request: fc.Arbitrary<RequestHead> = fc.record({
  method: fc.oneof(fc.constantFrom("GET", "POST", "HEAD", "DELETE", "get"), anyText),
  target,
  rawHeaders: fc
    .tuple(
      mostly<string[]>([...HOST], fc.constantFrom<string[][]>([], ["Host", "other.example"])),
      mostly(
        [],
        fc.array(header, { maxLength: 3 }).map((all) => all.flat()),
      ),
    )
    .map(([host, others]) => [...host, ...others]),
});

holds(
  "for any request line and headers, admits what is described here in other words, and nothing else",
  fc.property(request, (made) => {
    const verdict = authorize(made, config);
    if (isRefusal(verdict)) {
      expect(verdict.description).not.toContain(config.capability);
      expect(verdict.description).not.toContain(config.controlCapability);
      expect([400, 403, 404, 405]).toContain(verdict.status);
      return;
    }
    const names = made.rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
    expect(names.filter((name) => name === "host")).toHaveLength(1);
    for (const name of ["origin", "x_forwarded_for", "via"]) expect(names).not.toContain(name);
    if (verdict.route !== "gateway") {
      const [method, route] = verdict.route === "token" ? ["GET", "/token"] : ["POST", "/stop"];
      expect([made.method, made.target]).toEqual([method, `/${config.controlCapability}${route}`]);
      return;
    }
    expect(["GET", "HEAD"]).toContain(made.method);
    expect(names).not.toContain("transfer-encoding");
    expect(made.target).toBe(`/${config.capability}${verdict.target}`);
    expectPlain(verdict.target);
  }),
);

holds(
  "for any redirect target, what is allowed is read alike by everybody, and listed",
  fc.property(
    fc.oneof(
      path,
      path.map((rest) => `/api/v1/discovery/${rest}`),
    ),
    (made) => {
      const allowed = allowedTarget(made, config.gatewayPaths);
      if (typeof allowed !== "string") return;
      expect(allowed).toBe(made);
      expectPlain(allowed);
    },
  ),
);

/** Nothing to decode, no dot segment, and a URL parser finds the same path in it. */
function expectPlain(allowed: string): void {
  const [path = ""] = allowed.split("?");
  expect(path).toMatch(/^(\/[A-Za-z0-9_~:@-][A-Za-z0-9._~:@-]*)+\/?$/);
  expect(path === "/api/v1/exact" || path.startsWith("/api/v1/discovery/")).toBe(true);
  expect(new URL(`https://armor.example${allowed}`)).toMatchObject({ pathname: path, hash: "" });
}
