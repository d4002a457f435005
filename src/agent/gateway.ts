import type { IncomingMessage, ServerResponse } from "node:http";
import { networkError, timeoutError } from "../armor/network-error.ts";
import { isTrustedRedirect, MAX_REDIRECTS, REDIRECT_STATUS } from "../armor/redirect.ts";
import { clock } from "../clock.ts";
import { allowedTarget } from "./guard.ts";
import type { AgentConfig } from "./protocol.ts";
import { sendFailure } from "./reply.ts";
import { Client, Slots } from "./slots.ts";
import type { Stats } from "./stats.ts";
import type { TokenCache } from "./token-cache.ts";
import type { Upstream } from "./upstream.ts";

export interface GatewayOptions extends Pick<AgentConfig, "apiUrl" | "gatewayPaths" | "limits"> {
  readonly tokenCache: TokenCache;
  readonly upstream: Upstream;
  readonly stats: Stats;
}

/** Armor's reply, where it came from, and where to, if it is a redirect that is not followed. */
type Reply = { readonly message: IncomingMessage; readonly origin: URL; readonly location: URL | undefined };

/** The request headers that reach Armor; all others are dropped. */
const PASSED =
  /^(accept(-encoding|-language)?|cache-control|if-.*|range|user-agent|trace(parent|state)|x-request-id)$/;

/** Reply headers of one connection (RFC 9110 section 7.6.1), or not for the client. */
const DROPPED =
  /^(connection|keep-alive|proxy-.*|trailer|transfer-encoding|upgrade|referrer-policy|set-cookie|x-armor.*)$/;

const MAX_CALLS = 128;
const MAX_REPEATS = 3;
const FORBIDDEN_PATH_MS = 10_000; // how long a path that answers 401 to every token asks for no other one

/** A streaming reverse proxy to one origin, which only reads, and puts a valid token into each call. */
export function createGateway(options: GatewayOptions) {
  const slots = new Slots(MAX_CALLS);
  const fetchReply = createFetch(options);
  return async (request: IncomingMessage, response: ServerResponse, target: string): Promise<void> => {
    const client = new Client(response);
    if (!(await slots.acquire(client))) return;
    try {
      const reply = await fetchReply(request, target, client);
      await passOn(reply, response, client, options.limits.idleMs);
      options.stats.addAnswer(response.statusCode);
    } catch (error) {
      if (client.hasLeft) return;
      const failure = options.stats.addFailure(error);
      // A reply that breaks off must not look whole: the connection is reset, which HTTP/1.0 needs.
      if (response.headersSent) response.socket?.resetAndDestroy();
      else sendFailure(response, failure);
    } finally {
      slots.release();
    }
  };
}

