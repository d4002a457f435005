// Files by which a step tells the runner something (actions/runner, FileCommandManager.cs).

/** How the names of the files begin, by the variable that names the file to the step. */
export const FILE_PREFIXES = {
  GITHUB_PATH: "add_path_",
  GITHUB_ENV: "set_env_",
  GITHUB_STEP_SUMMARY: "step_summary_",
  GITHUB_STATE: "save_state_",
  GITHUB_OUTPUT: "set_output_",
} as const;

export type FileCommand = keyof typeof FILE_PREFIXES;

export interface FileContent {
  /** What stands before a broken line counts. */
  readonly values: Readonly<Record<string, string>>;
  /** What the runner says of the first broken line. Undefined if there is none. */
  readonly problem: string | undefined;
}

/** A carriage return ends a line on Windows only; elsewhere it is part of the value. */
const LINE_END = process.platform === "win32" ? /\r?\n/ : "\n";

/**
 * Lines `name=value`, or `name<<delimiter`, the value's lines and the delimiter. What comes first in a line,
 * `=` or `<<`, decides.
 */
export function readFileCommand(text: string): FileContent {
  const values: Record<string, string> = {};
  const lines = withoutMark(text).split(LINE_END);
  const isUnfinished = lines.at(-1) !== "";
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? "";
    if (line === "") continue;
    const entry = /^(?<name>.*?)(?<sign>=|<<)(?<rest>.*)$/s.exec(line)?.groups;
    if (entry === undefined) return { values, problem: `Invalid format '${line}'` };
    const { name = "", sign, rest = "" } = entry;
    if (sign === "=") {
      if (name === "") return { values, problem: "Value cannot be null. (Parameter 'name')" };
      values[name] = rest;
      continue;
    }
    if (name === "" || rest === "") {
      const why = "Name must not be empty and delimiter must not be empty";
      return { values, problem: `Invalid format '${line}'. ${why}` };
    }
    const end = lines.indexOf(rest, index + 1);
    if (end < 0) {
      // The line of the delimiter may be the last one without a line end, but no line of the value may.
      const isValueUnfinished = isUnfinished && index < lines.length - 1;
      if (isValueUnfinished)
        return { values, problem: "Invalid value. EOF marker missing new line." };
      return { values, problem: `Invalid value. Matching delimiter not found '${rest}'` };
    }
    values[name] = lines.slice(index + 1, end).join("\n");
    index = end;
  }
  return { values, problem: undefined };
}

/** @throws Error with the runner's words for a broken line */
export function parseFileCommand(text: string): Readonly<Record<string, string>> {
  const { values, problem } = readFileCommand(text);
  if (problem !== undefined) throw new Error(problem);
  return values;
}

/** The folders of a GITHUB_PATH file, one a line. A carriage return ends a line here on every system. */
export function readPathFile(text: string): string[] {
  return withoutMark(text)
    .split(/\r\n|\r|\n/)
    .filter((line) => line !== "");
}

function withoutMark(text: string): string {
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}
