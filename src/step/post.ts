// The post step: stops the token agent, ends the session if it still lives, and says what happened in one line.
// Never fails the job.

import * as core from "@actions/core";
import type { Farewell } from "./agent.ts";
import { systemClock } from "./clock.ts";
import { messageOf } from "./errors.ts";
import { send, trustCertificates } from "./http.ts";
import { readCredentials, readInputs } from "./inputs.ts";
import { stopAgent } from "./launch.ts";
import { mask } from "./outputs.ts";
import { quoteWithout, scrubber } from "./quote.ts";
import { secretForms } from "./secrets.ts";
import { hasMainSucceeded, loadAgentFolder, loadSession, type Session } from "./state.ts";
import { type Armor, endSession } from "./token.ts";
import { reportLine, reportRows } from "./usage.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The job waits for this, and the session ends by itself soon anyway. */
const TIMEOUT_MS = 3_000;

/**
 * Sets `process.exitCode` to 0, whatever happens. Quiet where the main step failed.
 * @param crash rejects with what nothing caught
 */
export async function post(env: Environment, crash: Promise<never>): Promise<void> {
  process.exitCode = 0;
  const session = loadSession(env);
  if (session === undefined) return;
  const secrets = [
    ...secretForms(readCredentials(core)),
    ...(session.accessToken ? [session.accessToken] : []),
  ];
  mask(core, secrets);
  const isQuiet = !hasMainSucceeded(env);
  const scrub = scrubber(secrets);
  try {
    const lines = await Promise.race([finish(env, session, secrets), crash]);
    if (!isQuiet) for (const line of lines) core.info(scrub(line));
  } catch (error) {
    const reason = messageOf(error, quoteWithout(secrets));
    if (!isQuiet)
      core.warning(scrub(`The Armor session was not ended and ends by itself in a while. ${reason}`));
  }
}

/** @returns what happened, the first line by itself */
async function finish(env: Environment, session: Session, secrets: readonly string[]): Promise<string[]> {
  const folder = loadAgentFolder(env);
  if (folder === undefined) return [await finishSession(session, secrets)];
  const farewell = await stopAgent(folder);
  if (farewell === undefined) {
    await finishSession(session, secrets);
    return ["The token agent had ended before the job did."];
  }
  await summarize(env, farewell);
  return [
    reportLine(farewell),
    ...reportRows(farewell.report).map(([name, value]) => `  ${name.padEnd(16)}${value}`),
  ];
}

/** The job summary is for what somebody should look at. */
async function summarize(env: Environment, farewell: Farewell): Promise<void> {
  const { failures } = farewell.report;
  if (Object.keys(failures).length === 0 || !env["GITHUB_STEP_SUMMARY"]) return;
  const header = ["Armor token agent", ""].map((data) => ({ data, header: true }));
  await core.summary
    .addTable([header, ...reportRows(farewell.report).map(([name, value]) => [name, value])])
    .write();
}

/** Ends the session of the step's own token. @returns what happened, in one line */
async function finishSession(
  { expiresAt, accessToken }: Session,
  secrets: readonly string[],
): Promise<string> {
  const leftMs = expiresAt - systemClock.date();
  const left = `${Math.ceil(Math.abs(leftMs) / 1000)} s`;
  if (leftMs <= 0) {
    return `The access token expired ${left} before the job ended. keep-fresh: true supplies later steps for as long as the job runs.`;
  }
  if (accessToken === undefined) {
    return `The Armor session lives for another ${left}, as terminate-session is false.`;
  }
  const { apiUrl, certificates } = readInputs(core);
  if (certificates.length > 0) trustCertificates(certificates);
  const armor: Armor = {
    apiUrl,
    send,
    clock: systemClock,
    timeoutMs: Math.min(TIMEOUT_MS, leftMs),
    quote: quoteWithout(secrets),
    onRetry: () => undefined,
  };
  return (await endSession(armor, accessToken))
    ? `Ended the Armor session, ${left} before its token would have expired.`
    : "The Armor session had already ended.";
}
