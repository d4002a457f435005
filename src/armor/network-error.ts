import { ArmorError, type ErrorCode } from "../errors.ts";

export interface ProxyAddress {
  readonly origin: string; // scheme, host and port, without user and password: fit to print
  readonly credentials?: string; // `user:password`, decoded
}

/** What is known of a call at the moment in which it failed. */
export interface CallState {
  readonly url: URL;
  readonly proxy: ProxyAddress | undefined; // undefined: there is none on the way
  readonly hasTunnel?: boolean; // false: the proxy has not opened one yet, so every failure is the proxy's
  readonly isReplying: boolean; // the head of Armor's reply has arrived
}

/** How a user is told of one family of errors. */
interface Fault {
  readonly nodeCodes: RegExp; // codes of Node and OpenSSL
  readonly code: ErrorCode;
  readonly problem: string; // goes on behind `https://armor.example ` or `The proxy http://… `
  readonly remedy: string;
}

const GIVE_CHAIN =
  "Give its private CA as ca-certificate, or have the server send its whole chain.";
const CHECK_PORT = "Check the scheme, the host and the port of its address.";
const CHECK_WAY =
  "Check what stands between this runner and Armor, such as a proxy or load balancer.";
const CHECK_DNS =
  "Check api-url, this runner's DNS, and whether it needs https_proxy to leave its network.";
const CHECK_PROXY = "Check https_proxy, that the proxy is up, and that it can reach the host.";

/** The first match counts, so a family stands behind its special cases. */
const FAULTS: readonly Fault[] = [
  {
    nodeCodes: /^(EMFILE|ENFILE|ENOBUFS|EADDRNOTAVAIL)$/,
    code: "connection_failed",
    problem: "cannot be connected to, because this runner has no free file or port",
    remedy: "Check the limit of open files (ulimit -n) and what else runs on this machine.",
  },
  {
    nodeCodes: /SELF_SIGNED/,
    code: "certificate_rejected",
    problem: "has a certificate that is self-signed, or of a self-signed authority",
    remedy:
      "Give the private CA that signed it, or that of the inspecting proxy, as ca-certificate.",
  },
  {
    nodeCodes: /^UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)/,
    code: "certificate_rejected",
    problem: "has a certificate that is not signed by an authority that this runner trusts",
    remedy: GIVE_CHAIN,
  },
  {
    nodeCodes: /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
    code: "certificate_rejected",
    problem: "has a certificate that is expired or not valid yet",
    remedy:
      "Renew it on the server and check this runner's clock; ca-certificate does not help here.",
  },
  {
    nodeCodes: /ALTNAME|HOSTNAME_MISMATCH/,
    code: "certificate_rejected",
    problem: "has a certificate for another host name",
    remedy: "Use the name that the certificate has; ca-certificate does not help here.",
  },
  {
    nodeCodes: /^(CERT|CRL|ERROR_IN|INVALID|PATH_LENGTH|UNABLE)_/,
    code: "certificate_rejected",
    problem: "has a certificate that was rejected",
    remedy: GIVE_CHAIN,
  },
  {
    nodeCodes: /ALERT_(.*CERTIFICATE|UNKNOWN_CA)/,
    code: "tls_failed",
    problem: "asks for a client certificate, which this action does not send",
    remedy: "Use an address that takes the client app's key alone.",
  },
  {
    nodeCodes: /WRONG_VERSION|PACKET_LENGTH|UNKNOWN_PROTOCOL/,
    code: "tls_failed",
    problem: "does not speak TLS",
    remedy: CHECK_PORT,
  },
  {
    nodeCodes: /^(EPROTO$|ERR_(SSL|TLS|OSSL)_)/,
    code: "tls_failed",
    problem: "and this runner have no TLS version or cipher in common, or TLS was cut off",
    remedy:
      "Check the server's TLS settings, the port, and whether a client certificate is wanted.",
  },
  {
    nodeCodes: /^HPE_HEADER_OVERFLOW$/,
    code: "reply_invalid",
    problem: "answered with headers of more than 16 KB",
    remedy: CHECK_WAY,
  },
  {
    nodeCodes: /^HPE_(INVALID_(CONSTANT|VERSION)|STRICT)$/,
    code: "reply_invalid",
    problem: "answered with something that is not HTTP",
    remedy: CHECK_PORT,
  },
  {
    nodeCodes: /^HPE_/,
    code: "reply_invalid",
    problem:
      "answered with HTTP that contradicts itself, or with a reply that this action does not take",
    remedy: CHECK_WAY,
  },
];

function faultOf(nodeCode: string): Fault | undefined {
  return FAULTS.find(({ nodeCodes }) => nodeCodes.test(nodeCode));
}

/** What an error of the connection means. An ArmorError passes as it is: a `RouteAgent` has judged it. */
export function networkError(error: unknown, state: CallState): ArmorError {
  if (error instanceof ArmorError) return error;
  const { origin, hostname } = state.url;
  const nodeCode = codeOf(error);
  const isCutOff = state.isReplying || /^HPE_(INVALID_EOF_STATE|CLOSED_CONNECTION)$/.test(nodeCode);
  if (isCutOff) {
    return new ArmorError(
      "reply_incomplete",
      `${origin} broke off its answer`,
      "Run the job again later.",
    );
  }
  if (nodeCode === "ENOTFOUND") {
    const problem = `DNS does not know the host ${hostname} (${nodeCode})`;
    return new ArmorError("host_unknown", problem, CHECK_DNS);
  }
  if (nodeCode.startsWith("EAI_")) {
    const problem = `DNS does not answer for the host ${hostname} (${nodeCode})`;
    return new ArmorError("dns_failed", problem, CHECK_DNS);
  }
  const fault = faultOf(nodeCode);
  if (fault !== undefined) {
    return new ArmorError(fault.code, `${via(state)} ${fault.problem} (${nodeCode})`, fault.remedy);
  }
  const why = nodeCode === "" ? "" : ` (${nodeCode})`;
  const remedy = "Check api-url, and that a firewall lets this runner reach it.";
  return new ArmorError("connection_failed", `No connection to ${via(state)}${why}`, remedy);
}

