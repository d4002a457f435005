import { ArmorError, type ErrorCode } from "../errors.ts";

/** The call that failed. */
export interface CallState {
  readonly url: URL;
  /** Undefined where there is none on the way. */
  readonly proxy: { readonly origin: string; readonly credentials?: string } | undefined;
  /** False as long as the proxy has opened no tunnel: until then, every failure is the proxy's. */
  hasTunnel?: boolean;
  /** Whether the reply had begun. */
  isReplying: boolean;
}

/** What failed before the tunnel stood: the proxy's status, or a code; and the value of Proxy-Authenticate. */
export class ProxyFailure extends Error {
  readonly code = "PROXY_FAILURE";
  readonly reason: number | string;
  readonly challenge: string;

  constructor(reason: number | string, challenge = "") {
    super("the proxy failed");
    this.reason = reason;
    this.challenge = challenge;
  }
}

/** Codes of Node and OpenSSL, what is said of Armor or the proxy, and what to do. */
type Fault = readonly [codes: RegExp, problem: string, remedy: string];

const GIVE_CA = "Give the private CA that signed it, or that of the inspecting proxy, as ca-certificate.";
const RENEW = "Renew it on the server and check this runner's clock; ca-certificate does not help here.";
const USE_NAME = "Use the name that the certificate has; ca-certificate does not help here.";
const CHECK_CHAIN = "Check the server's certificate chain.";
const CHECK_WAY = "Check what stands between this runner and Armor, such as a proxy or load balancer.";
const CHECK_URL = "Check the scheme, host and port in api-url.";

const CERTIFICATE_FAULTS: readonly Fault[] = [
  [/SELF_SIGNED/, "has a certificate that is self-signed, or of a self-signed authority", GIVE_CA],
  [
    /^UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)/,
    "has a certificate that is not signed by an authority that this runner trusts",
    "Give the private CA that signed it as ca-certificate, or have the server send its whole chain.",
  ],
  [/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/, "has a certificate that is expired or not valid yet", RENEW],
  [/ALTNAME|HOSTNAME_MISMATCH/, "has a certificate for another host name", USE_NAME],
  [/^(CERT|CRL|ERROR_IN|INVALID|PATH_LENGTH|UNABLE)_/, "has a certificate that was rejected", CHECK_CHAIN],
];

/** OpenSSL's names can have a slash: ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE. */
const TLS_FAULTS: readonly Fault[] = [
  [
    /ALERT_(.*CERTIFICATE|UNKNOWN_CA)/,
    "asks for a client certificate, which this action does not send",
    "Use an address that takes the client app's key alone.",
  ],
  [/WRONG_VERSION|PACKET_LENGTH|UNKNOWN_PROTOCOL/, "does not speak TLS", "Check the scheme and the port."],
  [
    /^(EPROTO$|ERR_(SSL|TLS|OSSL)_)/,
    "and this runner have no TLS version or cipher in common, or TLS was cut off",
    "Check the server's TLS settings, the port, and whether a client certificate is wanted.",
  ],
];

const REPLY_FAULTS: readonly Fault[] = [
  [/^HPE_HEADER_OVERFLOW$/, "answered with headers of more than 16 KB", CHECK_WAY],
  [/^HPE_(INVALID_(CONSTANT|VERSION)|STRICT)$/, "answered with something that is not HTTP", CHECK_URL],
  [
    /^HPE_/,
    "answered with HTTP that contradicts itself, or with a reply that this action does not take",
    CHECK_WAY,
  ],
];

/** What an error of Node's means. `error` must have come from the connection. */
export function networkError(error: unknown, state: CallState): ArmorError {
  if (error instanceof ProxyFailure) return proxyError(error, state);
  const { url, isReplying } = state;
  const code = codeOf(error);
  if (isReplying || /^HPE_(INVALID_EOF_STATE|CLOSED_CONNECTION)$/.test(code)) {
    return new ArmorError(
      "reply_incomplete",
      `${url.origin} broke off its answer`,
      "Run the job again later.",
    );
  }
  return (
    dnsError(code, url.hostname) ??
    limitError(code, via(state)) ??
    faultError(CERTIFICATE_FAULTS, code, "certificate_rejected", via(state)) ??
    faultError(TLS_FAULTS, code, "tls_failed", via(state)) ??
    faultError(REPLY_FAULTS, code, "reply_invalid", url.origin) ??
    new ArmorError(
      "connection_failed",
      `No connection to ${via(state)}${suffix(code)}`,
      "Check api-url, and that a firewall lets this runner reach it.",
    )
  );
}

/** Nothing came, or not all of it, before the deadline. */
export function timeoutError(state: CallState): ArmorError {
  const { url, proxy, hasTunnel, isReplying } = state;
  if (proxy !== undefined && hasTunnel === false) return proxyError(new ProxyFailure("ETIMEDOUT"), state);
  return new ArmorError(
    "reply_timeout",
    isReplying ? `${url.origin} began to answer and did not finish` : `No answer from ${via(state)}`,
    `Check that ${proxy === undefined ? "this runner" : "the proxy"} can reach the host, or raise timeout.`,
  );
}

