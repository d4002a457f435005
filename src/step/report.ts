import type { StopResult } from "../agent-client/stop.ts";
import { annotationOf } from "../errors.ts";
import type { Stats } from "../protocol/stats.ts";

/** What the post step has to say. */
export type Report = { readonly lines: readonly string[]; readonly warnings: readonly string[] };

export const NOTHING: Report = { lines: [], warnings: [] };

/** What the agent did, or why it cannot be known. */
export function agentReport(result: StopResult, isMainComplete: boolean): Report {
  if (result.kind === "unknown") {
    const then =
      "It ends by itself when its folder is gone, at the latest when the runner cleans up.";
    return {
      lines: [],
      warnings: [agentWarning("could not be asked to stop", result.reason, then)],
    };
  }
  const { stats } = result;
  if (stats === undefined) {
    if (!isMainComplete) return NOTHING; // main has failed, and has stopped it
    const why = "it left no report: it was killed, its folder was removed, or the disk is full";
    return { lines: [], warnings: [earlyEnd(why)] };
  }
  const warnings = problemsOf(stats);
  if (stats.reason !== undefined) warnings.unshift(earlyEnd(stats.reason));
  return { lines: [workOf(stats)], warnings };
}

function earlyEnd(reason: string): string {
  const then =
    "Calls after that could not connect (curl: (7)): look at the first step that failed.";
  return agentWarning("had ended before the job did", reason, then);
}

function agentWarning(what: string, reason: string, then: string): string {
  const sessions = "Sessions of tokens that it fetched end when these expire.";
  const text = `The token agent ${what}: ${reason.replace(/\.$/, "")}. ${then} ${sessions}`;
  return annotationOf("agent_failed", text);
}

/** Such as `Token agent: 3 calls answered (2xx 2, 4xx 1), 1 token fetched.` */
function workOf(stats: Stats): string {
  const used = [
    ...calls("answered", stats.answered),
    ...calls("failed", stats.failed),
    ...times(stats.refused, "call", "refused"),
    ...times(stats.handedOut, "token", "handed out"),
  ];
  if (used.length === 0) {
    const hint = stats.reason === undefined ? ". Where no step needs it, leave keep-fresh out" : "";
    return `Token agent: it answered no call${hint}.`;
  }
  const tokens = [
    ...times(stats.minted, "token", "fetched"),
    ...times(stats.sessionsEnded, "session", "ended"),
  ];
  return `Token agent: ${[...used, ...tokens].join(", ")}.`;
}

function problemsOf({ problems, sessionsNotEnded }: Stats): string[] {
  const warnings = Object.entries(problems).map(([code, text]) => annotationOf(code, text));
  const ends = "may not have ended. Sessions end when their tokens expire.";
  return [...warnings, ...times(sessionsNotEnded, "Armor session", ends)];
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

/** Such as `3 tokens fetched`; nothing for none. */
function times(count: number, noun: string, verb: string): string[] {
  if (count === 0) return [];
  return [`${count} ${count === 1 ? noun : `${noun}s`} ${verb}`];
}
