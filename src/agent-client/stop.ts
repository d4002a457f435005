import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CONTROL_FILE, REPORT_FILE } from "../protocol/config.ts";
import type { Stats } from "../protocol/stats.ts";
import { removeFolder } from "./folder.ts";

const STARTING_MS = 1_000; // for an agent whose start was cancelled to write its control file

/** How the agent was found at the job's end. "ended" is said only where it is certain. */
export type StopResult =
  | { readonly kind: "ended"; readonly stats: Stats | undefined }
  | { readonly kind: "unknown"; readonly reason: string };

/** Tells the agent to stop and waits for its end, which ends its connection. Then the folder is removed. */
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
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { kind: "ended", stats: await readReport(folder) };
    return { kind: "unknown", reason: `${CONTROL_FILE} cannot be read (${code})` };
  }
  try {
    await post(`${url}/stop`, signal);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ECONNREFUSED") return { kind: "ended", stats: await readReport(folder) };
    const reason = signal.aborted ? "it did not end in time" : `the connection broke off (${code})`;
    return { kind: "unknown", reason };
  }
  const stats = await readReport(folder);
  if (stats !== undefined) return { kind: "ended", stats };
  return {
    kind: "unknown",
    reason: "what answered there left no report: another program, or a full disk",
  };
}

/** Waits a little for the file: if the start was cancelled a moment ago, the agent has yet to write it. */
async function controlUrl(folder: string): Promise<string> {
  const file = join(folder, CONTROL_FILE);
  const isExpected = () => existsSync(folder) && !existsSync(file);
  for (let waitedMs = 0; waitedMs < STARTING_MS && isExpected(); waitedMs += 50) await sleep(50);
  return (await readFile(file, "utf8")).trim();
}

/** @returns undefined where the agent was killed, or could not write */
async function readReport(folder: string): Promise<Stats | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, REPORT_FILE), "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * Asks to stop, and settles when the agent's end closes the connection. That end is the receipt, so this speaks
 * over a plain socket: an HTTP client would close the connection, or keep it, by rules of its own.
 */
function post(address: string, signal: AbortSignal): Promise<void> {
  const { hostname, port, host, pathname } = new URL(address);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), signal });
    socket.on("error", reject).on("close", () => resolve());
    socket.resume().write(`POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  });
}
