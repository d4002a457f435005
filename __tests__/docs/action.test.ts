// action.yml against the code that stands behind it.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { parseDocument } from "yaml";
import { ROOT, readAction } from "../../sandbox/runner.ts";
import { DEFAULTS, readInputs } from "../../src/step/inputs.ts";
import { setAgentOutputs, setTokenOutputs } from "../../src/step/outputs.ts";

describe("action.yml", () => {
  let action: Awaited<ReturnType<typeof readAction>>;

  beforeAll(async () => {
    action = await readAction();
  });

  test("has the inputs that are read, and no other", () => {
    const read = new Set<string>();
    const values: Record<string, string> = { "app-id": "id", "api-key": "key", ...DEFAULTS };
    readInputs({
      getInput(name) {
        read.add(name);
        return values[name] ?? "";
      },
    });
    expect(Object.keys(action.inputs).sort()).toEqual([...read].sort());
  });

  test("has the defaults of the code; what has none is required", () => {
    for (const [name, input] of Object.entries(action.inputs)) {
      const byDefault = (DEFAULTS as Readonly<Record<string, string>>)[name];
      expect([name, input.default]).toEqual([name, byDefault]);
      expect([name, input.required]).toEqual([name, byDefault === undefined]);
    }
  });

  test("has the outputs that are set, and no other", () => {
    const set: string[] = [];
    const sink = { setSecret: () => undefined, setOutput: (name: string) => set.push(name) };
    const address = { gatewayUrl: "http://x/cap", capability: "cap", command: "/armor-token", bin: "/" };
    setTokenOutputs(sink, { accessToken: "abc", expiresIn: 60, expiresAt: 0, requestedAt: 0 });
    setAgentOutputs(sink, address);
    expect(Object.keys(action.outputs)).toEqual(set);
  });

  test("describes everything in a sentence, and is nothing but valid YAML", () => {
    const document = parseDocument(readFileSync(join(ROOT, "action.yml"), "utf8"), { strict: true });
    expect([...document.errors, ...document.warnings]).toEqual([]);
    const described: { description?: string }[] = [
      ...Object.values(action.inputs),
      ...Object.values(action.outputs),
    ];
    for (const { description } of described) expect(description).toMatch(/^[A-Z].{10,}\.$/);
  });

  test("starts files that are there, on Node 24, and the post step always", () => {
    expect(action.runs).toEqual({
      using: "node24",
      main: "dist/index.js",
      post: "dist/index.js",
      "post-if": "always()",
    });
    expect(existsSync(join(ROOT, action.runs.main))).toBe(true);
  });
});
