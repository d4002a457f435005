import { clock, within } from "../clock.ts";
import { ArmorError } from "../errors.ts";
import type { Token } from "./token.ts";

// What a caller gets depends on the share of the token's lifetime that is left:
//
//   above 1/3        the token
//   1/3 to 1/6       the token, and a refresh begins behind the answer
//   1/6 to 1/20      the next token, if it comes before 1/20 is reached and within two seconds; else this one
//   1/20 to 0        the token, and a refresh begins: the caller has no time to lose
//   expired, refused the next token, however long it takes
const REFRESH_BELOW = 1 / 3;
const WAIT_BELOW = 1 / 6;
const WAIT_UNTIL = 1 / 20;
const MAX_WAIT_MS = 2_000;

/** A failed refresh is remembered for as long as the server asked, within these bounds. */
const MIN_FAILURE_MS = 1_000;
const MAX_FAILURE_MS = 60_000;
const PERMANENT_FAILURE_MS = 30_000;
const REPLACE_PAUSE_MS = 1_000; // between two refreshes that a 401 asked for: a path may refuse every token
/**
 * Of older tokens; with frequent revocations there would be thousands. At the stop, the agent ends
 * the sessions of all of them at once.
 */
export const MAX_SESSIONS = 50;
/**
 * Not every server of Armor's may know a token in the moment in which it arrives. One that is
 * refused is tried again at these ages before it is replaced, because another one would be as new.
 */
export const TRY_AGAIN_AT_MS: readonly number[] = [500, 1_000, 2_000];

/** Gets another token. It is told of the last one that was got, which may have expired since. */
type FetchNext = (last: Token) => Promise<Token>;

/** The sessions that may go on when the cache is closed. */
export interface OpenSessions {
  readonly accessTokens: string[]; // of the current token and of those before it, each once
  readonly forgotten: number; // how many more there may be, of which the tokens are not known any more
  readonly isFetching: boolean; // a refresh is still under way, which may begin one more
}

/**
 * Keeps a valid token: one refresh at a time, ahead of need by fractions of its lifetime, and no
 * timers.
 */
export class TokenCache {
  readonly #fetch: FetchNext;
  readonly #onFailure: (error: unknown) => void; // told of every refresh that fails
  #current: Token;
  #arrivedAt: number; // when the current token came, by the monotonic clock, in ms
  #previous: Token[] = []; // those before it whose sessions may go on
  #forgotten: Lifetime[] = []; // of older ones, whose tokens are not kept
  #rejected: string | undefined; // the access token that the server refused although it should live
  #inFlight: Promise<Token> | undefined; // the refresh under way
  #failure: unknown; // of the last refresh
  #failedUntil = Number.NEGATIVE_INFINITY; // until then, a refresh fails with it; by the monotonic clock
  #replacement: Promise<Token> | undefined; // for all whose token was refused
  #nextReplacementAt = Number.NEGATIVE_INFINITY; // by the monotonic clock
  #isClosed = false;

  constructor(first: Token, fetch: FetchNext, onFailure: (error: unknown) => void) {
    this.#current = first;
    this.#arrivedAt = first.requestedAt;
    this.#fetch = fetch;
    this.#onFailure = onFailure;
  }

