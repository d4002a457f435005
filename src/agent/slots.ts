/** Who made a call. An AbortSignal for each call cost a tenth more CPU, or more (Node 24.21). */
export class Client {
  hasLeft = false;
  /** Ends what is being done for the client now. */
  onLeave: () => void = () => undefined;

  leave(): void {
    this.hasLeft = true;
    this.onLeave();
  }
}

/** A limit on how many calls go on at once: first come, first served. */
export class Slots {
  #free: number;
  readonly #waiting = new Set<(isMine: boolean) => void>();

  constructor(size: number) {
    this.#free = size;
  }

  /** @returns whether there is a slot now, to be released; false for a client that left before */
  async acquire(client: Client): Promise<boolean> {
    if (client.hasLeft) return false;
    if (this.#free > 0) {
      this.#free -= 1;
      return true;
    }
    return await new Promise((resolve) => {
      this.#waiting.add(resolve);
      client.onLeave = () => {
        if (this.#waiting.delete(resolve)) resolve(false);
      };
    });
  }

  release(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
    } else {
      this.#waiting.delete(next);
      next(true);
    }
  }
}
