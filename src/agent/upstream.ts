import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type CallState, networkError, timeoutError } from "../armor/network-error.ts";
import { proxyFor, RouteAgent, type RouteConfig, withoutBrackets } from "../armor/proxy.ts";
import { ArmorError } from "../errors.ts";
import type { CallLimits } from "./protocol.ts";

/** A GET or HEAD to Armor. */
export interface UpstreamCall {
  readonly method: string;
  readonly url: URL;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

/** Connections that were idle for longer may have been forgotten by a NAT or a VPN, and are not used again. */
const MAX_IDLE_MS = 15_000;
const KEPT: https.AgentOptions = { keepAlive: true, maxFreeSockets: 128, timeout: MAX_IDLE_MS };

/** Sends calls to Armor over connections that are kept. */
export class Upstream {
  readonly #route: RouteConfig;
  readonly #limits: CallLimits;
  readonly #kept = new Map<string, http.Agent>();
  readonly #freedAt = new WeakMap<object, number>();

  constructor(route: RouteConfig, limits: CallLimits) {
    this.#route = route;
    this.#limits = limits;
  }

  /** @returns the reply when its head is there. @throws ArmorError where none begins */
  async send(call: UpstreamCall): Promise<IncomingMessage> {
    const agent = this.#agentFor(call.url);
    try {
      return await this.#send(call, agent);
    } catch (error) {
      if (error !== CLOSED_WHILE_IDLE) throw error;
      return await this.#send(call, this.#createAgent(call.url, {}));
    }
  }

  /** Connections without a call under way end. */
  close(): void {
    for (const agent of this.#kept.values()) agent.destroy();
  }

  #agentFor(url: URL): http.Agent {
    const agent = this.#kept.get(url.origin) ?? this.#createAgent(url, KEPT);
    this.#kept.set(url.origin, agent);
    // A machine that slept does not notice the time-out of idle connections: the wall clock does.
    for (const socket of Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? [])) {
      if (Math.abs(Date.now() - (this.#freedAt.get(socket) ?? Date.now())) > MAX_IDLE_MS) socket.destroy();
    }
    return agent;
  }

  #createAgent(url: URL, options: https.AgentOptions): http.Agent {
    if (url.protocol === "http:") return new http.Agent(options);
    return new RouteAgent(proxyFor(url, this.#route), options, this.#limits.connectMs);
  }

  #send({ method, url, headers, signal }: UpstreamCall, agent: http.Agent): Promise<IncomingMessage> {
    const state: CallState = { url, proxy: proxyFor(url, this.#route), isReplying: false };
    return new Promise((resolve, reject) => {
      const request = (url.protocol === "https:" ? https : http).request({
        host: withoutBrackets(url.hostname),
        port: url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port),
        path: url.pathname + url.search,
        method,
        headers: headers as never,
        agent,
        signal,
      });
      const limit = (ms: number) =>
        setTimeout(() => fail(timeoutError({ ...state, hasTunnel: request.socket !== null })), ms);
      const fail = (error: Error) => {
        clearTimeout(timer);
        reject(error);
        request.destroy(); // a request without a socket does not report its error, hence both
      };
      let timer = limit(this.#limits.connectMs);
      onConnected(request, () => {
        clearTimeout(timer);
        timer = limit(this.#limits.headMs);
      });
      request.once("response", (message) => {
        clearTimeout(timer);
        const { socket } = message;
        socket.once("free", () => this.#freedAt.set(socket, Date.now()));
        resolve(message);
      });
      // Without a listener, Node would drop a connection that switches protocols and report nothing.
      request.once("upgrade", () => fail(networkError({ code: "HPE_UPGRADE" }, state)));
      request.on("error", (error: NodeJS.ErrnoException) => {
        const isClosed = request.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
        fail(isClosed && !signal.aborted ? CLOSED_WHILE_IDLE : asNetworkError(error, state));
      });
      request.end();
    });
  }
}

/** The server closed a kept connection at the moment in which it was used again (RFC 9110 section 9.2.2). */
const CLOSED_WHILE_IDLE = new Error("closed while idle");

function asNetworkError(error: NodeJS.ErrnoException, state: CallState): Error {
  if (error instanceof ArmorError || error.name === "AbortError") return error;
  return networkError(error, state);
}

/** Calls back when the request has a connection, TLS included. */
function onConnected(request: ClientRequest, connected: () => void): void {
  request.once("socket", (socket: Socket) => {
    const { secureConnecting = false } = socket as Partial<TLSSocket> & { secureConnecting?: boolean };
    if (request.reusedSocket || !(socket.connecting || secureConnecting)) connected();
    else socket.once(secureConnecting ? "secureConnect" : "connect", connected);
  });
}
