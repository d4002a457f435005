import { clock } from "../clock.ts";
import { debug } from "../debug.ts";
import { ArmorError, type ErrorCode } from "../errors.ts";

/** How long to try, and whom to tell. */
export interface RetryOptions {
  readonly timeoutMs: number; // for everything together: attempts and pauses
  /**
   * Is told before each pause what failed, how long the pause is, and a line for the log that says
   * so. What it throws ends the attempts.
   */
  readonly onRetry?: (error: ArmorError, pauseMs: number, line: string) => void;
  /**
   * True: the error at the end is thrown as it is, without how often it was tried and what would
   * have helped.
   */
  readonly isBrief?: boolean;
}

/**
 * What the pause after the first failure is drawn from. Each later one is drawn from twice as much.
 */
export const FIRST_BACKOFF_MS = 500;
const FIRST_RATE_LIMIT_BACKOFF_MS = 4_000; // many jobs ask at once: a wider spread (docs/decisions.md)
/**
 * Limits are counted by the second or longer, so that an earlier attempt would only be counted as
 * one more.
 */
const MIN_RATE_LIMIT_PAUSE_MS = 1_000;
export const MAX_BACKOFF_MS = 8_000;
/**
 * An attempt gets half of what is left, to leave room for another after a stall, but not less than
 * this.
 */
const MIN_ATTEMPT_LIMIT_MS = 5_000;
export const MIN_ATTEMPT_MS = 250; // with less left, an attempt would only replace a clear error by a time-out
const MAX_TIMEOUT_S = 300; // the largest value of the input `timeout`

/** Errors that are Armor's own answer, and so say more than a later attempt without any. */
const ANSWERS: ReadonlySet<ErrorCode> = new Set(["rate_limited", "server_unavailable"]);

/**
 * Gives what the first attempt gives that succeeds.
 * @throws the error of an attempt that cannot pass, at once; else, when no time is left for another
 * attempt, the last error that was an answer of the server's, or the last one if there was no
 * answer
 */
