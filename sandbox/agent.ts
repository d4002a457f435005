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

export async function startBuiltAgent({ apiUrl, temp, env, first, ...options }: AgentOptions) {
  const parent = { env: { ...process.env, ...env, RUNNER_TEMP: temp }, dist: join(ROOT, "dist") };
  const { path: folder, command } = await createAgentFolder(parent.env, parent.dist);
  const config: AgentConfig = {
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
  return { ...(await launchAgent(config, parent)), folder, command };
}
