import type { ServerResponse } from "node:http";
import { endSession, type RequestContext } from "../armor/token.ts";
import { clock, isoDate } from "../clock.ts";
import { hide } from "../redact.ts";
import { sendFailure } from "./reply.ts";
import type { Stats } from "./stats.ts";
import type { TokenCache } from "./token-cache.ts";

const DRAIN_MS = 1_500; // at a stop: for the refresh under way, and after it for the sessions to end
const END_SESSIONS_MS = 2_000;

/** What is behind the address for tokens and stopping; `onStopped` is called when the stop's reply is out. */
export function createControl(
  tokenCache: TokenCache,
  context: RequestContext,
  stats: Stats,
  terminateSession: boolean,
  onStopped: () => void,
) {
  let stopped: Promise<void> | undefined;

  /** A session that is not ended here ends by itself when its token expires. */
  const end = async (accessToken: string) => {
    try {
      const wasAlive = await endSession({ ...context, timeoutMs: END_SESSIONS_MS }, accessToken);
      if (wasAlive) stats.sessionsEnded += 1;
    } catch (error) {
      stats.addProblem(error);
      stats.sessionsNotEnded += 1;
    }
  };
  const endAll = async () => {
    const { accessTokens, isFetching } = await tokenCache.close(DRAIN_MS);
    if (!terminateSession) return;
    hide(accessTokens); // Armor may repeat them
    await Promise.all(accessTokens.map(end));
    if (isFetching) stats.sessionsNotEnded += 1;
  };
  /** Once, for all who ask: no refresh begins any more, and the sessions end. */
  const stop = () => {
    stopped ??= endAll();
    return stopped;
  };
  const answerStop = async (response: ServerResponse) => {
    response.once("close", () => stop().then(onStopped));
    await stop();
    response.writeHead(204).end();
  };
  const answerToken = async (response: ServerResponse) => {
    try {
      const token = await tokenCache.get();
      const leftMs = Math.max(0, tokenCache.msLeft(token));
      const body = {
        access_token: token.accessToken,
        token_type: "Bearer",
        expires_in: Math.floor(leftMs / 1000),
        expires_at: isoDate(clock.date() + leftMs),
      };
      const headers = { "Content-Type": "application/json", "Cache-Control": "no-store" };
      response.writeHead(200, headers).end(JSON.stringify(body));
      stats.handedOut += 1;
    } catch (error) {
      sendFailure(response, stats.addProblem(error));
    }
  };
  return { stop, answerStop, answerToken };
}
