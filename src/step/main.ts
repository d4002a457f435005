// The main step: inputs → token → outputs; starts the token agent when asked.

import { dirname, join } from "node:path";
import * as core from "@actions/core";
import { type Clock, systemClock } from "./clock.ts";
import { messageOf } from "./errors.ts";
import { checkFileCommands, fileCommands } from "./file-command.ts";
import { type Send, send, trustCertificates } from "./http.ts";
import { type Inputs, readCredentials, readInputs } from "./inputs.ts";
import { launchAgent, type Parent, type RunningAgent } from "./launch.ts";
import {
  type EnvironmentSink,
  exportAgent,
  isoDate,
  mask,
  type OutputSink,
  setAgentOutputs,
  setTokenOutputs,
} from "./outputs.ts";
import { quoteWithout, scrubber } from "./quote.ts";
import { secretForms } from "./secrets.ts";
import { markMainStarted, markMainSucceeded, type StateSink, saveAgentFolder, saveSession } from "./state.ts";
import { type Armor, fetchToken, type Token } from "./token.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the step's results go to. */
type Sink = OutputSink & StateSink & EnvironmentSink;

/** What the step acts with. */
export interface Means {
  readonly send: Send;
  readonly clock: Clock;
  /** The folder of the bundles, one of which this is. */
  readonly dist: string;
}

/** How long Armor may be silent in a call through the gateway; its largest reports take a while to begin. */
const GATEWAY_IDLE_MS = 120_000;

/**
 * Sets `process.exitCode` to 0 if and only if every output is set; otherwise reports one error annotation.
 * @param crash rejects with what nothing caught
 */
export async function main(
  env: Environment,
  crash: Promise<never>,
  means: Means = { send, clock: systemClock, dist: dirname(process.argv[1] ?? "") },
): Promise<void> {
  const secrets = secretForms(readCredentials(core));
  mask(core, secrets);
  const sink: Sink = { setSecret: core.setSecret, ...fileCommands(env) };
  try {
    checkFileCommands(env, ["GITHUB_OUTPUT", "GITHUB_STATE"]);
    markMainStarted(sink);
    await Promise.race([run(env, sink, secrets, means), crash]);
    markMainSucceeded(sink);
    process.exitCode = 0;
  } catch (error) {
    core.setFailed(scrubber(secrets)(messageOf(error, quoteWithout(secrets))));
  }
}

async function run(env: Environment, sink: Sink, secrets: readonly string[], means: Means): Promise<void> {
  const inputs = readInputs(core);
  const { apiUrl, certificates, keepFresh, exportEnvironment, terminateSession } = inputs;
  if (keepFresh && exportEnvironment) checkFileCommands(env, ["GITHUB_ENV", "GITHUB_PATH"]);
  if (certificates.length > 0) trustCertificates(certificates);
  const tell = (line: string) => core.info(scrubber(secrets)(line));
  const armor: Armor = {
    ...inputs,
    ...means,
    quote: quoteWithout(secrets),
    onRetry: ({ problem }, pauseMs) => tell(`${problem}; trying again in ${(pauseMs / 1000).toFixed(1)} s.`),
  };
  const token = await fetchToken(armor, inputs.credentials);
  saveSession(sink, terminateSession ? token : { expiresAt: token.expiresAt });
  const agent = keepFresh ? await startAgent(parentOf(env, means.dist), inputs, token, armor) : undefined;
  if (agent !== undefined) saveAgentFolder(sink, agent.folder);
  setTokenOutputs(sink, token);
  tell(`Access token from ${apiUrl}, valid for ${token.expiresIn} s, until ${isoDate(token.expiresAt)}.`);
  if (agent === undefined) return;
  setAgentOutputs(sink, agent);
  if (exportEnvironment) {
    exportAgent(sink, agent);
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
  return await launchAgent(
    { credentials, apiUrl, certificates, timeoutMs, terminateSession, idleMs: GATEWAY_IDLE_MS, first },
    parent,
    quote,
  );
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
