import { ArmorError, type ErrorCode } from "../errors.ts";

export interface ProxyAddress {
  readonly origin: string; // scheme, host and port, without user and password, to be printed
  readonly credentials?: string; // `user:password`, decoded
}

/** The call that failed. */
export interface CallState {
  readonly url: URL;
  readonly proxy: ProxyAddress | undefined;
  hasTunnel?: boolean; // false: the proxy has opened no tunnel, and every failure is its own
  isReplying: boolean; // whether the reply had begun
}

const NO_SOCKET = "cannot be connected to, because this runner has no free file or port";
const SELF_SIGNED = "has a certificate that is self-signed, or of a self-signed authority";
const UNTRUSTED = "has a certificate that is not signed by an authority that this runner trusts";
const OUT_OF_DATE = "has a certificate that is expired or not valid yet";
const OTHER_NAME = "has a certificate for another host name";
const REJECTED = "has a certificate that was rejected";
const CLIENT_CERTIFICATE = "asks for a client certificate, which this action does not send";
const NO_TLS = "does not speak TLS";
const NO_COMMON_TLS = "and this runner have no TLS version or cipher in common, or TLS was cut off";
const LONG_HEAD = "answered with headers of more than 16 KB";
const NOT_HTTP = "answered with something that is not HTTP";
const BAD_HTTP = "answered with HTTP that contradicts itself, or with a reply that this action does not take";

const CHECK_LIMITS = "Check the limit of open files (ulimit -n) and what else runs on this machine.";
const GIVE_CA = "Give the private CA that signed it, or that of the inspecting proxy, as ca-certificate.";
const GIVE_CHAIN = "Give its private CA as ca-certificate, or have the server send its whole chain.";
const RENEW = "Renew it on the server and check this runner's clock; ca-certificate does not help here.";
const USE_NAME = "Use the name that the certificate has; ca-certificate does not help here.";
const USE_KEY = "Use an address that takes the client app's key alone.";
const CHECK_PORT = "Check the scheme, the host and the port of its address.";
const CHECK_TLS = "Check the server's TLS settings, the port, and whether a client certificate is wanted.";
const CHECK_WAY = "Check what stands between this runner and Armor, such as a proxy or load balancer.";
const CHECK_DNS = "Check api-url, this runner's DNS, and whether it needs https_proxy to leave its network.";
const CHECK_PROXY = "Check https_proxy, that the proxy is up, and that it can reach the host.";
const ALLOW = "Have the proxy allow this host, or list it in no_proxy if this runner reaches it directly.";
const ACCEPT_BASIC = "Have the proxy accept Basic authentication, or list the host in no_proxy.";
const ENCODE_CREDENTIALS = "Put them, percent-encoded, into https_proxy: http://user:password@host:port.";

/** What codes of Node and OpenSSL mean: what is said of Armor or the proxy, and what to do. */
type Fault = readonly [words: RegExp, code: ErrorCode, problem: string, remedy: string];

/** The first match counts. OpenSSL's names can have a slash: ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE. */
const FAULTS: readonly Fault[] = [
  [/^(EMFILE|ENFILE|ENOBUFS|EADDRNOTAVAIL)$/, "connection_failed", NO_SOCKET, CHECK_LIMITS],
  [/SELF_SIGNED/, "certificate_rejected", SELF_SIGNED, GIVE_CA],
  [/^UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)/, "certificate_rejected", UNTRUSTED, GIVE_CHAIN],
  [/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/, "certificate_rejected", OUT_OF_DATE, RENEW],
  [/ALTNAME|HOSTNAME_MISMATCH/, "certificate_rejected", OTHER_NAME, USE_NAME],
  [/^(CERT|CRL|ERROR_IN|INVALID|PATH_LENGTH|UNABLE)_/, "certificate_rejected", REJECTED, GIVE_CHAIN],
  [/ALERT_(.*CERTIFICATE|UNKNOWN_CA)/, "tls_failed", CLIENT_CERTIFICATE, USE_KEY],
  [/WRONG_VERSION|PACKET_LENGTH|UNKNOWN_PROTOCOL/, "tls_failed", NO_TLS, CHECK_PORT],
  [/^(EPROTO$|ERR_(SSL|TLS|OSSL)_)/, "tls_failed", NO_COMMON_TLS, CHECK_TLS],
  [/^HPE_HEADER_OVERFLOW$/, "reply_invalid", LONG_HEAD, CHECK_WAY],
  [/^HPE_(INVALID_(CONSTANT|VERSION)|STRICT)$/, "reply_invalid", NOT_HTTP, CHECK_PORT],
  [/^HPE_/, "reply_invalid", BAD_HTTP, CHECK_WAY],
];

