// Runs the action's built steps as a GitHub runner would: inputs with the defaults of action.yml, file commands,
// state, a closed stdin, two pipes, and masks on everything that is shown.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

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

export interface StepResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From before the process was started until it was gone. */
  readonly ms: number;
  /** The file commands' files as the step left them, unparsed, by name: GITHUB_OUTPUT, GITHUB_STATE … */
  readonly files: Values;
}

type OnOutput = (text: string) => void;

const FILE_COMMANDS = [
  "GITHUB_OUTPUT",
  "GITHUB_STATE",
  "GITHUB_ENV",
  "GITHUB_PATH",
  "GITHUB_STEP_SUMMARY",
];
const INHERITED = ["PATH", "HOME", "USERPROFILE", "SystemRoot", "TEMP", "TMP", "LANG"];

let action: Promise<ActionFile> | undefined;

/** action.yml, which is read once. */
export async function readAction(): Promise<ActionFile> {
  action ??= readFile(join(ROOT, "action.yml"), "utf8").then((text) => parse(text) as ActionFile);
  return await action;
}

/** One job with one step that uses this action. */
export class Job {
  readonly #temp: string;
  readonly #action: ActionFile;
  readonly #inputs: Values;
  readonly #env: Values;
  readonly #node: string;
  readonly #masks = new Set<string>();
  #state: Values = {};
  #outputs: Values = {};
  #exported: Values = {};
  #path: readonly string[] = [];

  /** What later steps get from this one. */
  get outputs(): Values {
    return this.#outputs;
  }

  private constructor(temp: string, action: ActionFile, inputs: Values, env: Values, node: string) {
    this.#temp = temp;
    this.#action = action;
    this.#inputs = inputs;
    this.#env = env;
    this.#node = node;
  }

  /**
   * @param inputs as under `with:`
   * @param env as under `env:`, on top of the machine's own
   * @param temp RUNNER_TEMP of another step's job, where this step is part of it
   * @param node the runner's Node
   */
  static async start(
    inputs: Values,
    env: Values = {},
    temp?: string,
    node = process.execPath,
  ): Promise<Job> {
    const folder = temp ?? (await mkdtemp(join(tmpdir(), "armor job ")));
    return new Job(folder, await readAction(), inputs, env, node);
  }

  /** @param onStart told of the process, which a runner may cancel */
  async main(onStart: (child: ChildProcess) => void = () => undefined): Promise<StepResult> {
    const result = await this.#run(this.#action.runs.main, onStart);
    this.#state = parseFileCommand(result.files["GITHUB_STATE"] ?? "");
    this.#outputs = parseFileCommand(result.files["GITHUB_OUTPUT"] ?? "");
    this.#exported = parseFileCommand(result.files["GITHUB_ENV"] ?? "");
    this.#path = (result.files["GITHUB_PATH"] ?? "").split(/\r?\n/).filter((line) => line !== "");
    return result;
  }

