import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Token } from "../../src/armor/token.ts";
import { TokenCache } from "../../src/armor/token-cache.ts";
import { ArmorError } from "../../src/errors.ts";
import { holds } from "../fixtures/property.ts";
import { setClock, virtualClock } from "../fixtures/virtual-clock.ts";

const down = new ArmorError("server_unavailable", "Down", "Wait.");
const rejected = new ArmorError("credentials_rejected", "No", "Check.", { isPermanent: true });

const settle = () => new Promise(setImmediate);

/** A cache of tokens that live for 60 s; a refresh goes on until the test lets it arrive or fail. */
function cacheWith({ lifetime = 60 } = {}) {
  const virtual = virtualClock();
  const failures: unknown[] = [];
  const counts = { asked: 0, overlaps: 0 };
  let wallMs = 0;
  let inFlight:
    | { resolve(token: Token): void; reject(error: unknown): void; token: Token }
    | undefined;
  const clock = { ...virtual, date: () => virtual.date() + wallMs };
  setClock({ date: clock.date });
  const make = (accessToken: string): Token => ({
    accessToken,
    expiresIn: lifetime,
    requestedAt: clock.now(),
    expiresAt: clock.date() + lifetime * 1000,
  });
  const fetch = () => {
    counts.asked += 1;
    if (inFlight !== undefined) counts.overlaps += 1; // an error thrown here would be the cache's to handle
    const token = make(`fetched-${counts.asked}`);
    return new Promise<Token>((resolve, reject) => {
      inFlight = { resolve, reject, token };
    });
  };
  const cache = new TokenCache(make("first"), fetch, (error) => failures.push(error));
  const land = async (end: (flight: NonNullable<typeof inFlight>) => void) => {
    if (inFlight === undefined) throw new Error("no refresh is under way");
    end(inFlight);
    inFlight = undefined;
    await settle();
  };
  /** What a promise gives, once it does: a name, or an error. */
  const watch = async (promise: Promise<Token>) => {
    const seen: { value?: unknown } = {};
    promise.then(
      ({ accessToken }) => Object.assign(seen, { value: accessToken }),
      (error) => Object.assign(seen, { value: error }),
    );
    await settle();
    return seen;
  };
  return {
    cache,
    clock,
    failures,
    counts,
    make,
    /** A call so much later. */
    async get(ms = 0) {
      await clock.pass(ms);
      return await watch(cache.get());
    },
    /** What a call gets at once. */
    name: async () => (await watch(cache.get())).value,
    replace: (name: string) => watch(cache.replace(name)),
    arrive: (changes: Partial<Token> = {}) =>
      land(({ resolve, token }) => resolve({ ...token, ...changes })),
    fail: (error: unknown) => land(({ reject }) => reject(error)),
    stepWallClock: (ms: number) => {
      wallMs += ms;
    },
  };
}

describe("by what is left of its life, a token", () => {
  test("above a third is answered, and nothing is asked for; nor by an idle cache, however long", async () => {
    const { clock, get, counts } = cacheWith();
    expect(await get(39_999)).toEqual({ value: "first" });
    await clock.pass(24 * 3_600_000);
    expect(counts.asked).toBe(0);
  });

  test("between a third and a sixth is answered, and another is fetched behind it, once", async () => {
    const { get, name, arrive, counts } = cacheWith();
    expect([await get(40_001), await name()]).toEqual([{ value: "first" }, "first"]);
    expect(counts).toMatchObject({ asked: 1 });
    await arrive();
    expect(await name()).toBe("fetched-1");
    expect(counts).toMatchObject({ asked: 1 });
  });

  test("below a sixth is waited with, for another that all callers share", async () => {
    const { clock, get, arrive, counts } = cacheWith();
    await clock.pass(50_001);
    const callers = await Promise.all(Array.from({ length: 60 }, () => get()));
    expect(callers[0]).toEqual({});
    await arrive();
    expect(new Set(callers.map(({ value }) => value))).toEqual(new Set(["fetched-1"]));
    expect(counts.asked).toBe(1);
  });

  test.each([
    ["after two seconds", 50_001, 1_999],
    ["when a twentieth is left", 56_000, 999],
  ])("below a sixth is answered %s, when the refresh hangs", async (_, asked, ms) => {
    const { clock, get } = cacheWith();
    const caller = await get(asked);
    await clock.pass(ms);
    expect(caller).toEqual({});
    await clock.pass(2);
    await settle();
    expect(caller).toEqual({ value: "first" });
  });

  test("below a twentieth is answered at once", async () => {
    expect(await cacheWith().get(58_000)).toEqual({ value: "first" });
  });

  test("below a sixth is answered when the refresh fails, and never when it has expired", async () => {
    const { get, fail, name } = cacheWith();
    const caller = await get(51_000);
    await fail(down);
    expect(caller).toEqual({ value: "first" });
    const late = await get(9_000);
    await fail(down);
    expect([late, await name()]).toEqual([{ value: down }, down]);
  });

  test("that has expired is not answered, however long the refresh takes", async () => {
    const { clock, get, arrive } = cacheWith();
    const caller = await get(60_000);
    await clock.pass(30_000);
    expect(caller).toEqual({});
    await arrive();
    expect(caller).toEqual({ value: "fetched-1" });
  });
});

