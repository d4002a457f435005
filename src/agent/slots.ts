/** A limit on how many calls go on at once: first come, first served. */
export class Slots {
  #free: number;
  readonly #queue = new Set<() => void>();

  constructor(size: number) {
    this.#free = size;
  }

  /** Resolves when there is a slot. A caller that leaves gives up its place: then it resolves with undefined. */
  async acquire(left: AbortSignal): Promise<(() => void) | undefined> {
    if (left.aborted) return undefined;
    if (this.#free > 0) {
      this.#free -= 1;
    } else if (!(await this.#wait(left))) {
      return undefined;
    }
    return () => this.#release();
  }

  #wait(left: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const take = () => {
        left.removeEventListener("abort", leave);
        resolve(true);
      };
      const leave = () => {
        this.#queue.delete(take);
        resolve(false);
      };
      this.#queue.add(take);
      left.addEventListener("abort", leave, { once: true });
    });
  }

  #release(): void {
    const [next] = this.#queue;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#queue.delete(next);
    next();
  }
}
