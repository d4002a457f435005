import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { authorize, type GuardConfig, isRefusal, type Refusal } from "./guard.ts";

export interface Routes {
  /** `target` is path and query below api-url. */
  readonly gateway: (request: IncomingMessage, response: ServerResponse, target: string) => void;
  /** `GET /token` */
  readonly token: (response: ServerResponse) => void;
  /** `POST /stop` */
  readonly stop: (response: ServerResponse) => void;
  /** Told of every request that is admitted. */
  readonly onRequest: () => void;
  readonly onRefusal: (refusal: Refusal) => void;
}

export interface Listener {
  readonly port: number;
  readonly server: Server;
}

export interface ServerLimits {
  /** For a whole request head, in ms. */
  readonly headMs: number;
  /** Connections without an admitted request, of which the oldest is closed beyond this number. */
  readonly maxWaiting: number;
  /** But not before it has waited this long, in ms. */
  readonly minWaitMs: number;
}

const LIMITS: ServerLimits = { headMs: 10_000, maxWaiting: 2_000, minWaitMs: 2_000 };
const MAX_HEADER_BYTES = 16 * 1024;
/** Longer than the pools of common clients keep a connection, so that none is closed while a request is on its way. */
const KEEP_ALIVE_MS = 120_000;
/** Calls that connect all at once: more than the 511 that Node asks for by default. */
const BACKLOG = 4_096;

/** Listens on a free port of 127.0.0.1. */
export async function listen(
  guard: Omit<GuardConfig, "host">,
  routes: Routes,
  now: () => number,
  limits: ServerLimits = LIMITS,
): Promise<Listener> {
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: limits.headMs,
    connectionsCheckingInterval: limits.headMs / 5,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: 0, // no request has a body
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", BACKLOG, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const waiting = limitWaiting(server, now, limits);
  /** Connections on which a reply is under way. */
  const busy = new Map<object, ServerResponse>();

  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const { method = "", url = "", rawHeaders, socket } = request;
    busy.set(socket, response);
    response.once("close", () => busy.get(socket) === response && busy.delete(socket));
    const verdict = authorize({ method, target: url, rawHeaders }, { ...guard, host: `127.0.0.1:${port}` });
    if (isRefusal(verdict)) {
      routes.onRefusal(verdict);
      return sendRefusal(response, verdict);
    }
    waiting.delete(socket);
    routes.onRequest();
    if (verdict.route === "gateway") routes.gateway(request, response, verdict.target);
    else routes[verdict.route](response);
  };
  server.on("request", onRequest);
  // Without these, Node asks for the body of a request that will be refused (RFC 9110 section 10.1.1).
  server.on("checkContinue", onRequest);
  server.on("checkExpectation", onRequest);
  server.on("connect", (_, socket) => endSocket(socket, NO_CONNECT, routes));
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    // Text written into a reply under way would be read as its body.
    if (busy.has(socket)) socket.resetAndDestroy();
    else if (error.code === "ECONNRESET" || !socket.writable) socket.destroy();
    else endSocket(socket, refusalFor(error.code), routes);
  });
  return { port, server };
}

/** @returns the connections without an admitted request, the oldest first */
function limitWaiting(server: Server, now: () => number, { maxWaiting, minWaitMs }: ServerLimits) {
  const waiting = new Map<Socket, number>();
  server.on("connection", (socket: Socket) => {
    waiting.set(socket, now());
    socket.once("close", () => waiting.delete(socket));
    const [oldest] = waiting;
    if (waiting.size > maxWaiting && oldest !== undefined && now() - oldest[1] >= minWaitMs)
      oldest[0].destroy();
  });
  return waiting;
}

const NO_CONNECT: Refusal = {
  status: 405,
  error: "method_not_allowed",
  description: "The gateway is no proxy: use it as the base address of a call.",
  allow: "GET, HEAD",
};

function refusalFor(code: string | undefined): Refusal {
  if (code === "HPE_HEADER_OVERFLOW") {
    return {
      status: 431,
      error: "head_too_large",
      description: "The request's headers are larger than 16 KB.",
    };
  }
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return {
      status: 408,
      error: "request_timeout",
      description: "The request's headers did not come in time.",
    };
  }
  return { status: 400, error: "bad_request", description: "The request is not valid HTTP." };
}

const STATUS_TEXT = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
};

/** For a connection that Node's parser gave up: the same reply as `sendRefusal`, written by hand. */
function endSocket(socket: { end(text: string): void }, refusal: Refusal, routes: Routes): void {
  routes.onRefusal(refusal);
  const { headers, body } = refusalReply(refusal);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${refusal.status} ${STATUS_TEXT[refusal.status]}\r\n${lines.join("")}\r\n${body}`);
}

function sendRefusal(response: ServerResponse, refusal: Refusal): void {
  const { headers, body } = refusalReply(refusal);
  response.writeHead(refusal.status, headers).end(body);
}

function refusalReply({ error, description, allow }: Refusal) {
  const { headers, body } = errorReply(error, description);
  return {
    headers: { ...headers, Connection: "close", ...(allow === undefined ? {} : { Allow: allow }) },
    body,
  };
}

/** The shape of every error that is the agent's own: an OAuth error (RFC 6749 section 5.2). */
export function errorReply(error: string, description: string) {
  const body = JSON.stringify({ error, error_description: description });
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": String(Buffer.byteLength(body)),
    "Cache-Control": "no-store",
    "X-Armor-Gateway": "1",
  };
  return { headers, body };
}
