import * as core from "@actions/core";
import { stopAgent } from "../agent/stop.ts";
import { createSend, trustCertificates } from "../armor/http.ts";
import { takeRoute } from "../armor/proxy.ts";
import { endSession } from "../armor/token.ts";
import { systemClock } from "../clock.ts";
import { annotationOf, asArmorError } from "../errors.ts";
import { type Quote, quoteWithout, scrubber } from "../redact.ts";
import { loadState, mask, type State } from "./outputs.ts";
import { agentReport, type Row, type Telling } from "./report.ts";

/** For all that this step does: the job waits for it, and sessions end by themselves soon anyway. */
const TIMEOUT_MS = 5_500;
/** Of it, for the agent to stop. */
const STOP_MS = 4_000;

/**
 * Stops the agent and ends the session, by saved state alone: inside nested composite actions the runner
 * gives this step the inputs of another action, or none (actions/runner#3514). It never fails the job.
 * @param crash rejects with what was not caught
 */
export async function post(env: NodeJS.ProcessEnv, crash: Promise<never>): Promise<void> {
  process.exitCode = 0;
  const state = loadState(env);
  if (state === undefined) return;
  const secrets = state.accessToken === undefined ? [] : [state.accessToken];
  mask(secrets);
  const [scrub, quote] = [scrubber(secrets), quoteWithout(secrets)];
  try {
    const { line, rows = [], warnings = [] } = await Promise.race([finish(env, state, quote), crash]);
    // Quiet where main failed: its own annotation has said why. What was left behind is said all the same.
    if (state.isComplete && rows.length > 0) {
      core.startGroup(scrub(line));
      for (const [name, value] of rows) core.info(scrub(`${name.padEnd(18)}${value}`));
      core.endGroup();
    } else if (state.isComplete && line !== "") {
      core.info(scrub(line));
    }
    for (const warning of warnings) core.warning(scrub(warning));
    // An extra for what somebody should look at: without it, nothing else changes.
    if (warnings.length > 0 && rows.length > 0) await summarize(rows).catch(() => undefined);
  } catch (error) {
    const { code, message } = asArmorError(error, quote);
    core.warning(scrub(annotationOf(code, message)));
  }
}

async function summarize(rows: readonly Row[]): Promise<void> {
  const header = ["Armor token agent", "in this job"].map((data) => ({ data, header: true }));
  await core.summary.addTable([header, ...rows.map((row) => [...row])]).write();
}

async function finish(env: NodeJS.ProcessEnv, state: State, quote: Quote): Promise<Telling> {
  if (state.agentFolder === undefined) return await finishSession(env, state, TIMEOUT_MS, quote);
  const start = systemClock.now();
  const stopped = await stopAgent(state.agentFolder, AbortSignal.timeout(STOP_MS));
  if (stopped.kind === "stopped") return agentReport(stopped, state);
  // There is no agent that has ended the step's own session.
  const leftMs = Math.max(500, TIMEOUT_MS - (systemClock.now() - start));
  return agentReport(stopped, state, await finishSession(env, state, leftMs, quote));
}

/** Ends the session of the step's own token, whatever the clocks say: a 401 means that it was over. */
async function finishSession(
  env: NodeJS.ProcessEnv,
  state: State,
  timeoutMs: number,
  quote: Quote,
): Promise<Telling> {
  const { accessToken, apiUrl } = state;
  if (!state.terminateSession)
    return { line: "The Armor session was not ended, as terminate-session is false." };
  if (accessToken === undefined) return { line: "" }; // no token was issued
  try {
    trustCertificates(state.certificates);
    const [send, onRetry] = [createSend(takeRoute(env)), () => undefined];
    const context = { apiUrl, timeoutMs, quote, clock: systemClock, send, onRetry };
    if (await endSession(context, accessToken)) return { line: "The Armor session was ended." };
    const isLate = state.agentFolder === undefined && state.expiresAt < systemClock.date();
    const hint = " The token had expired: with keep-fresh: true, later steps always have a valid one.";
    return { line: `The Armor session was over already.${isLate ? hint : ""}` };
  } catch (error) {
    const { code, message } = asArmorError(error, quote);
    const text = `The Armor session was not ended, and ends when its token expires. ${message}`;
    return { line: "", warnings: [annotationOf(code, text)] };
  }
}
