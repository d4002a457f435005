// `npm run mutate`: changes the sources in every small way that Stryker knows, and tells which changes no test notices.
// With names of files, such as `npm run mutate -- guard token-cache`, those only. Needs `npm --prefix bench ci`.
//
// The tests that run the sources in their own process do the noticing. Those of `dist/` see none of this, and are
// left out, as is what spawns the built agent only.

import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, posix } from "node:path";
import { ROOT } from "../../sandbox/runner.ts";
import { ACCEPTED, type Accepted } from "./accepted.ts";
import { instrument, type Mutant } from "./instrument.ts";
import type { Job, Reply, Run } from "./worker.ts";
import { endAll, runAll } from "./workers.ts";

const GROUPS = [
  {
    target: 92,
    files: [
      "src/armor/*.ts",
      "src/gateway/guard.ts",
      "src/redact.ts",
      "src/step/{inputs,outputs}.ts",
    ],
  },
  {
    target: 88,
    files: [
      "src/agent/*.ts",
      "src/agent-client/launch.ts",
      "src/gateway/{gateway,headers,server}.ts",
      "src/step/{main,post}.ts",
    ],
  },
];

const TESTS = [
  "__tests__/{agent,agent-client,armor,gateway,step}/*.test.ts",
  "__tests__/{errors,redact}.test.ts",
];

/** A test may take five times as long as without a mutant, and this. */
const LIMIT_MS = 3_000;
/** Tests that take longer run last, as most mutants are killed by then. */
const SLOW_MS = 500;
/** A mutant may run a hundred times as often in a test as before, and this often. */
const HIT_LIMIT = 1_000;

interface MutantJob extends Job {
  readonly mutant: string;
}

const say = (line: string) => process.stdout.write(`${line}\n`);
const find = (patterns: readonly string[]) =>
  patterns
    .flatMap((pattern) =>
      globSync(pattern, { cwd: ROOT }).map((file) => file.replaceAll("\\", "/")),
    )
    .sort();

const names = process.argv.slice(2).map((name) => basename(name, ".ts"));
const groups = GROUPS.map(({ target, files }) => ({
  target,
  files: find(files).filter((file) => names.length === 0 || names.includes(basename(file, ".ts"))),
})).filter((group) => group.files.length > 0);
const files = groups.flatMap((group) => group.files);
const unknown = names.filter((name) => !files.some((file) => basename(file, ".ts") === name));
if (unknown.length > 0) throw new Error(`Nothing of ${unknown.join(", ")} is mutated.`);

/** `gateway` of `src/gateway/guard.ts` and of its test: what is there is held by the tests of the same room. */
const roomOf = (file: string) => posix.dirname(file).split("/").slice(1).join("/");
const rooms = new Set(files.map(roomOf));

