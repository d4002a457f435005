// A process that runs tests on the instrumented copy, with one mutant switched on or, to see what
// covers what, none.

import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { collect, leaveAll, runTest, type Test } from "./jest.ts";

/** Without a mutant, every test of these files runs, to see what it covers. */
export interface Job {
  readonly mutant?: string;
  /**
   * It is in code that runs before tests do: switched on before the test files are loaded, once
   * more.
   */
  readonly isStatic?: boolean;
  readonly files: readonly { readonly file: string; readonly tests?: readonly TestRun[] }[];
  /** How often the mutant may run until it counts as an endless loop. */
  readonly hitLimit?: number;
}

interface TestRun {
  /** In its file. */
  readonly place: number;
  readonly limitMs: number;
}

export interface Run {
  readonly file: string;
  readonly place: number;
  readonly ms: number;
  /** How often it came by which mutant. */
  readonly hits: Hits;
}

export interface Failure {
  /**
   * `stray`: what no test awaited, perhaps left by an earlier mutant. `dirty`: the test fails
   * without it, too.
   */
  readonly kind: "failed" | "timeout" | "stray" | "dirty";
  readonly test: string;
  readonly why: string;
}

export interface Reply {
  /** With a mutant, the first one only. */
  readonly failures: readonly Failure[];
  readonly runs: readonly Run[];
  /** Mutants that each file comes by before its tests: on import, and in `beforeAll`. */
  readonly before: readonly { readonly file: string; readonly hits: Hits }[];
}

/** Said before each test: within how many ms the next message comes, unless the process hangs. */
export interface Alive {
  readonly withinMs: number;
}

type Hits = Readonly<Record<string, number>>;

/** What the instrumented code reads and writes (Stryker's INSTRUMENTER_CONSTANTS). */
interface Switches {
  activeMutant: string | undefined;
  currentTestId: "now" | undefined;
  hitCount: number;
  hitLimit: number;
  mutantCoverage: { static: Hits; perTest: { now?: Hits } };
}

const LOAD_MS = 60_000;
/** Of a test without a limit of its own. */
const LIMIT_MS = 60_000;

const switches: Switches = {
  activeMutant: undefined,
  currentTestId: undefined,
  hitCount: 0,
  hitLimit: Number.POSITIVE_INFINITY,
  mutantCoverage: { static: {}, perTest: {} },
};
Object.assign(globalThis, { __stryker__: switches });

const copy = process.argv[2] ?? "";
const loaded = new Map<string, readonly Test[]>();
let instance = 0;
let rejectStray: (error: unknown) => void = () => undefined;

class Stray extends Error {}
class TimeOut extends Error {}

fc.configureGlobal({ seed: 1 }); // the same mutants survive each time
resolveForTests();
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error) => rejectStray(new Stray(String(error))));
}
process.on("disconnect", () => process.exit());
process.on("message", async (job: Job) => process.send?.(await work(job)));

/** As in Jest, each test file has instances of its own of all modules but those in node_modules. */
function resolveForTests(): void {
  const root = pathToFileURL(join(copy, "/")).href;
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === "@jest/globals")
        return next(new URL("./jest.ts", import.meta.url).href, context);
      const resolved = next(specifier, context);
      const { url } = resolved;
      if (!url.startsWith(root) || url.includes("/node_modules/") || url.includes("?"))
        return resolved;
      const own = context.parentURL?.split("?")[1] ?? instance;
      return { ...resolved, url: `${url}?${own}` };
    },
  });
}

async function load(file: string, mutant?: string): Promise<readonly Test[]> {
  const known = mutant === undefined ? loaded.get(file) : undefined;
  if (known !== undefined) return known;
  instance += 1;
  switches.activeMutant = mutant;
  const tests = await collect(() => import(pathToFileURL(join(copy, file)).href)).finally(() => {
    switches.activeMutant = undefined;
  });
  if (mutant === undefined) loaded.set(file, tests);
  return tests;
}

async function work({ mutant, isStatic = false, files, hitLimit = 0 }: Job): Promise<Reply> {
  const failures: Failure[] = [];
  const runs: Run[] = [];
  const before: Reply["before"][number][] = [];
  Object.assign(switches, { hitCount: 0, hitLimit });
  for (const { file, tests: chosen } of files) {
    alive(LOAD_MS);
    switches.mutantCoverage.static = {};
    const tests = await load(file, isStatic ? mutant : undefined).catch((error) => {
      failures.push({ kind: "failed", test: file, why: String(error) });
      return [];
    });
    for (const { place, limitMs } of chosen ??
      tests.map((_, at) => ({ place: at, limitMs: LIMIT_MS }))) {
      const test = tests[place];
      if (test === undefined) continue;
      switches.mutantCoverage.perTest = {};
      Object.assign(switches, { activeMutant: mutant, hitCount: 0 });
      const start = performance.now();
      let failure = await run(test, limitMs);
      const ms = performance.now() - start;
      Object.assign(switches, { activeMutant: undefined, currentTestId: undefined });
      if (failure?.kind === "failed" && mutant !== undefined) {
        // A test that fails without the mutant, too, tells of what an earlier one has left.
        await leaveAll().catch(() => undefined);
        const same = (await load(file))[place] ?? test;
        if ((await run(same, limitMs)) !== undefined) failure = { ...failure, kind: "dirty" };
      }
      if (failure !== undefined) failures.push({ ...failure, test: `${file}: ${test.name}` });
      if (mutant !== undefined && failures.length > 0) break;
      if (mutant === undefined)
        runs.push({ file, place, ms, hits: switches.mutantCoverage.perTest.now ?? {} });
    }
    before.push({ file, hits: switches.mutantCoverage.static });
    if (mutant !== undefined && failures.length > 0) break;
  }
  await leaveAll().catch(() => undefined);
  return { failures, runs, before };
}

async function run(test: Test, limitMs: number): Promise<Omit<Failure, "test"> | undefined> {
  alive(limitMs);
  let timer: NodeJS.Timeout | undefined;
  const stopped = new Promise<never>((_, reject) => {
    rejectStray = reject;
    timer = setTimeout(() => reject(new TimeOut("took too long")), limitMs);
  });
  stopped.catch(() => undefined);
  try {
    const begin = () => {
      switches.currentTestId = "now";
    };
    await Promise.race([runTest(test, begin), stopped]);
    return undefined;
  } catch (error) {
    const kind = error instanceof TimeOut ? "timeout" : error instanceof Stray ? "stray" : "failed";
    return { kind, why: String(error) };
  } finally {
    clearTimeout(timer);
  }
}

function alive(withinMs: number): void {
  process.send?.({ withinMs } satisfies Alive);
}
