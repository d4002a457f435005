// What the agent gets of the job's environment and NODE_OPTIONS, and what it does not get.

import { delimiter, resolve } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { agentEnvironment, allowedNodeFlags } from "../../src/agent-client/inherit.ts";

describe("of the environment, the agent gets", () => {
  const list = (...paths: string[]) => paths.join(delimiter);

  interface Row {
    readonly name: string;
    readonly value: string;
    readonly gets: string;
  }
  test.each<Row>([
    { name: "NODE_EXTRA_CA_CERTS", value: "ca.pem", gets: resolve("ca.pem") },
    { name: "SSL_CERT_FILE", value: "ca.pem", gets: resolve("ca.pem") },
    { name: "SSL_CERT_DIR", value: list("a", "b"), gets: list(resolve("a"), resolve("b")) },
    // OpenSSL passes over an empty entry: what lies in the working folder must not become an authority.
    { name: "SSL_CERT_DIR", value: list("", "a", "", ""), gets: resolve("a") },
    { name: "OPENSSL_CONF", value: "x/openssl.cnf", gets: resolve("x/openssl.cnf") },
    { name: "OPENSSL_MODULES", value: "modules", gets: resolve("modules") },
    { name: "LD_LIBRARY_PATH", value: list("lib", ""), gets: list(resolve("lib"), resolve("")) },
    { name: "LD_LIBRARY_PATH", value: "$ORIGIN/lib", gets: "$ORIGIN/lib" },
    { name: "LD_PRELOAD", value: "libx.so ./y.so", gets: `libx.so:${resolve("y.so")}` },
    { name: "LD_PRELOAD", value: "/lib/libx.so:/lib/liby.so", gets: "/lib/libx.so:/lib/liby.so" },
    { name: "DYLD_LIBRARY_PATH", value: "/a:b/c", gets: `/a:${resolve("b/c")}` },
    { name: "DYLD_FALLBACK_LIBRARY_PATH", value: "/a", gets: "/a" },
    { name: "DYLD_FORCE_FLAT_NAMESPACE", value: "1", gets: "1" },
    { name: "NIX_LD", value: "/nix/ld.so", gets: resolve("/nix/ld.so") },
    { name: "NIX_LD_LIBRARY_PATH", value: "/nix/lib", gets: resolve("/nix/lib") },
    { name: "NODE_USE_SYSTEM_CA", value: "1", gets: "1" },
    { name: "SSL_CERT_FILE", value: "", gets: "" },
    // Windows writes names as it likes.
    { name: "Path", value: "C:\\bin", gets: "C:\\bin" },
    { name: "SystemRoot", value: "C:\\Windows", gets: "C:\\Windows" },
  ])("$name=$value as $gets", ({ name, value, gets }) => {
    expect(agentEnvironment({ [name]: value })).toEqual({ [name]: gets });
  });

  test.each([
    "PATH",
    "HOME",
    "USERPROFILE",
    "TEMP",
    "TMP",
    "TMPDIR",
    "SYSTEMROOT",
    "LANG",
    "RUNNER_TEMP",
    "RUNNER_TRACKING_ID",
  ])("%s as it is, though it looks like a list of paths", (name) => {
    expect(agentEnvironment({ [name]: "a/b:c/d" })).toEqual({ [name]: "a/b:c/d" });
  });

  test("nothing of what is not set", () => {
    expect(agentEnvironment({ PATH: undefined, SSL_CERT_FILE: undefined })).toStrictEqual({});
  });

  test.each([
    "NODE_OPTIONS",
    "NODE_DEBUG",
    "NODE_PATH",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "SSLKEYLOGFILE",
    "LD_AUDIT",
    "LD_DEBUG",
    "GITHUB_TOKEN",
    "INPUT_API-KEY",
    "STATE_access_token",
    "https_proxy",
    "HTTP_PROXY",
    "no_proxy",
    "MY_LD_PRELOAD",
    "PATHS",
    "UV_THREADPOOL_SIZE",
  ])("no %s", (name) => {
    expect(agentEnvironment({ [name]: "value" })).toStrictEqual({});
    expect(agentEnvironment({ [name]: "" })).toStrictEqual({});
  });
});

describe("of NODE_OPTIONS, the agent gets", () => {
  interface Row {
    readonly options: string;
    readonly flags: readonly string[];
  }
  test.each<Row>([
    {
      options: "--network-family-autoselection-attempt-timeout=1000",
      flags: ["--network-family-autoselection-attempt-timeout=1000"],
    },
    {
      options: "--network-family-autoselection-attempt-timeout 50 --inspect",
      flags: ["--network-family-autoselection-attempt-timeout=50"],
    },
    {
      options: "--no-network-family-autoselection",
      flags: ["--no-network-family-autoselection"],
    },
    { options: "--use_system_ca", flags: ["--use-system-ca"] },
    { options: "--no-use-openssl-ca", flags: ["--no-use-openssl-ca"] },
    { options: "--dns_result_order=verbatim", flags: ["--dns-result-order=verbatim"] },
    { options: "--openssl-legacy-provider", flags: ["--openssl-legacy-provider"] },
    // A backslash is kept outside quotes, and keeps the next sign inside.
    {
      options: '--openssl-config="C:\\\\my certs\\\\a.cnf"',
      flags: [`--openssl-config=${resolve("C:\\my certs\\a.cnf")}`],
    },
    { options: "--openssl-config a.cnf", flags: [`--openssl-config=${resolve("a.cnf")}`] },
    { options: "--tls-cipher-list=A\\B", flags: ["--tls-cipher-list=A\\B"] },
    { options: '--tls-cipher-list "A \\"B\\""', flags: ['--tls-cipher-list=A "B"'] },
    // A value that looks like a flag is a value.
    { options: "--tls-cipher-list --use-system-ca", flags: ["--tls-cipher-list=--use-system-ca"] },
    { options: "--tls-keylog=/tmp/k --tls_keylog /tmp/k --no-tls-keylog", flags: [] },
    { options: "--permission --allow-fs-read=* --allow-child-process", flags: [] },
    { options: "--require=./a.cjs --import ./b.mjs --loader c --env-file=.env", flags: [] },
    { options: "--inspect --inspect-brk --inspect-port=0 --debug-port=1", flags: [] },
    { options: "--report-on-fatalerror --heapsnapshot-signal=SIGUSR2 --trace-tls", flags: [] },
    { options: "--not-use-system-ca use-system-ca -use-system-ca", flags: [] },
  ])("of $options: $flags", ({ options, flags }) => {
    expect(allowedNodeFlags(options)).toEqual(flags);
  });
});
