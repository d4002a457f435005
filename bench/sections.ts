// The sections of docs/benchmarks.md: what was measured, as tables and plots.

import type { FloodResult } from "./floods.ts";
import * as gateway from "./gateway.ts";
import { median, quantile, ratio } from "./measure.ts";
import { plot, table } from "./report.ts";
import type { benchKeepFresh, benchPost, Way } from "./step.ts";
import { SCHEMES, type Scheme } from "./world.ts";

export const ms = (value: number) => `${value.toFixed(1)} ms`;
export const times = (value: number) => `${value.toFixed(2)} ×`;

export async function mainStepSection(
  results: Record<Scheme, Record<Way, number[]>>,
): Promise<string[]> {
  const ways = Object.keys(results.https) as Way[];
  const cells = (way: Way) =>
    SCHEMES.flatMap((scheme) => {
      const { [way]: measured, floor } = results[scheme];
      return [ms(median(measured)), times(ratio(measured, floor))];
    });
  const values = ways.map((way) => {
    const [p10, p50, p90] = [0.1, 0.5, 0.9].map((share) => quantile(results.https[way], share));
    return { way, p10, p50, p90 };
  });
  const y = { field: "way", type: "nominal" as const, sort: ways, title: null };
  const x = {
    type: "quantitative" as const,
    title: "ms over https, median; line: 10th to 90th percentile",
  };
  const color = {
    condition: { test: "datum.way === 'main step'", value: "#0b6bcb" },
    value: "#b8c0cc",
  };
  return [
    "## Main step",
    "",
    "Whole processes, from before the start until the end. The floor is [the same exchange on what Node",
    "has](../bench/floor.cjs), without checks, masks of the key, retries, redirects, proxies or deadlines. The pipeline of",
    `curl and jq is that of the vendor's article. ${results.https.floor.length} rounds.`,
    "",
    table(
      ["", ...SCHEMES.flatMap((scheme) => [scheme, "to the floor"])],
      ways.map((way) => [way, ...cells(way)]),
    ),
    "",
    await plot("main-step", "Bars: how long each way takes over https", {
      data: { values },
      width: 520,
      height: 110,
      layer: [
        { mark: { type: "bar", height: 16 }, encoding: { y, x: { ...x, field: "p50" }, color } },
        { mark: "rule", encoding: { y, x: { ...x, field: "p10" }, x2: { field: "p90" } } },
      ],
    }),
  ];
}

export function keepFreshSection(
  { start, post }: Awaited<ReturnType<typeof benchKeepFresh>>,
  { alone, hanging, refused }: Awaited<ReturnType<typeof benchPost>>,
): string[] {
  const rows: Readonly<Record<string, readonly number[]>> = {
    "two bare processes": start.floor,
    "main step with keep-fresh": start["main step"],
    "post, with an agent to stop": post,
    "post, without an agent": alone,
    "post, with an agent, Armor does not answer": hanging["with an agent"],
    "post, without an agent, Armor does not answer": hanging["without an agent"],
    "post, with an agent, Armor refuses connections": refused,
  };
  return [
    "## keep-fresh, and the job's end",
    "",
    "Starting the agent, beside two bare Node processes that do the same: one fetches a token, starts [a reverse",
    "proxy](../bench/bare-proxy.cjs), waits until it listens, and ends. And the post step. All over https.",
    "",
    table(
      ["", "median", "longest"],
      Object.entries(rows).map(([name, values]) => [
        name,
        ms(median(values)),
        ms(Math.max(...values)),
      ]),
    ),
    "",
    `The main step with keep-fresh, to two bare processes: ${times(ratio(start["main step"], start.floor))}.`,
  ];
}

const CALLERS = Object.keys(gateway.CALLS).map(Number) as gateway.Callers[];

/** No job has 128 callers at once: what they cost is reported and has no budget. */
export const BUDGETED_CALLERS: readonly gateway.Callers[] = [1, 16];

export function cpuRatio(loads: gateway.Loads[gateway.Callers]): number {
  const [ours, bare] = (["gateway", "bare proxy"] as const).map((route) =>
    loads[route].map(({ cpuMicros }) => cpuMicros),
  );
  return ratio(ours ?? [], bare ?? []);
}

export function gatewaySection(results: Record<Scheme, gateway.Loads>): string[] {
  const row = (scheme: Scheme, callers: gateway.Callers) => {
    const loads = results[scheme][callers];
    const both = (field: keyof gateway.Load, digits: number) =>
      (["gateway", "bare proxy"] as const)
        .map((route) => median(loads[route].map((load) => load[field])).toFixed(digits))
        .join(" / ");
    const cells = [both("cpuMicros", 0), both("p50Ms", 2), both("p99Ms", 2), both("perSecond", 0)];
    return [`${callers}, ${scheme}`, times(cpuRatio(loads)), ...cells];
  };
  return [
    "## Gateway",
    "",
    "Beside [a bare reverse proxy](../bench/bare-proxy.cjs): callers on kept connections, replies of about 800 bytes.",
    `All programs share this machine. Medians of ${results.https[1].gateway.length} rounds in turns: gateway / bare proxy.`,
    "",
    table(
      ["callers", "CPU, ratio", "CPU a call, µs", "p50, ms", "p99, ms", "calls a second"],
      SCHEMES.flatMap((scheme) => CALLERS.map((callers) => row(scheme, callers))),
    ),
  ];
}

export async function memorySection(
  { samples }: Awaited<ReturnType<typeof gateway.benchMemory>>,
  floods: readonly FloodResult[],
): Promise<string[]> {
  return [
    "## The agent's memory",
    "",
    await plot(
      "streaming",
      "Line: the agent's memory stays level while 300 MiB stream through it",
      {
        data: { values: samples },
        width: 520,
        height: 150,
        mark: "line",
        encoding: {
          x: {
            field: "s",
            type: "quantitative",
            title: `seconds, while ${gateway.STREAM_MIB} MiB stream`,
          },
          y: {
            field: "MiB",
            type: "quantitative",
            title: "MiB resident",
            scale: { domain: [0, 160] },
          },
        },
      },
    ),
    "",
    "Floods: any program of the machine can connect to the agent. Beside its highest memory, how long a call of the",
    "job's own took, asked again until it was answered, 12 s after each flood had begun.",
    "",
    table(
      ["what each connection does", "highest memory", "the job's own call"],
      floods.map(({ title, peakMiB, ownCallMs }) => [
        title,
        `${peakMiB.toFixed(0)} MiB`,
        ms(ownCallMs),
      ]),
    ),
  ];
}

/**
 * What a step costs beside those of other actions. They need accounts, so they are not measured by
 * each run.
 */
export function othersSection(): string[] {
  const seconds: Readonly<Record<string, string>> = {
    "an empty action": "0.073 s",
    "curl and jq in a script": "0.089 s",
    "**armor-token-action**": "**0.174 s**",
    "google-github-actions/auth": "0.301 s",
    "hashicorp/vault-action": "0.318 s",
    "actions/create-github-app-token": "0.374 s",
    "aws-actions/configure-aws-credentials": "0.454 s",
  };
  return [
    "## Beside other actions",
    "",
    "Measured once, by hand, in November 2026, and not by `npm run bench`: one job on one quiet machine, under GitHub's",
    "own runner (2.336.0, built from its public source) with stand-ins for GitHub's services. Medians of the time that",
    "the runner took for each main step. The post step of this action took 0.156 s.",
    "",
    table(["main step", "median"], Object.entries(seconds)),
  ];
}
