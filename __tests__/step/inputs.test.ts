import { describe, expect, test } from "@jest/globals";
import { DEFAULTS, readInputs, readSecrets } from "../../src/step/inputs.ts";
import { createAuthority } from "../fixtures/certificates.ts";

/** Reads as @actions/core does: trimmed, empty where not given. */
function source(changes: Readonly<Record<string, string>> = {}) {
  const values: Record<string, string> = {
    "app-id": "id",
    "api-key": "key-of-the-app",
    ...DEFAULTS,
    ...changes,
  };
  return (name: string) => (values[name] ?? "").trim();
}

const reading = (name: string, value: string) => () => readInputs(source({ [name]: value }));
const failure = (problem: string, remedy: string | RegExp) =>
  expect.objectContaining({
    code: "input_invalid",
    problem: expect.stringContaining(problem),
    remedy: expect.stringMatching(remedy),
  });

const authority = await createAuthority("First");
const first = authority.certificate.trim();
const second = (await createAuthority("Second")).certificate.trim();
const { key } = await authority.sign(["x.example"]);
const EMPTY = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";

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
    expect(readSecrets(spaced)).toContain(btoa("id:key-of-the-app"));
  });

  test("takes credentials that are as short and as long as can be", () => {
    expect(reading("api-key", "12345678")().credentials.apiKey).toBe("12345678");
    expect(readSecrets(source({ "api-key": "12345678" }))).toContain("12345678");
    expect(reading("app-id", "x".repeat(4_096))().credentials.appId).toHaveLength(4_096);
  });

  test("names both credentials where both are empty", () => {
    const both = source({ "app-id": "", "api-key": " " });
    expect(() => readInputs(both)).toThrow(failure("app-id and api-key are empty", /secret is not defined/));
  });

  test.each([
    ["api-url", "https://armor.corp.example", { apiUrl: "https://armor.corp.example" }],
    ["api-url", "https://armor.corp.example/", { apiUrl: "https://armor.corp.example" }],
    ["api-url", "https://armor.corp.example//", { apiUrl: "https://armor.corp.example" }],
    ["api-url", "https://a.example:8443/base/", { apiUrl: "https://a.example:8443/base" }],
    ["api-url", "https://a.example/base/api/", { apiUrl: "https://a.example/base/api" }],
    ["api-url", "HTTPS://Armor.Corp.Example", { apiUrl: "https://armor.corp.example" }],
    ["api-url", "https://[2001:db8::1]", { apiUrl: "https://[2001:db8::1]" }],
    ["api-url", "http://127.0.0.1:8080", { apiUrl: "http://127.0.0.1:8080" }],
    ["api-url", "http://127.9.9.9", { apiUrl: "http://127.9.9.9" }],
    ["api-url", "http://localhost:80", { apiUrl: "http://localhost" }],
    ["api-url", "http://[::1]:9", { apiUrl: "http://[::1]:9" }],
    ["timeout", "1", { timeoutMs: 1_000 }],
    ["timeout", "007", { timeoutMs: 7_000 }],
    ["timeout", "300", { timeoutMs: 300_000 }],
    ["gateway-paths", "", { gatewayPaths: ["/api/v1/discovery/"] }],
    ["gateway-paths", " \n\r\n ", { gatewayPaths: ["/api/v1/discovery/"] }],
    ["gateway-paths", "/api/v1/discovery/scans", { gatewayPaths: ["/api/v1/discovery/scans"] }],
    ["gateway-paths", "\n  /api/v1/a/ \r\n\n/api/v1/x\n", { gatewayPaths: ["/api/v1/a/", "/api/v1/x"] }],
    ...["true", "True", "TRUE"].flatMap((value) => booleans(value, true)),
    ...["false", "False", "FALSE"].flatMap((value) => booleans(value, false)),
  ])("reads %s: %j", (name, value, expected) => {
    expect(reading(name, value)()).toMatchObject(expected);
  });

  test("takes one certificate, several, text between them, and line ends of Windows", () => {
    expect(reading("ca-certificate", first)().certificates).toEqual([first]);
    const several = `# Corp CA - first\n${first}\r\n\nsubject=Second\n${second}\n`;
    expect(reading("ca-certificate", several)().certificates).toEqual([first, second]);
    expect(reading("ca-certificate", first.replaceAll("\n", "\r\n"))().certificates).toHaveLength(1);
  });

  const usual = /secret is not defined.*fork.*Dependabot/;
  const line = "contains a line break or another control character";
  const url = /Give https:\/\/ and a host name, such as https:/;
  const pem = /Give the text of one or more PEM certificates, each from -----BEGIN/;
  const again = "Store the secret again";
  const path = /Give one path a line, such as \/api\//;
  test.each<[string, string, readonly string[], string | RegExp]>([
    ["app-id", "app-id is empty", ["", "  \n "], usual],
    ["api-key", "api-key is empty", ["", "  \n "], usual],
    ["app-id", `app-id ${line}`, ["a\nb", "a\rb", "a\0b", "a\tb", "a\u007fb", "a\u0085b"], "on one line"],
    ["api-key", `api-key ${line}`, ["12345678\nb", "12345678\u2028b", "12345678\ud800b"], "on one line"],
    ["app-id", "app-id is longer than 4096 characters", ["x".repeat(5_000)], `${again}: the value`],
    ["api-key", "api-key is longer than 4096 characters", ["x".repeat(100_000)], `${again}: the value`],
    ["api-key", "api-key is shorter than 8 characters", ["1234567"], `cut off.*${again}`],
    ["api-url", "api-url is empty", [""], url],
    ["api-url", "is not an absolute URL", ["armor.corp.example", "/api", "//a.example", "https://"], url],
    ["api-url", "is not an absolute URL", ["https://armor\n.corp.example"], url],
    ["api-url", "does not start with https://", ["http://armor.corp.example", "http://128.0.0.1"], url],
    ["api-url", "does not start with https://", ["http://127.0.0.1.evil.example"], url],
    ["api-url", "does not start with https://", ["http://localhost.evil.example", "localhost:80"], url],
    [
      "api-url",
      "does not start with https://",
      ["ftp://a.example", "ftp://localhost", "file:///etc/passwd"],
      url,
    ],
    ["api-url", "a user name or password", ["https://user@a.example", "https://:Passw0rd@a.example"], url],
    ["api-url", "a query or a", ["https://a.example?x", "https://a.example/?", "https://a.example/#"], url],
    ["api-url", "a path that begins with /api", ["https://a.example/api", "https://a.example//api/v1/"], url],
    ["timeout", "is not a whole number from 1 to 300", ["", "abc", "0", "-1", "301", "9999"], "out for 30"],
    ["timeout", "timeout is not a whole number from 1 to 300", ["1e9", "1.5", "1s", "0x10", "١"], ""],
    ["gateway-paths", "path 1 of 1 has no slash at its beginning", ["api/v1"], path],
    ["gateway-paths", "path 2 of 2 has two slashes in a row", ["/api/ok/\n/api//x"], ""],
    ["gateway-paths", "path 1 of 1 has an encoded character", ["/api/%2e"], ""],
    ["gateway-paths", "path 1 of 1 has a segment that begins with a dot", ["/api/../x"], ""],
    ["gateway-paths", "path 1 of 1 has a character other than", ["/api/v1/*", "/api/v1/x?y"], ""],
    ["gateway-paths", "path 1 of 1 has no /api/ at its beginning", ["/", "/apiary/"], ""],
    ["ca-certificate", "ca-certificate is not PEM", ["/etc/ssl/corp.pem", first.slice(0, -30)], pem],
    ["ca-certificate", "ca-certificate is not PEM", [`${first}\n${second.slice(0, -30)}`], pem],
    ["ca-certificate", "certificate 1 of 1 cannot be read", [first.replaceAll("\n", "\\n")], pem],
    ["ca-certificate", "certificate 2 of 2 cannot be read", [`${first}\n${EMPTY}`], pem],
    ["ca-certificate", "ca-certificate contains a private key", [`${first}\n${key}`], /compromised/],
    [
      "keep-fresh",
      "is neither true nor false",
      ["", "yes", "tRue", "untrue", "falsely"],
      "leave the input out for false",
    ],
    ["export-environment", "is neither true nor false", ["", "true false"], "leave the input out for true"],
    ["terminate-session", "is neither true nor false", ["", "no"], "leave the input out for true"],
  ])("refuses %s: %s", (name, problem, values, remedy) => {
    for (const value of values) {
      expect(reading(name, value)).toThrow(failure(problem, remedy));
      expect(reading(name, value)).not.toThrow(/Passw0rd|1234567|xxxxx|\p{Cc}/u);
    }
  });
});

function booleans(value: string, expected: boolean): [string, string, object][] {
  return [
    ["keep-fresh", value, { keepFresh: expected }],
    ["export-environment", value, { exportEnvironment: expected }],
    ["terminate-session", value, { terminateSession: expected }],
  ];
}
