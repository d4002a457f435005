import { type ArmorError, asArmorError } from "../errors.ts";
import { printable } from "../redact.ts";

type Counts = Readonly<Record<string, number>>;

/** Calls of one kind that Armor answered. */
export interface ReadCalls {
  readonly method: string; // "GET" or "HEAD"
  readonly path: string; // below api-url, with `{id}` in place of each UUID, without a query
  readonly status: number; // of Armor's answer
  calls: number;
}

/** What the agent did, as it tells post. */
export interface AgentReport {
  readonly reason?: string; // why the agent ended; left out if it was told to
  readonly minted: number; // tokens, the step's own included
  readonly handedOut: number; // tokens that armor-token got
  readonly answered: Counts; // calls that Armor answered in full, by class of status: `2xx`, `4xx` …
  readonly failed: Counts; // calls that were not answered in full, by code
  readonly abandoned: number; // calls whose clients left before they were answered in full
  readonly refused: number; // requests that were refused before Armor saw them
  readonly sessionsEnded: number;
  readonly sessionsNotEnded: number; // those that may go on
  readonly problems: Readonly<Record<string, string>>; // by code: the last full text of what went wrong
  readonly read: readonly Readonly<ReadCalls>[]; // the most frequent kinds of calls, at most 50
  readonly otherKinds: number; // how many kinds of calls are not in `read`; too few beyond 1,000 kinds
  readonly otherCalls: number; // how many calls were of a kind that is not in `read`
}

/** A request that the gateway refused. */
interface RefusedRequest {
  readonly error: string;
  readonly description: string;
  readonly isFromJob?: boolean; // it had a capability, so the job's log tells of it
}

/**
 * How many kinds of calls are told apart: more than are reported, so that the most frequent ones
 * are.
 */
const MAX_KINDS = 1_000;
const MAX_REPORTED_KINDS = 50;
const MAX_PATH_LENGTH = 200;
const UUID = /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/gi;

/** Counts what the agent does and keeps what went wrong. Every call is counted once. */
export class Stats {
  reason: string | undefined; // why the agent ended; undefined if it was told to
  minted = 1; // the step's own token is one
  handedOut = 0;
  readonly answered: Record<string, number> = {};
  readonly failed: Record<string, number> = {};
  abandoned = 0;
  refused = 0;
  sessionsEnded = 0;
  sessionsNotEnded = 0;
  readonly problems: Record<string, string> = {};
  readonly #read = new Map<string, ReadCalls>(); // by method, path and status
  #callsOfOtherKinds = 0; // beyond MAX_KINDS

  /** A call that Armor answered in full. */
  addAnswer(status: number): void {
    const name = `${Math.floor(status / 100)}xx`;
    this.answered[name] = (this.answered[name] ?? 0) + 1;
  }

