import { setTimeout as wait } from "node:timers/promises";

/** Time and chance, so that tests can run in virtual time. */
export interface Clock {
  /** Monotonic, in ms. All processes of a machine count from the same start. For durations and deadlines. */
  now(): number;
  /** Wall clock, in ms since the epoch. For what is shown, and for machines that slept. */
  date(): number;
  /** Resolves after `ms`. The process stays alive meanwhile. Rejects at once when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** At least 0, below 1. */
  random(): number;
}

export const systemClock: Clock = {
  now: () => Number(process.hrtime.bigint()) / 1e6,
  date: () => Date.now(),
  sleep: (ms, signal) => wait(ms, undefined, signal === undefined ? {} : { signal }),
  random: () => Math.random(),
};

/** ISO 8601, UTC, whole seconds rounded down. */
export function isoDate(msSinceEpoch: number): string {
  return new Date(msSinceEpoch).toISOString().replace(/\.\d+Z$/, "Z");
}

/** What the promise gives, or what `late` gives where `ms` pass before. */
export async function within<T>(
  clock: Clock,
  ms: number,
  promise: Promise<T>,
  late: () => T | Promise<T>,
): Promise<T> {
  const settled = new AbortController();
  const timeout = clock.sleep(ms, settled.signal).then(late, () => promise);
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    settled.abort();
  }
}
