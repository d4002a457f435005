import { closeSync, constants, openSync, statSync, truncateSync } from "node:fs";
import * as core from "@actions/core";
import type { Token } from "../armor/token.ts";
import { isoDate } from "../clock.ts";
import { ArmorError, fileError } from "../errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The variables that name the runner's files for outputs, state, environment and PATH. */
export type FileVariable = "GITHUB_OUTPUT" | "GITHUB_STATE" | "GITHUB_ENV" | "GITHUB_PATH";

/**
 * Whether each file can be appended to, before anything is asked for whose result could not be handed on.
 * Without the file, @actions/core would print the value: the token, in plain sight.
 * @throws ArmorError runner_unsupported, file_failed
 */
export function checkFiles(env: Environment, variables: readonly FileVariable[]): void {
  for (const variable of variables) {
    const path = env[variable];
    if (!path) {
      throw new ArmorError(
        "runner_unsupported",
        `${variable} is not set, so there is no safe way to hand the token on`,
        "Run this as a step of a GitHub Actions workflow.",
      );
    }
    try {
      closeSync(openSync(path, constants.O_WRONLY | constants.O_APPEND));
    } catch (error) {
      throw fileError(`The file that ${variable} names`, error);
    }
  }
}

/**
 * Runs a write of core's. One that fails leaves no part of a line behind: the file is cut back to its
 * size before.
 */
function write(variable: FileVariable, append: () => void): void {
  const path = process.env[variable] ?? "";
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  try {
    append();
  } catch (error) {
    if (size !== undefined) cutBack(path, size);
    throw fileError(`The file that ${variable} names`, error);
  }
}

function cutBack(path: string, size: number): void {
  try {
    truncateSync(path, size);
  } catch {
    // A device is not cut; what failed first is what is reported.
  }
}

function setOutput(name: string, value: string): void {
  write("GITHUB_OUTPUT", () => core.setOutput(name, value));
}

/** Registers masks for these texts with the runner; they hold for what is printed afterwards, by any step. */
export function mask(secrets: readonly string[]): void {
  for (const secret of secrets) core.setSecret(secret);
}

/** The outputs that action.yml describes. The token has its mask by now. */
export function setTokenOutputs({ accessToken, expiresIn, expiresAt }: Token): void {
  setOutput("access-token", accessToken);
  setOutput("token-type", "Bearer");
  setOutput("expires-in", String(expiresIn));
  setOutput("expires-at", isoDate(expiresAt));
}

export function setAgentOutputs(gatewayUrl: string, command: string): void {
  setOutput("gateway-url", gatewayUrl);
  setOutput("token-command", command);
}

const PROXY_VARIABLES = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
const LOOPBACK = "127.0.0.1";

/**
 * Lets all later steps reach the token agent without being told.
 * @param env as the job has set it
 * @returns whether no_proxy had to be extended: with these proxies, clients would send the gateway's
 *   address to them
 */
export function exportAgent(env: Environment, gatewayUrl: string, bin: string): boolean {
  write("GITHUB_ENV", () => core.exportVariable("ARMOR_GATEWAY_URL", gatewayUrl));
  write("GITHUB_PATH", () => core.addPath(bin));
  if (!PROXY_VARIABLES.some((name) => env[name])) return false;
  const entries = [env["no_proxy"], env["NO_PROXY"], LOOPBACK].flatMap((list = "") => list.split(/[\s,]+/));
  const union = [...new Set(entries.filter((entry) => entry !== ""))].join(",");
  for (const name of ["no_proxy", "NO_PROXY"]) write("GITHUB_ENV", () => core.exportVariable(name, union));
  return true;
}

/** What main leaves for post. No API key and no proxy ever go into state, which is a readable file. */
export interface State {
  /** Without a slash at its end. */
  readonly apiUrl: string;
  readonly certificates: readonly string[];
  readonly terminateSession: boolean;
  /** Only where the session is to be ended. */
  readonly accessToken: string | undefined;
  /** Ms since the epoch; 0 where no token was fetched. */
  readonly expiresAt: number;
  readonly agentFolder: string | undefined;
  /** Main went through: there is something to tell. */
  readonly isComplete: boolean;
}

type StateName =
  | "api_url"
  | "ca_certificate"
  | "terminate_session"
  | "access_token"
  | "expires_at"
  | "agent_folder"
  | "complete";

export function saveState(name: StateName, value: string): void {
  write("GITHUB_STATE", () => core.saveState(name, value));
}

/** @returns undefined where main saved nothing */
export function loadState(env: Environment): State | undefined {
  const saved = (name: StateName) => env[`STATE_${name}`] || undefined;
  const apiUrl = saved("api_url");
  if (apiUrl === undefined) return undefined;
  return {
    apiUrl,
    certificates: saved("ca_certificate")?.split(/(?=-----BEGIN CERTIFICATE-----)/) ?? [],
    terminateSession: saved("terminate_session") !== "false",
    accessToken: saved("access_token"),
    expiresAt: Number(saved("expires_at") ?? 0),
    agentFolder: saved("agent_folder"),
    isComplete: saved("complete") === "true",
  };
}
