import * as core from "@actions/core";
import { debug, writeDebugTo } from "../debug.ts";
import { hide, printable } from "../redact.ts";
import { writeRunnerFile } from "./runner-files.ts";

/**
 * Has the runner mask these texts in all that any step prints from now on. This process replaces
 * them by itself, too.
 */
export function mask(secrets: readonly string[]): void {
  for (const secret of secrets) core.setSecret(secret);
  hide(secrets);
}

/** Gives whether the workflow runs with step debug logging (ACTIONS_STEP_DEBUG). */
export function isDebug(): boolean {
  return core.isDebug();
}

/**
 * Turns the debug log on if the workflow wants it, and begins it with what OpenSSL and Node are
 * here.
 */
export function startDebugLog(): void {
  if (!isDebug()) return;
  writeDebugTo(core.debug);
  const { node, openssl } = process.versions;
  debug(() => `Node ${node}, OpenSSL ${openssl}, ${process.platform} ${process.arch}`);
}

/** Prints one line. */
export function log(line: string): void {
  core.info(printable(line));
}

/** Prints one line as a warning, which GitHub also shows above the log. */
export function warn(line: string): void {
  core.warning(printable(line));
}

/**
 * Prints one line as an error, which GitHub also shows above the log, and sets the exit code to 1.
 */
export function fail(line: string): void {
  core.setFailed(printable(line));
}

/** Prints a line that only the debug log shows. */
export function logDebug(line: string): void {
  core.debug(printable(line));
}

/** Prints lines behind a title, which has to be clicked to see them. */
export function group(title: string, lines: readonly string[]): void {
  core.startGroup(printable(title));
  lines.forEach(log);
  core.endGroup();
}

/** Sets outputs by their names in action.yml. @throws ArmorError file_failed */
export function setOutputs(outputs: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(outputs))
    writeRunnerFile("GITHUB_OUTPUT", () => core.setOutput(name, value));
}

/** What was made of the environment of later steps, as far as it has to be said. */
export interface Exported {
  readonly wasNoProxyExtended: boolean; // 127.0.0.1 was added, because the job has a proxy
  readonly isNoProxyStar: boolean; // the job has a proxy, and its no_proxy is `*`
}

/**
 * Lets all later steps reach the agent.
 * @param env of the job
 * @param bin the folder of armor-token; undefined if PATH cannot hold it
 * @throws ArmorError file_failed
 */
export function exportAgent(
  env: NodeJS.ProcessEnv,
  gatewayUrl: string,
  bin: string | undefined,
): Exported {
  writeRunnerFile("GITHUB_ENV", () => core.exportVariable("ARMOR_GATEWAY_URL", gatewayUrl));
  if (bin !== undefined) writeRunnerFile("GITHUB_PATH", () => core.addPath(bin));
  const noProxy = noProxyWithLoopback(env);
  if (noProxy !== undefined) {
    for (const name of NO_PROXY_VARIABLES)
      writeRunnerFile("GITHUB_ENV", () => core.exportVariable(name, noProxy));
  }
  const isProxied = PROXY_VARIABLES.some((name) => env[name]);
  const isNoProxyStar = isProxied && noProxyLists(env).some(isEveryHost);
  return { wasNoProxyExtended: noProxy !== undefined && noProxy !== "*", isNoProxyStar };
}

// For http, as the gateway is.
const PROXY_VARIABLES = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
const NO_PROXY_VARIABLES = ["no_proxy", "NO_PROXY"];
const LOOPBACK = "127.0.0.1";

/** Gives undefined if no program would use a proxy for the gateway as it is. */
function noProxyWithLoopback(env: NodeJS.ProcessEnv): string | undefined {
  const isProxied = PROXY_VARIABLES.some((name) => env[name]);
  if (!isProxied) return undefined;
  const lists = noProxyLists(env);
  if (lists.every((list) => list.includes(LOOPBACK) || isEveryHost(list))) return undefined;
  // Some programs read one of the variables and some the other, so both get what either had.
  if (lists.some(isEveryHost)) return "*";
  const union = new Set([...lists.flat(), LOOPBACK]);
  return [...union].join(",");
}

function noProxyLists(env: NodeJS.ProcessEnv): string[][] {
  return NO_PROXY_VARIABLES.map((name) => (env[name] ?? "").split(/[\s,]+/).filter(Boolean));
}

/** curl and Python take `*` only if it is alone. */
function isEveryHost(noProxy: readonly string[]): boolean {
  return noProxy.length === 1 && noProxy[0] === "*";
}
