import { describe, expect, test } from "@jest/globals";
import { DEFAULTS, readInputs, readSecrets } from "../../src/step/inputs.ts";
import { createAuthority } from "../fixtures/certificates.ts";

/** Reads as @actions/core does: trimmed, empty if not given. */
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
const both = `${first}\n${second}`;
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

  test("names both credentials if both are empty", () => {
    const both = source({ "app-id": "", "api-key": " " });
    expect(() => readInputs(both)).toThrow(
      failure("app-id and api-key are empty", /Check the secret's name/),
    );
  });

  test.each([
    {
      name: "api-url",
      value: "https://armor.corp.example",
      expected: { apiUrl: "https://armor.corp.example" },
    },
    {
      name: "api-url",
      value: "https://armor.corp.example/",
      expected: { apiUrl: "https://armor.corp.example" },
    },
    {
      name: "api-url",
      value: "https://armor.corp.example//",
      expected: { apiUrl: "https://armor.corp.example" },
    },
    {
      name: "api-url",
      value: "https://a.example:8443/base/",
      expected: { apiUrl: "https://a.example:8443/base" },
    },
    {
      name: "api-url",
      value: "https://a.example/base/api/",
      expected: { apiUrl: "https://a.example/base/api" },
    },
    {
      name: "api-url",
      value: "HTTPS://Armor.Corp.Example",
      expected: { apiUrl: "https://armor.corp.example" },
    },
    {
      name: "api-url",
      value: "https://[2001:db8::1]",
      expected: { apiUrl: "https://[2001:db8::1]" },
    },
    {
      name: "api-url",
      value: "http://127.0.0.1:8080",
      expected: { apiUrl: "http://127.0.0.1:8080" },
    },
    { name: "api-url", value: "http://127.9.9.9", expected: { apiUrl: "http://127.9.9.9" } },
    { name: "api-url", value: "http://localhost:80", expected: { apiUrl: "http://localhost" } },
    { name: "api-url", value: "http://[::1]:9", expected: { apiUrl: "http://[::1]:9" } },
    { name: "timeout", value: "1", expected: { timeoutMs: 1_000 } },
    { name: "timeout", value: "007", expected: { timeoutMs: 7_000 } },
    { name: "timeout", value: "300", expected: { timeoutMs: 300_000 } },
    { name: "gateway-paths", value: "", expected: { gatewayPaths: ["/api/v1/discovery/"] } },
    {
      name: "gateway-paths",
      value: " \n\r\n ",
      expected: { gatewayPaths: ["/api/v1/discovery/"] },
    },
    {
      name: "gateway-paths",
      value: "/api/v1/discovery/scans",
      expected: { gatewayPaths: ["/api/v1/discovery/scans"] },
    },
    {
      name: "gateway-paths",
      value: "\n  /api/v1/a/ \r\n\n/api/v1/x\n",
      expected: { gatewayPaths: ["/api/v1/a/", "/api/v1/x"] },
    },
    ...["true", "True", "TRUE"].flatMap((value) => booleans(value, true)),
    ...["false", "False", "FALSE"].flatMap((value) => booleans(value, false)),
  ])("reads $name: $value", ({ name, value, expected }) => {
    expect(reading(name, value)()).toMatchObject(expected);
  });

  test("takes one certificate, several, text between them, and line ends of Windows", () => {
    expect(reading("ca-certificate", first)().certificates).toEqual([first]);
    const several = `# Corp CA - first\n${first}\r\n\nsubject=Second\n${second}\n`;
    expect(reading("ca-certificate", several)().certificates).toEqual([first, second]);
    expect(reading("ca-certificate", first.replaceAll("\n", "\r\n"))().certificates).toHaveLength(
      1,
    );
  });

  test.each([
    { form: "\\n in place of line ends", text: `${first}\n${second}`.replaceAll("\n", "\\n") },
    { form: "\\r\\n in place of line ends", text: first.replaceAll("\n", "\\r\\n") + second },
    { form: "all on one line", text: `${first}${second}`.replaceAll("\n", "") },
    { form: "folded to blanks", text: `${first} ${second}`.replaceAll("\n", " ") },
    { form: "indented", text: `${first}\n${second}`.replaceAll("\n", "\n\t    ") },
    { form: "with line ends of Windows", text: `${first}\n${second}`.replaceAll("\n", "\r\n") },
    { form: "with blank lines", text: `${first}\n${second}`.replaceAll("\n", "\n\n") },
    { form: "indented by escaped tabs", text: both.replaceAll("\n", "\\n\\t") },
    { form: "escaped as JSON may", text: both.replaceAll("\n", "\\u000D\\u000a") },
    { form: "escaped as of a workflow command", text: both.replaceAll("\n", "%0D%0A") },
    { form: "on lines that go on", text: both.replaceAll("\n", "\\\n") },
    { form: "a list of lines", text: both.replaceAll("\n", '",\n"') },
    { form: "JSON of a program that escapes slashes", text: both.replaceAll("/", "\\/") },
    { form: "of an older name", text: both.replaceAll(" CERT", " X509 CERT") },
    { form: "pasted with invisible signs", text: both.replaceAll("\n", "\u200b\n") },
  ])("takes certificates that are $form", ({ text }) => {
    expect(reading("ca-certificate", text)().certificates).toEqual([first, second]);
  });

  interface Refused {
    readonly input: string;
    readonly problem: string;
    readonly values: readonly string[];
    readonly remedy: string | RegExp;
  }
  const CONTROL_PROBLEM = "contains a line break or another control character";
  const DEFINE_SECRET =
    /^Check the secret's name\. If it is stored in an environment, .*"environment: NAME"/;
  const STORE_AGAIN = /Store the secret again: the value that Armor shows, on one line/;
  const GIVE_URL = /Give https:\/\/ and a host name, such as https:/;
  const GIVE_PEM = /Give the text of one or more PEM certificates, each from -----BEGIN/;
  const GIVE_PATH = /Give one path a line, such as \/api\//;

  test.each<Refused>([
    { input: "app-id", problem: "app-id is empty", values: ["", "  \n "], remedy: DEFINE_SECRET },
    { input: "api-key", problem: "api-key is empty", values: ["", "  \n "], remedy: DEFINE_SECRET },
    {
      input: "app-id",
      problem: `app-id ${CONTROL_PROBLEM}`,
      values: ["a\nb", "a\rb", "a\0b", "a\tb", "a\u007fb", "a\u0085b"],
      remedy: STORE_AGAIN,
    },
    {
      input: "api-key",
      problem: `api-key ${CONTROL_PROBLEM}`,
      values: ["12345678\nb", "12345678\u2028b", "12345678\ud800b"],
      remedy: STORE_AGAIN,
    },
    {
      input: "app-id",
      problem: "app-id is longer than 4096 characters",
      values: ["x".repeat(5_000)],
      remedy: STORE_AGAIN,
    },
    {
      input: "api-key",
      problem: "api-key is longer than 4096 characters",
      values: ["x".repeat(100_000)],
      remedy: STORE_AGAIN,
    },
    {
      input: "api-key",
      problem: "api-key is shorter than 8 characters",
      values: ["1234567"],
      remedy: /cut off.*Store the secret again/,
    },
    { input: "api-url", problem: "api-url is empty", values: [""], remedy: GIVE_URL },
    {
      input: "api-url",
      problem: "api-url is not an absolute URL",
      values: [
        "armor.corp.example",
        "/api",
        "//a.example",
        "https://",
        "https://armor\n.corp.example",
      ],
      remedy: GIVE_URL,
    },
    {
      input: "api-url",
      problem: "api-url does not start with https://",
      values: [
        "http://armor.corp.example",
        "ftp://a.example",
        "file:///etc/passwd",
        "localhost:80",
      ],
      remedy: GIVE_URL,
    },
    {
      input: "api-url", // http is for loopback hosts only, and these look like one
      problem: "api-url does not start with https://",
      values: [
        "http://128.0.0.1",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "ftp://localhost",
      ],
      remedy: GIVE_URL,
    },
    {
      input: "api-url",
      problem: "api-url contains a user name or password",
      values: ["https://user@a.example", "https://:Passw0rd@a.example"],
      remedy: GIVE_URL,
    },
    {
      input: "api-url",
      problem: "api-url contains a query or a fragment",
      values: ["https://a.example?x", "https://a.example/?", "https://a.example/#"],
      remedy: GIVE_URL,
    },
    {
      input: "api-url",
      problem: "api-url has a path that begins with /api",
      values: ["https://a.example/api", "https://a.example//api/v1/"],
      remedy: GIVE_URL,
    },
    {
      input: "timeout",
      problem: "timeout is not a whole number from 1 to 300",
      values: ["", "abc", "0", "-1", "301", "9999", "1e9", "1.5", "1s", "0x10", "١"],
      remedy: "Give seconds, or leave the input out for 30.",
    },
    {
      input: "gateway-paths",
      problem: "path 1 of 1 has no slash at its beginning",
      values: ["api/v1"],
      remedy: GIVE_PATH,
    },
    {
      input: "gateway-paths",
      problem: "path 2 of 2 has two slashes in a row",
      values: ["/api/ok/\n/api//x"],
      remedy: GIVE_PATH,
    },
    {
      input: "gateway-paths",
      problem: "path 1 of 1 has an encoded character",
      values: ["/api/%2e"],
      remedy: GIVE_PATH,
    },
    {
      input: "gateway-paths",
      problem: "path 1 of 1 has a segment that begins with a dot",
      values: ["/api/../x"],
      remedy: GIVE_PATH,
    },
    {
      input: "gateway-paths",
      problem: "path 1 of 1 has a character other than",
      values: ["/api/v1/*", "/api/v1/x?y"],
      remedy: GIVE_PATH,
    },
    {
      input: "gateway-paths",
      problem: "path 1 of 1 has no /api/ at its beginning",
      values: ["/", "/apiary/"],
      remedy: GIVE_PATH,
    },
    {
      input: "ca-certificate",
      problem: "ca-certificate is not PEM",
      values: ["/etc/ssl/corp.pem", first.slice(0, -30), `${first}\n${second.slice(0, -30)}`],
      remedy: GIVE_PEM,
    },
    {
      input: "ca-certificate",
      problem: "certificate 1 of 1 cannot be read",
      values: [EMPTY],
      remedy: GIVE_PEM,
    },
    {
      input: "ca-certificate",
      problem: "certificate 2 of 2 cannot be read",
      values: [`${first}\n${EMPTY}`],
      remedy: GIVE_PEM,
    },
    {
      input: "ca-certificate",
      problem: "ca-certificate contains a private key",
      values: [`${first}\n${key}`],
      remedy: /Consider that key compromised/,
    },
    {
      input: "keep-fresh",
      problem: "keep-fresh is neither true nor false",
      values: ["", "yes", "tRue", "untrue", "falsely"],
      remedy: "leave the input out for false",
    },
    {
      input: "export-environment",
      problem: "export-environment is neither true nor false",
      values: ["", "true false"],
      remedy: "leave the input out for true",
    },
    {
      input: "terminate-session",
      problem: "terminate-session is neither true nor false",
      values: ["", "no"],
      remedy: "leave the input out for true",
    },
  ])("refuses $input if $problem", ({ input, problem, values, remedy }) => {
    for (const value of values) {
      expect(reading(input, value)).toThrow(failure(problem, remedy));
      expect(reading(input, value)).not.toThrow(/Passw0rd|1234567|xxxxx|\p{Cc}/u);
    }
  });
});

/** A row for each input that is yes or no. */
function booleans(value: string, expected: boolean) {
  return [
    { name: "keep-fresh", value, expected: { keepFresh: expected } },
    { name: "export-environment", value, expected: { exportEnvironment: expected } },
    { name: "terminate-session", value, expected: { terminateSession: expected } },
  ];
}
