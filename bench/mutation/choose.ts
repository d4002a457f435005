// Which tests a mutant is tried on.

import { readFileSync } from "node:fs";
import { basename, join, posix } from "node:path";
import type { Mutant } from "./instrument.ts";
import type { Job, Reply, Run } from "./worker.ts";

export interface MutantJob extends Job {
  readonly mutant: string;
}

/** Of the same room first; those of other rooms only get what these leave. */
export type Rooms = "own" | "others";

/** A test may take five times as long as without a mutant, and this. */
const LIMIT_MS = 3_000;
/** Tests that take longer run last, as most mutants are killed by then. */
const SLOW_MS = 500;
/** A mutant may run a hundred times as often in a test as before, and this often. */
const HIT_LIMIT = 1_000;
/**
 * What is used everywhere is covered by hundreds of tests: of other rooms, the quickest that take
 * this together.
 */
const OTHERS_MS = 5_000;

/**
 * `gateway` of `src/gateway/guard.ts` and of its test; empty for the files that all rooms share.
 */
function roomOf(file: string): string {
  return posix.dirname(file).split("/").slice(1).join("/");
}

export class Choice {
  readonly #covered: Reply;
  readonly #idsByFile: ReadonlyMap<string, ReadonlySet<string>>;
  /** Mutants in code that runs when a module is loaded. */
  readonly #statics: ReadonlySet<string>;
  /** By source, the test files that import it themselves. */
  readonly #importers = new Map<string, ReadonlySet<string>>();

  /**
   * @param root of the copy that the tests run in
   * @param covered what each test covers, from a run without a mutant
   */
  constructor(
    root: string,
    mutants: readonly Mutant[],
    testFiles: readonly string[],
    covered: Reply,
  ) {
    this.#covered = covered;
    this.#statics = new Set(covered.before.flatMap(({ hits }) => Object.keys(hits)));
    const byFile = Map.groupBy(mutants, ({ file }) => file);
    this.#idsByFile = new Map(
      [...byFile].map(([file, some]) => [file, new Set(some.map(({ id }) => id))]),
    );
    const texts = testFiles.map((file) => ({ file, text: readFileSync(join(root, file), "utf8") }));
    for (const file of byFile.keys()) {
      const importing = texts.filter(({ text }) => text.includes(`/${basename(file)}"`));
      this.#importers.set(file, new Set(importing.map((test) => test.file)));
    }
  }

  /** Undefined if no test of these rooms comes by. */
  jobFor(mutant: Mutant, rooms: Rooms): MutantJob | undefined {
    const isOwn = (run: Run) => roomOf(run.file) === roomOf(mutant.file);
    const covering = this.#covered.runs.filter(
      (run) => isOwn(run) === (rooms === "own") && this.#covers(run, mutant),
    );
    const runs = rooms === "own" ? covering : quickest(covering);
    if (runs.length === 0) return undefined;
    const most = runs.reduce((hits, run) => Math.max(hits, run.hits[mutant.id] ?? 0), 0);
    return {
      mutant: mutant.id,
      isStatic: this.#statics.has(mutant.id),
      files: [
        ...byFile(runs.filter(({ ms }) => ms <= SLOW_MS)),
        ...byFile(runs.filter(({ ms }) => ms > SLOW_MS)),
      ],
      hitLimit: HIT_LIMIT + 100 * most,
    };
  }

  /**
   * What is made when a module is loaded is used by whichever test runs anything of the module, and perhaps by
   * each test of a file that imports it itself.
   */
  #covers(run: Run, { id, file }: Mutant): boolean {
    if (!this.#statics.has(id)) return id in run.hits;
    if (this.#importers.get(file)?.has(run.file)) return true;
    const ids = this.#idsByFile.get(file);
    return Object.keys(run.hits).some((hit) => ids?.has(hit));
  }
}

function quickest(runs: readonly Run[]): Run[] {
  let left = OTHERS_MS;
  return runs
    .toSorted((a, b) => a.ms - b.ms)
    .filter(({ ms }) => {
      left -= ms;
      return left >= 0;
    });
}

/** The quickest file first. */
function byFile(runs: readonly Run[]) {
  const sum = (some: readonly Run[]) => some.reduce((total, { ms }) => total + ms, 0);
  return [...Map.groupBy(runs, (run) => run.file)]
    .sort((one, other) => sum(one[1]) - sum(other[1]))
    .map(([file, some]) => ({
      file,
      tests: some.map(({ place, ms }) => ({ place, limitMs: LIMIT_MS + 5 * ms })),
    }));
}
