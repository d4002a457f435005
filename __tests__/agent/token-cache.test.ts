import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { TokenCache } from "../../src/agent/token-cache.ts";
import type { Token } from "../../src/armor/token.ts";
import { ArmorError } from "../../src/errors.ts";
import { holds } from "../fixtures/property.ts";
import { virtualClock } from "../fixtures/virtual-clock.ts";

const down = new ArmorError("server_unavailable", "Down", "Wait.");
const rejected = new ArmorError("credentials_rejected", "No", "Check.", { isPermanent: true });

const settle = () => new Promise(setImmediate);

/** A cache of tokens that live for 60 s; a refresh goes on until the test lets it arrive or fail. */
function cacheWith({ lifetime = 60 } = {}) {
  const clock = virtualClock();
  const failures: unknown[] = [];
  let wallMs = 0;
  let asked = 0;
  let refreshed = 0;
  let overlaps = 0;
  let inFlight: { resolve(token: Token): void; reject(error: unknown): void; token: Token } | undefined;
  const steppedClock = { ...clock, date: () => clock.date() + wallMs };
  const make = (accessToken: string, expiresIn = lifetime): Token => ({
    ...{ accessToken, expiresIn, requestedAt: clock.now() },
    expiresAt: steppedClock.date() + expiresIn * 1000,
  });
  const cache = new TokenCache({
    first: make("first"),
    fetch: () => {
      asked += 1;
      if (inFlight !== undefined) overlaps += 1; // an error thrown here would be the cache's to handle
      const token = make(`fetched-${asked}`);
      return new Promise((resolve, reject) => {
        inFlight = { resolve, reject, token };
      });
    },
    clock: steppedClock,
    onRefresh: () => {
      refreshed += 1;
    },
    onFailure: (error) => failures.push(error),
  });
  const land = async (settleIt: (flight: NonNullable<typeof inFlight>) => void) => {
    const flight = inFlight;
    if (flight === undefined) throw new Error("no refresh is under way");
    inFlight = undefined;
    settleIt(flight);
    await settle();
  };
  /** Keeps what a promise gave: a name, or an error. */
  const watch = (promise: Promise<Token>) => {
    const seen: { value?: unknown } = {};
    promise.then(
      ({ accessToken }) => {
        seen.value = accessToken;
      },
      (error) => {
        seen.value = error;
      },
    );
    return seen;
  };
  const get = () => watch(cache.get());
  return {
    ...{ cache, clock, failures, get, make },
    replace: (name: string) => watch(cache.replace(name)),
    /** What a call gets at once. */
    async name() {
      const seen = get();
      await settle();
      return seen.value;
    },
    arrive: (changes: Partial<Token> = {}) => land(({ resolve, token }) => resolve({ ...token, ...changes })),
    fail: (error: unknown) => land(({ reject }) => reject(error)),
    stepWallClock: (ms: number) => {
      wallMs += ms;
    },
    counts: () => ({ asked, refreshed }),
    overlaps: () => overlaps,
  };
}

