// Owns how the token agent's work is told: one line, and a small table. Pure.

import type { Farewell } from "./agent.ts";
import type { Report } from "./stats.ts";

/** What happened, in one line. */
export function reportLine({ report, ended }: Farewell): string {
  const calls = sum(report.calls);
  const failures = sum(report.failures);
  const session = ended > 0 ? `, ${count(ended, "session")} ended` : "";
  return `Token agent: ${count(report.minted, "token")} minted, ${count(calls, "call")} served, ${count(failures, "failure")}${session}.`;
}

/** Names and values. */
export function reportRows({
  minted,
  calls,
  medianMs,
  slowestMs,
  failures,
  refused,
}: Report): [string, string][] {
  const rows: [string, string][] = [
    ["tokens minted", String(minted)],
    ["calls served", withParts(calls)],
    ["median", `${medianMs.toFixed(0)} ms`],
    ["slowest", `${slowestMs.toFixed(0)} ms`],
    ["failures", withParts(failures)],
  ];
  return refused === 0 ? rows : [...rows, ["refused", String(refused)]];
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
