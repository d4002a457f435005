// Owns docs/benchmarks.md: its generated section, the tables in it, and the plots beside it.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { ROOT } from "../sandbox/runner.ts";

const FILE = join(ROOT, "docs", "benchmarks.md");
const PLOTS = join(ROOT, "docs", "benchmarks");

/** Replaces the section between its two markers, which have to be there. */
export async function writeSection(name: string, lines: readonly string[]): Promise<void> {
  const [begin, end] = [`<!-- ${name}: generated -->`, `<!-- ${name}: end -->`];
  const text = await readFile(FILE, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/benchmarks.md has no place for ${name}`);
  await writeFile(FILE, [text.slice(0, from) + begin, "", ...lines, "", text.slice(to)].join("\n"));
}

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = `|${header.map((_, index) => (index === 0 ? "---" : "---:")).join("|")}|`;
  return [line(header), rule, ...rows.map(line)].join("\n");
}

/** What the numbers hold for. */
export function circumstances(): string {
  const [cpu] = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const date = new Date().toISOString().slice(0, 10);
  return `${date}, Node ${process.versions.node} on ${process.platform}, ${cpus().length} cores (${cpu?.model.trim()}), ${memory}.`;
}

/** Draws a plot on white, which is legible on every page. @returns the Markdown that shows it */
export async function plot(name: string, alternative: string, spec: TopLevelSpec): Promise<string> {
  const config = {
    font: "Helvetica, Arial, sans-serif",
    axis: {
      labelFontSize: 11,
      titleFontSize: 11,
      titleFontWeight: "normal",
      gridColor: "#e8e8e8",
      labelLimit: 300,
    },
    legend: { labelFontSize: 11, labelLimit: 300, orient: "top" },
    header: { labelFontSize: 11, titleFontSize: 11, labelFontWeight: "bold" },
    line: { color: "#0b6bcb", strokeWidth: 2 },
    view: { stroke: null },
  };
  const { spec: full } = compile({ background: "white", padding: 12, ...spec, config } as TopLevelSpec);
  const svg = await new View(parse(full), { renderer: "none" }).toSVG();
  await mkdir(PLOTS, { recursive: true });
  await writeFile(join(PLOTS, `${name}.svg`), `${svg}\n`);
  return `![${alternative}](benchmarks/${name}.svg)`;
}
