import http from "node:http";
import https from "node:https";
import { BlockList, isIP, isIPv6 } from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import { ArmorError } from "../errors.ts";

type Environment = Record<string, string | undefined>;

/** What the environment says about proxies, as it stands there. JSON, so that the agent can be given it. */
export interface RouteConfig {
  /** Undefined where no proxy is set. */
  readonly proxy?: { readonly variable: string; readonly value: string };
  readonly noProxy: string;
}

export interface ProxyAddress {
  readonly protocol: "http:" | "https:";
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
  /** Without user and password, to be printed. */
  readonly origin: string;
  /** `user:password`, decoded. */
  readonly credentials?: string;
}

/**
 * Takes the proxy variables out of the environment. They must be gone before the first request: http-client reads
 * them itself, and would choose a way of its own. Small letters go first, and an empty variable is not set, as in curl.
 */
export function takeRoute(env: Environment): RouteConfig {
  const take = (name: string) => {
    const value = env[name];
    delete env[name];
    return value;
  };
  const proxies = ["https_proxy", "HTTPS_PROXY"].map((variable) => ({
    variable,
    value: take(variable) ?? "",
  }));
  const [lower, upper] = [take("no_proxy"), take("NO_PROXY")];
  const proxy = proxies.find(({ value }) => value !== "");
  return { ...(proxy === undefined ? {} : { proxy }), noProxy: lower || upper || "" };
}

/** @returns the proxy on the way to this URL, undefined for none. @throws ArmorError proxy_refused */
export function proxyFor(url: URL, { proxy, noProxy }: RouteConfig): ProxyAddress | undefined {
  if (proxy === undefined || isLoopback(url.hostname) || isBypassed(url, noProxy)) return undefined;
  return parseProxy(proxy.variable, proxy.value);
}

export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

