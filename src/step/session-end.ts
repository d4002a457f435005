import type { Send } from "../armor/http.ts";
import { endSession } from "../armor/token.ts";
import { clock } from "../clock.ts";
import { asArmorError, type ErrorCode } from "../errors.ts";
import { lineReport, NOTHING, type Report } from "./report.ts";
import type { State } from "./state.ts";

/** Where Armor is and how to reach it. */
interface Target {
  readonly apiUrl: string; // without a slash at its end
  readonly send: Send;
}

/**
 * Why no answer of Armor's came, in a few words. The texts of these errors are for a login that has
 * failed.
 */
const REASONS: Partial<Record<ErrorCode, string>> = {
  host_unknown: "DNS does not know its host",
  dns_failed: "DNS did not answer",
  connection_failed: "no connection",
  reply_incomplete: "its answer broke off",
  reply_timeout: "no answer in time",
  reply_invalid: "its answer could not be read",
  certificate_rejected: "its certificate is not trusted",
  tls_failed: "no TLS connection",
  proxy_failed: "the proxy has failed",
  proxy_refused: "the proxy has refused",
  redirect_refused: "it was redirected to another address",
};

/**
 * Ends the session of the step's own token, whatever the clocks say: a 401 means that it was over.
 * @param timeoutMs in ms, for all attempts
 */
export async function endSessionOf(
  state: State,
  { apiUrl, send }: Target,
  timeoutMs: number,
): Promise<Report> {
  const { accessToken, agentFolder, isComplete, terminateSession } = state;
  // Quiet if main has failed: its own annotation has said why.
  const say = (line: string) => (isComplete ? lineReport(line) : NOTHING);
  if (!terminateSession)
    return say("The Armor session was not ended, as terminate-session is false.");
  if (accessToken === undefined) return NOTHING; // no token was issued
  let lastStatus: number | undefined; // of Armor's last answer
  const noteStatus: Send = async (request, signal) => {
    const reply = await send(request, signal);
    lastStatus = reply.status;
    return reply;
  };
  try {
    const wasAlive = await endSession({ apiUrl, timeoutMs, send: noteStatus }, accessToken);
    if (wasAlive) return say("The Armor session was ended.");
    if (agentFolder !== undefined) return say("The Armor session was over already.");
    return say(
      "The Armor session was over already. " +
        "Tokens expire soon: with keep-fresh: true, later steps always have a valid one.",
    );
  } catch (error) {
    const { code } = asArmorError(error);
    if (code === "internal_error") throw error;
    // An error that has no words of its own is about an answer, which may be an earlier attempt's.
    const answered = lastStatus === undefined ? code : `Armor answered ${lastStatus}`;
    const reason = REASONS[code] ?? answered;
    // What was left behind is said also if main has failed.
    return lineReport(`The Armor session could not be ended (${reason}); ${endOf(state)}.`);
  }
}

/** Says when the session ends without anybody's help, which nobody has to do anything about. */
function endOf({ expiresAt }: State): string {
  if (expiresAt === undefined) return "it ends by itself when its token expires";
  const time = new Date(expiresAt).toISOString().slice("2026-01-01T".length, -".000Z".length);
  const hasExpired = expiresAt <= clock.date();
  return hasExpired ? `it has ended by itself at ${time} UTC` : `it ends by itself at ${time} UTC`;
}
