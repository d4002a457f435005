// The post step: ends the session if it still lives. Says one line, and never fails the job.

import * as core from "@actions/core";
import { systemClock } from "./clock.ts";
import { messageOf } from "./errors.ts";
import { send, trustCertificates } from "./http.ts";
import { readCredentials, readInputs } from "./inputs.ts";
import { mask } from "./outputs.ts";
import { quoteWithout, scrubber } from "./quote.ts";
import { secretForms } from "./secrets.ts";
import { loadSession, type Session } from "./state.ts";
import { type Armor, endSession } from "./token.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The job waits for this, and the session ends by itself soon anyway. */
const TIMEOUT_MS = 3_000;

/**
 * Sets `process.exitCode` to 0, whatever happens. Quiet where the main step got no token.
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
  const scrub = scrubber(secrets);
  try {
    core.info(scrub(await Promise.race([finish(session, secrets), crash])));
  } catch (error) {
    const reason = messageOf(error, quoteWithout(secrets));
    core.warning(scrub(`The Armor session was not ended and ends by itself in a while. ${reason}`));
  }
}

/** @returns what happened, in one line */
async function finish({ expiresAt, accessToken }: Session, secrets: readonly string[]): Promise<string> {
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
