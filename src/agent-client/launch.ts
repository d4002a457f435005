import { type ChildProcessByStdio, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join, parse } from "node:path";
import type { Readable, Writable } from "node:stream";
import { ArmorError } from "../errors.ts";
import { type AgentConfig, READY_LINE } from "../protocol/config.ts";
import { quote } from "../redact.ts";
import { agentEnvironment, allowedNodeFlags } from "./inherit.ts";

type AgentProcess = ChildProcessByStdio<Writable, Readable, null>;

const MEMORY_FLAGS = [
  "--max-semi-space-size=2", // MiB; with 1, garbage collection took a tenth more CPU
  "--max-old-space-size=256",
];
/** glibc keeps a heap for each thread. With a single one, the agent takes a tenth less memory. */
const MALLOC = { MALLOC_ARENA_MAX: "1" };
const READY_MS = 10_000;

export function createCapability(): string {
  return randomBytes(32).toString("base64url"); // 256 bits
}

/** What the agent is started from; `dist` is the folder of the built files. */
export type Parent = {
  readonly env: NodeJS.ProcessEnv;
  readonly dist: string;
  readonly execPath?: string;
};

/** Starts an agent that outlives this step, and waits until it listens. @throws ArmorError agent_failed */
export async function launchAgent(
  config: AgentConfig,
  parent: Parent,
  readyMs = READY_MS,
): Promise<{ readonly gatewayUrl: string; readonly pid: number }> {
  let child: AgentProcess | undefined;
  try {
    child = spawnAgent(parent);
    child.stdin.on("error", () => undefined); // it may have ended already, of which readyPort tells
    child.stdin.end(JSON.stringify(config));
    const port = await readyPort(child, readyMs);
    return { gatewayUrl: `http://127.0.0.1:${port}/${config.capability}`, pid: child.pid ?? 0 };
  } catch (error) {
    child?.kill("SIGKILL");
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

/** @returns the port that the agent says in its one line. Lines before that are not the agent's. */
function readyPort(child: AgentProcess, ms: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(why));
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const line = READY_LINE.exec(text)?.groups;
      if (line?.["port"] !== undefined) resolve(Number(line["port"]));
      else if (line?.["problem"] !== undefined) fail(line["problem"]);
    });
    child.on("error", reject);
    child.on("close", (code, signal) =>
      fail(`it ended with ${signal ?? `exit code ${code}`} before it was ready`),
    );
    setTimeout(fail, ms, `it was not ready within ${ms / 1000} s`).unref();
  });
}
