// What each workflow is run with, and what has to be in its log.

import type { Values } from "../../sandbox/runner.ts";

export interface Case {
  readonly name: string;
  /** Path in the repository. */
  readonly workflow: string;
  /** Path of the reusable workflow that it calls. */
  readonly calls?: string;
  readonly event: string;
  readonly vars?: Values;
  /** Until the sandbox's last scan has completed. */
  readonly scanSeconds?: number;
  readonly says: readonly RegExp[];
  /** Whether the workflow is to fail. */
  readonly fails?: boolean;
  /** Whether it is started without any secret, as by a fork, and so must not use the action. */
  readonly isWithoutSecrets?: boolean;
  /** What was uploaded, by path: the artifact's name, and the file's where it is a folder. */
  readonly artifacts?: Readonly<Record<string, RegExp>>;
  /** What GitHub has at first: issues, and artifacts of earlier runs. */
  readonly github?: object;
  /** What was sent to GitHub and to Slack, as JSON. */
  readonly sent?: readonly RegExp[];
}

export const CASES: readonly Case[] = [
  {
    name: "end to end",
    workflow: ".github/workflows/end-to-end.yml",
    event: "workflow_dispatch",
    vars: { CALL_PAUSE: "1" },
    says: [
      /call 6: 200/,
      /\| token: \*\*\*$/m,
      /\| header: Authorization: Bearer \*\*\*$/m,
      /\| gateway: http:\/\/127\.0\.0\.1:\d+\/\*\*\*$/m,
      /direct call: 200/,
      /first token: \*\*\*/,
      /gateway of one: 200/,
      /gateway of two: 200/,
      /token of one: 200/,
      /token of two: 200/,
      /Token agent: 6 calls answered \(2xx \d+\), .*([2-9]|\d\d) tokens fetched/,
    ],
  },
  {
    name: "quick start",
    workflow: "examples/quick-start.yml",
    event: "workflow_dispatch",
    says: [/The report has 3 connections\./, /The Armor session was (ended|over already)/],
  },
  {
    name: "long job",
    workflow: "examples/long-job.yml",
    event: "schedule",
    vars: { POLL_SECONDS: "1", MAX_POLLS: "30" },
    scanSeconds: 10,
    says: [
      /Poll 1 of 30: 1 running/,
      /Poll \d+ of 30: 0 running/,
      /Token agent: \d+ calls answered \(2xx \d+\), .*([2-9]|\d\d) tokens fetched/,
    ],
  },
  {
    name: "long job, beyond its limit",
    workflow: "examples/long-job.yml",
    event: "workflow_dispatch",
    vars: { POLL_SECONDS: "0", MAX_POLLS: "1" },
    scanSeconds: 3_600,
    fails: true,
    says: [
      /Poll 1 of 1: 1 running/,
      /::error::wait_for_scans\.py: Scans still run after 1 polls, 0 seconds apart\./,
      /Token agent: \d+ calls? answered/,
    ],
  },
  {
    name: "nightly report, the first",
    workflow: "examples/nightly-report.yml",
    event: "schedule",
    says: [
      /The first run: nothing to compare with\./,
      /^\| `aws-production` \| 412 \| 287 \| {2}\| {2}\|$/m,
    ],
    artifacts: {
      "pqc-history":
        /^\{"runs": \[\{"at": "[^"]+", "connections": \{"aws-production": \[412, 287\]/,
    },
  },
  {
    name: "nightly report, within its budget",
    workflow: "examples/nightly-report.yml",
    event: "workflow_dispatch",
    vars: { PQC_BUDGET: "7" },
    github: { artifacts: [historyOf(280)] },
    says: [
      /Compared with the run of 2026-11-21T02:17:09Z\./,
      /^\| `aws-production` \| 412 \| 287 \| \+7 \| \+7 \|$/m,
      /^### New since 2026-11-21T02:17:09Z\n\n- \+7 `aws-production`: `keys, kms, rsa2048`, now 140\n\n###/m,
      /^xychart-beta$/m,
      /^ {2}line \[1244, 1251\]$/m,
    ],
    artifacts: { "pqc-history": /\[412, 280\].*\[412, 287\]/ },
  },
  {
    name: "nightly report, worse than its budget",
    workflow: "examples/nightly-report.yml",
    event: "schedule",
    github: { artifacts: [historyOf(280)] },
    fails: true,
    says: [
      /::error::7 more assets are vulnerable than at the lowest of the last 90 days \(budget: 0\)\./,
    ],
    artifacts: { "pqc-history": /\[412, 280\].*\[412, 287\]/ },
  },
  {
    name: "issues",
    workflow: "examples/issues.yml",
    event: "schedule",
    github: {
      issues: [issueOf("aws-production", 280), issueOf("decommissioned", 4)],
    },
    says: [/3 connections, 4 issues changed\./],
    sent: [
      /"body": "280 \\u2192 287 \(\+7\)"/,
      /"state": "closed", "state_reason": "not_planned", "title": "decommissioned"/,
      /"title": "Quantum-vulnerable assets in azure-payments"/,
      /"title": "Quantum-vulnerable assets in datacenter-frankfurt"/,
    ],
  },
  {
    name: "slack",
    workflow: "examples/slack.yml",
    event: "schedule",
    says: [/Slack has taken a message about 3 connections\./, /Token agent: 1 call answered/],
    sent: [
      /"text": "aws-production: 287 of 412 assets are quantum-vulnerable\\nazure-payments: 61 of 138/,
    ],
  },
  {
    name: "inventory to files",
    workflow: "examples/inventory-files.yml",
    event: "schedule",
    says: [
      /Token agent: \d+ calls answered \(2xx \d+\), .*([2-9]|\d\d) tokens fetched/,
      /2550 rows/,
    ],
    artifacts: {
      "inventory/inventory.csv":
        /^\uFEFFconnection,provider,kind,.*\r\n(aws-production|azure-payments|datacenter)/,
      "inventory/cbom.json": /"specVersion": "1\.6"/,
    },
  },
  {
    name: "code scanning",
    workflow: "examples/code-scanning.yml",
    event: "schedule",
    says: [/3 alerts, 2 findings without file or line/],
    artifacts: {
      "sarif/armor.sarif": /"uri": "src\/signing\.py"/,
      "sarif/for": /^refs\/heads\/main [0-9a-f]{40} armor$/m,
    },
  },
  {
    name: "on premises",
    workflow: "examples/on-premises.yml",
    event: "workflow_dispatch",
    says: [/Armor has 3 connections\./],
  },
  {
    name: "scan status",
    workflow: "examples/scan-status.yml",
    event: "workflow_dispatch",
    says: [/3 connections: no newest scan failed\./, /^\| `aws-production` \| `completed` \|$/m],
  },
  {
    name: "reusable workflow",
    workflow: "examples/reusable-budget-caller.yml",
    calls: "examples/reusable-budget.yml",
    event: "schedule",
    says: [/::set-output:: vulnerable=287$/m, /287 assets are vulnerable; the budget is 300\./],
  },
  {
    name: "reusable workflow, in a pull request of a fork",
    workflow: "examples/reusable-budget-caller.yml",
    calls: "examples/reusable-budget.yml",
    event: "pull_request",
    isWithoutSecrets: true,
    says: [/::notice::Not checked, because pull requests of forks/],
  },
  {
    name: "reusable workflow, without the secrets that it should have",
    workflow: "examples/reusable-budget-caller.yml",
    calls: "examples/reusable-budget.yml",
    event: "workflow_dispatch",
    isWithoutSecrets: true,
    fails: true,
    says: [/::error::.*api-key/],
  },
];

/** What an earlier run remembered; one connection had another number of vulnerable assets then. */
function historyOf(vulnerable: number): object {
  const connections = {
    "aws-production": [412, vulnerable],
    "azure-payments": [138, 61],
    "datacenter-frankfurt": [964, 903],
  };
  const details = {
    "aws-production": {
      "certificates, acm, rsa2048": 84,
      "keys, kms, rsa2048": vulnerable - 84 - 63,
      "keys, kms, rsa4096": 63,
    },
    "azure-payments": { "keys, key_vault, ecc_nist_p384": 21, "keys, key_vault, rsa2048": 40 },
    "datacenter-frankfurt": { "keys, databases, rsa2048": 903 },
  };
  const runs = [{ at: "2026-11-21T02:17:09Z", connections }];
  return { name: "pqc-history", content: JSON.stringify({ runs, details }) };
}

function issueOf(connection: string, vulnerable: number): object {
  const mark = JSON.stringify({ connection, total: 412, vulnerable });
  return {
    title: connection,
    body: `<!-- armor ${mark} -->\nText.`,
    state: "open",
    labels: ["armor-pqc"],
  };
}