describe("the clocks", () => {
  test.each([
    ["the wall clock was set forward", 3_600_000],
    ["the machine slept", 61_000],
  ])("when %s, the token has expired", async (_, ms) => {
    const { stepWallClock, get, arrive, counts } = cacheWith();
    stepWallClock(ms);
    const caller = await get();
    expect([caller, counts.asked]).toEqual([{}, 1]);
    await arrive();
    expect(caller).toEqual({ value: "fetched-1" });
  });

  test("when the wall clock was set back, the token expires all the same", async () => {
    const { stepWallClock, cache, make, get } = cacheWith();
    const token = make("x");
    stepWallClock(-3_600_000);
    expect(cache.msLeft(token)).toBe(60_000);
    expect(await get(60_000)).toEqual({});
    expect(cache.msLeft(token)).toBe(0);
  });

  test("a life is counted from before the request", async () => {
    const { clock, get, arrive, counts } = cacheWith();
    const caller = await get(60_000);
    await clock.pass(39_000);
    await arrive();
    expect(caller).toEqual({ value: "fetched-1" });
    expect([await get(1_001), counts.asked]).toEqual([{ value: "fetched-1" }, 2]);
  });
});

describe("a failed refresh", () => {
  const asking = (retryAfterMs: number) =>
    new ArmorError("rate_limited", "Often", "Wait.", { retryAfterMs });

  test.each<[string, number, unknown]>([
    ["for a second", 1_000, down],
    ["for a second, where it is a fault of the agent's", 1_000, new TypeError("fault")],
    ["as long as the server asked", 20_000, asking(20_000)],
    ["for at least a second", 1_000, asking(1)],
    ["for a minute at most", 60_000, asking(1e12)],
    ["for 30 s, where it is permanent", 30_000, rejected],
  ])("is remembered %s", async (_, ms, error) => {
    const { get, fail, arrive, counts, failures } = cacheWith();
    const caller = await get(60_000);
    await fail(error);
    expect([caller, await get(ms - 1)]).toEqual([{ value: error }, { value: error }]);
    expect([counts.asked, failures]).toEqual([1, [error]]);
    const next = await get(1);
    await arrive();
    expect(next).toEqual({ value: "fetched-2" });
  });

  test("behind an answer is told, and not repeated at once", async () => {
    const { get, name, fail, counts, failures } = cacheWith();
    expect(await get(41_000)).toEqual({ value: "first" });
    await fail(down);
    expect([await name(), failures, counts.asked]).toEqual(["first", [down], 1]);
    expect([await get(1_000), counts.asked]).toEqual([{ value: "first" }, 2]);
  });
});

