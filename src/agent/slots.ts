/** A limit on how many calls go on at once: first come, first served. */
export class Slots {
  #free: number;
  readonly #waiting = new Set<(isMine: boolean) => void>();

  constructor(size: number) {
    this.#free = size;
  }

  /**
   * @param client aborts when the client leaves
   * @returns whether there is a slot now, to be released; false for a client that left before
   */
  async acquire(client: AbortSignal): Promise<boolean> {
    if (client.aborted) return false;
    if (this.#free > 0) {
      this.#free -= 1;
      return true;
    }
    return await new Promise((resolve) => {
      this.#waiting.add(resolve);
      client.onabort = () => this.#waiting.delete(resolve) && resolve(false);
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
