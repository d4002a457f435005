import { describe, expect, jest, test } from "@jest/globals";
import {
  FIRST_BACKOFF_MS,
  MAX_BACKOFF_MS,
  MIN_ATTEMPT_MS,
  retry,
  seconds,
} from "../../src/armor/retry.ts";
import { ArmorError } from "../../src/errors.ts";
import { type VirtualClock, virtualClock } from "../fixtures/virtual-clock.ts";

const down = (retryAfterMs?: number) =>
  new ArmorError("server_unavailable", "It is down", "Wait.", { retryAfterMs });

/** Fails with these errors in turn, then succeeds; each attempt takes `takesMs`. */
function attempts(clock: VirtualClock, errors: readonly Error[], takesMs = 0) {
  let count = 0;
  const attempt = async () => {
    await clock.pass(takesMs);
    const error = errors[count];
    count += 1;
    if (error !== undefined) throw error;
    return "done";
  };
  return { attempt, count: () => count };
}

function options(timeoutMs = 30_000) {
  const retries: [string, number][] = [];
  const onRetry = ({ problem }: ArmorError, pauseMs: number) => retries.push([problem, pauseMs]);
  return { timeoutMs, onRetry, retries };
}

describe("retry", () => {
  test("does not wait for what succeeds", async () => {
    const clock = virtualClock();
    await expect(retry(attempts(clock, []).attempt, options())).resolves.toBe("done");
    expect(clock.pauses).toEqual([]);
  });

  test("backs off exponentially up to a limit, with full jitter", async () => {
    for (const chance of [0, 0.5, 0.999]) {
      const clock = virtualClock(chance);
      await retry(attempts(clock, Array(7).fill(down())).attempt, options(300_000));
      const doubled = [1, 2, 4, 8, 16, 32, 64].map((times) => FIRST_BACKOFF_MS * times);
      const drawnFrom = doubled.map((ms) => Math.min(ms, MAX_BACKOFF_MS));
      expect(clock.pauses).toEqual(drawnFrom.map((ms) => ms * chance));
    }
  });

  test("spreads a crowd that met a rate limit widely from the start", async () => {
    const clock = virtualClock(0.999);
    const limited = new ArmorError("rate_limited", "Too often", "Wait.");
    await retry(attempts(clock, [limited, limited, limited]).attempt, options());
    const waits = [4000, 8000, 8000].map((ms) => 1000 + (ms - 1000) * 0.999);
    expect(clock.pauses).toEqual(waits.map((ms) => expect.closeTo(ms, 3)));
  });

  test("waits at least a second after a rate limit", async () => {
    const clock = virtualClock(0);
    const limited = new ArmorError("rate_limited", "Too often", "Wait.");
    await retry(attempts(clock, [limited, limited]).attempt, options());
    expect(clock.pauses).toEqual([1_000, 1_000]);
  });

  test("draws a pause from what is left, but never from less than the one before, and then stops", async () => {
    const clock = virtualClock(0.5);
    const { attempt, count } = attempts(clock, Array(99).fill(down()), 10);
    const timeoutMs = 10 * FIRST_BACKOFF_MS;
    await expect(retry(attempt, options(timeoutMs))).rejects.toThrow(/tried 5 times in /);
    expect(count()).toBe(5);
    const doubled = [0.5, 1, 2].map((times) => FIRST_BACKOFF_MS * times);
    const passedMs = 3.5 * FIRST_BACKOFF_MS + 4 * 10;
    const last = (timeoutMs - passedMs - MIN_ATTEMPT_MS) / 2;
    expect(clock.pauses).toEqual([...doubled, last].map((ms) => expect.closeTo(ms, -1)));
  });

  test("says what failed, and how long each pause is", async () => {
    const clock = virtualClock();
    const given = options();
    await retry(attempts(clock, [down(), down()]).attempt, given);
    expect(given.retries).toEqual([
      ["It is down", FIRST_BACKOFF_MS / 2],
      ["It is down", FIRST_BACKOFF_MS],
    ]);
  });

  test.each([
    { what: "an error that cannot pass", error: new ArmorError("access_denied", "P", "R.") },
    { what: "a fault of the program", error: new TypeError("x is not a function") },
  ])("does not repeat $what", async ({ error }) => {
    const clock = virtualClock();
    const { attempt, count } = attempts(clock, [error]);
    await expect(retry(attempt, options())).rejects.toBe(error);
    expect(count()).toBe(1);
  });

  test("gives up in time, without a last sleep, and says how often it was tried", async () => {
    const clock = virtualClock();
    const start = clock.now();
    const { attempt, count } = attempts(clock, Array(99).fill(down()), 100);
    const error = await retry(attempt, options(10_000)).catch((thrown) => thrown);
    const tookMs = clock.now() - start;
    expect(error).toMatchObject({
      code: "server_unavailable",
      message: `It is down, tried ${count()} times in ${seconds(tookMs)}. Wait.`,
    });
    expect(count()).toBeGreaterThan(3);
    expect(tookMs).toBeLessThanOrEqual(10_000);
    expect(clock.pauses).toHaveLength(count() - 1);
  });

  test("waits as long as the server asks, and the jitter on top", async () => {
    const clock = virtualClock();
    await retry(attempts(clock, [down(7_000), down(0)]).attempt, options());
    expect(clock.pauses).toEqual([7_000 + FIRST_BACKOFF_MS / 2, FIRST_BACKOFF_MS]);
  });

  test("draws the jitter from what is left if the server's own time nearly fills it", async () => {
    const clock = virtualClock(0.999);
    await retry(attempts(clock, [down(9_700)]).attempt, options(10_000));
    expect(clock.pauses).toEqual([9_700 + 0.999 * 50]);
  });

  test.each([
    {
      askedMs: 120_000,
      says:
        "It is down and asks to wait 120 s, longer than timeout (30 s) allows. " +
        "Set timeout above 120, or run the job again later.",
    },
    {
      askedMs: 29_900,
      says: "asks to wait 30 s, longer than timeout (30 s) allows. Set timeout above 30,",
    },
    { askedMs: 1e25, says: "asks to wait more than a day, longer than" },
    {
      askedMs: Number.POSITIVE_INFINITY,
      says: "No timeout is long enough for that: run the job again later.",
    },
  ])(
    "fails at once if the server asks for more than is left: $askedMs ms",
    async ({ askedMs, says }) => {
      const clock = virtualClock();
      await expect(retry(attempts(clock, [down(askedMs)]).attempt, options())).rejects.toThrow(
        says,
      );
      expect(clock.pauses).toEqual([]);
    },
  );

  test("gives each attempt half of what is left, but five seconds if there are five", async () => {
    const clock = virtualClock(0);
    const limits: number[] = [];
    const timer = jest.spyOn(globalThis, "setTimeout").mockImplementation((_, ms) => {
      limits.push(ms ?? 0);
      return undefined as never;
    });
    const stalls = async () => {
      await clock.pass(limits.at(-1) ?? 0);
      throw new ArmorError("reply_timeout", "P", "R.");
    };
    await expect(retry(stalls, options(30_000))).rejects.toThrow("tried 4 times in 30 s");
    timer.mockRestore();
    expect(limits).toEqual([15_000, 7_500, 5_000, 2_500]);
  });

  test("ends an attempt by its signal, and leaves no deadline behind one that settles", async () => {
    const signals: AbortSignal[] = [];
    const signalled = (signal: AbortSignal) =>
      new Promise<string>((resolve) => {
        signals.push(signal);
        signal.addEventListener("abort", () => resolve("late"));
        if (signals.length > 1) resolve("in time");
      });
    await expect(retry(signalled, options(100))).resolves.toBe("late");
    await expect(retry(signalled, options(100))).resolves.toBe("in time");
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });
});
