// The keeper with made-up times, lifetimes, failures and calls, against rules that are kept here in plain variables.

import { describe, expect } from "@jest/globals";
import fc from "fast-check";
import type { Clock } from "../../src/clock.ts";
import { ArmorError } from "../../src/errors.ts";
import { Keeper } from "../../src/agent/token-cache.ts";
import type { Token } from "../../src/armor/token.ts";
import { holds } from "../fixtures/property.ts";

type Step =
  | { readonly does: "pass"; readonly ms: number }
  | { readonly does: "call" }
  | { readonly does: "arrive"; readonly lifetime: number }
  | { readonly does: "fail"; readonly retryAfterMs: number | undefined }
  | { readonly does: "refuse"; readonly token: number };

const lifetime = fc.oneof(
  fc.constantFrom(1, 60, 3600),
  fc.integer({ min: 1, max: 600 }),
  fc.double({ min: 0.001, max: 90, noNaN: true }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ does: fc.constant("pass" as const), ms: fc.oneof(fc.nat(90_000), fc.nat(2_000)) }),
  },
  { weight: 5, arbitrary: fc.record({ does: fc.constant("call" as const) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant("arrive" as const), lifetime }) },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant("fail" as const),
      retryAfterMs: fc.option(fc.oneof(fc.nat(120_000), fc.constant(Number.POSITIVE_INFINITY)), {
        nil: undefined,
      }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("refuse" as const), token: fc.nat() }) },
);

/** When the token dies, give or take what floating-point numbers lose. */
function deathOf({ requestedAt, expiresIn }: Token): number {
  return requestedAt + expiresIn * 1000 + 1e-6;
}

describe("the keeper, for any sequence of times, lifetimes, failures and calls", () => {
  holds(
    "never serves a dead token, never has two flights, and leaves no caller without an answer",
    fc.asyncProperty(lifetime, fc.array(step, { maxLength: 40 }), async (firstLifetime, steps) => {
      let now = 5_000;
      const clock: Clock = {
        now: () => now,
        date: () => 1.8e12 + now,
        random: () => 0.5,
        sleep: () => Promise.reject(new Error("the keeper has no timers")),
      };
      const tokens: Token[] = [];
      const make = (expiresIn: number, requestedAt: number): Token => {
        const token = { accessToken: `t${tokens.length}`, expiresIn, requestedAt, expiresAt: 0 };
        tokens.push(token);
        return token;
      };
      let flight:
        | { readonly startedAt: number; resolve(token: Token): void; reject(error: Error): void }
        | undefined;
      const keeper = new Keeper({
        first: make(firstLifetime, now),
        mint: () =>
          new Promise((resolve, reject) => {
            expect(flight).toBeUndefined();
            flight = { startedAt: now, resolve, reject };
          }),
        clock,
        onMint: () => undefined,
        onFailure: () => undefined,
      });
      let waiting = 0;
      const call = async () => {
        waiting += 1;
        try {
          const token = await keeper.token();
          expect(now).toBeLessThan(deathOf(token));
          expect(tokens).toContain(token);
        } catch (error) {
          expect(error).toBeInstanceOf(ArmorError);
        } finally {
          waiting -= 1;
        }
      };
      const calls: Promise<void>[] = [];
      const land = async (settle: (landing: NonNullable<typeof flight>) => void) => {
        if (flight === undefined) return;
        const landing = flight;
        flight = undefined;
        settle(landing);
        await new Promise(setImmediate);
      };
      for (const made of steps) {
        if (made.does === "pass") now += made.ms;
        else if (made.does === "call") calls.push(call());
        else if (made.does === "refuse") keeper.reject(tokens[made.token % tokens.length]?.accessToken ?? "");
        else if (made.does === "arrive") {
          await land(({ startedAt, resolve }) => resolve(make(made.lifetime, startedAt)));
        } else {
          await land(({ reject }) =>
            reject(new ArmorError("server_unavailable", "P", "R.", made.retryAfterMs)),
          );
        }
        // Who asks while a renewal is under way may wait for it; who asks otherwise has an answer at once.
        if (made.does === "call") await new Promise(setImmediate);
        if (flight === undefined) expect(waiting).toBe(0);
        const live = tokens.filter(({ accessToken }) => keeper.live().includes(accessToken));
        for (const token of live) expect(now).toBeLessThan(deathOf(token));
      }
      await land(({ reject }) => reject(new ArmorError("server_unavailable", "P", "R.")));
      await Promise.all(calls);
      expect(waiting).toBe(0);
    }),
  );
});