describe("a token on arrival", () => {
  test("that has nearly expired is used once, and starts no loop", async () => {
    const { clock, get, arrive, counts } = cacheWith();
    const caller = await get(60_000);
    await arrive({ requestedAt: clock.now() - 59_000 });
    expect([caller, counts.asked]).toEqual([{ value: "fetched-1" }, 1]);
  });

  test("that has expired is not used, and the old one is while it lives", async () => {
    const { get, arrive, name, failures } = cacheWith();
    const caller = await get(51_000);
    await arrive({ expiresAt: 0 });
    expect([caller, await name()]).toEqual([{ value: "first" }, "first"]);
    expect(failures).toMatchObject([{ code: "token_expired" }]);
    const late = await get(9_000);
    await arrive({ expiresAt: 0 });
    expect(late).toMatchObject({ value: { code: "token_expired" } });
  });
});

describe("a token that the server refused", () => {
  test("is replaced once, however many callers say so, and given to none meanwhile", async () => {
    const { replace, get, arrive, counts } = cacheWith();
    const callers = [await replace("first"), await replace("first"), await get()];
    expect(callers).toEqual([{}, {}, {}]);
    await arrive();
    expect(callers).toEqual(Array(3).fill({ value: "fetched-1" }));
    expect([await replace("first"), counts.asked]).toEqual([{ value: "fetched-1" }, 1]);
  });

  test("is believed again where the server gives the same one as the new one", async () => {
    const { replace, arrive, name } = cacheWith();
    const caller = await replace("first");
    await arrive({ accessToken: "first" });
    expect([caller, await name()]).toEqual([{ value: "first" }, "first"]);
  });

  test("is replaced at most once a second, and who asks before waits", async () => {
    const { clock, replace, arrive, counts } = cacheWith();
    await replace("first");
    await arrive();
    await clock.pass(300);
    await replace("fetched-1");
    expect([clock.pauses, counts.asked]).toEqual([[700], 2]);
    await arrive();
    await clock.pass(5_000);
    await replace("fetched-2");
    expect([clock.pauses, counts.asked]).toEqual([[700], 3]);
  });

  test("and cannot be replaced is the failure, at once while that is remembered", async () => {
    const { clock, replace, fail, get, counts } = cacheWith();
    const first = await replace("first");
    await fail(rejected);
    const callers = [first, await replace("first"), await get()];
    expect(callers).toEqual(Array(3).fill({ value: rejected }));
    expect([clock.pauses, counts.asked]).toEqual([[], 1]);
  });

  test("is known by the current one", () => {
    const { cache } = cacheWith();
    expect([cache.isCurrent("first"), cache.isCurrent("other")]).toEqual([true, false]);
  });
});

describe("close", () => {
  test("gives every token whose session may go on, revoked ones too, and no expired one", async () => {
    const { cache, clock, replace, arrive } = cacheWith();
    await replace("first");
    await arrive();
    const accessTokens = ["first", "fetched-1"];
    await expect(cache.close(1_000)).resolves.toEqual({ accessTokens, isFetching: false });
    await clock.pass(60_000);
    await expect(cache.close(1_000)).resolves.toEqual({
      accessTokens: ["fetched-1"],
      isFetching: false,
    });
  });

  test("gives the last 50 and the current one, where thousands were revoked", async () => {
    const { cache, clock, replace, arrive } = cacheWith({ lifetime: 86_400 });
    for (let times = 0; times < 100; times += 1) {
      await clock.pass(1_000);
      await replace(times === 0 ? "first" : `fetched-${times}`);
      await arrive();
    }
    const { accessTokens } = await cache.close(1_000);
    expect([accessTokens.length, accessTokens.at(-1)]).toEqual([51, "fetched-100"]);
  });

  test("waits for the refresh under way, begins no other, and lets no token be given", async () => {
    const { cache, get, replace, arrive, counts } = cacheWith();
    await get(60_000);
    const closing = cache.close(1_500);
    await arrive();
    await expect(closing).resolves.toEqual({ accessTokens: ["fetched-1"], isFetching: false });
    const stopping = { value: { code: "agent_stopping" } };
    expect([await get(), await replace("fetched-1")]).toMatchObject([stopping, stopping]);
    expect(counts.asked).toBe(1);
  });

  test("ends the pause before a replacement without a refresh", async () => {
    const { cache, replace, arrive, counts } = cacheWith();
    await replace("first");
    await arrive();
    const pausing = cache.replace("fetched-1");
    await cache.close(1_000);
    await expect(pausing).rejects.toMatchObject({ code: "agent_stopping" });
    expect(counts.asked).toBe(1);
  });

  test("waits no longer than it was told, and says so", async () => {
    const { cache, clock, get } = cacheWith();
    await get(60_000);
    const closing = cache.close(1_500);
    await clock.pass(1_500);
    await expect(closing).resolves.toEqual({ accessTokens: ["first"], isFetching: true });
  });
});

