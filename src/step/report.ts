import type { StopReply } from "../agent/protocol.ts";
import type { StopResult } from "../agent/stop.ts";
import { annotationOf } from "../errors.ts";

export type Row = readonly [name: string, value: string];

/** What the post step has to say. */
export interface Telling {
  /** Empty where there is nothing to say. */
  readonly line: string;
  /** Details. */
  readonly rows?: readonly Row[];
  /** What went wrong, a line each. */
  readonly warnings?: readonly string[];
}

const ENDED = [
  "had ended before the job did",
  "Calls after that could not connect (curl: (7)): look at the first step that failed.",
];
const UNKNOWN = [
  "could not be asked to stop",
  "It ends by itself when its folder is gone, at the latest when the runner cleans up.",
];

/**
 * What the agent did, or why it cannot be known.
 * @param own what became of the step's own session, where no agent has ended it
 */
export function agentReport(
  result: StopResult,
  { isComplete, terminateSession }: { readonly isComplete: boolean; readonly terminateSession: boolean },
  own: Telling = { line: "" },
): Telling {
  if (result.kind === "stopped") return workOf(result.reply, terminateSession);
  // Where main failed, it has stopped the agent itself.
  if (result.kind === "ended" && !isComplete) return own;
  const { kind, reason = "it left no reason, so it probably was killed" } = result;
  const [what, then] = kind === "ended" ? ENDED : UNKNOWN;
  const others = "Sessions of tokens that it fetched end when these expire.";
  const text = `The token agent ${what}: ${reason.replace(/\.$/, "")}. ${then} ${others}`;
  return { ...own, warnings: [annotationOf("agent_failed", text), ...(own.warnings ?? [])] };
}

function workOf({ report, sessions }: StopReply, terminateSession: boolean): Telling {
  const { minted, handedOut, answered, failed, refused, problems } = report;
  const warnings = Object.entries(problems).map(([code, text]) => annotationOf(code, text));
  if (sessions.notEnded > 0) warnings.push(notEnded(sessions));
  const counts = [
    ["call", "answered", ...totalOf(answered)],
    ["call", "failed", ...totalOf(failed)],
    ["call", "refused", refused, ""],
    ["token", "handed out", handedOut, ""],
    ["token", "fetched", minted, ""],
  ] as const;
  const some = counts.filter(([, , times]) => times > 0);
  if (some.every(([, verb]) => verb === "fetched")) {
    const line = "Token agent: it answered no call. Where no step needs it, leave keep-fresh out.";
    return { line, warnings };
  }
  const did = some.map(([noun, verb, times]) => `${times} ${noun}${times === 1 ? "" : "s"} ${verb}`);
  const rows = some.map(([noun, verb, times, parts]): Row => [`${noun}s ${verb}`, `${times}${parts}`]);
  const ended = terminateSession ? String(sessions.ended) : "none: terminate-session is false";
  if (ended !== "0") rows.push(["sessions ended", ended]);
  return { line: `Token agent: ${did.join(", ")}.`, rows, warnings };
}

function notEnded({ notEnded, reason = "" }: StopReply["sessions"]): string {
  const were = notEnded === 1 ? "1 Armor session was" : `${notEnded} Armor sessions were`;
  return `${were} not ended, and will end when the tokens expire. ${reason}`.trim();
}

/** The sum, and what it is made of. */
function totalOf(counts: Readonly<Record<string, number>>): [sum: number, parts: string] {
  const parts = Object.entries(counts)
    .sort()
    .map(([name, times]) => `${name} ${times}`);
  const sum = Object.values(counts).reduce((total, times) => total + times, 0);
  return [sum, ` (${parts.join(", ")})`];
}
