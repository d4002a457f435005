import { type ArmorError, asArmorError } from "../errors.ts";
import type { Quote } from "../redact.ts";

type Counts = Record<string, number>;
type RefusedRequest = { error: string; description: string; isFromJob?: boolean };

/** What the agent did and what went wrong. A call whose client left is not counted, every other one once. */
export class Stats {
  /** Why the agent ended, where it was not told to. */
  reason: string | undefined;
  /** The step's own token is one. */
  minted = 1;
  /** Handed out by armor-token. */
  handedOut = 0;
  /** Calls that Armor answered in full, by class of status: `2xx`, `4xx` … */
  readonly answered: Counts = {};
  /** Calls that were not answered in full, by code. */
  readonly failed: Counts = {};
  /** Requests that were refused before Armor saw them. */
  refused = 0;
  sessionsEnded = 0;
  /** Those that may go on. */
  sessionsNotEnded = 0;
  /** By code: the last full text of what went wrong. */
  readonly problems: Record<string, string> = {};
  readonly #quote: Quote;

  constructor(quote: Quote) {
    this.#quote = quote;
  }

  addAnswer(status: number): void {
    increment(this.answered, `${Math.floor(status / 100)}xx`);
  }

  /** Of a call. */
  addFailure(error: unknown): ArmorError {
    const failure = this.addProblem(error);
    increment(this.failed, failure.code);
    return failure;
  }

  addRefusal({ error, description, isFromJob }: RefusedRequest): void {
    this.refused += 1;
    if (isFromJob) this.problems[error] = description;
  }

  addProblem(error: unknown): ArmorError {
    const failure = asArmorError(error, this.#quote);
    this.problems[failure.code] = failure.message;
    return failure;
  }
}

function increment(counts: Counts, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
