// Owns the token agent's listener on loopback: limits, the guard, and the routes behind it.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Gateway } from "./gateway.ts";
import { type Door, isRefusal, judgeRequest, type Refusal } from "./guard.ts";
import type { Stats } from "./stats.ts";

export interface Routes {
  readonly gateway: Gateway;
  /** `GET /token` */
  readonly token: (response: ServerResponse) => Promise<void>;
  /** `POST /stop` */
  readonly stop: (response: ServerResponse) => Promise<void>;
  readonly onRequest: () => void;
}

export interface Listener {
  readonly port: number;
  readonly server: Server;
}

const MAX_HEADER_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 1024;
/** Connections that have not shown the capability yet; the oldest makes room, so that strangers cannot fill the house. */
const MAX_STRANGERS = 64;
const IDLE_MS = 10_000;
/** Refusals per second that are answered; beyond, connections are closed without a word. */
const MAX_REFUSALS_PER_SECOND = 50;

/**
 * Listens on a free port of 127.0.0.1. `routes` are made when the port is known.
 * @param idleMs how long a client may take for its headers, or keep a connection without a request
 */
export async function listen(
  capability: string,
  stats: Stats,
  now: () => number,
  makeRoutes: (port: number) => Routes,
  idleMs = IDLE_MS,
): Promise<Listener> {
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: idleMs,
    connectionsCheckingInterval: idleMs / 5,
    keepAliveTimeout: idleMs,
    requestTimeout: 0, // an upload may take long; a silent one is the gateway's to end
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const routes = makeRoutes(port);
  const door: Door = { host: `127.0.0.1:${port}`, capability };
  const strangers = new Set<Socket>();
  const allowsRefusal = limiter(now);

  server.on("connection", (socket: Socket) => {
    strangers.add(socket);
    socket.once("close", () => strangers.delete(socket));
    const [oldest] = strangers;
    if (strangers.size > MAX_STRANGERS) oldest?.destroy();
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const verdict = judgeRequest(knockOf(request), door);
    if (isRefusal(verdict)) {
      stats.refused();
      if (allowsRefusal()) turnAway(response, verdict);
      else request.socket.destroy();
      return;
    }
    strangers.delete(request.socket);
    routes.onRequest();
    if (verdict.route === "api") routes.gateway(request, response, verdict.target);
    else routes[verdict.route](response);
  });
  server.on("connect", (_, socket) => {
    stats.refused();
    socket.end("HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    stats.refused();
    if (error.code === "ECONNRESET" || !socket.writable) socket.destroy();
    else socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  return { port, server };
}

function knockOf({ method = "", url = "", rawHeaders }: IncomingMessage) {
  return { method, target: url, rawHeaders };
}

function turnAway(response: ServerResponse, { status, error, description }: Refusal): void {
  const body = JSON.stringify({ error, error_description: description });
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
    Connection: "close",
  });
  response.end(body);
}

/** True for the first so many in each second. */
function limiter(now: () => number): () => boolean {
  let second = 0;
  let count = 0;
  return () => {
    const current = Math.floor(now() / 1000);
    count = current === second ? count + 1 : 1;
    second = current;
    return count <= MAX_REFUSALS_PER_SECOND;
  };
}
