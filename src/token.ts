// Owns a token's two ends: fetching it and ending its session, each as retry ∘ redirects ∘ send ∘ oauth.

import type { Clock } from "./clock.ts";
import type { ArmorError } from "./errors.ts";
import type { ApiReply, Send } from "./http.ts";
import {
  basicPairs,
  type Credentials,
  judgeTerminate,
  judgeToken,
  terminateRequest,
  tokenRequest,
} from "./oauth.ts";
import type { Quote } from "./quote.ts";
import { followingRedirects } from "./redirect.ts";
import { retry } from "./retry.ts";

/** An access token and when it dies. */
export interface Token {
  readonly accessToken: string;
  /** Seconds, as the server said. */
  readonly expiresIn: number;
  /** Ms since the epoch, counted from before the request was sent: never later than the server's own reckoning. */
  readonly expiresAt: number;
  /** When the request was about to be sent, by the monotonic clock of this process. */
  readonly requestedAt: number;
}

/** What both ends need: where Armor is, how to reach it, how long to try, and what must not be repeated. */
export interface Armor {
  /** Without a slash at its end. */
  readonly apiUrl: string;
  readonly send: Send;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly quote: Quote;
  readonly onRetry: (error: ArmorError, pauseMs: number) => void;
}

/**
 * Exchanges the client app's credentials for an access token (RFC 6749 section 4.4).
 * @throws ArmorError
 */
export async function fetchToken(armor: Armor, credentials: Credentials): Promise<Token> {
  return await retry(async (signal) => {
    const { reply, sentAt, requestedAt } = await ask(armor, credentials, signal);
    const { accessToken, expiresIn } = judgeToken(reply, armor.quote);
    return { accessToken, expiresIn, expiresAt: sentAt + expiresIn * 1000, requestedAt };
  }, armor);
}

/** Asks with the form-encoded pair and, where that makes a difference and is answered by 401, with the raw one. */
async function ask(
  { apiUrl, send, clock }: Armor,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<{ reply: ApiReply; sentAt: number; requestedAt: number }> {
  const follow = followingRedirects(send);
  const askWith = async (pair: string) => {
    const [sentAt, requestedAt] = [clock.date(), clock.now()];
    return { reply: await follow(tokenRequest(apiUrl, pair), signal), sentAt, requestedAt };
  };
  const [encoded, raw] = basicPairs(credentials);
  const first = await askWith(encoded);
  if (first.reply.status !== 401 || raw === undefined) return first;
  const second = await askWith(raw);
  // A server that insists on the encoding calls the raw pair malformed; what it said to the first one is the news.
  return second.reply.status === 400 ? first : second;
}

/**
 * Ends the session that the token stands for.
 * @returns whether there still was one
 * @throws ArmorError
 */
export async function endSession(armor: Armor, accessToken: string): Promise<boolean> {
  const follow = followingRedirects(armor.send);
  return await retry(async (signal) => {
    const reply = await follow(terminateRequest(armor.apiUrl, accessToken), signal);
    return judgeTerminate(reply, armor.quote);
  }, armor);
}
