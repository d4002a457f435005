// Owns what a failure on the wire means, in words for the user. Pure.

import { ArmorError } from "./errors.ts";

export interface Circumstances {
  readonly url: URL;
  /** Undefined where there is none on the way. */
  readonly proxy: URL | undefined;
  /** Whether the reply had begun. */
  isReplying: boolean;
}

/** Nothing came, or not all of it, before the signal aborted. */
export function timeoutError({ url, proxy, isReplying }: Circumstances): ArmorError {
  return new ArmorError(
    "reply_timeout",
    isReplying ? `${url.origin} began to answer and did not finish` : `No answer from ${via(url, proxy)}`,
    proxy === undefined
      ? "Check that this runner can reach the host, or raise timeout."
      : "Check that the proxy can reach the host, or raise timeout.",
  );
}

function via(url: URL, proxy: URL | undefined): string {
  return proxy === undefined ? url.origin : `${url.origin} through the proxy ${proxy.origin}`;
}

/** What errors of Node, http-client and `tunnel` may have. */
interface Failure {
  readonly code?: string;
  readonly message?: string;
  /** Of a proxy's reply to CONNECT, where Node itself asked. */
  readonly statusCode?: number;
}

const UNTRUSTED = new Set([
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "INVALID_CA",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);
const OUT_OF_DATE = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"]);
const WRONG_NAME = new Set(["ERR_TLS_CERT_ALTNAME_INVALID", "HOSTNAME_MISMATCH"]);
/** OpenSSL's remaining verification results, as Node names them. */
const OTHER_CERTIFICATE_FAULT = /^(CERT|CRL|ERROR_IN_CERT|INVALID_PURPOSE|PATH_LENGTH|UNABLE_TO)_?/;

/** What Node or http-client threw. */
export function networkError(error: unknown, { url, proxy, isReplying }: Circumstances): ArmorError {
  const { code: given = "", message = "", statusCode } = error as Failure;
  const code = /^\w+$/.test(given) ? given : "";
  if (code === "ERR_PROXY_TUNNEL") {
    return statusCode === undefined
      ? timeoutError({ url, proxy, isReplying })
      : proxyError(statusCode, "", url, proxy);
  }
  // The package `tunnel` has nothing but words for the proxy's status, or for why there is none.
  const [, words] = /^tunneling socket could not be established, (.*)/.exec(message) ?? [];
  if (words !== undefined) {
    const status = /^statusCode=(\d+)/.exec(words)?.[1];
    return proxyError(status === undefined ? undefined : Number(status), words, url, proxy);
  }
  if (UNTRUSTED.has(code)) {
    return new ArmorError(
      "certificate_rejected",
      `The certificate of ${url.origin} is not signed by an authority that this runner trusts (${code})`,
      "Give the private CA that signed it, or that of the inspecting proxy, as ca-certificate.",
    );
  }
  if (OUT_OF_DATE.has(code)) {
    return new ArmorError(
      "certificate_rejected",
      `The certificate of ${url.origin} is expired or not valid yet (${code})`,
      "Renew it on the server and check this runner's clock; ca-certificate adds authorities and excuses no date.",
    );
  }
  if (WRONG_NAME.has(code)) {
    return new ArmorError(
      "certificate_rejected",
      `The certificate of ${url.origin} is for another host name (${code})`,
      "Use the name that the certificate carries in api-url; ca-certificate adds authorities and excuses no name.",
    );
  }
  if (OTHER_CERTIFICATE_FAULT.test(code)) {
    return new ArmorError(
      "certificate_rejected",
      `The certificate of ${url.origin} was rejected (${code})`,
      "Check the server's certificate chain and ca-certificate.",
    );
  }
  if (code === "ENOTFOUND") {
    return new ArmorError(
      "host_unknown",
      `The host ${url.hostname} is not known to this runner's name service`,
      "Check api-url, and whether this runner needs https_proxy to leave its network.",
    );
  }
  if (code === "EPROTO" || code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_")) {
    return new ArmorError(
      "tls_failed",
      `${url.origin} does not speak TLS as this runner does (${code})`,
      "Check the scheme and port in api-url.",
    );
  }
  if (code.startsWith("HPE_")) {
    return new ArmorError(
      "reply_invalid",
      `${url.origin} answered with something that is not HTTP (${code})`,
      "Check the scheme, host and port in api-url.",
    );
  }
  return isReplying
    ? new ArmorError("reply_incomplete", `${url.origin} broke off its answer`, "Run the job again later.")
    : new ArmorError(
        "connection_failed",
        `No connection to ${via(url, proxy)}${code === "" ? "" : ` (${code})`}`,
        "Check api-url, and that a firewall lets this runner reach it.",
      );
}

/** The proxy answered CONNECT with this status, or could not be asked for a reason that these words name. */
function proxyError(status: number | undefined, words: string, url: URL, proxy: URL | undefined): ArmorError {
  const where = `The proxy ${proxy?.origin ?? ""}`;
  if (status === 407) {
    return new ArmorError(
      "proxy_refused",
      `${where} wants other credentials (407)`,
      "Put user and password, percent-encoded, into https_proxy: http://user:password@host:port.",
    );
  }
  if (status !== undefined && status < 500 && status !== 408 && status !== 429) {
    return new ArmorError(
      "proxy_refused",
      `${where} refuses the way to ${url.host} (${status})`,
      "Have the proxy allow this host, or list it in no_proxy if this runner reaches it directly.",
    );
  }
  const cause = status ?? /\b(E[A-Z_]{4,}|[A-Z]+(_[A-Z]+){2,})\b/.exec(words)?.[1];
  return new ArmorError(
    "proxy_failed",
    `${where} does not connect to ${url.host}${cause === undefined ? "" : ` (${cause})`}`,
    "Check https_proxy, and that the proxy is up and knows the host.",
  );
}