describe("by what is left of its life, a token", () => {
  test("above a third is answered, and nothing is asked for", async () => {
    const { clock, name, counts } = cacheWith();
    await clock.pass(39_999);
    expect(await name()).toBe("first");
    expect(counts().asked).toBe(0);
  });

  test("between a third and a sixth is answered, and another is fetched behind it, once", async () => {
    const { clock, name, arrive, counts } = cacheWith();
    await clock.pass(40_001);
    expect([await name(), await name()]).toEqual(["first", "first"]);
    expect(counts()).toEqual({ asked: 1, refreshed: 0 });
    await arrive();
    expect(await name()).toBe("fetched-1");
    expect(counts()).toEqual({ asked: 1, refreshed: 1 });
  });

  test("below a sixth is waited with, for another that all callers share", async () => {
    const { clock, get, arrive, counts } = cacheWith();
    await clock.pass(50_001);
    const callers = Array.from({ length: 60 }, get);
    await settle();
    expect(callers[0]).toEqual({});
    await arrive();
    expect(new Set(callers.map(({ value }) => value))).toEqual(new Set(["fetched-1"]));
    expect(counts().asked).toBe(1);
  });

  test("below a sixth is answered after two seconds, when the refresh hangs", async () => {
    const { clock, get } = cacheWith();
    await clock.pass(50_001);
    const caller = get();
    await clock.pass(1_999);
    expect(caller).toEqual({});
    await clock.pass(1);
    await settle();
    expect(caller).toEqual({ value: "first" });
  });

  test("is answered when a twentieth is left, and from there on at once", async () => {
    const { clock, get, name } = cacheWith();
    await clock.pass(56_000); // a fifteenth
    const caller = get();
    await clock.pass(999);
    expect(caller).toEqual({});
    await clock.pass(2);
    await settle();
    expect(caller).toEqual({ value: "first" });
    await clock.pass(1_000);
    expect(await name()).toBe("first");
  });

  test("below a sixth is answered when the refresh fails, and never when it has expired", async () => {
    const { clock, get, fail, name } = cacheWith();
    await clock.pass(51_000);
    const caller = get();
    await fail(down);
    expect(caller).toEqual({ value: "first" });
    await clock.pass(9_000);
    const late = get();
    await fail(down);
    expect(late).toEqual({ value: down });
    expect(await name()).toBe(down);
  });

  test("that has expired is not answered, however long the refresh takes", async () => {
    const { clock, get, arrive } = cacheWith();
    await clock.pass(60_000);
    const caller = get();
    await clock.pass(30_000);
    expect(caller).toEqual({});
    await arrive();
    expect(caller).toEqual({ value: "fetched-1" });
  });
});

describe("an idle cache", () => {
  test("asks for nothing, however long", async () => {
    const { clock, counts } = cacheWith();
    await clock.pass(24 * 3_600_000);
    expect(counts().asked).toBe(0);
  });
});

describe("the clocks", () => {
  test.each([
    ["the wall clock was set forward", 3_600_000],
    ["the machine slept", 61_000],
  ])("when %s, the token has expired", async (_, ms) => {
    const { stepWallClock, get, arrive, counts } = cacheWith();
    stepWallClock(ms);
    const caller = get();
    await settle();
    expect([caller, counts().asked]).toEqual([{}, 1]);
    await arrive();
    expect(caller).toEqual({ value: "fetched-1" });
  });

  test("when the wall clock was set back, the token expires all the same", async () => {
    const { clock, stepWallClock, cache, make, get } = cacheWith();
    const token = make("x");
    stepWallClock(-3_600_000);
    expect(cache.msLeft(token)).toBe(60_000);
    await clock.pass(60_000);
    expect(cache.msLeft(token)).toBe(0);
    const caller = get();
    await settle();
    expect(caller).toEqual({});
  });

  test("a life is counted from before the request", async () => {
    const { clock, get, arrive, name, counts } = cacheWith();
    await clock.pass(60_000);
    const caller = get();
    await settle();
    await clock.pass(39_000);
    await arrive();
    expect(caller).toEqual({ value: "fetched-1" });
    await clock.pass(1_001);
    expect(await name()).toBe("fetched-1");
    expect(counts().asked).toBe(2);
  });
});

describe("a failed refresh", () => {
  const asking = (retryAfterMs: number) => new ArmorError("rate_limited", "Often", "Wait.", { retryAfterMs });

  test.each<[string, number, unknown]>([
    ["for a second", 1_000, down],
    ["for a second, where it is a fault of the agent's", 1_000, new TypeError("fault")],
    ["as long as the server asked", 20_000, asking(20_000)],
    ["for at least a second", 1_000, asking(1)],
    ["for a minute at most", 60_000, asking(1e12)],
    ["for 30 s, where it is permanent", 30_000, rejected],
  ])("is remembered %s", async (_, ms, error) => {
    const { clock, get, fail, name, arrive, counts, failures } = cacheWith();
    await clock.pass(60_000);
    const caller = get();
    await settle();
    await fail(error);
    expect(caller).toEqual({ value: error });
    await clock.pass(ms - 1);
    expect(await name()).toBe(error);
    expect([counts().asked, failures]).toEqual([1, [error]]);
    await clock.pass(1);
    const next = get();
    await settle();
    await arrive();
    expect(next).toEqual({ value: "fetched-2" });
  });

  test("behind an answer is told, and not repeated at once", async () => {
    const { clock, name, fail, counts, failures } = cacheWith();
    await clock.pass(41_000);
    expect(await name()).toBe("first");
    await fail(down);
    expect([await name(), failures, counts().asked]).toEqual(["first", [down], 1]);
    await clock.pass(1_000);
    expect([await name(), counts().asked]).toEqual(["first", 2]);
  });
});

