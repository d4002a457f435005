// A model of GitHub's runner: it runs the action's built steps, and scripts between them, as a job does.
//
// It was compared with GitHub's own Runner.Worker 2.336.0 on Linux. What differs:
// - No service: no live log, no summary is uploaded, no annotation is stored. `log` is what a person reads.
// - `with:` and `env:` are not printed at the head of a step, no value is masked before the action masks it,
//   and a script is given as text, whose file is not in RUNNER_TEMP: there are no expressions, and conditions
//   are those of `Condition` alone.
// - Of the machine's environment steps get a fixed list of names (INHERITED) instead of everything, and of
//   GITHUB_* and RUNNER_* only what steps of this project read. The rest can be given as `env`.
// - Text of the debug log that the runner itself writes, problem matchers, matching of inputs by their
//   deprecation, composite actions, containers, hooks and `background: true` are left out.
// - A command that fails is explained in fewer words. Output names keep their case.
// - Masks are applied to text by lines, and only those of `::add-mask::` and long stop tokens exist.
// - On Windows steps get Node's kind of pipes; on macOS and Windows orphans are not looked for.

import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { Commands } from "./runner/commands.ts";
import {
  FILE_COMMANDS,
  type FileCommand,
  readFileCommand,
  readPathFile,
} from "./runner/file-commands.ts";
import { invoke } from "./runner/invocation.ts";
import { Masks } from "./runner/masks.ts";

export { parseFileCommand } from "./runner/file-commands.ts";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

export type Values = Readonly<Record<string, string>>;

interface Described {
  readonly description: string;
}

interface ActionFile {
  readonly inputs: Readonly<
    Record<string, Described & { readonly default?: string; readonly required: boolean }>
  >;
  readonly outputs: Readonly<Record<string, Described>>;
  readonly runs: { readonly using: string; readonly main: string; readonly post: string };
}

/** What a step's `outcome` can be. */
export type Outcome = "success" | "failure" | "cancelled" | "skipped";

export interface StepResult {
  /** null if a signal ended the process, or if the step was skipped. */
  readonly exitCode: number | null;
  readonly outcome: Outcome;
  readonly stdout: string;
  readonly stderr: string;
  /** What a person reads in the job's log: commands carried out, and masked by what was known by then. */
  readonly log: readonly string[];
  /** From before the process was started until it was gone. */
  readonly ms: number;
  /** The file commands' files as the step left them, unparsed, by name: GITHUB_OUTPUT, GITHUB_STATE … */
  readonly files: Values;
}

type OnOutput = (text: string) => void;
/** @param cancel ends the step as the runner does: SIGINT, 7.5 s, SIGTERM, 2.5 s, SIGKILL */
type OnStart = (child: ChildProcess, cancel: () => void) => void;

/** Whether a step runs, as `if: success()` and so on. */
export type Condition = "success" | "failure" | "cancelled" | "always";

export interface RunOptions {
  /** `sh` by default. Bash runs with `-e` too, as the runner does it if no shell is named. */
  readonly shell?: "sh" | "bash" | "python3";
  /** `always` by default: a test may want to go on after a script that has to fail. */
  readonly condition?: Condition;
  /** The step's own `env:`. */
  readonly env?: Values;
  /** Called with each piece of output as it is read. */
  readonly onOutput?: OnOutput;
  readonly onStart?: OnStart;
}

const INHERITED = [
  "HOME",
  "LANG",
  "LC_ALL",
  "LOGNAME",
  "PATH",
  "SHELL",
  "SystemRoot",
  "TEMP",
  "TMP",
  "TMPDIR",
  "TZ",
  "USER",
  "USERPROFILE",
];

/** The name of the runner's process that starts the steps. */
const WORKER = "Runner.Worker";

let action: Promise<ActionFile> | undefined;

/** action.yml, which is read once. */
export async function readAction(): Promise<ActionFile> {
  action ??= readFile(join(ROOT, "action.yml"), "utf8").then((text) => parse(text) as ActionFile);
  return await action;
}

interface JobOptions {
  readonly action: ActionFile;
  readonly inputs: Values;
  readonly env: Values;
  readonly node: string;
  /** RUNNER_TEMP. */
  readonly temp: string;
  /** Removed at the job's end. Undefined if another job removes it. */
  readonly ownFolder: string | undefined;
}

/** One job with one step that uses this action. */
export class Job {
  readonly #options: JobOptions;
  readonly #workspace: string;
  readonly #trackingId = `github_${randomUUID()}`;
  readonly #masks = new Masks();
  #state: Record<string, string> = {};
  #outputs: Record<string, string> = {};
  #exported: Record<string, string> = {};
  #path: string[] = [];
  #outcome: Outcome = "success";

  /** Lines are left to gather so long before a batch is handled. More makes what is likely certain. */
  batchMs = 0;

