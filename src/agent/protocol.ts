import type { Credentials } from "../armor/credentials.ts";
import type { RouteConfig } from "../armor/proxy.ts";
import type { Token } from "../armor/token.ts";

/** In the agent's folder: the address for tokens and stopping, one line. */
export const CONTROL_FILE = "control-url";
/** In the agent's folder when the agent has ended: its `Stats`, as JSON. */
export const REPORT_FILE = "report.json";

/** As JSON on the agent's stdin, which no other process reads. */
export interface AgentConfig {
  readonly credentials: Credentials;
  /** Without a slash at its end. */
  readonly apiUrl: string;
  /** PEM, one certificate each. */
  readonly certificates: readonly string[];
  readonly route: RouteConfig;
  /** For a refresh with all its retries. */
  readonly timeoutMs: number;
  readonly limits: CallLimits;
  readonly terminateSession: boolean;
  /** Absolute paths; one that ends with `/` is everything below it. */
  readonly gatewayPaths: readonly string[];
  /** The secret part of the gateway's address. */
  readonly capability: string;
  /** The secret part of the address for tokens and stopping. */
  readonly controlCapability: string;
  /** The agent lives no longer than this folder. */
  readonly folder: string;
  /** The step's own token, which is the agent's first. */
  readonly first: Token;
}

/** How long a call through the gateway waits for Armor, in ms. */
export interface CallLimits {
  /** For the connection, proxy and TLS included. */
  readonly connectMs: number;
  /** From the request to the head of the reply. */
  readonly headMs: number;
  /** Between bytes, while the client reads. */
  readonly idleMs: number;
}

/** A line on the agent's stdout: where it listens, or why it does not. */
export type ReadyMessage =
  | { readonly agent: "ready"; readonly port: number }
  | { readonly agent: "failed"; readonly problem: string };
