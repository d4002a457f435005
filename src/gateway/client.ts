import type { ServerResponse } from "node:http";

/**
 * The client of a call, which may leave before the reply is complete, or stop reading it. The
 * listener refers to nothing but this small object: when it referred to the whole call, or to an
 * AbortSignal, garbage collection took three times as long (measured with Node 24.21).
 */
export class Client {
  hasLeft = false;
  wasEnded = false; // by us, because it did not read while other calls waited
  #giveUp: () => void = () => undefined;
  #pausedSince: number | undefined; // by the monotonic clock, in ms; undefined while it reads
  #pausedMs = 0; // the sum of its pauses that are over

  constructor(response: ServerResponse) {
    response.once("close", () => {
      this.hasLeft = !response.writableFinished;
      if (this.hasLeft) this.#giveUp();
    });
  }

  /** @param giveUp ends what is being done for the client now, in place of what was given before */
  onLeave(giveUp: () => void): void {
    this.#giveUp = giveUp;
    if (this.hasLeft) giveUp();
  }

  /** Ends what is being done for the client, though it is still there. */
  end(): void {
    this.wasEnded = true;
    this.#giveUp();
  }

  /** What was written waits for the client to read. @param now by the monotonic clock, in ms */
  stopsReading(now: number): void {
    this.#pausedSince ??= now;
  }

  readsAgain(now: number): void {
    if (this.#pausedSince === undefined) return;
    this.#pausedMs += now - this.#pausedSince;
    this.#pausedSince = undefined;
  }

  /** For how long, in ms, it has not been reading: this time, and all its pauses together. */
  pauses(now: number): { readonly pauseMs: number; readonly pausesInAllMs: number } {
    const pauseMs = this.#pausedSince === undefined ? 0 : now - this.#pausedSince;
    return { pauseMs, pausesInAllMs: this.#pausedMs + pauseMs };
  }
}