/** Gives Armor's reply: after a newer token where one was refused, and redirects that may be followed. */
function createFetch({ apiUrl, gatewayPaths, tokenCache, upstream }: GatewayOptions) {
  const base = new URL(apiUrl);
  const basePath = base.pathname.replace(/\/$/, "");
  const forbidden = new Map<string, number>(); // until when a 401 of a path is not about the token

  /** @returns path and query of a redirect to a trusted origin and a listed path */
  const allowedRedirect = (from: URL, to: URL): string | undefined => {
    if (to.username !== "" || to.password !== "" || !isTrustedRedirect(from, to)) return undefined;
    if (!to.pathname.startsWith(`${basePath}/`)) return undefined;
    const target = allowedTarget(to.pathname.slice(basePath.length) + to.search, gatewayPaths);
    return typeof target === "string" ? basePath + target : undefined;
  };

  return async (request: IncomingMessage, target: string, client: Client): Promise<Reply> => {
    const { method = "GET" } = request;
    const passed = keepHeaders(request, (name) => PASSED.test(name));
    let [origin, path] = [base, basePath + target];
    let { accessToken } = await tokenCache.get();
    for (let repeats = 0, redirects = 0; ; ) {
      const headers = [...passed, "Host", origin.host, "Authorization", `Bearer ${accessToken}`];
      const message = await upstream.send({ origin, path, method, headers, client });
      const [pathname = ""] = path.split("?", 1);
      if (message.statusCode === 401) {
        if (repeats === MAX_REPEATS) forbidden.set(pathname, clock.now() + FORBIDDEN_PATH_MS);
        // Of a path that refuses every token the 401 is passed on, unless there is a newer one by now.
        const isForbidden = (forbidden.get(pathname) ?? 0) > clock.now();
        if (isForbidden && (repeats === MAX_REPEATS || tokenCache.isCurrent(accessToken))) {
          return { message, origin, location: undefined };
        }
        repeats += 1;
        message.destroy();
        ({ accessToken } = await tokenCache.replace(accessToken));
      } else {
        forbidden.delete(pathname);
        const location = redirectTarget(message, origin.origin + path);
        const next = location && redirects < MAX_REDIRECTS ? allowedRedirect(origin, location) : undefined;
        if (location === undefined || next === undefined) return { message, origin, location };
        redirects += 1;
        message.destroy();
        [origin, path] = [location, next];
      }
    }
  };
}

function redirectTarget({ statusCode = 0, headers }: IncomingMessage, base: string): URL | undefined {
  const { location } = headers;
  if (!REDIRECT_STATUS.has(statusCode) || location === undefined) return undefined;
  return URL.canParse(location, base) ? new URL(location, base) : undefined;
}

function replyHeaders({ message, location }: Reply): string[] {
  const isKept = (name: string) => !DROPPED.test(name) && (name !== "location" || location === undefined);
  const headers = keepHeaders(message, isKept);
  if (location !== undefined) headers.push("Location", location.href);
  headers.push("Referrer-Policy", "no-referrer"); // the gateway's address is a secret
  return headers;
}

/** Names and values in turn: the message's headers that are wanted and that Connection does not name. */
function keepHeaders({ rawHeaders, headers }: IncomingMessage, isWanted: (name: string) => boolean) {
  const named = headers.connection?.toLowerCase().split(/[\s,]+/) ?? [];
  const result: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    const lowerCase = name.toLowerCase();
    // Without its length, a body that breaks off would look whole: it stays, whatever Connection says.
    if (isWanted(lowerCase) && (!named.includes(lowerCase) || lowerCase === "content-length"))
      result.push(name, rawHeaders[index + 1] ?? "");
  }
  return result;
}

/** Streams the reply to the client. @throws ArmorError where it breaks off */
async function passOn(reply: Reply, response: ServerResponse, client: Client, idleMs: number): Promise<void> {
  const { message, origin } = reply;
  const state = { url: origin, proxy: undefined, isReplying: true };
  try {
    response.writeHead(message.statusCode ?? 502, replyHeaders(reply) as never);
  } catch {
    message.destroy();
    throw networkError({ code: "HPE_INVALID_HEAD" }, { ...state, isReplying: false });
  }
  // Head and body go together where the body has begun, which is less work; a head alone goes at once.
  if (message.readableLength === 0 && !message.complete) response.flushHeaders();
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(idle);
      reject(error);
      message.destroy();
    };
    const idle = setTimeout(() => {
      // A client that takes its time is not Armor's silence.
      if (message.isPaused()) idle.refresh();
      else fail(timeoutError(state));
    }, idleMs);
    client.onLeave(() => fail(new Error("the client left")));
    if (client.hasLeft) return;
    message.on("data", (chunk: Buffer) => {
      idle.refresh();
      if (!response.write(chunk)) message.pause();
    });
    response.on("drain", () => {
      idle.refresh();
      message.resume();
    });
    message.once("end", () => {
      clearTimeout(idle);
      response.end();
      resolve();
    });
    message.on("error", (error) => fail(networkError(error, state)));
  });
}
