// `npm run bench`: what the action costs, beside floors that are measured in the same run, into docs/benchmarks.md.
// Needs Linux, curl and jq, and takes some minutes.

import * as gateway from "./gateway.ts";
import { median, quantile, ratio, timed } from "./measure.ts";
import { circumstances, plot, table, writeReport } from "./report.ts";
import { measureSize } from "./size.ts";
import * as step from "./step.ts";
import { SCHEMES, type Scheme, type World, withArmor } from "./world.ts";

const SUITE = ["-c", "npm test > /dev/null 2>&1"];
const FORBIDDEN_MS = 10_000;

const say = (line: string) => process.stdout.write(`${line}\n`);
const ms = (value: number) => `${value.toFixed(1)} ms`;
const seconds = (value: number) => `${(value / 1000).toFixed(2)} s`;
const times = (value: number) => `${value.toFixed(2)} ×`;
const MiB = (value: number) => `${value.toFixed(0)} MiB`;
const number = (value: number) => value.toLocaleString("en");

/** Says what comes next, and measures it. */
async function measure<T>(what: string, scheme: Scheme, how: (world: World) => Promise<T>): Promise<T> {
  say(`${what} over ${scheme} …`);
  return await withArmor(scheme, how);
}

type Budget = readonly [what: string, limit: number, measured: number, format?: (value: number) => string];

function budgetRow([what, limit, measured, format = number]: Budget): string[] {
  return [what, `≤ ${format(limit)}`, format(measured), measured <= limit ? "holds" : "**missed**"];
}

async function mainStepSection(results: Record<Scheme, Record<step.Way, number[]>>): Promise<string[]> {
  const ways = Object.keys(results.https) as step.Way[];
  const cells = (way: step.Way, scheme: Scheme) => {
    const measured = results[scheme];
    return [ms(median(measured[way])), times(ratio(measured[way], measured.floor))];
  };
  const values = ways.map((way) => ({
    way,
    median: median(results.https[way]),
    p10: quantile(results.https[way], 0.1),
    p90: quantile(results.https[way], 0.9),
  }));
  const y = { field: "way", type: "nominal" as const, sort: ways, title: null };
  const x = { type: "quantitative" as const, title: "ms over https, median; line: 10th to 90th percentile" };
  const color = { condition: { test: "datum.way === 'main step'", value: "#0b6bcb" }, value: "#b8c0cc" };
  return [
    "## Main step",
    "",
    "Whole processes, from before the start until the end. The floor is [the same exchange on what Node",
    "has](../bench/floor.cjs), without checks, masks of the key, retries, redirects, proxies or deadlines. The pipeline of",
    `curl and jq is that of the vendor's article. ${results.https.floor.length} rounds.`,
    "",
    table(
      ["", ...SCHEMES.flatMap((scheme) => [scheme, "to the floor"])],
      ways.map((way) => [way, ...SCHEMES.flatMap((scheme) => cells(way, scheme))]),
    ),
    "",
    await plot("main-step", "Bars: how long each way takes over https", {
      data: { values },
      width: 520,
      height: 110,
      layer: [
        { mark: { type: "bar", height: 16 }, encoding: { y, x: { ...x, field: "median" }, color } },
        {
          mark: { type: "rule", strokeWidth: 1.5 },
          encoding: { y, x: { ...x, field: "p10" }, x2: { field: "p90" } },
        },
      ],
    }),
  ];
}

function keepFreshSection(
  { start, post }: Awaited<ReturnType<typeof step.benchKeepFresh>>,
  { alone, hanging, refused }: Awaited<ReturnType<typeof step.benchPost>>,
): string[] {
  const posts: [string, number[]][] = [
    ["post, with an agent to stop", post],
    ["post, without an agent", alone],
    ["post, with an agent, Armor does not answer", hanging["with an agent"]],
    ["post, without an agent, Armor does not answer", hanging["without an agent"]],
    ["post, with an agent, Armor refuses connections", refused],
  ];
  return [
    "## keep-fresh, and the job's end",
    "",
    "Starting the agent, beside two bare Node processes that do the same: one fetches a token and starts [a reverse",
    "proxy](../bench/bare-proxy.cjs), waits until it listens, and ends. And the post step. All over https.",
    "",
    table(
      ["", "median", "longest"],
      [
        ["two bare processes", ms(median(start.floor)), ms(Math.max(...start.floor))],
        ["main step with keep-fresh", ms(median(start["main step"])), ms(Math.max(...start["main step"]))],
        ...posts.map(([name, values]) => [name, ms(median(values)), ms(Math.max(...values))]),
      ],
    ),
    "",
    `Main step with keep-fresh, to the floor: ${times(ratio(start["main step"], start.floor))}.`,
  ];
}

const CALLERS = Object.keys(gateway.CALLS).map(Number) as gateway.Callers[];

function cpuRatio(loads: gateway.Loads, callers: gateway.Callers): number {
  const of = (route: "gateway" | "bare proxy") => loads[callers][route].map(({ cpuMicros }) => cpuMicros);
  return ratio(of("gateway"), of("bare proxy"));
}

