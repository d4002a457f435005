import { clock } from "../clock.ts";
import type { Limits } from "./bounds.ts";
import type { Client } from "./client.ts";

/** How a call came out of the line: only "granted" has a slot, which is to be released. */
export type Outcome = "granted" | "left" | "tooMany" | "tooLate";

/** A call in line for a slot. */
interface Waiting {
  readonly client: Client;
  readonly since: number; // by the monotonic clock, in ms
  readonly leaveWith: (outcome: Outcome) => void; // takes it out of the line
}

type SlotLimits = Pick<
  Limits,
  "maxCalls" | "maxCallsWaiting" | "callWaitMs" | "maxUnreadMs" | "maxUnreadInAllMs"
>;

/** The longest time between two looks at the clients under way while calls wait, in ms. */
const MAX_CHECK_MS = 1_000;

/** A limit on how many calls go on at once: first come, first served. The line is bounded, too. */
export class Slots {
  readonly #limits: SlotLimits;
  #free: number;
  /**
   * Clients under way that have paused. Not all that are under way: a Set of them took a fifth more
   * CPU for each call, because garbage collection copied every call that such an old object refers
   * to (Node 24.21).
   */
  readonly #paused = new Set<Client>();
  readonly #line = new Set<Waiting>(); // the one that waits longest comes first
  #check: NodeJS.Timeout | undefined; // while there is a line

  constructor(limits: SlotLimits) {
    this.#limits = limits;
    this.#free = limits.maxCalls;
  }

  /** Resolves when the call has a slot, or when it is certain that it gets none. */
  async acquire(client: Client): Promise<Outcome> {
    if (client.hasLeft) return "left";
    if (this.#free > 0) {
      this.#free -= 1;
      return "granted";
    }
    if (this.#line.size >= this.#limits.maxCallsWaiting) return "tooMany";
    return await this.#wait(client);
  }

  /** Gives the slot of this client to the call that has waited longest. */
  release(client: Client): void {
    if (this.#paused.size > 0) this.#paused.delete(client);
    for (const next of this.#line) {
      next.leaveWith("granted");
      return;
    }
    this.#free += 1;
  }

  /** A client that has a slot does not read at the moment. */
  notePause(client: Client): void {
    this.#paused.add(client);
  }

  #wait(client: Client): Promise<Outcome> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => waiting.leaveWith("tooLate"), this.#limits.callWaitMs);
      timer.unref(); // the server keeps the agent alive, not a call in line
      const waiting: Waiting = {
        client,
        since: clock.now(),
        leaveWith: (outcome) => {
          clearTimeout(timer);
          this.#line.delete(waiting);
          if (this.#line.size === 0) this.#stopChecking();
          resolve(outcome);
        },
      };
      this.#line.add(waiting);
      this.#startChecking();
      client.onLeave(() => {
        if (this.#line.has(waiting)) waiting.leaveWith("left");
      });
    });
  }

  #startChecking(): void {
    if (this.#check !== undefined) return;
    const ms = Math.min(MAX_CHECK_MS, this.#limits.maxUnreadMs / 5);
    this.#check = setInterval(() => this.#endClientsThatDoNotRead(), ms).unref();
  }

  #stopChecking(): void {
    clearInterval(this.#check);
    this.#check = undefined;
  }

  /** Ends as many of them as calls have waited long enough: no reply is broken off for nothing. */
  #endClientsThatDoNotRead(): void {
    const now = clock.now();
    let wanted = 0;
    for (const { since } of this.#line) {
      if (now - since >= this.#limits.maxUnreadMs) wanted += 1;
    }
    for (const client of this.#paused) {
      if (wanted === 0) return;
      if (!this.#doesNotRead(client, now)) continue;
      client.end();
      wanted -= 1;
    }
  }

  #doesNotRead(client: Client, now: number): boolean {
    const { pauseMs, pausesInAllMs } = client.pauses(now);
    return pauseMs >= this.#limits.maxUnreadMs || pausesInAllMs >= this.#limits.maxUnreadInAllMs;
  }
}