  private constructor(options: JobOptions) {
    this.#options = options;
    this.#workspace = join(dirname(options.temp), "workspace");
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
    const ownFolder = temp === undefined ? await mkdtemp(join(tmpdir(), "armor job ")) : undefined;
    const folder = temp ?? join(ownFolder ?? "", "_temp");
    await mkdir(folder, { recursive: true });
    return new Job({ action: await readAction(), inputs, env, node, temp: folder, ownFolder });
  }

  /** What later steps get from this one. */
  get outputs(): Values {
    return this.#outputs;
  }

  /** What later steps find in their environment because of the steps so far. */
  get exported(): Values {
    return this.#exported;
  }

  /** The runner's RUNNER_TEMP. */
  get temp(): string {
    return this.#options.temp;
  }

  /** @param onStart told of the process, which a runner may cancel */
  async main(onStart: OnStart = () => undefined): Promise<StepResult> {
    this.#state = {};
    this.#outputs = {};
    return await this.#runAction(this.#options.action.runs.main, onStart);
  }

  /** A later step: a script. @param options also the function that gets each piece of its output */
  async run(script: string, options: RunOptions | OnOutput = {}): Promise<StepResult> {
    const given = typeof options === "function" ? { onOutput: options } : options;
    if (!this.#meets(given.condition ?? "always")) return SKIPPED;
    const shell = given.shell ?? "sh";
    const folder = join(dirname(this.temp), "scripts");
    const file = join(folder, `${randomUUID()}${shell === "python3" ? ".py" : ".sh"}`);
    await mkdir(folder, { recursive: true });
    await writeFile(file, script);
    const result = await this.#step({
      program: shell,
      args: shell === "python3" ? [file] : ["-e", file],
      env: { ...this.#options.env, ...this.#exported, ...given.env },
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

  /**
   * What other jobs get for `outputs:` of this job.
   * @returns the values that are handed on, and what the log says of those that are not
   */
  handOn(outputs: Values): { readonly values: Values; readonly log: readonly string[] } {
    const values: Record<string, string> = {};
    const log: string[] = [];
    for (const [name, value] of Object.entries(outputs)) {
      const isClear = value === this.mask(value);
      if (value === "") continue;
      if (isClear) values[name] = value;
      else log.push(`Warning: Skip output '${name}' since it may contain secret.`);
    }
    return { values, log };
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
    for (const pid of processesWith(`RUNNER_TRACKING_ID=${this.#trackingId}`)) kill(pid);
    const { ownFolder, temp } = this.#options;
    const folder = ownFolder ?? temp;
    await rm(folder, { recursive: true, force: true, maxRetries: 3 }); // its agent may be writing
  }

  #meets(condition: Condition): boolean {
    if (condition === "always") return true;
    return condition === this.#outcome;
  }

  async #runAction(file: string, onStart: OnStart): Promise<StepResult> {
    const { action: description, inputs, node } = this.#options;
    const defaults = Object.entries(description.inputs).map(([name, { default: byDefault }]) => [
      name,
      byDefault,
    ]);
    const given = { ...Object.fromEntries(defaults), ...inputs } as Record<
      string,
      string | undefined
    >;
    const own: Record<string, string> = {};
    for (const [name, value] of Object.entries(given)) {
      if (value !== undefined) own[`INPUT_${name.replaceAll(" ", "_").toUpperCase()}`] = value;
    }
    for (const [name, value] of Object.entries(this.#state)) own[`STATE_${name}`] = value;
    return await this.#step({
      program: node,
      args: [join(ROOT, file)],
      env: { ...this.#options.env, ...this.#exported },
      own,
      isOfAction: true,
      warnings: unexpectedInputs(Object.keys(inputs), Object.keys(description.inputs)),
      onOutput: () => undefined,
      onStart,
    });
  }

  async #step(step: Step): Promise<StepResult> {
    const paths = await this.#createFiles();
    const log = step.warnings.map((line) => this.mask(line));
    let hasFailed = false;
    const fail = () => {
      hasFailed = true;
    };
    const commands = this.#commands(fail, step.isOfAction);
    const start = performance.now();
    const { exitCode, stdout, stderr, isCancelled } = await invoke({
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
    const files = await readFiles(paths);
    for (const problem of this.#takeFiles(files, step.isOfAction)) {
      fail();
      log.push(`Error: ${this.mask(problem)}`);
    }
    if (exitCode !== 0 && !step.isOfAction)
      log.push(`Error: Process completed with exit code ${exitCode}.`);
    const isSuccess = exitCode === 0 && !hasFailed;
    const ownOutcome = isSuccess ? "success" : "failure";
    const outcome = isCancelled ? "cancelled" : ownOutcome;
    if (outcome !== "success") this.#outcome = outcome;
    return { exitCode, outcome, stdout, stderr, log, ms, files };
  }

  /** Of each step its own, which stay until the job ends. */
  async #createFiles(): Promise<Values> {
    const folder = join(this.temp, "_runner_file_commands");
    await mkdir(folder, { recursive: true });
    await mkdir(this.#workspace, { recursive: true });
    const suffix = randomUUID();
    const entries = FILE_COMMANDS.map((name) => [
      name,
      join(folder, `${name.toLowerCase()}_${suffix}`),
    ]);
    const paths = Object.fromEntries(entries) as Record<FileCommand, string>;
    await Promise.all(Object.values(paths).map((path) => writeFile(path, "")));
    return paths;
  }

  /** What the runner sets itself wins over any `env:` and GITHUB_ENV. */
  #environment(step: Step, paths: Values): Values {
    const inherited = INHERITED.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    });
    const env: Record<string, string> = {
      ...Object.fromEntries(inherited),
      CI: "true",
      ...step.env,
      ...step.own,
      ...paths,
      GITHUB_ACTIONS: "true",
      GITHUB_WORKSPACE: this.#workspace,
      RUNNER_TEMP: this.temp,
      RUNNER_TRACKING_ID: this.#trackingId,
    };
    // The last one added comes first.
    const added = [...this.#path].reverse();
    env["PATH"] = [...added, ...(env["PATH"] === undefined ? [] : [env["PATH"]])].join(delimiter);
    return env;
  }

  #commands(fail: () => void, isOfAction: boolean): Commands {
    return new Commands({
      masks: this.#masks,
      isDebug: this.#options.env["RUNNER_DEBUG"] === "1",
      setOutput: (name, value) => {
        if (isOfAction) this.#outputs[name] = value;
      },
      saveState: (name, value) => {
        if (isOfAction) this.#state[name] = value;
      },
      fail,
    });
  }

