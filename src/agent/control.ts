import type { ServerResponse } from "node:http";
import { endSession, type RequestContext } from "../armor/token.ts";
import type { TokenCache } from "../armor/token-cache.ts";
import { clock, isoDate } from "../clock.ts";
import { sendFailure } from "../gateway/reply.ts";
import type { Stats } from "../protocol/stats.ts";
import { hide } from "../redact.ts";

const DRAIN_MS = 1_500; // at a stop: for the refresh under way, and after it for the sessions to end
const END_SESSIONS_MS = 2_000;

export interface ControlOptions {
  readonly tokenCache: TokenCache;
  readonly context: RequestContext; // for ending sessions
  readonly stats: Stats;
  readonly terminateSession: boolean;
  readonly onStopped: () => void; // the reply to a stop is out
}

/** What is behind the address for tokens and stopping. */
export class Control {
  readonly #options: ControlOptions;
  #stopped: Promise<void> | undefined;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  async answerToken(response: ServerResponse): Promise<void> {
    const { tokenCache, stats } = this.#options;
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
  }

  async answerStop(response: ServerResponse): Promise<void> {
    response.once("close", () => this.stop().then(this.#options.onStopped));
    await this.stop();
    response.writeHead(204).end();
  }

  /** Once, for all who ask: no refresh begins any more, and the sessions end. */
  stop(): Promise<void> {
    this.#stopped ??= this.#endSessions();
    return this.#stopped;
  }

  async #endSessions(): Promise<void> {
    const { tokenCache, stats, terminateSession } = this.#options;
    const { accessTokens, forgotten, isFetching } = await tokenCache.close(DRAIN_MS);
    if (!terminateSession) return;
    stats.sessionsNotEnded += forgotten; // of these, the tokens are not known any more
    hide(accessTokens); // Armor may repeat them in what it says
    await Promise.all(accessTokens.map((accessToken) => this.#endSession(accessToken)));
    if (isFetching) stats.sessionsNotEnded += 1; // that of the token which is still on its way
  }

  /** Never fails: a session that is not ended here ends by itself when its token expires. */
  async #endSession(accessToken: string): Promise<void> {
    const { context, stats } = this.#options;
    try {
      const wasAlive = await endSession({ ...context, timeoutMs: END_SESSIONS_MS }, accessToken);
      if (wasAlive) stats.sessionsEnded += 1;
    } catch (error) {
      stats.addProblem(error);
      stats.sessionsNotEnded += 1;
    }
  }
}
