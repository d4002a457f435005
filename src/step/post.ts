import * as core from "@actions/core";
import { type StopResult, stopAgent } from "../agent/stop.ts";
import { createSend, trustCertificates } from "../armor/http.ts";
import { takeRoute } from "../armor/proxy.ts";
import { endSession, type RequestContext } from "../armor/token.ts";
import { systemClock } from "../clock.ts";
import { annotationOf, asArmorError } from "../errors.ts";
import { quoteWithout, scrubber } from "../redact.ts";
import { loadState, mask, type State } from "./outputs.ts";
import { agentReport, type Telling } from "./report.ts";

/** For all that this step does: the job waits for it, and sessions end by themselves soon anyway. */
const TIMEOUT_MS = 5_500;
/** Of it, for the agent to stop. */
const STOP_MS = 4_000;

/**
 * Stops the agent and ends the session, by saved state alone: inside nested composite actions the runner
 * gives this step the inputs of another action, or none (actions/runner#3514). Sets `process.exitCode` to
 * 0, whatever happens.
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
    const telling = await Promise.race([finish(env, state, quote), crash]);
    print(telling, state.isComplete, scrub);
    await summarize(env, telling).catch(() => undefined);
  } catch (error) {
    const { code, message } = asArmorError(error, quote);
    core.warning(scrub(annotationOf(code, message)));
  }
}

async function finish(
  env: NodeJS.ProcessEnv,
  state: State,
  quote: (text: string) => string,
): Promise<Telling> {
  const start = systemClock.now();
  const leftMs = () => Math.max(500, TIMEOUT_MS - (systemClock.now() - start));
  let stopped: StopResult | undefined;
  if (state.agentFolder !== undefined) {
    stopped = await stopAgent(state.agentFolder, AbortSignal.timeout(STOP_MS));
    if (stopped.kind === "stopped") return agentReport(stopped, state);
  }
  // There is no agent that has ended the step's own session.
  const own = await finishSession(env, state, leftMs(), quote);
  return stopped === undefined ? own : agentReport(stopped, state, own);
}

/** Ends the session of the step's own token, whatever the clocks say: a 401 means that it was over. */
async function finishSession(
  env: NodeJS.ProcessEnv,
  { accessToken, apiUrl, certificates, terminateSession, expiresAt }: State,
  timeoutMs: number,
  quote: (text: string) => string,
): Promise<Telling> {
  if (!terminateSession) return { line: "The Armor session was not ended, as terminate-session is false." };
  if (accessToken === undefined) return { line: "" }; // no token was issued
  try {
    trustCertificates(certificates);
    const context: RequestContext = {
      ...{ apiUrl, timeoutMs, quote, clock: systemClock },
      send: createSend(takeRoute(env)),
      onRetry: () => undefined,
    };
    if (await endSession(context, accessToken)) return { line: "The Armor session was ended." };
    const isLate = expiresAt < systemClock.date();
    const hint = isLate ? " The token had expired: keep-fresh: true supplies jobs that run for longer." : "";
    return { line: `The Armor session was over already.${hint}` };
  } catch (error) {
    const { code, message } = asArmorError(error, quote);
    const text = `The Armor session was not ended, and ends when its token expires. ${message}`;
    return { line: "", warnings: [annotationOf(code, text)] };
  }
}

/** Quiet where main failed: its own annotation has said why. What was left behind is said all the same. */
function print(
  { line, rows = [], warnings = [] }: Telling,
  isComplete: boolean,
  scrub: (text: string) => string,
): void {
  if (isComplete && line !== "") {
    if (rows.length === 0) {
      core.info(scrub(line));
    } else {
      core.startGroup(scrub(line));
      for (const [name, value] of rows) core.info(scrub(`${name.padEnd(18)}${value}`));
      core.endGroup();
    }
  }
  for (const warning of warnings) core.warning(scrub(warning));
}

/** The job summary is for what somebody should look at. It is an extra: without it, nothing else changes. */
async function summarize(env: NodeJS.ProcessEnv, { rows = [], warnings = [] }: Telling): Promise<void> {
  if (warnings.length === 0 || rows.length === 0 || !env["GITHUB_STEP_SUMMARY"]) return;
  const header = ["Armor token agent", ""].map((data) => ({ data, header: true }));
  await core.summary.addTable([header, ...rows.map(([name, value]) => [name, value])]).write();
}
