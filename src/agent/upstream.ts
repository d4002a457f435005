import http, { type IncomingMessage, type RequestOptions } from "node:http";
import https from "node:https";
import { urlToHttpOptions } from "node:url";
import { type CallState, networkError, timeoutError } from "../armor/network-error.ts";
import { proxyFor, RouteAgent, type RouteConfig } from "../armor/proxy.ts";
import type { CallLimits } from "./protocol.ts";
import type { Client } from "./slots.ts";

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
    const { origin } = call.origin;
    const peer = this.#peers.get(origin) ?? this.#createPeer(call.origin, this.#kept);
    this.#peers.set(origin, peer);
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

  #createPeer(url: URL, kept: https.AgentOptions): Peer {
    const proxy = proxyFor(url, this.#route);
    const isTls = url.protocol === "https:";
    const agent = isTls ? new RouteAgent(proxy, kept, this.#limits.connectMs) : new http.Agent(kept);
    return { agent, options: urlToHttpOptions(url), state: { url, proxy, isReplying: false } };
  }

  #send({ method, path, headers, client }: UpstreamCall, { agent, options, state }: Peer) {
    const { connectMs, headMs } = this.#limits;
    return new Promise<IncomingMessage>((resolve, reject) => {
      if (client.hasLeft) return reject(new Error("the client left"));
      const isTls = options.protocol === "https:";
      const { request: start } = isTls ? https : http;
      const request = start({ ...options, path, method, headers: headers as never, agent });
      const fail = (error: Error) => {
        clearTimeout(timer);
        reject(error);
        request.destroy(); // a request without a socket does not report its error, hence both
      };
      const limit = (ms: number) =>
        setTimeout(() => fail(timeoutError({ ...state, hasTunnel: request.socket !== null })), ms);
      let timer = limit(request.reusedSocket ? headMs : connectMs);
      if (!request.reusedSocket) {
        const onConnected = () => {
          clearTimeout(timer);
          timer = limit(headMs);
        };
        request.once("socket", (socket) => socket.once(isTls ? "secureConnect" : "connect", onConnected));
      }
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
