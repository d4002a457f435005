import { describe, expect, jest, test } from "@jest/globals";
import { runEntry } from "./fixtures/in-process.ts";

/** Loads the entry as the runner does and waits until it ends the process. */
async function start(): Promise<void> {
  const exited = new Promise<void>((resolve) => {
    jest.spyOn(process, "exit").mockImplementation(() => resolve() as never);
  });
  await jest.isolateModulesAsync(async () => {
    await import("../src/index.ts");
    await exited;
  });
}

describe("index", () => {
  test("is the main step at first, which fails closed", async () => {
    const { exitCode, lines, state } = await runEntry(start, {});
    expect(exitCode).toBe(1);
    expect(lines).toEqual([expect.stringMatching(/^::error::app-id is empty/)]);
    expect(state).toEqual({ main_started: "true" });
  });

  test("is the post step once the main step has left its mark, and fails nothing", async () => {
    const { exitCode, lines, state } = await runEntry(start, {}, { STATE_main_started: "true" });
    expect(exitCode).toBe(0);
    expect(lines).toEqual([]);
    expect(state).toEqual({});
  });
});
