// Workflow commands in what a step prints (actions/runner, ActionCommand.cs, ActionCommandManager.cs).

import type { Masks } from "./masks.ts";

/** What the commands of one step act on. */
export interface CommandTarget {
  readonly masks: Masks;
  /** Whether step debug logging is on: RUNNER_DEBUG is 1. */
  readonly isDebug: boolean;
  setOutput(name: string, value: string): void;
  saveState(name: string, value: string): void;
  /** The step fails because of a command, whatever its exit code. */
  fail(): void;
}

interface Command {
  readonly name: string;
  readonly properties: ReadonlyMap<string, string>;
  readonly data: string;
}

const NAMES = new Set([
  "add-mask",
  "add-matcher",
  "add-path",
  "debug",
  "echo",
  "endgroup",
  "error",
  "group",
  "notice",
  "remove-matcher",
  "save-state",
  "set-env",
  "set-output",
  "stop-commands",
  "warning",
]);

/** The heads under which a log shows them. */
const ANNOTATIONS = new Map([
  ["error", "Error: "],
  ["warning", "Warning: "],
  ["notice", "Notice: "],
]);

/** These are never repeated, whatever `::echo::` says. */
const SILENT = new Set(["add-mask", "debug", "error", "notice", "warning"]);

/** In characters. What is longer is cut. */
const LONGEST_MESSAGE = 4_096;

/** No command of today's, and no token for `::stop-commands::` all the same. */
const FORMER_STOP_TOKEN = "pause-logging";

/** A token for `::stop-commands::` that is longer becomes a mask. */
const LONGEST_UNMASKED_STOP_TOKEN = 6;

/** The commands of one step. `::stop-commands::` ends with it at the latest. */
export class Commands {
  readonly #target: CommandTarget;
  #stopToken: string | undefined;
  #echoes = false;
  #isBroken = false;

  constructor(target: CommandTarget) {
    this.#target = target;
  }

  /** Carries out what is a command. Gives what the log shows for the line: none, one or two lines, masked. */
  handle(line: string): string[] {
    return this.#handle(line).map((shown) => this.#target.masks.apply(shown));
  }

  #handle(line: string): string[] {
    if (this.#isBroken) return [];
    const command = parseCommand(line, this.#stopToken);
    if (command === undefined) return [line];
    if (this.#stopToken !== undefined) {
      if (command.name === this.#stopToken) this.#stopToken = undefined;
      return [line];
    }
    if (command.name === "stop-commands") return this.#stop(line, command.data);
    const isRepeated = this.#echoes && !SILENT.has(command.name);
    return [...(isRepeated ? [line] : []), ...this.#carryOut(command, line)];
  }

  #stop(line: string, token: string): string[] {
    const name = token.toLowerCase();
    const isUnfit = name === "" || name === FORMER_STOP_TOKEN || NAMES.has(name);
    if (isUnfit) {
      // The runner shows nothing more of this step.
      this.#isBroken = true;
      this.#target.fail();
      return [
        "Error: You cannot use a endToken that is an empty string, " +
          `the string '${FORMER_STOP_TOKEN}', or another workflow command.`,
      ];
    }
    this.#stopToken = name;
    if (token.length > LONGEST_UNMASKED_STOP_TOKEN) this.#target.masks.add(token);
    return [line];
  }

  #carryOut({ name, properties, data }: Command, line: string): string[] {
    const head = ANNOTATIONS.get(name);
    if (head !== undefined) return data === "" ? [] : [head + data.slice(0, LONGEST_MESSAGE)];
    const field = properties.get("name");
    switch (name) {
      case "add-mask":
        return this.#mask(data);
      case "debug":
        return this.#target.isDebug ? [`##[debug]${data}`] : [];
      case "group":
        return [data];
      case "echo":
        return this.#echo(line, data);
      case "set-output":
      case "save-state":
        return this.#setField(name, field, data, line);
      case "set-env":
      case "add-path":
        return this.#refuse(line, `The \`${name}\` command is disabled.`);
      default:
        return [];
    }
  }

  #echo(line: string, data: string): string[] {
    const wanted = data.trim().toLowerCase();
    const isKnown = wanted === "on" || wanted === "off";
    if (!isKnown)
      return this.#refuse(line, `Invalid echo command value. Current value is: '${data}'.`);
    this.#echoes = wanted === "on";
    return [];
  }

  #setField(name: string, field: string | undefined, data: string, line: string): string[] {
    const warning = `Warning: The \`${name}\` command is deprecated and will be disabled soon.`;
    if (field === undefined) {
      const why = `Required field 'name' is missing in ##[${name}] command.`;
      return [warning, ...this.#refuse(line, why)];
    }
    if (name === "set-output") this.#target.setOutput(field, data);
    else this.#target.saveState(field, data);
    return [warning];
  }

  #mask(data: string): string[] {
    if (data.trim() === "")
      return ["Warning: Can't add secret mask for empty string in ##[add-mask] command."];
    this.#target.masks.add(data);
    return this.#echoes ? ["::add-mask::***"] : [];
  }

  #refuse(what: string, why: string): string[] {
    this.#target.fail();
    return [`Error: Unable to process command '${what}' successfully.`, `Error: ${why}`];
  }
}

/**
 * `::name key=value::data` at the start of a line, white space aside; or the older `##[name key=value]data`
 * anywhere in it. A name that is not known makes no command, and the line is printed as it is.
 */
function parseCommand(line: string, stopToken: string | undefined): Command | undefined {
  const isKnown = (name: string) => NAMES.has(name) || name === stopToken;
  const current = /^(?:[^\S\ufeff]|\u0085)*::(?<head>.*?)::(?<data>.*)$/s.exec(line)?.groups;
  if (current !== undefined) {
    const { name, rest } = splitHead(current["head"]);
    if (isKnown(name)) {
      const properties = readProperties(rest, ",", unescapeProperty);
      return { name, properties, data: unescapeData(current["data"] ?? "") };
    }
  }
  const older = /##\[(?<head>.*?)\](?<data>.*)$/s.exec(line)?.groups;
  if (older === undefined) return undefined;
  const { name, rest } = splitHead(older["head"]);
  if (!isKnown(name)) return undefined;
  const properties = readProperties(rest, ";", unescapeOlder);
  return { name, properties, data: unescapeOlder(older["data"] ?? "") };
}

function splitHead(head = ""): { name: string; rest: string } {
  const blank = head.indexOf(" ");
  if (blank === -1) return { name: head.toLowerCase(), rest: "" };
  return { name: head.slice(0, blank).toLowerCase(), rest: head.slice(blank + 1) };
}

function readProperties(
  text: string,
  separator: string,
  decode: (value: string) => string,
): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  for (const piece of text.trim().split(separator)) {
    const { name = "", value = "" } = /^=*(?<name>[^=]+)=+(?<value>.+)$/s.exec(piece)?.groups ?? {};
    if (name !== "" && value !== "") properties.set(name.trim(), decode(value));
  }
  return properties;
}

export function unescapeData(text: string): string {
  return text.replaceAll("%0D", "\r").replaceAll("%0A", "\n").replaceAll("%25", "%");
}

function unescapeProperty(text: string): string {
  const lines = text.replaceAll("%0D", "\r").replaceAll("%0A", "\n");
  return lines.replaceAll("%3A", ":").replaceAll("%2C", ",").replaceAll("%25", "%");
}

function unescapeOlder(text: string): string {
  const lines = text.replaceAll("%3B", ";").replaceAll("%0D", "\r").replaceAll("%0A", "\n");
  return lines.replaceAll("%5D", "]").replaceAll("%25", "%");
}