function parseProxy(variable: string, value: string): ProxyAddress {
  const refuse = (cause: string) =>
    new ArmorError(
      "proxy_refused",
      `The variable ${variable} is not a valid proxy address: ${cause}`,
      "Give it as http://proxy.example.com:3128, with special characters of user and password percent-encoded (# is %23, / is %2F, % is %25).",
    );
  if (!/^[\x21-\x7e]+$/.test(value)) throw refuse("it contains a blank or a character outside ASCII");
  const [, scheme = "http", rest = ""] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/i.exec(value) ?? [];
  const protocol = `${scheme.toLowerCase()}:`;
  if (protocol !== "http:" && protocol !== "https:") throw refuse(`${protocol}// is not supported`);
  const at = rest.lastIndexOf("@");
  const [userinfo, address] = at < 0 ? [undefined, rest] : [rest.slice(0, at), rest.slice(at + 1)];
  const credentials = userinfo === undefined ? undefined : decodeUserinfo(userinfo);
  if (userinfo !== undefined && credentials === undefined) {
    throw refuse("user or password holds a character that must be percent-encoded");
  }
  const [, host = "", port] = /^(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?\/?$/i.exec(address) ?? [];
  const number = port === undefined ? (protocol === "https:" ? 443 : 80) : Number(port);
  if (host === "" || !URL.canParse(`${protocol}//${host}`)) {
    throw refuse("after the scheme there must be a host name and a port, and nothing else");
  }
  if (number < 1 || number > 65_535) throw refuse("the port is not between 1 and 65535");
  const { hostname } = new URL(`${protocol}//${host}`);
  return {
    protocol,
    host: withoutBrackets(hostname),
    port: number,
    origin: `${protocol}//${hostname}:${number}`,
    ...(credentials === undefined ? {} : { credentials }),
  };
}

/** @returns `user:password`, undefined where it is not percent-encoded as it must be (RFC 3986 section 3.2.1) */
function decodeUserinfo(userinfo: string): string | undefined {
  if (/[#/\\?@]/.test(userinfo)) return undefined;
  const colon = userinfo.indexOf(":");
  const parts = colon < 0 ? [userinfo, ""] : [userinfo.slice(0, colon), userinfo.slice(colon + 1)];
  try {
    return parts.map(decodeURIComponent).join(":");
  } catch {
    return undefined;
  }
}

/** Whether an entry of no_proxy names this host. An entry that cannot be understood matches nothing. */
function isBypassed(url: URL, noProxy: string): boolean {
  const host = withoutBrackets(url.hostname).replace(/\.$/, "");
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => entry !== "" && isEntryFor(entry, host, port));
}

function isEntryFor(entry: string, host: string, port: number): boolean {
  if (entry === "*") return true;
  const [, bracketed, name = "", givenPort] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(entry) ?? [
    undefined,
    entry,
    entry,
  ];
  if (givenPort !== undefined && /^\d+$/.test(givenPort) && Number(givenPort) !== port) return false;
  const pattern = (bracketed ?? name).replace(/^\*?\./, "").replace(/\.$/, "");
  if (pattern === "") return false;
  if (isIP(host) !== 0) return isAddressIn(host, pattern);
  return host === pattern || host.endsWith(`.${pattern}`);
}

/** @param range an address, or one with a prefix length (CIDR) */
function isAddressIn(address: string, range: string): boolean {
  const family = (text: string) => (isIPv6(text) ? "ipv6" : "ipv4");
  const [base = "", prefix, ...rest] = range.split("/");
  if (isIP(base) === 0 || rest.length > 0 || (prefix !== undefined && !/^\d{1,3}$/.test(prefix)))
    return false;
  const bits = prefix === undefined ? (isIPv6(base) ? 128 : 32) : Number(prefix);
  if (bits > (isIPv6(base) ? 128 : 32)) return false;
  const list = new BlockList();
  list.addSubnet(base, bits, family(base));
  return list.check(address, family(address));
}

/** Inside a URL an IPv6 address stands in brackets, which Node would look up as a name. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

/** What went wrong before the tunnel stood: whatever it is, it is between this runner and the proxy. */
export class ProxyFailure extends Error {
  readonly code = "PROXY_FAILURE";
  /** The proxy's status, where it answered; else the code of what failed. */
  readonly reason: number | string;
  /** Of `Proxy-Authenticate`, such as `basic` or `negotiate`. */
  readonly schemes: readonly string[];

  constructor(reason: number | string, schemes: readonly string[] = []) {
    super("the proxy failed");
    this.reason = reason;
    this.schemes = schemes;
  }
}

/** For a proxy to answer CONNECT, its own TLS included. */
const CONNECT_MS = 30_000;

/**
 * Connections to https hosts, directly or through the proxy, which are kept and used again where `keepAlive` is set.
 * Not Node's `proxyEnv`: there an abort does not end the CONNECT, what a proxy sends before the tunnel stands is
 * buffered without limit, and Node 24.5 puts the proxy's password into an error.
 */
export class RouteAgent extends https.Agent {
  readonly #proxy: ProxyAddress | undefined;
  readonly #connectMs: number;

  constructor(proxy: ProxyAddress | undefined, options: https.AgentOptions = {}, connectMs = CONNECT_MS) {
    super({ ...options, rejectUnauthorized: true });
    this.#proxy = proxy;
    this.#connectMs = connectMs;
  }

  override createConnection(
    options: http.ClientRequestArgs & tls.ConnectionOptions,
    done: (error: Error | null, socket?: Duplex) => void,
  ): Duplex | null | undefined {
    if (this.#proxy === undefined) return super.createConnection(options, done);
    const host = options.host?.includes(":") ? `[${options.host}]` : options.host;
    openTunnel(this.#proxy, `${host}:${options.port}`, this.#connectMs).then(
      (socket) => done(null, tls.connect({ ...options, socket } as tls.ConnectionOptions)),
      (failure: ProxyFailure) => done(failure),
    );
    return undefined;
  }
}

/** CONNECT (RFC 9110 section 9.3.6). @throws ProxyFailure */
function openTunnel(proxy: ProxyAddress, target: string, limitMs: number): Promise<Duplex> {
  const { credentials } = proxy;
  const authorization = credentials && `Basic ${Buffer.from(credentials, "utf8").toString("base64")}`;
  return new Promise((resolve, reject) => {
    const request = (proxy.protocol === "https:" ? https : http).request({
      host: proxy.host,
      port: proxy.port,
      method: "CONNECT",
      path: target,
      agent: false,
      rejectUnauthorized: true,
      signal: AbortSignal.timeout(limitMs),
      headers: { Host: target, ...(authorization && { "Proxy-Authorization": authorization }) },
    });
    request.once("connect", ({ statusCode = 0, headers }, socket, head) => {
      if (statusCode >= 200 && statusCode < 300 && head.length === 0) return resolve(socket);
      socket.destroy();
      const schemes = [headers["proxy-authenticate"] ?? []].flat().flatMap((line) => line.split(/,\s*/));
      // Bytes before the tunnel's would be read as the Armor host's.
      reject(
        new ProxyFailure(
          head.length > 0 && statusCode < 300 ? "EARLY_BYTES" : statusCode,
          schemes.map(schemeOf),
        ),
      );
    });
    request.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        new ProxyFailure(
          error.name === "AbortError" || error.name === "TimeoutError"
            ? "ETIMEDOUT"
            : (error.code ?? error.name),
        ),
      ),
    );
    request.end();
  });
}

function schemeOf(challenge: string): string {
  return /^[\w-]+/.exec(challenge.trim())?.[0].toLowerCase() ?? "";
}
