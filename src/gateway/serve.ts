import type { Server, ServerResponse } from "node:http";
import type { Token } from "../armor/token.ts";
import { TokenCache } from "../armor/token-cache.ts";
import type { AgentConfig } from "../protocol/config.ts";
import type { Stats } from "../protocol/stats.ts";
import { createGateway } from "./gateway.ts";
import { listen, type ServerLimits } from "./server.ts";
import { Upstream } from "./upstream.ts";

/** What the gateway needs of the agent's configuration: neither the credentials nor the folder. */
export type ServiceConfig = Pick<
  AgentConfig,
  "apiUrl" | "capability" | "controlCapability" | "first" | "gatewayPaths" | "limits" | "route"
>;

/** Bounds that a test may set, because it cannot wait for the real ones. */
export interface ServiceLimits {
  readonly server?: ServerLimits | undefined; // undefined: those of server.ts
  readonly maxIdleMs?: number | undefined; // of a connection to Armor; undefined: that of upstream.ts
}

/** What the agent does with requests at the control address, which the gateway only lets in. */
export interface ControlHandlers {
  /** A request was admitted, at either address. */
  onAdmitted(): void;
  answerToken(response: ServerResponse): void;
  answerStop(response: ServerResponse): void;
}

/** The server with all that is behind the gateway's address: guard, token cache and the way to Armor. */
export class Service {
  readonly tokenCache: TokenCache;
  readonly #config: ServiceConfig;
  readonly #stats: Stats;
  readonly #limits: ServiceLimits;
  readonly #upstream: Upstream;
  #server: Server | undefined; // undefined until `listen` has resolved

  /** @param fetchToken gets a new token from Armor, with all its retries */
  constructor(
    config: ServiceConfig,
    fetchToken: () => Promise<Token>,
    stats: Stats,
    limits: ServiceLimits = {},
  ) {
    this.#config = config;
    this.#stats = stats;
    this.#limits = limits;
    this.#upstream = new Upstream(config.route, config.limits, limits.maxIdleMs);
    const onProblem = (error: unknown) => stats.addProblem(error);
    this.tokenCache = new TokenCache(config.first, fetchToken, onProblem);
  }

  /** Serves from now on. @returns the server, and the port of 127.0.0.1 on which it listens */
  async listen(control: ControlHandlers): Promise<{ port: number; server: Server }> {
    const { apiUrl, capability, controlCapability, gatewayPaths, limits } = this.#config;
    const { tokenCache } = this;
    const upstream = this.#upstream;
    const stats = this.#stats;
    const gateway = createGateway({ apiUrl, gatewayPaths, limits, tokenCache, upstream, stats });
    const { port, server } = await listen(
      { capability, controlCapability, gatewayPaths },
      (request, response, admission) => {
        control.onAdmitted();
        switch (admission.route) {
          case "gateway":
            return gateway(request, response, admission.target);
          case "token":
            return control.answerToken(response);
          case "stop":
            return control.answerStop(response);
        }
      },
      (refusal) => stats.addRefusal(refusal),
      this.#limits.server,
    );
    this.#server = server;
    return { port, server };
  }

  /** Breaks every connection, to clients and to Armor. */
  close(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#upstream.close();
  }
}
