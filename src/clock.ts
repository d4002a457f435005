// Owns time and chance, so that everything above can be run in virtual time.

import { setTimeout as wait } from "node:timers/promises";

export interface Clock {
  /** Monotonic, in ms from an arbitrary start. For durations and deadlines. */
  now(): number;
  /** Wall clock, in ms since the epoch. For what is shown or handed to another process. */
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
