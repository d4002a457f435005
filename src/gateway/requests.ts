import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { afterPendingReads } from "../clock.ts";
import { BOUNDS, type Limits } from "./bounds.ts";
import type { Connection, Connections, Exchange } from "./connections.ts";
import { type Admission, authorize, type GuardConfig } from "./guard.ts";
import { busy, type Refusal, refuse } from "./refusals.ts";
import { endSocket, sendRefusal } from "./reply.ts";

/** Answers a request that was admitted. */
export type Handle = (
  request: IncomingMessage,
  response: ServerResponse,
  admission: Admission,
) => void;

const BAD_REQUEST = refuse(
  "bad_request",
  "The request is not valid HTTP. Use a client that speaks HTTP/1.1.",
);
const REQUEST_TIMEOUT = "ERR_HTTP_REQUEST_TIMEOUT";
/** By the codes of Node's parser. */
const BAD_HEADS: ReadonlyMap<string, Refusal> = new Map([
  [
    "HPE_HEADER_OVERFLOW",
    refuse(
      "head_too_large",
      `The request's headers are larger than ${BOUNDS.maxHeadBytes.value / 1024} KB, or ` +
        `${BOUNDS.maxHeaders.value} or more. Leave out what the gateway does not need, such as cookies.`,
    ),
  ],
  [
    REQUEST_TIMEOUT,
    refuse("request_timeout", "The request's headers did not come in time. Send them at once."),
  ],
]);
const LINE_IS_FULL = busy(
  `More than ${BOUNDS.maxInLine.value} requests came on one connection before the first was answered. ` +
    "Wait for replies, or use several connections.",
);

export interface RequestsOptions {
  readonly connections: Connections;
  readonly guard: GuardConfig;
  readonly limits: Limits;
  readonly handle: Handle;
  readonly onRefusal: (refusal: Refusal) => void;
}

/** What becomes of the requests of each connection, and of connections that send something else. */
export class Requests {
  readonly #options: RequestsOptions;
  #heldInAll = 0; // requests that wait for the reply to one before them, on all connections
  #bytesHeldInAll = 0; // of their heads

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /**
   * Serves the requests of one connection one after the other. Node would serve pipelined requests
   * at once, and in older versions a reply that waits for its turn does not learn that the client
   * has left.
   */
  accept(exchange: Exchange): void {
    const { socket } = exchange.request;
    const connection = this.#options.connections.find(socket);
    if (socket.destroyed || connection === undefined || connection.isRefused) {
      ignoreRequests(socket);
      return;
    }
    if (connection.isReplying) this.#putInLine(connection, exchange);
    else this.#serve(connection, exchange);
  }

