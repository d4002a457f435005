import { ArmorError, type ErrorCode } from "../errors.ts";
import { type ProxyAddress, ProxyFailure } from "./proxy.ts";

/** The call that failed. */
export interface CallState {
  readonly url: URL;
  /** Undefined where there is none on the way. */
  readonly proxy: ProxyAddress | undefined;
  /** Whether the reply had begun. */
  isReplying: boolean;
}

/** Nothing came, or not all of it, before the deadline. */
export function timeoutError({ url, proxy, isReplying }: CallState): ArmorError {
  return new ArmorError(
    "reply_timeout",
    isReplying ? `${url.origin} began to answer and did not finish` : `No answer from ${via(url, proxy)}`,
    `Check that ${proxy === undefined ? "this runner" : "the proxy"} can reach the host, or raise timeout.`,
  );
}

function via(url: URL, proxy: ProxyAddress | undefined): string {
  return proxy === undefined ? url.origin : `${url.origin} through the proxy ${proxy.origin}`;
}

/** Codes of Node, and OpenSSL's verification results as Node names them; what is said of the origin; what to do. */
type Row = readonly [codes: RegExp, code: ErrorCode, problem: string, remedy: string];

const CERTIFICATE: readonly Row[] = [
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)$/,
    "certificate_rejected",
    "has a certificate that is self-signed, or signed by a self-signed authority that this runner does not trust",
    "Give the private CA that signed it, or that of the inspecting proxy, as ca-certificate.",
  ],
  [
    /^UNABLE_TO_(GET_ISSUER_CERT(_LOCALLY)?|VERIFY_LEAF_SIGNATURE)$/,
    "certificate_rejected",
    "has a certificate that is not signed by an authority that this runner trusts, or sends it without the intermediate one",
    "Give the private CA that signed it as ca-certificate, or have the server send its whole chain.",
  ],
  [
    /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
    "certificate_rejected",
    "has a certificate that is expired or not valid yet",
    "Renew it on the server and check this runner's clock; ca-certificate does not help here.",
  ],
  [
    /^(ERR_TLS_CERT_ALTNAME_INVALID|ERR_TLS_CERT_ALTNAME_FORMAT|HOSTNAME_MISMATCH)$/,
    "certificate_rejected",
    "has a certificate for another host name",
    "Use the name that the certificate carries; ca-certificate does not help here.",
  ],
  [
    /^(CERT_|CRL_|ERROR_IN_CERT|INVALID_(CA|PURPOSE)|PATH_LENGTH|UNABLE_TO_)/,
    "certificate_rejected",
    "has a certificate that was rejected",
    "Check the server's certificate chain and ca-certificate.",
  ],
  [
    /ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|NO_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_UNKNOWN)$/,
    "tls_failed",
    "asks for a client certificate, which this action does not send",
    "Use an address that takes the client app's key alone.",
  ],
  [
    /(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|UNKNOWN_PROTOCOL)$/,
    "tls_failed",
    "does not speak TLS",
    "Check the scheme and the port.",
  ],
  [
    /^(EPROTO|ERR_SSL_|ERR_TLS_|ERR_OSSL_)/,
    "tls_failed",
    "and this runner have no TLS version or cipher in common, or TLS was cut off",
    "Check the server's TLS settings, and the port.",
  ],
];

const WIRE: readonly Row[] = [
  [
    /^(EMFILE|ENFILE|ENOBUFS|EADDRNOTAVAIL)$/,
    "connection_failed",
    "cannot be connected to, because this runner has no free file or port",
    "Check the limit of open files (ulimit -n) and what else runs on this machine.",
  ],
  [
    /^HPE_HEADER_OVERFLOW$/,
    "reply_invalid",
    "answered with headers of more than 16 KB",
    "Check that no proxy or gateway on the way adds them.",
  ],
  [
    /^HPE_(INVALID_EOF_STATE|CLOSED_CONNECTION)$/,
    "reply_incomplete",
    "broke off its answer",
    "Run the job again later.",
  ],
  [
    /^HPE_(INVALID_CONSTANT|INVALID_VERSION|INVALID_METHOD|STRICT)$/,
    "reply_invalid",
    "answered with something that is not HTTP",
    "Check the scheme, host and port in api-url.",
  ],
  [
    /^HPE_/,
    "reply_invalid",
    "answered with HTTP that contradicts itself, or with a reply that this action does not take",
    "Check what stands between this runner and Armor: a proxy or load balancer may be at fault.",
  ],
];

