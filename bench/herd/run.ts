// `npm run bench:herd`: what happens when very many jobs start at once, in virtual time with the action's own retry code
// and keeper; the second half of docs/benchmarks.md. The same on every machine, but for how long it takes.

import { circumstances, plot, table, writeSection } from "../report.ts";
import { type Outcome, runCrowd, type Scenario } from "./crowd.ts";
import { runMints } from "./mints.ts";
import { POLICIES, type PolicyName } from "./policies.ts";

const CROWDS = [1_000, 10_000];
const OUTAGE_MS = 20_000;
/** The default of action.yml. */
const TIMEOUT_MS = 30_000;
/** So that the server needs 20 s for everybody. */
const LIMIT_SHARE = 1 / 20;
const KEEPERS = 1_000;
const CALL_INTERVALS_S = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600];

const NAMES = Object.keys(POLICIES) as PolicyName[];
const COLORS = { domain: NAMES, range: ["#0b6bcb", "#9aa3af", "#2e8540", "#c8511b"] };

interface Run {
  readonly scenario: Scenario;
  readonly policy: PolicyName;
  readonly outcome: Outcome;
}

const say = (line: string) => process.stdout.write(`${line}\n`);
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const percent = (share: number) => `${(share * 100).toFixed(share > 0 && share < 1 ? 1 : 0)} %`;
const count = (value: number) => value.toLocaleString("en");

function titleOf({ outageMs, hasRetryAfter }: Scenario): string {
  const outage = outageMs === 0 ? "no outage" : `outage of ${outageMs / 1000} s`;
  return `${outage}, ${hasRetryAfter ? "with" : "without"} Retry-After`;
}

async function runAll(): Promise<Run[]> {
  const runs: Run[] = [];
  for (const jobs of CROWDS) {
    for (const outageMs of [0, OUTAGE_MS]) {
      for (const hasRetryAfter of [false, true]) {
        const scenario = {
          jobs,
          outageMs,
          hasRetryAfter,
          perSecond: jobs * LIMIT_SHARE,
          timeoutMs: TIMEOUT_MS,
        };
        say(`${count(jobs)} jobs, ${titleOf(scenario)} …`);
        for (const policy of NAMES) {
          runs.push({ scenario, policy, outcome: await runCrowd(POLICIES[policy], scenario) });
        }
      }
    }
  }
  return runs;
}

function crowdTable(runs: readonly Run[]): string {
  const rows = runs.flatMap(({ scenario, policy, outcome }, index) => {
    const row = [
      policy,
      percent(outcome.share),
      ...(outcome.share > 0
        ? [outcome.requestsPerToken.toFixed(1), seconds(outcome.medianMs), seconds(outcome.drainMs)]
        : ["–", "–", "–"]),
    ];
    const isFirst = index % NAMES.length === 0;
    return isFirst
      ? [[`**${titleOf(scenario)}**`, `at most ${percent(outcome.possible)}`, "", "", ""], row]
      : [row];
  });
  return table(["", "got a token", "requests per token", "median wait", "last one after"], rows);
}

async function sharePlot(runs: readonly Run[]): Promise<string> {
  return await plot("herd-share", "Bars: the share of jobs that get a token, for each policy and scenario", {
    data: {
      values: runs.map(({ scenario, policy, outcome }) => ({
        scenario: titleOf(scenario),
        policy,
        share: outcome.share,
        possible: outcome.possible,
      })),
    },
    facet: { field: "scenario", title: null, sort: null },
    columns: 1,
    spec: {
      width: 400,
      height: 80,
      layer: [
        {
          mark: { type: "bar", height: 14 },
          encoding: {
            y: { field: "policy", type: "nominal", sort: NAMES, title: null },
            x: {
              field: "share",
              type: "quantitative",
              scale: { domain: [0, 1] },
              axis: { format: "%" },
              title: "got a token within timeout; line: at most possible",
            },
            color: { field: "policy", scale: COLORS, legend: null },
          },
        },
        {
          mark: { type: "rule", strokeDash: [4, 3] },
          encoding: { x: { field: "possible", type: "quantitative", aggregate: "max" } },
        },
      ],
    },
  });
}

