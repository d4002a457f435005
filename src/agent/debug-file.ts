import { join } from "node:path";
import { DEBUG_FILE, MAX_DEBUG_BYTES } from "../protocol/config.ts";
import { placeFile } from "../protocol/files.ts";

const MAX_LINES = 1_000;
/** Seldom enough that a job with debug logging is not slowed down by its disk. */
const WRITE_EVERY_MS = 1_000;

/** The last lines of the agent's debug log, kept in its folder for the post step to print. */
export class DebugFile {
  readonly #path: string;
  readonly #lines: string[] = [];
  #bytes = 0; // of all lines, with their ends
  #isChanged = false;
  #writing: Promise<void> = Promise.resolve();
  readonly #timer: NodeJS.Timeout;

  /** @param folder the agent's */
  constructor(folder: string) {
    this.#path = join(folder, DEBUG_FILE);
    this.#timer = setInterval(() => void this.write(), WRITE_EVERY_MS);
    this.#timer.unref();
  }

  /** The oldest lines go if there are too many. @param line without a line end */
  add(line: string): void {
    this.#lines.push(line);
    this.#bytes += sizeOf(line);
    this.#isChanged = true;
    while (this.#lines.length > MAX_LINES || this.#bytes > MAX_DEBUG_BYTES) {
      const oldest = this.#lines.shift();
      if (oldest === undefined) return;
      this.#bytes -= sizeOf(oldest);
    }
  }

  /** Writes what is new. Never fails: the debug log is an extra, and the folder may be gone. */
  write(): Promise<void> {
    // One after the other, so that an older text never replaces a newer one.
    this.#writing = this.#writing.then(() => this.#writeNow());
    return this.#writing;
  }

  /** Writes what is left, and nothing from then on. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.write();
  }

  async #writeNow(): Promise<void> {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    const text = this.#lines.map((line) => `${line}\n`).join("");
    await placeFile(this.#path, text).catch(() => undefined);
  }
}

function sizeOf(line: string): number {
  return Buffer.byteLength(line) + 1;
}
