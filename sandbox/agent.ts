// Starts the built token agent as the main step does, where the main step itself is of no interest.

import { join } from "node:path";
import { createAgentFolder } from "../src/agent-client/folder.ts";
import { createCapability, launchAgent } from "../src/agent-client/launch.ts";
import { clock } from "../src/clock.ts";
import type { AgentConfig } from "../src/protocol/config.ts";
import { ROOT } from "./runner.ts";

export interface AgentOptions extends Partial<Omit<AgentConfig, "apiUrl" | "first" | "folder">> {
  readonly apiUrl: string;
  /** The runner's RUNNER_TEMP, to be removed by the caller. */
  readonly temp: string;
  /** On top of the machine's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** The agent's first token, and how many seconds of its life are left. */
  readonly first: { readonly accessToken: string; readonly expiresIn: number };
}

export type BuiltAgent = Awaited<ReturnType<typeof startBuiltAgent>>;

/** @returns where it listens, its process, its folder, and the path of armor-token. The caller ends it. */
export async function startBuiltAgent(options: AgentOptions) {
  const env = { ...process.env, ...options.env, RUNNER_TEMP: options.temp };
  const parent = { env, dist: join(ROOT, "dist") };
  const { path: folder, command } = await createAgentFolder(parent.env, parent.dist);
  return { ...(await launchAgent(agentConfig(options, folder), parent)), folder, command };
}

/** What the main step would hand to the agent. @param folder the agent's own */
export function agentConfig(
  { apiUrl, temp: _temp, env: _env, first, ...options }: AgentOptions,
  folder: string,
): AgentConfig {
  return {
    credentials: { appId: "id", apiKey: "key-of-the-app" },
    certificates: [],
    route: { noProxy: "" },
    timeoutMs: 30_000,
    limits: { connectMs: 30_000, headMs: 120_000, idleMs: 120_000 },
    terminateSession: true,
    gatewayPaths: ["/api/v1/discovery/"],
    capability: createCapability(),
    controlCapability: createCapability(),
    ...options,
    apiUrl,
    folder,
    first: {
      ...first,
      requestedAt: clock.now(),
      expiresAt: clock.date() + first.expiresIn * 1000,
    },
  };
}
