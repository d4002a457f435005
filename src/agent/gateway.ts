import type { IncomingMessage, ServerResponse } from "node:http";
import { timeoutError } from "../armor/network-error.ts";
import { isTrustedRedirect, MAX_REDIRECTS, REDIRECT_STATUS } from "../armor/redirect.ts";
import type { Clock } from "../clock.ts";
import { ArmorError, asArmorError } from "../errors.ts";
import type { Quote } from "../redact.ts";
import { allowedTarget } from "./guard.ts";
import type { CallLimits } from "./protocol.ts";
import { errorReply } from "./server.ts";
import { Slots } from "./slots.ts";
import type { Stats } from "./stats.ts";
import type { TokenCache } from "./token-cache.ts";
import type { Upstream } from "./upstream.ts";

export interface GatewayOptions {
  /** Without a slash at its end. */
  readonly apiUrl: string;
  readonly gatewayPaths: readonly string[];
  readonly tokenCache: TokenCache;
  readonly upstream: Upstream;
  readonly limits: CallLimits;
  readonly clock: Clock;
  readonly stats: Stats;
  readonly quote: Quote;
}

/** Serves one call; `target` is path and query below api-url, as the guard admitted it. */
export type Gateway = (request: IncomingMessage, response: ServerResponse, target: string) => Promise<void>;

/** The request headers that reach Armor; all others are dropped. */
const PASSED_REQUEST_HEADER =
  /^(accept|accept-encoding|accept-language|cache-control|if-[a-z-]+|range|user-agent|traceparent|tracestate|x-request-id)$/;

/** Reply headers of one connection (RFC 9110 section 7.6.1), or not for the client. */
const DROPPED_REPLY_HEADERS = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "referrer-policy",
  "set-cookie",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-armor-gateway",
]);

const MAX_CALLS = 128;
const MAX_REPEATS = 3;
/** How long a path that answers 401 to every token asks for no other one. */
const FORBIDDEN_PATH_MS = 10_000;

/** A streaming reverse proxy to one origin, which only reads, and puts a valid token into each call. */
export function createGateway(options: GatewayOptions): Gateway {
  const slots = new Slots(MAX_CALLS);
  const forbidden = new ForbiddenPaths(options.clock);
  return async (request, response, target) => {
    const client = new AbortController();
    response.once("close", () => response.writableFinished || client.abort());
    const release = await slots.acquire(client.signal);
    if (release === undefined) return;
    response.once("close", release);
    if (client.signal.aborted) return release();
    try {
      const { message, url } = await fetchReply(request, target, client.signal, forbidden, options);
      passOn(message, url, response, options);
    } catch (error) {
      if (client.signal.aborted) return;
      const failure = asArmorError(error, options.quote);
      options.stats.failed(failure.code, failure.message);
      sendFailure(response, failure);
    }
  };
}

interface Reply {
  readonly message: IncomingMessage;
  /** Where it came from. */
  readonly url: URL;
}

/** Armor's reply, after a newer token where one was refused, and redirects where they may be followed. */
async function fetchReply(
  request: IncomingMessage,
  target: string,
  signal: AbortSignal,
  forbidden: ForbiddenPaths,
  options: GatewayOptions,
): Promise<Reply> {
  const { apiUrl, tokenCache, upstream } = options;
  const method = request.method ?? "GET";
  let url = new URL(apiUrl + target);
  let { accessToken } = await tokenCache.get();
  for (let repeats = 0, redirects = 0; ; ) {
    signal.throwIfAborted();
    const headers = requestHeaders(request, url, accessToken);
    const message = await upstream.send({ method, url, headers, signal });
    if (message.statusCode === 401) {
      const isTokenOld = !tokenCache.isCurrent(accessToken);
      if (repeats === MAX_REPEATS) forbidden.add(url);
      if (repeats === MAX_REPEATS || (forbidden.has(url) && !isTokenOld)) return { message, url };
      repeats += 1;
      message.destroy();
      ({ accessToken } = await tokenCache.replace(accessToken));
      continue;
    }
    const redirect = redirects < MAX_REDIRECTS ? allowedRedirect(message, url, options) : undefined;
    if (redirect === undefined) return { message, url };
    redirects += 1;
    message.destroy();
    url = redirect;
  }
}

/** Paths to which Armor answered 401 with several tokens: a newer one does not help there. */
class ForbiddenPaths {
  readonly #until = new Map<string, number>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add({ pathname }: URL): void {
    const now = this.#clock.now();
    for (const [path, until] of this.#until) if (until <= now) this.#until.delete(path);
    this.#until.set(pathname, now + FORBIDDEN_PATH_MS);
  }