  /** A later step: a script for `sh`. @param onOutput called with each piece as its reader gets it */
  async run(script: string, onOutput: OnOutput = () => undefined): Promise<StepResult> {
    const env = { ...this.#environment({}), ...this.#exported, ...this.#env };
    const path = [...this.#path, env["PATH"]].join(delimiter);
    return await this.#spawn("sh", ["-e", "-c", script], { ...env, PATH: path }, onOutput);
  }

  /** What later steps find in their environment because of this one. */
  get exported(): Values {
    return this.#exported;
  }

  /** The runner's RUNNER_TEMP. */
  get temp(): string {
    return this.#temp;
  }

  async post(): Promise<StepResult> {
    return await this.#run(this.#action.runs.post);
  }

  /** What a person finds in the job's log for these lines: commands carried out, masks applied. */
  log(text: string): string[] {
    const lines = text.split(/\r?\n/).map((line) => {
      const [, command = "", value = ""] = /^::([a-z-]+)(?: [^:]*)?::(.*)$/.exec(line) ?? [];
      if (command === "") return line;
      if (command === "add-mask") this.#masks.add(unescapeData(value));
      const shown = { error: "Error: ", warning: "Warning: ", notice: "Notice: ", group: "" }[
        command
      ];
      return shown === undefined ? undefined : shown + unescapeData(value);
    });
    return lines
      .filter((line) => line !== undefined && line !== "")
      .map((line) => this.mask(line ?? ""));
  }

  /** The text with every masked value as `***`. */
  mask(text: string): string {
    const longestFirst = [...this.#masks].sort((a, b) => b.length - a.length);
    return longestFirst.reduce((masked, secret) => masked.replaceAll(secret, "***"), text);
  }

  async end(): Promise<void> {
    await rm(this.#temp, { recursive: true, force: true, maxRetries: 3 }); // its agent may be writing
  }

  async #run(
    file: string,
    onStart: (child: ChildProcess) => void = () => undefined,
  ): Promise<StepResult> {
    const env = { ...this.#environment(this.#action.inputs), ...this.#env };
    return await this.#spawn(this.#node, [join(ROOT, file)], env, () => undefined, onStart);
  }

  async #spawn(
    program: string,
    args: string[],
    env: Values,
    onOutput: OnOutput,
    onStart: (child: ChildProcess) => void = () => undefined,
  ): Promise<StepResult> {
    const folder = join(this.#temp, "_runner_file_commands");
    await mkdir(folder, { recursive: true });
    const paths = Object.fromEntries(
      FILE_COMMANDS.map((name) => [name, join(folder, name.toLowerCase())]),
    );
    await Promise.all(Object.values(paths).map((path) => writeFile(path, "")));
    const start = performance.now();
    const child = spawn(program, args, {
      env: { ...paths, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    onStart(child);
    const [stdout, stderr, exitCode] = await Promise.all([
      collect(child.stdout, onOutput),
      collect(child.stderr, onOutput),
      new Promise<number | null>((resolve, reject) =>
        child.once("close", resolve).once("error", reject),
      ),
    ]);
    const ms = performance.now() - start;
    const contents = await Promise.all(
      Object.entries(paths).map(async ([name, path]) => [name, await readFile(path, "utf8")]),
    );
    return { exitCode, stdout, stderr, ms, files: Object.fromEntries(contents) as Values };
  }

  /** Of a step; a step of this action has inputs and, at the job's end, state. */
  #environment(actionInputs: ActionFile["inputs"]): Values {
    const own = INHERITED.flatMap((name) =>
      process.env[name] === undefined ? [] : [[name, process.env[name]]],
    );
    const inputs = Object.entries(actionInputs).flatMap(([name, { default: byDefault }]) => {
      const value = this.#inputs[name] ?? byDefault;
      return value === undefined ? [] : [[`INPUT_${name.toUpperCase()}`, value]];
    });
    const state = Object.entries(this.#state).map(([name, value]) => [`STATE_${name}`, value]);
    return {
      ...Object.fromEntries([...own, ...inputs, ...state]),
      CI: "true",
      GITHUB_ACTIONS: "true",
      RUNNER_TEMP: this.#temp,
      RUNNER_TRACKING_ID: "github_sandbox",
    };
  }
}

async function collect(stream: AsyncIterable<Buffer>, onOutput: OnOutput): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
    onOutput(chunk.toString("utf8"));
  }
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * Lines `name=value`, or `name<<delimiter`, the value's lines and the delimiter: as the runner reads its file commands
 * (actions/runner, FileCommandManager.cs). What comes first in a line, `=` or `<<`, decides.
 */
export function parseFileCommand(text: string): Values {
  const values: Record<string, string> = {};
  const lines = text.split(/\r?\n/);
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? "";
    if (line === "") continue;
    const [, name = "", sign, rest = ""] = /^(.*?)(=|<<)(.*)$/s.exec(line) ?? [];
    if (name === "" || (sign === "<<" && rest === "")) throw new Error(`Invalid format '${line}'`);
    if (sign === "=") {
      values[name] = rest;
      continue;
    }
    const end = lines.indexOf(rest, index + 1);
    if (end < 0) throw new Error(`Matching delimiter not found '${rest}'`);
    values[name] = lines.slice(index + 1, end).join("\n");
    index = end;
  }
  return values;
}

function unescapeData(text: string): string {
  return text.replaceAll("%0D", "\r").replaceAll("%0A", "\n").replaceAll("%25", "%");
}
