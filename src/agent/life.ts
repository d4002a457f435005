import { constants, promises as fs } from "node:fs";
import { clock } from "../clock.ts";

/** How often the agent looks whether its folder and the runner's worker are still there. */
const WATCH_MS = 2_000;
const HOUR_MS = 3_600_000;
const MAX_UNASKED_HOURS = 24;
/**
 * The longest that GitHub lets a job run on a self-hosted runner ("Usage limits" of GitHub
 * Actions).
 */
export const MAX_LIFE_DAYS = 5;
/** A terminal that closes sends SIGHUP, Ctrl-C SIGINT, a system that shuts down SIGTERM. */
export const END_SIGNALS = ["SIGINT", "SIGHUP", "SIGTERM"] as const;

export interface LifeOptions {
  /** It is there as long as the job is. */
  readonly controlFile: string;
  /** The runner's worker, which lives as long as the job; undefined if main could not see it. */
  readonly workerPid: number | undefined;
}

/** For how long the agent is needed: until it is told to stop, or until a sign that it is not. */
export class Life {
  /** Resolves with why the agent ends by itself, or with undefined when it was told to stop. */
  readonly ended: Promise<string | undefined>;
  readonly #controlFile: string;
  readonly #workerPid: number | undefined;
  readonly #beganAt = clock.now(); // by the monotonic clock, as the next
  #lastAskedAt = clock.now();
  readonly #signalListeners = END_SIGNALS.map((signal) => ({
    signal,
    listener: () => this.end(`it was told to end by a signal (${signal})`),
  }));
  #resolve: (reason?: string) => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ controlFile, workerPid }: LifeOptions) {
    this.#controlFile = controlFile;
    // What cannot be seen at the start, such as a process of another namespace, is not waited for.
    this.#workerPid = isAlive(workerPid) ? workerPid : undefined;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    for (const { signal, listener } of this.#signalListeners) process.on(signal, listener);
  }

  /** To be called when the control file is there. From now on, each sign below ends the agent. */
  begin(): void {
    this.#timer = setInterval(() => void this.#watch(), WATCH_MS);
  }

  /** To be called for each request that was admitted. */
  wasAsked(): void {
    this.#lastAskedAt = clock.now();
  }

  /**
   * The first call counts.
   * @param reason why the agent ends by itself; undefined if it was told to
   */
  end(reason?: string): void {
    this.#resolve(reason);
  }

  /** Nothing ends the agent any more, and nothing of this keeps the process alive. */
  forget(): void {
    clearInterval(this.#timer);
    for (const { signal, listener } of this.#signalListeners) process.off(signal, listener);
  }

  async #watch(): Promise<void> {
    // A worker that was killed runs no post step, and the next job may not be able to clear the
    // folder away. Its pid is not given to another process between two looks, as the system hands
    // out pids in turn.
    if (this.#workerPid !== undefined && !isAlive(this.#workerPid))
      this.end("the runner's worker, which ran this job, is gone");
    const now = clock.now();
    if (now - this.#lastAskedAt > MAX_UNASKED_HOURS * HOUR_MS)
      this.end(`it was not asked for anything in ${MAX_UNASKED_HOURS} hours`);
    if (now - this.#beganAt > MAX_LIFE_DAYS * 24 * HOUR_MS)
      this.end(`it has run for ${MAX_LIFE_DAYS} days, longer than GitHub lets a job run`);
    await fs
      .access(this.#controlFile, constants.R_OK)
      .catch(() => this.end("its folder below RUNNER_TEMP was removed, or given to another user"));
  }
}

/**
 * @returns false also if the process is another user's, which the worker that started this one is
 * not
 */
function isAlive(pid: number | undefined): boolean {
  if (pid === undefined || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