async function loadPlot(runs: readonly Run[]): Promise<string> {
  const values = runs.flatMap(({ policy, outcome }) =>
    outcome.load.map((requests, second) => ({ policy, second, requests })),
  );
  const limit = runs[0]?.scenario.perSecond ?? 0;
  return await plot("herd-load", "Lines: requests in each second, for each policy, and the server's limit", {
    width: 560,
    height: 220,
    layer: [
      {
        data: { values },
        mark: { type: "line", interpolate: "monotone" },
        encoding: {
          x: { field: "second", type: "quantitative", title: "seconds since the start" },
          y: { field: "requests", type: "quantitative", title: "requests in each second" },
          color: { field: "policy", type: "nominal", scale: COLORS, title: null },
        },
      },
      {
        data: { values: [{ limit }] },
        mark: { type: "rule", strokeDash: [4, 3] },
        encoding: { y: { field: "limit", type: "quantitative" } },
      },
    ],
  });
}

async function mintsSection(): Promise<string[]> {
  const measured = [];
  for (const everyS of CALL_INTERVALS_S) {
    say(`${count(KEEPERS)} agents, a call every ${everyS} s …`);
    measured.push({ everyS, ...(await runMints(KEEPERS, everyS * 1000)) });
  }
  const rows = measured.map(({ everyS, calls, perJobMinute, waitedShare }) => [
    `${everyS} s`,
    count(calls),
    perJobMinute.toFixed(2),
    (60 / everyS).toFixed(2),
    percent(waitedShare),
  ]);
  const values = measured.flatMap(({ everyS, perJobMinute }) => [
    { everyS, way: "token agent", mints: perJobMinute },
    { everyS, way: "a token for each call", mints: 60 / everyS },
  ]);
  return [
    "### What keep-fresh costs the server",
    "",
    `${count(KEEPERS)} jobs of an hour, each with a token agent and tokens that live 60 s. Calls come at random, with`,
    "this pause between them on average. An agent asks nobody while nobody asks it, and never for two calls at once.",
    "",
    table(
      [
        "a call every",
        "calls",
        "mints a job-minute",
        "a token for each call",
        "calls that waited for a token",
      ],
      rows,
    ),
    "",
    await plot("mints", "Lines: mints a job-minute as a function of how often the job calls", {
      data: { values },
      width: 560,
      height: 200,
      mark: { type: "line", point: true },
      encoding: {
        x: {
          field: "everyS",
          type: "quantitative",
          scale: { type: "log" },
          title: "seconds between two calls, on average",
        },
        y: { field: "mints", type: "quantitative", scale: { type: "log" }, title: "mints a job-minute" },
        color: {
          field: "way",
          type: "nominal",
          title: null,
          scale: { domain: ["token agent", "a token for each call"], range: ["#0b6bcb", "#9aa3af"] },
        },
      },
    }),
  ];
}

// A stack is not needed here, and takes longer to make than an attempt.
Error.stackTraceLimit = 0;
const began = performance.now();
const runs = await runAll();
const mints = await mintsSection();
const crowds = CROWDS.map((jobs) => runs.filter(({ scenario }) => scenario.jobs === jobs));
const largest = crowds.at(-1) ?? [];
const lines = [
  `${circumstances()} Virtual time; the run took ${seconds(performance.now() - began)}.`,
  "",
  "### A thousand jobs at 02:00, and ten thousand",
  "",
  "All start within one second, with `timeout: 30`. The server admits so many requests a second that it needs 20 s for",
  "everybody (a token bucket of one second), and answers 429 to the rest. In an outage it answers 503 for the first",
  "20 s. `Retry-After` says when the next request could be admitted, or when the outage ends. The network takes 20 to",
  "80 ms. This action is its own code, down to the judgement of the reply. The other three ignore `Retry-After`, as they",
  "commonly do; the exponential one has this action's limits (0.5 s, doubled up to 8 s) and stops at the same time.",
  '"At most" is what the server can issue before the last job\'s time is up.',
  "",
  ...crowds.flatMap((crowd) => [
    `**${count(crowd[0]?.scenario.jobs ?? 0)} jobs**`,
    "",
    crowdTable(crowd),
    "",
  ]),
  await sharePlot(largest),
  "",
  `Requests in each second, ${count(CROWDS.at(-1) ?? 0)} jobs, no outage, without Retry-After; the dashed line is the limit:`,
  "",
  await loadPlot(largest.slice(0, NAMES.length)),
  "",
  ...mints,
];
await writeSection("herd", lines);
say(`\n${lines.filter((line) => !line.startsWith("![")).join("\n")}\n\nWritten to docs/benchmarks.md.`);
