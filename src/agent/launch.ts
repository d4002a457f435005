// Owns the parent's side of the token agent: starting it in the main step, stopping it in the post step.

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import type { AgentConfig, Farewell, Greeting } from "./agent.ts";
import { type CommandFiles, writeCommand } from "./command.ts";
import { ArmorError } from "./errors.ts";
import type { Quote } from "./quote.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What starting the agent takes from the process that starts it. */
export interface Parent {
  readonly env: Environment;
  /** Absolute path of node. */
  readonly execPath: string;
  /** Absolute path of the bundle, which is the agent in another role. */
  readonly bundle: string;
  /** Absolute path of the bundle of armor-token. */
  readonly cli: string;
  readonly isWindows: boolean;
}

export interface RunningAgent extends CommandFiles {
  readonly folder: string;
  readonly gatewayUrl: string;
  readonly capability: string;
  readonly pid: number;
}

/**
 * What the agent may know of the environment. /proc shows it to neighbours for the whole job, so it is a list of
 * what is needed; RUNNER_TRACKING_ID lets the runner end what outlived its job.
 */
const ALLOWED =
  /^(PATH|HOME|USERPROFILE|TMP|TEMP|TMPDIR|SystemRoot|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS|NODE_OPTIONS|LANG|RUNNER_TEMP|RUNNER_TRACKING_ID)$/i;

/** A small young generation: the agent's garbage is short-lived, and it shares a machine with the job. */
const NODE_FLAGS = ["--max-semi-space-size=1", "--max-old-space-size=96"];

/** glibc keeps an arena for each thread, and in it what streams leave behind: with one, a tenth of the memory less. */
const MALLOC = { MALLOC_ARENA_MAX: "1" };

const READY_MS = 10_000;
const STOP_MS = 5_000;

/**
 * Starts an agent that outlives this step, and waits until it listens.
 * @throws ArmorError agent_failed with the agent's own reason; nothing is left behind then
 */
export async function launchAgent(
  config: Omit<AgentConfig, "capability" | "folder">,
  parent: Parent,
  quote: Quote,
  readyMs = READY_MS,
): Promise<RunningAgent> {
  const temp = parent.env["RUNNER_TEMP"];
  if (!temp) throw failed("RUNNER_TEMP is not set");
  // mkdtemp creates the folder for its owner alone (0700).
  const folder = await mkdtemp(join(temp, "armor-token-"));
  const capability = randomBytes(32).toString("base64url");
  const child = spawnAgent(parent, temp);
  try {
    const { port } = await greeting(child, { ...config, capability, folder }, quote, readyMs);
    const gatewayUrl = `http://127.0.0.1:${port}/${capability}`;
    const { execPath, cli, isWindows } = parent;
    const files = await writeCommand(folder, gatewayUrl, execPath, cli, isWindows);
    return { ...files, folder, gatewayUrl, capability, pid: child.pid ?? 0 };
  } catch (error) {
    child.kill("SIGKILL");
    await removeFolder(folder);
    throw error instanceof ArmorError ? error : failed(quote(String(error)));
  } finally {
    child.unref();
    child.stdout?.destroy();
  }
}

/** Detached and with pipes of its own: the runner waits for whoever holds the step's, and kills the step's children. */
function spawnAgent({ env, execPath, bundle }: Parent, cwd: string): ChildProcess {
  return spawn(execPath, [...NODE_FLAGS, bundle, "agent"], {
    cwd,
    env: { ...Object.fromEntries(Object.entries(env).filter(([name]) => ALLOWED.test(name))), ...MALLOC },
    detached: true,
    windowsHide: true,
    stdio: ["pipe", "pipe", "ignore"],
  });
}

/** Hands the configuration over and reads the line that answers it. */
async function greeting(
  child: ChildProcess,
  config: AgentConfig,
  quote: Quote,
  readyMs: number,
): Promise<{ port: number }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(failed(`it was not ready within ${readyMs / 1000} s`)), readyMs);
  });
  try {
    child.stdin?.on("error", () => undefined); // it ended early, which its end tells
    child.stdin?.end(JSON.stringify(config));
    const said = JSON.parse(await Promise.race([firstLine(child), late])) as Greeting;
    if ("port" in said) return said;
    throw failed(quote(said.problem));
  } finally {
    clearTimeout(timer);
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      if (text.endsWith("\n")) resolve(text);
    });
    child.once("error", reject);
    child.once("close", (code) => reject(failed(`it ended with exit code ${code} before it was ready`)));
  });
}

function failed(why: string): ArmorError {
  return new ArmorError(
    "agent_failed",
    `The token agent did not start: ${why.replace(/\.$/, "")}`,
    "Without keep-fresh: true, the outputs alone are set.",
  );
}

/**
 * Tells the agent to stop and waits until its connection is closed, which it is when the agent has ended.
 * @returns undefined where there is no agent any more
 */
export async function stopAgent(folder: string): Promise<Farewell | undefined> {
  try {
    const gatewayUrl = await readFile(join(folder, "gateway-url"), "utf8");
    return JSON.parse(await post(`${gatewayUrl}/stop`)) as Farewell;
  } catch {
    return undefined;
  } finally {
    // An agent that did not hear ends when its folder is gone.
    await removeFolder(folder);
  }
}

function post(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(STOP_MS);
    const request = http.request(url, { method: "POST", agent: false, signal }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("close", () => resolve(Buffer.concat(chunks).toString("utf8")));
    });
    request.on("error", reject);
    request.end();
  });
}

async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
}
