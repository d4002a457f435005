// ruff, as a library: what `ruff check` and `ruff format` say.

import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { PositionEncoding, Workspace } from "@astral-sh/ruff-wasm-nodejs";

/** @param modules names of the modules that are not from elsewhere */
const settings = (modules) => ({
  "line-length": 110,
  "target-version": "py39",
  lint: {
    select: [
      "A",
      "B",
      "C4",
      "E",
      "F",
      "FURB",
      "I",
      "ISC",
      "N",
      "PIE",
      "PL",
      "PT",
      "RET",
      "RUF",
      "SIM",
      "UP",
      "W",
    ],
    // Names (Failure), limits of numbers, assertions of unittest, parameters that a base class names; and
    // tests that say first where the modules are.
    ignore: [
      "A002",
      "E402",
      "N818",
      "PIE807",
      "PLR0911",
      "PLR0913",
      "PLR0917",
      "PLR2004",
      "PT009",
      "PT027",
    ],
    isort: { "known-first-party": modules },
  },
});

/** @param folders whose .py files are checked, without the folders in them */
export async function lintFaults(folders) {
  const files = (await Promise.all(folders.map(pythonFiles))).flat();
  const modules = files.map((file) => basename(file, ".py"));
  const workspace = new Workspace(settings(modules), PositionEncoding.Utf16);
  const faults = files.map(async (file) => {
    const text = await readFile(file, "utf8");
    return [
      ...workspace
        .check(text)
        .map(({ code, message, start_location: { row } }) => `${row}: ${code} ${message}`),
      ...(workspace.format(text) === text ? [] : ["1: not formatted"]),
    ].map((fault) => `${file}:${fault}`);
  });
  return (await Promise.all(faults)).flat();
}

async function pythonFiles(folder) {
  return (await readdir(folder))
    .filter((name) => name.endsWith(".py"))
    .map((name) => join(folder, name));
}