/** What an error of Node's means. `error` must have come from the connection. */
export function networkError(error: unknown, state: CallState): ArmorError {
  if (error instanceof ProxyFailure) return proxyError(error, state);
  const { url, proxy, isReplying } = state;
  const code = codeOf(error);
  if (code === "ENOTFOUND") {
    return new ArmorError(
      "host_unknown",
      `DNS does not know the host ${url.hostname} (ENOTFOUND)`,
      "Check api-url, and whether this runner needs https_proxy to leave its network.",
    );
  }
  if (code === "EAI_AGAIN" || code === "EAI_FAIL") {
    return new ArmorError(
      "dns_failed",
      `DNS does not answer for the host ${url.hostname} (${code})`,
      "Check this runner's DNS server, and whether it needs https_proxy to leave its network.",
    );
  }
  const row = [...CERTIFICATE, ...WIRE].find(([codes]) => codes.test(code));
  if (row !== undefined) return new ArmorError(row[1], `${url.origin} ${row[2]} (${code})`, row[3]);
  return isReplying
    ? new ArmorError("reply_incomplete", `${url.origin} broke off its answer`, "Run the job again later.")
    : new ArmorError(
        "connection_failed",
        `No connection to ${via(url, proxy)}${code === "" ? "" : ` (${code})`}`,
        "Check api-url, and that a firewall lets this runner reach it.",
      );
}

/** OpenSSL's names can have a slash: ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE. */
function codeOf(error: unknown): string {
  const { code = "" } = error as { code?: unknown };
  return typeof code === "string" && /^[\w/]+$/.test(code) ? code : "";
}

/** Whatever failed before the tunnel stood, or the proxy's status. */
function proxyError({ reason, schemes }: ProxyFailure, { url, proxy }: CallState): ArmorError {
  const where = `The proxy ${proxy?.origin ?? ""}`;
  if (reason === 407 || reason === 401) return proxyAuthError(where, reason, schemes, proxy);
  if (typeof reason === "number") {
    if (reason >= 300 && reason < 500 && reason !== 408 && reason !== 429) {
      return new ArmorError(
        "proxy_refused",
        `${where} refuses to connect to ${url.host} (${reason})`,
        "Have the proxy allow this host, or list it in no_proxy if this runner reaches it directly.",
      );
    }
    return new ArmorError(
      "proxy_failed",
      `${where} cannot connect to ${url.host} (${reason})`,
      "Check that the proxy is up and can reach the host.",
    );
  }
  const code = codeOf({ code: reason });
  const row = CERTIFICATE.find(([codes]) => codes.test(code));
  if (row !== undefined) return new ArmorError("proxy_refused", `${where} ${row[2]} (${code})`, row[3]);
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return new ArmorError(
      "proxy_failed",
      `DNS does not know ${where.toLowerCase()} (${code})`,
      "Check https_proxy.",
    );
  }
  const what =
    code.startsWith("HPE_") || code === "EARLY_BYTES" ? "does not answer as an HTTP proxy" : "cannot be used";
  return new ArmorError(
    "proxy_failed",
    `${where} ${what}${code === "" ? "" : ` (${code})`}: no connection to ${url.host}`,
    "Check https_proxy, and that the proxy is up and can be reached.",
  );
}

/** Some proxies, tinyproxy among them, say 401 where 407 is meant. */
function proxyAuthError(
  where: string,
  status: number,
  schemes: readonly string[],
  proxy: ProxyAddress | undefined,
): ArmorError {
  const put = "Put them, percent-encoded, into https_proxy: http://user:password@host:port.";
  const known = ["basic", "digest", "ntlm", "negotiate", "kerberos", "bearer"].filter((name) =>
    schemes.includes(name),
  );
  if (known.length > 0 && !known.includes("basic")) {
    return new ArmorError(
      "proxy_refused",
      `${where} wants authentication by ${known.join(" or ")} (${status}), and this action sends Basic only`,
      "Have the proxy accept Basic authentication, or list the host in no_proxy.",
    );
  }
  return proxy?.credentials === undefined
    ? new ArmorError("proxy_refused", `${where} wants a user and a password (${status})`, put)
    : new ArmorError("proxy_refused", `${where} does not accept the user and password (${status})`, put);
}
