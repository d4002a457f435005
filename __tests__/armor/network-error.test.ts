import { describe, expect, test } from "@jest/globals";
import { networkError, timeoutError } from "../../src/armor/network-error.ts";
import { proxyError, proxyStatusError } from "../../src/armor/proxy-error.ts";

const url = new URL("https://armor.example/api/v1/token");
const proxy = { origin: "http://proxy.example:3128", credentials: "user:Passw0rd" };
const direct = { url, proxy: undefined, isReplying: false };
const proxied = { url, proxy, isReplying: false };
const BEHIND = "https://armor.example through the proxy http://proxy.example:3128";

function failure(code: string, message = "words of Node's"): Error {
  return Object.assign(new Error(message), { code });
}

/** What an error says to do. */
const REMEDY = expect.stringMatching(/^[A-Z].+\.$/);

const EPROTO = (reason: string) =>
  failure(
    "EPROTO",
    `write EPROTO 80FB:error:0A00010B:SSL routines:ssl3_get_record:${reason}:../x.c:354:\n`,
  );

/** Every code, with what is said of Armor and, before the tunnel stands, of the proxy. */
const CERTIFICATES: readonly [string, string][] = [
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "has a certificate that is self-signed"],
  [
    "SELF_SIGNED_CERT_IN_CHAIN",
    "has a certificate that is self-signed, or of a self-signed authority",
  ],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "is not signed by an authority that this runner trusts"],
  ["UNABLE_TO_GET_ISSUER_CERT", "is not signed by an authority that this runner trusts"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "is not signed by an authority that this runner trusts"],
  ["CERT_HAS_EXPIRED", "is expired or not valid yet"],
  ["CERT_NOT_YET_VALID", "is expired or not valid yet"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "for another host name"],
  ["ERR_TLS_CERT_ALTNAME_FORMAT", "for another host name"],
  ["HOSTNAME_MISMATCH", "for another host name"],
  ["CERT_REVOKED", "was rejected"],
  ["CERT_CHAIN_TOO_LONG", "was rejected"],
  ["CERT_SIGNATURE_FAILURE", "was rejected"],
  ["CRL_HAS_EXPIRED", "was rejected"],
  ["ERROR_IN_CERT_NOT_AFTER_FIELD", "was rejected"],
  ["INVALID_CA", "was rejected"],
  ["INVALID_PURPOSE", "was rejected"],
  ["PATH_LENGTH_EXCEEDED", "was rejected"],
  ["UNABLE_TO_GET_CRL", "was rejected"],
];
const TLS: readonly [string, string][] = [
  ["ERR_SSL_WRONG_VERSION_NUMBER", "does not speak TLS"],
  ["ERR_SSL_PACKET_LENGTH_TOO_LONG", "does not speak TLS"],
  ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "asks for a client certificate"],
  ["ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE", "asks for a client certificate"],
  ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "asks for a client certificate"],
  ["ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", "no TLS version or cipher in common"],
  ["ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", "no TLS version or cipher in common"],
  ["ERR_SSL_UNSUPPORTED_PROTOCOL", "no TLS version or cipher in common"],
  ["ERR_TLS_HANDSHAKE_TIMEOUT", "TLS was cut off"],
  ["EPROTO", "TLS was cut off"],
];

