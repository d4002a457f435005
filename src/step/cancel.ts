import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { ArmorError } from "../errors.ts";
import type { MainMark } from "./marks.ts";

/**
 * For a reply that is on its way when the job is cancelled; the runner kills the step after some 10
 * s.
 */
const GRACE_MS = 5_000;

/** Whether the job was cancelled while main runs. */
export class Cancellation {
  /** Rejects some seconds after a signal, whatever Armor does. Never resolves. */
  readonly deadline: Promise<never>;
  readonly #signal: AbortSignal;
  readonly #mark: MainMark;

  /** Listens from now on. The runner sends SIGINT, then SIGTERM; in a container neither arrives. */
  constructor(mark: MainMark) {
    const controller = new AbortController();
    for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => controller.abort());
    this.#signal = controller.signal;
    this.#mark = mark;
    this.deadline = rejectAfterGrace(controller.signal);
  }

  /** To be called before each thing that is handed on. @throws ArmorError cancelled */
  throwIfCancelled(): void {
    if (this.#signal.aborted || this.#mark.hasPostBegun()) throw cancelled();
  }
}

async function rejectAfterGrace(signal: AbortSignal): Promise<never> {
  await once(signal, "abort");
  await sleep(GRACE_MS, undefined, { ref: false });
  throw cancelled();
}

function cancelled(): ArmorError {
  return new ArmorError("cancelled", "The job was cancelled", "No token was handed on.");
}
