import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import { Progress } from "../armor/connecting.ts";
import { shownHeaders } from "../armor/debug-lines.ts";
import { withoutBrackets } from "../armor/host.ts";
import { type CallState, networkError, timeoutError } from "../armor/network-error.ts";
import { explainRoute, proxyFor, type RouteConfig } from "../armor/proxy.ts";
import { createAgent, type TrackedRequestOptions } from "../armor/route-agents.ts";
import { afterPendingReads, clock } from "../clock.ts";
import { debug } from "../debug.ts";
import type { AgentConfig } from "../protocol/config.ts";
import { quote } from "../redact.ts";
import type { Client } from "./client.ts";
import { withoutQuery } from "./targets.ts";

/** A server by its parts, which a URL would work out anew for every call. */
export interface Server {
  readonly url: URL;
  readonly origin: string;
  readonly host: string; // with the port, unless it is the scheme's own
  readonly hostname: string; // an IPv6 address without brackets
  readonly port: string; // empty if it is the scheme's own
  readonly isHttps: boolean;
}

export function serverOf(url: URL): Server {
  const { origin, host, port } = url;
  const hostname = withoutBrackets(url.hostname);
  return { url, origin, host, hostname, port, isHttps: url.protocol === "https:" };
}

/** A GET or HEAD to Armor. */
export interface UpstreamCall {
  readonly method: string;
  readonly server: Server;
  readonly path: string; // path and query, sent as they are
  readonly headers: readonly string[]; // names and values in turn
  readonly client: Client;
}

/**
 * A NAT or a VPN may have forgotten a connection that was idle for longer, so it is not used again.
 */
const MAX_IDLE_MS = 15_000;

/**
 * The server closed a kept connection at the moment in which it was used again (RFC 9112 section
 * 9.3.1).
 */
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

  /** @returns the reply when its head is there. @throws ArmorError if none begins */
  async send(call: UpstreamCall): Promise<IncomingMessage> {
    const { server } = call;
    const keptAgent = this.#keptAgent(server);
    try {
      return await new Sending(call, this.#limits, this.#route).run(keptAgent);
    } catch (error) {
      if (error !== CLOSED_WHILE_IDLE) throw error;
      debug(() => `${server.origin} closed a kept connection: the call goes out once more`);
      const freshAgent = this.#createAgent(server, {});
      return await new Sending(call, this.#limits, this.#route).run(freshAgent);
    }
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  #keptAgent(server: Server): http.Agent {
    // Timers stand still while a machine sleeps, and the wall clock goes on.
    const now = clock.date();
    if (now - this.#lastSentAt > this.#maxIdleMs) this.#agents.clear();
    this.#lastSentAt = now;
    let agent = this.#agents.get(server.origin);
    if (agent === undefined) {
      agent = this.#createAgent(server, {
        keepAlive: true,
        maxFreeSockets: 128,
        timeout: this.#maxIdleMs,
      });
      this.#agents.set(server.origin, agent);
    }
    return agent;
  }

  #createAgent({ url }: Server, options: https.AgentOptions): http.Agent {
    debug(() => explainRoute(url, this.#route));
    return createAgent(url, proxyFor(url, this.#route), options);
  }
}

/** One request over one connection, until the head of its reply is there. */
class Sending {
  readonly #call: UpstreamCall;
  readonly #limits: AgentConfig["limits"];
  readonly #route: RouteConfig;
  readonly #progress = new Progress();
  #timer: NodeJS.Timeout | undefined;
  #isReplying = false;

  constructor(call: UpstreamCall, limits: AgentConfig["limits"], route: RouteConfig) {
    this.#call = call;
    this.#limits = limits;
    this.#route = route;
  }

  run(agent: http.Agent): Promise<IncomingMessage> {
    const { server, client } = this.#call;
    const beganAt = clock.now();
    return new Promise<IncomingMessage>((resolve, reject) => {
      if (client.hasLeft) return reject(new Error("the client left"));
      const request = this.#createRequest(agent);
      const fail = (error: Error) => {
        clearTimeout(this.#timer);
        reject(error);
        request.destroy(); // a request without a socket does not report its error, hence both
        this.#progress.end();
      };
      client.onLeave(() => fail(new Error("the client left")));
      this.#watchTime(request, fail);
      request.once("response", (message) => {
        clearTimeout(this.#timer);
        this.#isReplying = true;
        debug(() => this.#describe(message, clock.now() - beganAt));
        resolve(message);
      });
      // Without a listener, Node would drop a connection that switches protocols and report
      // nothing.
      request.once("upgrade", () => fail(networkError({ code: "HPE_UPGRADE" }, this.#state())));
      request.on("error", (error: NodeJS.ErrnoException) => {
        if (this.#isReplying) return; // the message has an error of its own, or is whole
        const wasClosed = error.code === "ECONNRESET" || error.code === "EPIPE";
        const isStale = request.reusedSocket && wasClosed;
        debug(() => `${server.origin}: ${error.code ?? error.name}: ${error.message}`);
        fail(isStale ? CLOSED_WHILE_IDLE : networkError(error, this.#state()));
      });
      request.end();
    });
  }

  #createRequest(agent: http.Agent): ClientRequest {
    const { method, server, path, headers } = this.#call;
    const options: TrackedRequestOptions = {
      host: server.hostname,
      port: server.port,
      path,
      method,
      headers: headers as never,
      agent,
      progress: this.#progress,
    };
    return (server.isHttps ? https : http).request(options);
  }

  /**
   * One limit for the connection, if it is a new one, and from then on one for the head of the
   * reply.
   */
  #watchTime(request: ClientRequest, fail: (error: Error) => void): void {
    const { connectMs, headMs } = this.#limits;
    const onLate = () => {
      afterPendingReads(() => {
        const wasEnded = this.#isReplying || request.destroyed;
        if (!wasEnded) fail(timeoutError(this.#state()));
      });
    };
    const limit = (ms: number) => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(onLate, ms);
    };
    limit(request.reusedSocket ? headMs : connectMs);
    if (request.reusedSocket) return;
    request.once("socket", (socket) => {
      // A new connection without TLS is there as soon as the request gets it.
      if (this.#call.server.isHttps) socket.once("secureConnect", () => limit(headMs));
      else limit(headMs);
    });
  }

  /** Made for an error only: to find the proxy takes time. */
  #state(): CallState {
    const { url } = this.#call.server;
    const proxy = proxyFor(url, this.#route);
    const progress = this.#progress;
    return { url, proxy, progress, isReplying: false, isGatewayCall: true };
  }

  /** For the debug log: without the query. The length is the one that is announced. */
  #describe({ statusCode, headers }: IncomingMessage, elapsedMs: number): string {
    const { method, server, path } = this.#call;
    const bytes = headers["content-length"];
    const length = bytes === undefined ? "" : `, ${quote(bytes)} bytes`;
    const how = `${statusCode} in ${Math.round(elapsedMs)} ms${length}${shownHeaders(headers)}`;
    return `${method} ${server.origin}${withoutQuery(path)}: ${how}`;
  }
}
