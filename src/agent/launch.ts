import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join, parse } from "node:path";
import { ArmorError } from "../errors.ts";
import type { Quote } from "../redact.ts";
import { removeFolder } from "./folder.ts";
import { agentEnvironment, allowedNodeFlags } from "./inherit.ts";
import type { AgentConfig, ReadyMessage } from "./protocol.ts";
import { type CommandFiles, writeCommand } from "./wrapper.ts";

/** What starting the agent takes from the process that starts it. */
export interface Parent {
  readonly env: NodeJS.ProcessEnv;
  /** Absolute path of Node. */
  readonly execPath: string;
  /** The folder of the built files, one of which this is. */
  readonly dist: string;
  readonly isWindows: boolean;
}

export interface RunningAgent extends CommandFiles {
  readonly gatewayUrl: string;
  readonly pid: number;
}

/** A small young generation, for a machine shared with the job. With 1 MiB, a call took a tenth more CPU. */
const MEMORY_FLAGS = ["--max-semi-space-size=2", "--max-old-space-size=96"];
/** glibc keeps an arena a thread, and in it what streams leave: with one, a tenth of the memory less. */
const MALLOC = { MALLOC_ARENA_MAX: "1" };

const READY_MS = 10_000;

/** 256 bits at random. */
export function createCapability(): string {
  return randomBytes(32).toString("base64url");
}

/**
 * Starts an agent that outlives this step, and waits until it listens.
 * @throws ArmorError agent_failed with the agent's own reason, file_failed; process and folder are gone then
 */
export async function launchAgent(
  config: AgentConfig,
  parent: Parent,
  quote: Quote,
  readyMs = READY_MS,
): Promise<RunningAgent> {
  const { folder, capability } = config;
  let child: ChildProcess | undefined;
  try {
    child = spawnAgent(parent);
    const port = await readyPort(child, config, quote, readyMs);
    const files = await writeCommand(
      folder,
      parent.execPath,
      join(parent.dist, "armor-token.js"),
      parent.isWindows,
    );
    return { ...files, gatewayUrl: `http://127.0.0.1:${port}/${capability}`, pid: child.pid ?? 0 };
  } catch (error) {
    child?.kill("SIGKILL");
    await removeFolder(folder);
    throw error instanceof ArmorError ? error : failed(quote(String(error)));
  } finally {
    child?.unref();
    child?.stdout?.destroy();
  }
}

/** Detached, with pipes of its own: the runner waits for all that hold the step's, and kills its children. */
function spawnAgent({ env, execPath, dist }: Parent): ChildProcess {
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

/** Hands the configuration over and reads the line that answers it. Other lines are not the agent's. */
async function readyPort(
  child: ChildProcess,
  config: AgentConfig,
  quote: Quote,
  readyMs: number,
): Promise<number> {
  let timer: NodeJS.Timeout | undefined;
  const ready = new Promise<number>((resolve, reject) => {
    const fail = (why: string) => reject(failed(quote(why)));
    timer = setTimeout(() => fail(`it was not ready within ${readyMs / 1000} s`), readyMs);
    child.once("error", (error) => fail(error.message));
    child.once("close", (code, signal) =>
      fail(`it ended with ${signal ?? `exit code ${code}`} before it was ready`),
    );
    child.stdin?.on("error", () => undefined); // it ended early, which "close" tells
    child.stdin?.end(JSON.stringify(config));
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      const messages = text.split("\n").slice(0, -1).map(parseReady);
      const message = messages.find((line) => line !== undefined);
      if (message?.agent === "ready") resolve(message.port);
      if (message?.agent === "failed") fail(message.problem);
    });
  });
  return await ready.finally(() => clearTimeout(timer));
}

function parseReady(line: string): ReadyMessage | undefined {
  try {
    const message: unknown = JSON.parse(line);
    return typeof message === "object" && message !== null && "agent" in message
      ? (message as ReadyMessage)
      : undefined;
  } catch {
    return undefined;
  }
}

function failed(why: string): ArmorError {
  return new ArmorError(
    "agent_failed",
    `The token agent did not start: ${why.replace(/\.$/, "")}`,
    "Without keep-fresh: true, the step sets its outputs only.",
  );
}
