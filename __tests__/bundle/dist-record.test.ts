// Tests that run dist/ are of no use on a dist/ of other sources, so the run refuses it.

import { mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { isDistCurrent, writeDistRecord } from "../../scripts/dist-record.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";

/** A project with one source and a dist/, as git writes them: at the same time, and without a record. */
async function openProject() {
  const folder = await makeTempFolder("armor project ");
  const root = folder.path;
  for (const name of ["build", "dist", "scripts", "src"]) await mkdir(join(root, name));
  const files = {
    source: join(root, "src", "index.ts"),
    bundle: join(root, "dist", "index.js"),
  };
  for (const file of Object.values(files)) await writeFile(file, "1");
  await writeFile(join(root, "tsconfig.json"), "{}");
  return disposable({ root, ...files }, () => folder[Symbol.asyncDispose]());
}

test("dist/ is current after a build, until a source changes, and again when that is taken back", async () => {
  await using project = await openProject();
  writeDistRecord(project.root);
  expect(isDistCurrent(project.root)).toBe(true);
  await writeFile(project.source, "2");
  expect(isDistCurrent(project.root)).toBe(false);
  await writeFile(project.source, "1");
  expect(isDistCurrent(project.root)).toBe(true);
});

test("dist/ is not current when git has put another one in its place", async () => {
  await using project = await openProject();
  writeDistRecord(project.root);
  await writeFile(project.bundle, "of another commit");
  expect(isDistCurrent(project.root)).toBe(false);
});

test("dist/ of a fresh clone is current until a source is edited", async () => {
  await using project = await openProject();
  expect(isDistCurrent(project.root)).toBe(true);
  const later = new Date(Date.now() + 120_000);
  await utimes(project.source, later, later);
  expect(isDistCurrent(project.root)).toBe(false);
});
