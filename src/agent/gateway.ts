import type { IncomingMessage, ServerResponse } from "node:http";
import { timeoutError } from "../armor/network-error.ts";
import { isTrustedRedirect, MAX_REDIRECTS, REDIRECT_STATUS } from "../armor/redirect.ts";
import type { Clock } from "../clock.ts";
import { ArmorError, asArmorError } from "../errors.ts";
import type { Quote } from "../redact.ts";
import { Client } from "./client.ts";
import { allowedTarget } from "./guard.ts";
import type { CallLimits } from "./protocol.ts";
import { sendFailure } from "./reply.ts";
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

/** The request headers that reach Armor, with those of conditions (`If-`); all others are dropped. */
const PASSED_REQUEST_HEADERS = new Set(
  ["accept", "accept-encoding", "accept-language", "cache-control", "range", "user-agent"].concat(
    ["traceparent", "tracestate", "x-request-id"], // to follow a call through logs
  ),
);

/** Reply headers of one connection (RFC 9110 section 7.6.1), or not for the client. */
const DROPPED_REPLY_HEADERS = new Set(
  ["connection", "keep-alive", "proxy-authenticate", "proxy-connection", "trailer"].concat([
    "transfer-encoding",
    "upgrade",
    "referrer-policy",
    "set-cookie",
    "x-armor-gateway",
  ]),
);

const MAX_CALLS = 128;
const MAX_REPEATS = 3;
/** How long a path that answers 401 to every token asks for no other one. */
const FORBIDDEN_PATH_MS = 10_000;

/** A streaming reverse proxy to one origin, which only reads, and puts a valid token into each call. */
export function createGateway(options: GatewayOptions): Gateway {
  const { stats } = options;
  const slots = new Slots(MAX_CALLS);
  const fetchReply = createFetch(options);
  return async (request, response, target) => {
    const client = new Client(response);
    if (!(await slots.acquire(client))) return;
    try {
      const reply = await fetchReply(request, target, client);
      await passOn(reply, response, client, options.limits.idleMs);
      stats.answered(response.statusCode);
    } catch (error) {
      if (client.hasLeft) return;
      const failure = asArmorError(error, options.quote);
      stats.failed(failure.code, failure.message);
      // A reply that breaks off must not look whole: the connection is reset, which HTTP/1.0 needs.
      if (response.headersSent) response.socket?.resetAndDestroy();
      else sendFailure(response, failure);
    } finally {
      slots.release();
    }
  };
}

/** Where a call goes to. */
interface Place {
  readonly origin: URL;
  /** Path and query. */
  readonly path: string;
}

interface Reply {
  readonly message: IncomingMessage;
  readonly from: Place;
}

/** Gives Armor's reply: after a newer token where one was refused, and redirects that may be followed. */
function createFetch({ apiUrl, gatewayPaths, tokenCache, upstream, clock }: GatewayOptions) {
  const origin = new URL(apiUrl);
  const basePath = origin.pathname.replace(/\/$/, "");
  /** Until when a 401 of these paths, without their query, refreshes nothing: it is not about the token. */
  const forbidden = new Map<string, number>();

  /** Where a redirect leads to a trusted origin and a listed path; undefined for every other reply. */
  const allowedRedirect = ({ message, from }: Reply): Place | undefined => {
    const to = redirectTarget(message, from);
    if (to === undefined || to.username !== "" || to.password !== "") return undefined;
    if (!isTrustedRedirect(from.origin, to) || !to.pathname.startsWith(`${basePath}/`)) return undefined;
    const target = allowedTarget(to.pathname.slice(basePath.length) + to.search, gatewayPaths);
    return typeof target === "string" ? { origin: to, path: basePath + target } : undefined;
  };

  return async (request: IncomingMessage, target: string, client: Client): Promise<Reply> => {
    const { method = "GET" } = request;
    let from: Place = { origin, path: basePath + target };
    let { accessToken } = await tokenCache.get();
    for (let repeats = 0, redirects = 0; ; ) {
      const headers = requestHeaders(request, from.origin.host, accessToken);
      const message = await upstream.send({ ...from, method, headers, client });
      const reply = { message, from };
      const [path = ""] = from.path.split("?", 1);
      if (message.statusCode === 401) {
        if (repeats === MAX_REPEATS) forbidden.set(path, clock.now() + FORBIDDEN_PATH_MS);
        const isForbidden = (forbidden.get(path) ?? 0) > clock.now();
        if (isForbidden && (repeats === MAX_REPEATS || tokenCache.isCurrent(accessToken))) return reply;
        repeats += 1;
        message.destroy();
        ({ accessToken } = await tokenCache.replace(accessToken));
      } else {
        forbidden.delete(path);
        const redirect = redirects < MAX_REDIRECTS ? allowedRedirect(reply) : undefined;
        if (redirect === undefined) return reply;
        redirects += 1;
        message.destroy();
        from = redirect;
      }
    }
  };
}

