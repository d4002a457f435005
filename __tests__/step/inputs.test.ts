import { beforeAll, describe, expect, test } from "@jest/globals";
import { DEFAULTS, readInputs, readSecrets } from "../../src/step/inputs.ts";
import { createAuthority } from "../fixtures/certificates.ts";

const GOOD = { "app-id": "id", "api-key": "key-of-the-app", ...DEFAULTS };

/** Reads as @actions/core does: trimmed, empty where not given. */
function source(changes: Readonly<Record<string, string>> = {}) {
  const values: Readonly<Record<string, string>> = { ...GOOD, ...changes };
  return { getInput: (name: string) => (values[name] ?? "").trim() };
}

function reading(name: string, value: string) {
  return () => readInputs(source({ [name]: value }));
}

describe("readInputs", () => {
  test("gives what the defaults mean", () => {
    expect(readInputs(source())).toEqual({
      credentials: { appId: "id", apiKey: "key-of-the-app" },
      apiUrl: "https://api.armor.fortanix.com",
      certificates: [],
      timeoutMs: 30_000,
      keepFresh: false,
      gatewayPaths: ["/api/v1/discovery/"],
      exportEnvironment: true,
      terminateSession: true,
    });
  });

  test("forgives white space around credentials", () => {
    const spaced = source({ "app-id": " id\n", "api-key": "\tkey-of-the-app \r\n" });
    expect(readInputs(spaced).credentials).toEqual({ appId: "id", apiKey: "key-of-the-app" });
    expect(readSecrets(spaced)).toContain("key-of-the-app");
  });

  test.each(["app-id", "api-key"])("%s: refuses nothing, and says the usual cause", (name) => {
    for (const value of ["", "  \n "]) {
      expect(reading(name, value)).toThrow(
        expect.objectContaining({
          code: "input_invalid",
          message: expect.stringMatching(
            new RegExp(`^${name} is empty\\. .*secret is not defined.*fork.*Dependabot`),
          ),
        }),
      );
    }
  });

  test("names both where both are empty", () => {
    expect(() => readInputs(source({ "app-id": "", "api-key": " " }))).toThrow(
      /^app-id and api-key are empty\. .*secret is not defined/,
    );
  });

  test.each([
    ["api-key", "1234567", "api-key is shorter than 8 characters"],
    ["api-key", "x".repeat(100_000), "api-key is longer than 4096 characters"],
    ["app-id", "x".repeat(5_000), "app-id is longer than 4096 characters"],
  ])("%s: refuses %#, without repeating it", (name, value, problem) => {
    expect(reading(name, value)).toThrow(expect.objectContaining({ code: "input_invalid", problem }));
    expect(reading(name, value)).not.toThrow(value);
  });

  test.each([
    ["", ["/api/v1/discovery/"]],
    [" \n\r\n ", ["/api/v1/discovery/"]],
    ["/api/v1/discovery/scans", ["/api/v1/discovery/scans"]],
    ["\n  /api/v1/discovery/scans/ \r\n\n/api/v1/x\n", ["/api/v1/discovery/scans/", "/api/v1/x"]],
  ])("gateway-paths: %j is %j", (value, expected) => {
    expect(reading("gateway-paths", value)().gatewayPaths).toEqual(expected);
  });

  test.each([
    ["api/v1", "path 1 of 1 has no slash at its beginning"],
    ["/api/ok/\n/api//x", "path 2 of 2 has two slashes in a row"],
    ["/api/%2e", "path 1 of 1 has an encoded character"],
    ["/api/../x", "path 1 of 1 has a segment that begins with a dot"],
    ["/api/v1/*", "path 1 of 1 has a character other than"],
    ["/api/v1/x?y", "path 1 of 1 has a character other than"],
    ["/", "path 1 of 1 has no /api/ at its beginning"],
    ["/apiary/", "path 1 of 1 has no /api/ at its beginning"],
  ])("gateway-paths: refuses %j", (value, problem) => {
    expect(reading("gateway-paths", value)).toThrow(problem);
  });

  test.each(["app-id", "api-key"])("%s: refuses control characters, without repeating them", (name) => {
    for (const control of ["\n", "\r", "\0", "\t", "\u007f", "\u0085", "\u2028", "\ud800"]) {
      expect(reading(name, `abc${control}def`)).toThrow(
        `${name} contains a line break or another control character. Store the secret again, as one line.`,
      );
    }
  });

  test.each([
    ["https://armor.corp.example", "https://armor.corp.example"],
    ["https://armor.corp.example/", "https://armor.corp.example"],
    ["https://armor.corp.example//", "https://armor.corp.example"],
    ["https://armor.corp.example:8443/base/", "https://armor.corp.example:8443/base"],
    ["HTTPS://Armor.Corp.Example", "https://armor.corp.example"],
    ["https://[2001:db8::1]", "https://[2001:db8::1]"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
    ["http://127.9.9.9", "http://127.9.9.9"],
    ["http://localhost:80", "http://localhost"],
    ["http://[::1]:9", "http://[::1]:9"],
  ])("api-url: %s is %s", (value, expected) => {
    expect(reading("api-url", value)().apiUrl).toBe(expected);
  });

  test.each([
    ["", "api-url is empty"],
    ["armor.corp.example", "api-url is not an absolute URL"],
    ["/api", "api-url is not an absolute URL"],
    ["//armor.corp.example", "api-url is not an absolute URL"],
    ["https://", "api-url is not an absolute URL"],
    ["https://armor\n.corp.example", "api-url is not an absolute URL"],
    ["http://armor.corp.example", "api-url does not start with https://"],
    ["http://127.0.0.1.evil.example", "api-url does not start with https://"],
    ["http://localhost.evil.example", "api-url does not start with https://"],
    ["http://128.0.0.1", "api-url does not start with https://"],
    ["ftp://armor.corp.example", "api-url does not start with https://"],
    ["file:///etc/passwd", "api-url does not start with https://"],
    ["localhost:8080", "api-url does not start with https://"],
    ["https://user@armor.corp.example", "api-url contains a user name or password"],
    ["https://user:Passw0rd@armor.corp.example", "api-url contains a user name or password"],
    ["https://armor.corp.example?x=1", "api-url contains a query or a fragment"],
    ["https://armor.corp.example/?", "api-url contains a query or a fragment"],
    ["https://armor.corp.example/#x", "api-url contains a query or a fragment"],
    ["https://armor.corp.example/api", "api-url has a path that begins with /api"],
    ["https://armor.corp.example/api/v1/", "api-url has a path that begins with /api"],
  ])("api-url: refuses %p", (value, problem) => {
    expect(reading("api-url", value)).toThrow(
      expect.objectContaining({
        code: "input_invalid",
        problem,
        remedy: expect.stringContaining("Give https:// and a host name"),
      }),
    );
    expect(reading("api-url", value)).not.toThrow("Passw0rd");
  });

  test.each([
    ["1", 1_000],
    ["007", 7_000],
    ["300", 300_000],
  ])("timeout: %s is %i ms", (value, expected) => {
    expect(reading("timeout", value)().timeoutMs).toBe(expected);
  });

  test.each(["", "abc", "0", "-1", "301", "9999", "1e9", "1.5", "1s", "0x10", "١"])(
    "timeout: refuses %p",
    (value) => {
      expect(reading("timeout", value)).toThrow(
        "timeout is not a whole number from 1 to 300. Give seconds, or leave the input out for 30.",
      );
    },
  );

  describe.each([
    ["keep-fresh", "keepFresh"],
    ["export-environment", "exportEnvironment"],
    ["terminate-session", "terminateSession"],
  ] as const)("%s", (name, field) => {
    test.each(["true", "True", "TRUE"])("%s is true", (value) => {
      expect(reading(name, value)()[field]).toBe(true);
    });

    test.each(["false", "False", "FALSE"])("%s is false", (value) => {
      expect(reading(name, value)()[field]).toBe(false);
    });

    test.each(["", "yes", "1", "tRue", "true false"])("refuses %p", (value) => {
      expect(reading(name, value)).toThrow(
        `${name} is neither true nor false. Give one of them, or leave the input out for ${DEFAULTS[name]}.`,
      );
    });
  });
});

describe("ca-certificate", () => {
  let first = "";
  let second = "";
  let key = "";

  beforeAll(async () => {
    const authority = await createAuthority("First");
    first = authority.certificate.trim();
    second = (await createAuthority("Second")).certificate.trim();
    key = (await authority.sign(["x.example"])).key;
  });

  test("takes one, several, and text between them", () => {
    expect(reading("ca-certificate", first)().certificates).toEqual([first]);
    const several = `# Corp CA - first\n${first}\r\n\nsubject=Second\n${second}\n`;
    expect(reading("ca-certificate", several)().certificates).toEqual([first, second]);
  });

  test("takes line ends of Windows", () => {
    expect(reading("ca-certificate", first.replaceAll("\n", "\r\n"))().certificates).toHaveLength(1);
  });

  test.each([
    ["a path", () => "/etc/ssl/corp.pem", "ca-certificate is not PEM"],
    ["a certificate without its end", () => first.slice(0, -30), "ca-certificate is not PEM"],
    ["escaped line ends", () => first.replaceAll("\n", "\\n"), "certificate 1 of 1 cannot be read"],
    ["a torn one behind a whole one", () => `${first}\n${second.slice(0, -30)}`, "ca-certificate is not PEM"],
    ["a certificate of nothing", () => `${first}\n${empty}`, "certificate 2 of 2 cannot be read"],
    ["a private key", () => `${first}\n${key}`, "ca-certificate contains a private key"],
  ])("refuses %s", (_, value, problem) => {
    expect(reading("ca-certificate", value())).toThrow(
      expect.objectContaining({ code: "input_invalid", message: expect.stringContaining(problem) }),
    );
  });

  const empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
});
