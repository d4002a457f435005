import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import { homedir, tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { ArmorError, fileError } from "../errors.ts";
import type { Quote } from "../redact.ts";
import {
  type AgentConfig,
  CONTROL_FILE,
  REASON_FILE,
  type ReadyMessage,
  type StopReply,
} from "./protocol.ts";
import { type CommandFiles, writeCommand } from "./wrapper.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What starting the agent takes from the process that starts it. */
export interface Parent {
  readonly env: Environment;
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

/**
 * What the agent may know of the environment. /proc shows it to other processes for the whole job, so it is a list of
 * what is needed. RUNNER_TRACKING_ID lets the runner end what outlived its job.
 */
const ALLOWED_VARIABLE =
  /^(PATH|HOME|USERPROFILE|TMP|TEMP|TMPDIR|SystemRoot|NODE_EXTRA_CA_CERTS|NODE_USE_SYSTEM_CA|SSL_CERT_FILE|SSL_CERT_DIR|LANG|RUNNER_TEMP|RUNNER_TRACKING_ID)$/i;
/** Their relative paths would mean other files in the agent's working folder. */
const PATH_VARIABLES = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR"];
/** Of the job's NODE_OPTIONS: only what decides whom to trust and how to reach it. */
const ALLOWED_NODE_FLAG =
  /^--(use-(openssl|system|bundled)-ca|openssl-[\w-]+|tls-(min|max)-v1\.[0-3]|tls-cipher-list|dns-result-order)(=|$)/;

/** A small young generation: the agent's garbage is short-lived, and it shares a machine with the job. */
const MEMORY_FLAGS = ["--max-semi-space-size=1", "--max-old-space-size=96"];
/** glibc keeps an arena for each thread, and in it what streams leave behind: with one, a tenth of the memory less. */
const MALLOC = { MALLOC_ARENA_MAX: "1" };

const READY_MS = 10_000;
/** For an agent whose start was cancelled to write its control file. */
const STARTING_MS = 1_000;

/** @returns a new folder below RUNNER_TEMP for its owner alone (mkdtemp: mode 0700). @throws ArmorError file_failed */
export async function createAgentFolder(env: Environment): Promise<string> {
  const temp = env["RUNNER_TEMP"];
  if (!temp) {
    throw new ArmorError(
      "runner_unsupported",
      "RUNNER_TEMP is not set",
      "Run this as a step of a GitHub Actions workflow.",
    );
  }
  try {
    const folder = await mkdtemp(join(resolve(temp), "armor-token-"));
    await chmod(folder, 0o700); // whatever the umask is
    return folder;
  } catch (error) {
    throw fileError("The folder that RUNNER_TEMP names", error);
  }
}

/** 256 bits at random. */
export function createCapability(): string {
  return randomBytes(32).toString("base64url");
}

/**
 * Starts an agent that outlives this step, and waits until it listens.
 * @throws ArmorError agent_failed with the agent's own reason; the process and the folder are gone then
 */
export async function launchAgent(
  config: AgentConfig,
  parent: Parent,
  quote: Quote,
  readyMs = READY_MS,
): Promise<RunningAgent> {
  const { folder, capability } = config;
  const child = spawnAgent(parent);
  try {
    const port = await readyPort(child, config, quote, readyMs);
    const program = join(parent.dist, "armor-token.js");
    const files = await writeCommand(folder, parent.execPath, program, parent.isWindows);
    return { ...files, gatewayUrl: `http://127.0.0.1:${port}/${capability}`, pid: child.pid ?? 0 };
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
function spawnAgent({ env, execPath, dist }: Parent): ChildProcess {
  const flags = [...MEMORY_FLAGS, ...allowedNodeFlags(env["NODE_OPTIONS"] ?? "")];
  // Without it, SIGUSR1 opens the inspector, from which every user of the machine can read the key.
  if (process.allowedNodeEnvironmentFlags.has("--disable-sigusr1")) flags.push("--disable-sigusr1");
  return spawn(execPath, [...flags, join(dist, "agent.js"), "agent"], {
    cwd: homedirOrTemp(), // on Windows, a working folder cannot be removed: not RUNNER_TEMP, not the workspace
    env: { ...agentEnvironment(env), ...MALLOC },
    detached: true,
    windowsHide: true,
    stdio: ["pipe", "pipe", "ignore"],
  });
}

function homedirOrTemp(): string {
  return resolve(tmpdir()) === resolve(process.env["RUNNER_TEMP"] ?? "") ? homedir() : tmpdir();
}

function agentEnvironment(env: Environment): Record<string, string | undefined> {
  const allowed = Object.entries(env).filter(([name]) => ALLOWED_VARIABLE.test(name));
  const absolute = (name: string, value = "") =>
    PATH_VARIABLES.includes(name) && value !== ""
      ? value
          .split(name === "SSL_CERT_DIR" ? delimiter : "\0")
          .map((path) => resolve(path))
          .join(delimiter)
      : value;
  return Object.fromEntries(allowed.map(([name, value]) => [name, absolute(name, value)]));
}

/** NODE_OPTIONS is split at spaces, and double quotes keep a space (Node's documentation of NODE_OPTIONS). */
export function allowedNodeFlags(nodeOptions: string): string[] {
  const words = (nodeOptions.match(/(?:[^\s"]|"(?:\\.|[^"\\])*")+/g) ?? []).map(unquote);
  const flags = words.flatMap((flag, index) => {
    if (!ALLOWED_NODE_FLAG.test(flag)) return [];
    const takesNext = /^--(tls-cipher-list|dns-result-order|openssl-config)$/.test(flag);
    return [takesNext ? `${flag}=${words[index + 1] ?? ""}` : flag];
  });
  return flags.map((flag) =>
    flag.replace(/^(--openssl-config=)(.*)$/, (_, name, path) => name + resolve(path)),
  );
}

function unquote(word: string): string {
  return word.replace(/"((?:\\.|[^"\\])*)"/g, (_, text: string) => text.replace(/\\(.)/g, "$1"));
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
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const message = parseReady(line);
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

/** How the agent was found at the job's end. "ended" is said only where it is certain. */
export type StopResult =
  | { readonly kind: "stopped"; readonly reply: StopReply }
  | { readonly kind: "ended"; readonly reason: string | undefined }
  | { readonly kind: "unknown"; readonly reason: string };

/** Tells the agent to stop and waits for its end, which is the end of its connection. Then the folder is removed. */
export async function stopAgent(folder: string, signal: AbortSignal): Promise<StopResult> {
  try {
    return await askToStop(folder, signal);
  } finally {
    await removeFolder(folder); // an agent that was not reached ends when its folder is gone
  }
}

async function askToStop(folder: string, signal: AbortSignal): Promise<StopResult> {
  let url: string;
  try {
    url = await controlUrl(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") return { kind: "unknown", reason: `${CONTROL_FILE} cannot be read (${code})` };
    return { kind: "ended", reason: await reasonOfEnd(folder) };
  }
  try {
    return { kind: "stopped", reply: JSON.parse(await post(`${url}/stop`, signal)) as StopReply };
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ECONNREFUSED") return { kind: "ended", reason: await reasonOfEnd(folder) };
    return {
      kind: "unknown",
      reason: signal.aborted ? "it did not answer in time" : `its answer broke off (${code})`,
    };
  }
}

/** Without the file, the agent may be starting: its start was cancelled a moment ago. */
async function controlUrl(folder: string): Promise<string> {
  const file = join(folder, CONTROL_FILE);
  const until = Date.now() + STARTING_MS;
  for (;;) {
    try {
      return (await readFile(file, "utf8")).trim();
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (!isMissing || !existsSync(folder) || Date.now() > until) throw error;
      await sleep(50);
    }
  }
}

async function reasonOfEnd(folder: string): Promise<string | undefined> {
  if (!existsSync(folder)) return "its folder below RUNNER_TEMP was removed";
  return await readFile(join(folder, REASON_FILE), "utf8").catch(() => undefined);
}

function post(url: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    // The connection is kept, so that it ends when the agent does; this process waits for that.
    const agent = Object.assign(new http.Agent({ keepAlive: true }), { keepSocketAlive: () => true });
    const request = http.request(url, { method: "POST", agent, signal }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.socket.once("close", () => resolve(Buffer.concat(chunks).toString("utf8")));
    });
    request.on("error", reject);
    request.end();
  });
}

/** Never fails: what is left of it, the runner removes with RUNNER_TEMP. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
}
