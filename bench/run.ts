// `npm run bench`: what the action costs, against floors that are measured in the same run; it writes
// docs/benchmarks.md. Needs Linux, curl and jq, and takes about two minutes.

import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { ROOT } from "../sandbox/runner.ts";
import { benchCommand } from "./command.ts";
import { benchGateway, type GatewayResults, type Load, type Route } from "./gateway.ts";
import { benchMainStep, type MainStepTimes, type Way } from "./main-step.ts";
import { median, quantile, ratio } from "./measure.ts";
import { circumstances, plot, table, writeSection } from "./report.ts";

const BUDGET = { mainStep: 1.4, gatewayCpu: 1.35, afterCallsMiB: 90, peakMiB: 160, distMB: 0.3 };

const say = (line: string) => process.stdout.write(`${line}\n`);
const ms = (value: number) => `${value.toFixed(1)} ms`;
const times = (value: number) => `${value.toFixed(2)} ×`;

async function mainStepSection({
  http,
  https,
}: {
  http: MainStepTimes;
  https: MainStepTimes;
}): Promise<string[]> {
  const ways = Object.keys(http) as Way[];
  const floor: Way = "bare node:http";
  const rows = ways.map((way) => [
    way,
    ms(median(http[way])),
    times(ratio(http[way], http[floor])),
    ms(median(https[way])),
    times(ratio(https[way], https[floor])),
  ]);
  const values = Object.entries({ "http://": http, "https://": https }).flatMap(([scheme, measured]) =>
    ways.map((way) => ({
      scheme,
      way,
      median: median(measured[way]),
      p10: quantile(measured[way], 0.1),
      p90: quantile(measured[way], 0.9),
    })),
  );
  const y = { field: "way", type: "nominal" as const, sort: ways, title: null };
  return [
    "### Main step",
    "",
    "Whole processes, from before the start until the end, against a server on the same machine. The floor is",
    "[the same exchange on bare `node:http`](../bench/floor.cjs) (with TLS, `node:https`), without masks of the key,",
    "checks, retries, redirects, proxies or deadlines. The pipeline of curl and jq is that of the vendor's article.",
    `${http[floor].length} rounds; each ratio is the median of the rounds' ratios.`,
    "",
    table(["", "http://", "to the floor", "https://", "to the floor"], rows),
    "",
    `Budget: ${times(BUDGET.mainStep)} the floor over http://.`,
    "",
    await plot("main-step", "Bars: how long each way takes, without TLS and with", {
      data: { values },
      facet: { row: { field: "scheme", title: null } },
      spec: {
        width: 520,
        height: 110,
        layer: [
          {
            mark: { type: "bar", height: 16 },
            encoding: {
              y,
              x: {
                field: "median",
                type: "quantitative",
                title: "ms, median; line: from the 10th to the 90th percentile",
              },
              color: { condition: { test: "datum.way === 'main step'", value: "#0b6bcb" }, value: "#b8c0cc" },
            },
          },
          {
            mark: { type: "rule", strokeWidth: 1.5 },
            encoding: { y, x: { field: "p10", type: "quantitative" }, x2: { field: "p90" } },
          },
        ],
      },
    }),
  ];
}

function commandSection(measured: Awaited<ReturnType<typeof benchCommand>>): string[] {
  const rows = Object.entries(measured).map(([name, values]) => [
    name,
    ms(median(values)),
    ms(quantile(values, 0.9)),
  ]);
  return [
    "### armor-token",
    "",
    "Whole processes, against the same agent. The command starts Node and then waits 100 ms between the mask and the",
    "token, which is what keeps the token out of the log; curl does neither.",
    "",
    table(["", "median", "90th percentile"], rows),
  ];
}

async function gatewaySection(results: GatewayResults): Promise<string[]> {
  const { loads, calls, afterCallsMiB, streamedMiB, streaming, peakMiB } = results;
  const of = (route: Route, field: keyof Load) => loads[route].map((load) => load[field]);
  const cpuRatio = (route: Route) => ratio(of(route, "cpuMicros"), of("bare proxy", "cpuMicros"));
  const rows = (Object.keys(loads) as Route[]).map((route) => [
    route,
    `${median(of(route, "cpuMicros")).toFixed(0)} µs`,
    route === "direct" ? "" : times(cpuRatio(route)),
    median(of(route, "perSecond")).toFixed(0),
    ms(median(of(route, "p99Ms"))),
  ]);
  return [
    "### Gateway",
    "",
    "16 clients on kept connections, all on this machine, replies of about 800 bytes. CPU is that of the process in",
    `question: of the server itself where there is no proxy. ${loads.gateway.length} rounds in turns.`,
    "",
    table(["", "CPU a call", "to the bare proxy", "calls/s", "p99"], rows),
    "",
    `Budget: ${times(BUDGET.gatewayCpu)} the CPU of a bare Node reverse proxy.`,
    "",
    "### The agent's memory",
    "",
    table(
      ["", "resident", "budget"],
      [
        [
          `after ${calls.toLocaleString("en")} calls`,
          `${afterCallsMiB.toFixed(0)} MiB`,
          `${BUDGET.afterCallsMiB} MiB after 10,000`,
        ],
        [
          `peak, after ${streamedMiB} MiB were streamed`,
          `${peakMiB.toFixed(0)} MiB`,
          `${BUDGET.peakMiB} MiB`,
        ],
      ],
    ),
    "",
    await plot("streaming", "Line: the agent's memory stays level while 300 MiB stream through it", {
      data: { values: [...streaming] },
      width: 560,
      height: 160,
      mark: "line",
      encoding: {
        x: { field: "s", type: "quantitative", title: `seconds, while ${streamedMiB} MiB stream` },
        y: {
          field: "MiB",
          type: "quantitative",
          title: "MiB resident",
          scale: { domain: [0, BUDGET.peakMiB] },
        },
      },
    }),
  ];
}

async function distSection(): Promise<string[]> {
  const dist = join(ROOT, "dist");
  const entries = await readdir(dist, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const sizes = await Promise.all(
    files.sort().map(async (file) => ({ name: relative(ROOT, file), size: (await stat(file)).size })),
  );
  const total = sizes.reduce((sum, { size }) => sum + size, 0);
  const bytes = (size: number) => size.toLocaleString("en");
  return [
    "### Size of dist/",
    "",
    table(
      ["", "bytes, not minified"],
      [...sizes.map(({ name, size }) => [`\`${name}\``, bytes(size)]), ["all", bytes(total)]],
    ),
    "",
    `Budget: ${BUDGET.distMB} MB in all.`,
  ];
}

say(`${circumstances()}\n`);
say("main step …");
const mainStep = await mainStepSection(await benchMainStep());
say("gateway, memory, armor-token …");
const { other, ...gateway } = await benchGateway(({ gatewayUrl, folder }) =>
  benchCommand(gatewayUrl, folder),
);
const sections = [mainStep, commandSection(other), await gatewaySection(gateway), await distSection()];
const lines = [circumstances(), ...sections.flatMap((section) => ["", ...section])];
await writeSection("bench", lines);
say(
  `${lines
    .slice(1)
    .filter((line) => !line.startsWith("!["))
    .join("\n")}\n\nWritten to docs/benchmarks.md.`,
);
