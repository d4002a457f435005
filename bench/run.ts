// `npm run bench`: what the action costs, beside floors that are measured in the same run, into
// docs/benchmarks.md. Needs Linux, curl and jq, and takes some minutes.

import { benchBlackHole } from "./black-hole.ts";
import { benchFloods } from "./floods.ts";
import * as gateway from "./gateway.ts";
import { median, ratio, timed } from "./measure.ts";
import { circumstances, table, writeReport } from "./report.ts";
import * as sections from "./sections.ts";
import { ms, times } from "./sections.ts";
import { measureSize } from "./size.ts";
import * as step from "./step.ts";
import { type Scheme, type World, withArmor } from "./world.ts";

const SUITE = { program: "sh", args: ["-c", "npm test > /dev/null 2>&1"], env: {} };

/** What a user would notice. */
interface Budget {
  readonly what: string;
  /** Not more than this. */
  readonly limit: number;
  /** Not a number if there was nothing to measure. */
  readonly measured: number;
  /** Undefined for counts. */
  readonly format?: (value: number) => string;
}

const say = (line: string) => process.stdout.write(`${line}\n`);
const seconds = (value: number) => `${(value / 1000).toFixed(2)} s`;
const MiB = (value: number) => `${value.toFixed(0)} MiB`;
const count = (value: number) => value.toLocaleString("en");

/** Says what comes next, and measures it. */
async function measure<T>(
  what: string,
  scheme: Scheme,
  how: (world: World) => Promise<T>,
): Promise<T> {
  say(`${what}, ${scheme} …`);
  return await withArmor(scheme, how);
}

function budgetRow({ what, limit, measured, format = count }: Budget): string[] {
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
const floods = await measure("floods", "http", benchFloods);
const blackHole = await measure("an address that swallows packets", "https", benchBlackHole);
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
  {
    what: "main step over https, to the floor",
    limit: 1.35,
    measured: ratio(https["main step"], https.floor),
    format: times,
  },
  ...sections.BUDGETED_CALLERS.map((callers) => ({
    what: `gateway over https, callers at once: ${callers}; CPU a call to a bare reverse proxy`,
    limit: 1.25,
    measured: sections.cpuRatio(loads.https[callers]),
    format: times,
  })),
  {
    what: "the agent's memory after 10,000 calls",
    limit: 128,
    measured: memory.afterCallsMiB,
    format: MiB,
  },
  {
    what: `the agent's highest memory while ${gateway.STREAM_MIB} MiB stream`,
    limit: 200,
    measured: memory.peakMiB,
    format: MiB,
  },
  {
    what: "the agent's highest memory under a flood of hostile connections",
    limit: 400,
    measured: Math.max(...floods.map(({ peakMiB }) => peakMiB)),
    format: MiB,
  },
  {
    what: "60 calls at once on an expired token: tokens fetched",
    limit: 1,
    measured: expired,
  },
  { what: "1,000 calls at once: lost", limit: 0, measured: burst.lost },
  {
    what: "a reply's head behind Armor's, the longest of 100",
    limit: 100,
    measured: Math.max(...heads),
    format: ms,
  },
  {
    what: "a path that answers 401 beside one that works, 200 calls in 10 s: tokens fetched",
    limit: 5,
    measured: forbidden,
  },
  {
    what: "first address of Armor's name is a black hole: main step",
    limit: 2_500,
    measured: blackHole.main,
    format: seconds,
  },
  {
    what: "first address of Armor's name is a black hole: first call through the gateway",
    limit: 2_500,
    measured: blackHole.firstCall,
    format: seconds,
  },
  {
    what: "first address of Armor's name is a black hole: post step",
    limit: 2_500,
    measured: blackHole.post,
    format: seconds,
  },
  {
    what: "post step, the longest",
    limit: 4_000,
    measured: Math.max(...keepFresh.post, ...post.alone),
    format: seconds,
  },
  {
    what: "post step with Armor gone, the longest",
    limit: 6_000,
    measured: Math.max(...gone),
    format: seconds,
  },
  { what: "dist/, bytes, not minified", limit: 300_000, measured: size.distBytes },
  { what: "packages in the main lock", limit: 460, measured: size.packages },
  { what: "the test suite", limit: 40_000, measured: suite, format: seconds },
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
  ...(await sections.memorySection(memory, floods)),
  "",
  ...sections.othersSection(),
]);
say(`\n${budgetTable}\n\nWritten to docs/benchmarks.md.`);