  /**
   * A token that lives.
   * @throws what the refresh threw, if there is no such token; ArmorError agent_stopping after
   * `close`
   */
  async get(): Promise<Token> {
    if (this.#isClosed) throw stopping();
    const current = this.#current;
    if (this.#rejected === current.accessToken) return await this.replace(current.accessToken);
    const share = this.#shareLeft(current);
    if (share > REFRESH_BELOW) return current;

    const refresh = this.#refresh();
    refresh.catch(() => undefined); // onFailure was told, and not every path below waits for it
    if (share > WAIT_BELOW) return current;
    if (share <= 0) return await refresh;
    const waitMs = Math.min((share - WAIT_UNTIL) * lifetimeMs(current), MAX_WAIT_MS);
    if (waitMs <= 0) return current;
    // It may have expired or been refused meanwhile.
    const currentIfAlive = () => (this.#shareLeft(current) > 0 ? current : refresh);
    return await within(waitMs, refresh.catch(currentIfAlive), currentIfAlive);
  }

  /**
   * To be called when the server answers 401. Gives a newer token; or, after a pause, the same one,
   * if that is so new that the server may not have known it yet. A caller that counts its repeats
   * counts only newer tokens.
   * @throws as `get` does
   */
  async replace(accessToken: string): Promise<Token> {
    if (!this.isCurrent(accessToken)) return await this.get();
    const pauseMs = this.#msUntilNextTry();
    if (pauseMs !== undefined) {
      await clock.sleep(pauseMs);
      return await this.get();
    }
    this.#rejected = accessToken;
    this.#replacement ??= this.#replaceCurrent().finally(() => {
      this.#replacement = undefined;
    });
    return await this.#replacement;
  }

  isCurrent(accessToken: string): boolean {
    return accessToken === this.#current.accessToken;
  }

  /** Ms until the token expires, by whichever clock says less. */
  msLeft(token: Lifetime): number {
    const byMonotonicClock = token.requestedAt + lifetimeMs(token) - clock.now();
    const byWallClock = token.expiresAt - clock.date();
    return Math.min(byMonotonicClock, byWallClock);
  }

  /** No refresh begins any more, and one under way gets `ms`. Gives the sessions that may go on. */
  async close(ms: number): Promise<OpenSessions> {
    this.#isClosed = true;
    await within<unknown>(ms, Promise.allSettled([this.#inFlight]), () => undefined);
    const tokens = [...this.#alive(this.#previous), this.#current];
    return {
      // A server may give the same token twice.
      accessTokens: [...new Set(tokens.map(({ accessToken }) => accessToken))],
      forgotten: this.#alive(this.#forgotten).length,
      isFetching: this.#inFlight !== undefined,
    };
  }

  /** 1 when new, 0 when expired or refused. */
  #shareLeft(token: Token): number {
    return token.accessToken === this.#rejected ? 0 : this.msLeft(token) / lifetimeMs(token);
  }

  #alive<T extends Lifetime>(tokens: readonly T[]): T[] {
    return tokens.filter((token) => this.msLeft(token) > 0);
  }

  /**
   * How long to wait until the current token, which was refused, is tried again; undefined if it is
   * to be replaced, because it is old enough to be known everywhere, or would expire before.
   */
  #msUntilNextTry(): number | undefined {
    if (this.#isClosed || this.#rejected === this.#current.accessToken) return undefined;
    const ageMs = clock.now() - this.#arrivedAt;
    const nextTryAt = TRY_AGAIN_AT_MS.find((triedAt) => triedAt > ageMs);
    if (nextTryAt === undefined) return undefined;
    const pauseMs = nextTryAt - ageMs;
    return pauseMs < this.msLeft(this.#current) ? pauseMs : undefined;
  }

  /** One for all whose token was refused, and after a pause since the last one. */
  async #replaceCurrent(): Promise<Token> {
    const { accessToken } = this.#current;
    const pauseMs = this.#nextReplacementAt - clock.now();
    const willFailAtOnce = clock.now() < this.#failedUntil;
    if (pauseMs > 0 && !willFailAtOnce) await clock.sleep(pauseMs);
    // A refresh ahead of need may have brought a newer one in the pause.
    if (!this.isCurrent(accessToken)) return await this.get();
    this.#nextReplacementAt = clock.now() + REPLACE_PAUSE_MS;
    return await this.#refresh();
  }

  /** Belongs to no caller: one that leaves does not end it. */
  async #refresh(): Promise<Token> {
    if (this.#inFlight === undefined) {
      if (this.#isClosed) throw stopping();
      if (clock.now() < this.#failedUntil) throw this.#failure;
      this.#inFlight = this.#renew().finally(() => {
        this.#inFlight = undefined;
      });
    }
    return await this.#inFlight;
  }

  async #renew(): Promise<Token> {
    try {
      const token = await this.#fetch(this.#current);
      if (this.msLeft(token) <= 0) throw expiredOnArrival();
      this.#keepSession(this.#current);
      this.#current = token;
      this.#arrivedAt = clock.now();
      this.#rejected = undefined;
      return token;
    } catch (error) {
      this.#onFailure(error);
      this.#failure = error;
      this.#failedUntil = clock.now() + failureMs(error);
      throw error;
    }
  }

  /** Of a token that another one takes the place of. */
  #keepSession(token: Token): void {
    const sessions = [...this.#alive(this.#previous), token];
    const tooMany = sessions.splice(0, Math.max(0, sessions.length - MAX_SESSIONS));
    const forgotten = tooMany.map(({ requestedAt, expiresIn, expiresAt }) => ({
      requestedAt,
      expiresIn,
      expiresAt,
    }));
    this.#previous = sessions;
    this.#forgotten = [...this.#alive(this.#forgotten), ...forgotten];
  }
}

/** How long a token lives: what is needed of one whose session is only counted. */
type Lifetime = Pick<Token, "requestedAt" | "expiresIn" | "expiresAt">;

function lifetimeMs({ expiresIn }: Lifetime): number {
  return expiresIn * 1000;
}

/** How long a refresh that failed so is not tried again. */
function failureMs(error: unknown): number {
  const { isPermanent, retryAfterMs = 0 } = error instanceof ArmorError ? error.details : {};
  if (isPermanent) return PERMANENT_FAILURE_MS;
  return Math.min(Math.max(retryAfterMs, MIN_FAILURE_MS), MAX_FAILURE_MS);
}

function expiredOnArrival(): ArmorError {
  const problem = "The access token had expired before it arrived";
  const remedy = "Check the network between this runner and Armor, and this machine's clock.";
  return new ArmorError("token_expired", problem, remedy);
}

function stopping(): ArmorError {
  const problem = "The token agent is stopping, because the job is at its end";
  const remedy = "Call Armor in a step before this action's post step.";
  return new ArmorError("agent_stopping", problem, remedy);
}
