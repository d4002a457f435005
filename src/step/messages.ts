// The one line of a main step that has gone well.

import type { AgentFolder } from "../agent-client/folder.ts";
import type { Token } from "../armor/token.ts";
import { DEFAULTS, type Inputs } from "./inputs.ts";

/** Gives the start of the line, without a full stop. */
export function tokenSummary({ apiUrl }: Inputs, { expiresIn }: Token): string {
  return `Access token from ${apiUrl}, valid for ${expiresIn} s`;
}

/** Gives the rest of it, if there is an agent: how later steps reach it. */
export function agentSummary(
  { exportEnvironment, gatewayPaths }: Inputs,
  { canRun, fitsPath }: AgentFolder,
): string {
  const gateway = exportEnvironment ? "$ARMOR_GATEWAY_URL" : "the output gateway-url";
  const isOnPath = exportEnvironment && canRun && fitsPath;
  const command = isOnPath ? "armor-token" : "the output token-command";
  const use = `Until the job ends, later steps reach Armor by ${gateway} and get tokens by ${command}.`;
  const paths = gatewayPaths.join(", ");
  return paths === DEFAULTS["gateway-paths"] ? use : `${use} The gateway reads ${paths}.`;
}
