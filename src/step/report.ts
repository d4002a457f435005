import type { Report, SessionsEnded } from "../agent/protocol.ts";
import type { StopResult } from "../agent/stop.ts";
import { annotationOf } from "../errors.ts";

/** What the post step has to say. */
export interface Telling {
  /** Empty where there is nothing to say. */
  readonly line: string;
  /** Details: names and values. */
  readonly rows?: readonly (readonly [name: string, value: string])[];
  /** What went wrong, a line each. */
  readonly warnings?: readonly string[];
}

/**
 * What the agent did, or why it cannot be known. `own` is what became of the step's own session, where
 * post ended it.
 */
export function agentReport(
  result: StopResult,
  { isComplete, terminateSession }: { readonly isComplete: boolean; readonly terminateSession: boolean },
  own: Telling = { line: "" },
): Telling {
  if (result.kind === "stopped") return workOf(result.reply.report, result.reply.sessions, terminateSession);
  const others = "Sessions of other tokens end when these expire.";
  const warnings = own.warnings ?? [];
  if (result.kind === "ended") {
    // Where main failed, it has stopped the agent itself.
    if (!isComplete) return own;
    const why = result.reason ?? "it left no reason, so it probably was killed";
    const fact = `The token agent had ended before the job did: ${withoutStop(why)}`;
    const text = `${fact}. Calls after that failed. ${others}`;
    return { ...own, warnings: [annotationOf("agent_failed", text), ...warnings] };
  }
  const fact = `The token agent could not be asked to stop: ${withoutStop(result.reason)}`;
  const end = "It ends by itself when its folder is gone, at the latest with the runner's clean-up";
  const text = `${fact}. ${end}. ${others}`;
  return { ...own, warnings: [annotationOf("agent_failed", text), ...warnings] };
}

function workOf(report: Report, sessions: SessionsEnded, terminateSession: boolean): Telling {
  const { minted, handedOut, answered, failed, refused, problems } = report;
  const [answeredCount, failedCount] = [sum(answered), sum(failed)];
  const isUnused = answeredCount + failedCount + handedOut + refused === 0;
  const did = isUnused
    ? "it was not used. Without keep-fresh, this job would have one process less."
    : `${count(answeredCount, "call")} answered${failedCount > 0 ? `, ${failedCount} failed` : ""}, ` +
      `${count(handedOut, "token")} handed out, ${count(minted, "token")} fetched.`;
  const rows = [
    ["calls answered", withParts(answered)],
    ["calls failed", withParts(failed)],
    ["calls refused", String(refused)],
    ["tokens handed out", String(handedOut)],
    ["tokens fetched", String(minted)],
    ["sessions ended", terminateSession ? String(sessions.ended) : "none: terminate-session is false"],
  ].filter(([, value]) => value !== "0") as [string, string][];
  return {
    line: `Token agent: ${did}`,
    rows: isUnused ? [] : rows,
    warnings: [
      ...Object.entries(problems).map(([code, text]) => annotationOf(code, text)),
      ...notEnded(sessions),
    ],
  };
}

function notEnded({ notEnded, reason = "" }: SessionsEnded): string[] {
  if (notEnded === 0) return [];
  const were = notEnded === 1 ? "1 Armor session was" : `${notEnded} Armor sessions were`;
  return [`${were} not ended, and will end when the tokens expire. ${reason}`.trim()];
}

function withoutStop(text: string): string {
  return text.replace(/\.$/, "");
}

function withParts(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, times]) => `${name} ${times}`);
  return parts.length === 0 ? "0" : `${sum(counts)} (${parts.join(", ")})`;
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, times) => total + times, 0);
}

function count(times: number, noun: string): string {
  return `${times} ${noun}${times === 1 ? "" : "s"}`;
}
