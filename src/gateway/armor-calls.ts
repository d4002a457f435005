import type { IncomingMessage } from "node:http";
import { isTrustedRedirect, MAX_REDIRECTS, REDIRECT_STATUS } from "../armor/redirect.ts";
import type { TokenCache } from "../armor/token-cache.ts";
import type { Client } from "./client.ts";
import { ForbiddenPaths } from "./forbidden-paths.ts";
import { isPassedToArmor, keepHeaders, utf8Of } from "./headers.ts";
import { allowedTarget } from "./targets.ts";
import { type Server, serverOf, type Upstream } from "./upstream.ts";

/** How often a call is sent again after a 401, each time with a newer token. */
const MAX_REPEATS = 3;

/** What a call needs besides the request itself. */
export interface ArmorCallsOptions {
  readonly apiUrl: string; // without a slash at its end
  readonly gatewayPaths: readonly string[]; // which redirects may lead to
  readonly maxForbiddenPaths: number;
  readonly tokenCache: TokenCache;
  readonly upstream: Upstream;
}

/** Where a call goes to. */
interface Place {
  readonly server: Server;
  readonly path: string; // path and query, sent as they are
}

/** What Armor answered in the end. */
export interface Reply {
  readonly message: IncomingMessage;
  readonly origin: URL; // of the server that answered
  readonly location: string | undefined; // absolute, in place of a Location that is not
  readonly repeats: number; // how often the call was sent again, with a newer token or to another place
}

/** Sends calls to Armor with a valid token, again after a 401, and on to where a redirect leads. */
export class ArmorCalls {
  readonly #gatewayPaths: readonly string[];
  readonly #tokenCache: TokenCache;
  readonly #upstream: Upstream;
  readonly #server: Server; // of api-url
  readonly #basePath: string; // of api-url, without a slash at its end
  readonly #forbidden: ForbiddenPaths;

  constructor(options: ArmorCallsOptions) {
    this.#gatewayPaths = options.gatewayPaths;
    this.#tokenCache = options.tokenCache;
    this.#upstream = options.upstream;
    const url = new URL(options.apiUrl);
    this.#server = serverOf(url);
    this.#basePath = url.pathname.replace(/\/$/, "");
    this.#forbidden = new ForbiddenPaths(options.maxForbiddenPaths);
  }

  /**
   * @param target path and query below api-url.
   * @throws ArmorError if there is no token or no reply
   */
  async send(request: IncomingMessage, target: string, client: Client): Promise<Reply> {
    const { method = "GET" } = request;
    const passedHeaders = keepHeaders(request, isPassedToArmor);
    let place: Place = { server: this.#server, path: this.#basePath + target };
    let token = await this.#tokenCache.get();
    let repeats = 0;
    let redirects = 0;
    for (;;) {
      const { server, path } = place;
      const headers = [...passedHeaders, "Host", server.host];
      headers.push("Authorization", `Bearer ${token.accessToken}`);
      const message = await this.#upstream.send({ server, path, method, headers, client });
      const replyWith = (location?: string): Reply => ({
        message,
        origin: server.url,
        location,
        repeats: repeats + redirects,
      });

      if (message.statusCode === 401) {
        if (repeats === MAX_REPEATS) {
          this.#forbidden.add(path);
          return replyWith();
        }
        // This path has lately refused every token. It is asked again only if there is a newer one
        // by now.
        const isForbidden = this.#forbidden.has(path);
        if (isForbidden && this.#tokenCache.isCurrent(token.accessToken)) return replyWith();
        message.destroy();
        const next = await this.#tokenCache.replace(token.accessToken);
        // The same token once more, after a pause, is no repeat: it may not have been known
        // everywhere yet. One that was fetched anew is, even if Armor has given the same text
        // again.
        if (next !== token) repeats += 1;
        token = next;
        continue;
      }
      this.#forbidden.delete(path);

      const location = redirectTarget(message, place);
      if (location === undefined) return replyWith();
      const next = this.#allowedRedirect(server.url, location);
      if (next === undefined || redirects === MAX_REDIRECTS) {
        const isAbsolute = URL.canParse(message.headers.location ?? "");
        return replyWith(isAbsolute ? undefined : location.href);
      }
      message.destroy();
      redirects += 1;
      place = next;
    }
  }

  /**
   * @returns the place of a redirect to a trusted origin and a listed path, undefined for every
   * other one
   */
  #allowedRedirect(from: URL, location: URL): Place | undefined {
    if (location.username !== "" || location.password !== "") return undefined;
    if (!isTrustedRedirect(from, location)) return undefined;
    if (!location.pathname.startsWith(`${this.#basePath}/`)) return undefined;
    const target = location.pathname.slice(this.#basePath.length) + location.search;
    const allowed = allowedTarget(target, this.#gatewayPaths);
    if (typeof allowed !== "string") return undefined;
    return { server: serverOf(location), path: this.#basePath + allowed };
  }
}

/** @returns where a reply redirects to; undefined if it is no redirect, or leads to no address */
function redirectTarget(message: IncomingMessage, from: Place): URL | undefined {
  const { statusCode = 0, headers } = message;
  if (!REDIRECT_STATUS.has(statusCode) || headers.location === undefined) return undefined;
  const location = utf8Of(headers.location);
  const base = from.server.origin + from.path;
  return URL.canParse(location, base) ? new URL(location, base) : undefined;
}
