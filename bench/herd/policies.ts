// Owns the policies that are compared: the action's own code, and three that are common.

import type { Clock } from "../../src/clock.ts";
import { ArmorError } from "../../src/errors.ts";
import type { Send } from "../../src/armor/http.ts";
import { judgeToken, tokenRequest } from "../../src/armor/oauth.ts";
import { fetchToken } from "../../src/armor/token.ts";

/** Gets a token or throws. */
export type Policy = (send: Send, clock: Clock, timeoutMs: number) => Promise<unknown>;

const API_URL = "https://armor.example";
const quote = (text: string) => text;

const action: Policy = (send, clock, timeoutMs) =>
  fetchToken(
    { apiUrl: API_URL, send, clock, timeoutMs, quote, onRetry: () => undefined },
    { appId: "id", apiKey: "key" },
  );

/** Tries again after these pauses, in ms, and does not look at Retry-After. */
function after(pauses: (tries: number) => number | undefined): Policy {
  return async (send, clock, timeoutMs) => {
    const deadline = clock.now() + timeoutMs;
    for (let tries = 1; ; tries += 1) {
      try {
        return judgeToken(await send(tokenRequest(API_URL, "id:key"), new AbortController().signal), quote);
      } catch (error) {
        const pauseMs = pauses(tries);
        const canPass = error instanceof ArmorError && error.canPass;
        if (!canPass || pauseMs === undefined || clock.now() + pauseMs > deadline) throw error;
        await clock.sleep(pauseMs);
      }
    }
  };
}

export const POLICIES = {
  "this action": action,
  "no retry": after(() => undefined),
  "three retries, 5 s apart": after((tries) => (tries <= 3 ? 5_000 : undefined)),
  "exponential, no jitter": after((tries) => Math.min(8_000, 500 * 2 ** (tries - 1))),
} as const satisfies Record<string, Policy>;

export type PolicyName = keyof typeof POLICIES;