  /** Refuses a connection that has no response to write to. */
  #giveUp(socket: Duplex, refusal: Refusal): void {
    const { connections, limits, onRefusal } = this.#options;
    const connection = connections.find(socket);
    if (connection !== undefined) connections.refuse(connection);
    onRefusal(refusal);
    endSocket(socket, refusal, limits.headMs);
  }

  /** A CONNECT, for which Node makes no response. */
  refuseConnect(socket: Socket, refusal: Refusal): void {
    // A refusal written now would be read as the reply to the request before it.
    if (this.#options.connections.find(socket)?.isReplying) socket.resetAndDestroy();
    else this.#giveUp(socket, refusal);
  }

  /** Node's parser gave up, with this code, or the time for a head is over. */
  endUnreadable(socket: Socket, code: string): void {
    if (code !== REQUEST_TIMEOUT) {
      this.#endNow(socket, code);
      return;
    }
    const connection = this.#options.connections.find(socket);
    const before = connection?.lastResponse;
    afterPendingReads(() => {
      const hasCome = connection !== undefined && connection.lastResponse !== before;
      if (!hasCome) this.#endNow(socket, code);
    });
  }

  /** A connection that was kept for another request has had none for too long. */
  endIdle(socket: Socket): void {
    const { bytesRead } = socket;
    afterPendingReads(() => {
      if (socket.bytesRead === bytesRead) socket.destroy();
    });
  }

  #serve(connection: Connection, { request, response, expectsContinue }: Exchange): void {
    const { connections, guard, handle } = this.#options;
    connection.lastResponse = response;
    const verdict = authorize(request, guard);
    if (verdict.route === "refused") {
      this.#refuse(connection, response, verdict);
      return;
    }
    connections.admit(connection);
    if (expectsContinue) response.writeContinue();
    handle(request, response, verdict);
  }

  #refuse(connection: Connection, response: ServerResponse, refusal: Refusal): void {
    const { connections, limits, onRefusal } = this.#options;
    connection.lastResponse = response;
    connections.refuse(connection);
    ignoreRequests(connection.socket);
    onRefusal(refusal);
    sendRefusal(response, refusal, limits.headMs);
  }

  #putInLine(connection: Connection, exchange: Exchange): void {
    const { line, socket, lastResponse } = connection;
    const { maxInLine } = this.#options.limits;
    this.#hold(connection, exchange.request);
    if (!connection.letsGoAtClose) {
      connection.letsGoAtClose = true;
      socket.once("close", () => this.#letGoOfAll(connection));
    }
    if (this.#holdsTooMuch()) {
      socket.destroy();
      ignoreRequests(socket);
      return;
    }
    if (connection.isOverfull) return; // Node itself holds the response, until the connection ends
    line.push(exchange);
    if (line.length === 1) lastResponse?.once("close", () => this.#serveNext(connection));
    if (line.length <= maxInLine) return;
    connection.isOverfull = true; // this one is the last, and is refused when it is its turn
    stopReading(socket);
  }

  #serveNext(connection: Connection): void {
    const { line, socket, isOverfull, isRefused } = connection;
    const next = line.shift();
    if (next === undefined || socket.destroyed || isRefused) return;
    const isLast = line.length === 0;
    if (isLast && isOverfull) {
      this.#refuse(connection, next.response, LINE_IS_FULL);
      return;
    }
    this.#letGo(connection, next.request);
    this.#serve(connection, next);
    if (!isLast) next.response.once("close", () => this.#serveNext(connection));
  }

  #hold(connection: Connection, request: IncomingMessage): void {
    const bytes = headLength(request);
    connection.requestsHeld += 1;
    connection.bytesHeld += bytes;
    this.#heldInAll += 1;
    this.#bytesHeldInAll += bytes;
  }

  #letGo(connection: Connection, request: IncomingMessage): void {
    const bytes = headLength(request);
    connection.requestsHeld -= 1;
    connection.bytesHeld -= bytes;
    this.#heldInAll -= 1;
    this.#bytesHeldInAll -= bytes;
  }

  #letGoOfAll(connection: Connection): void {
    this.#heldInAll -= connection.requestsHeld;
    this.#bytesHeldInAll -= connection.bytesHeld;
    connection.requestsHeld = 0;
    connection.bytesHeld = 0;
    connection.line.length = 0;
  }

  #holdsTooMuch(): boolean {
    const { maxInLineInAll, maxBytesInLine } = this.#options.limits;
    return this.#heldInAll > maxInLineInAll || this.#bytesHeldInAll > maxBytesInLine;
  }

  #endNow(socket: Socket, code: string): void {
    const connection = this.#options.connections.find(socket);
    if (connection?.isRefused) return; // the rest of a request that has its answer
    if (connection?.isReplying) {
      // A refusal written now would be read as a part of the reply's body.
      socket.resetAndDestroy();
      return;
    }
    const isSilent = socket.bytesRead === 0; // a connection that a client has opened for later
    if (isSilent || code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    this.#giveUp(socket, BAD_HEADS.get(code) ?? BAD_REQUEST);
  }
}

/** In characters, which are bytes here: Node reads heads as Latin-1. */
function headLength({ url = "", rawHeaders }: IncomingMessage): number {
  let length = url.length;
  for (const text of rawHeaders) length += text.length;
  return length;
}

/**
 * Node parses all that it has read at once, and keeps each request and its response until the
 * connection is closed, which comes after all other connections have been read: those of 3,900
 * connections with 60 requests each are more than the heap holds (Node 24.21). Without
 * `onIncoming`, which is not documented, it keeps none. Where it is missing, more is kept, and
 * nothing else.
 */
function ignoreRequests(socket: Duplex): void {
  const { parser } = socket as { parser?: { onIncoming?: unknown } | null };
  if (typeof parser?.onIncoming === "function") parser.onIncoming = () => 0; // goes on as usual
}

/**
 * Reads nothing more from it, whatever Node's parser wants: it resumes the socket after each
 * message.
 */
function stopReading(socket: Duplex): void {
  if (socket.listenerCount("resume", pause) === 0) socket.on("resume", pause);
  socket.pause();
}

function pause(this: Duplex): void {
  this.pause();
}
