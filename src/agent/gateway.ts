// Owns the way of a call through to Armor: a streaming reverse proxy to one origin, which puts a live token into
// each request and takes out what belongs to one connection or to somebody else.

import http, { type Agent, type ClientRequest, type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import type { Clock } from "./clock.ts";
import { ArmorError } from "./errors.ts";
import type { Keeper } from "./keeper.ts";
import { networkError, timeoutError } from "./network-error.ts";
import { isTrustedRedirect, MAX_REDIRECTS, REDIRECT_STATUS } from "./redirect.ts";
import type { Stats } from "./stats.ts";

export interface GatewayOptions {
  /** Without a slash at its end. */
  readonly apiUrl: string;
  /** Where this gateway's `/api/…` begins for its clients, without a slash at its end. */
  readonly gatewayPath: string;
  readonly keeper: Keeper;
  readonly agent: Agent;
  readonly proxy: URL | undefined;
  /** How long Armor may be silent, before or amid its reply. */
  readonly idleMs: number;
  readonly clock: Clock;
  readonly stats: Stats;
}

/** Serves one call; `target` is path and query below api-url, as the guard admitted it. */
export type Gateway = (request: IncomingMessage, response: ServerResponse, target: string) => Promise<void>;

/** Belong to one connection (RFC 9110 section 7.6.1), or are the gateway's own to set or to keep back. */
const DROPPED_REQUEST_HEADERS = new Set([
  "authorization",
  "connection",
  "cookie",
  "expect",
  "forwarded",
  "host",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const DROPPED_REPLY_HEADERS = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "set-cookie",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

export function createGateway(options: GatewayOptions): Gateway {
  const { apiUrl, keeper, clock, stats } = options;
  return async (request, response, target) => {
    const start = clock.now();
    response.on("finish", () => stats.served(response.statusCode, clock.now() - start));
    try {
      const reply = await replyTo(request, response, new URL(apiUrl + target), options);
      if (reply !== undefined) passOn(reply, response, options);
    } catch (error) {
      if (response.destroyed) return;
      const failure = error instanceof ArmorError ? error : unexpected(error);
      stats.failed(failure.code);
      refuse(request, response, failure);
    }
  };

  /** Armor's reply, after one renewal where the token was refused, and redirects where they stay at home. */
  async function replyTo(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    own: GatewayOptions,
  ): Promise<Reply | undefined> {
    const isRepeatable = (request.method === "GET" || request.method === "HEAD") && !hasBody(request);
    let current = url;
    let isRenewed = false;
    for (let redirects = 0; ; ) {
      const { accessToken } = await keeper.token();
      if (response.destroyed) return undefined;
      const message = await ask(request, response, current, accessToken, isRepeatable, own);
      if (message.statusCode === 401 && keeper.reject(accessToken) && isRepeatable && !isRenewed) {
        isRenewed = true;
        message.destroy();
        continue;
      }
      const redirect =
        isRepeatable && redirects < MAX_REDIRECTS ? redirectAtHome(message, current, apiUrl) : undefined;
      if (redirect === undefined) return { message, url: current };
      redirects += 1;
      message.destroy();
      current = redirect;
    }
  }
}

interface Reply {
  readonly message: IncomingMessage;
  readonly url: URL;
}

/** Sends the client's request to Armor, body and all. @throws ArmorError where no reply begins */
function ask(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  accessToken: string,
  isRepeatable: boolean,
  own: GatewayOptions,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { request: open } = url.protocol === "https:" ? https : http;
    const upstream = open({
      host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port),
      path: url.pathname + url.search,
      method: request.method ?? "GET",
      headers: requestHeaders(request, url, accessToken) as never,
      agent: own.agent,
    });
    let isAnswered = false;
    const circumstances = { url, proxy: own.proxy, isReplying: false };
    // A request that has no socket yet keeps its error to itself, hence both.
    const abandon = (error: Error) => {
      reject(error);
      upstream.destroy(error);
    };
    const late = () => abandon(timeoutError(circumstances));
    // A server may answer before it has read everything: then the rest of the body has nowhere to go, either.
    const leave = () => {
      if (!response.writableFinished || !upstream.writableFinished) abandon(new Error("the client left"));
    };
    response.once("close", leave);
    upstream.setTimeout(own.idleMs, late);
    // That timer is the socket's, and behind a proxy there is none until the tunnel stands.
    const waiting = setTimeout(late, own.idleMs);
    upstream.once("socket", () => clearTimeout(waiting));
    upstream.once("close", () => clearTimeout(waiting));
    upstream.once("response", (message) => {
      isAnswered = true;
      resolve(message);
    });
    // Without a listener, Node would drop a connection that switches protocols and say nothing.
    upstream.once("upgrade", (_, socket) => {
      socket.destroy();
      reject(networkError({ code: "HPE_UPGRADE" }, circumstances));
    });
    upstream.on("error", (error: NodeJS.ErrnoException) => {
      if (isAnswered) return; // the reply's own stream has it too
      response.off("close", leave);
      // A kept connection may have been closed by the server the moment it was used again.
      if (isRepeatable && upstream.reusedSocket && error.code === "ECONNRESET" && !response.destroyed) {
        resolve(ask(request, response, url, accessToken, false, own));
      } else {
        reject(error instanceof ArmorError ? error : networkError(error, circumstances));
      }
    });
    if (hasBody(request)) sendBody(request, upstream);
    else upstream.end();
  });
}