function via({ url, proxy }: CallState): string {
  return proxy === undefined ? url.origin : `${url.origin} through the proxy ${proxy.origin}`;
}

/** The code of an error of Node's. EPROTO hides OpenSSL's reason in its text: `…:error:0A00010B:…:wrong version number:…` */
export function codeOf(error: unknown): string {
  const { name, code, message = "" } = error as NodeJS.ErrnoException;
  if (name === "AbortError" || name === "TimeoutError") return "ETIMEDOUT";
  const [, reason] = (code === "EPROTO" && /:error:\w+:[^:]*:[^:]*:([\w /]+):/.exec(message)) || [];
  if (reason !== undefined) return `ERR_SSL_${reason.toUpperCase().replaceAll(" ", "_")}`;
  return typeof code === "string" && /^[\w/]+$/.test(code) ? code : "";
}

function suffix(code: string): string {
  return code === "" ? "" : ` (${code})`;
}

function dnsError(word: string, host: string): ArmorError | undefined {
  const remedy = "whether this runner needs https_proxy to leave its network.";
  if (word === "ENOTFOUND") {
    return new ArmorError(
      "host_unknown",
      `DNS does not know the host ${host} (${word})`,
      `Check api-url, and ${remedy}`,
    );
  }
  return word.startsWith("EAI_")
    ? new ArmorError(
        "dns_failed",
        `DNS does not answer for the host ${host} (${word})`,
        `Check this runner's DNS server, and ${remedy}`,
      )
    : undefined;
}

function limitError(word: string, who: string): ArmorError | undefined {
  if (!/^(EMFILE|ENFILE|ENOBUFS|EADDRNOTAVAIL)$/.test(word)) return undefined;
  return new ArmorError(
    "connection_failed",
    `${who} cannot be connected to, because this runner has no free file or port (${word})`,
    "Check the limit of open files (ulimit -n) and what else runs on this machine.",
  );
}

function faultError(
  faults: readonly Fault[],
  word: string,
  code: ErrorCode,
  who: string,
): ArmorError | undefined {
  const [, problem, remedy] = faults.find(([words]) => words.test(word)) ?? [];
  return problem && remedy ? new ArmorError(code, `${who} ${problem} (${word})`, remedy) : undefined;
}

function proxyError({ reason, challenge }: ProxyFailure, { url, proxy }: CallState): ArmorError {
  const who = `The proxy ${proxy?.origin}`;
  if (reason === 407 || reason === 401) return proxyAuthError(who, reason, challenge, proxy?.credentials);
  if (typeof reason === "number" && reason >= 200) return proxyStatusError(who, reason, url.host);
  const word = String(reason);
  const isHttp = !/^(HPE_|EARLY_BYTES|\d)/.test(word);
  return (
    limitError(word, who) ??
    faultError([...CERTIFICATE_FAULTS, ...TLS_FAULTS], word, "proxy_refused", who) ??
    new ArmorError(
      "proxy_failed",
      word === "ENOTFOUND"
        ? `DNS does not know the proxy ${proxy?.origin} (${word})`
        : `${who} ${isHttp ? "cannot be used" : "does not answer as an HTTP proxy"} (${word}): no connection to ${url.host}`,
      "Check https_proxy, and that the proxy is up and can be reached.",
    )
  );
}

function proxyStatusError(who: string, status: number, host: string): ArmorError {
  if (status >= 500 || status === 408 || status === 429) {
    return new ArmorError(
      "proxy_failed",
      `${who} cannot connect to ${host} (${status})`,
      "Check that the proxy is up and can reach the host.",
    );
  }
  return new ArmorError(
    "proxy_refused",
    `${who} refuses to connect to ${host} (${status})`,
    "Have the proxy allow this host, or list it in no_proxy if this runner reaches it directly.",
  );
}

/** Some proxies, tinyproxy among them, say 401 where 407 is meant. */
function proxyAuthError(
  who: string,
  status: number,
  challenge: string,
  given: string | undefined,
): ArmorError {
  const wanted = ["basic", "digest", "ntlm", "negotiate", "bearer"].filter((scheme) =>
    new RegExp(`(^|,)\\s*${scheme}\\b`, "i").test(challenge),
  );
  if (wanted.length > 0 && !wanted.includes("basic")) {
    return new ArmorError(
      "proxy_refused",
      `${who} wants authentication by ${wanted.join(" or ")} (${status}), and this action sends Basic only`,
      "Have the proxy accept Basic authentication, or list the host in no_proxy.",
    );
  }
  const problem =
    given === undefined ? "wants a user and a password" : "does not accept the user and password";
  return new ArmorError(
    "proxy_refused",
    `${who} ${problem} (${status})`,
    "Put them, percent-encoded, into https_proxy: http://user:password@host:port.",
  );
}