describe("networkError, with Armor", () => {
  test.each([
    ["ENOTFOUND", "host_unknown", "DNS does not know the host armor.example"],
    ["EAI_AGAIN", "dns_failed", "DNS does not answer for the host armor.example"],
    ["EAI_FAIL", "dns_failed", "DNS does not answer for the host armor.example"],
    ["ECONNREFUSED", "connection_failed", "No connection to https://armor.example"],
    ["ECONNRESET", "connection_failed", "No connection to https://armor.example"],
    ["ENETUNREACH", "connection_failed", "No connection to https://armor.example"],
    ["EMFILE", "connection_failed", "this runner has no free file or port"],
    ["ENFILE", "connection_failed", "this runner has no free file or port"],
    ["ENOBUFS", "connection_failed", "this runner has no free file or port"],
    ["EADDRNOTAVAIL", "connection_failed", "this runner has no free file or port"],
    ...CERTIFICATES.map(([word, says]) => [word, "certificate_rejected", says]),
    ...TLS.map(([word, says]) => [word, "tls_failed", says]),
    ["HPE_INVALID_CONSTANT", "reply_invalid", "not HTTP"],
    ["HPE_INVALID_VERSION", "reply_invalid", "not HTTP"],
    ["HPE_HEADER_OVERFLOW", "reply_invalid", "headers of more than 16 KB"],
    ["HPE_INVALID_TRANSFER_ENCODING", "reply_invalid", "HTTP that contradicts itself"],
    ["HPE_UNEXPECTED_CONTENT_LENGTH", "reply_invalid", "HTTP that contradicts itself"],
    ["HPE_UPGRADE", "reply_invalid", "a reply that this action does not take"],
  ])("%s is %s", (word, code, says) => {
    const error = networkError(failure(word), direct);
    expect(error).toMatchObject({ code, problem: expect.stringContaining(says), remedy: REMEDY });
    expect(error.problem).toMatch(new RegExp(`armor\\.example.*\\(${word}\\)$`));
    expect(error.message).not.toContain("words of Node's");
    const mayPass = ["connection_failed", "dns_failed"].includes(code ?? "");
    expect(error.canPass).toBe(mayPass);
  });

  test.each([
    ["wrong version number", "does not speak TLS (ERR_SSL_WRONG_VERSION_NUMBER)"],
    ["ssl/tls alert handshake failure", "cut off (ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE)"],
    ["tlsv13 alert certificate required", "(ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED)"],
  ])("EPROTO is told by OpenSSL's reason: %s", (reason, says) => {
    expect(networkError(EPROTO(reason), direct)).toMatchObject({
      code: "tls_failed",
      problem: expect.stringContaining(says),
    });
  });

  test.each([
    ["HPE_INVALID_EOF_STATE", false],
    ["HPE_CLOSED_CONNECTION", false],
    ["HPE_INVALID_EOF_STATE", true],
    ["ECONNRESET", true],
    ["HPE_INVALID_CHUNK_SIZE", true],
    ["ERR_SSL_DECRYPTION_FAILED", true],
  ])("%s breaks a reply off, where it had begun: %p", (word, isReplying) => {
    expect(networkError(failure(word), { ...direct, isReplying })).toMatchObject({
      code: "reply_incomplete",
      problem: "https://armor.example broke off its answer",
      remedy: REMEDY,
    });
  });

  test.each(["", "words with blanks", 5, undefined])("a code of %p is not printed", (code) => {
    expect(networkError({ code }, direct).problem).toBe("No connection to https://armor.example");
  });

  test.each(["ECONNRESET", "CERT_HAS_EXPIRED", "ERR_SSL_WRONG_VERSION_NUMBER"])(
    "%s behind a tunnel names the proxy, and never its password",
    (word) => {
      const { problem, message } = networkError(failure(word), proxied);
      expect(problem).toContain(BEHIND);
      expect(message).not.toContain("Passw0rd");
    },
  );
});

const WHO = "The proxy http://proxy.example:3128 ";

