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
interface NodeError {
  /** Its code, as Node gives it. */
  readonly word: string;
  /** What the message makes of it. */
  readonly says: string;
}

const CERTIFICATES: readonly NodeError[] = [
  { word: "DEPTH_ZERO_SELF_SIGNED_CERT", says: "has a certificate that is self-signed" },
  {
    word: "SELF_SIGNED_CERT_IN_CHAIN",
    says: "has a certificate that is self-signed, or of a self-signed authority",
  },
  {
    word: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    says: "is not signed by an authority that this runner trusts",
  },
  {
    word: "UNABLE_TO_GET_ISSUER_CERT",
    says: "is not signed by an authority that this runner trusts",
  },
  {
    word: "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    says: "is not signed by an authority that this runner trusts",
  },
  { word: "CERT_HAS_EXPIRED", says: "is expired or not valid yet" },
  { word: "CERT_NOT_YET_VALID", says: "is expired or not valid yet" },
  { word: "ERR_TLS_CERT_ALTNAME_INVALID", says: "for another host name" },
  { word: "ERR_TLS_CERT_ALTNAME_FORMAT", says: "for another host name" },
  { word: "HOSTNAME_MISMATCH", says: "for another host name" },
  { word: "CERT_REVOKED", says: "was rejected" },
  { word: "CERT_CHAIN_TOO_LONG", says: "was rejected" },
  { word: "CERT_SIGNATURE_FAILURE", says: "was rejected" },
  { word: "CRL_HAS_EXPIRED", says: "was rejected" },
  { word: "ERROR_IN_CERT_NOT_AFTER_FIELD", says: "was rejected" },
  { word: "INVALID_CA", says: "was rejected" },
  { word: "INVALID_PURPOSE", says: "was rejected" },
  { word: "PATH_LENGTH_EXCEEDED", says: "was rejected" },
  { word: "UNABLE_TO_GET_CRL", says: "was rejected" },
];
const TLS: readonly NodeError[] = [
  { word: "ERR_SSL_WRONG_VERSION_NUMBER", says: "does not speak TLS" },
  { word: "ERR_SSL_PACKET_LENGTH_TOO_LONG", says: "does not speak TLS" },
  { word: "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", says: "asks for a client certificate" },
  { word: "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE", says: "asks for a client certificate" },
  { word: "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", says: "asks for a client certificate" },
  { word: "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", says: "no TLS version or cipher in common" },
  { word: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", says: "no TLS version or cipher in common" },
  { word: "ERR_SSL_UNSUPPORTED_PROTOCOL", says: "no TLS version or cipher in common" },
  { word: "ERR_TLS_HANDSHAKE_TIMEOUT", says: "TLS was cut off" },
  { word: "EPROTO", says: "TLS was cut off" },
];

describe("networkError, with Armor", () => {
  test.each([
    { word: "ENOTFOUND", code: "host_unknown", says: "DNS does not know the host armor.example" },
    {
      word: "EAI_AGAIN",
      code: "dns_failed",
      says: "DNS does not answer for the host armor.example",
    },
    {
      word: "EAI_FAIL",
      code: "dns_failed",
      says: "DNS does not answer for the host armor.example",
    },
    {
      word: "ECONNREFUSED",
      code: "connection_failed",
      says: "No connection to https://armor.example",
    },
    {
      word: "ECONNRESET",
      code: "connection_failed",
      says: "No connection to https://armor.example",
    },
    {
      word: "ENETUNREACH",
      code: "connection_failed",
      says: "No connection to https://armor.example",
    },
    { word: "EMFILE", code: "connection_failed", says: "this runner has no free file or port" },
    { word: "ENFILE", code: "connection_failed", says: "this runner has no free file or port" },
    { word: "ENOBUFS", code: "connection_failed", says: "this runner has no free file or port" },
    {
      word: "EADDRNOTAVAIL",
      code: "connection_failed",
      says: "this runner has no free file or port",
    },
    ...CERTIFICATES.map((error) => ({ ...error, code: "certificate_rejected" })),
    ...TLS.map((error) => ({ ...error, code: "tls_failed" })),
    { word: "HPE_INVALID_CONSTANT", code: "reply_invalid", says: "not HTTP" },
    { word: "HPE_INVALID_VERSION", code: "reply_invalid", says: "not HTTP" },
    { word: "HPE_HEADER_OVERFLOW", code: "reply_invalid", says: "headers of more than 16 KB" },
    {
      word: "HPE_INVALID_TRANSFER_ENCODING",
      code: "reply_invalid",
      says: "HTTP that contradicts itself",
    },
    {
      word: "HPE_UNEXPECTED_CONTENT_LENGTH",
      code: "reply_invalid",
      says: "HTTP that contradicts itself",
    },
    { word: "HPE_UPGRADE", code: "reply_invalid", says: "a reply that this action does not take" },
  ])("$word is $code", ({ word, code, says }) => {
    const error = networkError(failure(word), direct);
    expect(error).toMatchObject({ code, problem: expect.stringContaining(says), remedy: REMEDY });
    expect(error.problem).toMatch(new RegExp(`armor\\.example.*\\(${word}\\)$`));
    expect(error.message).not.toContain("words of Node's");
    const mayPass = ["connection_failed", "dns_failed"].includes(code);
    expect(error.canPass).toBe(mayPass);
  });

  test.each([
    { reason: "wrong version number", says: "does not speak TLS (ERR_SSL_WRONG_VERSION_NUMBER)" },
    {
      reason: "ssl/tls alert handshake failure",
      says: "cut off (ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE)",
    },
    {
      reason: "tlsv13 alert certificate required",
      says: "(ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED)",
    },
  ])("EPROTO is told by OpenSSL's reason: $reason", ({ reason, says }) => {
    expect(networkError(EPROTO(reason), direct)).toMatchObject({
      code: "tls_failed",
      problem: expect.stringContaining(says),
    });
  });

  test.each([
    { word: "HPE_INVALID_EOF_STATE", isReplying: false },
    { word: "HPE_CLOSED_CONNECTION", isReplying: false },
    { word: "HPE_INVALID_EOF_STATE", isReplying: true },
    { word: "ECONNRESET", isReplying: true },
    { word: "HPE_INVALID_CHUNK_SIZE", isReplying: true },
    { word: "ERR_SSL_DECRYPTION_FAILED", isReplying: true },
  ])("$word breaks a reply off, if it had begun: $isReplying", ({ word, isReplying }) => {
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
  ])("calls $nodeCode proxy_failed: the proxy $says", ({ nodeCode, says }) => {
    const error = proxyError(proxy, url.host, failure(nodeCode));
    expect(error).toMatchObject({ code: "proxy_failed", problem: WHO + says, remedy: REMEDY });
    expect(error.message).not.toContain("Passw0rd");
  });

  test.each(["EAI_AGAIN", "EAI_FAIL"])("says of %s that DNS does not answer", (nodeCode) => {
    expect(proxyError(proxy, url.host, failure(nodeCode)).problem).toBe(
      `DNS does not answer for the proxy http://proxy.example:3128 (${nodeCode})`,
    );
  });

  test("says that DNS does not know a proxy's name", () => {
    expect(proxyError(proxy, url.host, failure("ENOTFOUND"))).toMatchObject({
      code: "proxy_failed",
      problem: "DNS does not know the proxy http://proxy.example:3128 (ENOTFOUND)",
      remedy: REMEDY,
    });
  });

  test("does not blame the proxy if this runner has no free file or port", () => {
    expect(proxyError(proxy, url.host, failure("EMFILE"))).toMatchObject({
      code: "connection_failed",
      problem: `${WHO}cannot be connected to, because this runner has no free file or port (EMFILE)`,
      remedy: expect.stringContaining("ulimit -n"),
    });
  });

  test.each([...CERTIFICATES, ...TLS])(
    "calls $word proxy_refused, in the words for Armor",
    ({ word, says }) => {
      const { code, problem } = proxyError(proxy, url.host, failure(word));
      expect({ code, problem }).toEqual({
        code: "proxy_refused",
        problem: expect.stringContaining(says),
      });
      expect(problem).toMatch(new RegExp(`^${WHO}.*\\(${word}\\)$`));
    },
  );
});

describe("an IPv6 address to which this machine has no way", () => {
  const WHAT = "has an IPv6 address, and this runner has no way there by IPv6";

  test.each(["EADDRNOTAVAIL", "EAFNOSUPPORT", "EHOSTUNREACH", "ENETUNREACH"])(
    "is named (%s), instead of this runner's files and ports",
    (code) => {
      const error = Object.assign(failure(code), { address: "2001:db8::1" });
      expect(networkError(error, direct)).toMatchObject({
        code: "connection_failed",
        problem: `https://armor.example ${WHAT} (${code})`,
        remedy: expect.stringContaining("IPv4"),
      });
      expect(proxyError(proxy, url.host, error)).toMatchObject({
        code: "connection_failed",
        problem: `${WHO}${WHAT} (${code})`,
      });
    },
  );

  test("is not meant if an IPv4 address has no port left", () => {
    const error = Object.assign(failure("EADDRNOTAVAIL"), { address: "192.0.2.1" });
    expect(networkError(error, direct).problem).toContain("no free file or port");
  });
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

  test("says that Armor did not finish, if the reply had begun", () => {
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
    { word: "X_ENOTFOUND", code: "connection_failed", says: "No connection" },
    { word: "ENOTFOUND_X", code: "connection_failed", says: "No connection" },
    { word: "X_EAI_AGAIN", code: "connection_failed", says: "No connection" },
    { word: "X_EMFILE", code: "connection_failed", says: "No connection" },
    { word: "EADDRNOTAVAIL_X", code: "connection_failed", says: "No connection" },
    { word: "X_UNABLE_TO_GET_ISSUER_CERT", code: "connection_failed", says: "No connection" },
    { word: "X_CERT_HAS_EXPIRED", code: "connection_failed", says: "No connection" },
    { word: "CERT_HAS_EXPIRED_X", code: "certificate_rejected", says: "was rejected" },
    { word: "X_EPROTO", code: "connection_failed", says: "No connection" },
    { word: "EPROTO_X", code: "connection_failed", says: "No connection" },
    { word: "X_ERR_SSL_X", code: "connection_failed", says: "No connection" },
    { word: "X_HPE_HEADER_OVERFLOW", code: "connection_failed", says: "No connection" },
    { word: "HPE_HEADER_OVERFLOW_X", code: "reply_invalid", says: "contradicts itself" },
    { word: "X_HPE_STRICT", code: "connection_failed", says: "No connection" },
    { word: "HPE_STRICT_X", code: "reply_invalid", says: "contradicts itself" },
    { word: "X_HPE_CLOSED_CONNECTION", code: "connection_failed", says: "No connection" },
    { word: "HPE_CLOSED_CONNECTION_X", code: "reply_invalid", says: "contradicts itself" },
  ])("$word is $code", ({ word, code, says }) => {
    const error = networkError(failure(word), direct);
    expect(error).toMatchObject({ code, problem: expect.stringContaining(says) });
  });

  test.each([
    { what: "a time-out", error: new DOMException("words", "TimeoutError"), word: "ETIMEDOUT" },
    { what: "a cancellation", error: new DOMException("words", "AbortError"), word: "ETIMEDOUT" },
    {
      what: "OpenSSL's words in another error",
      error: failure("ECONNRESET", EPROTO("no protocol").message),
      word: "ECONNRESET",
    },
  ])("$what is told by its own", ({ error, word }) => {
    expect(networkError(error, direct).problem).toBe(
      `No connection to https://armor.example (${word})`,
    );
  });
});
