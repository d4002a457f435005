import { setTimeout as sleep } from "node:timers/promises";

/** Time and chance. Tests put others in their place, so nothing else asks the system for them. */
export const clock = {
  /**
   * Monotonic, in ms, for durations and deadlines. All processes of a machine count from the same
   * start, so that the agent can go on with a time that the main step has noted.
   */
  now: (): number => Number(process.hrtime.bigint()) / 1e6,
  /** The wall clock, in ms since the epoch. Unlike `now`, it goes on while the machine sleeps. */
  date: (): number => Date.now(),
  /** Resolves after `ms`, and rejects at once when the signal aborts. */
  sleep: (ms: number, signal?: AbortSignal): Promise<void> =>
    sleep(ms, undefined, signal && { signal }),
  /** At least 0, below 1. */
  random: (): number => Math.random(),
};

/** ISO 8601, UTC, whole seconds rounded down. */
export function isoDate(msSinceEpoch: number): string {
  return new Date(msSinceEpoch).toISOString().replace(/\.\d+Z$/, "Z");
}

/** What the promise gives, or what `late` gives if `ms` pass before. */
export async function within<T>(
  ms: number,
  promise: Promise<T>,
  late: () => T | Promise<T>,
): Promise<T> {
  const settled = new AbortController();
  // The second callback is for the sleep that is ended below, when the race is over.
  const timeout = clock.sleep(ms, settled.signal).then(late, () => promise);
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    settled.abort();
  }
}

/**
 * Calls back when what had already arrived was read. Node runs timers before it reads from the
 * network, so after a pause of the whole process (a VM that was suspended) a time-out would fire
 * although the answer is there.
 */
export function afterPendingReads(callback: () => void): void {
  // The callbacks of setImmediate run after the event loop's next look at the network (Node's guide
  // to it).
  setImmediate(callback);
}