/** Nothing came, or not all of it, before the deadline. */
export function timeoutError(state: CallState): ArmorError {
  const { url, proxy, hasTunnel, isReplying } = state;
  if (proxy !== undefined && hasTunnel === false) return proxyError(proxy, url.host, "ETIMEDOUT");
  const problem = isReplying
    ? `${url.origin} began to answer and did not finish`
    : `No answer from ${via(state)}`;
  const who = proxy === undefined ? "this runner" : "the proxy";
  return new ArmorError(
    "reply_timeout",
    problem,
    `Check that ${who} can reach the host, or raise timeout.`,
  );
}

function via({ url, proxy }: CallState): string {
  return proxy === undefined ? url.origin : `${url.origin} through the proxy ${proxy.origin}`;
}

/** OpenSSL's reason is in Node's text only: `write EPROTO …:error:CODE:…:…:wrong version number:…` */
const OPENSSL_REASON = /:error:\w+:[^:]*:[^:]*:(?<reason>[\w /]+):/;

/** @returns the code that Node or OpenSSL gave this error; "" where there is none that can be printed */
export function codeOf(error: unknown): string {
  const { name, code, message = "" } = error as NodeJS.ErrnoException;
  if (name === "AbortError" || name === "TimeoutError") return "ETIMEDOUT";
  const reason = code === "EPROTO" ? OPENSSL_REASON.exec(message)?.groups?.["reason"] : undefined;
  if (reason !== undefined) return `ERR_SSL_${reason.toUpperCase().replaceAll(" ", "_")}`;
  // The slash is for ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE.
  return typeof code === "string" && /^[\w/]+$/.test(code) ? code : "";
}

/** What `proxyError` is told where a proxy that opened the tunnel sent bytes of its own behind its reply. */
export const EARLY_BYTES = "EARLY_BYTES";

/** No tunnel, because the proxy was not reached or did not speak HTTP. `nodeCode` is what `codeOf` gives. */
export function proxyError(proxy: ProxyAddress, target: string, nodeCode: string): ArmorError {
  const who = `The proxy ${proxy.origin}`;
  if (nodeCode === "ENOTFOUND") {
    const problem = `DNS does not know the proxy ${proxy.origin} (${nodeCode})`;
    return new ArmorError("proxy_failed", problem, CHECK_PROXY);
  }
  const fault = faultOf(nodeCode);
  switch (fault?.code) {
    case "connection_failed": // this runner's limits, not the proxy's
      return new ArmorError(fault.code, `${who} ${fault.problem} (${nodeCode})`, fault.remedy);
    case "certificate_rejected":
    case "tls_failed":
      return new ArmorError("proxy_refused", `${who} ${fault.problem} (${nodeCode})`, fault.remedy);
  }
  const isNoProxy = fault?.code === "reply_invalid" || nodeCode === EARLY_BYTES;
  const what = isNoProxy ? "does not answer as an HTTP proxy" : "cannot be used";
  const problem = `${who} ${what} (${nodeCode}): no connection to ${target}`;
  return new ArmorError("proxy_failed", problem, CHECK_PROXY);
}

/** No tunnel, because the proxy answered CONNECT with this status. `challenge` is Proxy-Authenticate. */
export function proxyStatusError(
  proxy: ProxyAddress,
  target: string,
  status: number,
  challenge = "",
): ArmorError {
  const who = `The proxy ${proxy.origin}`;
  // Some proxies, tinyproxy among them, say 401 where 407 is meant.
  if (status === 401 || status === 407) return proxyCredentialsError(proxy, status, challenge);
  if (status === 408 || status === 429 || (status >= 500 && status <= 599)) {
    return new ArmorError(
      "proxy_failed",
      `${who} cannot connect to ${target} (${status})`,
      CHECK_PROXY,
    );
  }
  if (status >= 300 && status <= 499) {
    const remedy =
      "Have the proxy allow this host, or list it in no_proxy if this runner reaches it directly.";
    return new ArmorError(
      "proxy_refused",
      `${who} refuses to connect to ${target} (${status})`,
      remedy,
    );
  }
  const problem = `${who} does not answer as an HTTP proxy (${status}): no connection to ${target}`;
  return new ArmorError("proxy_failed", problem, CHECK_PROXY);
}

function proxyCredentialsError(proxy: ProxyAddress, status: number, challenge: string): ArmorError {
  const who = `The proxy ${proxy.origin}`;
  const named = challenge
    .toLowerCase()
    .matchAll(/(?:^|,)\s*(basic|digest|ntlm|negotiate|bearer)\b/g);
  const schemes = [...named].map(([, scheme]) => scheme);
  if (schemes.length > 0 && !schemes.includes("basic")) {
    const wanted = `wants authentication by ${schemes.join(" or ")} (${status})`;
    const remedy = "Have the proxy accept Basic authentication, or list the host in no_proxy.";
    return new ArmorError(
      "proxy_refused",
      `${who} ${wanted}, and this action sends Basic only`,
      remedy,
    );
  }
  const what = proxy.credentials
    ? "does not accept the user and password"
    : "wants a user and a password";
  const remedy = "Put them, percent-encoded, into https_proxy: http://user:password@host:port.";
  return new ArmorError("proxy_refused", `${who} ${what} (${status})`, remedy);
}