  has({ pathname }: URL): boolean {
    return (this.#until.get(pathname) ?? 0) > this.#clock.now();
  }
}

/** Where a redirect leads to a trusted origin and a listed path; undefined for every other reply. */
function allowedRedirect(message: IncomingMessage, from: URL, options: GatewayOptions): URL | undefined {
  const to = redirectTarget(message, from);
  if (to === undefined || to.username !== "" || to.password !== "" || !isTrustedRedirect(from, to)) {
    return undefined;
  }
  const base = new URL(options.apiUrl).pathname.replace(/\/$/, "");
  if (!to.pathname.startsWith(`${base}/`)) return undefined;
  const target = allowedTarget(to.pathname.slice(base.length) + to.search, options.gatewayPaths);
  return typeof target === "string" ? new URL(to.origin + base + target) : undefined;
}

function redirectTarget({ statusCode = 0, headers }: IncomingMessage, from: URL): URL | undefined {
  const { location } = headers;
  if (!REDIRECT_STATUS.has(statusCode) || location === undefined || !URL.canParse(location, from.href)) {
    return undefined;
  }
  return new URL(location, from);
}

/** Names and values in turn: those of the client that may pass, Host, and a valid token. */
function requestHeaders(request: IncomingMessage, url: URL, accessToken: string): string[] {
  const passed = keepHeaders(request, (name) => PASSED_REQUEST_HEADER.test(name));
  return [...passed, "Host", url.host, "Authorization", `Bearer ${accessToken}`];
}

/** The message's headers that are wanted, without those that belong to one connection as its Connection header says. */
function keepHeaders(
  { rawHeaders, headers }: IncomingMessage,
  isWanted: (name: string) => boolean,
): string[] {
  const named = headers.connection?.toLowerCase().split(/[\s,]+/) ?? [];
  const result: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name = "", value = ""] = rawHeaders.slice(index, index + 2);
    const lowerCase = name.toLowerCase();
    // Without the length of the body, a reply that breaks off would look whole: it stays, whatever Connection says.
    if (isWanted(lowerCase) && (!named.includes(lowerCase) || lowerCase === "content-length")) {
      result.push(name, value);
    }
  }
  return result;
}

/** Streams the reply to the client. One that breaks off breaks the client's connection too: never a short body. */
function passOn(message: IncomingMessage, url: URL, response: ServerResponse, options: GatewayOptions): void {
  const { stats, limits } = options;
  const status = message.statusCode ?? 502;
  const headers = keepHeaders(message, (name) => !DROPPED_REPLY_HEADERS.has(name));
  const redirect = redirectTarget(message, url);
  if (redirect !== undefined) replaceHeader(headers, "location", redirect.href);
  headers.push("Referrer-Policy", "no-referrer"); // the gateway's address is a secret
  try {
    response.writeHead(status, headers as never);
  } catch {
    // A status or header that Node reads but does not write.
    message.destroy();
    throw new ArmorError(
      "reply_invalid",
      `${url.origin} answered with a status or header that is not valid HTTP`,
      "Check what stands between this runner and Armor.",
    );
  }
  response.flushHeaders();
  const breakOff = (error: ArmorError) => {
    clearTimeout(idle);
    if (response.closed) return;
    stats.failed(error.code, error.message);
    message.destroy();
    response.socket?.resetAndDestroy();
  };
  const onTimeout = () => {
    // A client that takes its time is not Armor's silence.
    if (message.isPaused()) idle.refresh();
    else breakOff(timeoutError({ url, proxy: undefined, isReplying: true }));
  };
  const idle = setTimeout(onTimeout, limits.idleMs);
  message.on("data", (chunk: Buffer) => {
    idle.refresh();
    if (response.write(chunk)) return;
    message.pause();
    response.once("drain", () => {
      idle.refresh();
      message.resume();
    });
  });
  message.once("end", () => {
    clearTimeout(idle);
    if (!message.complete) return;
    stats.answered(status);
    response.end();
  });
  message.once("error", () => {
    breakOff(
      new ArmorError("reply_incomplete", `${url.origin} broke off its answer`, "Run the job again later."),
    );
  });
  response.once("close", () => {
    clearTimeout(idle);
    if (!message.complete) message.destroy();
  });
}

function replaceHeader(headers: string[], name: string, value: string): void {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === name) headers[index + 1] = value;
  }
}

/** 424 for what a repeat cannot change, 503 where Armor named a time, 504 where time ran out, 502 otherwise. */
export function failureStatus({ code, details }: ArmorError): 424 | 502 | 503 | 504 {
  if (details.isPermanent) return 424;
  if (details.retryAfterMs) return 503;
  return code === "reply_timeout" ? 504 : 502;
}

/** An error of the agent's own, in the shape of an OAuth error. */
export function sendFailure(response: ServerResponse, failure: ArmorError): void {
  const { retryAfterMs } = failure.details;
  const { headers, body } = errorReply(failure.code, failure.message);
  const retryAfter = retryAfterMs ? { "Retry-After": String(Math.ceil(retryAfterMs / 1000)) } : {};
  response.writeHead(failureStatus(failure), { ...headers, ...retryAfter }).end(body);
}
