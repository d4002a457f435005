import type { Credentials } from "../armor/credentials.ts";
import type { RouteConfig } from "../armor/proxy.ts";
import type { Token } from "../armor/token.ts";

export const CONTROL_FILE = "control-url"; // in its folder: the address for tokens and stopping, one line
export const REPORT_FILE = "report.json"; // in its folder when it has ended: its `Stats`, as JSON
/** The agent's one line on stdout: the port on which it listens, or why it does not. */
export const READY_LINE = /^token agent: (?:port (?<port>\d+)|(?<problem>.+))\n/m;

/** As JSON on the agent's stdin, which no other process reads. */
export interface AgentConfig {
  readonly credentials: Credentials;
  readonly apiUrl: string; // without a slash at its end
  readonly certificates: readonly string[]; // PEM, one certificate each
  readonly route: RouteConfig;
  readonly timeoutMs: number; // for a refresh with all its retries
  /** For calls through the gateway, in ms. */
  readonly limits: {
    readonly connectMs: number; // for the connection, proxy and TLS included
    readonly headMs: number; // from the request to the head of the reply
    readonly idleMs: number; // between bytes, while the client reads
  };
  readonly terminateSession: boolean;
  readonly gatewayPaths: readonly string[]; // absolute paths; one that ends with `/` is everything below it
  readonly capability: string; // the secret part of the gateway's address
  readonly controlCapability: string; // the secret part of the address for tokens and stopping
  readonly folder: string; // the agent lives no longer than this folder
  readonly first: Token; // the step's own token, which is the agent's first
}
