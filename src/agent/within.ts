import type { Clock } from "../clock.ts";

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
