import { setTimeout as sleep } from "node:timers/promises";

/** Time and chance; tests put others in their place. */
export const clock = {
  /** Monotonic, in ms. All processes of a machine count from the same start. For durations and deadlines. */
  now: (): number => Number(process.hrtime.bigint()) / 1e6,
  date: (): number => Date.now(), // wall clock, in ms since the epoch, also for machines that slept
  /** Resolves after `ms`, and rejects at once when the signal aborts. */
  sleep: (ms: number, signal?: AbortSignal): Promise<void> => sleep(ms, undefined, signal && { signal }),
  random: (): number => Math.random(), // at least 0, below 1
};

/** ISO 8601, UTC, whole seconds rounded down. */
export function isoDate(msSinceEpoch: number): string {
  return new Date(msSinceEpoch).toISOString().replace(/\.\d+Z$/, "Z");
}

/** What the promise gives, or what `late` gives where `ms` pass before. */
export async function within<T>(ms: number, promise: Promise<T>, late: () => T | Promise<T>): Promise<T> {
  const settled = new AbortController();
  const timeout = clock.sleep(ms, settled.signal).then(late, () => promise);
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    settled.abort();
  }
}
