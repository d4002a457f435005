import type { ServerResponse } from "node:http";
import { endSession, type RequestContext } from "../armor/token.ts";
import { isoDate } from "../clock.ts";
import { annotationOf, asArmorError } from "../errors.ts";
import type { SessionsEnded, StopReply } from "./protocol.ts";
import { sendFailure } from "./reply.ts";
import type { Stats } from "./stats.ts";
import type { TokenCache } from "./token-cache.ts";

/** At a stop: for the refresh under way, and after it for the sessions to end. */
const DRAIN_MS = 1_500;
const END_SESSIONS_MS = 2_000;

/**
 * What is behind the address for tokens and stopping.
 * @param onStopped called when whoever asked for the stop has the reply, or has left and would have it
 */
export function createControl(
  tokenCache: TokenCache,
  context: RequestContext,
  stats: Stats,
  terminateSession: boolean,
  onStopped: () => void,
) {
  let stopped: Promise<StopReply> | undefined;

  /** Once, and the same for all who ask: no refresh begins any more, and the sessions end. */
  const stop = () => {
    stopped ??= tokenCache.close(DRAIN_MS).then(async ({ accessTokens, isFetching }) => {
      const sessions = terminateSession
        ? await endSessions(accessTokens, isFetching, context)
        : { ended: 0, notEnded: 0 };
      return { report: stats, sessions };
    });
    return stopped;
  };
  const answerStop = async (response: ServerResponse) => {
    response.once("close", () => stop().then(onStopped));
    sendJson(response, await stop());
  };
  const answerToken = async (response: ServerResponse) => {
    try {
      const token = await tokenCache.get();
      const leftMs = Math.max(0, tokenCache.msLeft(token));
      sendJson(response, {
        access_token: token.accessToken,
        token_type: "Bearer",
        expires_in: Math.floor(leftMs / 1000),
        expires_at: isoDate(context.clock.date() + leftMs),
      });
      stats.handedOut += 1;
    } catch (error) {
      const failure = asArmorError(error, context.quote);
      stats.addProblem(failure);
      sendFailure(response, failure);
    }
  };
  return { stop, answerStop, answerToken };
}

/** Sessions that are not ended here end by themselves when their tokens expire. */
async function endSessions(
  accessTokens: readonly string[],
  isFetching: boolean,
  context: RequestContext,
): Promise<SessionsEnded> {
  const brief = { ...context, timeoutMs: END_SESSIONS_MS };
  const reasons: string[] = [];
  const end = (token: string) =>
    endSession(brief, token).catch((error) => {
      const { code, message } = asArmorError(error, context.quote);
      reasons.push(annotationOf(code, message));
      return false;
    });
  const ended = (await Promise.all(accessTokens.map(end))).filter(Boolean).length;
  if (isFetching) reasons.push("A token that was being fetched did not arrive in time.");
  const reason = reasons.at(-1);
  return { ended, notEnded: reasons.length, ...(reason !== undefined && { reason }) };
}

function sendJson(response: ServerResponse, body: object): void {
  const headers = { "Content-Type": "application/json", "Cache-Control": "no-store" };
  response.writeHead(200, headers).end(JSON.stringify(body));
}
