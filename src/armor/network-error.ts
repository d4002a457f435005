import { ArmorError } from "../errors.ts";
import type { Progress } from "./connecting.ts";
import { codeOf, faultOf } from "./fault.ts";
import { containerHint } from "./host.ts";
import type { ProxyAddress } from "./proxy.ts";
import { proxyError } from "./proxy-error.ts";

/** What is known of a call at the moment in which it failed. */
export interface CallState {
  readonly url: URL;
  readonly proxy: ProxyAddress | undefined; // undefined: there is none on the way
  readonly progress?: Pick<Progress, "stage" | "dnsCode">; // undefined: the connection stood
  readonly isReplying: boolean; // the head of Armor's reply has arrived
  // A call through the gateway, whose limits no input changes; undefined: the exchange.
  readonly isGatewayCall?: boolean;
}

const CHECK_DNS =
  "Check api-url, this runner's DNS, and whether it needs https_proxy to leave its network.";

/**
 * What an error of the connection means. An ArmorError passes as it is: a `RouteAgent` has judged
 * it.
 */
export function networkError(error: unknown, state: CallState): ArmorError {
  if (error instanceof ArmorError) return error;
  const { origin, hostname } = state.url;
  const nodeCode = codeOf(error);
  const isCutOff = state.isReplying || /^HPE_(INVALID_EOF_STATE|CLOSED_CONNECTION)$/.test(nodeCode);
  if (isCutOff) {
    const problem = `${origin} broke off its answer`;
    return new ArmorError("reply_incomplete", problem, "Run the job again later.");
  }
  if (isFromDns(nodeCode)) return dnsError(hostname, nodeCode);
  const fault = faultOf(error);
  if (fault !== undefined) {
    return new ArmorError(fault.code, `${via(state)} ${fault.problem}`, fault.remedy);
  }
  const why = nodeCode === "" ? "" : ` (${nodeCode})`;
  const hint = nodeCode === "ECONNREFUSED" ? containerHint(hostname) : "";
  const remedy = `${hint}Check api-url, and that a firewall lets this runner reach it.`;
  return new ArmorError("connection_failed", `No connection to ${via(state)}${why}`, remedy);
}

function isFromDns(nodeCode: string): boolean {
  return nodeCode === "ENOTFOUND" || nodeCode.startsWith("EAI_");
}

function dnsError(hostname: string, nodeCode: string): ArmorError {
  if (nodeCode === "ENOTFOUND") {
    const problem = `DNS does not know the host ${hostname} (${nodeCode})`;
    return new ArmorError("host_unknown", problem, CHECK_DNS);
  }
  const problem = `DNS does not answer for the host ${hostname} (${nodeCode})`;
  return new ArmorError("dns_failed", problem, CHECK_DNS);
}

/** Nothing came, or not all of it, before the deadline. */
export function timeoutError(state: CallState): ArmorError {
  const { url, proxy, progress, isReplying } = state;
  const stage = progress?.stage ?? "connected";
  // A name that DNS did not know a moment ago is asked for again, so the deadline may fall into the
  // pause.
  const dnsCode = progress?.dnsCode ?? "ETIMEDOUT";
  if (proxy !== undefined && stage !== "connected") {
    const code = stage === "looking-up" ? dnsCode : "ETIMEDOUT";
    return proxyError(proxy, url.host, { code }, stage);
  }
  if (stage === "looking-up") return dnsError(url.hostname, dnsCode);
  const problem = isReplying
    ? `${url.origin} began to answer and did not finish`
    : `No answer from ${via(state)}`;
  const who = proxy === undefined ? "this runner" : "the proxy";
  const orElse = state.isGatewayCall ? "ask for less in one call" : "raise timeout";
  const remedy = `Check that ${who} can reach the host, or ${orElse}.`;
  return new ArmorError("reply_timeout", problem, remedy);
}

function via({ url, proxy }: CallState): string {
  return proxy === undefined ? url.origin : `${url.origin} through the proxy ${proxy.origin}`;
}
