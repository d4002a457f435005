import { describe, expect, test } from "@jest/globals";
import { ArmorError } from "../../src/errors.ts";
import { Keeper } from "../../src/agent/token-cache.ts";
import type { Token } from "../../src/armor/token.ts";
import { virtualClock } from "../fixtures/virtual-clock.ts";

const LIFETIME = 60;
const down = new ArmorError("server_unavailable", "Down", "Wait.");

/** A keeper whose renewals take a second each, and fail as often as `failures` has errors. */
function keeperWith(failures: readonly Error[] = [], { takesMs = 1_000, lifetime = LIFETIME } = {}) {
  const clock = virtualClock();
  const failed: unknown[] = [];
  let asked = 0;
  let minted = 0;
  const make = (name: string): Token => ({
    accessToken: name,
    expiresIn: lifetime,
    requestedAt: clock.now(),
    expiresAt: clock.date() + lifetime * 1000,
  });
  let finish: (() => void)[] = [];
  const keeper = new Keeper({
    first: make("first"),
    async mint() {
      const failure = failures[asked];
      asked += 1;
      const token = make(`minted-${asked}`);
      await new Promise<void>((resolve) => finish.push(resolve));
      if (failure !== undefined) throw failure;
      return token;
    },
    clock,
    onMint: () => {
      minted += 1;
    },
    onFailure: (error) => failed.push(error),
  });
  /** Lets the renewals under way arrive. */
  const arrive = async () => {
    await clock.pass(takesMs);
    for (const done of finish) done();
    finish = [];
    await new Promise(setImmediate);
  };
  const name = async () => (await keeper.token()).accessToken;
  return { keeper, clock, arrive, name, failed, counts: () => ({ asked, minted }) };
}

describe("Keeper", () => {
  test("above a third of its life, answers and asks nobody", async () => {
    const { clock, name, counts } = keeperWith();
    await expect(name()).resolves.toBe("first");
    await clock.pass(39_999);
    await expect(name()).resolves.toBe("first");
    expect(counts()).toEqual({ asked: 0, minted: 0 });
  });

  test("idle, asks nobody, however long", async () => {
    const { clock, counts } = keeperWith();
    await clock.pass(24 * 3600 * 1000);
    expect(counts()).toEqual({ asked: 0, minted: 0 });
  });

  test("between a third and a sixth, answers and renews behind the answer, once", async () => {
    const { clock, name, arrive, counts } = keeperWith();
    await clock.pass(40_001);
    await expect(Promise.all([name(), name(), name()])).resolves.toEqual(["first", "first", "first"]);
    expect(counts()).toEqual({ asked: 1, minted: 0 });
    await arrive();
    await expect(name()).resolves.toBe("minted-1");
    expect(counts()).toEqual({ asked: 1, minted: 1 });
  });

  test("below a sixth, and when it is dead, callers wait for one renewal", async () => {
    for (const age of [50_000, 59_999, 60_000, 3_600_000]) {
      const { clock, name, arrive, counts } = keeperWith();
      await clock.pass(age);
      const callers = Promise.all(Array.from({ length: 60 }, name));
      await arrive();
      expect(new Set(await callers)).toEqual(new Set(["minted-1"]));
      expect(counts()).toEqual({ asked: 1, minted: 1 });
    }
  });

  test("counts a life from before the request, so a renewal under way ages too", async () => {
    const { clock, name, arrive } = keeperWith([], { takesMs: 30_000 });
    await clock.pass(60_000);
    const caller = name();
    await arrive();
    await expect(caller).resolves.toBe("minted-1");
    await clock.pass(10_001); // a little over 40 s old by now
    await expect(name()).resolves.toBe("minted-1");
    await arrive();
    await expect(name()).resolves.toBe("minted-2");
  });

  test("a renewal that fails behind the answer is only counted, and not repeated at once", async () => {
    const { clock, name, arrive, failed, counts } = keeperWith([down]);
    await clock.pass(41_000);
    await expect(name()).resolves.toBe("first");
    await arrive();
    expect(failed).toEqual([down]);
    await expect(name()).resolves.toBe("first");
    expect(counts().asked).toBe(1);
    await clock.pass(1_000);
    await expect(name()).resolves.toBe("first");
    expect(counts().asked).toBe(2);
  });

  test("a failed renewal falls back on a token that has time to arrive, and never on a dead one", async () => {
    const failing = keeperWith([down, down, down]);
    await failing.clock.pass(51_000);
    const caller = failing.name();
    await failing.arrive();
    await expect(caller).resolves.toBe("first");
    await failing.clock.pass(5_500);
    const late = failing.name();
    late.catch(() => undefined);
    await failing.arrive();
    await expect(late).rejects.toBe(down);
  });

  test("a failure answers for a second, or for as long as the server asked, up to a minute", async () => {
    const hostile = new ArmorError("rate_limited", "Too often", "Wait.", 1e12);
    const patient = new ArmorError("rate_limited", "Too often", "Wait.", 20_000);
    for (const [error, holdsMs] of [
      [down, 1_000],
      [patient, 20_000],
      [hostile, 60_000],
      [new TypeError("fault"), 1_000],
    ] as const) {
      const { clock, name, arrive, counts } = keeperWith([error]);
      await clock.pass(60_000);
      const caller = name();
      caller.catch(() => undefined);
      await arrive();
      await expect(caller).rejects.toBe(error);
      await clock.pass(holdsMs - 1);
      await expect(name()).rejects.toBe(error);
      expect(counts().asked).toBe(1);
      await clock.pass(1);
      const next = name();
      await arrive();
      await expect(next).resolves.toBe("minted-2");
    }
  });

  test("a token that is dead on arrival is not handed out", async () => {
    const { clock, name, arrive, failed } = keeperWith([], { takesMs: 3_000, lifetime: 2 });
    await clock.pass(2_000);
    const caller = name();
    caller.catch(() => undefined);
    await arrive();
    await expect(caller).rejects.toMatchObject({ code: "token_expired" });
    expect(failed).toHaveLength(1);
  });

  test("a token that the server refuses is replaced, once however many callers complain", async () => {
    const { keeper, name, arrive, counts } = keeperWith();
    expect(keeper.reject("first")).toBe(true);
    const callers = [name(), name()];
    await arrive();
    await expect(Promise.all(callers)).resolves.toEqual(["minted-1", "minted-1"]);
    expect(keeper.reject("first")).toBe(true);
    await expect(name()).resolves.toBe("minted-1");
    expect(counts()).toEqual({ asked: 1, minted: 1 });
  });

  test("a server that refuses every token does not make it mint at every call", async () => {
    const { keeper, clock, name, arrive, counts } = keeperWith();
    keeper.reject("first");
    const caller = name();
    await arrive();
    await caller;
    expect(keeper.reject("minted-1")).toBe(false);
    await expect(name()).resolves.toBe("minted-1");
    await clock.pass(10_000);
    expect(keeper.reject("minted-1")).toBe(true);
    expect(counts().asked).toBe(1);
  });

  test("knows every session that may still live", async () => {
    const { keeper, clock, name, arrive } = keeperWith();
    expect(keeper.live()).toEqual(["first"]);
    await clock.pass(45_000);
    await name();
    await arrive();
    expect(keeper.live()).toEqual(["first", "minted-1"]);
    await clock.pass(14_000);
    expect(keeper.live()).toEqual(["minted-1"]);
    keeper.reject("minted-1");
    expect(keeper.live()).toEqual([]);
  });
});
