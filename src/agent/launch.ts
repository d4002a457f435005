import { type ChildProcessByStdio, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join, parse } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { ArmorError } from "../errors.ts";
import type { Quote } from "../redact.ts";
import { agentEnvironment, allowedNodeFlags } from "./inherit.ts";
import type { AgentConfig, ReadyMessage } from "./protocol.ts";
import { type CommandFiles, writeCommand } from "./wrapper.ts";

type AgentProcess = ChildProcessByStdio<Writable, Readable, null>;

export interface RunningAgent extends CommandFiles {
  readonly gatewayUrl: string;
  readonly pid: number;
}

/** A small young generation, for a machine shared with the job. 1 MiB took up to a tenth more CPU. */
const MEMORY_FLAGS = ["--max-semi-space-size=2", "--max-old-space-size=96"];
/** glibc keeps an arena a thread, and in it what streams leave: with one, a tenth of the memory less. */
const MALLOC = { MALLOC_ARENA_MAX: "1" };

const READY_MS = 10_000;

/** 256 bits at random. */
export function createCapability(): string {
  return randomBytes(32).toString("base64url");
}

/** What the agent is started from; `dist` is the folder of the built files. */
export interface Parent {
  readonly env: NodeJS.ProcessEnv;
  readonly dist: string;
  readonly execPath?: string;
}

/**
 * Starts an agent that outlives this step, and waits until it listens.
 * @throws ArmorError agent_failed with the agent's own reason, file_failed; the process is gone then
 */
export async function launchAgent(
  config: AgentConfig,
  parent: Parent,
  quote: Quote,
  readyMs = READY_MS,
): Promise<RunningAgent> {
  let child: AgentProcess | undefined;
  try {
    child = spawnAgent(parent);
    child.stdin.on("error", () => undefined).end(JSON.stringify(config)); // it may have ended already
    const port = await Promise.race([readPort(child), earlyEnd(child), late(readyMs)]);
    const files = await writeCommand(config.folder, join(parent.dist, "armor-token.js"));
    return { ...files, gatewayUrl: `http://127.0.0.1:${port}/${config.capability}`, pid: child.pid ?? 0 };
  } catch (error) {
    child?.kill("SIGKILL");
    if (error instanceof ArmorError) throw error;
    const why = quote((error as Error).message).replace(/\.$/, "");
    const remedy = "Without keep-fresh: true, the step sets its outputs only.";
    throw new ArmorError("agent_failed", `The token agent did not start: ${why}`, remedy);
  } finally {
    child?.unref();
    child?.stdout.destroy();
  }
}

/** Detached, with pipes of its own: the runner waits for all that hold the step's, and kills its children. */
function spawnAgent({ env, dist, execPath = process.execPath }: Parent): AgentProcess {
  const flags = [...MEMORY_FLAGS, ...allowedNodeFlags(env["NODE_OPTIONS"] ?? "")];
  // Without it, SIGUSR1 opens the inspector, from which every user of the machine can read the key.
  if (process.allowedNodeEnvironmentFlags.has("--disable-sigusr1")) flags.push("--disable-sigusr1");
  return spawn(execPath, [...flags, join(dist, "agent.js"), "agent"], {
    cwd: parse(execPath).root, // always there; Windows lets no working folder be removed, such as RUNNER_TEMP
    env: { ...agentEnvironment(env), ...MALLOC },
    detached: true,
    windowsHide: true,
    stdio: ["pipe", "pipe", "ignore"],
  });
}

/** Reads the line that answers the configuration. Other lines are not the agent's. */
async function readPort({ stdout }: AgentProcess): Promise<number> {
  let text = "";
  for await (const chunk of stdout.setEncoding("utf8")) {
    text += chunk;
    const [line] = /^\{"agent":.*(?=\n)/m.exec(text) ?? [];
    if (line === undefined) continue;
    const message = JSON.parse(line) as ReadyMessage;
    if (message.agent === "ready") return message.port;
    throw new Error(message.problem);
  }
  return await new Promise(() => undefined); // `earlyEnd` says more
}

async function earlyEnd(child: AgentProcess): Promise<never> {
  const [code, signal] = await once(child, "close"); // throws where it cannot be spawned
  throw new Error(`it ended with ${signal ?? `exit code ${code}`} before it was ready`);
}

async function late(ms: number): Promise<never> {
  await sleep(ms, undefined, { ref: false });
  throw new Error(`it was not ready within ${ms / 1000} s`);
}
