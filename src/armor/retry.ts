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
    try {
      return await withDeadline(attempt, start + timeoutMs - clock.now());
    } catch (error) {
      if (!(error instanceof ArmorError) || !error.canPass) throw error;
      const elapsedMs = clock.now() - start;
      const pauseMs = pauseAfter(error, tries, timeoutMs - elapsedMs);
      if (pauseMs === undefined) throw error.adding(effort(error, tries, elapsedMs));
      onRetry?.(error, pauseMs);
      await clock.sleep(pauseMs);
    }
  }
}

async function withDeadline<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  leftMs: number,
): Promise<T> {
  const deadline = new AbortController();
  const limitMs = Math.min(leftMs, Math.max(leftMs / 2, MIN_ATTEMPT_LIMIT_MS));
  const timer = setTimeout(() => deadline.abort(), limitMs);
  try {
    return await attempt(deadline.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** @returns how long to wait before the next attempt; undefined where no time is left for one */
function pauseAfter(error: ArmorError, tries: number, leftMs: number): number | undefined {
  const askedMs = error.details.retryAfterMs ?? 0;
  const spareMs = leftMs - askedMs - MIN_ATTEMPT_MS;
  // A server that names a time spreads its clients itself. Without one, the pause must have room for jitter:
  // otherwise all jobs that failed together would make their last attempt together.
  const neededMs = askedMs > 0 ? 0 : FIRST_BACKOFF_MS;
  if (spareMs < neededMs) return undefined;
  // Drawn from zero up ("full jitter"), so that jobs that failed together do not come back together
  // (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
  const firstMs = error.code === "rate_limited" ? FIRST_RATE_LIMIT_BACKOFF_MS : FIRST_BACKOFF_MS;
  const longestMs = Math.min(firstMs * 2 ** (tries - 1), MAX_BACKOFF_MS, spareMs);
  return askedMs + clock.random() * longestMs;
}

/** Such as `tried 3 times in 9.6 s`. */
function effort(error: ArmorError, tries: number, elapsedMs: number): string {
  const tried = `tried ${tries === 1 ? "once" : `${tries} times`} in ${seconds(elapsedMs)}`;
  const askedMs = error.details.retryAfterMs ?? 0;
  if (askedMs === 0) return tried;
  return `${tried}; it asks to wait ${seconds(askedMs)}, which does not fit into what is left of timeout`;
}

/** For people: tenths below ten seconds, whole ones above, and never 0. */
export function seconds(ms: number): string {
  if (ms > 86_400_000) return "more than a day";
  return ms < 10_000 ? `${Math.max(ms / 1000, 0.1).toFixed(1)} s` : `${Math.ceil(ms / 1000)} s`;
}
