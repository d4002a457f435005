import { printable } from "../redact.ts";
import type { Output } from "./output.ts";
import type { RunnerPipe } from "./runner-pipe.ts";

/** What one call of armor-token has to say if the workflow runs with step debug logging. */
export class DebugLog {
  readonly #lines: string[] = [];

  /** @param line without the token and without the agent's address, whose path is a secret */
  add(line: string): void {
    this.#lines.push(line);
  }

  /**
   * Prints the lines: to the runner itself if there is a way, because a step may use what this call
   * prints on stderr, too, as in `t=$(armor-token 2>&1)`. Otherwise on stderr. Never fails.
   */
  async print(runnerPipe: RunnerPipe | undefined, stderr: Output): Promise<void> {
    const commands = this.#lines.map(debugCommand);
    const hasArrived = (await runnerPipe?.write(commands)) === true;
    if (!hasArrived) await stderr.write(commands.join("")).catch(() => undefined);
  }
}

/** Escaped as the runner unescapes (actions/runner, ActionCommand.cs). */
function debugCommand(line: string): string {
  return `::debug::armor-token: ${printable(line).replaceAll("%", "%25")}\n`;
}