  /**
   * The same call: what was read. @param path without its query, as the guard has let it through
   */
  addRead(method: string, path: string, status: number): void {
    const general = shortened(path.replace(UUID, "{id}"));
    const kind = `${method} ${general} ${status}`;
    const known = this.#read.get(kind);
    if (known !== undefined) known.calls += 1;
    else if (this.#read.size < MAX_KINDS)
      this.#read.set(kind, { method, path: general, status, calls: 1 });
    else this.#callsOfOtherKinds += 1;
  }

  /** A call that was not answered in full. */
  addFailure(error: unknown): ArmorError {
    const failure = this.addProblem(error);
    this.#countFailure(failure.code);
    return failure;
  }

  /** A call that was ended because its client did not read the reply while other calls waited. */
  addUnread({ error, description }: RefusedRequest): void {
    this.#countFailure(error);
    this.problems[error] = description;
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

  /** All that was counted, without a secret. */
  report(): AgentReport {
    const kinds = [...this.#read.values()].sort((a, b) => b.calls - a.calls);
    const others = kinds.splice(MAX_REPORTED_KINDS);
    let otherCalls = this.#callsOfOtherKinds;
    for (const { calls } of others) otherCalls += calls;
    const problems = Object.entries(this.problems);
    return {
      ...(this.reason === undefined ? {} : { reason: printable(this.reason) }),
      minted: this.minted,
      handedOut: this.handedOut,
      answered: this.answered,
      failed: this.failed,
      abandoned: this.abandoned,
      refused: this.refused,
      sessionsEnded: this.sessionsEnded,
      sessionsNotEnded: this.sessionsNotEnded,
      problems: Object.fromEntries(problems.map(([code, text]) => [code, printable(text)])),
      read: kinds.map((kind) => ({ ...kind, path: printable(kind.path) })),
      otherKinds: others.length,
      otherCalls,
    };
  }

  /** For JSON.stringify. */
  toJSON(): AgentReport {
    return this.report();
  }

  #countFailure(code: string): void {
    this.failed[code] = (this.failed[code] ?? 0) + 1;
  }
}

/** A secret is hidden before the cut, which could leave a part of it. */
function shortened(path: string): string {
  if (path.length <= MAX_PATH_LENGTH) return path;
  return `${printable(path).slice(0, MAX_PATH_LENGTH)}…`;
}

/** Bounds of what is believed: a report lies in a file that any step of the job can write. */
const MAX_COUNT = 1e9;
const MAX_ENTRIES = 100;
const MAX_TEXT = 4_000; // characters; no text of the agent's is longer
const NAME = /^\w{1,40}$/;
const METHOD = /^(?:GET|HEAD)$/;
const PATH = /^[\w\-.~:@/{}*… ]{1,250}$/; // `***` and a blank come of a secret or a control character

type Fields = Readonly<Record<string, unknown>>;

/** @returns the report in this JSON value, with no other field; undefined if it is no report */
export function parseStats(value: unknown): AgentReport | undefined {
  if (!isObject(value)) return undefined;
  const counts = {
    minted: value["minted"],
    handedOut: value["handedOut"],
    abandoned: value["abandoned"],
    refused: value["refused"],
    sessionsEnded: value["sessionsEnded"],
    sessionsNotEnded: value["sessionsNotEnded"],
    otherKinds: value["otherKinds"],
    otherCalls: value["otherCalls"],
  };
  if (!areCounts(counts)) return undefined;
  const { reason, answered, failed, problems, read } = value;
  if (reason !== undefined && !isText(reason)) return undefined;
  if (!isRecordOf(answered, isCount) || !isRecordOf(failed, isCount)) return undefined;
  if (!isRecordOf(problems, isText) || !isListOfReads(read)) return undefined;
  const report = {
    ...counts,
    answered,
    failed,
    problems,
    read: read.map(({ method, path, status, calls }) => ({ method, path, status, calls })),
  };
  return reason === undefined ? report : { ...report, reason };
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_COUNT;
}

function areCounts<Name extends string>(
  values: Readonly<Record<Name, unknown>>,
): values is Readonly<Record<Name, number>> {
  return Object.values(values).every(isCount);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_TEXT;
}

function isRecordOf<T>(
  value: unknown,
  isEntry: (entry: unknown) => entry is T,
): value is Readonly<Record<string, T>> {
  if (!isObject(value)) return false;
  const entries = Object.entries(value);
  return (
    entries.length <= MAX_ENTRIES && entries.every(([name, it]) => NAME.test(name) && isEntry(it))
  );
}

function isListOfReads(value: unknown): value is readonly ReadCalls[] {
  return Array.isArray(value) && value.length <= MAX_ENTRIES && value.every(isRead);
}

function isRead(value: unknown): value is ReadCalls {
  if (!isObject(value)) return false;
  const { method, path, status, calls } = value;
  if (typeof method !== "string" || !METHOD.test(method)) return false;
  if (typeof path !== "string" || !PATH.test(path)) return false;
  return isCount(status) && status >= 100 && status <= 999 && isCount(calls);
}
