// Owns virtual time for many actors at once: a queue of events, and clocks that sleep in it. Hours pass in seconds, and
// always in the same way.

import type { Clock } from "../../src/clock.ts";

interface Event {
  readonly at: number;
  run(): void;
}

export class Simulation {
  /** Whole ms since the start. */
  now = 0;
  readonly #queue: Event[] = [];

  /** Runs this in so many ms, rounded up to a whole one. */
  after(ms: number, run: () => void): void {
    push(this.#queue, { at: Math.ceil(this.now + Math.max(0, ms)), run });
  }

  /** Lets time pass until nothing is to happen any more, or until `endMs`. */
  async run(endMs = Number.POSITIVE_INFINITY): Promise<void> {
    for (let next = this.#queue[0]; next !== undefined && next.at <= endMs; next = this.#queue[0]) {
      this.now = next.at;
      for (; next !== undefined && next.at === this.now; next = this.#queue[0]) pop(this.#queue)?.run();
      // What these events set off has run to its next sleep when an immediate is due.
      await new Promise(setImmediate);
    }
  }

  /** A clock of this time for one actor. */
  clock(random: () => number): Clock {
    return {
      now: () => this.now,
      date: () => Date.UTC(2026, 0, 1, 2) + this.now,
      random,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          this.after(ms, resolve);
          signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
        }),
    };
  }
}

/** A binary heap, the earliest event on top. */
function push(heap: Event[], event: Event): void {
  let index = heap.push(event) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (at(heap, parent) <= event.at) break;
    swap(heap, index, parent);
    index = parent;
  }
}

function pop(heap: Event[]): Event | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return top;
  heap[0] = last;
  for (let index = 0; ; ) {
    const [left, right] = [2 * index + 1, 2 * index + 2];
    const least = at(heap, right) < at(heap, left) ? right : left;
    if (at(heap, least) >= last.at) return top;
    swap(heap, index, least);
    index = least;
  }
}

function at(heap: readonly Event[], index: number): number {
  return heap[index]?.at ?? Number.POSITIVE_INFINITY;
}

function swap(heap: Event[], a: number, b: number): void {
  [heap[a], heap[b]] = [heap[b] as Event, heap[a] as Event];
}

/** Numbers from 0 to 1 that are the same in every run: a linear congruential generator (Numerical Recipes). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
