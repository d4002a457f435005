import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { networkError, timeoutError } from "../armor/network-error.ts";
import { proxyFor, RouteAgent, type RouteConfig, withoutBrackets } from "../armor/proxy.ts";
import { clock } from "../clock.ts";
import type { AgentConfig } from "../protocol/config.ts";
import type { Client } from "./client.ts";

/** A GET or HEAD to Armor. */
export interface UpstreamCall {
  readonly method: string;
  readonly origin: URL;
  readonly path: string; // path and query, sent as they are
  readonly headers: readonly string[]; // names and values in turn
  readonly client: Client;
}

/** A NAT or a VPN may have forgotten a connection that was idle for longer, so it is not used again. */
const MAX_IDLE_MS = 15_000;

/** The server closed a kept connection at the moment in which it was used again (RFC 9112 section 9.3.1). */
const CLOSED_WHILE_IDLE = new Error("closed while idle");

/** Sends calls to Armor over connections that are kept. */
export class Upstream {
  readonly #route: RouteConfig;
  readonly #limits: AgentConfig["limits"];
  readonly #maxIdleMs: number;
  readonly #agents = new Map<string, http.Agent>(); // by origin
  #lastSentAt = 0; // by the wall clock, in ms

  constructor(route: RouteConfig, limits: AgentConfig["limits"], maxIdleMs = MAX_IDLE_MS) {
    this.#route = route;
    this.#limits = limits;
    this.#maxIdleMs = maxIdleMs;
  }

  /** @returns the reply when its head is there. @throws ArmorError where none begins */
  async send(call: UpstreamCall): Promise<IncomingMessage> {
    try {
      return await this.#sendBy(this.#keptAgent(call.origin), call);
    } catch (error) {
      if (error !== CLOSED_WHILE_IDLE) throw error;
      const freshAgent = this.#createAgent(call.origin, {});
      return await this.#sendBy(freshAgent, call);
    }
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  #keptAgent(url: URL): http.Agent {
    // Timers stand still while a machine sleeps, and the wall clock goes on.
    const now = clock.date();
    if (now - this.#lastSentAt > this.#maxIdleMs) this.#agents.clear();
    this.#lastSentAt = now;
    let agent = this.#agents.get(url.origin);
    if (agent === undefined) {
      agent = this.#createAgent(url, {
        keepAlive: true,
        maxFreeSockets: 128,
        timeout: this.#maxIdleMs,
      });
      this.#agents.set(url.origin, agent);
    }
    return agent;
  }

  #createAgent(url: URL, options: https.AgentOptions): http.Agent {
    if (url.protocol === "http:") return new http.Agent(options);
    return new RouteAgent(proxyFor(url, this.#route), options, this.#limits.connectMs);
  }

  #sendBy(agent: http.Agent, call: UpstreamCall): Promise<IncomingMessage> {
    const { method, origin, path, headers, client } = call;
    const { connectMs, headMs } = this.#limits;
    // Made for an error only: to find the proxy takes time.
    const state = () => ({ url: origin, proxy: proxyFor(origin, this.#route), isReplying: false });
    return new Promise<IncomingMessage>((resolve, reject) => {
      if (client.hasLeft) return reject(new Error("the client left"));
      const isTls = origin.protocol === "https:";
      const request = (isTls ? https : http).request({
        host: withoutBrackets(origin.hostname),
        port: origin.port,
        path,
        method,
        headers: headers as never,
        agent,
      });
      let timer: NodeJS.Timeout | undefined;
      const limit = (ms: number) => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          const hasTunnel = request.socket !== null;
          fail(timeoutError({ ...state(), hasTunnel }));
        }, ms);
      };
      const fail = (error: Error) => {
        clearTimeout(timer);
        reject(error);
        request.destroy(); // a request without a socket does not report its error, hence both
      };
      client.onLeave(() => fail(new Error("the client left")));

      if (request.reusedSocket) {
        limit(headMs);
      } else {
        limit(connectMs);
        const connected = isTls ? "secureConnect" : "connect";
        request.once("socket", (socket) => socket.once(connected, () => limit(headMs)));
      }
      let isReplying = false;
      request.once("response", (message) => {
        clearTimeout(timer);
        isReplying = true;
        resolve(message);
      });
      // Without a listener, Node would drop a connection that switches protocols and report nothing.
      request.once("upgrade", () => fail(networkError({ code: "HPE_UPGRADE" }, state())));
      request.on("error", (error: NodeJS.ErrnoException) => {
        if (isReplying) return; // the message has an error of its own, or is whole
        const wasClosed = error.code === "ECONNRESET" || error.code === "EPIPE";
        fail(request.reusedSocket && wasClosed ? CLOSED_WHILE_IDLE : networkError(error, state()));
      });
      request.end();
    });
  }
}
