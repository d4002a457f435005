// `npm run bench`: what the action costs, beside floors that are measured in the same run, into docs/benchmarks.md.
// Needs Linux, curl and jq, and takes some minutes.

import * as gateway from "./gateway.ts";
import { median, ratio, timed } from "./measure.ts";
import { circumstances, table, writeReport } from "./report.ts";
import * as sections from "./sections.ts";
import { CALLERS, ms, times } from "./sections.ts";
import { measureSize } from "./size.ts";
import * as step from "./step.ts";
import { type Scheme, type World, withArmor } from "./world.ts";

const SUITE = { program: "sh", args: ["-c", "npm test > /dev/null 2>&1"], env: {} };

type Budget = readonly [
  what: string,
  limit: number,
  measured: number,
  format?: (value: number) => string,
];

const say = (line: string) => process.stdout.write(`${line}\n`);
const seconds = (value: number) => `${(value / 1000).toFixed(2)} s`;
const MiB = (value: number) => `${value.toFixed(0)} MiB`;

/** Says what comes next, and measures it. */
async function measure<T>(
  what: string,
  scheme: Scheme,
  how: (world: World) => Promise<T>,
): Promise<T> {
  say(`${what}, ${scheme} …`);
  return await withArmor(scheme, how);
}

/** @param measured not a number where there was nothing to measure */
function budgetRow([
  what,
  limit,
  measured,
  format = (value) => value.toLocaleString("en"),
]: Budget): string[] {
  const found = Number.isNaN(measured) ? "failed" : format(measured);
  return [what, format(limit), found, measured <= limit ? "holds" : "**missed**"];
}

say(`${circumstances()}\n`);
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
const burst = await measure("1,000 calls at once", "https", (world) =>
  gateway.benchBurst(world, 1_000),
);
const heads = await measure("heads of replies", "http", gateway.benchHeads);
const expired = await measure("expired token", "http", (world) => gateway.benchExpired(world, 60));
const forbidden = await measure("forbidden path", "http", (world) =>
  gateway.benchForbidden(world, 200, 10_000),
);
say("test suite …");
const suite = await timed(SUITE).catch(() => Number.NaN);
const size = measureSize();

const { https } = mainStep;
const gone = [...Object.values(post.hanging).flat(), ...post.refused];
const budgets: readonly Budget[] = [
  ["main step over https, to the floor", 1.35, ratio(https["main step"], https.floor), times],
  ...CALLERS.map((callers): Budget => {
    const what = `gateway over https, ${callers} callers, CPU a call to a bare reverse proxy`;
    return [what, 1.25, sections.cpuRatio(loads.https[callers]), times];
  }),
  ["the agent's memory after 10,000 calls", 90, memory.afterCallsMiB, MiB],
  [`the agent's highest memory while ${gateway.STREAM_MIB} MiB stream`, 160, memory.peakMiB, MiB],
  ["60 calls at once on an expired token: tokens fetched", 1, expired],
  ["1,000 calls at once: lost", 0, burst.lost],
  ["a reply's head behind Armor's, the longest of 100", 100, Math.max(...heads), ms],
  [
    "a path that answers 401 beside one that works, 200 calls in 10 s: tokens fetched",
    5,
    forbidden,
  ],
  ["post step, the longest", 4_000, Math.max(...keepFresh.post, ...post.alone), seconds],
  ["post step with Armor gone, the longest", 6_000, Math.max(...gone), seconds],
  ["dist/, bytes, not minified", 300_000, size.distBytes],
  ["src/, lines", 2_650, size.sourceLines],
  ["src/, lines of the largest file", 240, size.largestFile],
  ["src/, columns of the longest line", 110, size.longestLine],
  ["tests with their fixtures, lines", 6_000, size.testLines],
  ["packages in the main lock", 450, size.packages],
  ["the test suite", 40_000, suite, seconds],
];
const budgetTable = table(["", "budget, at most", "measured", ""], budgets.map(budgetRow));
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
  ...(await sections.mainStepSection(mainStep)),
  "",
  ...sections.keepFreshSection(keepFresh, post),
  "",
  ...sections.gatewaySection(loads),
  "",
  `1,000 calls at once on new connections took ${seconds(median(burst.ms))}. The head of a reply whose body came half a second`,
  `later arrived ${ms(median(heads))} behind Armor's (median, http).`,
  "",
  ...(await sections.memorySection(memory)),
]);
say(`\n${budgetTable}\n\nWritten to docs/benchmarks.md.`);
