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
 * What the agent did, or why it cannot be known.
 * @param own what became of the step's own session, where no agent has ended it
 */
export function agentReport(
  result: StopResult,
  { isComplete, terminateSession }: { readonly isComplete: boolean; readonly terminateSession: boolean },
  own: Telling = { line: "" },
): Telling {
  if (result.kind === "stopped") return workOf(result.reply.report, result.reply.sessions, terminateSession);
  // Where main failed, it has stopped the agent itself.
  if (result.kind === "ended" && !isComplete) return own;
  const text =
    result.kind === "ended"
      ? `The token agent had ended before the job did: ${withoutStop(result.reason)}. Calls after that ` +
        "could not connect (curl: (7)): look at the first step that failed."
      : `The token agent could not be asked to stop: ${withoutStop(result.reason)}. It ends by itself when ` +
        "its folder is gone, at the latest when the runner cleans up.";
  const others = "Sessions of tokens that it fetched end when these expire.";
  return {
    ...own,
    warnings: [annotationOf("agent_failed", `${text} ${others}`), ...(own.warnings ?? [])],
  };
}

function workOf(report: Report, sessions: SessionsEnded, terminateSession: boolean): Telling {
  const { minted, handedOut, answered, failed, refused, problems } = report;
  const [answers, failures] = [sum(answered), sum(failed)];
  const warnings = Object.entries(problems).map(([code, text]) => annotationOf(code, text));
  if (sessions.notEnded > 0) warnings.push(notEnded(sessions));
  if (answers + failures + refused + handedOut === 0) {
    const line = "Token agent: it answered no call. Where no step needs it, leave keep-fresh out.";
    return { line, warnings };
  }
  const parts = [
    [answers, "call", "answered"],
    [failures, "call", "failed"],
    [refused, "call", "refused"],
    [handedOut, "token", "handed out"],
    [minted, "token", "fetched"],
  ] as const;
  const rows = [
    ["calls answered", withParts(answered)],
    ["calls failed", withParts(failed)],
    ["calls refused", String(refused)],
    ["tokens handed out", String(handedOut)],
    ["tokens fetched", String(minted)],
    ["sessions ended", terminateSession ? String(sessions.ended) : "none: terminate-session is false"],
  ] as const;
  const did = parts.flatMap(([times, noun, verb]) => (times > 0 ? `${count(times, noun)} ${verb}` : []));
  return {
    line: `Token agent: ${did.join(", ")}.`,
    rows: rows.filter(([, value]) => value !== "0"),
    warnings,
  };
}

function notEnded({ notEnded, reason = "" }: SessionsEnded): string {
  const were = notEnded === 1 ? "1 Armor session was" : `${notEnded} Armor sessions were`;
  return `${were} not ended, and will end when the tokens expire. ${reason}`.trim();
}

function withoutStop(text = "it left no reason, so it probably was killed"): string {
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
