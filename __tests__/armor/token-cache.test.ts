import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Token } from "../../src/armor/token.ts";
import { MAX_SESSIONS, TokenCache, TRY_AGAIN_AT_MS } from "../../src/armor/token-cache.ts";
import { ArmorError } from "../../src/errors.ts";
import { holds } from "../fixtures/property.ts";
import { setClock, virtualClock } from "../fixtures/virtual-clock.ts";

const down = new ArmorError("server_unavailable", "Down", "Wait.");
const rejected = new ArmorError("credentials_rejected", "No", "Check.", { isPermanent: true });
const stopping = { error: { code: "agent_stopping" } };

/** From this age on, a refused token is replaced at once. */
const OLD_MS = TRY_AGAIN_AT_MS.at(-1) ?? 0;

/** Lets everything run that waits for no time. */
const settle = () => new Promise(setImmediate);

/** What has become of a call: nothing yet, the name of its token, or its error. */
interface Outcome {
  token?: string;
  error?: unknown;
}

/** A refresh under way, which the test ends. */
interface Refresh {
  readonly token: Token; // what it would bring, made when it began
  resolve(token: Token): void;
  reject(error: unknown): void;
}

/** A cache on a virtual clock. Its first token is `first`, those that it fetches are `fetched-1` and so on. */
class Trial {
  readonly cache: TokenCache;
  readonly failures: unknown[] = []; // what onFailure was told
  fetches = 0;
  overlaps = 0; // refreshes that began while another one was under way
  readonly #clock = virtualClock();
  readonly #lifetime: number; // of every token, in seconds
  #wallClockStep = 0; // what was added to the wall clock, in ms
  #refresh: Refresh | undefined;

