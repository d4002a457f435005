// A model of GitHub's runner: it runs the action's built steps, and scripts between them, as a job does.
//
// Its parts were compared with GitHub's own Runner.Worker 2.336.0 on Linux, by the same scripts: what a step prints,
// its commands, files and environment, its streams and processes, the order of the two streams, and cancelling.
// What differs:
// - There is no service: no live log, no summary is uploaded, no annotation is stored, and nothing is kept of an
//   annotation's properties. `log` is what a person reads, with "Error: " where the runner writes "##[error]".
// - `with:` and `env:` are not printed at the head of a step, and no value is masked before the action masks it, not
//   even the password of the machine's own proxy.
// - There are no expressions: conditions are those of `Condition`, and only this action has outputs.
// - Scripts lie beside RUNNER_TEMP, so that a test sees what else is there. Their shells are those of RunOptions.
// - Steps get a fixed list of the machine's variables instead of all, CI is always "true", and of GITHUB_* and
//   RUNNER_* there is only what steps of this project read. Others can be given as `env`. The path of the job's
//   folder holds a blank. A variable without a name in GITHUB_ENV is refused likewise, but reaches no step.
// - `set-env` and `add-path` are refused whatever ACTIONS_ALLOW_UNSECURE_COMMANDS says. Problem matchers are
//   ignored, and internal commands (`##[start-action]`) are text like any other. A command that fails is explained
//   in fewer words.
// - A step has no descriptors of the worker's own, and is not preferred when memory runs out (oom_score_adj).
// - Of a mask on stdout and its word on stderr at once, more words are seen than with the original (273 of 300
//   against 185), and of the other way round fewer (none against 8). `batchMs` makes the order certain.
// - "Complete job" fails at a folder of RUNNER_TEMP that it cannot list, where the original leaves it and goes on.
// - The debug log of the runner itself, deprecated inputs, composite actions, containers, hooks, time limits and
//   `background: true` are left out.
// - Windows has Node's kind of pipes, and there and on macOS no orphans are looked for.

import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ActionFile,
  inputVariables,
  ROOT,
  readAction,
  unexpectedInputs,
} from "./runner/action.ts";
import { handOn, type JobOutputs } from "./runner/handed-on.ts";
import { becomeWorker, type Command, commandOf, killOrphans } from "./runner/machine.ts";
import {
  type Condition,
  type OnOutput,
  type OnStart,
  type Outcome,
  type RunOptions,
  SKIPPED,
  type Step,
  type StepOptions,
  type StepResult,
  type Values,
} from "./runner/step.ts";
import { StepRunner } from "./runner/step-runner.ts";

export { ROOT, readAction } from "./runner/action.ts";
export { parseFileCommand } from "./runner/file-commands.ts";
export type { Condition, Outcome, RunOptions, StepResult, Values } from "./runner/step.ts";

interface JobOptions {
  readonly action: ActionFile;
  readonly inputs: Values;
  readonly env: Values;
  readonly node: string;
  /** Of this job alone. */
  readonly folder: string;
  /** RUNNER_TEMP. In it, unless it is another job's. */
  readonly temp: string;
}

/** One job with one step that uses this action. */
export class Job {
  readonly #options: JobOptions;
  readonly #workspace: string;
  readonly #scripts: string;
  readonly #trackingId = `github_${randomUUID()}`;
  readonly #steps: StepRunner;
  #outcome: Outcome = "success";

