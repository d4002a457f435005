import { ArmorError } from "../errors.ts";
import { isLoopback } from "./host.ts";
import { bypassingEntry } from "./no-proxy.ts";

/** A variable of the environment, as it stands there. */
export interface ProxyVariable {
  readonly variable: string; // its name
  readonly value: string; // may hold a password
}

/** What the environment says about proxies. JSON, so that the agent can be given it. */
export interface RouteConfig {
  readonly proxy?: ProxyVariable; // undefined: no proxy is set
  readonly noProxy: string; // "": nothing goes past the proxy
}

/** A proxy's address, taken apart. */
export interface ProxyAddress {
  readonly origin: string; // scheme, host and port, without user and password: fit to print
  readonly credentials?: string; // `user:password`, decoded; undefined: the variable holds none
}

/**
 * Takes the proxy variables out of the environment, because http-client would act on them in its
 * own way. As in curl, small letters go first, and an empty variable is not set.
 */
export function takeRoute(env: Record<string, string | undefined>): RouteConfig {
  const proxy = takeVariable(env, ["https_proxy", "HTTPS_PROXY"]);
  const noProxy = takeVariable(env, ["no_proxy", "NO_PROXY"])?.value ?? "";
  return proxy === undefined ? { noProxy } : { proxy, noProxy };
}

/** @returns the first of these variables that is set. All of them are removed. */
function takeVariable(
  env: Record<string, string | undefined>,
  names: readonly string[],
): ProxyVariable | undefined {
  const found = names
    .map((variable) => ({ variable, value: env[variable] ?? "" }))
    .find(({ value }) => value !== "");
  for (const name of names) delete env[name];
  return found;
}

/**
 * @returns the proxy on the way to this URL, undefined for none. @throws ArmorError proxy_refused
 */
export function proxyFor(url: URL, route: RouteConfig): ProxyAddress | undefined {
  if (route.proxy === undefined || reasonToBypass(url, route) !== undefined) return undefined;
  return parseProxy(route.proxy);
}

/**
 * @returns why this URL is reached past the proxy that is set; undefined if it is reached through
 * it
 */
function reasonToBypass(url: URL, { noProxy }: RouteConfig): string | undefined {
  if (isLoopback(url.hostname)) return "the host is this machine";
  const entry = bypassingEntry(url, noProxy);
  return entry === undefined ? undefined : `no_proxy has the entry ${entry}`;
}

/**
 * @returns a line for the debug log: the way to this URL, and why. @throws ArmorError proxy_refused
 */
export function explainRoute(url: URL, route: RouteConfig): string {
  const direct = `Route to ${url.origin}: direct, because`;
  if (route.proxy === undefined) return `${direct} neither https_proxy nor HTTPS_PROXY is set`;
  const reason = reasonToBypass(url, route);
  if (reason !== undefined) return `${direct} ${reason}`;
  const { origin, credentials } = parseProxy(route.proxy);
  const user = credentials === undefined ? "without" : "with";
  const how = `${user} a user, by the variable ${route.proxy.variable}`;
  return `Route to ${url.origin}: through the proxy ${origin}, ${how}`;
}

const SCHEME = /(?:(?<scheme>[a-z][a-z\d+.-]*):\/\/)?/.source;
// Greedy up to the last `@`, as a password may hold one.
const USERINFO = /(?:(?<userinfo>.*)@)?/.source;
const HOST = /(?<host>\[[\da-f:.]+\]|[\w.-]+)/.source;
const PORT = /(?::(?<port>\d{1,5}))?/.source;
const PROXY = new RegExp(`^${SCHEME}${USERINFO}${HOST}${PORT}/?$`, "i");

/** Whatever cannot be understood is refused: otherwise the key would go past the proxy. */
function parseProxy({ variable, value }: ProxyVariable): ProxyAddress {
  if (!/^[\x21-\x7e]+$/.test(value)) {
    throw refusal(variable, "it contains a blank or a character outside ASCII");
  }
  const parts = PROXY.exec(value)?.groups ?? {};
  const scheme = parts["scheme"]?.toLowerCase() ?? "http";
  if (scheme !== "http" && scheme !== "https") {
    throw refusal(variable, "only http:// and https:// are supported");
  }
  const credentials = decodeUserinfo(parts["userinfo"] ?? "");
  if (credentials === undefined) {
    throw refusal(variable, "user or password holds a character that must be percent-encoded");
  }
  const host = parts["host"];
  if (host === undefined || !URL.canParse(`${scheme}://${host}`)) {
    const cause = "after the scheme there must be a host name and a port, and nothing else";
    throw refusal(variable, cause);
  }
  const port = Number(parts["port"] ?? (scheme === "https" ? 443 : 80));
  if (port < 1 || port > 65_535) throw refusal(variable, "the port is not between 1 and 65535");
  // URL writes the host in one way, but leaves a default port out.
  const origin = `${scheme}://${new URL(`${scheme}://${host}`).hostname}:${port}`;
  return credentials === "" ? { origin } : { origin, credentials };
}

/** The value is never repeated, because it may hold a password. */
function refusal(variable: string, cause: string): ArmorError {
  const problem = `The variable ${variable} is not a valid proxy address: ${cause}`;
  const remedy =
    "Give it as http://proxy.example.com:3128, with special characters of user and password " +
    "percent-encoded (# is %23, / is %2F, % is %25).";
  return new ArmorError("proxy_refused", problem, remedy);
}

/**
 * @returns `user:password`, undefined if a character should have been encoded (RFC 3986 section
 * 3.2.1)
 */
function decodeUserinfo(userinfo: string): string | undefined {
  if (userinfo === "") return "";
  if (/[#/\\?@]/.test(userinfo)) return undefined;
  const pair = userinfo.includes(":") ? userinfo : `${userinfo}:`;
  try {
    return decodeURIComponent(pair);
  } catch {
    return undefined;
  }
}
