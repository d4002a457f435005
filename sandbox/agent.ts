// Starts the built token agent as the main step does, where the main step itself is of no interest.

import { join } from "node:path";
import { launchAgent, type RunningAgent } from "../src/agent/launch.ts";
import { ROOT } from "./runner.ts";

export interface AgentOptions {
  readonly apiUrl: string;
  /** The runner's RUNNER_TEMP, to be removed by the caller. */
  readonly temp: string;
  /** For a mint with all its retries. */
  readonly timeoutMs: number;
  /** How long Armor may be silent in a call through the gateway. */
  readonly idleMs: number;
  readonly terminateSession: boolean;
  /** The agent's first token, and how many seconds of its life are left. */
  readonly first: { readonly accessToken: string; readonly expiresIn: number };
}

export async function startAgent({ apiUrl, temp, first, ...options }: AgentOptions): Promise<RunningAgent> {
  const config = {
    ...options,
    apiUrl,
    credentials: { appId: "id", apiKey: "key" },
    certificates: [],
    first: { ...first, expiresAt: Date.now() + first.expiresIn * 1000 },
  };
  const parent = {
    env: { ...process.env, RUNNER_TEMP: temp },
    execPath: process.execPath,
    bundle: join(ROOT, "dist", "index.js"),
    cli: join(ROOT, "dist", "cli", "index.js"),
    isWindows: process.platform === "win32",
  };
  return await launchAgent(config, parent, String);
}
