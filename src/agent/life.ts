import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { clock } from "../clock.ts";

const FOLDER_CHECK_MS = 2_000;
const MAX_UNASKED_MS = 24 * 3600 * 1000;

/** For how long the agent is needed: until it is told to stop, or until one of three signs that it is not. */
export class Life {
  readonly ended: Promise<string | undefined>; // gives why it ended by itself; undefined where it was told to
  readonly #controlFile: string;
  readonly #onSigterm = () => this.end("it was told to end by a signal (SIGTERM)");
  #resolve: (reason?: string) => void = () => undefined;
  #lastAsked = clock.now();
  #timer: NodeJS.Timeout | undefined;

  /** @param controlFile which is there as long as the job is */
  constructor(controlFile: string) {
    this.#controlFile = controlFile;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    process.on("SIGTERM", this.#onSigterm);
  }

  /** From now on, a folder that is gone and a day without a request end the agent. */
  begin(): void {
    this.#timer = setInterval(() => {
      access(this.#controlFile, constants.R_OK).catch(() =>
        this.end("its folder below RUNNER_TEMP was removed, or given to another user"),
      );
      if (clock.now() - this.#lastAsked > MAX_UNASKED_MS)
        this.end("it was not asked for anything in 24 hours");
    }, FOLDER_CHECK_MS);
  }

  wasAsked(): void {
    this.#lastAsked = clock.now();
  }

  end(reason?: string): void {
    this.#resolve(reason);
  }

  forget(): void {
    clearInterval(this.#timer);
    process.off("SIGTERM", this.#onSigterm);
  }
}
