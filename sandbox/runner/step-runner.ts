// Runs the steps of one job, one after the other, and takes what they hand on to those that follow.

import { Commands } from "./commands.ts";
import { HandedOn } from "./handed-on.ts";
import { type InvocationResult, invoke, outcomeOf } from "./invocation.ts";
import { inheritedEnvironment } from "./machine.ts";
import { Masks } from "./masks.ts";
import { createFiles, readFiles, type Step, type StepResult, type Values } from "./step.ts";

/** What all steps of a job have in common. */
export interface JobPlace {
  /** RUNNER_TEMP. */
  readonly temp: string;
  /** GITHUB_WORKSPACE, in which every step starts. */
  readonly workspace: string;
  /** RUNNER_TRACKING_ID, by which "Complete job" knows what a step has left running. */
  readonly trackingId: string;
  /** Whether step debug logging is on. */
  readonly isDebug: boolean;
}

export class StepRunner {
  readonly masks = new Masks();
  readonly handedOn = new HandedOn();
  /** Milliseconds that lines are left to gather before a batch of them is handled. */
  batchMs = 0;
  readonly #place: JobPlace;

  constructor(place: JobPlace) {
    this.#place = place;
  }

  /** Resolves when the step's process and its streams have ended. A step that fails is a result, too. */
  async run(step: Step): Promise<StepResult> {
    const paths = await createFiles(this.#place.temp);
    const log = step.warnings.map((line) => this.masks.apply(line));
    let hasFailed = false;
    const fail = () => {
      hasFailed = true;
    };
    const commands = this.commands(step.isOfAction, fail);
    const result = await invoke({
      command: step.command,
      env: this.#environment(step, paths),
      cwd: this.#place.workspace,
      batchMs: this.batchMs,
      onLine: (line) => log.push(...commands.handle(line)),
      onOutput: step.onOutput,
      onStart: step.onStart,
    });
    const files = await readFiles(paths);
    const problems = this.handedOn.take(files, step.isOfAction);
    if (problems.length > 0) hasFailed = true;
    for (const line of [...problems, ...complaintsAbout(result, step)])
      log.push(`Error: ${this.masks.apply(line)}`);
    const { exitCode, stdout, stderr, ms } = result;
    const outcome = outcomeOf(result, hasFailed);
    return { exitCode, outcome, stdout, stderr, log, ms, files };
  }

  /** @param fail called for a command that makes its step fail */
  commands(isOfAction: boolean, fail: () => void): Commands {
    return new Commands({
      masks: this.masks,
      isDebug: this.#place.isDebug,
      setOutput: (name, value) => {
        if (isOfAction) this.handedOn.outputs[name] = value;
      },
      saveState: (name, value) => {
        if (isOfAction) this.handedOn.state[name] = value;
      },
      fail,
    });
  }

  /** What the runner sets itself wins over any `env:` and GITHUB_ENV. */
  #environment(step: Step, paths: Values): Values {
    const { temp, workspace, trackingId } = this.#place;
    const env: Record<string, string> = {
      ...inheritedEnvironment(),
      CI: "true",
      // A step may take this one away, and what it starts then outlives the job.
      RUNNER_TRACKING_ID: trackingId,
      ...step.env,
      ...step.own,
      ...paths,
      GITHUB_ACTIONS: "true",
      GITHUB_WORKSPACE: workspace,
      RUNNER_TEMP: temp,
    };
    env["PATH"] = this.handedOn.extendPath(env["PATH"]);
    return env;
  }
}

/** What the runner says of a process that could not be started, that it cancelled, or of a script that failed. */
function complaintsAbout(result: InvocationResult, { isOfAction }: Step): string[] {
  if (result.isCancelled) return ["The operation was canceled."];
  if (result.problem !== undefined) return [result.problem];
  const isFailedScript = result.exitCode !== 0 && !isOfAction;
  return isFailedScript ? [`Process completed with exit code ${result.status}.`] : [];
}
