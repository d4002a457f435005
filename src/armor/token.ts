import { clock } from "../clock.ts";
import { basicPairs, type Credentials } from "./credentials.ts";
import type { Send } from "./http.ts";
import {
  isClientUnknown,
  judgeTerminate,
  judgeToken,
  terminateRequest,
  tokenRequest,
} from "./oauth.ts";
import { sendFollowing } from "./redirect.ts";
import { type RetryOptions, retry } from "./retry.ts";

/** An access token and its lifetime, counted from before the request was sent. */
export interface Token {
  readonly accessToken: string;
  readonly expiresIn: number; // seconds, as the server said
  readonly requestedAt: number; // when its attempt was about to begin, by the monotonic clock, in ms
  readonly expiresAt: number; // when it expires, by the wall clock, in ms since the epoch
}

/** Where Armor is, how to reach it, and how long to try. */
export interface RequestContext extends RetryOptions {
  readonly apiUrl: string; // without a slash at its end
  readonly send: Send;
}

/** RFC 6749 section 4.4: by the form-encoded pair, and where the client is unknown, by the raw one. */
export async function fetchToken(
  context: RequestContext,
  credentials: Credentials,
): Promise<Token> {
  const { apiUrl, send } = context;
  const { encoded, raw } = basicPairs(credentials);
  return await retry(async (signal) => {
    const sentAt = clock.date();
    const requestedAt = clock.now();
    let reply = await sendFollowing(send, tokenRequest(apiUrl, encoded), signal);
    if (raw !== undefined && isClientUnknown(reply)) {
      const replyToRaw = await sendFollowing(send, tokenRequest(apiUrl, raw), signal);
      // A server that insists on the encoding calls the raw pair malformed; its first answer says more.
      if (replyToRaw.status !== 400) reply = replyToRaw;
    }
    const { accessToken, expiresIn } = judgeToken(reply);
    return { accessToken, expiresIn, requestedAt, expiresAt: sentAt + expiresIn * 1000 };
  }, context);
}

/** Ends the session that the token stands for. @returns whether there still was one. @throws ArmorError */
export async function endSession(context: RequestContext, accessToken: string): Promise<boolean> {
  const { apiUrl, send } = context;
  const request = terminateRequest(apiUrl, accessToken);
  return await retry(
    async (signal) => judgeTerminate(await sendFollowing(send, request, signal)),
    context,
  );
}
