import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { networkError, timeoutError } from "../armor/network-error.ts";
import { proxyFor, RouteAgent, type RouteConfig, withoutBrackets } from "../armor/proxy.ts";
import type { AgentConfig } from "./protocol.ts";
import type { Client } from "./slots.ts";

/** A GET or HEAD to Armor. */
export interface UpstreamCall {
  readonly method: string;
  readonly origin: URL;
  readonly path: string; // path and query, sent as they are
  readonly headers: readonly string[]; // names and values in turn
  readonly client: Client;
}

const MAX_IDLE_MS = 15_000; // idle for longer, a NAT or a VPN may have forgotten it, and it is not used again

/** Sends calls to Armor over connections that are kept. */
export class Upstream {
  readonly #route: RouteConfig;
  readonly #limits: AgentConfig["limits"];
  readonly #kept: { readonly timeout: number } & https.AgentOptions;
  readonly #agents = new Map<string, http.Agent>(); // by origin
  #lastSentAt = 0;

  constructor(route: RouteConfig, limits: AgentConfig["limits"], maxIdleMs = MAX_IDLE_MS) {
    this.#route = route;
    this.#limits = limits;
    this.#kept = { keepAlive: true, maxFreeSockets: 128, timeout: maxIdleMs };
  }

  /** @returns the reply when its head is there. @throws ArmorError where none begins */
  async send(call: UpstreamCall): Promise<IncomingMessage> {
    // Timers stand still while a machine sleeps, and the wall clock goes on.
    const now = Date.now();
    if (now - this.#lastSentAt > this.#kept.timeout) this.#agents.clear();
    this.#lastSentAt = now;
    const { origin } = call.origin;
    const agent = this.#agents.get(origin) ?? this.#createAgent(call.origin, this.#kept);
    this.#agents.set(origin, agent);
    try {
      return await this.#send(call, agent);
    } catch (error) {
      if (error !== CLOSED_WHILE_IDLE) throw error;
      return await this.#send(call, this.#createAgent(call.origin, {}));
    }
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  #createAgent(url: URL, options: https.AgentOptions): http.Agent {
    if (url.protocol === "http:") return new http.Agent(options);
    return new RouteAgent(proxyFor(url, this.#route), options, this.#limits.connectMs);
  }

  #send({ method, origin, path, headers, client }: UpstreamCall, agent: http.Agent) {
    const { connectMs, headMs } = this.#limits;
    const state = () => ({ url: origin, proxy: proxyFor(origin, this.#route), isReplying: false });
    return new Promise<IncomingMessage>((resolve, reject) => {
      if (client.hasLeft) return reject(new Error("the client left"));
      const { protocol, hostname, port } = origin;
      const isTls = protocol === "https:";
      const host = withoutBrackets(hostname);
      const { request: start } = isTls ? https : http;
      const request = start({ host, port, path, method, headers: headers as never, agent });
      const fail = (error: Error) => {
        clearTimeout(timer);
        reject(error);
        request.destroy(); // a request without a socket does not report its error, hence both
      };
      let isReplying = false;
      let timer: NodeJS.Timeout | undefined;
      const wait = (ms: number) => {
        clearTimeout(timer);
        const late = () => fail(timeoutError({ ...state(), hasTunnel: request.socket !== null }));
        timer = setTimeout(late, ms);
      };
      wait(request.reusedSocket ? headMs : connectMs);
      const connected = isTls ? "secureConnect" : "connect";
      if (!request.reusedSocket)
        request.once("socket", (socket) => socket.once(connected, () => wait(headMs)));
      request.once("response", (message) => {
        clearTimeout(timer);
        isReplying = true;
        resolve(message);
      });
      // Without a listener, Node would drop a connection that switches protocols and report nothing.
      request.once("upgrade", () => fail(networkError({ code: "HPE_UPGRADE" }, state())));
      request.on("error", (error: NodeJS.ErrnoException) => {
        if (isReplying) return; // the message has an error of its own, or is whole
        const isClosed = request.reusedSocket && /^(ECONNRESET|EPIPE)$/.test(error.code ?? "");
        fail(isClosed ? CLOSED_WHILE_IDLE : networkError(error, state()));
      });
      request.end();
      client.onLeave(() => fail(new Error("the client left")));
    });
  }
}

/** The server closed a kept connection at the moment in which it was used again (RFC 9112 section 9.3.1). */
const CLOSED_WHILE_IDLE = new Error("closed while idle");
