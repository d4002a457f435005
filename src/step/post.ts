import { stopAgent } from "../agent-client/stop.ts";
import { createSend } from "../armor/http.ts";
import { takeRoute } from "../armor/proxy.ts";
import { endSession } from "../armor/token.ts";
import { trustCertificates } from "../armor/trust.ts";
import { clock } from "../clock.ts";
import { annotationOf, asArmorError } from "../errors.ts";
import { loadState, log, mask, type State, warn } from "./outputs.ts";
import { agentReport, NOTHING, type Report } from "./report.ts";

const TIMEOUT_MS = 5_500; // for all that this step does, as the job waits for it
const STOP_MS = 4_000; // of it, for the agent to stop
const MIN_SESSION_MS = 500; // for ending the session, even where the agent took the rest

/**
 * Stops the agent, ends the session, and never fails the job. By saved state alone: inside nested composite
 * actions the runner gives this step the inputs of another action, or none (actions/runner#3514).
 */
export async function post(env: NodeJS.ProcessEnv, crash: Promise<never>): Promise<void> {
  process.exitCode = 0;
  const state = loadState(env);
  if (state === undefined) return;
  if (state.accessToken !== undefined) mask([state.accessToken]);
  try {
    const { lines, warnings } = await Promise.race([finish(env, state), crash]);
    // Quiet where main failed: its own annotation has said why. What was left behind is said all the same.
    if (state.isComplete) lines.forEach(log);
    warnings.forEach(warn);
  } catch (error) {
    const { code, message } = asArmorError(error);
    warn(annotationOf(code, message));
  }
}

async function finish(env: NodeJS.ProcessEnv, state: State): Promise<Report> {
  const { agentFolder, isComplete, terminateSession } = state;
  if (agentFolder === undefined) return await finishSession(env, state, TIMEOUT_MS);
  const start = clock.now();
  const result = await stopAgent(agentFolder, AbortSignal.timeout(STOP_MS));
  const agent = agentReport(result, isComplete);
  // An agent that was told to stop, and so gives no reason of its own, has ended the step's session, too.
  const wasToldToStop =
    result.kind === "ended" && result.stats !== undefined && result.stats.reason === undefined;
  if (wasToldToStop && terminateSession) return agent;
  const leftMs = Math.max(MIN_SESSION_MS, TIMEOUT_MS - (clock.now() - start));
  const session = await finishSession(env, state, leftMs);
  return {
    lines: [...agent.lines, ...session.lines],
    warnings: [...agent.warnings, ...session.warnings],
  };
}

/** Ends the session of the step's own token, whatever the clocks say: a 401 means that it was over. */
async function finishSession(
  env: NodeJS.ProcessEnv,
  state: State,
  timeoutMs: number,
): Promise<Report> {
  const { accessToken, agentFolder, apiUrl, certificates, terminateSession } = state;
  const say = (line: string): Report => ({ lines: [line], warnings: [] });
  if (!terminateSession)
    return say("The Armor session was not ended, as terminate-session is false.");
  if (accessToken === undefined) return NOTHING; // no token was issued
  try {
    trustCertificates(certificates);
    const context = { apiUrl, timeoutMs, send: createSend(takeRoute(env)) };
    const wasAlive = await endSession(context, accessToken);
    if (wasAlive) return say("The Armor session was ended.");
    if (agentFolder !== undefined) return say("The Armor session was over already.");
    return say(
      "The Armor session was over already. " +
        "Tokens expire soon: with keep-fresh: true, later steps always have a valid one.",
    );
  } catch (error) {
    const { code, message } = asArmorError(error);
    const text = `The Armor session was not ended, and ends when its token expires. ${message}`;
    return { lines: [], warnings: [annotationOf(code, text)] };
  }
}
