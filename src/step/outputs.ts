import { closeSync, constants, openSync, statSync, truncateSync } from "node:fs";
import * as core from "@actions/core";
import type { Token } from "../armor/token.ts";
import { isoDate } from "../clock.ts";
import { ArmorError, fileError } from "../errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The variables that name the runner's files for outputs, state, environment and PATH. */
export type FileVariable = "GITHUB_OUTPUT" | "GITHUB_STATE" | "GITHUB_ENV" | "GITHUB_PATH";

/**
 * Whether each file can be appended to, before anything is asked for whose result could not be handed on. Without the
 * file, @actions/core would print the value: the token, in plain sight.
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

/** Runs a write of core's. One that fails leaves no part of a line behind: the file is cut back to its size before. */
function write(variable: FileVariable, append: () => void): void {
  const path = process.env[variable] ?? "";
  try {
    const { size } = statSync(path);
    try {
      append();
    } catch (error) {
      truncateSync(path, size);
      throw error;
    }
  } catch (error) {
    throw fileError(`The file that ${variable} names`, error);
  }
}

function setOutput(name: string, value: string): void {
  write("GITHUB_OUTPUT", () => core.setOutput(name, value));
}

function saveState(name: string, value: string): void {
  write("GITHUB_STATE", () => core.saveState(name, value));
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
 * @returns whether no_proxy had to be extended: with these proxies, clients would send the gateway's address to them
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
  /** Whether the session is to be ended. */
  readonly terminateSession: boolean;
  readonly accessToken?: string;
  /** Ms since the epoch. */
  readonly expiresAt?: number;
  readonly agentFolder?: string;
  /** Main went through: there is something to tell. */
  readonly isComplete: boolean;
}

/** Before the token is asked for: where a session would have to be ended. */
export function saveTarget({ apiUrl, certificates, terminateSession }: Omit<State, "isComplete">): void {
  saveState("api_url", apiUrl);
  saveState("ca_certificate", certificates.join("\n"));
  saveState("terminate_session", String(terminateSession));
}

/** Directly after the token has its mask. */
export function saveSession({ accessToken, expiresAt }: Token, terminateSession: boolean): void {
  if (terminateSession) saveState("access_token", accessToken);
  saveState("expires_at", String(expiresAt));
}

/** Before the agent is spawned. */
export function saveAgentFolder(folder: string): void {
  saveState("agent_folder", folder);
}

export function saveComplete(): void {
  saveState("complete", "true");
}

/** @returns undefined where main saved nothing */
export function loadState(env: Environment): State | undefined {
  const [apiUrl, accessToken, agentFolder] = ["api_url", "access_token", "agent_folder"].map(
    (name) => env[`STATE_${name}`],
  );
  if (!apiUrl) return undefined;
  const expiresAt = Number(env["STATE_expires_at"]);
  const pem = env["STATE_ca_certificate"] ?? "";
  return {
    apiUrl,
    certificates: pem.split(/(?=-----BEGIN CERTIFICATE-----)/).filter((text) => text !== ""),
    terminateSession: env["STATE_terminate_session"] !== "false",
    ...(accessToken ? { accessToken } : {}),
    ...(expiresAt > 0 ? { expiresAt } : {}),
    ...(agentFolder ? { agentFolder } : {}),
    isComplete: env["STATE_complete"] === "true",
  };
}
