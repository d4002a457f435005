// A model of GitHub's runner: it runs the action's built steps, and scripts between them, as a job does.
//
// Its parts were compared with GitHub's own Runner.Worker 2.336.0 on Linux, by the same scripts. What differs:
// - There is no service: no live log, no summary is uploaded, no annotation is stored, and nothing is kept of an
//   annotation's properties. `log` is what a person reads, with "Error: " where the runner writes "##[error]".
// - `with:` and `env:` are not printed at the head of a step, and no value is masked before the action masks it.
// - There are no expressions: conditions are those of `Condition`, and only this action has outputs.
// - Scripts lie beside RUNNER_TEMP, so that a test sees what else is there. Their shells are those of RunOptions.
// - Steps get a fixed list of the machine's variables instead of all, and of GITHUB_* and RUNNER_* only what
//   steps of this project read. Others can be given as `env`. The path of the job's folder holds a blank.
// - `set-env` and `add-path` are refused whatever ACTIONS_ALLOW_UNSECURE_COMMANDS says. Problem matchers are
//   ignored. A command that fails is explained in fewer words.
// - A step has no descriptors of the worker's own, and is not preferred when memory runs out (oom_score_adj).
// - The debug log of the runner itself, deprecated inputs, composite actions, containers, hooks, time limits and
//   `background: true` are left out.
// - Windows has Node's kind of pipes, and there and on macOS no orphans are looked for.

