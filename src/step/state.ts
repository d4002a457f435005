import * as core from "@actions/core";
import { writeRunnerFile } from "./runner-files.ts";

/**
 * What main leaves for post. No API key and no proxy are among it, because state is a readable
 * file.
 */
export interface State {
  readonly apiUrl: string; // without a slash at its end
  readonly certificates: readonly string[]; // PEM, one certificate each
  readonly terminateSession: boolean;
  readonly accessToken: string | undefined; // undefined if no session is to be ended
  // Of the token, by the wall clock, in ms; undefined without a token.
  readonly expiresAt: number | undefined;
  readonly agentFolder: string | undefined; // undefined without keep-fresh
  // The path of main's mark; undefined if main could not leave one.
  readonly mark: string | undefined;
  readonly stateFile: string | undefined; // the path of the file in which main saves all this
  readonly isComplete: boolean; // main went through, so there is something to tell
}

/** The names under which it is saved. The runner gives each to post as `STATE_` and the name. */
const NAMES = {
  apiUrl: "api_url",
  certificates: "ca_certificate",
  terminateSession: "terminate_session",
  accessToken: "access_token",
  expiresAt: "expires_at",
  agentFolder: "agent_folder",
  mark: "mark",
  stateFile: "state_file",
  isComplete: "complete",
} as const satisfies Record<keyof State, string>;

/** As it is before anything has happened. */
const EMPTY: State = {
  apiUrl: "",
  certificates: [],
  terminateSession: true,
  accessToken: undefined,
  expiresAt: undefined,
  agentFolder: undefined,
  mark: undefined,
  stateFile: undefined,
  isComplete: false,
};

/**
 * Saves every name, also those without a value. A name that main has not saved, a step could set in
 * its place: the runner takes `STATE_…` from GITHUB_ENV as well, but saved state counts more.
 * @throws ArmorError file_failed
 */
export function saveEmptyState(): void {
  saveState(EMPTY);
}

/** Saves these values over what was saved before. @throws ArmorError file_failed */
export function saveState(values: Partial<State>): void {
  for (const [field, value] of Object.entries(values)) {
    const name = NAMES[field as keyof State];
    writeRunnerFile("GITHUB_STATE", () => core.saveState(name, textOf(value)));
  }
}

function textOf(value: State[keyof State]): string {
  if (value === undefined) return "";
  return Array.isArray(value) ? value.join("\n") : String(value);
}

/** Gives what main has left; undefined if main saved no address, and so did nothing. */
export function loadState(env: NodeJS.ProcessEnv): State | undefined {
  const saved = (field: keyof State) => env[`STATE_${NAMES[field]}`] || undefined;
  const apiUrl = saved("apiUrl");
  if (apiUrl === undefined) return undefined;
  return {
    apiUrl,
    certificates: saved("certificates")?.split(/(?=-----BEGIN CERTIFICATE-----)/) ?? [],
    terminateSession: saved("terminateSession") !== "false",
    accessToken: saved("accessToken"),
    expiresAt: parseTime(saved("expiresAt")),
    agentFolder: saved("agentFolder"),
    mark: saved("mark"),
    stateFile: saved("stateFile"),
    isComplete: saved("isComplete") === "true",
  };
}

/**
 * A value between two lines that name the same delimiter, as core writes each (GitHub's
 * documentation).
 */
const ENTRY = /^(?<name>\w+)<<(?<delimiter>\S+)\r?\n(?<value>[\s\S]*?)\r?\n\k<delimiter>$/gm;

/**
 * Gives what main has saved by now, as environment variables. The runner reads the file once, when
 * it takes the step for ended; of a step that was cancelled in a container, the process goes on.
 * @param text of the file
 */
export function parseStateFile(text: string): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const { groups } of text.matchAll(ENTRY)) {
    if (groups !== undefined) env[`STATE_${groups["name"]}`] = groups["value"];
  }
  return env;
}

/** Gives undefined for what is no time that a Date can hold. */
function parseTime(text: string | undefined): number | undefined {
  const ms = Number(text ?? "");
  return ms > 0 && ms < 8.64e15 ? ms : undefined;
}
