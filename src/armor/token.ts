import { clock, isoDate } from "../clock.ts";
import { ArmorError, asArmorError } from "../errors.ts";
import { basicPairs, type Credentials } from "./credentials.ts";
import { hintsOf } from "./hints.ts";
import type { ApiReply, Send } from "./http.ts";
import {
  isClientUnknown,
  judgeTerminate,
  judgeToken,
  terminateRequest,
  tokenRequest,
} from "./oauth.ts";
import { sendFollowing } from "./redirect.ts";
import { answerOf, SESSION_ENDS, tokenRefusal } from "./refusal.ts";
import { type RetryOptions, retry } from "./retry.ts";

/** An access token and its lifetime, counted from before the request was sent. */
export interface Token {
  readonly accessToken: string; // passes `isToken`
  readonly expiresIn: number; // seconds, as the server said
  readonly requestedAt: number; // when its attempt was about to begin, by the monotonic clock, in ms
  readonly expiresAt: number; // when it expires, by the wall clock, in ms since the epoch
}

/** Where Armor is, how to reach it, and how long to try. */
export interface RequestContext extends RetryOptions {
  readonly apiUrl: string; // without a slash at its end
  readonly send: Send;
}

/**
 * Gets a token by the client credentials grant (RFC 6749 section 4.4): with the form-encoded pair,
 * and if the client is unknown by that, with the raw one. Once the form-encoded pair has been
 * refused, the raw one alone is tried again, so that no later answer takes the place of that
 * refusal.
 * @param last a token that this pair got before, if there was one
 * @throws ArmorError; after a 401, with what the shape of the two values shows, or since when they
 * are refused
 */
export async function fetchToken(
  context: RequestContext,
  credentials: Credentials,
  last?: Token,
): Promise<Token> {
  const { encoded, raw } = basicPairs(credentials);
  let refusal: ApiReply | undefined; // of the form-encoded pair
  const attempt = async (signal: AbortSignal): Promise<Token> => {
    if (raw === undefined || refusal === undefined) {
      const asked = await askForToken(context, encoded, signal);
      if (raw === undefined || !isClientUnknown(asked.reply)) return toToken(asked);
      refusal = asked.reply;
    }
    const asked = await askForToken(context, raw, signal);
    // A server that insists on the encoding calls the raw pair malformed; its first answer says
    // more.
    if (asked.reply.status === 400) throw tokenRefusal(refusal);
    return toToken(asked);
  };
  try {
    return await retry(attempt, context);
  } catch (error) {
    throw withCause(withRefusal(error, refusal), credentials, last);
  }
}

/** A reply, and when its request was about to be sent. */
interface Asked {
  readonly reply: ApiReply;
  readonly requestedAt: number; // by the monotonic clock, in ms
  readonly sentAt: number; // by the wall clock, in ms since the epoch
}

async function askForToken(
  { apiUrl, send }: RequestContext,
  basicPair: string,
  signal: AbortSignal,
): Promise<Asked> {
  const sentAt = clock.date();
  const requestedAt = clock.now();
  const reply = await sendFollowing(send, tokenRequest(apiUrl, basicPair), signal);
  return { reply, requestedAt, sentAt };
}

/** @throws ArmorError unless the reply is a token response */
function toToken({ reply, requestedAt, sentAt }: Asked): Token {
  const { accessToken, expiresIn } = judgeToken(reply);
  return { accessToken, expiresIn, requestedAt, expiresAt: sentAt + expiresIn * 1000 };
}

/**
 * Whatever ends the attempts says that the key was refused in its other form, unless it is that
 * itself.
 */
function withRefusal(error: unknown, refusal: ApiReply | undefined): unknown {
  if (refusal === undefined || !(error instanceof ArmorError)) return error;
  if (error.code === "credentials_rejected" || error.code === "cancelled") return error;
  return error.adding(`after it had refused the key in form-encoded form (${answerOf(refusal)})`);
}

/**
 * After a 401: when the pair was last accepted, or else the copying mistakes that its shape shows.
 */
function withCause(error: unknown, credentials: Credentials, last: Token | undefined): unknown {
  if (!(error instanceof ArmorError) || error.code !== "credentials_rejected") return error;
  const { code, problem, details } = error;
  if (last !== undefined) return new ArmorError(code, problem, refusedSince(last), details);
  const sentences = [...hintsOf(credentials), error.remedy];
  return new ArmorError(code, problem, sentences.join(" "), details);
}

/** A pair that got a token before was not copied wrongly, so the usual remedy would mislead. */
function refusedSince({ expiresAt, expiresIn }: Token): string {
  const acceptedAt = isoDate(expiresAt - expiresIn * 1000); // such as 2026-11-30T12:07:00Z
  const hourAndMinute = acceptedAt.replace(/^.*T(\d\d:\d\d).*$/, "$1");
  return (
    `This pair was accepted at ${hourAndMinute} and is refused now: the key was replaced, or the app ` +
    "disabled. Store the key that is valid now, or enable the app, and run the job again."
  );
}

/**
 * Ends the session of which the token is, and gives whether there still was one.
 * @throws ArmorError whose `problem` is a short reason, such as `Armor answered 503`, fit to stand
 * in brackets; `timeout` and the other remedies of the exchange have no part in it
 */
export async function endSession(context: RequestContext, accessToken: string): Promise<boolean> {
  const { apiUrl, send } = context;
  const request = terminateRequest(apiUrl, accessToken);
  const attempt = async (signal: AbortSignal) =>
    judgeTerminate(await sendFollowing(send, request, signal));
  try {
    return await retry(attempt, { ...context, isBrief: true });
  } catch (error) {
    const { code, problem, remedy, details } = asArmorError(error);
    // A bug of this action keeps its remedy, which is to report it.
    const whatFollows = code === "internal_error" ? remedy : SESSION_ENDS;
    throw new ArmorError(code, problem, whatFollows, details);
  }
}
