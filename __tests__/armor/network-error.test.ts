import { describe, expect, test } from "@jest/globals";
import { networkError, timeoutError } from "../../src/armor/network-error.ts";

const url = new URL("https://armor.example/api/v1/token");
const proxy = new URL("http://user:Passw0rd@proxy.example:3128");
const direct = { url, proxy: undefined, isReplying: false };
const proxied = { url, proxy, isReplying: false };

function failure(code: string, message = "words of Node's"): Error {
  return Object.assign(new Error(message), { code });
}

describe("networkError", () => {
  test.each([
    ["ENOTFOUND", "host_unknown", "The host armor.example is not known"],
    ["EAI_AGAIN", "connection_failed", "No connection to https://armor.example (EAI_AGAIN)"],
    ["ECONNREFUSED", "connection_failed", "No connection to https://armor.example (ECONNREFUSED)"],
    ["ECONNRESET", "connection_failed", "No connection to https://armor.example (ECONNRESET)"],
    ["", "connection_failed", "No connection to https://armor.example"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "certificate_rejected", "not signed by an authority"],
    ["SELF_SIGNED_CERT_IN_CHAIN", "certificate_rejected", "not signed by an authority"],
    ["CERT_HAS_EXPIRED", "certificate_rejected", "expired or not valid yet"],
    ["CERT_NOT_YET_VALID", "certificate_rejected", "expired or not valid yet"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "certificate_rejected", "for another host name"],
    ["CERT_REVOKED", "certificate_rejected", "was rejected (CERT_REVOKED)"],
    ["PATH_LENGTH_EXCEEDED", "certificate_rejected", "was rejected (PATH_LENGTH_EXCEEDED)"],
    ["EPROTO", "tls_failed", "does not speak TLS"],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "tls_failed", "does not speak TLS"],
    ["ERR_TLS_HANDSHAKE_TIMEOUT", "tls_failed", "does not speak TLS"],
    ["HPE_INVALID_CONSTANT", "reply_invalid", "not HTTP"],
    ["HPE_HEADER_OVERFLOW", "reply_invalid", "not HTTP"],
  ])("%p is %s", (code, expected, says) => {
    const error = networkError(failure(code), direct);
    expect(error).toMatchObject({ code: expected, message: expect.stringContaining(says) });
    expect(error.message).not.toContain("words of Node's");
    expect(error.message.includes("ca-certificate")).toBe(expected === "certificate_rejected");
  });

  test("a reply that broke off is told from one that never came", () => {
    expect(networkError(failure("ECONNRESET"), { ...direct, isReplying: true })).toMatchObject({
      code: "reply_incomplete",
      problem: "https://armor.example broke off its answer",
    });
  });

  test("names the proxy on the way, and never its password", () => {
    expect(networkError(failure("ECONNRESET"), proxied).problem).toBe(
      "No connection to https://armor.example through the proxy http://proxy.example:3128 (ECONNRESET)",
    );
  });

  // The words are those of the package `tunnel`, which has nothing else to tell the proxy's failures by.
  test.each([
    ["statusCode=407", "proxy_refused", "The proxy http://proxy.example:3128 wants other credentials (407)"],
    ["statusCode=403", "proxy_refused", "refuses the way to armor.example (403)"],
    ["statusCode=408", "proxy_failed", "does not connect to armor.example (408)"],
    ["statusCode=429", "proxy_failed", "does not connect to armor.example (429)"],
    ["statusCode=503", "proxy_failed", "does not connect to armor.example (503)"],
    [
      "cause=connect ECONNREFUSED 127.0.0.1:1",
      "proxy_failed",
      "does not connect to armor.example (ECONNREFUSED).",
    ],
    ["cause=getaddrinfo ENOTFOUND proxy", "proxy_failed", "(ENOTFOUND)"],
    ["cause=self-signed certificate", "proxy_failed", "does not connect to armor.example."],
  ])("a tunnel's %p is %s", (words, code, says) => {
    const error = networkError(
      failure("ECONNRESET", `tunneling socket could not be established, ${words}`),
      proxied,
    );
    expect(error).toMatchObject({ code, message: expect.stringContaining(says) });
    expect(error.message).not.toContain("Passw0rd");
  });
});

describe("Node's own tunnels", () => {
  const tunnelError = (statusCode?: number) =>
    Object.assign(failure("ERR_PROXY_TUNNEL"), statusCode === undefined ? {} : { statusCode });

  test.each([
    [407, "proxy_refused", "wants other credentials (407)"],
    [403, "proxy_refused", "refuses the way to armor.example (403)"],
    [502, "proxy_failed", "does not connect to armor.example (502)"],
    [undefined, "reply_timeout", "No answer from https://armor.example through the proxy"],
  ])("status %p is %s", (status, code, says) => {
    expect(networkError(tunnelError(status), proxied)).toMatchObject({
      code,
      message: expect.stringContaining(says),
    });
  });
});

describe("timeoutError", () => {
  test.each([
    ["no answer", direct, "No answer from https://armor.example. Check that this runner"],
    [
      "no answer through a proxy",
      proxied,
      "through the proxy http://proxy.example:3128. Check that the proxy",
    ],
    [
      "half an answer",
      { ...direct, isReplying: true },
      "https://armor.example began to answer and did not finish",
    ],
  ])("%s", (_, circumstances, says) => {
    expect(timeoutError(circumstances)).toMatchObject({
      code: "reply_timeout",
      message: expect.stringContaining(says),
    });
  });
});