describe("a token on arrival", () => {
  test("that has nearly expired is used once, and starts no loop", async () => {
    const { clock, get, arrive, counts } = cacheWith();
    await clock.pass(60_000);
    const caller = get();
    await settle();
    await arrive({ requestedAt: clock.now() - 59_000 });
    expect(caller).toEqual({ value: "fetched-1" });
    expect(counts().asked).toBe(1);
  });

  test("that has expired is not used, and the old one is while it lives", async () => {
    const { clock, get, arrive, name, failures } = cacheWith();
    await clock.pass(51_000);
    const caller = get();
    await settle();
    await arrive({ expiresAt: 0 });
    expect(caller).toEqual({ value: "first" });
    expect(failures).toMatchObject([{ code: "token_expired" }]);
    expect(await name()).toBe("first");
    await clock.pass(9_000);
    const late = get();
    await settle();
    await arrive({ expiresAt: 0 });
    expect(late).toMatchObject({ value: { code: "token_expired" } });
  });
});

describe("a token that the server refused", () => {
  test("is replaced once, however many callers say so, and given to none meanwhile", async () => {
    const { replace, get, arrive, counts } = cacheWith();
    const callers = [replace("first"), replace("first"), get()];
    await settle();
    expect(callers).toEqual([{}, {}, {}]);
    await arrive();
    expect(callers.map(({ value }) => value)).toEqual(Array(3).fill("fetched-1"));
    const late = replace("first");
    await settle();
    expect([late.value, counts().asked]).toEqual(["fetched-1", 1]);
  });

  test("is replaced at most once a second, and who asks before waits", async () => {
    const { clock, replace, arrive, counts } = cacheWith();
    replace("first");
    await settle();
    await arrive();
    await clock.pass(300);
    replace("fetched-1");
    await settle();
    expect(clock.pauses).toEqual([700]);
    expect(counts().asked).toBe(2);
    await arrive();
    await clock.pass(5_000);
    replace("fetched-2");
    await settle();
    expect([clock.pauses, counts().asked]).toEqual([[700], 3]);
  });

  test("and cannot be replaced is the failure, at once while that is remembered", async () => {
    const { clock, replace, fail, get, counts } = cacheWith();
    const first = replace("first");
    await settle();
    await fail(rejected);
    const others = [replace("first"), get()];
    await settle();
    expect([first, ...others].map(({ value }) => value)).toEqual(Array(3).fill(rejected));
    expect([clock.pauses, counts().asked]).toEqual([[], 1]);
  });

  test("is known by the current one", () => {
    const { cache } = cacheWith();
    expect([cache.isCurrent("first"), cache.isCurrent("other")]).toEqual([true, false]);
  });
});