  /** Gives what the runner complains of. State and outputs of scripts are nobody's here. */
  #takeFiles(files: Values, isOfAction: boolean): string[] {
    const problems: string[] = [];
    const take = (name: FileCommand, values: Record<string, string>) => {
      const content = readFileCommand(files[name] ?? "");
      Object.assign(values, content.values);
      if (content.problem === undefined) return;
      const what = name.replace(/^GITHUB_/, "").toLowerCase();
      problems.push(`Unable to process file command '${what}' successfully.`, content.problem);
    };
    for (const folder of readPathFile(files["GITHUB_PATH"] ?? "")) {
      this.#path = [...this.#path.filter((one) => one !== folder), folder];
    }
    const exported: Record<string, string> = {};
    take("GITHUB_ENV", exported);
    for (const [name, value] of Object.entries(exported)) {
      if (name.toUpperCase() !== "NODE_OPTIONS") this.#exported[name] = value;
      else problems.push("Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.");
    }
    take("GITHUB_STATE", isOfAction ? this.#state : {});
    take("GITHUB_OUTPUT", isOfAction ? this.#outputs : {});
    return problems;
  }
}

interface Step {
  readonly program: string;
  readonly args: readonly string[];
  /** The job's `env:`, what earlier steps have exported, the step's own `env:`. */
  readonly env: Values;
  /** Inputs and state. */
  readonly own: Values;
  readonly isOfAction: boolean;
  /** What the log says before the step starts. */
  readonly warnings: readonly string[];
  readonly onOutput: OnOutput;
  readonly onStart: OnStart;
}

const SKIPPED: StepResult = {
  exitCode: null,
  outcome: "skipped",
  stdout: "",
  stderr: "",
  log: [],
  ms: 0,
  files: {},
};

/** They reach the action all the same. */
function unexpectedInputs(given: readonly string[], known: readonly string[]): string[] {
  const names = given.filter((name) => !known.includes(name));
  if (names.length === 0) return [];
  const list = (words: readonly string[]) => `'${words.join("', '")}'`;
  return [`Warning: Unexpected input(s) ${list(names)}, valid inputs are [${list(known)}]`];
}

async function readFiles(paths: Values): Promise<Values> {
  const contents: Record<string, string> = {};
  for (const [name, path] of Object.entries(paths)) {
    // A step may have removed it, or all of RUNNER_TEMP.
    contents[name] = await readFile(path, "utf8").catch(() => "");
  }
  return contents;
}

/** armor-token and the main step look for the runner by the name of a process. */
function becomeWorker(): void {
  if (process.platform === "linux") writeFileSync("/proc/self/comm", WORKER);
}

/** The pids of processes with this in their environment. Linux only. */
function processesWith(variable: string): number[] {
  if (process.platform !== "linux") return [];
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(variable);
    } catch {
      return false; // It has ended, or belongs to another user.
    }
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