export async function retry<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const { timeoutMs, onRetry } = options;
  const start = clock.now();
  const backoff = new Backoff();
  let answer: ArmorError | undefined;
  let last: ArmorError | undefined;
  for (let tries = 1; ; tries += 1) {
    const attemptStart = clock.now();
    try {
      return await withDeadline(attempt, start + timeoutMs - attemptStart);
    } catch (error) {
      if (!(error instanceof ArmorError)) throw error;
      const ms = Math.round(clock.now() - attemptStart);
      debug(() => `Attempt ${tries} failed after ${ms} ms: ${error.code}`);
      if (!error.canPass) throw error;
      if (ANSWERS.has(error.code)) answer = error;
      const elapsedMs = clock.now() - start;
      const pauseMs = backoff.pauseAfter(error, timeoutMs - elapsedMs);
      if (pauseMs === undefined) throw gaveUp(error, answer, { tries, elapsedMs, options });
      onRetry?.(error, pauseMs, retryLine(error, tries, pauseMs, last));
      last = error;
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

/** The pauses of one run of attempts. */
class Backoff {
  #failures = 0;
  #longestMs = 0; // what the last pause was drawn from; it never shrinks

  /**
   * How long to wait before the next attempt; undefined if no time is left for one.
   * @param leftMs of the time for everything
   */
  pauseAfter(error: ArmorError, leftMs: number): number | undefined {
    this.#failures += 1;
    const askedMs = error.details.retryAfterMs ?? 0;
    const spareMs = leftMs - askedMs - MIN_ATTEMPT_MS;
    if (askedMs > 0) return askedPause(askedMs, spareMs, this.#nextLongest(error));
    // The pause must have room for jitter: otherwise all jobs that failed together would make their
    // last attempt together.
    const shortestMs = error.code === "rate_limited" ? MIN_RATE_LIMIT_PAUSE_MS : 0;
    if (spareMs < Math.max(FIRST_BACKOFF_MS, shortestMs)) return undefined;

    // Where the time is short, the pause is drawn from what is left, but from no less than the one
    // before it. If what was drawn does not fit, that is the end: shorter and shorter pauses would
    // put a cluster of attempts into the last seconds, when the server needs rest most.
    const nextLongestMs = this.#nextLongest(error);
    this.#longestMs = Math.max(this.#longestMs, Math.min(nextLongestMs, spareMs));
    // Drawn from the shortest up ("full jitter"), so that jobs that failed together do not come
    // back together (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    const rangeMs = Math.max(0, this.#longestMs - shortestMs);
    const pauseMs = shortestMs + clock.random() * rangeMs;
    return pauseMs <= spareMs ? pauseMs : undefined;
  }

  #nextLongest({ code }: ArmorError): number {
    const firstMs = code === "rate_limited" ? FIRST_RATE_LIMIT_BACKOFF_MS : FIRST_BACKOFF_MS;
    return Math.min(firstMs * 2 ** (this.#failures - 1), MAX_BACKOFF_MS);
  }
}

/**
 * As long as the server asks, and jitter on top, for which little room is enough: it spreads its
 * clients itself.
 */
function askedPause(askedMs: number, spareMs: number, longestMs: number): number | undefined {
  if (spareMs < 0) return undefined;
  return askedMs + clock.random() * Math.min(longestMs, spareMs);
}

/**
 * The line for the log before a pause: the problem once, and then the number of the next attempt
 * alone, such as `Try 3 in 2.2 s.`
 * @param tries attempts so far. @param last the error of the attempt before, if there was one
 */
export function retryLine(
  error: ArmorError,
  tries: number,
  pauseMs: number,
  last?: ArmorError,
): string {
  const isToldAlready = last !== undefined && last.problem === error.problem;
  if (isToldAlready) return `Try ${tries + 1} in ${seconds(pauseMs)}.`;
  return `${error.problem}. Next try in ${seconds(pauseMs)}.`;
}

/** How it ended. */
interface Effort {
  readonly tries: number;
  readonly elapsedMs: number; // since the first attempt began
  readonly options: RetryOptions;
}

/**
 * The error to be told when no time is left, with what was done and, if that is known, what would
 * be enough.
 * @param answer the last error that was an answer, if there was one
 */
function gaveUp(
  last: ArmorError,
  answer: ArmorError | undefined,
  { tries, elapsedMs, options }: Effort,
): ArmorError {
  const error = answer ?? last;
  if (options.isBrief) return error;
  const tried = `tried ${tries === 1 ? "once" : `${tries} times`} in ${seconds(elapsedMs)}`;
  if (error !== last) return error.adding(`${tried}, at last without an answer`);
  const { code, problem, details } = error;
  const askedMs = details.retryAfterMs ?? 0;
  if (askedMs === 0) return error.adding(tried);

  const timeout = wholeSeconds(options.timeoutMs);
  const asks = `${problem} and asks to wait ${wholeSeconds(askedMs)}, longer than timeout (${timeout}) allows`;
  const fact = tries === 1 ? asks : `${asks}, ${tried}`;
  const neededS = Math.floor(
    Math.max(options.timeoutMs, elapsedMs + askedMs + MIN_ATTEMPT_MS) / 1000,
  );
  const later = code === "rate_limited" ? "start at another minute" : "run the job again later";
  if (neededS < MAX_TIMEOUT_S)
    return new ArmorError(code, fact, `Set timeout above ${neededS}, or ${later}.`, details);
  const remedy = `No timeout is long enough for that: ${later}.`;
  return new ArmorError(code, fact, remedy, details);
}

/** A duration for people: tenths below ten seconds, whole seconds above, and never 0. */
export function seconds(ms: number): string {
  if (ms > 86_400_000) return "more than a day";
  return ms < 10_000 ? `${Math.max(ms / 1000, 0.1).toFixed(1)} s` : `${Math.ceil(ms / 1000)} s`;
}

/** The same for what somebody has set in whole seconds: `5 s`, not `5.0 s`. */
function wholeSeconds(ms: number): string {
  return seconds(ms).replace(".0 ", " ");
}
