// The parts of `npm run mutate` that decide: where a mutant is, what a branch has changed, and what
// is left over.

import assert from "node:assert/strict";
import { test } from "node:test";
import { linesOf } from "./changed.ts";
import { nameAt, namedRangesOf } from "./functions.ts";
import { judge, leftBy } from "./gate.ts";
import type { Mutant } from "./instrument.ts";

const SOURCE = `import { x } from "y";
const LIMIT = 5;
export class Gateway {
  readonly #size = LIMIT;
  serve() {
    const later = () => 7;
    return later;
  }
}
function open() { return { stop: () => 9, port: 10 }; }
if (x) open();
`;

test("a mutant is named by the innermost function around it", () => {
  const ranges = namedRangesOf(SOURCE);
  const nameOf = (text: string) => {
    const lines = SOURCE.split("\n");
    const line = lines.findIndex((one) => one.includes(text));
    return nameAt(ranges, { line, column: lines[line]?.indexOf(text) ?? 0 });
  };
  assert.equal(nameOf("5;"), "LIMIT");
  assert.equal(nameOf("LIMIT;\n".trim()), "Gateway.size");
  assert.equal(nameOf("return later"), "Gateway.serve");
  assert.equal(nameOf("7;"), "Gateway.serve.later");
  assert.equal(nameOf("9,"), "open.stop");
  assert.equal(nameOf("10 }"), "open");
  assert.equal(nameOf("x) open"), "(top level)");
});

test("a diff tells which lines are new", () => {
  const diff = [
    "+++ b/src/redact.ts",
    "@@ -3 +3,2 @@ function a() {",
    "+x",
    "+y",
    "@@ -9,2 +10,0 @@",
    "-z",
    "+++ b/src/step/main.ts",
    "@@ -0,0 +1 @@",
  ];
  assert.deepEqual(
    [...linesOf(diff.join("\n"))].map(([file, lines]) => ({ file, lines: [...lines] })),
    [
      { file: "src/redact.ts", lines: [3, 4] },
      { file: "src/step/main.ts", lines: [1] },
    ],
  );
});

const mutant = (id: string): Mutant => ({
  id,
  file: "src/redact.ts",
  function: "foldCase",
  mutator: "Regex",
  line: 3,
  lastLine: 3,
  original: "/a+/",
  replacement: "/a/",
});
const WHY = "Letter by letter gives the same text.";
const NOTHING: ReadonlySet<string> = new Set();

/** What is said of two mutants of one kind in one function, if so many of the kind are accepted. */
function judgeTwo(killed: readonly string[], count: number, why = WHY, isWhole = true) {
  const outcome = {
    mutants: [mutant("1"), mutant("2")],
    killed: new Set(killed),
    untried: NOTHING,
    sources: ["src/redact.ts"],
    isWhole,
  };
  const entry = { function: "foldCase", mutator: "Regex", count, why };
  return judge(outcome, { "src/redact.ts": count === 0 ? [] : [entry] });
}

test("a run is good if every mutant is killed", () => {
  assert.equal(judgeTwo(["1", "2"], 0).isGood, true);
});

test("a run is good if every survivor is accepted", () => {
  assert.equal(judgeTwo(["1"], 1).isGood, true);
});

test("a run fails at one survivor more than is accepted, and prints the entry that is missing", () => {
  for (const accepted of [0, 1]) {
    const { lines, isGood } = judgeTwo([], accepted);
    assert.equal(isGood, false);
    const entry = '    { function: "foldCase", mutator: "Regex", count: 2, why: "" },';
    assert.ok(lines.includes(entry), lines.join("\n"));
  }
});

test("a run fails at an entry that stands for nothing any more", () => {
  const { lines, isGood } = judgeTwo(["1", "2"], 1);
  assert.equal(isGood, false);
  assert.match(
    lines.join("\n"),
    /survives no longer so often: src\/redact\.ts foldCase Regex: 0 of 1/,
  );
});

test("a run of some lines does not judge entries of others", () => {
  assert.equal(judgeTwo(["1", "2"], 1, WHY, false).isGood, true);
});

test("a run fails at an entry without a reason", () => {
  assert.equal(judgeTwo(["1"], 1, " ").isGood, false);
});

test("an entry of a file that is gone is void", () => {
  const outcome = {
    mutants: [mutant("1")],
    killed: new Set(["1"]),
    untried: NOTHING,
    sources: ["src/redact.ts"],
    isWhole: true,
  };
  const entry = { function: "f", mutator: "Regex", why: WHY };
  assert.equal(judge(outcome, { "src/gone.ts": [entry] }).isGood, false);
});

test("what a run has left can be tried again by what it has printed", () => {
  const { lines } = judgeTwo([], 0);
  const isLeft = leftBy(lines.join("\n"));
  assert.equal(isLeft(mutant("1")), true);
  assert.equal(isLeft({ ...mutant("1"), replacement: "/b/" }), false);
  assert.equal(isLeft({ ...mutant("1"), file: "src/clock.ts" }), false);
});
