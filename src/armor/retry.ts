import { clock } from "../clock.ts";
import { ArmorError } from "../errors.ts";

export interface RetryOptions {
  readonly timeoutMs: number; // for everything together: attempts and pauses, in ms
  readonly onRetry?: (error: ArmorError, pauseMs: number) => void; // what it throws ends the attempts
}

const FIRST_BACKOFF_MS = 500;
const FIRST_RATE_LIMIT_BACKOFF_MS = 4_000; // many jobs ask at once: a wider spread (docs/decisions.md)
const MAX_BACKOFF_MS = 8_000;
/** An attempt gets half of what is left, to leave room for another after a stall, but not less than this. */
const MIN_ATTEMPT_LIMIT_MS = 5_000;
const MIN_ATTEMPT_MS = 250; // with less left, an attempt would only replace a clear error by a time-out

/** Until an attempt succeeds, fails for good, or time is up; the last error says how often it was tried. */
export async function retry<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  { timeoutMs, onRetry }: RetryOptions,
): Promise<T> {
  const start = clock.now();
  for (let tries = 1; ; tries += 1) {
    const leftMs = start + timeoutMs - clock.now();
    const limitMs = Math.min(leftMs, Math.max(leftMs / 2, MIN_ATTEMPT_LIMIT_MS));
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), limitMs);
    try {
      return await attempt(deadline.signal).finally(() => clearTimeout(timer));
    } catch (error) {
      if (!(error instanceof ArmorError) || !error.canPass) throw error;
      const elapsedMs = clock.now() - start;
      const askedMs = error.details.retryAfterMs ?? 0;
      const spareMs = timeoutMs - elapsedMs - MIN_ATTEMPT_MS - askedMs;
      // Without a time from the server, the last attempt needs some room: all jobs would make it at once.
      if (spareMs < (askedMs > 0 ? 0 : FIRST_BACKOFF_MS)) {
        const tried = `tried ${tries === 1 ? "once" : `${tries} times`} in ${seconds(elapsedMs)}`;
        const asked = `it asks to wait ${seconds(askedMs)}, which does not fit into what is left of timeout`;
        throw error.adding(askedMs > 0 ? `${tried}; ${asked}` : tried);
      }
      // Drawn from zero up ("full jitter"), so that jobs that failed together do not come back together
      // (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
      const firstMs = error.code === "rate_limited" ? FIRST_RATE_LIMIT_BACKOFF_MS : FIRST_BACKOFF_MS;
      const longestMs = Math.min(MAX_BACKOFF_MS, firstMs * 2 ** (tries - 1), spareMs);
      const pauseMs = askedMs + clock.random() * longestMs;
      onRetry?.(error, pauseMs);
      await clock.sleep(pauseMs);
    }
  }
}

/** For people: tenths below ten seconds, whole ones above, and never 0. */
export function seconds(ms: number): string {
  if (ms > 86_400_000) return "more than a day";
  return ms < 10_000 ? `${Math.max(ms / 1000, 0.1).toFixed(1)} s` : `${Math.ceil(ms / 1000)} s`;
}
