import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { clock } from "../clock.ts";
import {
  type Admission,
  authorize,
  type GuardConfig,
  type Refusal,
  refuse,
  wrongMethod,
} from "./guard.ts";
import { endSocket, sendRefusal } from "./reply.ts";

/** Answers a request that was admitted. */
export type Handle = (
  request: IncomingMessage,
  response: ServerResponse,
  admission: Admission,
) => void;

export interface ServerLimits {
  readonly headMs: number; // for a whole request head, and for what follows a refused one, in ms
  readonly maxWaiting: number; // connections without an admitted request: beyond it the oldest is closed
  readonly minWaitMs: number; // but not before it has waited this long, in ms
}

const LIMITS: ServerLimits = { headMs: 10_000, maxWaiting: 2_000, minWaitMs: 2_000 };
const MAX_HEADER_BYTES = 16 * 1024;
/** Longer than common clients keep a connection, so that none is closed while a request is on its way. */
const KEEP_ALIVE_MS = 120_000;
/** For many calls that connect at the same moment. Node's default is 511. */
const BACKLOG = 4_096;

const NO_CONNECT = wrongMethod(
  "The gateway is no proxy: use it as the base address of a call.",
  "GET, HEAD",
);
const BAD_REQUEST = refuse("bad_request", "The request is not valid HTTP.");
/** By the codes of Node's parser. */
const BAD_HEADS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: refuse("head_too_large", "The request's headers are larger than 16 KB."),
  ERR_HTTP_REQUEST_TIMEOUT: refuse(
    "request_timeout",
    "The request's headers did not come in time.",
  ),
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
  const connections = new Connections(config, handle, onRefusal, limits);
  const onRequest = (request: IncomingMessage, response: ServerResponse) =>
    connections.serveInTurn(request, response);
  server.on("connection", (socket: Socket) => connections.open(socket));
  server.on("request", onRequest);
  // Without these, Node asks for the body of a request that will be refused (RFC 9110 section 10.1.1).
  server.on("checkContinue", onRequest);
  server.on("checkExpectation", onRequest);
  server.on("connect", (_, socket) => connections.giveUp(socket, NO_CONNECT));
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) =>
    connections.endUnreadable(socket, error.code ?? ""),
  );
  return { port, server };
}

/** What is known of each connection, and what becomes of its requests. */
class Connections {
  readonly #guard: GuardConfig;
  readonly #handle: Handle;
  readonly #onRefusal: (refusal: Refusal) => void;
  readonly #limits: ServerLimits;
  readonly #waiting = new Map<Duplex, number>(); // without an admitted request, since when; the oldest first
  readonly #refused = new WeakSet<Duplex>(); // they have their answer, and no further request is served
  readonly #lastResponse = new WeakMap<Duplex, ServerResponse>();

  constructor(
    guard: GuardConfig,
    handle: Handle,
    onRefusal: (refusal: Refusal) => void,
    limits: ServerLimits,
  ) {
    this.#guard = guard;
    this.#handle = handle;
    this.#onRefusal = onRefusal;
    this.#limits = limits;
  }

  /** Closes the oldest connection that waits, where there are too many. */
  open(socket: Socket): void {
    this.#waiting.set(socket, clock.now());
    socket.once("close", () => this.#waiting.delete(socket));
    if (this.#waiting.size <= this.#limits.maxWaiting) return;
    const [oldest] = this.#waiting;
    if (oldest === undefined) return;
    const [oldestSocket, since] = oldest;
    if (clock.now() - since >= this.#limits.minWaitMs) oldestSocket.destroy();
  }

  /**
   * Serves the requests of one connection one after the other. Node would serve pipelined requests at once,
   * and in older versions a reply that waits for its turn does not learn that the client has left.
   */
  serveInTurn(request: IncomingMessage, response: ServerResponse): void {
    const previous = this.#lastResponse.get(request.socket);
    this.#lastResponse.set(request.socket, response);
    if (previous === undefined || previous.closed) this.#serve(request, response);
    else previous.once("close", () => this.#serve(request, response));
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (socket.destroyed || this.#refused.has(socket)) return;
    const verdict = authorize(request, this.#guard);
    if (verdict.route === "refused") {
      this.#refused.add(socket);
      this.#onRefusal(verdict);
      sendRefusal(response, verdict, this.#limits.headMs);
      return;
    }
    this.#waiting.delete(socket);
    this.#handle(request, response, verdict);
  }

  /** Refuses a connection that has no response to write to. */
  giveUp(socket: Duplex, refusal: Refusal): void {
    this.#refused.add(socket);
    this.#onRefusal(refusal);
    endSocket(socket, refusal, this.#limits.headMs);
  }

  /** Node's parser gave up, with this code. */
  endUnreadable(socket: Socket, code: string): void {
    if (this.#refused.has(socket)) return; // the rest of a request that has its answer
    const response = this.#lastResponse.get(socket);
    const isReplying = response !== undefined && !response.closed;
    if (isReplying) {
      // A refusal written now would be read as a part of the reply's body.
      socket.resetAndDestroy();
      return;
    }
    const isSilent = socket.bytesRead === 0; // a connection that a client has opened for later
    if (isSilent || code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    this.giveUp(socket, BAD_HEADS[code] ?? BAD_REQUEST);
  }
}
