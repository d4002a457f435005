import type { Stats } from "../agent/stats.ts";
import type { StopResult } from "../agent/stop.ts";
import { annotationOf } from "../errors.ts";

/** What the post step has to say. */
export type Report = { readonly lines: readonly string[]; readonly warnings: readonly string[] };

export const NOTHING: Report = { lines: [], warnings: [] };

const NO_REPORT = "it left no report: it was killed, its folder was removed, or the disk is full";

/** What the agent did, or why it cannot be known. */
export function agentReport(result: StopResult, isMainComplete: boolean): Report {
  if (result.kind === "unknown") {
    const then = "It ends by itself when its folder is gone, at the latest when the runner cleans up.";
    return { lines: [], warnings: [agentWarning("could not be asked to stop", result.reason, then)] };
  }
  const { stats } = result;
  // Where main failed, it has stopped the agent itself.
  if (stats === undefined && !isMainComplete) return NOTHING;
  const { lines, warnings } = stats === undefined ? NOTHING : workOf(stats);
  const reason = stats === undefined ? NO_REPORT : stats.reason;
  if (reason === undefined) return { lines, warnings };
  const then = "Calls after that could not connect (curl: (7)): look at the first step that failed.";
  return { lines, warnings: [agentWarning("had ended before the job did", reason, then), ...warnings] };
}

function agentWarning(what: string, reason: string, then: string): string {
  const others = "Sessions of tokens that it fetched end when these expire.";
  const text = `The token agent ${what}: ${reason.replace(/\.$/, "")}. ${then} ${others}`;
  return annotationOf("agent_failed", text);
}

function workOf(stats: Stats): Report {
  const { minted, handedOut, answered, failed, refused, sessionsEnded, sessionsNotEnded, problems } = stats;
  const used = [
    ...counted(answered, "answered"),
    ...counted(failed, "failed"),
    ...times(refused, "call", "refused"),
    ...times(handedOut, "token", "handed out"),
  ];
  const all = [...used, ...times(minted, "token", "fetched"), ...times(sessionsEnded, "session", "ended")];
  const hint = stats.reason === undefined ? ". Where no step needs it, leave keep-fresh out" : "";
  const warnings = Object.entries(problems).map(([code, text]) => annotationOf(code, text));
  const ends = "may not have ended. Sessions end when their tokens expire.";
  warnings.push(...times(sessionsNotEnded, "Armor session", ends));
  const did = used.length > 0 ? all.join(", ") : `it answered no call${hint}`;
  return { lines: [`Token agent: ${did}.`], warnings };
}

/** Such as `3 calls answered (2xx 2, 4xx 1)`. */
function counted(counts: Readonly<Record<string, number>>, verb: string): string[] {
  const parts = Object.entries(counts).sort();
  const sum = parts.reduce((total, [, count]) => total + count, 0);
  return times(sum, "call", `${verb} (${parts.map((part) => part.join(" ")).join(", ")})`);
}

/** @returns nothing for none */
function times(count: number, noun: string, verb: string): string[] {
  return count === 0 ? [] : [`${count} ${noun}${count === 1 ? "" : "s"} ${verb}`];
}