/** Not `pipeline`, which would take the client's connection down with Armor's, and the error reply with it. */
function sendBody(request: IncomingMessage, upstream: ClientRequest): void {
  request.pipe(upstream);
  upstream.once("error", () => {
    request.unpipe(upstream);
    request.resume();
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** Names and values in turn: the client's, less what is dropped, plus Host and a live token. */
function requestHeaders(request: IncomingMessage, url: URL, accessToken: string): string[] {
  const headers = kept(request, DROPPED_REQUEST_HEADERS);
  headers.push("Host", url.host, "Authorization", `Bearer ${accessToken}`);
  if (request.headers["transfer-encoding"] !== undefined) headers.push("Transfer-Encoding", "chunked");
  return headers;
}

/**
 * The message's headers without these, and without those that its Connection header names; but the length of the
 * body stays, whoever names it: without it the body would be read as the next request.
 */
function kept({ rawHeaders, headers }: IncomingMessage, dropped: ReadonlySet<string>): string[] {
  const named = headers.connection
    ?.toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "content-length");
  const result: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    const lowerCase = name.toLowerCase();
    if (!dropped.has(lowerCase) && !named?.includes(lowerCase))
      result.push(name, rawHeaders[index + 1] ?? "");
  }
  return result;
}

/** Where a GET goes on inside the trusted origins and below `/api/`; undefined for every other reply. */
function redirectAtHome(
  { statusCode = 0, headers }: IncomingMessage,
  from: URL,
  apiUrl: string,
): URL | undefined {
  const { location } = headers;
  if (!REDIRECT_STATUS.has(statusCode) || location === undefined || !URL.canParse(location, from.href)) {
    return undefined;
  }
  const to = new URL(location, from);
  const isPlain =
    to.username === "" && to.password === "" && to.pathname.startsWith(`${basePath(apiUrl)}/api/`);
  return isPlain && isTrustedRedirect(from, to) ? to : undefined;
}

/** The path of api-url itself, without a slash at its end. */
function basePath(apiUrl: string): string {
  return new URL(apiUrl).pathname.replace(/\/$/, "");
}

/** Streams the reply to the client. One that breaks off breaks the client's connection too: never a short body. */
function passOn(
  { message, url }: Reply,
  response: ServerResponse,
  { apiUrl, gatewayPath, stats }: GatewayOptions,
): void {
  const headers = kept(message, DROPPED_REPLY_HEADERS);
  const inside = redirectAtHome(message, url, apiUrl);
  if (inside !== undefined && inside.origin === new URL(apiUrl).origin) {
    const below = inside.pathname.slice(basePath(apiUrl).length);
    replaceHeader(headers, "location", gatewayPath + below + inside.search);
  }
  try {
    response.writeHead(message.statusCode ?? 502, headers as never);
  } catch {
    // A status or header that Node reads but does not write.
    message.destroy();
    throw networkError({ code: "HPE_UNWRITABLE" }, { url, proxy: undefined, isReplying: false });
  }
  // `pipe` with its one failure handled: `pipeline` makes an AbortController and its error for every call.
  message.once("error", () => {
    if (!response.destroyed) stats.failed("reply_incomplete");
    response.destroy();
  });
  message.pipe(response);
}

function replaceHeader(headers: string[], name: string, value: string): void {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === name) headers[index + 1] = value;
  }
}

/** 504 where time ran out, 502 otherwise. */
export function failureStatus(code: string): 502 | 504 {
  return code === "reply_timeout" ? 504 : 502;
}

/** The body has the shape of an OAuth error (RFC 6749 section 5.2). */
function refuse(request: IncomingMessage, response: ServerResponse, failure: ArmorError): void {
  const body = JSON.stringify({ error: failure.code, error_description: failure.message });
  response.writeHead(failureStatus(failure.code), {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
    // What is left of a request body would be read as the next request.
    ...(request.complete ? {} : { Connection: "close" }),
  });
  response.end(body);
}

function unexpected(error: unknown): ArmorError {
  const name = error instanceof Error ? error.name : "failure";
  return new ArmorError("agent_failed", `The token agent met an unexpected ${name}`, "Please report this.");
}
