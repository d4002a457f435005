import type { Server, ServerResponse } from "node:http";
import type { Token } from "../armor/token.ts";
import { TokenCache } from "../armor/token-cache.ts";
import type { AgentConfig } from "../protocol/config.ts";
import type { Stats } from "../protocol/stats.ts";
import { ArmorCalls } from "./armor-calls.ts";
import { LIMITS, type Limits } from "./bounds.ts";
import { Gateway } from "./gateway.ts";
import type { Handle } from "./requests.ts";
import { listen } from "./server.ts";
import { Upstream } from "./upstream.ts";

/** What the gateway needs of the agent's configuration: neither the credentials nor the folder. */
export type ServiceConfig = Pick<
  AgentConfig,
  "apiUrl" | "capability" | "controlCapability" | "first" | "gatewayPaths" | "limits" | "route"
>;

/** What a test may set, because it cannot wait for the real values, or fill them. */
export interface ServiceOptions {
  readonly bounds?: Partial<Limits> | undefined; // what is left out is as in bounds.ts
  readonly maxIdleMs?: number | undefined; // of a connection to Armor; undefined: that of upstream.ts
}

/** What the agent does with requests at the control address, which the gateway only lets in. */
export interface ControlHandlers {
  /** A request was admitted, at either address. */
  onAdmitted(): void;
  answerToken(response: ServerResponse): void;
  answerStop(response: ServerResponse): void;
}

/**
 * The server with all that is behind the gateway's address: guard, token cache and the way to
 * Armor.
 */
export class Service {
  readonly tokenCache: TokenCache;
  readonly #config: ServiceConfig;
  readonly #stats: Stats;
  readonly #bounds: Limits;
  readonly #upstream: Upstream;
  #server: Server | undefined; // undefined until `listen` has resolved

  /**
   * @param fetchToken gets a new token from Armor, with all its retries; it is given the last one
   */
  constructor(
    config: ServiceConfig,
    fetchToken: (last: Token) => Promise<Token>,
    stats: Stats,
    options: ServiceOptions = {},
  ) {
    this.#config = config;
    this.#stats = stats;
    this.#bounds = { ...LIMITS, ...options.bounds };
    this.#upstream = new Upstream(config.route, config.limits, options.maxIdleMs);
    const onProblem = (error: unknown) => stats.addProblem(error);
    this.tokenCache = new TokenCache(config.first, fetchToken, onProblem);
  }

  /** Serves from now on. @returns the server, and the port of 127.0.0.1 on which it listens */
  async listen(control: ControlHandlers): Promise<{ port: number; server: Server }> {
    const { capability, controlCapability, gatewayPaths } = this.#config;
    const listening = await listen({
      guard: { capability, controlCapability, gatewayPaths },
      handle: this.#handler(control),
      limits: this.#bounds,
      onRefusal: (refusal) => this.#stats.addRefusal(refusal),
    });
    this.#server = listening.server;
    return listening;
  }

  /** Breaks every connection, to clients and to Armor. */
  close(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#upstream.close();
  }

  #handler(control: ControlHandlers): Handle {
    const gateway = this.#createGateway();
    return (request, response, admission) => {
      control.onAdmitted();
      switch (admission.route) {
        case "gateway":
          gateway.handle(request, response, admission.target);
          break;
        case "token":
          control.answerToken(response);
          break;
        case "stop":
          control.answerStop(response);
          break;
      }
    };
  }

  #createGateway(): Gateway {
    const { apiUrl, gatewayPaths, limits, route } = this.#config;
    const calls = new ArmorCalls({
      apiUrl,
      gatewayPaths,
      maxForbiddenPaths: this.#bounds.maxForbiddenPaths,
      tokenCache: this.tokenCache,
      upstream: this.#upstream,
    });
    const { idleMs } = limits;
    return new Gateway({ calls, stats: this.#stats, idleMs, bounds: this.#bounds, route });
  }
}
