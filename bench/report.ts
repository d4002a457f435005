// Writes docs/benchmarks.md and the plots beside it.

import { mkdir, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { ROOT } from "../sandbox/runner.ts";

const DOCS = join(ROOT, "docs");

export async function writeReport(lines: readonly string[]): Promise<void> {
  await writeFile(join(DOCS, "benchmarks.md"), `${lines.join("\n")}\n`);
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
  const text = {
    labelFontSize: 11,
    labelLimit: 300,
    titleFontSize: 11,
    titleFontWeight: "normal" as const,
  };
  const config = {
    font: "Helvetica, Arial, sans-serif",
    axis: { ...text, gridColor: "#e8e8e8" },
    line: { color: "#0b6bcb", strokeWidth: 2 },
    view: { stroke: null },
  };
  const { spec: full } = compile({
    background: "white",
    padding: 12,
    ...spec,
    config,
  } as TopLevelSpec);
  const svg = await new View(parse(full), { renderer: "none" }).toSVG();
  await mkdir(join(DOCS, "benchmarks"), { recursive: true });
  await writeFile(join(DOCS, "benchmarks", `${name}.svg`), `${svg}\n`);
  return `![${alternative}](benchmarks/${name}.svg)`;
}