type Step = readonly ["pass" | "step" | "call" | "arrive" | "fail" | "refuse", number];

const always = <T>(value: T) => fc.constant(value);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(always("pass" as const), fc.oneof(fc.nat(90_000), fc.nat(2_000))),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(always("step" as const), fc.integer({ min: -90_000, max: 90_000 })),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(fc.constantFrom("call" as const, "arrive" as const), always(0)),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom("fail" as const, "refuse" as const), always(0)),
  },
);

holds(
  "for any events, there is one refresh at a time, no expired or refused token, and an end of each call",
  fc.asyncProperty(
    fc.constantFrom(1, 60, 3_600),
    fc.array(step, { maxLength: 40 }),
    async (lifetime, steps) => {
      const { cache, clock, counts, name, arrive, fail, stepWallClock } = cacheWith({ lifetime });
      let refused = "";
      let isFlying = false;
      const calls: Promise<unknown>[] = [];
      const call = async () => {
        const token = await cache.get().catch((error) => {
          expect(error).toBeInstanceOf(ArmorError);
        });
        if (token === undefined) return;
        expect(cache.msLeft(token)).toBeGreaterThan(0);
        expect(token.accessToken).not.toBe(refused);
      };
      const land = async (landing: Promise<void>) => {
        isFlying = await landing.then(
          () => true,
          () => false,
        );
      };
      for (const [does, ms] of steps) {
        if (does === "pass") await clock.pass(ms);
        else if (does === "step") stepWallClock(ms);
        else if (does === "call") calls.push(call());
        else if (does === "arrive") await land(arrive());
        else if (does === "fail") await land(fail(down));
        else {
          const seen = await name();
          if (typeof seen !== "string") continue;
          refused = seen;
          calls.push(cache.replace(refused).catch(() => undefined));
        }
        await settle();
      }
      // Whatever is under way ends with the refresh, and with the one that it may call for.
      for (let times = 0; times < 3; times += 1) {
        await clock.pass(120_000);
        await land(fail(rejected));
      }
      await Promise.all(calls);
      expect([isFlying, counts.overlaps]).toEqual([false, 0]);
    },
  ),
);

describe("at its bounds, a token", () => {
  test("with a third left is answered and another fetched; with a sixth left it is waited with", async () => {
    const third = cacheWith();
    await third.clock.pass(40_000);
    expect(await third.name()).toBe("first");
    await third.arrive();
    expect(await third.name()).toBe("fetched-1");
    const sixth = cacheWith();
    await sixth.clock.pass(50_000);
    const caller = await sixth.get();
    await settle();
    expect(caller).toEqual({});
    await sixth.arrive();
    expect(caller).toEqual({ value: "fetched-1" });
  });

  test("that arrives in the moment it expires is not used", async () => {
    const { clock, get, arrive } = cacheWith();
    await clock.pass(60_000);
    const caller = await get();
    await settle();
    await arrive({ requestedAt: clock.now() - 60_000 });
    expect(caller).toMatchObject({
      value: {
        code: "token_expired",
        problem: expect.stringContaining("expired before it arrived"),
      },
    });
    expect(caller).toMatchObject({ value: { remedy: expect.stringContaining("clock") } });
  });

  test("that is refused while a caller waits for another is not given to it when none comes", async () => {
    const { clock, get, replace, fail } = cacheWith();
    await clock.pass(51_000);
    const caller = await get();
    await replace("first");
    await settle();
    await fail(down);
    expect(caller).toEqual({ value: down });
  });

  test("is no longer being fetched where the refresh failed after the close", async () => {
    const { cache, clock, get, fail } = cacheWith();
    await clock.pass(60_000);
    await get();
    await settle();
    const closing = cache.close(1_500);
    await fail(down);
    await expect(closing).resolves.toEqual({ accessTokens: ["first"], isFetching: false });
  });
});