describe("proxyStatusError", () => {
  test.each([
    { status: 401, code: "proxy_refused", says: "does not accept the user and password (401)" },
    { status: 407, code: "proxy_refused", says: "does not accept the user and password (407)" },
    { status: 302, code: "proxy_refused", says: "refuses to connect to armor.example (302)" },
    { status: 400, code: "proxy_refused", says: "refuses to connect to armor.example (400)" },
    { status: 403, code: "proxy_refused", says: "refuses to connect to armor.example (403)" },
    { status: 499, code: "proxy_refused", says: "refuses to connect to armor.example (499)" },
    { status: 408, code: "proxy_failed", says: "cannot connect to armor.example (408)" },
    { status: 429, code: "proxy_failed", says: "cannot connect to armor.example (429)" },
    { status: 500, code: "proxy_failed", says: "cannot connect to armor.example (500)" },
    { status: 503, code: "proxy_failed", says: "cannot connect to armor.example (503)" },
    { status: 599, code: "proxy_failed", says: "cannot connect to armor.example (599)" },
    {
      status: 100,
      code: "proxy_failed",
      says: "does not answer as an HTTP proxy (100): no connection to armor.example",
    },
    {
      status: 600,
      code: "proxy_failed",
      says: "does not answer as an HTTP proxy (600): no connection to armor.example",
    },
  ])("calls $status $code: the proxy $says", ({ status, code, says }) => {
    const error = proxyStatusError(proxy, url.host, status);
    expect(error).toMatchObject({ code, problem: WHO + says, remedy: REMEDY });
    expect(error.message).not.toContain("Passw0rd");
  });

  const anonymous = { origin: proxy.origin };
  test.each([
    { challenge: "", given: anonymous, says: "wants a user and a password" },
    { challenge: "Basic realm=x", given: anonymous, says: "wants a user and a password" },
    { challenge: "Unheard-Of", given: anonymous, says: "wants a user and a password" },
    {
      challenge: "Negotiate, Basic realm=x",
      given: proxy,
      says: "does not accept the user and password",
    },
    {
      challenge: "Digest realm=Basic, NTLM",
      given: proxy,
      says: "wants authentication by digest or ntlm (407), and this action sends Basic only",
    },
    {
      challenge: "Negotiate",
      given: anonymous,
      says: "wants authentication by negotiate (407), and this action sends Basic only",
    },
  ])(
    "says of 407 with the challenge $challenge that the proxy $says",
    ({ challenge, given, says }) => {
      const error = proxyStatusError(given, url.host, 407, challenge);
      expect(error).toMatchObject({
        code: "proxy_refused",
        problem: expect.stringContaining(WHO + says),
      });
      expect(error.remedy).toEqual(REMEDY);
    },
  );
});

describe("proxyError", () => {
  test.each([
    {
      nodeCode: "HPE_X",
      says: "does not answer as an HTTP proxy (HPE_X): no connection to armor.example",
    },
    {
      nodeCode: "EARLY_BYTES",
      says: "does not answer as an HTTP proxy (EARLY_BYTES): no connection to armor.example",
    },
    {
      nodeCode: "ECONNREFUSED",
      says: "cannot be used (ECONNREFUSED): no connection to armor.example",
    },
    { nodeCode: "EAI_AGAIN", says: "cannot be used (EAI_AGAIN): no connection to armor.example" },
  ])("calls $nodeCode proxy_failed: the proxy $says", ({ nodeCode, says }) => {
    const error = proxyError(proxy, url.host, failure(nodeCode));
    expect(error).toMatchObject({ code: "proxy_failed", problem: WHO + says, remedy: REMEDY });
    expect(error.message).not.toContain("Passw0rd");
  });

  test("says that DNS does not know a proxy's name", () => {
    expect(proxyError(proxy, url.host, failure("ENOTFOUND"))).toMatchObject({
      code: "proxy_failed",
      problem: "DNS does not know the proxy http://proxy.example:3128 (ENOTFOUND)",
      remedy: REMEDY,
    });
  });

  test("does not blame the proxy where this runner has no free file or port", () => {
    expect(proxyError(proxy, url.host, failure("EMFILE"))).toMatchObject({
      code: "connection_failed",
      problem: `${WHO}cannot be connected to, because this runner has no free file or port (EMFILE)`,
      remedy: expect.stringContaining("ulimit -n"),
    });
  });

  test.each([...CERTIFICATES, ...TLS])(
    "calls %s proxy_refused, in the words for Armor",
    (nodeCode, says) => {
      const { code, problem } = proxyError(proxy, url.host, failure(nodeCode));
      expect({ code, problem }).toEqual({
        code: "proxy_refused",
        problem: expect.stringContaining(says),
      });
      expect(problem).toMatch(new RegExp(`^${WHO}.*\\(${nodeCode}\\)$`));
    },
  );
});

const connecting = { stage: "connecting", dnsCode: undefined } as const;