const folder = mkdtempSync(join(tmpdir(), "armor-mutation-"));
process.on("exit", () => {
  endAll(folder);
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

const folders = { copy: join(folder, "copy"), temp: join(folder, "temp") };
await mkdir(folders.temp);
const start = performance.now();
const mutants = await instrument(folders.copy, files);
const minutes = () => ((performance.now() - start) / 60_000).toFixed(1);
const testFiles = find(TESTS).filter((file) => rooms.has(roomOf(file)));
const textOf = (file: string) => readFileSync(join(ROOT, file), "utf8");
/** By source, the test files that import it themselves. */
const importers = new Map(
  files.map((file) => [
    file,
    new Set(testFiles.filter((test) => textOf(test).includes(`/${basename(file)}"`))),
  ]),
);
const covered = await runWithout(testFiles);
say(
  `${mutants.length} mutants in ${files.length} files, ${covered.runs.length} tests, ${minutes()} min`,
);
const killed = await killedBy(mutants.flatMap((mutant) => jobFor(mutant, covered)));
const isGood = report(mutants.filter(({ id }) => !killed.has(id)));
say(`\n${minutes()} min`);
process.exit(isGood ? 0 : 1);

/** What each test covers, from a run without a mutant. */
async function runWithout(testFiles: readonly string[]): Promise<Reply> {
  const replies: Reply[] = [];
  const jobs = testFiles.map((file) => ({ files: [{ file }] }));
  await runAll(jobs, folders, (_, reply) => replies.push(reply));
  const failures = replies.flatMap((reply) => reply.failures);
  for (const { test, why } of failures) say(`${test}\n  ${why}`);
  if (failures.length > 0) throw new Error("These tests fail without any mutant.");
  return {
    failures,
    runs: replies.flatMap(({ runs }) => runs),
    before: replies.flatMap(({ before }) => before),
  };
}

/** Nothing where no test comes by. */
function jobFor({ id, file }: Mutant, { runs, before }: Reply): MutantJob[] {
  const isStatic = before.some(({ hits }) => id in hits);
  // What was made before the tests is used by whichever runs anything of the module, and perhaps by each test of a
  // file that imports it itself.
  const inFile = new Set(
    mutants.filter((mutant) => mutant.file === file).map((mutant) => mutant.id),
  );
  const covering = runs.filter((run) => {
    if (roomOf(run.file) !== roomOf(file)) return false;
    if (!isStatic) return id in run.hits;
    return (
      importers.get(file)?.has(run.file) || Object.keys(run.hits).some((hit) => inFile.has(hit))
    );
  });
  if (covering.length === 0) return [];
  const hitLimit =
    HIT_LIMIT + 100 * covering.reduce((most, { hits }) => Math.max(most, hits[id] ?? 0), 0);
  const isSlow = ({ ms }: Run) => ms > SLOW_MS;
  const chosen = [
    ...byFile(covering.filter((run) => !isSlow(run))),
    ...byFile(covering.filter(isSlow)),
  ];
  return [{ mutant: id, isStatic, files: chosen, hitLimit }];
}

/** The quickest file first. */
function byFile(runs: readonly Run[]) {
  const sum = (some: readonly Run[]) => some.reduce((total, { ms }) => total + ms, 0);
  return [...Map.groupBy(runs, (run) => run.file)]
    .sort(([, a], [, b]) => sum(a) - sum(b))
    .map(([file, some]) => ({
      file,
      tests: some.map(({ place, ms }) => ({ place, limitMs: LIMIT_MS + 5 * ms })),
    }));
}

async function killedBy(jobs: readonly MutantJob[]): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  let done = 0;
  await runAll(jobs, folders, ({ mutant }, { failures }) => {
    done += 1;
    if (failures.length > 0) found.add(mutant);
    if (done % 200 === 0) say(`${done} of ${jobs.length}, ${minutes()} min`);
  });
  return found;
}

function report(survivors: readonly Mutant[]): boolean {
  const isMeant = (mutant: Mutant) => (entry: Accepted) =>
    (["file", "text", "original", "replacement"] as const).every(
      (key) => entry[key] === mutant[key],
    );
  const isAccepted = (mutant: Mutant) => ACCEPTED.some(isMeant(mutant));
  const row = (name: string, some: readonly string[]) => {
    const [all, left] = [mutants, survivors].map((list) =>
      list.filter(({ file }) => some.includes(file)),
    );
    const [total, survived] = [all?.length ?? 0, left?.length ?? 0];
    const accepted = left?.filter(isAccepted).length ?? 0;
    const score = total === accepted ? 100 : (100 * (total - survived)) / (total - accepted);
    return { file: name, mutants: total, killed: total - survived, survived, accepted, score };
  };
  const rows = groups.map(({ target, files: some }) => {
    const all = row(`at least ${target} %`, some);
    return { lines: [...some.map((file) => row(file, [file])), all], isGood: all.score >= target };
  });
  const header = ["file", "mutants", "killed", "survived", "accepted", "score"];
  const lines = rows.flatMap((group) =>
    group.lines.map((line) => Object.values({ ...line, score: line.score.toFixed(1) }).map(String)),
  );
  for (const [name = "", ...numbers] of [header, ...lines]) {
    say(name.padEnd(30) + numbers.map((number) => number.padStart(10)).join(""));
  }
  say("");
  for (const mutant of survivors.filter((one) => !isAccepted(one))) {
    say(`${mutant.file}:${mutant.line}  ${mutant.original} -> ${mutant.replacement}`);
  }
  for (const entry of ACCEPTED.filter(({ file }) => files.includes(file))) {
    if (survivors.some((mutant) => isMeant(mutant)(entry))) continue;
    say(`no longer survives, or is gone: ${entry.file}  ${entry.original} -> ${entry.replacement}`);
  }
  return rows.every((group) => group.isGood);
}
