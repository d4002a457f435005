import { join } from "node:path";
import { allowedNodeFlags } from "./inherit.ts";

/** What the agent's Node may read and write. */
export interface AgentPaths {
  readonly dist: string; // the folder of the built files, without a link in its path
  readonly folder: string; // the agent's own
}

/**
 * In MiB: a heap that holds what the gateway's bounds allow. With a semi space of 2, garbage
 * collection took some 5 % more CPU for 16 calls at once; with Node's own 16, ten minutes of floods
 * took 421 MiB, and a budget is 400.
 */
const MEMORY_FLAGS = ["--max-semi-space-size=4", "--max-old-space-size=256"];

/**
 * The flags of the agent's Node. The same Node runs this step, so that what it knows, the agent's
 * knows.
 * @param nodeOptions NODE_OPTIONS of the job, of which the agent gets some
 */
export function agentNodeFlags(paths: AgentPaths, nodeOptions: string): string[] {
  const flags = [...MEMORY_FLAGS, ...allowedNodeFlags(nodeOptions)];
  // Without it, SIGUSR1 opens the inspector, from which every user of the machine can read the key.
  if (isKnown("--disable-sigusr1")) flags.push("--disable-sigusr1");
  if (isKnown("--permission")) flags.push(...permissionFlags(paths));
  return flags;
}

/**
 * Node's permission model: what is not allowed here is denied, such as other programs, worker
 * threads, add-ons, WASI and the inspector. Trust and DNS are read by OpenSSL and the C library,
 * which it does not concern. Node takes `*` in a path as the end of a prefix, so that such a folder
 * opens its neighbours of that prefix, too.
 */
function permissionFlags({ dist, folder }: AgentPaths): string[] {
  const flags = [
    "--permission",
    `--allow-fs-read=${dist}`,
    `--allow-fs-read=${join(folder, "*")}`,
    `--allow-fs-write=${join(folder, "*")}`,
  ];
  // Since Node 25 the model concerns the network, too.
  if (isKnown("--allow-net")) flags.push("--allow-net");
  return flags;
}

function isKnown(flag: string): boolean {
  return process.allowedNodeEnvironmentFlags.has(flag);
}
