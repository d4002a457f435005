// What a job shares with its machine: the environment of the runner, and how programs start and end there.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** Of this machine's environment, what steps get. The original hands on everything. */
const INHERITED = [
  "ComSpec",
  "HOME",
  "LANG",
  "LC_ALL",
  "LOGNAME",
  "PATH",
  "PATHEXT",
  "SHELL",
  "SystemRoot",
  "TEMP",
  "TMP",
  "TMPDIR",
  "TZ",
  "USER",
  "USERPROFILE",
];

/** The name of the runner's process that starts the steps. */
const WORKER = "Runner.Worker";

/** Those of the names in INHERITED that are set here. */
export function inheritedEnvironment(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of INHERITED) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

/** How a program is started. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** Whether Windows gets the arguments as they are, without quotation marks of Node's. */
  readonly isVerbatim: boolean;
}

/**
 * Windows starts a .cmd by cmd.exe only, as a step's shell would. It reads its command line by rules of its own:
 * `/s` takes the outer quotation marks away, and leaves those of a path with blanks.
 */
export function commandOf(
  program: string,
  args: readonly string[] = [],
  platform = process.platform,
): Command {
  const isBatchFile = platform === "win32" && program.toLowerCase().endsWith(".cmd");
  if (!isBatchFile) return { program, args, isVerbatim: false };
  const words = [program, ...args].map((word) => `"${word}"`);
  const shell = process.env["ComSpec"] ?? "cmd.exe";
  return { program: shell, args: ["/d", "/s", "/c", `"${words.join(" ")}"`], isVerbatim: true };
}

/** armor-token and the main step look for the runner by the name of a process. */
export function becomeWorker(): void {
  if (process.platform === "linux") writeFileSync("/proc/self/comm", WORKER);
}

/** The pids of processes with this in their environment. Linux only. */
function processesWith(variable: string): number[] {
  if (process.platform !== "linux") return [];
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(variable);
    } catch {
      return false; // It has ended, or belongs to another user.
    }
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

/** Ends what steps have left running, as "Complete job" does: whatever carries the job's RUNNER_TRACKING_ID. */
export function killOrphans(trackingId: string): void {
  for (const pid of processesWith(`RUNNER_TRACKING_ID=${trackingId}`)) kill(pid);
}
