import http from "node:http";
import https from "node:https";
import { BlockList, isIP } from "node:net";
import type { Duplex } from "node:stream";
import type tls from "node:tls";
import { ArmorError } from "../errors.ts";
import {
  codeOf,
  EARLY_BYTES,
  type ProxyAddress,
  proxyError,
  proxyStatusError,
} from "./network-error.ts";

/** What the environment says about proxies, as it stands there. JSON, so that the agent can be given it. */
export interface RouteConfig {
  readonly proxy?: { readonly variable: string; readonly value: string }; // undefined where no proxy is set
  readonly noProxy: string;
}

/**
 * Takes the proxy variables out of the environment, because http-client would act on them in its own way. As
 * in curl, small letters go first, and an empty variable is not set.
 */
export function takeRoute(env: Record<string, string | undefined>): RouteConfig {
  const proxy = takeVariable(env, ["https_proxy", "HTTPS_PROXY"]);
  const noProxy = takeVariable(env, ["no_proxy", "NO_PROXY"])?.value ?? "";
  return proxy === undefined ? { noProxy } : { proxy, noProxy };
}

/** @returns the first of these variables that is set. All of them are removed. */
function takeVariable(env: Record<string, string | undefined>, names: readonly string[]) {
  const found = names
    .map((variable) => ({ variable, value: env[variable] ?? "" }))
    .find(({ value }) => value !== "");
  for (const name of names) delete env[name];
  return found;
}

/** @returns the proxy on the way to this URL, undefined for none. @throws ArmorError proxy_refused */
export function proxyFor(url: URL, { proxy, noProxy }: RouteConfig): ProxyAddress | undefined {
  if (proxy === undefined || isLoopback(url.hostname) || isBypassed(url, noProxy)) return undefined;
  return parseProxy(proxy.variable, proxy.value);
}

export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

const SCHEME = /(?:(?<scheme>[a-z][a-z\d+.-]*):\/\/)?/.source;
const USERINFO = /(?:(?<userinfo>.*)@)?/.source; // greedy up to the last `@`, as a password may hold one
const HOST = /(?<host>\[[\da-f:.]+\]|[\w.-]+)/.source;
const PORT = /(?::(?<port>\d{1,5}))?/.source;
const PROXY = new RegExp(`^${SCHEME}${USERINFO}${HOST}${PORT}/?$`, "i");

/** Whatever cannot be understood is refused: otherwise the key would go past the proxy. */
function parseProxy(variable: string, value: string): ProxyAddress {
  const refuse = (cause: string) => {
    const problem = `The variable ${variable} is not a valid proxy address: ${cause}`;
    const remedy =
      "Give it as http://proxy.example.com:3128, with special characters of user and password " +
      "percent-encoded (# is %23, / is %2F, % is %25).";
    return new ArmorError("proxy_refused", problem, remedy);
  };
  if (!/^[\x21-\x7e]+$/.test(value))
    throw refuse("it contains a blank or a character outside ASCII");
  const parts = PROXY.exec(value)?.groups ?? {};
  const scheme = parts["scheme"]?.toLowerCase() ?? "http";
  if (scheme !== "http" && scheme !== "https")
    throw refuse("only http:// and https:// are supported");
  const credentials = decodeUserinfo(parts["userinfo"] ?? "");
  if (credentials === undefined)
    throw refuse("user or password holds a character that must be percent-encoded");
  const host = parts["host"];
  if (host === undefined || !URL.canParse(`${scheme}://${host}`))
    throw refuse("after the scheme there must be a host name and a port, and nothing else");
  const port = Number(parts["port"] ?? (scheme === "https" ? 443 : 80));
  if (port < 1 || port > 65_535) throw refuse("the port is not between 1 and 65535");
  // URL writes the host in one way, but leaves a default port out.
  const origin = `${scheme}://${new URL(`${scheme}://${host}`).hostname}:${port}`;
  return credentials === "" ? { origin } : { origin, credentials };
}

/** @returns `user:password`, undefined where a character should have been encoded (RFC 3986 section 3.2.1) */
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

/** Whether an entry of no_proxy names this host. An entry that cannot be understood matches nothing. */
function isBypassed(url: URL, noProxy: string): boolean {
  const host = withoutBrackets(url.hostname).replace(/\.$/, "");
  const port = url.port || "443"; // http goes to loopback hosts alone, and never here
  const entries = noProxy.toLowerCase().split(/[\s,]+/);
  return entries.some((entry) => entry === "*" || isEntryFor(entry, host, port));
}

/** `[address]`, `[address]:port`, `name` or `name:port`. An IPv6 address without brackets has no port. */
const NO_PROXY_ENTRY = /^(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^:]+))(?::(?<port>\d+))?$/;

