import type { Credentials } from "../armor/credentials.ts";
import type { RouteConfig } from "../armor/proxy.ts";
import type { Token } from "../armor/token.ts";

/** In the agent's folder: the address for tokens and stopping, one line. */
export const CONTROL_FILE = "control-url";
/** In the agent's folder: why it ended, where it ended by itself. */
export const REASON_FILE = "ended";

/** As JSON on the agent's stdin, which no other process reads. */
export interface AgentConfig {
  readonly credentials: Credentials;
  /** Without a slash at its end. */
  readonly apiUrl: string;
  readonly certificates: readonly string[];
  readonly route: RouteConfig;
  /** For a refresh with all its retries. */
  readonly timeoutMs: number;
  readonly limits: CallLimits;
  readonly terminateSession: boolean;
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

/** The reply to `POST /stop`. */
export interface StopReply {
  readonly report: Report;
  readonly sessions: SessionsEnded;
}

export interface SessionsEnded {
  readonly ended: number;
  /** How many may still live, and the last reason. */
  readonly notEnded: number;
  readonly reason?: string;
}

/** What the agent did. Every call is counted once; one whose client left is not counted. */
export interface Report {
  /** The step's own token is one. */
  readonly minted: number;
  /** Handed out by armor-token. */
  readonly handedOut: number;
  /** Calls that Armor answered in full, by class of status: `2xx`, `4xx` … */
  readonly answered: Readonly<Record<string, number>>;
  /** Calls that were not answered in full, by code. */
  readonly failed: Readonly<Record<string, number>>;
  /** Requests that were refused before Armor saw them. */
  readonly refused: number;
  /** By code: the last full text of what went wrong, in calls, refreshes and refusals. */
  readonly problems: Readonly<Record<string, string>>;
}
