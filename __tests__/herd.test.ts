// That the simulation behind docs/benchmarks.md simulates what it says, and what it found to hold for the action.

import { describe, expect, test } from "@jest/globals";
import { runCrowd, type Scenario } from "../bench/herd/crowd.ts";
import { runMints } from "../bench/herd/mints.ts";
import { POLICIES } from "../bench/herd/policies.ts";
import { Simulation, seeded } from "../bench/herd/simulation.ts";

const SCENARIO: Scenario = { jobs: 300, perSecond: 15, hasRetryAfter: false, outageMs: 0, timeoutMs: 30_000 };

describe("virtual time", () => {
  test("events happen in the order of their times, whatever the order they were made in", async () => {
    const simulation = new Simulation();
    const random = seeded(7);
    const times = Array.from({ length: 500 }, () => Math.ceil(random() * 1000));
    const seen: number[] = [];
    for (const ms of times) simulation.after(ms, () => seen.push(simulation.now));
    await simulation.run();
    expect(seen).toEqual(times.toSorted((a, b) => a - b));
  });

  test("a sleeper wakes when it is due, or is told at once that it need not", async () => {
    const simulation = new Simulation();
    const clock = simulation.clock(() => 0);
    const woken: number[] = [];
    const sleeper = async () => {
      await clock.sleep(10.2);
      woken.push(clock.now());
      await clock.sleep(5);
      woken.push(clock.now());
    };
    const abort = new AbortController();
    const aborted = expect(clock.sleep(1_000, abort.signal)).rejects.toThrow("abort");
    void sleeper();
    abort.abort();
    await simulation.run(100);
    await aborted;
    expect(woken).toEqual([11, 16]);
  });
});

describe("a crowd of jobs", () => {
  test("is the same in every run", async () => {
    const runs = [runCrowd(POLICIES["this action"], SCENARIO), runCrowd(POLICIES["this action"], SCENARIO)];
    const [first, second] = await Promise.all(runs);
    expect(first).toEqual(second);
  });

  test("without a retry, gets what the bucket holds and what drips in meanwhile", async () => {
    const { share, requestsPerToken, load } = await runCrowd(POLICIES["no retry"], SCENARIO);
    expect(share * SCENARIO.jobs).toBeGreaterThanOrEqual(SCENARIO.perSecond);
    expect(share * SCENARIO.jobs).toBeLessThanOrEqual(SCENARIO.perSecond * 2 + 1);
    expect(requestsPerToken).toBeCloseTo(1 / share);
    expect(load.reduce((sum, requests) => sum + requests, 0)).toBe(SCENARIO.jobs);
  });

  test.each([
    { hasRetryAfter: false, outageMs: 0 },
    { hasRetryAfter: true, outageMs: 0 },
    { hasRetryAfter: false, outageMs: 20_000 },
    { hasRetryAfter: true, outageMs: 20_000 },
  ])("this action gets nearly all there is, and more than others: %p", async (changes) => {
    const scenario = { ...SCENARIO, ...changes };
    const { "this action": own, ...others } = POLICIES;
    const outcome = await runCrowd(own, scenario);
    expect(outcome.share).toBeGreaterThan(outcome.possible * 0.95);
    expect(outcome.share).toBeLessThanOrEqual(outcome.possible);
    expect(outcome.drainMs).toBeLessThan(scenario.timeoutMs + 2_000);
    for (const other of Object.values(others)) {
      const { share, requestsPerToken } = await runCrowd(other, scenario);
      expect(outcome.share).toBeGreaterThan(share * 1.5);
      if (share > 0) expect(outcome.requestsPerToken).toBeLessThan(requestsPerToken);
    }
  });
});

describe("token agents", () => {
  test.each([1, 10, 60, 600])(
    "with a call every %p s, mint less than each call would, and never often",
    async (everyS) => {
      const { calls, perJobMinute } = await runMints(20, everyS * 1000);
      expect(calls).toBeGreaterThan((20 * 3600 * 0.8) / everyS);
      expect(perJobMinute).toBeLessThan(Math.min(1.5, 60 / everyS + 0.05));
    },
  );
});
