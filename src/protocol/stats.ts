import { type ArmorError, asArmorError } from "../errors.ts";

type Counts = Record<string, number>;

/** A request that the gateway's guard refused. */
interface RefusedRequest {
  readonly error: string;
  readonly description: string;
  readonly isFromJob?: boolean; // it had a capability, so the job's log tells of it
}

/** What the agent did and what went wrong. A call whose client left is not counted, every other one once. */
export class Stats {
  reason: string | undefined; // why the agent ended, where it was not told to
  minted = 1; // the step's own token is one
  handedOut = 0; // handed out by armor-token
  readonly answered: Counts = {}; // calls that Armor answered in full, by class of status: `2xx`, `4xx` …
  readonly failed: Counts = {}; // calls that were not answered in full, by code
  refused = 0; // requests that were refused before Armor saw them
  sessionsEnded = 0;
  sessionsNotEnded = 0; // those that may go on
  readonly problems: Record<string, string> = {}; // by code: the last full text of what went wrong

  addAnswer(status: number): void {
    const name = `${Math.floor(status / 100)}xx`;
    this.answered[name] = (this.answered[name] ?? 0) + 1;
  }

  addFailure(error: unknown): ArmorError {
    const failure = this.addProblem(error);
    this.failed[failure.code] = (this.failed[failure.code] ?? 0) + 1;
    return failure;
  }

  addRefusal({ error, description, isFromJob }: RefusedRequest): void {
    this.refused += 1;
    if (isFromJob) this.problems[error] = description;
  }

  addProblem(error: unknown): ArmorError {
    const failure = asArmorError(error);
    this.problems[failure.code] = failure.message;
    return failure;
  }
}

/** @returns the report that the value is; undefined if it is none, as its sender may be another program */
export function parseStats(value: unknown): Stats | undefined {
  if (typeof value !== "object" || value === null || !("minted" in value)) return undefined;
  return value as Stats;
}
