// Owns the freshness of the token: one renewal at a time, ahead of need by fractions of its lifetime, no timers.

import type { Clock } from "./clock.ts";
import { ArmorError } from "./errors.ts";
import type { Token } from "./token.ts";

export interface KeeperOptions {
  /** The token to begin with. */
  readonly first: Token;
  /** Fetches another. */
  readonly mint: () => Promise<Token>;
  readonly clock: Clock;
  readonly onMint: () => void;
  readonly onFailure: (error: unknown) => void;
}

/** With more than this share of its lifetime left, a token is handed out as it is. */
const FRESH = 1 / 3;
/** Down to this share it is handed out while another is fetched behind the answer; below, callers wait. */
const USABLE = 1 / 6;
/** When no other can be had, a waiting caller gets a token with at least this share left: it has to arrive alive. */
const LAST_RESORT = 1 / 20;
/** How long a failure answers for the next renewal: as long as the server asked, within these bounds. */
const MIN_FAILURE_MS = 1_000;
const MAX_FAILURE_MS = 60_000;

export class Keeper {
  readonly #options: KeeperOptions;
  #current: Token;
  /** Those that were handed out before and may still live. */
  #previous: Token[] = [];
  /** The access token that the server refused although it should live. */
  #rejected: string | undefined;
  #nextRejectionAt = 0;
  #flight: Promise<Token> | undefined;
  #failure: { readonly error: unknown; readonly until: number } | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#current = options.first;
  }

  /** @returns a token that lives. @throws what the renewal threw, where there is none */
  async token(): Promise<Token> {
    const share = this.#shareLeft(this.#current);
    if (share > FRESH) return this.#current;
    const renewal = this.#renew();
    if (share > USABLE) {
      renewal.catch(() => undefined); // counted already, and the next caller meets it
      return this.#current;
    }
    try {
      return await renewal;
    } catch (error) {
      if (this.#shareLeft(this.#current) > LAST_RESORT) return this.#current;
      throw error;
    }
  }

  /**
   * To be told when the server refuses a token that should live.
   * @returns whether another token may help: not so where a renewal for this reason was a moment ago
   */
  reject(accessToken: string): boolean {
    if (accessToken !== this.#current.accessToken) return true;
    const now = this.#options.clock.now();
    if (now < this.#nextRejectionAt) return false;
    this.#nextRejectionAt = now + this.#current.expiresIn * 1000 * USABLE;
    this.#rejected = accessToken;
    return true;
  }

  /** Every access token whose session may still live. */
  live(): string[] {
    return [...this.#previous, this.#current]
      .filter((token) => this.#shareLeft(token) > 0)
      .map(({ accessToken }) => accessToken);
  }

  /** 1 when new, 0 when dead. */
  #shareLeft({ accessToken, requestedAt, expiresIn }: Token): number {
    if (accessToken === this.#rejected) return 0;
    return 1 - (this.#options.clock.now() - requestedAt) / (expiresIn * 1000);
  }

  #renew(): Promise<Token> {
    const { clock } = this.#options;
    if (this.#failure !== undefined && clock.now() < this.#failure.until) {
      return Promise.reject(this.#failure.error);
    }
    this.#flight ??= this.#fly().finally(() => {
      this.#flight = undefined;
    });
    return this.#flight;
  }

  async #fly(): Promise<Token> {
    const { mint, clock, onMint, onFailure } = this.#options;
    try {
      const token = await mint();
      onMint();
      this.#previous = [...this.#previous, this.#current].filter((old) => this.#shareLeft(old) > 0);
      this.#current = token;
      this.#rejected = undefined;
      this.#failure = undefined;
      if (this.#shareLeft(token) <= 0) throw expiredOnArrival();
      return token;
    } catch (error) {
      onFailure(error);
      const askedMs = error instanceof ArmorError ? (error.retryAfterMs ?? 0) : 0;
      const holdsMs = Math.min(Math.max(askedMs, MIN_FAILURE_MS), MAX_FAILURE_MS);
      this.#failure = { error, until: clock.now() + holdsMs };
      throw error;
    }
  }
}

function expiredOnArrival(): ArmorError {
  return new ArmorError(
    "token_expired",
    "The access token had expired before it arrived",
    "Check the network between this runner and Armor.",
  );
}
