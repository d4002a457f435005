// Owns what the token agent counts, for the post step to tell.

/** As JSON on the wire between agent and post step. */
export interface Report {
  readonly minted: number;
  /** Served calls by class of status: `2xx`, `4xx` … */
  readonly calls: Readonly<Record<string, number>>;
  /** In ms, until a call's reply was through; of the latest calls where there were very many. */
  readonly medianMs: number;
  readonly slowestMs: number;
  /** How often each error code occurred, in renewals and in calls. */
  readonly failures: Readonly<Record<string, number>>;
  /** Requests that the guard refused. */
  readonly refused: number;
}

const SAMPLES = 4096;

export class Stats {
  /** The token that the agent began with is one. */
  #minted = 1;
  #refused = 0;
  #served = 0;
  #slowestMs = 0;
  readonly #calls = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  readonly #durationsMs = new Float32Array(SAMPLES);

  minted(): void {
    this.#minted += 1;
  }

  refused(): void {
    this.#refused += 1;
  }

  failed(code: string): void {
    increment(this.#failures, code);
  }

  served(status: number, durationMs: number): void {
    increment(this.#calls, `${Math.floor(status / 100)}xx`);
    this.#durationsMs[this.#served % SAMPLES] = durationMs;
    this.#served += 1;
    this.#slowestMs = Math.max(this.#slowestMs, durationMs);
  }

  report(): Report {
    const durations = this.#durationsMs.slice(0, Math.min(this.#served, SAMPLES)).sort();
    return {
      minted: this.#minted,
      calls: Object.fromEntries([...this.#calls].sort()),
      medianMs: durations[durations.length >> 1] ?? 0,
      slowestMs: this.#slowestMs,
      failures: Object.fromEntries([...this.#failures].sort()),
      refused: this.#refused,
    };
  }
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
