import type { ServerResponse } from "node:http";

/** Who made a call, and may leave before the reply is complete. */
export class Client {
  #hasLeft = false;
  #giveUp: () => void = () => undefined;

  constructor(response: ServerResponse) {
    response.once("close", () => {
      this.#hasLeft = !response.writableFinished;
      if (this.#hasLeft) this.#giveUp();
    });
  }

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** @param giveUp ends what is being done for the client now, in place of what was given before */
  onLeave(giveUp: () => void): void {
    this.#giveUp = giveUp;
    if (this.#hasLeft) giveUp();
  }
}
