import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../sandbox/runner.ts";

export const read = (...path: string[]) =>
  readFileSync(join(ROOT, ...path), "utf8").replaceAll("\r\n", "\n");

const NOT_OURS = [".git", "build", "coverage", "dist", "node_modules"];

/** Paths of all files that are written by hand, below ROOT, with forward slashes. */
export function ourFiles(folder = ""): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (NOT_OURS.includes(entry.name)) return [];
    return entry.isDirectory() ? ourFiles(path) : entry.isFile() ? [path] : [];
  });
}

export const DOCUMENTS = ourFiles().filter((path) => path.endsWith(".md"));

/** The fenced blocks of a language, also inside lists, without their indentation. */
export function codeBlocks(markdown: string, language: string): string[] {
  const fence = new RegExp(
    `^(?<indent> *)\`\`\`${language}\\n(?<code>[\\s\\S]*?)^\\k<indent>\`\`\``,
    "gm",
  );
  return [...markdown.matchAll(fence)].map(({ groups }) => {
    const { indent = "", code = "" } = groups ?? {};
    return code.replaceAll(`\n${indent}`, "\n");
  });
}

/** The cells of each row of the table under this heading. */
export function tableUnder(markdown: string, heading: string): string[][] {
  const section = markdown.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) => row.slice(2, -2).split(" | "));
}

/** The anchors that GitHub gives to headings. */
export function anchors(markdown: string): string[] {
  const headings = markdown.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ (?<text>.*)$/gm);
  const plain = [...headings].map(({ groups }) =>
    (groups?.["text"] ?? "").toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, ""),
  );
  return plain.map((text) => text.replaceAll(" ", "-"));
}
