import type { ServerResponse } from "node:http";
import { endSession, type RequestContext } from "../armor/token.ts";
import type { TokenCache } from "../armor/token-cache.ts";
import { clock, isoDate } from "../clock.ts";
import { debug } from "../debug.ts";
import { asArmorError } from "../errors.ts";
import { sendFailure } from "../gateway/reply.ts";
import type { Stats } from "../protocol/stats.ts";
import { hide } from "../redact.ts";

/** At a stop: for the refresh under way. After it, the sessions get END_SESSIONS_MS. */
const DRAIN_MS = 1_500;
/** With DRAIN_MS it is less than the 4 s that the post step waits for the agent. */
const END_SESSIONS_MS = 2_000;

export interface ControlOptions {
  readonly tokenCache: TokenCache;
  readonly context: RequestContext; // for ending sessions
  readonly stats: Stats;
  readonly terminateSession: boolean;
  readonly onStopped: () => void; // called when the reply to a stop is out, or its client has left
}

/** What is behind the address for tokens and stopping. */
export class Control {
  readonly #options: ControlOptions;
  #stopped: Promise<void> | undefined;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  /** Answers with a token that lives, or with why there is none. */
  async answerToken(response: ServerResponse): Promise<void> {
    const { tokenCache, stats } = this.#options;
    try {
      const token = await tokenCache.get();
      const leftMs = Math.max(0, tokenCache.msLeft(token));
      // The connection of a client that has left is closed, and no such reply is ever finished.
      response.once("finish", () => {
        stats.handedOut += 1;
      });
      sendJson(response, {
        access_token: token.accessToken,
        token_type: "Bearer",
        expires_in: Math.floor(leftMs / 1000),
        expires_at: isoDate(clock.date() + leftMs),
      });
    } catch (error) {
      sendFailure(response, stats.addProblem(error));
    }
  }

  /** Stops, and then answers with the report: a disk that is full or read-only cannot carry it. */
  async answerStop(response: ServerResponse): Promise<void> {
    // The stop happens also if whoever asked has left.
    response.once("close", () => this.stop().then(this.#options.onStopped));
    await this.stop();
    sendJson(response, this.#options.stats);
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
      // Post says how many there are, and nobody has to do anything about them.
      stats.sessionsNotEnded += 1;
      debug(() => `token agent: a session was not ended: ${asArmorError(error).message}`);
    }
  }
}

/** With its length, so that the client can tell a reply that was cut off. */
function sendJson(response: ServerResponse, body: object): void {
  const text = JSON.stringify(body);
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-store",
  };
  response.writeHead(200, headers).end(text);
}
