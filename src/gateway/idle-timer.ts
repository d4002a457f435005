import { afterPendingReads } from "../clock.ts";

/**
 * Says when nothing has happened for a while. A process that did not run for some time, such as in
 * a virtual machine that was paused, finds its timers due before it has read what has arrived
 * meanwhile. So a time-out is decided one turn of the event loop later: Node reads from its sockets
 * between timers and `setImmediate`.
 */
export class IdleTimer {
  readonly #timer: NodeJS.Timeout;
  #wasActive = false;
  #isStopped = false;

  /**
   * @param onIdle is called once `ms` have passed without activity; activity noted then starts it
   * anew
   */
  constructor(ms: number, onIdle: () => void) {
    const decide = () => {
      if (!this.#isStopped && !this.#wasActive) onIdle();
    };
    this.#timer = setTimeout(() => {
      this.#wasActive = false;
      afterPendingReads(decide);
    }, ms);
  }

  noteActivity(): void {
    this.#wasActive = true;
    this.#timer.refresh();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }
}
