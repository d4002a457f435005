import type { StopResult } from "../agent-client/stop.ts";
import { annotationOf } from "../errors.ts";
import type { AgentReport } from "../protocol/stats.ts";

/** What the post step has to say. */
export interface Report {
  readonly lines: readonly string[];
  readonly warnings: readonly string[];
  readonly read: readonly string[]; // what was read from Armor, one kind of call each
  readonly debugLog: readonly string[]; // of the agent; empty without debug logging
}

/** A report that says nothing. */
export const NOTHING: Report = { lines: [], warnings: [], read: [], debugLog: [] };

/** A report of one line. */
export function lineReport(line: string): Report {
  return { lines: [line], warnings: [], read: [], debugLog: [] };
}

/** What both say, one after the other. */
export function joined(first: Report, second: Report): Report {
  return {
    lines: [...first.lines, ...second.lines],
    warnings: [...first.warnings, ...second.warnings],
    read: [...first.read, ...second.read],
    debugLog: [...first.debugLog, ...second.debugLog],
  };
}

/**
 * Says what the agent did, or why that cannot be known.
 * @param isMainComplete if it is not, main's own annotation has said what happened
 */
export function agentReport(result: StopResult, isMainComplete: boolean): Report {
  const { debugLog = [] } = result;
  if (result.kind === "unknown") {
    const warning = agentWarning(
      `The token agent could not be asked to stop: ${withoutStop(result.reason)}. ` +
        "It ends by itself when its folder is gone, at the latest when the runner cleans up.",
    );
    return { lines: [], warnings: [warning], read: [], debugLog };
  }
  const { stats } = result;
  if (stats === undefined) {
    if (!isMainComplete) return NOTHING; // main has failed, and has stopped it
    const why =
      " and left no report: a step killed it, RUNNER_TEMP was emptied, or the disk was full";
    return { lines: [], warnings: [earlyEnd(why)], read: [], debugLog };
  }
  const warnings = Object.entries(stats.problems).map(([code, text]) => annotationOf(code, text));
  if (stats.reason !== undefined) warnings.unshift(earlyEnd(`: ${withoutStop(stats.reason)}`));
  // Quiet if main has failed, but what was left behind is said.
  const lines = isMainComplete ? [workOf(stats), ...whyGivenUp(stats)] : [];
  return { lines: [...lines, ...sessionsLeft(stats)], warnings, read: readBy(stats), debugLog };
}

function withoutStop(text: string): string {
  return text.replace(/\.$/, "");
}

function earlyEnd(why: string): string {
  return agentWarning(
    `The token agent ended before the job did${why}. ` +
      "Later calls failed with curl (7): start at the first failed step.",
  );
}

function agentWarning(text: string): string {
  const sessions = "The sessions of its tokens end by themselves when these expire.";
  return annotationOf("agent_failed", `${text} ${sessions}`);
}

/** Such as `Token agent: 3 calls answered (2xx 2, 4xx 1), 1 token fetched, 1 session ended.` */
function workOf(stats: AgentReport): string {
  const used = [
    ...calls("answered", stats.answered),
    ...calls("failed", stats.failed),
    ...times(stats.abandoned, "call", "given up by its client", "given up by their clients"),
    ...times(stats.refused, "call", "refused"),
    ...times(stats.handedOut, "token", "handed out"),
  ];
  const work = [
    ...(used.length === 0 ? ["no call came"] : used),
    ...times(stats.minted, "token", "fetched"),
    ...times(stats.sessionsEnded, "session", "ended"),
  ];
  const line = `Token agent: ${work.join(", ")}.`;
  const isUnused = used.length === 0 && stats.reason === undefined;
  if (!isUnused) return line;
  return `${line} If no step needs it, leave keep-fresh out; steps in another container (docker://) cannot reach it.`;
}

function whyGivenUp({ abandoned }: AgentReport): string[] {
  if (abandoned === 0) return [];
  return [
    "A client gives up if its own time limit (curl: --max-time) is shorter than Armor needs, " +
      "or if its step is cancelled. Give it more time, or ask for less in one call.",
  ];
}

/**
 * Gives whether the agent had the step's own token only, whose session post can try to end itself.
 */
export function hasOnlyOwnToken({ minted }: AgentReport): boolean {
  return minted === 1;
}

function sessionsLeft(stats: AgentReport): string[] {
  const others = hasOnlyOwnToken(stats) ? stats.sessionsNotEnded - 1 : stats.sessionsNotEnded;
  const one = "could not be ended; it ends by itself when its token expires.";
  const several = "could not be ended; they end by themselves when their tokens expire.";
  return times(Math.max(others, 0), "Armor session", one, several);
}

/**
 * Such as `12 × GET /api/v1/discovery/scans 200`. Each begins with a count or a word of ours, so
 * that none is a command.
 */
function readBy({ read, otherKinds, otherCalls, handedOut }: AgentReport): string[] {
  const lines = read.map(
    ({ calls, method, path, status }) => `${calls} × ${method} ${path} ${status}`,
  );
  if (otherKinds > 0) {
    const kinds = otherKinds === 1 ? "1 other kind" : `${otherKinds} other kinds`;
    lines.push(`… and ${kinds} (${otherCalls} ${otherCalls === 1 ? "call" : "calls"})`);
  } else if (otherCalls > 0) lines.push(`… and ${otherCalls} other calls`);
  if (handedOut > 0)
    lines.push(
      "Calls with tokens that armor-token handed out are not seen, so they are not listed.",
    );
  return lines;
}

/** Such as `3 calls answered (2xx 2, 4xx 1)`; nothing for none. */
function calls(verb: string, counts: Readonly<Record<string, number>>): string[] {
  let sum = 0;
  for (const count of Object.values(counts)) sum += count;
  const parts = Object.keys(counts)
    .sort()
    .map((name) => `${name} ${counts[name]}`);
  return times(sum, "call", `${verb} (${parts.join(", ")})`);
}

/**
 * Such as `3 tokens fetched`; nothing for none. @param verbOfMany for several; the same by default
 */
function times(count: number, noun: string, verb: string, verbOfMany = verb): string[] {
  if (count === 0) return [];
  return [count === 1 ? `1 ${noun} ${verb}` : `${count} ${noun}s ${verbOfMany}`];
}