function gatewaySection(results: Record<Scheme, gateway.Loads>): string[] {
  const both = (
    loads: gateway.Loads[gateway.Callers],
    field: keyof gateway.Load,
    format: (value: number) => string,
  ) =>
    (["gateway", "bare proxy"] as const)
      .map((route) => format(median(loads[route].map((load) => load[field]))))
      .join(" / ");
  const row = (scheme: Scheme, callers: gateway.Callers) => {
    const loads = results[scheme][callers];
    return [
      `${callers}, ${scheme}`,
      times(cpuRatio(results[scheme], callers)),
      both(loads, "cpuMicros", (value) => value.toFixed(0)),
      both(loads, "p50Ms", (value) => value.toFixed(2)),
      both(loads, "p99Ms", (value) => value.toFixed(2)),
      both(loads, "perSecond", (value) => value.toFixed(0)),
    ];
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

async function memorySection({
  samples,
}: Awaited<ReturnType<typeof gateway.benchMemory>>): Promise<string[]> {
  return [
    "## The agent's memory",
    "",
    await plot("streaming", "Line: the agent's memory stays level while 300 MiB stream through it", {
      data: { values: samples },
      width: 520,
      height: 150,
      mark: "line",
      encoding: {
        x: { field: "s", type: "quantitative", title: `seconds, while ${gateway.STREAM_MIB} MiB stream` },
        y: { field: "MiB", type: "quantitative", title: "MiB resident", scale: { domain: [0, 160] } },
      },
    }),
  ];
}

say(`${circumstances()}\n\nthe test suite …`);
const suite = await timed({ program: "sh", args: SUITE, env: {} }).catch(() => Number.NaN);
const mainStep = {
  https: await measure("main step", "https", step.benchMainStep),
  http: await measure("main step", "http", step.benchMainStep),
};
const keepFresh = await measure("keep-fresh", "https", step.benchKeepFresh);
const post = await measure("post step", "https", step.benchPost);
const loads = {
  https: await measure("gateway under load", "https", gateway.benchLoad),
  http: await measure("gateway under load", "http", gateway.benchLoad),
};
const memory = await measure("memory", "https", gateway.benchMemory);
const burst = await measure("1,000 calls at once", "https", (world) => gateway.benchBurst(world, 1_000));
const heads = await measure("heads of replies", "http", gateway.benchHeads);
const expired = await measure("an expired token", "http", (world) => gateway.benchExpired(world, 60));
const forbidden = await measure("a forbidden path", "http", (world) =>
  gateway.benchForbidden(world, 200, FORBIDDEN_MS),
);
const size = await measureSize();

const budgets: Budget[] = [
  [
    "main step over https, to the floor",
    1.35,
    ratio(mainStep.https["main step"], mainStep.https.floor),
    times,
  ],
  ...CALLERS.map(
    (callers): Budget => [
      `gateway over https, CPU a call to a bare proxy, ${callers} callers`,
      1.25,
      cpuRatio(loads.https, callers),
      times,
    ],
  ),
  ["agent's memory after 10,000 calls", 90, memory.afterCallsMiB, MiB],
  [`agent's memory while ${gateway.STREAM_MIB} MiB stream, peak`, 160, memory.peakMiB, MiB],
  ["60 calls at once on an expired token: tokens fetched", 1, expired],
  ["1,000 calls at once: lost", 0, burst.lost],
  ["a reply's head behind Armor's, the longest of 100", 100, Math.max(...heads), ms],
  ["a path that always answers 401 beside one that works, 200 calls in 10 s: tokens fetched", 5, forbidden],
  ["post step", 4_000, Math.max(...keepFresh.post, ...post.alone), seconds],
  ["post step, Armor gone", 6_000, Math.max(...Object.values(post.hanging).flat(), ...post.refused), seconds],
  ["dist/, bytes, not minified", 300_000, size.distBytes],
  ["src/, lines", 2_650, size.sourceLines],
  ["lines of the largest file in src/", 240, size.largestFile],
  ["columns of the longest line in src/", 110, size.longestLine],
  ["tests with fixtures, lines", 6_000, size.testLines],
  ["packages in the lock", 450, size.packages],
  ["the test suite", 40_000, suite, seconds],
];
const budgetTable = table(["", "budget", "measured", ""], budgets.map(budgetRow));
await writeReport([
  "# Benchmarks",
  "",
  "Written by `npm run bench`. Everything is measured side by side with a floor, in turns, against a server on the same",
  "machine. The numbers are those of one machine on one day. A ratio is the median of the rounds' ratios, and is much",
  "the same on others.",
  "",
  circumstances(),
  "",
  "## Budgets",
  "",
  budgetTable,
  "",
  ...(await mainStepSection(mainStep)),
  "",
  ...keepFreshSection(keepFresh, post),
  "",
  ...gatewaySection(loads),
  "",
  `1,000 calls at once on new connections took ${seconds(median(burst.ms))}. The head of a reply whose body came half a second`,
  `later arrived ${ms(median(heads))} behind Armor's (median, http).`,
  "",
  ...(await memorySection(memory)),
]);
say(`\n${budgetTable}\n\nWritten to docs/benchmarks.md.`);
