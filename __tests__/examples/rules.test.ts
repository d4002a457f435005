// What every example keeps to, because people copy it into workflows that hold a credential.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { EXAMPLES, type PlacedStep, readExample, STEPS, scriptOf } from "./workflows.ts";

const WITH_SCRIPT = STEPS.filter((step) => step.run !== undefined);
const WITH_ACTION = STEPS.filter((step) => step.uses?.startsWith("org/armor-token-action@"));
const OF_OTHERS = STEPS.filter((step) => step.uses !== undefined && !WITH_ACTION.includes(step));
const SCRIPT_CHECKOUTS = OF_OTHERS.filter(
  (step) => step.with?.["repository"] === "org/armor-token-action",
);

/** Where bash evaluates a value as an expression, in which `x[$(command)]` runs the command. */
const ARITHMETIC: readonly { readonly what: string; readonly sign: RegExp }[] = [
  { what: "(( )) and for (( ))", sign: /\(\(/ },
  { what: "$[ ]", sign: /\$\[/ },
  { what: "let", sign: /\blet\b/ },
  { what: "a variable with the attribute integer", sign: /\b(declare|typeset|local)\s+-\w*i/ },
  { what: "a comparison of numbers", sign: /\s-(eq|ne|lt|le|gt|ge)\s/ },
  { what: "a part of a variable", sign: /\$\{\w+:\s*[$\w(]/ },
  { what: "an element of an array", sign: /\w\[[^\]]*\$/ },
  { what: "test -v", sign: /\[\[?\s+-v\s/ },
  { what: "%d of printf", sign: /printf\b[^|;\n]*%[-+0 #]*\d*[diouxX]/ },
];

const PROGRAM = /\b(python3|curl|jq|git|sleep|grep|sed|awk|tr|cut|tee|cat|armor-token)\b/;

/** The commands of a script, without what is quoted in them and what only gives stdin. */
function bareCommands(script: string): string {
  return script
    .replace(/\\\n/g, " ")
    .replace(/< <\([\s\S]*?\n\s*\)/g, "")
    .replace(/'[^']*'|"[^"]*"/g, "''");
}

describe("a script in an example", () => {
  test.each([
    "if ((WORSE_BY > PQC_BUDGET)); then",
    "for ((poll = 1; poll <= MAX_POLLS; poll++)); do",
    "left=$[BUDGET - 1]",
    "let left=BUDGET",
    "declare -i left=$BUDGET",
    "if [[ $WORSE_BY -gt $PQC_BUDGET ]]; then",
    "echo $" + "{TEXT:$START}",
    "first=$" + "{list[$INDEX]}",
    "[[ -v $NAME ]]",
    "printf '%d' $BUDGET",
  ])("that calculates is found: %s", (script) => {
    expect(ARITHMETIC.filter(({ sign }) => sign.test(script))).not.toEqual([]);
  });

  test("is in all of the examples that a user starts", () => {
    expect(WITH_SCRIPT.length).toBeGreaterThanOrEqual(EXAMPLES.length);
  });

  test.each(WITH_SCRIPT)("$title: calculates with no value", (step) => {
    const script = scriptOf(step);
    // jq calculates in its own language, in single quotes.
    const withoutJq = script.replace(/exec jq [\s\S]*/, "");
    const found = ARITHMETIC.filter(({ sign }) => sign.test(withoutJq));
    expect(found.map(({ what }) => what)).toEqual([]);
  });

  test.each(WITH_SCRIPT)("$title: takes no expression into its text", (step) => {
    expect(scriptOf(step)).not.toContain("${{");
  });

  test.each(WITH_SCRIPT)("$title: starts one program, as its last command, by exec", (step) => {
    const commands = bareCommands(scriptOf(step)).trim().split("\n");
    const starting = commands.filter((command) => PROGRAM.test(command));
    const isWithoutProgram = commands.every((command) => /^\s*(echo|exit)\b/.test(command));
    if (isWithoutProgram) return expect(starting).toEqual([]);
    expect(starting).toEqual([commands.at(-1)]);
    expect(commands.at(-1)).toMatch(/^\s*exec /);
  });

  test.each(WITH_SCRIPT.filter((step) => scriptOf(step).includes("exec curl")))(
    "$title: gives curl its address by stdin",
    (step) => {
      const [, args = ""] = /exec curl([\s\S]*?)< <\(/.exec(scriptOf(step)) ?? [];
      expect(args).toContain("--config -");
      expect(args).not.toMatch(/\$\w*(URL|TOKEN)|https?:/);
    },
  );
});

describe("the action in an example", () => {
  test("is in all but the caller of a reusable workflow", () => {
    expect(WITH_ACTION).toHaveLength(EXAMPLES.length - 1);
  });

  test.each(WITH_ACTION)("$title: has a name and a literal address", (step) => {
    expect(step.name).toEqual(expect.any(String));
    expect(step.with?.["api-url"]).toMatch(/^https:\/\/[\w.-]+$/);
  });

  test.each(WITH_ACTION)("$title: lets no variable say where the key goes", (step) => {
    const { "app-id": _appId, ...others } = step.with ?? {};
    const values = Object.values({ ...others, ...step.env }).join("\n");
    expect(values).not.toContain("vars.");
  });
});

describe("an action of others in an example", () => {
  test.each(OF_OTHERS)("$title: is pinned to a commit, with its release", (step) => {
    const [file = ""] = step.title.split(":");
    expect(step.uses).toMatch(/@[0-9a-f]{40}$/);
    expect(readExample(file)).toMatch(new RegExp(`uses: ${step.uses} # v\\d+\\.\\d+\\.\\d+$`, "m"));
    expect(step.name).toEqual(expect.any(String));
  });

  test("is at the same commit in all examples", () => {
    const commits = new Map<string, Set<string>>();
    for (const { uses = "" } of OF_OTHERS) {
      const [action = "", commit = ""] = uses.split("@");
      commits.set(action, (commits.get(action) ?? new Set()).add(commit));
    }
    for (const [action, used] of commits) expect([action, used.size]).toEqual([action, 1]);
  });
});

describe("the scripts", () => {
  /** The path of the script that a step starts; undefined if it starts none. */
  function scriptPath(step: PlacedStep): string | undefined {
    return /exec python3 armor-token-action\/(examples\/scripts\/\w+\.py)/.exec(
      step.run ?? "",
    )?.[1];
  }

  test("come by a checkout of this repository at one commit", () => {
    const files = (steps: readonly PlacedStep[]) =>
      new Set(steps.map(({ title }) => title.split(":")[0]));
    const users = STEPS.filter((step) => scriptPath(step) !== undefined);
    expect(files(SCRIPT_CHECKOUTS)).toEqual(files(users));
    const refs = new Set(SCRIPT_CHECKOUTS.map((step) => step.with?.["ref"]));
    expect([...refs]).toEqual([expect.stringMatching(/^[0-9a-f]{40}$/)]);
    for (const { with: inputs } of SCRIPT_CHECKOUTS) {
      expect(inputs).toMatchObject({
        "sparse-checkout": "examples/scripts",
        path: "armor-token-action",
        "persist-credentials": false,
      });
    }
  });

  test("are all used by an example", () => {
    const used = STEPS.map(scriptPath).filter((path) => path !== undefined);
    const folder = join(ROOT, "examples", "scripts");
    const programs = readdirSync(folder).filter((name) =>
      readFileSync(join(folder, name), "utf8").startsWith("#!"),
    );
    expect(used.toSorted()).toEqual(
      expect.arrayContaining(programs.map((name) => `examples/scripts/${name}`)),
    );
  });
});
