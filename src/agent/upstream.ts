import http, { type ClientRequest, type IncomingMessage, type RequestOptions } from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { urlToHttpOptions } from "node:url";
import { type CallState, networkError, timeoutError } from "../armor/network-error.ts";
import { proxyFor, RouteAgent, type RouteConfig } from "../armor/proxy.ts";
import type { Client } from "./client.ts";
import type { CallLimits } from "./protocol.ts";

/** A GET or HEAD to Armor. */
export interface UpstreamCall {
  readonly method: string;
  readonly origin: URL;
  /** Path and query, sent as they are. */
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly client: Client;
}

/** A connection that was idle for longer may be forgotten by a NAT or a VPN, and is not used again. */
const MAX_IDLE_MS = 15_000;
/** Timers stand still while a machine sleeps, and the wall clock goes on. */
const MAX_DRIFT_MS = 1_000;

/** What calls to one origin share. */
interface Peer {
  readonly agent: http.Agent;
  readonly options: RequestOptions;
  readonly state: CallState;
}

/** Sends calls to Armor over connections that are kept. */
export class Upstream {
  readonly #route: RouteConfig;
  readonly #limits: CallLimits;
  readonly #kept: https.AgentOptions;
  readonly #peers = new Map<string, Peer>();
  #drift = drift();

  constructor(route: RouteConfig, limits: CallLimits, maxIdleMs = MAX_IDLE_MS) {
    this.#route = route;
    this.#limits = limits;
    this.#kept = { keepAlive: true, maxFreeSockets: 128, timeout: maxIdleMs };
  }

  /** @returns the reply when its head is there. @throws ArmorError where none begins */
  async send(call: UpstreamCall): Promise<IncomingMessage> {
    this.#forgetAfterSleep();
    const known = this.#peers.get(call.origin.origin);
    const peer = known ?? this.#createPeer(call.origin, this.#kept);
    if (known === undefined) this.#peers.set(call.origin.origin, peer);
    try {
      return await this.#send(call, peer);
    } catch (error) {
      if (error !== CLOSED_WHILE_IDLE) throw error;
      return await this.#send(call, this.#createPeer(call.origin, {}));
    }
  }

  /** Ends all connections. */
  close(): void {
    for (const { agent } of this.#peers.values()) agent.destroy();
  }

  /** Connections that were idle while the machine slept are not used again either. */
  #forgetAfterSleep(): void {
    const before = this.#drift;
    this.#drift = drift();
    if (Math.abs(this.#drift - before) < MAX_DRIFT_MS) return;
    for (const { agent } of this.#peers.values()) {
      for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
    }
  }

  #createPeer(origin: URL, kept: https.AgentOptions): Peer {
    const proxy = proxyFor(origin, this.#route);
    const agent =
      origin.protocol === "http:"
        ? new http.Agent(kept)
        : new RouteAgent(proxy, kept, this.#limits.connectMs);
    return { agent, options: urlToHttpOptions(origin), state: { url: origin, proxy, isReplying: false } };
  }

  #send({ method, path, headers, client }: UpstreamCall, { agent, options, state }: Peer) {
    return new Promise<IncomingMessage>((resolve, reject) => {
      if (client.hasLeft) return reject(new Error("the client left"));
      const { request: start } = options.protocol === "https:" ? https : http;
      const request = start({ ...options, path, method, headers: headers as never, agent });
      const fail = (error: Error) => {
        clearTimeout(timer);
        reject(error);
        request.destroy(); // a request without a socket does not report its error, hence both
      };
      const limit = (ms: number) =>
        setTimeout(() => fail(timeoutError({ ...state, hasTunnel: request.socket !== null })), ms);
      let timer = limit(this.#limits.connectMs);
      onConnected(request, () => {
        clearTimeout(timer);
        timer = limit(this.#limits.headMs);
      });
      let isReplying = false;
      request.once("response", (message) => {
        clearTimeout(timer);
        isReplying = true;
        resolve(message);
      });
      // Without a listener, Node would drop a connection that switches protocols and report nothing.
      request.once("upgrade", () => fail(networkError({ code: "HPE_UPGRADE" }, state)));
      request.on("error", (error: NodeJS.ErrnoException) => {
        if (isReplying) return; // the message has an error of its own, or is whole
        const isClosed = request.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
        fail(isClosed ? CLOSED_WHILE_IDLE : networkError(error, state));
      });
      request.end();
      client.onLeave(() => fail(new Error("the client left")));
    });
  }
}

/** The server closed a kept connection at the moment in which it was used again (RFC 9112 section 9.3.1). */
const CLOSED_WHILE_IDLE = new Error("closed while idle");

/** Changes only where the clock was set, or the machine slept. */
function drift(): number {
  return Date.now() - performance.now();
}

/** Calls back when the request has a connection, TLS included. */
function onConnected(request: ClientRequest, connected: () => void): void {
  request.once("socket", (socket: Socket) => {
    const { secureConnecting = false } = socket as Partial<TLSSocket> & { secureConnecting?: boolean };
    if (request.reusedSocket || !(socket.connecting || secureConnecting)) connected();
    else socket.once(secureConnecting ? "secureConnect" : "connect", connected);
  });
}
