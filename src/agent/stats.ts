import type { ArmorError } from "../errors.ts";
import type { Report } from "./protocol.ts";

/** Counts what the agent does. */
export class Stats implements Report {
  minted = 1;
  handedOut = 0;
  refused = 0;
  readonly answered: Record<string, number> = {};
  readonly failed: Record<string, number> = {};
  readonly problems: Record<string, string> = {};

  /** A call that Armor answered in full. */
  addAnswer(status: number): void {
    increment(this.answered, `${Math.floor(status / 100)}xx`);
  }

  /** A call that was not answered in full. */
  addFailure(failure: ArmorError): void {
    increment(this.failed, failure.code);
    this.addProblem(failure);
  }

  /** What the job's log should tell, of a call or of a refresh. */
  addProblem({ code, message }: ArmorError): void {
    this.problems[code] = message;
  }
}

function increment(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
