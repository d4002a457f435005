import { clock } from "../clock.ts";
import { withoutQuery } from "./targets.ts";

/** How long a path that answers 401 to every token makes no call ask for a newer token, in ms. */
const FORBIDDEN_MS = 10_000;

/** Paths, without their query, of which a 401 is about the path and not about the token. */
export class ForbiddenPaths {
  readonly #maxPaths: number;
  readonly #until = new Map<string, number>(); // by the monotonic clock, in ms; the first noted comes first

  constructor(maxPaths: number) {
    this.#maxPaths = maxPaths;
  }

  add(path: string): void {
    const name = withoutQuery(path);
    this.#until.delete(name); // so that it comes last
    this.#until.set(name, clock.now() + FORBIDDEN_MS);
    if (this.#until.size <= this.#maxPaths) return;
    for (const first of this.#until.keys()) {
      this.#until.delete(first);
      return;
    }
  }

  delete(path: string): void {
    if (this.#until.size > 0) this.#until.delete(withoutQuery(path));
  }

  has(path: string): boolean {
    const until = this.#until.get(withoutQuery(path));
    return until !== undefined && until > clock.now();
  }

  get size(): number {
    return this.#until.size;
  }
}
