// The examples as data, for the tests that hold all of them to the same rules.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { ROOT } from "../../sandbox/runner.ts";

type Values = Readonly<Record<string, string | number | boolean>>;

export interface Step {
  readonly name?: string;
  readonly if?: string;
  readonly uses?: string;
  readonly with?: Values;
  readonly env?: Values;
  readonly run?: string;
}

/** A step, and the workflow in which it stands. */
export interface PlacedStep extends Step {
  /** The workflow's file and the step's name, for titles of tests. */
  readonly title: string;
}

interface Job {
  /** Undefined if the job calls a reusable workflow. */
  readonly steps?: readonly Step[];
}

const FOLDER = join(ROOT, "examples");

export const EXAMPLES: readonly string[] = readdirSync(FOLDER).filter((name) =>
  name.endsWith(".yml"),
);

/** The text of a workflow in examples/. */
export function readExample(name: string): string {
  return readFileSync(join(FOLDER, name), "utf8");
}

/** Every step of every example. */
export const STEPS: readonly PlacedStep[] = EXAMPLES.flatMap((file) => {
  const { jobs } = parse(readExample(file)) as { jobs: Readonly<Record<string, Job>> };
  return Object.values(jobs).flatMap(({ steps = [] }) =>
    steps.map((step) => ({ ...step, title: `${file}: ${step.name}` })),
  );
});

/** A step's script without its comments; empty if the step has none. */
export function scriptOf(step: Step): string {
  return (step.run ?? "").replace(/^\s*#.*\n/gm, "");
}