function redirectTarget(
  { statusCode = 0, headers: { location } }: IncomingMessage,
  from: Place,
): URL | undefined {
  if (!REDIRECT_STATUS.has(statusCode) || location === undefined) return undefined;
  const base = from.origin.origin + from.path;
  return URL.canParse(location, base) ? new URL(location, base) : undefined;
}

/** Names and values in turn: those of the client that may pass, Host, and a valid token. */
function requestHeaders(request: IncomingMessage, host: string, accessToken: string): string[] {
  const passed = keepHeaders(request, (name) => PASSED_REQUEST_HEADERS.has(name) || name.startsWith("if-"));
  passed.push("Host", host, "Authorization", `Bearer ${accessToken}`);
  return passed;
}

function replyHeaders({ message, from }: Reply): string[] {
  const redirect = redirectTarget(message, from);
  const headers = keepHeaders(
    message,
    (name) => !DROPPED_REPLY_HEADERS.has(name) && (name !== "location" || redirect === undefined),
  );
  if (redirect !== undefined) headers.push("Location", redirect.href);
  headers.push("Referrer-Policy", "no-referrer"); // the gateway's address is a secret
  return headers;
}

/** The message's headers that are wanted and that its Connection header does not name. */
function keepHeaders(
  { rawHeaders, headers }: IncomingMessage,
  isWanted: (name: string) => boolean,
): string[] {
  const named = headers.connection?.toLowerCase().split(/[\s,]+/) ?? [];
  const result: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    const lowerCase = name.toLowerCase();
    // Without its length, a body that breaks off would look whole: it stays, whatever Connection says.
    if (isWanted(lowerCase) && (!named.includes(lowerCase) || lowerCase === "content-length")) {
      result.push(name, rawHeaders[index + 1] ?? "");
    }
  }
  return result;
}

/** Streams the reply to the client. @throws ArmorError where it breaks off */
async function passOn(reply: Reply, response: ServerResponse, client: Client, idleMs: number): Promise<void> {
  const { message, from } = reply;
  const { origin } = from;
  try {
    response.writeHead(message.statusCode ?? 502, replyHeaders(reply) as never);
  } catch {
    message.destroy();
    const problem = `${origin.origin} answered with a status or header that is not valid HTTP`;
    throw new ArmorError("reply_invalid", problem, "Check what stands between this runner and Armor.");
  }
  // Head and body go together where the body has begun, which is less work; a head alone goes at once.
  if (message.readableLength === 0 && !message.complete) response.flushHeaders();
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(idle);
      reject(error);
      message.destroy();
    };
    const onTimeout = () => {
      // A client that takes its time is not Armor's silence.
      if (message.isPaused()) idle.refresh();
      else fail(timeoutError({ url: origin, proxy: undefined, isReplying: true }));
    };
    const idle = setTimeout(onTimeout, idleMs);
    client.onLeave(() => fail(new Error("the client left")));
    const brokeOff = () => {
      const problem = `${origin.origin} broke off its answer`;
      fail(new ArmorError("reply_incomplete", problem, "Run the job again later."));
    };
    message.on("data", (chunk: Buffer) => {
      idle.refresh();
      if (!response.write(chunk)) message.pause();
    });
    response.on("drain", () => {
      idle.refresh();
      message.resume();
    });
    message.once("end", () => {
      if (!message.complete) return brokeOff();
      clearTimeout(idle);
      response.end();
      resolve();
    });
    message.on("error", brokeOff);
  });
}
