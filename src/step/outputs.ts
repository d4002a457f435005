import { closeSync, constants, openSync, statSync, truncateSync } from "node:fs";
import * as core from "@actions/core";
import { ArmorError, fileError } from "../errors.ts";
import { hide, printable } from "../redact.ts";

type FileVariable = "GITHUB_OUTPUT" | "GITHUB_STATE" | "GITHUB_ENV" | "GITHUB_PATH";

/** @throws ArmorError unless each can be appended to. Without the file, core would print the token. */
export function checkFiles(variables: readonly FileVariable[]): void {
  for (const variable of variables) {
    if (!process.env[variable]) {
      const problem = `${variable} is not set, so there is no safe way to hand the token on`;
      const remedy = "Run this as a step of a GitHub Actions workflow.";
      throw new ArmorError("runner_unsupported", problem, remedy);
    }
    use(variable, (path) => closeSync(openSync(path, constants.O_WRONLY | constants.O_APPEND)));
  }
}

/** Lets core write. If that fails half-way, the file is cut back, so that the runner reads no half line. */
function write(variable: FileVariable, append: () => void): void {
  use(variable, (path) => {
    const before = statSync(path);
    try {
      append();
    } catch (error) {
      if (before.isFile()) truncateSync(path, before.size);
      throw error;
    }
  });
}

function use(variable: FileVariable, action: (path: string) => void): void {
  try {
    action(process.env[variable] ?? "");
  } catch (error) {
    throw fileError(`The file that ${variable} names`, error);
  }
}

/** Has the runner mask these texts in all that is printed afterwards, by any step; this one replaces them. */
export function mask(secrets: readonly string[]): void {
  for (const secret of secrets) core.setSecret(secret);
  hide(secrets);
}

export function log(line: string): void {
  core.info(printable(line));
}

export function warn(line: string): void {
  core.warning(printable(line));
}

/** Also sets the exit code to 1. */
export function fail(line: string): void {
  core.setFailed(printable(line));
}

/** As action.yml describes them. */
export function setOutputs(outputs: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(outputs))
    write("GITHUB_OUTPUT", () => core.setOutput(name, value));
}

/** Lets all later steps reach the agent. @returns whether no_proxy was extended, as the job has a proxy */
export function exportAgent(env: NodeJS.ProcessEnv, gatewayUrl: string, bin: string): boolean {
  write("GITHUB_ENV", () => core.exportVariable("ARMOR_GATEWAY_URL", gatewayUrl));
  write("GITHUB_PATH", () => core.addPath(bin));
  const noProxy = noProxyWithLoopback(env);
  if (noProxy === undefined) return false;
  for (const name of NO_PROXY_VARIABLES)
    write("GITHUB_ENV", () => core.exportVariable(name, noProxy));
  return true;
}

const PROXY_VARIABLES = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]; // for http, as the gateway is
const NO_PROXY_VARIABLES = ["no_proxy", "NO_PROXY"];
const LOOPBACK = "127.0.0.1";

/** @returns undefined where no program would use a proxy for the gateway as it is */
function noProxyWithLoopback(env: NodeJS.ProcessEnv): string | undefined {
  const isProxied = PROXY_VARIABLES.some((name) => env[name]);
  if (!isProxied) return undefined;
  const lists = NO_PROXY_VARIABLES.map((name) => (env[name] ?? "").split(/[\s,]+/).filter(Boolean));
  if (lists.every((list) => list.includes(LOOPBACK) || isEveryHost(list))) return undefined;
  // Some programs read one of the variables and some the other, so both get what either had.
  if (lists.some(isEveryHost)) return "*";
  const union = new Set([...lists.flat(), LOOPBACK]);
  return [...union].join(",");
}

/** curl and Python take `*` only where it is alone. */
function isEveryHost(noProxy: readonly string[]): boolean {
  return noProxy.length === 1 && noProxy[0] === "*";
}

/** For post. No API key and no proxy ever go into state, which is a readable file. */
export function saveState(name: string, value: string): void {
  write("GITHUB_STATE", () => core.saveState(name, value));
}

/** What main has left for post. */
export interface State {
  readonly apiUrl: string;
  readonly certificates: readonly string[]; // PEM, one certificate each
  readonly terminateSession: boolean;
  readonly accessToken: string | undefined; // only where the session is to be ended
  readonly agentFolder: string | undefined; // only with keep-fresh
  readonly isComplete: boolean; // main went through: there is something to tell
}

/** @returns undefined where main saved nothing */
export function loadState(env: NodeJS.ProcessEnv): State | undefined {
  const saved = (name: string) => env[`STATE_${name}`] || undefined;
  const apiUrl = saved("api_url");
  if (apiUrl === undefined) return undefined;
  return {
    apiUrl,
    certificates: saved("ca_certificate")?.split(/(?=-----BEGIN CERTIFICATE-----)/) ?? [],
    terminateSession: saved("terminate_session") !== "false",
    accessToken: saved("access_token"),
    agentFolder: saved("agent_folder"),
    isComplete: saved("complete") === "true",
  };
}
