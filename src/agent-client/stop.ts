import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CONTROL_FILE,
  CONTROL_URL,
  DEBUG_FILE,
  MAX_CONTROL_BYTES,
  MAX_DEBUG_BYTES,
  MAX_REPORT_BYTES,
  REPORT_FILE,
} from "../protocol/config.ts";
import { readSmallFile } from "../protocol/files.ts";
import { type AgentReport, parseStats } from "../protocol/stats.ts";
import { askToStop } from "./ask-to-stop.ts";
import { isAgentFolder, removeFolder } from "./folder.ts";

/** In ms, for an agent whose start was cancelled to write its control file. */
const STARTING_MS = 1_000;
const LOOK_EVERY_MS = 50;
/** In ms, at the end: a folder that a step has filled may take long to be removed. */
const CLEAN_UP_MS = 500;
const MAX_PORT = 65_535;

/**
 * The agent has ended, or ends within seconds because its control file is gone (see agent/life.ts
 * and agent/control.ts).
 */
export interface EndedAgent {
  readonly kind: "ended";
  readonly stats: AgentReport | undefined; // undefined if it left no report: it was killed, or could not write
  readonly debugLog?: readonly string[] | undefined; // its lines; undefined without debug logging
}

/** Nobody knows whether the agent has ended. */
export interface UnknownAgent {
  readonly kind: "unknown";
  readonly reason: string; // without a full stop
  readonly debugLog?: readonly string[] | undefined; // as above
}

const LATE: UnknownAgent = { kind: "unknown", reason: "it did not end in time" };

/** How the agent was found at the job's end. */
export type StopResult = EndedAgent | UnknownAgent;

/**
 * Tells the agent to stop and waits for its end, which ends its connection. Then its folder is
 * removed, so that an agent which was not reached ends as well. Never throws.
 * @param signal ends the waiting, whatever is found in the folder
 * @param env has RUNNER_TEMP, below which a folder of ours lies: no other is removed
 */
export async function stopAgent(
  folder: string,
  signal: AbortSignal,
  env: NodeJS.ProcessEnv = process.env,
): Promise<StopResult> {
  // Before anything there is read or called: saved state can name any folder (see isAgentFolder).
  const isOurs = await unlessAborted(isAgentFolder(folder, env), signal, undefined);
  if (isOurs === false) return unknown(NOT_OURS);
  if (isOurs === undefined) {
    // Time was over before the folder was looked at. removeFolder looks by itself.
    await unlessAborted(removeFolder(folder, env), AbortSignal.timeout(CLEAN_UP_MS), undefined);
    return LATE;
  }
  const result = await unlessAborted(findEnd(folder, signal), signal, LATE);
  const cleanUp = AbortSignal.timeout(CLEAN_UP_MS);
  const debugLog = await unlessAborted(readDebugLog(folder), cleanUp, undefined);
  await unlessAborted(removeFolder(folder, env), cleanUp, undefined);
  if (debugLog === undefined) return result;
  if (result.kind === "ended") return { kind: "ended", stats: result.stats, debugLog };
  return { kind: "unknown", reason: result.reason, debugLog };
}

const CHANGED =
  "A step has changed the folder armor-token-… below RUNNER_TEMP, or its owner: leave it as it is";

const NOT_OURS =
  "what stands in place of its folder is not the agent's: a step has changed it, or the saved state";

async function findEnd(folder: string, signal: AbortSignal): Promise<StopResult> {
  let line: string;
  try {
    line = await readControlFile(folder);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { kind: "ended", stats: await readReport(folder) };
    return unknown(`${CONTROL_FILE} cannot be read (${code}). ${CHANGED}`);
  }
  const address = CONTROL_URL.exec(line)?.groups;
  const port = Number(address?.["port"]);
  if (address === undefined || port > MAX_PORT)
    return unknown(`${CONTROL_FILE} does not hold the agent's address. ${CHANGED}`);
  const answer = await askToStop({ port, capability: address["capability"] ?? "", signal });
  if (answer.kind === "late") return LATE;
  // The file is for an end that nobody asked for, and for a reply that was cut off.
  const stats = parseReport(answer.body) ?? (await readReport(folder));
  if (stats !== undefined || answer.kind === "refused") return { kind: "ended", stats };
  if (answer.kind === "broken") return unknown(`the connection broke off (${answer.code})`);
  if (answer.hasReplied)
    return unknown("what answered there gave no report: it is another program");
  return unknown("it closed the connection without a reply, as one that is killed does");
}

function unknown(reason: string): UnknownAgent {
  return { kind: "unknown", reason };
}

/**
 * Waits a little for the file: if the start was cancelled a moment ago, the agent has yet to write
 * it.
 */
async function readControlFile(folder: string): Promise<string> {
  const file = join(folder, CONTROL_FILE);
  const isExpected = () => existsSync(folder) && !existsSync(file);
  for (let waitedMs = 0; waitedMs < STARTING_MS && isExpected(); waitedMs += LOOK_EVERY_MS)
    await sleep(LOOK_EVERY_MS);
  return (await readSmallFile(file, MAX_CONTROL_BYTES)).trim();
}

/** @returns undefined if the agent was killed or could not write, or if the file is not its own */
async function readReport(folder: string): Promise<AgentReport | undefined> {
  const path = join(folder, REPORT_FILE);
  return parseReport(await readSmallFile(path, MAX_REPORT_BYTES).catch(() => undefined));
}

/**
 * @returns undefined if the text is none that the agent writes: another program may have its port
 * by now
 */
function parseReport(text: string | undefined): AgentReport | undefined {
  if (text === undefined) return undefined;
  try {
    return parseStats(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** @returns undefined without debug logging, or if the file is not as the agent writes it */
async function readDebugLog(folder: string): Promise<readonly string[] | undefined> {
  const path = join(folder, DEBUG_FILE);
  const text = await readSmallFile(path, MAX_DEBUG_BYTES).catch(() => undefined);
  return text?.split("\n").filter((line) => line !== "");
}

/** What the promise gives, or `late` if the signal aborts before. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal, late: T): Promise<T> {
  if (signal.aborted) return late;
  const done = new AbortController();
  const aborted = once(signal, "abort", { signal: done.signal }).then(
    () => late,
    () => promise,
  );
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    done.abort();
  }
}