describe("close", () => {
  test("gives every token whose session may go on, revoked ones too, and no expired one", async () => {
    const { cache, clock, replace, arrive } = cacheWith();
    replace("first");
    await settle();
    await arrive();
    await expect(cache.close(1_000)).resolves.toEqual({
      accessTokens: ["first", "fetched-1"],
      isFetching: false,
    });
    await clock.pass(60_000);
    await expect(cache.close(1_000)).resolves.toEqual({ accessTokens: ["fetched-1"], isFetching: false });
  });

  test("gives the last 50 and the current one, where thousands were revoked", async () => {
    const { cache, clock, replace, arrive } = cacheWith({ lifetime: 86_400 });
    for (let times = 0; times < 100; times += 1) {
      await clock.pass(1_000);
      replace(times === 0 ? "first" : `fetched-${times}`);
      await settle();
      await arrive();
    }
    const { accessTokens } = await cache.close(1_000);
    expect([accessTokens.length, accessTokens.at(-1)]).toEqual([51, "fetched-100"]);
  });

  test("waits for the refresh under way, and begins no other", async () => {
    const { cache, clock, get, name, arrive, counts } = cacheWith();
    await clock.pass(60_000);
    get();
    await settle();
    const closing = cache.close(1_500);
    await arrive();
    await expect(closing).resolves.toEqual({ accessTokens: ["fetched-1"], isFetching: false });
    await clock.pass(60_000);
    expect(await name()).toMatchObject({ code: "agent_stopping" });
    expect(counts().asked).toBe(1);
  });

  test("waits no longer than it was told, and says so", async () => {
    const { cache, clock, get } = cacheWith();
    await clock.pass(60_000);
    get();
    await settle();
    const closing = cache.close(1_500);
    await clock.pass(1_500);
    await expect(closing).resolves.toEqual({ accessTokens: ["first"], isFetching: true });
  });

  test("ends a wait for a replacement without another refresh", async () => {
    const { cache, replace, arrive, counts } = cacheWith();
    replace("first");
    await settle();
    await arrive();
    await cache.close(1_000);
    const caller = replace("fetched-1");
    await settle();
    expect(caller).toMatchObject({ value: { code: "agent_stopping" } });
    expect(counts().asked).toBe(1);
  });
});

type Step =
  | { readonly does: "pass" | "step"; readonly ms: number }
  | { readonly does: "call" | "arrive" | "fail" | "refuse" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ does: fc.constant("pass" as const), ms: fc.oneof(fc.nat(90_000), fc.nat(2_000)) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant("step" as const),
      ms: fc.integer({ min: -90_000, max: 90_000 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ does: fc.constantFrom("call" as const, "arrive" as const) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constantFrom("fail" as const, "refuse" as const) }) },
);

holds(
  "for any events, there is one refresh at a time, no expired or refused token, and an end of each call",
  fc.asyncProperty(
    fc.constantFrom(1, 60, 3_600),
    fc.array(step, { maxLength: 40 }),
    async (lifetime, steps) => {
      const world = cacheWith({ lifetime });
      const { cache, clock } = world;
      let refused = "";
      let waiting = 0;
      let isFlying = false;
      const calls: Promise<void>[] = [];
      const call = async () => {
        waiting += 1;
        try {
          const token = await cache.get();
          expect(cache.msLeft(token)).toBeGreaterThan(0);
          expect(token.accessToken).not.toBe(refused);
        } catch (error) {
          expect(error).toBeInstanceOf(ArmorError);
        } finally {
          waiting -= 1;
        }
      };
      const land = async (how: () => Promise<void>) => {
        isFlying = await how().then(
          () => true,
          () => false,
        );
      };
      for (const made of steps) {
        if (made.does === "pass") await clock.pass(made.ms);
        else if (made.does === "step") world.stepWallClock(made.ms);
        else if (made.does === "call") calls.push(call());
        else if (made.does === "arrive") await land(() => world.arrive());
        else if (made.does === "fail") await land(() => world.fail(down));
        else {
          const seen = await world.name();
          if (typeof seen !== "string") continue;
          refused = seen;
          calls.push(
            cache.replace(refused).then(
              () => undefined,
              () => undefined,
            ),
          );
        }
        await settle();
      }
      // Whatever is under way ends with the refresh, and with the one that it may call for.
      for (let times = 0; times < 3; times += 1) {
        await clock.pass(120_000);
        await land(() => world.fail(rejected));
        await settle();
      }
      await Promise.all(calls);
      expect([waiting, isFlying, world.overlaps()]).toEqual([0, false, 0]);
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
      value: { code: "token_expired", problem: expect.stringContaining("expired before it arrived") },
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