/** What an error of the connection means; an ArmorError is one that a `RouteAgent` has judged. */
export function networkError(error: unknown, state: CallState): ArmorError {
  if (error instanceof ArmorError) return error;
  const { origin, hostname } = state.url;
  const word = codeOf(error);
  if (state.isReplying || /^HPE_(INVALID_EOF_STATE|CLOSED_CONNECTION)$/.test(word))
    return new ArmorError("reply_incomplete", `${origin} broke off its answer`, "Run the job again later.");
  if (word === "ENOTFOUND")
    return new ArmorError("host_unknown", `DNS does not know the host ${hostname} (${word})`, CHECK_DNS);
  if (word.startsWith("EAI_"))
    return new ArmorError("dns_failed", `DNS does not answer for the host ${hostname} (${word})`, CHECK_DNS);
  const [, code, problem, remedy] = FAULTS.find(([words]) => words.test(word)) ?? [];
  if (code && remedy) return new ArmorError(code, `${via(state)} ${problem} (${word})`, remedy);
  const check = "Check api-url, and that a firewall lets this runner reach it.";
  return new ArmorError("connection_failed", `No connection to ${via(state)}${word && ` (${word})`}`, check);
}

/** Nothing came, or not all of it, before the deadline. */
export function timeoutError(state: CallState): ArmorError {
  const { url, proxy, hasTunnel, isReplying } = state;
  if (proxy !== undefined && hasTunnel === false) return proxyError(proxy, url.host, "ETIMEDOUT");
  const problem = isReplying
    ? `${url.origin} began to answer and did not finish`
    : `No answer from ${via(state)}`;
  const who = proxy === undefined ? "this runner" : "the proxy";
  return new ArmorError("reply_timeout", problem, `Check that ${who} can reach the host, or raise timeout.`);
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

/** What failed before the tunnel: `word` is the proxy's status or a code, `challenge` Proxy-Authenticate. */
export function proxyError(proxy: ProxyAddress, target: string, word: string, challenge = ""): ArmorError {
  const who = `The proxy ${proxy.origin}`;
  const refused = (what: string, remedy: string) => new ArmorError("proxy_refused", `${who} ${what}`, remedy);
  const failed = (problem: string) => new ArmorError("proxy_failed", problem, CHECK_PROXY);
  // Some proxies, tinyproxy among them, say 401 where 407 is meant.
  if (word === "401" || word === "407") {
    const found = challenge.toLowerCase().matchAll(/(?:^|,)\s*(basic|digest|ntlm|negotiate|bearer)\b/g);
    const schemes = [...found].map(([, scheme]) => scheme);
    const wanted = `wants authentication by ${schemes.join(" or ")} (${word})`;
    if (schemes.length > 0 && !schemes.includes("basic"))
      return refused(`${wanted}, and this action sends Basic only`, ACCEPT_BASIC);
    const what = proxy.credentials ? "does not accept the user and password" : "wants a user and a password";
    return refused(`${what} (${word})`, ENCODE_CREDENTIALS);
  }
  if (/^(5\d\d|408|429)$/.test(word)) return failed(`${who} cannot connect to ${target} (${word})`);
  if (/^[234]\d\d$/.test(word)) return refused(`refuses to connect to ${target} (${word})`, ALLOW);
  if (word === "ENOTFOUND") return failed(`DNS does not know the proxy ${proxy.origin} (${word})`);
  const [, code, problem, remedy] = FAULTS.find(([words]) => words.test(word)) ?? [];
  if (code === "connection_failed") return new ArmorError(code, `${who} ${problem} (${word})`, CHECK_LIMITS);
  if (code && code !== "reply_invalid" && remedy) return refused(`${problem} (${word})`, remedy);
  const what = /^(HPE_|EARLY_BYTES|1)/.test(word) ? "does not answer as an HTTP proxy" : "cannot be used";
  return failed(`${who} ${what} (${word}): no connection to ${target}`);
}
