import type { Clock } from "../clock.ts";
import type { ArmorError } from "../errors.ts";
import type { Quote } from "../redact.ts";
import { basicPairs, type Credentials } from "./credentials.ts";
import type { ApiReply, Send } from "./http.ts";
import { isClientUnknown, judgeTerminate, judgeToken, terminateRequest, tokenRequest } from "./oauth.ts";
import { followingRedirects } from "./redirect.ts";
import { retry } from "./retry.ts";

/** An access token and its lifetime, counted from before the request was sent. */
export interface Token {
  readonly accessToken: string;
  /** Seconds, as the server said. */
  readonly expiresIn: number;
  /** When its attempt was about to begin, by the monotonic clock, in ms. */
  readonly requestedAt: number;
  /** When it expires, by the wall clock, in ms since the epoch: never later than the server reckons. */
  readonly expiresAt: number;
}

/** Where Armor is, how to reach it, how long to try, and what must not be repeated. */
export interface RequestContext {
  /** Without a slash at its end. */
  readonly apiUrl: string;
  readonly send: Send;
  readonly clock: Clock;
  /** For the whole operation, retries included. */
  readonly timeoutMs: number;
  readonly quote: Quote;
  readonly onRetry: (error: ArmorError, pauseMs: number) => void;
}

/**
 * Exchanges the client app's credentials for an access token (RFC 6749 section 4.4).
 * @throws ArmorError
 */
export async function fetchToken(context: RequestContext, credentials: Credentials): Promise<Token> {
  const { clock, quote } = context;
  return await retry(async (signal) => {
    const [sentAt, requestedAt] = [clock.date(), clock.now()];
    const { accessToken, expiresIn } = judgeToken(await exchange(context, credentials, signal), quote);
    return { accessToken, expiresIn, requestedAt, expiresAt: sentAt + expiresIn * 1000 };
  }, context);
}

/** Sends the form-encoded pair and, where that differs and the client is unknown, the raw one. */
async function exchange(
  { apiUrl, send }: RequestContext,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<ApiReply> {
  const follow = followingRedirects(send);
  const [encoded, raw] = basicPairs(credentials);
  const first = await follow(tokenRequest(apiUrl, encoded), signal);
  if (raw === undefined || !isClientUnknown(first)) return first;
  const second = await follow(tokenRequest(apiUrl, raw), signal);
  // A server that insists on the encoding calls the raw pair malformed; its first answer says more.
  return second.status === 400 ? first : second;
}

/** Ends the session that the token stands for. @returns whether there still was one. @throws ArmorError */
export async function endSession(context: RequestContext, accessToken: string): Promise<boolean> {
  const follow = followingRedirects(context.send);
  return await retry(async (signal) => {
    const reply = await follow(terminateRequest(context.apiUrl, accessToken), signal);
    return judgeTerminate(reply, context.quote);
  }, context);
}
