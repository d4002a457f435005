import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type CallState, networkError, timeoutError } from "../armor/network-error.ts";
import { proxyFor, RouteAgent, type RouteConfig, withoutBrackets } from "../armor/proxy.ts";
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
/** A silent proxy is then a reply that did not come in time, as it is in the main step. */
const TUNNEL_SLACK_MS = 5_000;
/** Timers stand still while a machine sleeps, and the wall clock goes on. */
const MAX_DRIFT_MS = 1_000;

/** What calls to one origin share. */
interface Peer {
  readonly isTls: boolean;
  readonly host: string;
  readonly port: number;
  readonly state: CallState;
  readonly agent: http.Agent;
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
    const peer = this.#peerOf(call.origin);
    try {
      return await this.#send(call, peer);
    } catch (error) {
      if (error !== CLOSED_WHILE_IDLE) throw error;
      return await this.#send(call, { ...peer, agent: this.#createAgent(call.origin, {}) });
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

  #peerOf(origin: URL): Peer {
    const known = this.#peers.get(origin.origin);
    if (known !== undefined) return known;
    const isTls = origin.protocol === "https:";
    const peer: Peer = {
      isTls,
      host: withoutBrackets(origin.hostname),
      port: Number(origin.port || (isTls ? 443 : 80)),
      state: { url: origin, proxy: proxyFor(origin, this.#route), isReplying: false },
      agent: this.#createAgent(origin, this.#kept),
    };
    this.#peers.set(origin.origin, peer);
    return peer;
  }

  #createAgent(origin: URL, options: https.AgentOptions): http.Agent {
    if (origin.protocol === "http:") return new http.Agent(options);
    return new RouteAgent(proxyFor(origin, this.#route), options, this.#limits.connectMs + TUNNEL_SLACK_MS);
  }

  #send({ method, path, headers, client }: UpstreamCall, peer: Peer): Promise<IncomingMessage> {
    const { isTls, host, port, state, agent } = peer;
    return new Promise((resolve, reject) => {
      if (client.hasLeft) return reject(new Error("the client left"));
      const options = { host, port, path, method, headers: headers as never, agent };
      const request = (isTls ? https : http).request(options);
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
      request.once("upgrade", (_, socket) => {
        socket.destroy();
        fail(networkError({ code: "HPE_UPGRADE" }, state));
      });
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
