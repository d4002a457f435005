import { type ChildProcessByStdio, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promises as fs } from "node:fs";
import { join, parse } from "node:path";
import type { Readable, Writable } from "node:stream";
import { ArmorError } from "../errors.ts";
import { type AgentConfig, READY_LINE } from "../protocol/config.ts";
import { quote } from "../redact.ts";
import { agentEnvironment } from "./inherit.ts";
import { agentNodeFlags } from "./node-flags.ts";

type AgentProcess = ChildProcessByStdio<Writable, Readable, Readable>;

const PROGRAM = "agent.js";
/** glibc keeps a heap for each thread. With a single one, the agent takes a tenth less memory. */
const MALLOC = { MALLOC_ARENA_MAX: "1" };
/** In ms. The agent is ready after some 0.1 s; a machine under load may take many times as long. */
export const READY_MS = 10_000;
/**
 * Of each stream of an agent that starts: what a preloaded library prints must not fill the memory.
 */
const MAX_OUTPUT_LENGTH = 64 * 1024;

/** @returns the secret part of an address of the agent's */
export function createCapability(): string {
  return randomBytes(32).toString("base64url"); // 256 bits
}

/** What the agent is started from. */
export interface Parent {
  readonly env: NodeJS.ProcessEnv; // the job's
  readonly dist: string; // the folder of the built files
  readonly execPath?: string; // of Node; undefined is the one that runs this step
}

export interface LaunchedAgent {
  readonly gatewayUrl: string; // with the capability, without a slash at its end
  readonly pid: number;
}

/**
 * Starts an agent that outlives this step, and waits until it listens. One that does not get ready
 * is killed.
 * @param readyMs how long it may take, in ms
 * @throws ArmorError agent_failed
 */
export async function launchAgent(
  config: AgentConfig,
  parent: Parent,
  readyMs = READY_MS,
): Promise<LaunchedAgent> {
  let child: AgentProcess | undefined;
  try {
    child = await spawnAgent(config.folder, parent);
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
    child?.stderr.destroy();
  }
}

/**
 * Detached, with pipes of its own: the runner waits for all that hold the step's, and kills its
 * children.
 */
async function spawnAgent(folder: string, parent: Parent): Promise<AgentProcess> {
  const { env, execPath = process.execPath } = parent;
  // The permission model compares paths as texts, and Node starts a program by its real path.
  const dist = await fs.realpath(parent.dist);
  await checkProgram(dist);
  const flags = agentNodeFlags({ dist, folder }, env["NODE_OPTIONS"] ?? "");
  return spawn(execPath, [...flags, join(dist, PROGRAM)], {
    cwd: parse(execPath).root, // always there; Windows lets no working folder be removed, such as RUNNER_TEMP
    env: { ...agentEnvironment(env), ...MALLOC },
    detached: true,
    windowsHide: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
}

/** Node itself would only end with exit code 1. */
async function checkProgram(dist: string): Promise<void> {
  try {
    await fs.access(join(dist, PROGRAM));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(
      `${PROGRAM} of this action cannot be read (${code}): a step has removed or changed the action's files`,
    );
  }
}

/** @returns the port that the agent says in its one line. Lines before that are not the agent's. */
function readyPort(child: AgentProcess, ms: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(why));
    let output = "";
    let errors = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      output = (output + chunk).slice(-MAX_OUTPUT_LENGTH);
      const line = READY_LINE.exec(output)?.groups;
      if (line?.["port"] !== undefined) resolve(Number(line["port"]));
      else if (line?.["problem"] !== undefined) fail(line["problem"]);
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      errors = (errors + chunk).slice(-MAX_OUTPUT_LENGTH);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const end = `it ended with ${signal ?? `exit code ${code}`} before it was ready`;
      const reason = reasonIn(errors);
      fail(reason === undefined ? end : `${end}: ${reason}`);
    });
    setTimeout(fail, ms, `it was not ready within ${ms / 1000} s`).unref();
  });
}

/** What Node or the system's loader says: the line that names an error, else the first one. */
function reasonIn(errors: string): string | undefined {
  const lines = errors.split(/\r?\n/).map((line) => line.trim());
  const isReason = (line: string) =>
    /\b(error|failed|assertion|unavailable|bad option)\b/i.test(line);
  return lines.find(isReason) ?? lines.find((line) => line !== "");
}
