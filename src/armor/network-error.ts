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

/** What failed before the tunnel stood. */
export class ProxyFailure extends Error {
  readonly code = "PROXY_FAILURE";
  /** The proxy's status, or the code of an error. */
  readonly reason: number | string;
  /** The value of Proxy-Authenticate. */
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
const GIVE_CHAIN = "Give its private CA as ca-certificate, or have the server send its whole chain.";
const RENEW = "Renew it on the server and check this runner's clock; ca-certificate does not help here.";
const USE_NAME = "Use the name that the certificate has; ca-certificate does not help here.";
const CHECK_WAY = "Check what stands between this runner and Armor, such as a proxy or load balancer.";
const CHECK_URL = "Check the scheme, host and port in api-url.";
const CHECK_PROXY = "Check https_proxy, that the proxy is up, and that it can reach the host.";
const ALLOW_HOST =
  "Have the proxy allow this host, or list it in no_proxy if this runner reaches it directly.";

const CERTIFICATE_FAULTS: readonly Fault[] = [
  [/SELF_SIGNED/, "has a certificate that is self-signed, or of a self-signed authority", GIVE_CA],
  [
    /^UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)/,
    "has a certificate that is not signed by an authority that this runner trusts",
    GIVE_CHAIN,
  ],
  [/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/, "has a certificate that is expired or not valid yet", RENEW],
  [/ALTNAME|HOSTNAME_MISMATCH/, "has a certificate for another host name", USE_NAME],
  [/^(CERT|CRL|ERROR_IN|INVALID|PATH_LENGTH|UNABLE)_/, "has a certificate that was rejected", GIVE_CHAIN],
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
  const word = codeOf(error);
  if (isReplying || /^HPE_(INVALID_EOF_STATE|CLOSED_CONNECTION)$/.test(word)) {
    return new ArmorError(
      "reply_incomplete",
      `${url.origin} broke off its answer`,
      "Run the job again later.",
    );
  }
  return (
    dnsError(word, url.hostname) ??
    limitError(word, via(state)) ??
    faultError(CERTIFICATE_FAULTS, word, "certificate_rejected", via(state)) ??
    faultError(TLS_FAULTS, word, "tls_failed", via(state)) ??
    faultError(REPLY_FAULTS, word, "reply_invalid", url.origin) ??
    new ArmorError(
      "connection_failed",
      `No connection to ${via(state)}${word && ` (${word})`}`,
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

/** The code of an error of Node's. EPROTO has it in its text: `…:error:CODE:…:…:reason:…` */
export function codeOf(error: unknown): string {
  const { name, code, message = "" } = error as NodeJS.ErrnoException;
  if (name === "AbortError" || name === "TimeoutError") return "ETIMEDOUT";
  const [, reason] = (code === "EPROTO" && /:error:\w+:[^:]*:[^:]*:([\w /]+):/.exec(message)) || [];
  if (reason !== undefined) return `ERR_SSL_${reason.toUpperCase().replaceAll(" ", "_")}`;
  return typeof code === "string" && /^[\w/]+$/.test(code) ? code : "";
}

function dnsError(word: string, host: string): ArmorError | undefined {
  if (!/^(ENOTFOUND|EAI_\w+)$/.test(word)) return undefined;
  const remedy = "Check api-url, this runner's DNS, and whether it needs https_proxy to leave its network.";
  return word === "ENOTFOUND"
    ? new ArmorError("host_unknown", `DNS does not know the host ${host} (${word})`, remedy)
    : new ArmorError("dns_failed", `DNS does not answer for the host ${host} (${word})`, remedy);
}

function limitError(word: string, who: string): ArmorError | undefined {
  if (!/^(EMFILE|ENFILE|ENOBUFS|EADDRNOTAVAIL)$/.test(word)) return undefined;
  const problem = `${who} cannot be connected to, because this runner has no free file or port (${word})`;
  const remedy = "Check the limit of open files (ulimit -n) and what else runs on this machine.";
  return new ArmorError("connection_failed", problem, remedy);
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
  const [who, word] = [`The proxy ${proxy?.origin}`, String(reason)];
  const failed = (problem: string) => new ArmorError("proxy_failed", problem, CHECK_PROXY);
  if (/^40[17]$/.test(word)) return proxyAuthError(who, word, challenge, proxy?.credentials);
  if (/^(5\d\d|408|429)$/.test(word)) return failed(`${who} cannot connect to ${url.host} (${word})`);
  if (/^[234]\d\d$/.test(word)) {
    return new ArmorError("proxy_refused", `${who} refuses to connect to ${url.host} (${word})`, ALLOW_HOST);
  }
  if (word === "ENOTFOUND") return failed(`DNS does not know the proxy ${proxy?.origin} (${word})`);
  const isHttp = !/^(HPE_|EARLY_BYTES|1)/.test(word);
  const what = isHttp ? "cannot be used" : "does not answer as an HTTP proxy";
  return (
    limitError(word, who) ??
    faultError([...CERTIFICATE_FAULTS, ...TLS_FAULTS], word, "proxy_refused", who) ??
    failed(`${who} ${what} (${word}): no connection to ${url.host}`)
  );
}

/** Some proxies, tinyproxy among them, say 401 where 407 is meant. */
function proxyAuthError(who: string, status: string, challenge: string, given?: string): ArmorError {
  const schemes = ["basic", "digest", "ntlm", "negotiate", "bearer"];
  const wanted = schemes.filter((scheme) => new RegExp(`(^|,)\\s*${scheme}\\b`, "i").test(challenge));
  const refused = (problem: string, remedy: string) =>
    new ArmorError("proxy_refused", `${who} ${problem}`, remedy);
  if (wanted.length > 0 && !wanted.includes("basic")) {
    return refused(
      `wants authentication by ${wanted.join(" or ")} (${status}), and this action sends Basic only`,
      "Have the proxy accept Basic authentication, or list the host in no_proxy.",
    );
  }
  const what = given === undefined ? "wants a user and a password" : "does not accept the user and password";
  return refused(
    `${what} (${status})`,
    "Put them, percent-encoded, into https_proxy: http://user:password@host:port.",
  );
}
