// What each workflow is run with, and what has to be in its log.

import type { Values } from "../../sandbox/runner.ts";

export interface Case {
  readonly name: string;
  /** Path in the repository. */
  readonly workflow: string;
  readonly event: string;
  readonly vars?: Values;
  readonly says: readonly RegExp[];
  /** Whether the workflow is to fail. */
  readonly fails?: boolean;
  /** What was uploaded, by name. */
  readonly artifacts?: Readonly<Record<string, RegExp>>;
}

export const CASES: readonly Case[] = [
  {
    name: "end to end",
    workflow: ".github/workflows/end-to-end.yml",
    event: "workflow_dispatch",
    vars: { CALL_PAUSE: "1" },
    says: [
      /call 6: 200/,
      /\| \*\*\*$/m,
      /Authorization: Bearer \*\*\*/,
      /direct call: 200/,
      /first token: \*\*\*/,
      /gateway of one: 200/,
      /gateway of two: 200/,
      /token of one: 200/,
      /token of two: 200/,
      /Token agent: ([2-9]|\d\d) tokens minted, 6 calls served, 0 failures/,
    ],
  },
  {
    name: "quick start",
    workflow: "examples/quick-start.yml",
    event: "workflow_dispatch",
    says: [/"connection_summary"/, /Ended the Armor session|expired \d+ s before the job ended/],
  },
  {
    name: "long job",
    workflow: "examples/long-job.yml",
    event: "workflow_dispatch",
    vars: { POLL_SECONDS: "1", MAX_POLLS: "30" },
    says: [/Poll 1 of 30: 1 running/, /Poll \d+ of 30: 0 running/, /Token agent: ([2-9]|\d\d) tokens minted/],
  },
  {
    name: "long job, beyond its limit",
    workflow: "examples/long-job.yml",
    event: "workflow_dispatch",
    vars: { POLL_SECONDS: "0", MAX_POLLS: "1" },
    fails: true,
    says: [/Poll 1 of 1: 1 running/, /Scans still run after 1 polls/, /Token agent: 1 token minted/],
  },
  {
    name: "nightly report",
    workflow: "examples/nightly-pqc-report.yml",
    event: "schedule",
    vars: { PQC_THRESHOLD: "90" },
    says: [/OK: 82\.6 percent of the assets are vulnerable/],
    artifacts: { "pqc-report": /"connection_summary"/ },
  },
  {
    name: "nightly report, above its threshold",
    workflow: "examples/nightly-pqc-report.yml",
    event: "workflow_dispatch",
    vars: { PQC_THRESHOLD: "10" },
    fails: true,
    says: [/82\.6 percent of the assets are vulnerable, the threshold is 10/],
    artifacts: { "pqc-report": /"connection_summary"/ },
  },
  {
    name: "inventory export",
    workflow: "examples/inventory-export.yml",
    event: "workflow_dispatch",
    says: [/Token agent: ([2-9]|\d\d) tokens minted, 2\d calls served, 0 failures/],
    artifacts: { inventory: /^(\{.*\}\n){2400}$/ },
  },
  {
    name: "on premises",
    workflow: "examples/on-premises.yml",
    event: "workflow_dispatch",
    says: [/aws-production/, /datacenter-frankfurt/],
  },
  {
    name: "matrix",
    workflow: "examples/matrix.yml",
    event: "workflow_dispatch",
    says: [
      /aws-production: completed/,
      /azure-payments: completed/,
      /datacenter-frankfurt: (in_progress|completed)/,
    ],
  },
];
