import { ArmorError } from "../errors.ts";
import type { Stage } from "./connecting.ts";
import { codeOf, faultOf } from "./fault.ts";
import { containerHint } from "./host.ts";
import type { ProxyAddress } from "./proxy.ts";

/**
 * The code of the error that a proxy makes if it opens the tunnel and sends bytes of its own behind
 * its reply.
 */
export const EARLY_BYTES = "EARLY_BYTES";

const CHECK_PROXY = "Check https_proxy, that the proxy is up, and that it can reach the host.";

/**
 * No tunnel, because the proxy was not reached or did not speak HTTP.
 * @param target `host:port`, without the port of https
 * @param error Node's, or whatever else has its code
 * @param stage at which the error came
 */
export function proxyError(
  proxy: ProxyAddress,
  target: string,
  error: unknown,
  stage: Stage = "connecting",
): ArmorError {
  const who = `The proxy ${proxy.origin}`;
  const nodeCode = codeOf(error) || (error as Error).name;
  if (nodeCode === "ENOTFOUND") {
    const problem = `DNS does not know the proxy ${proxy.origin} (${nodeCode})`;
    return new ArmorError("proxy_failed", problem, CHECK_PROXY);
  }
  if (stage === "looking-up" || nodeCode.startsWith("EAI_")) {
    const problem = `DNS does not answer for the proxy ${proxy.origin} (${nodeCode})`;
    return new ArmorError("proxy_failed", problem, CHECK_PROXY);
  }
  const fault = faultOf(error);
  switch (fault?.code) {
    case "connection_failed": // this runner's limits, not the proxy's
      return new ArmorError(fault.code, `${who} ${fault.problem}`, fault.remedy);
    case "certificate_rejected":
    case "tls_failed":
      return new ArmorError("proxy_refused", `${who} ${fault.problem}`, fault.remedy);
  }
  const isNoProxy = fault?.code === "reply_invalid" || nodeCode === EARLY_BYTES;
  const what = isNoProxy ? "does not answer as an HTTP proxy" : "cannot be used";
  const problem = `${who} ${what} (${nodeCode}): no connection to ${target}`;
  const hint = nodeCode === "ECONNREFUSED" ? containerHint(new URL(proxy.origin).hostname) : "";
  return new ArmorError("proxy_failed", problem, hint + CHECK_PROXY);
}

/**
 * No tunnel, because the proxy answered CONNECT with this status. @param challenge is
 * Proxy-Authenticate
 */
export function proxyStatusError(
  proxy: ProxyAddress,
  target: string,
  status: number,
  challenge = "",
): ArmorError {
  const who = `The proxy ${proxy.origin}`;
  // Some proxies, tinyproxy among them, say 401 and mean 407.
  if (status === 401 || status === 407) return credentialsError(proxy, status, challenge);
  if (status === 408 || status === 429 || (status >= 500 && status <= 599)) {
    const problem = `${who} cannot connect to ${target} (${status})`;
    return new ArmorError("proxy_failed", problem, CHECK_PROXY);
  }
  if (status >= 300 && status <= 499) {
    const remedy =
      "Have the proxy allow this host, or list it in no_proxy if this runner reaches it directly.";
    const problem = `${who} refuses to connect to ${target} (${status})`;
    return new ArmorError("proxy_refused", problem, remedy);
  }
  const problem = `${who} does not answer as an HTTP proxy (${status}): no connection to ${target}`;
  return new ArmorError("proxy_failed", problem, CHECK_PROXY);
}

const SCHEMES = /(?:^|,)\s*(?<scheme>basic|digest|ntlm|negotiate|bearer)\b/g;

function credentialsError(proxy: ProxyAddress, status: number, challenge: string): ArmorError {
  const who = `The proxy ${proxy.origin}`;
  const named = challenge.toLowerCase().matchAll(SCHEMES);
  const schemes = [...named].map(({ groups }) => groups?.["scheme"]);
  if (schemes.length > 0 && !schemes.includes("basic")) {
    const wanted = `wants authentication by ${schemes.join(" or ")} (${status})`;
    const problem = `${who} ${wanted}, and this action sends Basic only`;
    const remedy = "Have the proxy accept Basic authentication, or list the host in no_proxy.";
    return new ArmorError("proxy_refused", problem, remedy);
  }
  const what =
    proxy.credentials === undefined
      ? "wants a user and a password"
      : "does not accept the user and password";
  const remedy = "Put them, percent-encoded, into https_proxy: http://user:password@host:port.";
  return new ArmorError("proxy_refused", `${who} ${what} (${status})`, remedy);
}