  private constructor(options: JobOptions) {
    this.#options = options;
    this.#workspace = join(options.folder, "workspace");
    this.#scripts = join(options.folder, "scripts");
    this.#steps = new StepRunner({
      temp: options.temp,
      workspace: this.#workspace,
      trackingId: this.#trackingId,
      isDebug: options.env["RUNNER_DEBUG"] === "1",
    });
  }

  /**
   * @param inputs as under `with:`
   * @param env as under the job's `env:`
   * @param temp RUNNER_TEMP of another step's job, where this step is part of it
   * @param node the runner's Node
   */
  static async start(
    inputs: Values,
    env: Values = {},
    temp?: string,
    node = process.execPath,
  ): Promise<Job> {
    becomeWorker();
    const folder = await mkdtemp(join(tmpdir(), "armor job "));
    const ownTemp = join(folder, "_temp");
    const action = await readAction();
    const job = new Job({ action, inputs, env, node, folder, temp: temp ?? ownTemp });
    for (const path of [job.temp, job.#workspace, job.#scripts])
      await mkdir(path, { recursive: true });
    return job;
  }

  /** Lines are left to gather so long before a batch is handled. More makes what is likely certain. */
  set batchMs(ms: number) {
    this.#steps.batchMs = ms;
  }

  /** What later steps get from this one. */
  get outputs(): Values {
    return this.#steps.handedOn.outputs;
  }

  /** What later steps find in their environment because of the steps so far. */
  get exported(): Values {
    return this.#steps.handedOn.exported;
  }

  /** GITHUB_WORKSPACE, in which every step starts. */
  get workspace(): string {
    return this.#workspace;
  }

  /** The runner's RUNNER_TEMP. */
  get temp(): string {
    return this.#options.temp;
  }

  /** @param onStart told of the process, which a runner may cancel */
  async main(onStart: OnStart = () => undefined): Promise<StepResult> {
    this.#steps.handedOn.state = {};
    this.#steps.handedOn.outputs = {};
    return await this.#runAction(this.#options.action.runs.main, onStart);
  }

  /** A later step: a script. @param options also the function that gets each piece of its output */
  async run(script: string, options: RunOptions | OnOutput = {}): Promise<StepResult> {
    const given: RunOptions = typeof options === "function" ? { onOutput: options } : options;
    const isPython = given.shell === "python3";
    const file = join(this.#scripts, `${randomUUID()}${isPython ? ".py" : ".sh"}`);
    await writeFile(file, script);
    const args = isPython ? [file] : ["-e", file];
    return await this.#runCommand(commandOf(given.shell ?? "sh", args), given);
  }

  /** A later step that starts a program without a shell, so that a machine needs none. */
  async runProgram(
    program: string,
    args: readonly string[],
    options: StepOptions = {},
  ): Promise<StepResult> {
    return await this.#runCommand(commandOf(program, args), options);
  }

  async post(): Promise<StepResult> {
    return await this.#runAction(this.#options.action.runs.post, () => undefined);
  }

  /** What other jobs get for `outputs:` of this job. */
  handOn(outputs: Values): JobOutputs {
    return handOn(outputs, this.#steps.masks);
  }

  /** What a person finds in the job's log for these lines: commands carried out, masks applied. */
  log(text: string): string[] {
    const commands = this.#steps.commands(true, () => undefined);
    return text
      .split(/\r\n|\r|\n/)
      .flatMap((line) => commands.handle(line))
      .filter((line) => line !== "");
  }

  /** The text with every masked value as `***`. */
  mask(text: string): string {
    return this.#steps.masks.apply(text);
  }

  /** "Complete job": ends what the steps have left running, and removes what they have left behind. */
  async end(): Promise<void> {
    killOrphans(this.#trackingId);
    const { folder, temp } = this.#options;
    for (const path of [temp, folder]) {
      await rm(path, { recursive: true, force: true, maxRetries: 3 }); // An agent may be writing.
    }
  }

  async #runCommand(command: Command, options: StepOptions): Promise<StepResult> {
    if (!this.#meets(options.condition ?? "always")) return SKIPPED;
    return await this.#runStep({
      command,
      env: { ...this.#options.env, ...this.exported, ...options.env },
      own: {},
      isOfAction: false,
      warnings: [],
      onOutput: options.onOutput ?? (() => undefined),
      onStart: options.onStart ?? (() => undefined),
    });
  }

  async #runAction(file: string, onStart: OnStart): Promise<StepResult> {
    const { action: description, env, inputs, node } = this.#options;
    const own = inputVariables(inputs, description);
    const { state } = this.#steps.handedOn;
    for (const [name, value] of Object.entries(state)) own[`STATE_${name}`] = value;
    return await this.#runStep({
      command: commandOf(node, [join(ROOT, file)]),
      env: { ...env, ...this.exported },
      own,
      isOfAction: true,
      warnings: unexpectedInputs(inputs, description),
      onOutput: () => undefined,
      onStart,
    });
  }

  async #runStep(step: Step): Promise<StepResult> {
    const result = await this.#steps.run(step);
    if (result.outcome !== "success") this.#outcome = result.outcome;
    return result;
  }

  #meets(condition: Condition): boolean {
    if (condition === "always") return true;
    return condition === this.#outcome;
  }
}
