// `npm run mutate`: changes the sources in every small way that Stryker knows, and tells which
// changes no test notices. Needs `npm --prefix bench ci`.
//
//   npm run mutate                      all of src/
//   npm run mutate -- guard armor       these files, or all files of these folders
//   npm run mutate -- --changed         what the branch has changed, for ten minutes at most
//   npm run mutate -- --minutes 30      another bound
//   npm run mutate -- armor --again LOG only what an earlier run, which has printed this, has left
//   npm run mutate -- --workers 2       fewer processes at once, on a machine that others use, too
//
// It fails if a change survives that accepted.ts does not name, or if an entry there stands for
// nothing, and prints what is left over in the form of accepted.ts. The tests that run the sources
// in their own process do the noticing. Those of dist/ see none of this; what they alone can hold
// is accepted by name.

import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../../sandbox/runner.ts";
import { isDistCurrent } from "../../scripts/dist-record.ts";
import { type ChangedLines, changedLines } from "./changed.ts";
import { Choice, type MutantJob, type Rooms } from "./choose.ts";
import { judge, leftBy } from "./gate.ts";
import { instrument, type Mutant } from "./instrument.ts";
import type { Reply } from "./worker.ts";
import { endAll, runAll, WORKERS } from "./workers.ts";

/**
 * Of a run for what was changed: as long as one waits for a gate. What is left is tried by the job
 * of CI.
 */
const CHANGED_MINUTES = 10;

/** Tests of dist/, of documents and of whole jobs start other processes, which hold no mutant. */
const NOT_IN_PROCESS = /^__tests__\/(bundle|contract|docs|examples|workflows)\//;

const say = (line: string) => process.stdout.write(`${line}\n`);
const start = performance.now();
const minutes = () => (performance.now() - start) / 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    changed: { type: "boolean", default: false },
    minutes: { type: "string" },
    workers: { type: "string" },
    again: { type: "string" },
  },
});
let bound = Number(values.minutes ?? (values.changed ? CHANGED_MINUTES : Infinity));
const changed = values.changed ? changedLines() : undefined;
const sources = globSync("src/**/*.ts", { cwd: ROOT })
  .map((file) => file.replaceAll("\\", "/"))
  .sort();
const files = chooseFiles(positionals, changed);
if (files.length === 0) {
  say("No file of src/ has changed since this branch left main.");
  process.exit(0);
}

// Some tests start the built agent beside the sources.
if (!isDistCurrent(ROOT)) {
  say("dist/ is not what src/ builds, and tests run it: run npm run build");
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), "armor-mutation-"));
process.on("exit", () => {
  endAll(folder);
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
});
/** The first signal ends the trying, so that what was found is told; the second ends the process. */
function stopTrying(): void {
  if (bound === 0) process.exit(1);
  bound = 0;
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stopTrying);
const folders = {
  copy: join(folder, "copy"),
  temp: join(folder, "temp"),
  workers: Number(values.workers ?? WORKERS),
};
await mkdir(folders.temp);

const all = await instrument(folders.copy, files);
const left = values.again === undefined ? undefined : leftBy(readFileSync(values.again, "utf8"));
const mutants = all.filter((mutant) => touches(mutant, changed) && (left?.(mutant) ?? true));
const tests = findTests();
const covered = await runWithout(tests);
say(`${mutants.length} mutants, ${covered.runs.length} tests, ${minutes().toFixed(1)} min`);
const choice = new Choice(folders.copy, all, tests, covered);
const killed = new Set<string>();
const untried = new Set<string>();
await tryOn("own");
await tryOn("others");
const isWhole = changed === undefined && left === undefined && untried.size === 0;
const { lines, isGood } = judge({ mutants, killed, untried, sources, isWhole });
for (const line of lines) say(line);
say(`${minutes().toFixed(1)} min`);
process.exit(isGood ? 0 : 1);

/** @throws if a name is none of a file or folder of src/ */
function chooseFiles(names: readonly string[], lines: ChangedLines | undefined): string[] {
  const isNamed = (file: string, name: string) =>
    basename(file, ".ts") === basename(name, ".ts") || file.startsWith(`src/${name}/`);
  const unknown = names.filter((name) => !sources.some((file) => isNamed(file, name)));
  if (unknown.length > 0) throw new Error(`src/ has no file or folder ${unknown.join(", ")}.`);
  return sources.filter((file) => {
    if (lines !== undefined && !lines.has(file)) return false;
    return names.length === 0 || names.some((name) => isNamed(file, name));
  });
}

function findTests(): string[] {
  const found = globSync("__tests__/**/*.test.ts", {
    cwd: folders.copy,
    exclude: (path) => basename(String(path)) === "node_modules",
  });
  // Some tests reach the sources only by the fixture that runs a step in the test's own process.
  const importsSources = (file: string) =>
    /from "(?:\.\.\/)+(?:src\/|fixtures\/in-process\.ts")/.test(
      readFileSync(join(folders.copy, file), "utf8"),
    );
  return found
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => !NOT_IN_PROCESS.test(file) && importsSources(file))
    .sort();
}

function touches({ file, line, lastLine }: Mutant, lines: ChangedLines | undefined): boolean {
  if (lines === undefined) return true;
  const own = lines.get(file) ?? new Set();
  for (let at = line; at <= lastLine; at += 1) if (own.has(at)) return true;
  return false;
}

/** What each test covers, from a run without a mutant. @throws if a test fails twice without one */
async function runWithout(testFiles: readonly string[]): Promise<Reply> {
  const replies: Reply[] = [];
  const again: string[] = []; // the machine may have been too busy for a test that waits
  const jobFor = (file: string) => ({ files: [{ file }] });
  await runAll(testFiles.map(jobFor), folders, (job, reply) => {
    if (reply.failures.length === 0) replies.push(reply);
    else again.push(...job.files.map(({ file }) => file));
  });
  await runAll(again.map(jobFor), folders, (_, reply) => replies.push(reply));
  const failures = replies.flatMap((reply) => reply.failures);
  for (const { test, why } of failures) say(`${test}\n  ${why}`);
  if (failures.length > 0) throw new Error("These tests fail without any mutant.");
  return {
    failures,
    runs: replies.flatMap(({ runs }) => runs),
    before: replies.flatMap(({ before }) => before),
  };
}

/** Tries the mutants that live on these tests, as long as there is time. */
async function tryOn(rooms: Rooms): Promise<void> {
  const jobs = mutants
    .filter(({ id }) => !killed.has(id))
    .map((mutant) => choice.jobFor(mutant, rooms))
    .filter((job) => job !== undefined);
  for (const { mutant } of jobs) untried.add(mutant);
  let done = 0;
  await runAll(untilBound(jobs), folders, ({ mutant }, { failures }) => {
    done += 1;
    untried.delete(mutant);
    if (failures.length > 0) killed.add(mutant);
    if (done % 200 === 0) say(`${done} of ${jobs.length}, ${minutes().toFixed(1)} min`);
  });
}

function* untilBound(jobs: readonly MutantJob[]): Generator<MutantJob> {
  for (const job of jobs) {
    if (minutes() > bound) return;
    yield job;
  }
}
