import type { IncomingMessage, ServerResponse } from "node:http";
import { networkError, timeoutError } from "../armor/network-error.ts";
import { isTrustedRedirect, MAX_REDIRECTS, REDIRECT_STATUS } from "../armor/redirect.ts";
import type { TokenCache } from "../armor/token-cache.ts";
import { clock } from "../clock.ts";
import type { AgentConfig } from "../protocol/config.ts";
import type { Stats } from "../protocol/stats.ts";
import { allowedTarget } from "./guard.ts";
import { isPassedToArmor, isPassedToClient, keepHeaders } from "./headers.ts";
import { sendFailure } from "./reply.ts";
import { Client, Slots } from "./slots.ts";
import type { Upstream } from "./upstream.ts";

export interface GatewayOptions extends Pick<AgentConfig, "apiUrl" | "gatewayPaths" | "limits"> {
  readonly tokenCache: TokenCache;
  readonly upstream: Upstream;
  readonly stats: Stats;
}

/** Where a call goes to. */
interface Place {
  readonly origin: URL;
  readonly path: string; // path and query, sent as they are
}

/** What Armor answered in the end. */
interface Reply {
  readonly message: IncomingMessage;
  readonly origin: URL; // of the server that answered
  readonly location: URL | undefined; // where it redirects to, if that is not followed
}

const MAX_CALLS = 128;
const MAX_REPEATS = 3;
const FORBIDDEN_PATH_MS = 10_000; // how long a path that answers 401 to every token asks for no other one

/** A streaming reverse proxy to one origin, which only reads, and puts a valid token into each call. */
export function createGateway(options: GatewayOptions) {
  const slots = new Slots(MAX_CALLS);
  const fetchReply = createFetch(options);
  return async (
    request: IncomingMessage,
    response: ServerResponse,
    target: string,
  ): Promise<void> => {
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
  const forbidden = new ForbiddenPaths();

  /** @returns the place of a redirect to a trusted origin and a listed path, undefined for every other one */
  const allowedRedirect = (from: URL, location: URL): Place | undefined => {
    if (location.username !== "" || location.password !== "") return undefined;
    if (!isTrustedRedirect(from, location)) return undefined;
    if (!location.pathname.startsWith(`${basePath}/`)) return undefined;
    const target = location.pathname.slice(basePath.length) + location.search;
    const allowed = allowedTarget(target, gatewayPaths);
    return typeof allowed === "string" ? { origin: location, path: basePath + allowed } : undefined;
  };

  return async (request: IncomingMessage, target: string, client: Client): Promise<Reply> => {
    const { method = "GET" } = request;
    const passedHeaders = keepHeaders(request, isPassedToArmor);
    let place: Place = { origin: base, path: basePath + target };
    let { accessToken } = await tokenCache.get();
    let repeats = 0;
    let redirects = 0;
    for (;;) {
      const { origin, path } = place;
      const headers = [
        ...passedHeaders,
        "Host",
        origin.host,
        "Authorization",
        `Bearer ${accessToken}`,
      ];
      const message = await upstream.send({ origin, path, method, headers, client });

      if (message.statusCode === 401) {
        if (repeats === MAX_REPEATS) {
          forbidden.add(path);
          return { message, origin, location: undefined };
        }
        // This path has lately refused every token. It is asked again only if there is a newer one by now.
        if (forbidden.has(path) && tokenCache.isCurrent(accessToken))
          return { message, origin, location: undefined };
        message.destroy();
        const next = await tokenCache.replace(accessToken);
        // The same token once more, after a pause, is no repeat: it may not have been known everywhere yet.
        if (next.accessToken !== accessToken) repeats += 1;
        accessToken = next.accessToken;
        continue;
      }
      forbidden.delete(path);

      const location = redirectTarget(message, place);
      const next = location && allowedRedirect(origin, location);
      if (next === undefined || redirects === MAX_REDIRECTS) return { message, origin, location };
      message.destroy();
      redirects += 1;
      place = next;
    }
  };
}

/** Paths, without their query, of which a 401 is about the path and not about the token. */
class ForbiddenPaths {
  readonly #until = new Map<string, number>(); // by the monotonic clock, in ms

  add(path: string): void {
    this.#until.set(withoutQuery(path), clock.now() + FORBIDDEN_PATH_MS);
  }

  delete(path: string): void {
    if (this.#until.size > 0) this.#until.delete(withoutQuery(path));
  }

  has(path: string): boolean {
    const until = this.#until.get(withoutQuery(path));
    return until !== undefined && until > clock.now();
  }
}

function withoutQuery(path: string): string {
  const [pathname = ""] = path.split("?", 1);
  return pathname;
}

/** @returns where a reply redirects to; undefined where it is no redirect, or to no address */
function redirectTarget(
  { statusCode = 0, headers }: IncomingMessage,
  from: Place,
): URL | undefined {
  const { location } = headers;
  if (!REDIRECT_STATUS.has(statusCode) || location === undefined) return undefined;
  const base = from.origin.origin + from.path;
  return URL.canParse(location, base) ? new URL(location, base) : undefined;
}

/** Names and values in turn. */
function replyHeaders({ message, location }: Reply): string[] {
  const headers = keepHeaders(
    message,
    // A relative Location would lead the client to the gateway, so an absolute one takes its place.
    (name) => isPassedToClient(name) && !(name === "location" && location !== undefined),
  );
  if (location !== undefined) headers.push("Location", location.href);
  headers.push("Referrer-Policy", "no-referrer"); // the gateway's address is a secret
  return headers;
}

/** Gives the reply to the client. @throws ArmorError where it breaks off */
async function passOn(
  reply: Reply,
  response: ServerResponse,
  client: Client,
  idleMs: number,
): Promise<void> {
  const { message, origin } = reply;
  try {
    response.writeHead(message.statusCode ?? 502, replyHeaders(reply) as never);
  } catch {
    message.destroy();
    const state = { url: origin, proxy: undefined, isReplying: false };
    throw networkError({ code: "HPE_INVALID_HEAD" }, state);
  }
  // Head and body go together where the body has begun, which is less work; a head alone goes at once.
  const hasBodyToCome = message.readableLength === 0 && !message.complete;
  if (hasBodyToCome) response.flushHeaders();
  await streamBody(reply, response, client, idleMs);
}

/** Chunk by chunk, so that the idle limit can tell a slow client from a silent Armor. */
function streamBody(
  reply: Reply,
  response: ServerResponse,
  client: Client,
  idleMs: number,
): Promise<void> {
  const { message, origin } = reply;
  const state = { url: origin, proxy: undefined, isReplying: true };
  return new Promise<void>((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(idle);
      reject(error);
      message.destroy();
    };
    const idle = setTimeout(() => {
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