/** @param entry `name`, `.name`, `*.name`, an address or a range of them (CIDR); with or without a port */
function isEntryFor(entry: string, host: string, port: string): boolean {
  const parts = NO_PROXY_ENTRY.exec(entry)?.groups ?? { plain: entry };
  const pattern = parts["bracketed"] ?? parts["plain"] ?? "";
  if (parts["port"] !== undefined && Number(parts["port"]) !== Number(port)) return false;
  if (isIP(host) !== 0) return isAddressIn(host, pattern);
  const name = pattern.replace(/^\*?\./, "").replace(/\.$/, "");
  return name !== "" && (host === name || host.endsWith(`.${name}`));
}

/** @param range an address, or a subnet such as `10.0.0.0/8` */
function isAddressIn(address: string, range: string): boolean {
  const { base = "", length } =
    /^(?<base>[\da-f.:]+)(?:\/(?<length>\d{1,3}))?$/.exec(range)?.groups ?? {};
  if (isIP(base) === 0) return false;
  const maxLength = isIP(base) === 6 ? 128 : 32;
  const prefixLength = length === undefined ? maxLength : Number(length);
  if (prefixLength > maxLength) return false;
  const subnet = new BlockList();
  subnet.addSubnet(base, prefixLength, familyOf(base));
  return subnet.check(address, familyOf(address));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}

/** Inside a URL an IPv6 address stands in brackets, which Node would look up as a name. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

const CONNECT_MS = 30_000; // for a proxy to answer CONNECT, its own TLS included

/**
 * Connections to https hosts, directly or through the proxy; what fails before the tunnel is a `proxyError`.
 * With Node's `proxyEnv`, an abort does not end the CONNECT, what a proxy sends before the tunnel stands is
 * buffered without limit, and Node 24.5 puts the proxy's password into an error.
 */
export class RouteAgent extends https.Agent {
  hasTunnel = false; // whether the proxy has opened one
  readonly #proxy: ProxyAddress | undefined;
  readonly #connectMs: number;

  constructor(
    proxy: ProxyAddress | undefined,
    options: https.AgentOptions = {},
    connectMs = CONNECT_MS,
  ) {
    super({ ...options, rejectUnauthorized: true });
    this.#proxy = proxy;
    this.#connectMs = connectMs;
  }

  override createConnection(
    options: http.ClientRequestArgs & tls.ConnectionOptions,
    done: (error: Error | null, socket?: Duplex | null) => void,
  ): Duplex | null | undefined {
    if (this.#proxy === undefined) return super.createConnection(options, done);
    const host = options.host?.includes(":") ? `[${options.host}]` : options.host;
    openTunnel(this.#proxy, `${host}:${options.port}`, this.#connectMs)
      .then((socket) => {
        this.hasTunnel = true;
        return super.createConnection({ ...options, socket } as tls.ConnectionOptions);
      })
      .then((socket) => done(null, socket), done);
    return undefined;
  }
}

/** CONNECT (RFC 9110 section 9.3.6). */
function openTunnel(proxy: ProxyAddress, target: string, limitMs: number): Promise<Duplex> {
  const { protocol, hostname, port } = new URL(proxy.origin);
  const host = withoutBrackets(hostname);
  const headers: http.OutgoingHttpHeaders = { Host: target };
  if (proxy.credentials !== undefined) {
    headers["Proxy-Authorization"] =
      `Basic ${Buffer.from(proxy.credentials, "utf8").toString("base64")}`;
  }
  const request = (protocol === "https:" ? https : http).request({
    host,
    port,
    // Node would take the name from the Host header, which is Armor's.
    servername: isIP(host) === 0 ? host : "",
    method: "CONNECT",
    path: target,
    agent: false,
    rejectUnauthorized: true,
    signal: AbortSignal.timeout(limitMs),
    headers,
  });
  const shownTarget = target.replace(/:443$/, "");
  return new Promise((resolve, reject) => {
    request.once("connect", ({ statusCode = 0, headers }, socket, head) => {
      const isOpen = statusCode >= 200 && statusCode < 300;
      if (isOpen && head.length === 0) return resolve(socket);
      socket.destroy();
      if (!isOpen) {
        reject(proxyStatusError(proxy, shownTarget, statusCode, headers["proxy-authenticate"]));
      } else {
        // In TLS the client speaks first, so these bytes are the proxy's; they would be read as Armor's.
        reject(proxyError(proxy, shownTarget, EARLY_BYTES));
      }
    });
    request.once("error", (error) => {
      reject(proxyError(proxy, shownTarget, codeOf(error) || error.name));
    });
    request.end();
  });
}
