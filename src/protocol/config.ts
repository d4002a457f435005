import type { Credentials } from "../armor/credentials.ts";
import type { RouteConfig } from "../armor/proxy.ts";
import type { Token } from "../armor/token.ts";

/** In the agent's folder: the address for tokens and stopping, as one line. */
export const CONTROL_FILE = "control-url";
/** In the agent's folder after its end: its `Stats`, as JSON. */
export const REPORT_FILE = "report.json";
/** In the agent's folder with debug logging: the last lines of its debug log. */
export const DEBUG_FILE = "debug.log";

/** The agent's one line on stdout: the port on which it listens, or why it does not. */
export const READY_LINE = /^token agent: (?:port (?<port>\d+)|(?<problem>.+))\n/m;

/**
 * What CONTROL_FILE holds. Another address in it was not written by the agent, and is not called.
 */
export const CONTROL_URL = /^http:\/\/127\.0\.0\.1:(?<port>\d{1,5})\/(?<capability>[\w-]+)$/;

/** CONTROL_FILE has some 80 bytes. */
export const MAX_CONTROL_BYTES = 1_024;
/** A report has one text for each code and at most 50 kinds of calls: some 40 KB at most. */
export const MAX_REPORT_BYTES = 256 * 1024;
/**
 * In bytes. A line of the debug log has some 200, and each call has two: of some 500 calls it
 * tells.
 */
export const MAX_DEBUG_BYTES = 256 * 1024;

/** How long a call through the gateway may take. */
export interface CallLimits {
  readonly connectMs: number; // for the connection, proxy and TLS included
  readonly headMs: number; // from the request to the head of the reply
  readonly idleMs: number; // between bytes, while the client reads
}

/** As JSON on the agent's stdin, which no other process reads. */
export interface AgentConfig {
  readonly credentials: Credentials;
  readonly apiUrl: string; // without a slash at its end
  readonly certificates: readonly string[]; // PEM, one certificate each
  readonly route: RouteConfig;
  readonly timeoutMs: number; // for a refresh with all its retries
  readonly limits: CallLimits;
  readonly terminateSession: boolean;
  readonly gatewayPaths: readonly string[]; // absolute paths; one that ends with `/` is everything below it
  readonly capability: string; // the secret part of the gateway's address
  readonly controlCapability: string; // the secret part of the address for tokens and stopping
  readonly folder: string; // the agent lives no longer than this folder
  readonly first: Token; // the step's own token, which is the agent's first
  readonly workerPid?: number | undefined; // the agent lives no longer than it; undefined if it is not seen
  readonly isDebug?: boolean; // whether the agent keeps DEBUG_FILE; undefined is no
}
