import { dirname } from "node:path";
import { stopAgent } from "../agent-client/stop.ts";
import { createSend } from "../armor/http.ts";
import { takeRoute } from "../armor/proxy.ts";
import { trustCertificates } from "../armor/trust.ts";
import { clock } from "../clock.ts";
import { annotationOf, asArmorError } from "../errors.ts";
import { readSmallFile } from "../protocol/files.ts";
import { maskedForms } from "../redact.ts";
import { endMain, endMainsWithoutState } from "./marks.ts";
import * as runner from "./outputs.ts";
import {
  agentReport,
  hasOnlyOwnToken,
  joined,
  lineReport,
  NOTHING,
  type Report,
} from "./report.ts";
import { closeFilesToOthers } from "./runner-files.ts";
import { endSessionOf } from "./session-end.ts";
import { loadState, parseStateFile, type State } from "./state.ts";

const TIMEOUT_MS = 5_500; // for all that this step does, as the job waits for it
const MAIN_MS = 2_500; // of it, to wait for the end of a main that was cancelled
const STOP_MS = 4_000; // of it, for the agent to stop
const MIN_SESSION_MS = 500; // for ending the session, even if the agent took the rest
const SECOND_TRY_MS = 1_000; // for ending a session that the agent could not end
/** Main saves certificates, and an input of the runner's has at most some 128 KB. */
const MAX_STATE_BYTES = 1024 * 1024;
const MAIN_RUNS =
  "The main step was cancelled and is still at work in its container. What it gets now, it gives back by itself.";

/**
 * Stops the agent, ends the session, and never fails the job. By saved state alone: inside nested
 * composite actions the runner gives this step the inputs of another action, or none
 * (actions/runner#3514).
 * @param env of the process, of which it takes the proxy variables
 * @param crash rejects with what nothing else has caught
 */
export async function post(env: NodeJS.ProcessEnv, crash: Promise<never>): Promise<void> {
  process.exitCode = 0;
  const state = loadState(env);
  if (state === undefined) return await endMainsWithoutState(env, MAIN_MS);
  if (state.accessToken !== undefined) runner.mask(maskedForms(state.accessToken));
  try {
    runner.startDebugLog();
    closeFilesToOthers();
    say(await Promise.race([finish(env, state), crash]));
  } catch (error) {
    const { code, message } = asArmorError(error);
    runner.warn(annotationOf(code, message));
  }
}

function say({ lines, warnings, read, debugLog }: Report): void {
  lines.forEach(runner.log);
  if (read.length > 0) runner.group("What was read from Armor", read);
  warnings.forEach(runner.warn);
  if (debugLog.length > 0) runner.logDebug("The token agent's own debug log, with times in UTC:");
  debugLog.forEach(runner.logDebug);
}

async function finish(env: NodeJS.ProcessEnv, saved: State): Promise<Report> {
  const deadline = clock.now() + TIMEOUT_MS;
  const hasMainEnded = await waitForMain(env, saved);
  const state = await currentState(env, saved);
  const mainReport = hasMainEnded ? NOTHING : lineReport(MAIN_RUNS);
  return joined(mainReport, await endAll(env, state, saved, deadline));
}

/**
 * Stops the agent and ends the session, whichever there is.
 * @param saved as post has masked it already
 */
async function endAll(
  env: NodeJS.ProcessEnv,
  state: State,
  saved: State,
  deadline: number,
): Promise<Report> {
  const { accessToken, agentFolder, isComplete, terminateSession } = state;
  // A token that main got after it was cancelled is not known from the beginning.
  if (accessToken !== undefined && accessToken !== saved.accessToken)
    runner.mask(maskedForms(accessToken));
  trustCertificates(state.certificates);
  const context = { apiUrl: state.apiUrl, send: createSend(takeRoute(env)) };
  if (agentFolder === undefined) return await endSessionOf(state, context, deadline - clock.now());
  const stopMs = Math.min(STOP_MS, deadline - clock.now() - MIN_SESSION_MS);
  const result = await stopAgent(agentFolder, timeoutSignal(stopMs), env);
  const agent = agentReport(result, isComplete);
  const stats = result.kind === "ended" ? result.stats : undefined;
  const leftMs = Math.max(MIN_SESSION_MS, deadline - clock.now());
  // An agent that was told to stop, and so gives no reason of its own, has ended the step's
  // session, too.
  const wasToldToStop = stats !== undefined && stats.reason === undefined;
  if (!wasToldToStop || !terminateSession)
    return joined(agent, await endSessionOf(state, context, leftMs));
  if (stats.sessionsNotEnded > 0 && hasOnlyOwnToken(stats))
    return joined(agent, await endSessionOf(state, context, Math.min(leftMs, SECOND_TRY_MS)));
  const isNothingSaid = stats.sessionsEnded === 0 && stats.sessionsNotEnded === 0;
  if (!isNothingSaid || !isComplete) return agent;
  return joined(agent, lineReport("The Armor session was over already."));
}

/** AbortSignal takes whole milliseconds only, and none below 0, which a suspended machine gives. */
function timeoutSignal(ms: number): AbortSignal {
  return AbortSignal.timeout(Math.max(0, Math.floor(ms)));
}

/** Gives whether main has ended: when it is cancelled in a container, it goes on. */
async function waitForMain(env: NodeJS.ProcessEnv, saved: State): Promise<boolean> {
  const { isComplete, mark } = saved;
  if (isComplete || mark === undefined) return true;
  return await endMain(mark, env, MAIN_MS);
}

/** Gives what main has saved by now, which may be more than the runner has read. */
async function currentState(env: NodeJS.ProcessEnv, saved: State): Promise<State> {
  const { isComplete, mark, stateFile } = saved;
  if (isComplete || mark === undefined) return saved;
  // The runner keeps the files of all steps in one folder until the job ends.
  const isRunnersFile = dirname(stateFile ?? "") === dirname(env["GITHUB_STATE"] ?? "none");
  if (stateFile === undefined || !isRunnersFile) return saved;
  try {
    const text = await readSmallFile(stateFile, MAX_STATE_BYTES);
    return loadState(parseStateFile(text)) ?? saved;
  } catch {
    return saved; // what the runner has read of it is all there is
  }
}