describe("timeoutError", () => {
  test("says that Armor did not answer", () => {
    expect(timeoutError(direct)).toMatchObject({
      code: "reply_timeout",
      problem: "No answer from https://armor.example",
      remedy: "Check that this runner can reach the host, or raise timeout.",
    });
  });

  test("says that Armor did not finish, where the reply had begun", () => {
    expect(timeoutError({ ...direct, isReplying: true })).toMatchObject({
      code: "reply_timeout",
      problem: "https://armor.example began to answer and did not finish",
    });
  });

  test("names the proxy, once it has opened a tunnel", () => {
    expect(timeoutError(proxied)).toMatchObject({
      code: "reply_timeout",
      problem: `No answer from ${BEHIND}`,
      remedy: "Check that the proxy can reach the host, or raise timeout.",
    });
  });

  test("is the proxy's fault while it has opened no tunnel", () => {
    expect(timeoutError({ ...proxied, progress: connecting })).toMatchObject({
      code: "proxy_failed",
      problem: `${WHO}cannot be used (ETIMEDOUT): no connection to armor.example`,
    });
  });

  test("blames no proxy if there is none", () => {
    expect(timeoutError({ ...direct, progress: connecting })).toMatchObject({
      code: "reply_timeout",
    });
  });

  test.each([
    {
      dnsCode: undefined,
      code: "dns_failed",
      says: "does not answer for the host armor.example (ETIMEDOUT)",
    },
    {
      dnsCode: "EAI_AGAIN",
      code: "dns_failed",
      says: "does not answer for the host armor.example (EAI_AGAIN)",
    },
    {
      dnsCode: "ENOTFOUND",
      code: "host_unknown",
      says: "does not know the host armor.example (ENOTFOUND)",
    },
  ])(
    "is DNS's before the look-up has ended, which said $dnsCode last",
    ({ dnsCode, code, says }) => {
      const progress = { stage: "looking-up", dnsCode } as const;
      expect(timeoutError({ ...direct, progress })).toMatchObject({ code, problem: `DNS ${says}` });
    },
  );

  test("is DNS's before the look-up of a proxy has ended", () => {
    const progress = { stage: "looking-up", dnsCode: undefined } as const;
    expect(timeoutError({ ...proxied, progress })).toMatchObject({
      code: "proxy_failed",
      problem: "DNS does not answer for the proxy http://proxy.example:3128 (ETIMEDOUT)",
    });
  });
});

describe("a code is known as a whole", () => {
  test.each([
    ["X_ENOTFOUND", "connection_failed", "No connection"],
    ["ENOTFOUND_X", "connection_failed", "No connection"],
    ["X_EAI_AGAIN", "connection_failed", "No connection"],
    ["X_EMFILE", "connection_failed", "No connection"],
    ["EADDRNOTAVAIL_X", "connection_failed", "No connection"],
    ["X_UNABLE_TO_GET_ISSUER_CERT", "connection_failed", "No connection"],
    ["X_CERT_HAS_EXPIRED", "connection_failed", "No connection"],
    ["CERT_HAS_EXPIRED_X", "certificate_rejected", "was rejected"],
    ["X_EPROTO", "connection_failed", "No connection"],
    ["EPROTO_X", "connection_failed", "No connection"],
    ["X_ERR_SSL_X", "connection_failed", "No connection"],
    ["X_HPE_HEADER_OVERFLOW", "connection_failed", "No connection"],
    ["HPE_HEADER_OVERFLOW_X", "reply_invalid", "contradicts itself"],
    ["X_HPE_STRICT", "connection_failed", "No connection"],
    ["HPE_STRICT_X", "reply_invalid", "contradicts itself"],
    ["X_HPE_CLOSED_CONNECTION", "connection_failed", "No connection"],
    ["HPE_CLOSED_CONNECTION_X", "reply_invalid", "contradicts itself"],
  ])("%s is %s", (word, code, says) => {
    const error = networkError(failure(word), direct);
    expect(error).toMatchObject({ code, problem: expect.stringContaining(says) });
  });

  test.each([
    ["a time-out", new DOMException("words", "TimeoutError"), "ETIMEDOUT"],
    ["a cancellation", new DOMException("words", "AbortError"), "ETIMEDOUT"],
    [
      "OpenSSL's words in another error",
      failure("ECONNRESET", EPROTO("no protocol").message),
      "ECONNRESET",
    ],
  ])("%s is told by its own", (_, error, word) => {
    expect(networkError(error, direct).problem).toBe(
      `No connection to https://armor.example (${word})`,
    );
  });
});
