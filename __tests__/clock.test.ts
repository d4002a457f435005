import { expect, test } from "@jest/globals";
import { clock, isoDate, within } from "../src/clock.ts";

/** The timers that keep this process alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

test("the monotonic clock does not follow the wall clock, which the wall clock's time does", () => {
  const { now } = Date;
  const [monotonic, wall] = [clock.now(), clock.date()];
  Date.now = () => now() + 3_600_000;
  try {
    expect(clock.now() - monotonic).toBeLessThan(600_000);
    expect(clock.date() - wall).toBeGreaterThanOrEqual(3_600_000);
  } finally {
    Date.now = now;
  }
});

test("a date is rounded down to whole seconds", () => {
  expect(isoDate(1_800_000_000_999)).toBe("2027-01-15T08:00:00Z");
});

test("chance is at least 0 and below 1", () => {
  const chance = clock.random();
  expect(chance).toBeGreaterThanOrEqual(0);
  expect(chance).toBeLessThan(1);
});

test.each([
  { what: "settled", promise: () => Promise.resolve("it") },
  { what: "failed", promise: () => Promise.reject(new Error("it")) },
])("a promise that has $what in time leaves no timer behind", async ({ promise }) => {
  const before = timers();
  await within(60_000, promise(), () => "late").catch(() => undefined);
  await new Promise(setImmediate);
  expect(timers()).toBe(before);
});
