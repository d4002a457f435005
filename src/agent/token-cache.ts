import type { Token } from "../armor/token.ts";
import type { Clock } from "../clock.ts";
import { ArmorError } from "../errors.ts";
import { within } from "./within.ts";

export interface TokenCacheOptions {
  /** The token to begin with. */
  readonly first: Token;
  /** Fetches another. */
  readonly fetch: () => Promise<Token>;
  readonly clock: Clock;
  readonly onRefresh: () => void;
  readonly onFailure: (error: unknown) => void;
}

/** With more than this share of its lifetime left, a token is handed out as it is. */
const FRESH = 1 / 3;
/** Down to this share it is handed out and another is fetched behind the answer; below, callers wait. */
const USABLE = 1 / 6;
/** Down to this share, and for at most `MAX_WAIT_MS`, callers wait; then they get the old one. */
const LAST_SHARE = 1 / 20;
const MAX_WAIT_MS = 2_000;
/** How long a failed refresh is remembered: as long as the server asked, within these bounds. */
const MIN_FAILURE_MS = 1_000;
const MAX_FAILURE_MS = 60_000;
const PERMANENT_FAILURE_MS = 30_000;
/** Between two refreshes that a 401 asked for. */
const REJECTION_PAUSE_MS = 1_000;
/** Of older tokens; with frequent revocations there would be thousands, most of them revoked. */
const MAX_SESSIONS = 50;

/** Keeps a valid token: one refresh at a time, ahead of need by fractions of its lifetime, and no timers. */
export class TokenCache {
  readonly #options: TokenCacheOptions;
  #current: Token;
  /** Those before it whose sessions may go on. */
  #previous: Token[] = [];
  /** The access token that the server refused although it should live. */
  #rejected: string | undefined;
  #replacement: Promise<Token> | undefined;
  #nextReplacementAt = Number.NEGATIVE_INFINITY;
  #inFlight: Promise<Token> | undefined;
  #failure: { readonly error: unknown; readonly until: number } | undefined;
  #isClosed = false;

  constructor(options: TokenCacheOptions) {
    this.#options = options;
    this.#current = options.first;
  }

  /** @returns a token that lives. @throws what the refresh threw, where there is none */
  async get(): Promise<Token> {
    const current = this.#current;
    if (this.#rejected === current.accessToken) return await this.replace(current.accessToken);
    const share = this.#shareLeft(current);
    if (share > FRESH) return current;
    const refresh = this.#refresh();
    refresh.catch(() => undefined); // onFailure was told
    if (share > USABLE) return current;
    return share > 0 ? await this.#newOrOld(refresh, current) : await refresh;
  }

  /** To be called when the server answers 401. @returns a newer token. @throws what the refresh threw */
  async replace(accessToken: string): Promise<Token> {
    if (!this.isCurrent(accessToken)) return await this.get();
    this.#rejected = accessToken;
    this.#replacement ??= this.#replaceLater(accessToken).finally(() => {
      this.#replacement = undefined;
    });
    return await this.#replacement;
  }

  isCurrent(accessToken: string): boolean {
    return accessToken === this.#current.accessToken;
  }

  /** Ms until the token expires, by whichever clock says less. */
  msLeft({ requestedAt, expiresAt, expiresIn }: Token): number {
    const { clock } = this.#options;
    return Math.min(requestedAt + expiresIn * 1000 - clock.now(), expiresAt - clock.date());
  }

  /**
   * No refresh begins any more; the one under way is awaited for up to `ms`.
   * @returns every access token whose session may go on, and whether one was still being fetched
   */
  async close(ms: number): Promise<{ accessTokens: string[]; isFetching: boolean }> {
    this.#isClosed = true;
    const isSettled = this.#inFlight?.then(
      () => true,
      () => true,
    );
    const isFetching = isSettled && !(await within(this.#options.clock, ms, isSettled, () => false));
    const previous = this.#previous.filter((token) => this.msLeft(token) > 0);
    return {
      accessTokens: [...previous, this.#current].map(({ accessToken }) => accessToken),
      isFetching: isFetching ?? false,
    };
  }

  /** The new token; the old one where it lives and the new one does not come in time, or not at all. */
  async #newOrOld(refresh: Promise<Token>, current: Token): Promise<Token> {
    const currentIfAlive = () => (this.#shareLeft(current) > 0 ? current : refresh);
    const spareMs = (this.#shareLeft(current) - LAST_SHARE) * current.expiresIn * 1000;
    if (spareMs <= 0) return current;
    const waitMs = Math.min(spareMs, MAX_WAIT_MS);
    return await within(this.#options.clock, waitMs, refresh.catch(currentIfAlive), currentIfAlive);
  }

  /** 1 when new, 0 when expired or refused. */
  #shareLeft(token: Token): number {
    return token.accessToken === this.#rejected ? 0 : this.msLeft(token) / (token.expiresIn * 1000);
  }

  /** One refresh for all whose token was refused, and a pause between two: a path may refuse every token. */
  async #replaceLater(accessToken: string): Promise<Token> {
    const { clock } = this.#options;
    const pauseMs = this.#nextReplacementAt - clock.now();
    if (pauseMs > 0 && this.#refusal() === undefined) await clock.sleep(pauseMs);
    if (!this.isCurrent(accessToken)) return this.#current;
    this.#nextReplacementAt = clock.now() + REJECTION_PAUSE_MS;
    return await this.#refresh();
  }

  /** Why no token is to be asked for now. */
  #refusal(): { readonly error: unknown } | undefined {
    if (this.#isClosed) return { error: stopping() };
    return this.#failure !== undefined && this.#options.clock.now() < this.#failure.until
      ? this.#failure
      : undefined;
  }

  /** Belongs to no caller: one that leaves does not end it. */
  #refresh(): Promise<Token> {
    if (this.#inFlight !== undefined) return this.#inFlight;
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal.error);
    this.#inFlight = this.#fetch().finally(() => {
      this.#inFlight = undefined;
    });
    return this.#inFlight;
  }

  async #fetch(): Promise<Token> {
    const { fetch, onRefresh, onFailure, clock } = this.#options;
    try {
      const token = await fetch();
      onRefresh();
      if (this.msLeft(token) <= 0) throw expiredOnArrival();
      const previous = [...this.#previous, this.#current].filter((old) => this.msLeft(old) > 0);
      this.#previous = previous.slice(-MAX_SESSIONS);
      this.#current = token;
      this.#rejected = undefined;
      this.#failure = undefined;
      return token;
    } catch (error) {
      onFailure(error);
      this.#failure = { error, until: clock.now() + failureMs(error) };
      throw error;
    }
  }
}

function failureMs(error: unknown): number {
  const { isPermanent, retryAfterMs = 0 } = error instanceof ArmorError ? error.details : {};
  if (isPermanent) return PERMANENT_FAILURE_MS;
  return Math.min(Math.max(retryAfterMs, MIN_FAILURE_MS), MAX_FAILURE_MS);
}

function expiredOnArrival(): ArmorError {
  return new ArmorError(
    "token_expired",
    "The access token had expired before it arrived",
    "Check the network between this runner and Armor, and this machine's clock.",
  );
}

export function stopping(): ArmorError {
  return new ArmorError(
    "agent_stopping",
    "The token agent is stopping, because the job is at its end",
    "Call Armor in a step before this action's post step.",
  );
}