  constructor({ lifetime = 60 } = {}) {
    this.#lifetime = lifetime;
    setClock({ date: () => this.#clock.date() + this.#wallClockStep });
    const onFailure = (error: unknown) => this.failures.push(error);
    this.cache = new TokenCache(this.issue("first"), () => this.#fetch(), onFailure);
  }

  /** A token that is issued now. */
  issue(accessToken: string): Token {
    const expiresAt = this.#clock.date() + this.#wallClockStep + this.#lifetime * 1000;
    const requestedAt = this.#clock.now();
    return { accessToken, expiresIn: this.#lifetime, requestedAt, expiresAt };
  }

  #fetch(): Promise<Token> {
    this.fetches += 1;
    if (this.#refresh !== undefined) this.overlaps += 1; // an error here would be the cache's to handle
    const token = this.issue(`fetched-${this.fetches}`);
    return new Promise((resolve, reject) => {
      this.#refresh = { token, resolve, reject };
    });
  }

  /** How long the cache paused by itself, in ms each. */
  get pauses(): readonly number[] {
    return this.#clock.pauses;
  }

  async pass(ms: number): Promise<void> {
    await this.#clock.pass(ms);
    await settle();
  }

  /** Has something happen when so much time has passed, also in a pause of the cache's. */
  later(ms: number, action: () => Promise<void>): void {
    const neverAborts = new AbortController().signal;
    this.#clock.sleep(ms, neverAborts).then(action);
  }

  stepWallClock(ms: number): void {
    this.#wallClockStep += ms;
  }

  /** Somebody asks for a token. */
  call(): Promise<Outcome> {
    return observe(this.cache.get());
  }

  /** The server has answered 401 to this token, and the caller asks for another. */
  refuse(accessToken: string): Promise<Outcome> {
    return observe(this.cache.replace(accessToken));
  }

  /** The refresh under way brings its token, with these changes. */
  async bring(changes: Partial<Token> = {}): Promise<void> {
    const { token, resolve } = this.#endRefresh();
    resolve({ ...token, ...changes });
    await settle();
  }

  /** The refresh under way fails. */
  async fail(error: unknown): Promise<void> {
    this.#endRefresh().reject(error);
    await settle();
  }

  #endRefresh(): Refresh {
    const refresh = this.#refresh;
    if (refresh === undefined) throw new Error("no refresh is under way");
    this.#refresh = undefined;
    return refresh;
  }

  get isRefreshing(): boolean {
    return this.#refresh !== undefined;
  }

  /** The current token is refused and replaced, so many times in turn, each time when it is old enough. */
  async replaceRepeatedly(times: number): Promise<void> {
    for (let index = 0; index < times; index += 1) {
      await this.pass(OLD_MS);
      await this.refuse(index === 0 ? "first" : `fetched-${index}`);
      await this.bring();
    }
  }
}

/** Gives an outcome that changes when the promise settles. */
async function observe(promise: Promise<Token>): Promise<Outcome> {
  const outcome: Outcome = {};
  promise.then(
    ({ accessToken }) => {
      outcome.token = accessToken;
    },
    (error) => {
      outcome.error = error;
    },
  );
  await settle();
  return outcome;
}

describe("by what is left of its life, a token", () => {
  test("above a third is answered, and nothing is asked for; nor by an idle cache, however long", async () => {
    const trial = new Trial();
    await trial.pass(39_999);
    expect(await trial.call()).toEqual({ token: "first" });
    await trial.pass(24 * 3_600_000);
    expect(trial.fetches).toBe(0);
  });

  test("between a third and a sixth is answered, and another is fetched behind it, once", async () => {
    const trial = new Trial();
    await trial.pass(40_001);
    expect(await trial.call()).toEqual({ token: "first" });
    expect(await trial.call()).toEqual({ token: "first" });
    expect(trial.fetches).toBe(1);
    await trial.bring();
    expect(await trial.call()).toEqual({ token: "fetched-1" });
    expect(trial.fetches).toBe(1);
  });

  test("below a sixth is waited with, for another that all callers share", async () => {
    const trial = new Trial();
    await trial.pass(50_001);
    const callers = await Promise.all(Array.from({ length: 60 }, () => trial.call()));
    expect(callers).toEqual(Array(60).fill({}));
    await trial.bring();
    expect(callers).toEqual(Array(60).fill({ token: "fetched-1" }));
    expect(trial.fetches).toBe(1);
  });

  test.each([
    { when: "after two seconds", ageMs: 50_001, waitMs: 1_999 },
    { when: "when a twentieth is left", ageMs: 56_000, waitMs: 999 },
  ])("below a sixth is answered $when if the refresh hangs", async ({ ageMs, waitMs }) => {
    const trial = new Trial();
    await trial.pass(ageMs);
    const caller = await trial.call();
    await trial.pass(waitMs);
    expect(caller).toEqual({});
    await trial.pass(2);
    expect(caller).toEqual({ token: "first" });
  });

  test("below a twentieth is answered at once", async () => {
    const trial = new Trial();
    await trial.pass(58_000);
    expect(await trial.call()).toEqual({ token: "first" });
  });

  test("below a sixth is answered if the refresh fails, and never when it has expired", async () => {
    const trial = new Trial();
    await trial.pass(51_000);
    const early = await trial.call();
    await trial.fail(down);
    expect(early).toEqual({ token: "first" });
    await trial.pass(9_000);
    const late = await trial.call();
    await trial.fail(down);
    expect([late, await trial.call()]).toEqual([{ error: down }, { error: down }]);
  });

  test("that has expired is not answered, however long the refresh takes", async () => {
    const trial = new Trial();
    await trial.pass(60_000);
    const caller = await trial.call();
    await trial.pass(30_000);
    expect(caller).toEqual({});
    await trial.bring();
    expect(caller).toEqual({ token: "fetched-1" });
  });

  test("with exactly a third left is answered and another fetched", async () => {
    const trial = new Trial();
    await trial.pass(40_000);
    expect(await trial.call()).toEqual({ token: "first" });
    await trial.bring();
    expect(await trial.call()).toEqual({ token: "fetched-1" });
  });

  test("with exactly a sixth left is waited with", async () => {
    const trial = new Trial();
    await trial.pass(50_000);
    const caller = await trial.call();
    expect(caller).toEqual({});
    await trial.bring();
    expect(caller).toEqual({ token: "fetched-1" });
  });
});

describe("the clocks", () => {
  test.each([
    { event: "the wall clock was set forward", ms: 3_600_000 },
    { event: "the machine slept", ms: 61_000 },
  ])("when $event, the token has expired", async ({ ms }) => {
    const trial = new Trial();
    trial.stepWallClock(ms);
    const caller = await trial.call();
    expect([caller, trial.fetches]).toEqual([{}, 1]);
    await trial.bring();
    expect(caller).toEqual({ token: "fetched-1" });
  });

  test("when the wall clock was set back, the token expires all the same", async () => {
    const trial = new Trial();
    const token = trial.issue("x");
    trial.stepWallClock(-3_600_000);
    expect(trial.cache.msLeft(token)).toBe(60_000);
    await trial.pass(60_000);
    expect(await trial.call()).toEqual({});
    expect(trial.cache.msLeft(token)).toBe(0);
  });

  test("a life is counted from before the request", async () => {
    const trial = new Trial();
    await trial.pass(60_000);
    const caller = await trial.call();
    await trial.pass(39_000);
    await trial.bring();
    expect(caller).toEqual({ token: "fetched-1" });
    await trial.pass(1_001);
    expect([await trial.call(), trial.fetches]).toEqual([{ token: "fetched-1" }, 2]);
  });
});

describe("a failed refresh", () => {
  const asking = (retryAfterMs: number) =>
    new ArmorError("rate_limited", "Often", "Wait.", { retryAfterMs });

  test.each<{ how: string; ms: number; error: unknown }>([
    { how: "for a second", ms: 1_000, error: down },
    { how: "for a second if it is a bug", ms: 1_000, error: new TypeError("fault") },
    { how: "as long as the server asked", ms: 20_000, error: asking(20_000) },
    { how: "for at least a second", ms: 1_000, error: asking(1) },
    { how: "for a minute at most", ms: 60_000, error: asking(1e12) },
    { how: "for 30 s if it is permanent", ms: 30_000, error: rejected },
  ])("is remembered $how", async ({ ms, error }) => {
    const trial = new Trial();
    await trial.pass(60_000);
    const caller = await trial.call();
    await trial.fail(error);
    await trial.pass(ms - 1);
    expect([caller, await trial.call()]).toEqual([{ error }, { error }]);
    expect([trial.fetches, trial.failures]).toEqual([1, [error]]);
    await trial.pass(1);
    const next = await trial.call();
    await trial.bring();
    expect(next).toEqual({ token: "fetched-2" });
  });

  test("behind an answer is told, and not repeated at once", async () => {
    const trial = new Trial();
    await trial.pass(41_000);
    expect(await trial.call()).toEqual({ token: "first" });
    await trial.fail(down);
    expect([await trial.call(), trial.failures]).toEqual([{ token: "first" }, [down]]);
    expect(trial.fetches).toBe(1);
    await trial.pass(1_000);
    expect([await trial.call(), trial.fetches]).toEqual([{ token: "first" }, 2]);
  });
});

describe("a token on arrival", () => {
  const tooLate = { error: { code: "token_expired" } };

  test("that has nearly expired is used once, and starts no loop", async () => {
    const trial = new Trial();
    const { requestedAt } = trial.issue("long ago");
    await trial.pass(60_000);
    const caller = await trial.call();
    await trial.bring({ requestedAt: requestedAt + 1_000 });
    expect([caller, trial.fetches]).toEqual([{ token: "fetched-1" }, 1]);
  });

  test("that has expired is not used, and the old one is while it lives", async () => {
    const trial = new Trial();
    await trial.pass(51_000);
    const caller = await trial.call();
    await trial.bring({ expiresAt: 0 });
    expect([caller, await trial.call()]).toEqual([{ token: "first" }, { token: "first" }]);
    expect(trial.failures).toMatchObject([tooLate.error]);
    await trial.pass(9_000);
    const late = await trial.call();
    await trial.bring({ expiresAt: 0 });
    expect(late).toMatchObject(tooLate);
  });

  test("that expires in this moment is not used, and the error says what may be wrong", async () => {
    const trial = new Trial();
    const { requestedAt } = trial.issue("long ago");
    await trial.pass(60_000);
    const caller = await trial.call();
    await trial.bring({ requestedAt });
    expect(caller).toMatchObject({
      error: {
        code: "token_expired",
        problem: expect.stringContaining("expired before it arrived"),
        remedy: expect.stringContaining("clock"),
      },
    });
  });
});

describe("a token that the server refused", () => {
  test("is replaced once, however many callers say so, and given to none meanwhile", async () => {
    const trial = new Trial();
    await trial.pass(OLD_MS);
    const callers = [await trial.refuse("first"), await trial.refuse("first"), await trial.call()];
    expect(callers).toEqual([{}, {}, {}]);
    await trial.bring();
    expect(callers).toEqual(Array(3).fill({ token: "fetched-1" }));
    await trial.pass(OLD_MS);
    expect([await trial.refuse("first"), trial.fetches]).toEqual([{ token: "fetched-1" }, 1]);
  });

  test("is tried again at three ages before it is replaced, as it may not be known everywhere yet", async () => {
    const trial = new Trial();
    await trial.pass(100);
    for (const pause of [400, 500, 1_000]) {
      expect(await trial.refuse("first")).toEqual({ token: "first" });
      expect(trial.pauses.at(-1)).toBe(pause);
    }
    expect(trial.fetches).toBe(0);
    const caller = await trial.refuse("first");
    await trial.bring();
    expect([caller, trial.fetches]).toEqual([{ token: "fetched-1" }, 1]);
    expect(await trial.refuse("fetched-1")).toEqual({ token: "fetched-1" });
  });

  test("is replaced at once if it would expire before it could be tried again", async () => {
    const trial = new Trial({ lifetime: 0.4 });
    const caller = await trial.refuse("first");
    expect([trial.pauses, trial.fetches]).toEqual([[], 1]);
    await trial.bring();
    expect(caller).toEqual({ token: "fetched-1" });
  });

  test("is believed again if the server gives the same one as the new one", async () => {
    const trial = new Trial();
    await trial.pass(OLD_MS);
    const caller = await trial.refuse("first");
    await trial.bring({ accessToken: "first" });
    expect([caller, await trial.call()]).toEqual([{ token: "first" }, { token: "first" }]);
  });

  test("is replaced at most once a second, and who asks before waits", async () => {
    const trial = new Trial({ lifetime: 0.4 });
    await trial.refuse("first");
    await trial.bring();
    await trial.pass(300);
    await trial.refuse("fetched-1");
    expect([trial.pauses, trial.fetches]).toEqual([[700], 2]);
    await trial.bring();
    await trial.pass(5_000);
    await trial.refuse("fetched-2");
    expect([trial.pauses, trial.fetches]).toEqual([[700], 3]);
  });

  test("is not replaced sooner for a caller who asks for any token in the pause", async () => {
    const trial = new Trial({ lifetime: 0.4 });
    await trial.refuse("first");
    await trial.bring();
    await trial.pass(300);
    let fetchesInPause = 0;
    trial.later(100, async () => {
      const asked = trial.call();
      fetchesInPause = trial.fetches;
      await asked;
    });
    await trial.refuse("fetched-1");
    expect([trial.pauses, fetchesInPause, trial.fetches]).toEqual([[700], 1, 2]);
  });

  test("is not replaced if a newer one arrives in the pause before that", async () => {
    const trial = new Trial({ lifetime: 1 });
    await trial.pass(600);
    await trial.refuse("first");
    await trial.bring();
    await trial.pass(700);
    expect(await trial.call()).toEqual({ token: "fetched-1" }); // and a refresh begins behind it
    trial.later(100, () => trial.bring());
    const refused = await trial.refuse("fetched-1");
    expect(trial.pauses).toEqual([300]);
    await settle();
    expect([refused, trial.fetches]).toEqual([{ token: "fetched-2" }, 2]);
  });

  test("and cannot be replaced is the failure, at once while that is remembered", async () => {
    const trial = new Trial();
    await trial.pass(OLD_MS);
    const first = await trial.refuse("first");
    await trial.fail(rejected);
    const callers = [first, await trial.refuse("first"), await trial.call()];
    expect(callers).toEqual(Array(3).fill({ error: rejected }));
    expect([trial.pauses, trial.fetches]).toEqual([[], 1]);
  });

  test("while a caller waits for another is not given to it when none comes", async () => {
    const trial = new Trial();
    await trial.pass(51_000);
    const caller = await trial.call();
    await trial.refuse("first");
    await trial.fail(down);
    expect(caller).toEqual({ error: down });
  });

  test("is known by the current one", () => {
    const { cache } = new Trial();
    expect([cache.isCurrent("first"), cache.isCurrent("other")]).toEqual([true, false]);
  });

  test("is told to the next fetch, which knows by it that the pair was accepted before", async () => {
    const trial = new Trial();
    const asked: string[] = [];
    const fetch = async ({ accessToken }: Token) => {
      asked.push(accessToken);
      return trial.issue("next");
    };
    const cache = new TokenCache(trial.issue("first"), fetch, () => undefined);
    await trial.pass(60_000);
    await cache.get();
    expect(asked).toEqual(["first"]);
  });
});

describe("close", () => {
  const NOTHING_ELSE = { forgotten: 0, isFetching: false };

  test("gives every token whose session may go on, revoked ones too, and no expired one", async () => {
    const trial = new Trial();
    await trial.replaceRepeatedly(1);
    const accessTokens = ["first", "fetched-1"];
    expect(await trial.cache.close(1_000)).toEqual({ accessTokens, ...NOTHING_ELSE });
    await trial.pass(60_000);
    const last = { accessTokens: ["fetched-1"], ...NOTHING_ELSE };
    expect(await trial.cache.close(1_000)).toEqual(last);
  });

  test("gives a token once that the server gave twice", async () => {
    const trial = new Trial();
    await trial.pass(OLD_MS);
    await trial.refuse("first");
    await trial.bring({ accessToken: "first" });
    expect(await trial.cache.close(0)).toEqual({ accessTokens: ["first"], ...NOTHING_ELSE });
  });

  test("gives the newest tokens up to the limit, and counts all others that may live", async () => {
    const trial = new Trial({ lifetime: 86_400 });
    const oldest = 50;
    await trial.replaceRepeatedly(MAX_SESSIONS + oldest);
    const { accessTokens, forgotten } = await trial.cache.close(1_000);
    expect(accessTokens[0]).toBe(`fetched-${oldest}`);
    expect(accessTokens.at(-1)).toBe(`fetched-${MAX_SESSIONS + oldest}`);
    expect(accessTokens).toHaveLength(MAX_SESSIONS + 1);
    expect(forgotten).toBe(oldest);
  });

  test("does not count those that have expired", async () => {
    const trial = new Trial({ lifetime: 86_400 });
    await trial.replaceRepeatedly(MAX_SESSIONS + 10);
    await trial.pass(86_400_000);
    expect(await trial.cache.close(1_000)).toMatchObject({ forgotten: 0 });
  });

  test("waits for the refresh under way, begins no other, and lets no token be given", async () => {
    const trial = new Trial();
    await trial.pass(60_000);
    await trial.call();
    const closing = trial.cache.close(1_500);
    await trial.bring();
    expect(await closing).toEqual({ accessTokens: ["fetched-1"], ...NOTHING_ELSE });
    expect(await trial.call()).toMatchObject(stopping);
    expect(await trial.refuse("fetched-1")).toMatchObject(stopping);
    expect([trial.fetches, trial.pauses]).toEqual([1, []]);
  });

  test("ends the pause before a replacement without a refresh", async () => {
    const trial = new Trial({ lifetime: 0.4 });
    await trial.refuse("first");
    await trial.bring();
    const pausing = trial.refuse("fetched-1");
    await trial.cache.close(1_000);
    expect(await pausing).toMatchObject(stopping);
    expect(trial.fetches).toBe(1);
  });

  test("ends the pause before a new token is tried again", async () => {
    const trial = new Trial();
    const pausing = trial.refuse("first");
    await trial.cache.close(1_000);
    expect(await pausing).toMatchObject(stopping);
  });

  test("waits no longer than it was told, and says so", async () => {
    const trial = new Trial();
    await trial.pass(60_000);
    await trial.call();
    const closing = trial.cache.close(1_500);
    await trial.pass(1_500);
    const open = { accessTokens: ["first"], forgotten: 0, isFetching: true };
    expect(await closing).toEqual(open);
  });

  test("knows of a refresh that failed meanwhile", async () => {
    const trial = new Trial();
    await trial.pass(60_000);
    await trial.call();
    const closing = trial.cache.close(1_500);
    await trial.fail(down);
    expect(await closing).toEqual({ accessTokens: ["first"], ...NOTHING_ELSE });
  });
});

/** What can happen to a cache. `pass` and `step` are of time, in ms. */
type Event =
  | { readonly kind: "pass" | "step"; readonly ms: number }
  | { readonly kind: "call" | "bring" | "fail" | "refuse" };

const passes: fc.Arbitrary<Event> = fc
  .oneof(fc.nat(90_000), fc.nat(2_000))
  .map((ms) => ({ kind: "pass", ms }));
const steps: fc.Arbitrary<Event> = fc
  .integer({ min: -90_000, max: 90_000 })
  .map((ms) => ({ kind: "step", ms }));
const frequent = fc.constantFrom<Event[]>({ kind: "call" }, { kind: "bring" });
const rare = fc.constantFrom<Event[]>({ kind: "fail" }, { kind: "refuse" });
const anyEvent = fc.oneof(
  { weight: 4, arbitrary: passes },
  { weight: 1, arbitrary: steps },
  { weight: 5, arbitrary: frequent },
  { weight: 2, arbitrary: rare },
);

/** Lets events happen, and looks at every token that a call gets. */
class Story {
  readonly trial: Trial;
  readonly calls: Promise<unknown>[] = [];
  #replaced = ""; // the last token that was refused for good

  constructor(lifetime: number) {
    this.trial = new Trial({ lifetime });
  }

  async happen(event: Event): Promise<void> {
    const { trial } = this;
    if (event.kind === "pass") await trial.pass(event.ms);
    if (event.kind === "step") trial.stepWallClock(event.ms);
    if (event.kind === "call") this.calls.push(this.#call());
    if (event.kind === "bring" && trial.isRefreshing) await trial.bring();
    if (event.kind === "fail" && trial.isRefreshing) await trial.fail(down);
    if (event.kind === "refuse") await this.#refuse();
    await settle();
  }

  async #call(): Promise<void> {
    const token = await this.trial.cache.get().catch((error) => {
      expect(error).toBeInstanceOf(ArmorError);
    });
    if (token === undefined) return;
    expect(this.trial.cache.msLeft(token)).toBeGreaterThan(0);
    expect(token.accessToken).not.toBe(this.#replaced);
  }

  /** A token that may be too new to be known is given again, so it counts as refused when it is old. */
  async #refuse(): Promise<void> {
    const { token } = await this.trial.call();
    if (token === undefined) return;
    await this.trial.pass(OLD_MS);
    if (!this.trial.cache.isCurrent(token)) return;
    this.#replaced = token;
    this.calls.push(this.trial.refuse(token));
  }

  /** Whatever is under way ends with the refresh, and with the one that it may call for. */
  async end(): Promise<void> {
    for (let times = 0; times < 3; times += 1) {
      await this.trial.pass(120_000);
      if (this.trial.isRefreshing) await this.trial.fail(rejected);
    }
    await Promise.all(this.calls);
  }
}

holds(
  "for any events, there is one refresh at a time, no expired or refused token, and an end of each call",
  fc.asyncProperty(
    fc.constantFrom(1, 60, 3_600),
    fc.array(anyEvent, { maxLength: 40 }),
    async (lifetime, events) => {
      const story = new Story(lifetime);
      for (const event of events) await story.happen(event);
      await story.end();
      expect(story.trial.isRefreshing).toBe(false);
      expect(story.trial.overlaps).toBe(0);
    },
  ),
);
