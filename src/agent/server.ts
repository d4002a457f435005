import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { clock } from "../clock.ts";
import { type Admission, authorize, type GuardConfig, type Refusal, refuse, wrongMethod } from "./guard.ts";
import { endSocket, sendRefusal } from "./reply.ts";

/** Answers a request that was admitted. */
export type Handle = (request: IncomingMessage, response: ServerResponse, admission: Admission) => void;

export interface ServerLimits {
  readonly headMs: number; // for a whole request head, and for what follows a refused one, in ms
  readonly maxWaiting: number; // connections without an admitted request: beyond it the oldest is closed
  readonly minWaitMs: number; // but not before it has waited this long, in ms
}

const LIMITS: ServerLimits = { headMs: 10_000, maxWaiting: 2_000, minWaitMs: 2_000 };
const MAX_HEADER_BYTES = 16 * 1024;
const KEEP_ALIVE_MS = 120_000; // longer than common clients do: none is closed while a request is on its way
const BACKLOG = 4_096; // for calls that connect all at once: more than the 511 that Node asks for by default

const NO_CONNECT = wrongMethod("The gateway is no proxy: use it as the base address of a call.", "GET, HEAD");
const BAD_REQUEST = refuse(400, "bad_request", "The request is not valid HTTP.");
/** By the codes of Node's parser. */
const BAD_HEADS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: refuse(431, "head_too_large", "The request's headers are larger than 16 KB."),
  ERR_HTTP_REQUEST_TIMEOUT: refuse(408, "request_timeout", "The request's headers did not come in time."),
};

/** Listens on a free port of 127.0.0.1. */
export async function listen(
  guard: Omit<GuardConfig, "host">,
  handle: Handle,
  onRefusal: (refusal: Refusal) => void,
  limits: ServerLimits = LIMITS,
): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: limits.headMs,
    connectionsCheckingInterval: limits.headMs / 5,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: 0, // no request has a body
    requireHostHeader: false, // Node's own refusal has no text
  });
  await once(server.listen(0, "127.0.0.1", BACKLOG), "listening");
  const { port } = server.address() as AddressInfo;
  const config: GuardConfig = { ...guard, host: `127.0.0.1:${port}` };
  const waiting = limitWaiting(server, limits);
  const lastResponse = new WeakMap<Duplex, ServerResponse>();
  const refused = new WeakSet<Duplex>();

  /** One connection's requests in turn: older Nodes do not tell a reply in line that its client has left. */
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const previous = lastResponse.get(request.socket);
    lastResponse.set(request.socket, response);
    if (previous === undefined || previous.closed) serve(request, response);
    else previous.once("close", () => serve(request, response));
  };
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    if (socket.destroyed || refused.has(socket)) return;
    const verdict = authorize(request, config);
    if ("status" in verdict) {
      refused.add(socket);
      onRefusal(verdict);
      return sendRefusal(response, verdict, limits.headMs);
    }
    waiting.delete(socket);
    handle(request, response, verdict);
  };
  const giveUp = (socket: Duplex, refusal: Refusal) => {
    refused.add(socket);
    onRefusal(refusal);
    endSocket(socket, refusal, limits.headMs);
  };
  server.on("request", onRequest);
  // Without these, Node asks for the body of a request that will be refused (RFC 9110 section 10.1.1).
  server.on("checkContinue", onRequest);
  server.on("checkExpectation", onRequest);
  server.on("connect", (_, socket) => giveUp(socket, NO_CONNECT));
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (refused.has(socket)) return; // the rest of a request that has its answer
    const response = lastResponse.get(socket);
    // Text written into a reply under way would be read as its body.
    if (response !== undefined && !response.closed) return void socket.resetAndDestroy();
    const isSilent = socket.bytesRead === 0; // a connection that a client has opened for later
    if (isSilent || error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
    giveUp(socket, BAD_HEADS[error.code ?? ""] ?? BAD_REQUEST);
  });
  return { port, server };
}

/** @returns the connections without an admitted request, the oldest first */
function limitWaiting(server: Server, { maxWaiting, minWaitMs }: ServerLimits) {
  const waiting = new Map<Duplex, number>();
  server.on("connection", (socket: Socket) => {
    waiting.set(socket, clock.now());
    socket.once("close", () => waiting.delete(socket));
    if (waiting.size <= maxWaiting) return;
    for (const [oldest, since] of waiting) {
      if (clock.now() - since >= minWaitMs) oldest.destroy();
      return;
    }
  });
  return waiting;
}
