// The main step: inputs → token → outputs; starts the token agent when asked.

import { existsSync } from "node:fs";
import { join } from "node:path";
import * as core from "@actions/core";
import { systemClock } from "./clock.ts";
import { ArmorError, messageOf } from "./errors.ts";
import { send, trustCertificates } from "./http.ts";
import { type Inputs, readCredentials, readInputs } from "./inputs.ts";
import { launchAgent, type Parent, type RunningAgent } from "./launch.ts";
import { exportAgent, isoDate, mask, setAgentOutputs, setTokenOutputs } from "./outputs.ts";
import { quoteWithout, scrubber } from "./quote.ts";
import { secretForms } from "./secrets.ts";
import { markMainStarted, markMainSucceeded, saveAgentFolder, saveSession } from "./state.ts";
import { type Armor, fetchToken, type Token } from "./token.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** How long Armor may be silent in a call through the gateway; its largest reports take a while to begin. */
const GATEWAY_IDLE_MS = 120_000;

/**
 * Sets `process.exitCode` to 0 if and only if every output is set; otherwise reports one error annotation.
 * @param crash rejects with what nothing caught
 * @param dist the folder of the bundles, one of which this is
 */
export async function main(
  env: Environment,
  crash: Promise<never>,
  dist: string = import.meta.dirname,
): Promise<void> {
  const secrets = secretForms(readCredentials(core));
  mask(core, secrets);
  try {
    checkFileCommands(env, ["GITHUB_OUTPUT", "GITHUB_STATE"]);
    markMainStarted(core);
    await Promise.race([run(env, secrets, dist), crash]);
    markMainSucceeded(core);
    process.exitCode = 0;
  } catch (error) {
    core.setFailed(scrubber(secrets)(messageOf(error, quoteWithout(secrets))));
  }
}

async function run(env: Environment, secrets: readonly string[], dist: string): Promise<void> {
  const inputs = readInputs(core);
  const { apiUrl, certificates, keepFresh, exportEnvironment, terminateSession } = inputs;
  if (keepFresh && exportEnvironment) checkFileCommands(env, ["GITHUB_ENV", "GITHUB_PATH"]);
  if (certificates.length > 0) trustCertificates(certificates);
  const tell = (line: string) => core.info(scrubber(secrets)(line));
  const armor: Armor = {
    ...inputs,
    send,
    clock: systemClock,
    quote: quoteWithout(secrets),
    onRetry: ({ problem }, pauseMs) => tell(`${problem}; trying again in ${(pauseMs / 1000).toFixed(1)} s.`),
  };
  const token = await fetchToken(armor, inputs.credentials);
  saveSession(core, terminateSession ? token : { expiresAt: token.expiresAt });
  const agent = keepFresh ? await startAgent(parentOf(env, dist), inputs, token, armor) : undefined;
  setTokenOutputs(core, token);
  tell(`Access token from ${apiUrl}, valid for ${token.expiresIn} s, until ${isoDate(token.expiresAt)}.`);
  if (agent === undefined) return;
  setAgentOutputs(core, agent);
  if (exportEnvironment) {
    exportAgent(core, agent);
    tell("The token agent supplies later steps: call ARMOR_GATEWAY_URL, or ask armor-token for a token.");
  } else {
    tell("The token agent supplies the steps that are given gateway-url or token-command.");
  }
}

async function startAgent(
  parent: Parent,
  inputs: Inputs,
  { accessToken, expiresIn, expiresAt }: Token,
  { quote }: Armor,
): Promise<RunningAgent> {
  const { credentials, apiUrl, certificates, timeoutMs, terminateSession } = inputs;
  const first = { accessToken, expiresIn, expiresAt };
  const agent = await launchAgent(
    { credentials, apiUrl, certificates, timeoutMs, terminateSession, idleMs: GATEWAY_IDLE_MS, first },
    parent,
    quote,
  );
  saveAgentFolder(core, agent.folder);
  return agent;
}

/** The agent is this bundle in another role; armor-token's bundle lies beside it. */
function parentOf(env: Environment, dist: string): Parent {
  return {
    env,
    execPath: process.execPath,
    bundle: join(dist, "index.js"),
    cli: join(dist, "cli", "index.js"),
    isWindows: process.platform === "win32",
  };
}

/**
 * Without these files @actions/core falls back to commands on stdout, the token in plain sight among them.
 * @throws ArmorError runner_unsupported
 */
function checkFileCommands(env: Environment, names: readonly string[]): void {
  for (const name of names) {
    if (!existsSync(env[name] ?? "")) {
      throw new ArmorError(
        "runner_unsupported",
        `${name} is not the path of a file, so there is no safe way to hand the token on`,
        "Run this as a step of a GitHub Actions workflow.",
      );
    }
  }
}