import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ActionFile,
  ROOT,
  readAction,
  readInputs,
  unexpectedInputs,
} from "./runner/action.ts";
import { Commands } from "./runner/commands.ts";
import { HandedOn, handOn, type JobOutputs } from "./runner/handed-on.ts";
import { invoke, outcomeOf } from "./runner/invocation.ts";
import { becomeWorker, inheritedEnvironment, killOrphans } from "./runner/machine.ts";
import { Masks } from "./runner/masks.ts";
import {
  type Condition,
  createFiles,
  type OnOutput,
  type OnStart,
  type Outcome,
  type RunOptions,
  readFiles,
  SKIPPED,
  type Step,
  type StepResult,
  type Values,
} from "./runner/step.ts";

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
  readonly #masks = new Masks();
  readonly #handedOn = new HandedOn();
  #outcome: Outcome = "success";

  /** Lines are left to gather so long before a batch is handled. More makes what is likely certain. */
  batchMs = 0;

  private constructor(options: JobOptions) {
    this.#options = options;
    this.#workspace = join(options.folder, "workspace");
    this.#scripts = join(options.folder, "scripts");
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

  /** What later steps get from this one. */
  get outputs(): Values {
    return this.#handedOn.outputs;
  }

  /** What later steps find in their environment because of the steps so far. */
  get exported(): Values {
    return this.#handedOn.exported;
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
    this.#handedOn.state = {};
    this.#handedOn.outputs = {};
    return await this.#runAction(this.#options.action.runs.main, onStart);
  }

  /** A later step: a script. @param options also the function that gets each piece of its output */
  async run(script: string, options: RunOptions | OnOutput = {}): Promise<StepResult> {
    const given = typeof options === "function" ? { onOutput: options } : options;
    if (!this.#meets(given.condition ?? "always")) return SKIPPED;
    const shell = given.shell ?? "sh";
    const file = join(this.#scripts, `${randomUUID()}${shell === "python3" ? ".py" : ".sh"}`);
    await writeFile(file, script);
    const result = await this.#step({
      program: shell,
      args: shell === "python3" ? [file] : ["-e", file],
      env: { ...this.#options.env, ...this.#handedOn.exported, ...given.env },
      own: {},
      isOfAction: false,
      warnings: [],
      onOutput: given.onOutput ?? (() => undefined),
      onStart: given.onStart ?? (() => undefined),
    });
    return result;
  }

  async post(): Promise<StepResult> {
    return await this.#runAction(this.#options.action.runs.post, () => undefined);
  }

  /** What other jobs get for `outputs:` of this job. */
  handOn(outputs: Values): JobOutputs {
    return handOn(outputs, this.#masks);
  }

  /** What a person finds in the job's log for these lines: commands carried out, masks applied. */
  log(text: string): string[] {
    const commands = this.#commands(() => undefined, true);
    return text
      .split(/\r\n|\r|\n/)
      .flatMap((line) => commands.handle(line))
      .filter((line) => line !== "");
  }

  /** The text with every masked value as `***`. */
  mask(text: string): string {
    return this.#masks.apply(text);
  }

  /** "Complete job": ends what the steps have left running, and removes what they have left behind. */
  async end(): Promise<void> {
    killOrphans(this.#trackingId);
    const { folder, temp } = this.#options;
    for (const path of [temp, folder]) {
      await rm(path, { recursive: true, force: true, maxRetries: 3 }); // An agent may be writing.
    }
  }

  #meets(condition: Condition): boolean {
    if (condition === "always") return true;
    return condition === this.#outcome;
  }

  async #runAction(file: string, onStart: OnStart): Promise<StepResult> {
    const { action: description, inputs, node } = this.#options;
    const own: Record<string, string> = {};
    for (const [name, value] of readInputs(inputs, description)) {
      own[`INPUT_${name.replaceAll(" ", "_").toUpperCase()}`] = value;
    }
    for (const [name, value] of Object.entries(this.#handedOn.state)) own[`STATE_${name}`] = value;
    return await this.#step({
      program: node,
      args: [join(ROOT, file)],
      env: { ...this.#options.env, ...this.#handedOn.exported },
      own,
      isOfAction: true,
      warnings: unexpectedInputs(inputs, description),
      onOutput: () => undefined,
      onStart,
    });
  }

  async #step(step: Step): Promise<StepResult> {
    const paths = await createFiles(this.temp);
    const log = step.warnings.map((line) => this.mask(line));
    let hasFailed = false;
    const fail = () => {
      hasFailed = true;
    };
    const commands = this.#commands(fail, step.isOfAction);
    const start = performance.now();
    const result = await invoke({
      program: step.program,
      args: step.args,
      env: this.#environment(step, paths),
      cwd: this.#workspace,
      batchMs: this.batchMs,
      onLine: (line) => log.push(...commands.handle(line)),
      onOutput: step.onOutput,
      onStart: step.onStart,
    });
    const ms = performance.now() - start;
    const { exitCode } = result;
    const files = await readFiles(paths);
    for (const problem of this.#handedOn.take(files, step.isOfAction)) {
      fail();
      log.push(`Error: ${this.mask(problem)}`);
    }
    if (result.problem !== undefined) log.push(`Error: ${this.mask(result.problem)}`);
    else if (exitCode !== 0 && !step.isOfAction)
      log.push(`Error: Process completed with exit code ${result.status}.`);
    const outcome = outcomeOf(result, hasFailed);
    if (outcome !== "success") this.#outcome = outcome;
    return { exitCode, outcome, stdout: result.stdout, stderr: result.stderr, log, ms, files };
  }

  /** What the runner sets itself wins over any `env:` and GITHUB_ENV. */
  #environment(step: Step, paths: Values): Values {
    const env: Record<string, string> = {
      ...inheritedEnvironment(),
      CI: "true",
      // A step may take this one away, and what it starts then outlives the job.
      RUNNER_TRACKING_ID: this.#trackingId,
      ...step.env,
      ...step.own,
      ...paths,
      GITHUB_ACTIONS: "true",
      GITHUB_WORKSPACE: this.#workspace,
      RUNNER_TEMP: this.temp,
    };
    env["PATH"] = this.#handedOn.extendPath(env["PATH"]);
    return env;
  }

  #commands(fail: () => void, isOfAction: boolean): Commands {
    return new Commands({
      masks: this.#masks,
      isDebug: this.#options.env["RUNNER_DEBUG"] === "1",
      setOutput: (name, value) => {
        if (isOfAction) this.#handedOn.outputs[name] = value;
      },
      saveState: (name, value) => {
        if (isOfAction) this.#handedOn.state[name] = value;
      },
      fail,
    });
  }
}
