import type { Report } from "./protocol.ts";

/** Counts what the agent does. */
export class Stats {
  readonly #counts = { minted: 1, handedOut: 0, refused: 0 };
  readonly #answered = new Map<string, number>();
  readonly #failed = new Map<string, number>();
  readonly #problems = new Map<string, string>();

  minted(): void {
    this.#counts.minted += 1;
  }

  handedOut(): void {
    this.#counts.handedOut += 1;
  }

  refused(): void {
    this.#counts.refused += 1;
  }

  answered(status: number): void {
    increment(this.#answered, `${Math.floor(status / 100)}xx`);
  }

  /** A call that was not answered in full. */
  failed(code: string, text: string): void {
    increment(this.#failed, code);
    this.problem(code, text);
  }

  /** What the job's log should tell of a call, a refresh or a refusal. */
  problem(code: string, text: string): void {
    this.#problems.set(code, text);
  }

  report(): Report {
    return {
      ...this.#counts,
      answered: sorted(this.#answered),
      failed: sorted(this.#failed),
      problems: sorted(this.#problems),
    };
  }
}

/** By name, so that the same work gives the same report. */
function sorted<T>(map: ReadonlyMap<string, T>): Record<string, T> {
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
