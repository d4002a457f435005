import * as core from "@actions/core";
import { createAgentFolder, removeFolder } from "../agent/folder.ts";
import { createCapability, launchAgent, type Parent, type RunningAgent } from "../agent/launch.ts";
import type { AgentConfig, CallLimits } from "../agent/protocol.ts";
import { stopAgent } from "../agent/stop.ts";
import { secretForms } from "../armor/credentials.ts";
import { type Send, trustCertificates } from "../armor/http.ts";
import { type RouteConfig, takeRoute } from "../armor/proxy.ts";
import { seconds } from "../armor/retry.ts";
import { fetchToken, type RequestContext, type Token } from "../armor/token.ts";
import { type Clock, isoDate } from "../clock.ts";
import { ArmorError, annotationOf, asArmorError } from "../errors.ts";
import { type Quote, quoteWithout, scrubber } from "../redact.ts";
import { DEFAULTS, type Inputs, readCredentials, readInputs } from "./inputs.ts";
import { checkFiles, exportAgent, mask, saveState, setAgentOutputs, setTokenOutputs } from "./outputs.ts";

type Environment = NodeJS.ProcessEnv;

/** What the step works with. */
export interface Dependencies {
  readonly createSend: (route: RouteConfig) => Send;
  readonly clock: Clock;
  /** The folder of the built files, one of which this is. */
  readonly dist: string;
}

/** What all parts of one run share. */
interface Run extends Dependencies {
  /** As the job has set it, before the proxy variables were taken. */
  readonly env: Environment;
  readonly inputs: Inputs;
  readonly route: RouteConfig;
  readonly quote: Quote;
  readonly log: (line: string) => void;
  readonly warn: (line: string) => void;
  readonly cancel: Cancel;
}

/** Armor's largest reports take a while to begin. */
const CALL_LIMITS: CallLimits = { connectMs: 30_000, headMs: 120_000, idleMs: 120_000 };
const STOP_MS = 5_000;
/**
 * The runner kills a cancelled step after some 10 s. A reply on its way is awaited, so that post can
 * end its session.
 */
const CANCEL_MS = 5_000;

/**
 * Sets `process.exitCode` to 0 if and only if every output is set; otherwise reports one error annotation.
 * @param crash rejects with what was not caught
 */
export async function main(
  env: Environment,
  crash: Promise<never>,
  dependencies: Dependencies,
): Promise<void> {
  const secrets = secretForms(readCredentials(core));
  mask(secrets);
  const [scrub, quote] = [scrubber(secrets), quoteWithout(secrets)];
  const log = (line: string) => core.info(scrub(line));
  const warn = (line: string) => core.warning(scrub(line));
  const cancel = watchCancel();
  try {
    const original = { ...env };
    checkFiles(env, ["GITHUB_OUTPUT", "GITHUB_STATE"]);
    const inputs = readInputs(core);
    const run: Run = {
      ...dependencies,
      env: original,
      inputs,
      route: takeRoute(env),
      quote,
      log,
      warn,
      cancel,
    };
    await Promise.race([supply(run), crash, cancel.deadline]);
    process.exitCode = 0;
  } catch (error) {
    process.exitCode = 1;
    const { code, message } = asArmorError(error, quote);
    core.setFailed(scrub(annotationOf(code, message)));
  }
}

/** Fetches the token, starts the agent where it is wanted, and sets the outputs. */
async function supply(run: Run): Promise<void> {
  const { env, inputs, warn, cancel } = run;
  if (inputs.keepFresh && inputs.exportEnvironment) checkFiles(env, ["GITHUB_ENV", "GITHUB_PATH"]);
  trustCertificates(inputs.certificates);
  for (const path of inputs.gatewayPaths) if (coversIam(path)) warn(iamWarning(path));
  saveState("api_url", inputs.apiUrl);
  saveState("ca_certificate", inputs.certificates.join("\n"));
  saveState("terminate_session", String(inputs.terminateSession));
  // Created early: a folder that cannot be written fails before a token is asked for.
  const folder = inputs.keepFresh ? await createAgentFolder(env) : undefined;
  if (folder === undefined) return handOn(run, await fetchMaskedToken(run));
  saveState("agent_folder", folder);
  let agent: RunningAgent | undefined;
  try {
    const token = await fetchMaskedToken(run);
    agent = await startAgent(run, folder, token);
    cancel.check();
    handOn(run, token, agent);
  } catch (error) {
    // What this step started, it stops, and does not leave to a post step that may not know of it.
    if (agent === undefined) await removeFolder(folder);
    else await stopAgent(folder, AbortSignal.timeout(STOP_MS));
    throw error;
  }
}

/** Sets the outputs, and says so in one line. */
function handOn(run: Run, token: Token, agent?: RunningAgent): void {
  setTokenOutputs(token);
  if (agent !== undefined) handOnAgent(run, agent);
  saveState("complete", "true");
  run.log(summaryLine(run.inputs, token));
}

async function fetchMaskedToken({
  inputs,
  route,
  quote,
  log,
  cancel,
  createSend,
  clock,
}: Run): Promise<Token> {
  const context: RequestContext = {
    apiUrl: inputs.apiUrl,
    send: createSend(route),
    clock,
    timeoutMs: inputs.timeoutMs,
    quote,
    onRetry({ problem }, pauseMs) {
      cancel.check();
      log(`${problem}. Next try in ${seconds(pauseMs)}.`);
    },
  };
  const token = await fetchToken(context, inputs.credentials);
  mask([token.accessToken]);
  if (inputs.terminateSession) saveState("access_token", token.accessToken);
  saveState("expires_at", String(token.expiresAt));
  cancel.check();
  return token;
}

async function startAgent(run: Run, folder: string, first: Token): Promise<RunningAgent> {
  const { env, inputs, route, quote, dist } = run;
  const { credentials, apiUrl, certificates, timeoutMs, terminateSession, gatewayPaths } = inputs;
  const [capability, controlCapability] = [createCapability(), createCapability()];
  mask([capability, controlCapability]);
  const config: AgentConfig = {
    ...{ credentials, apiUrl, certificates, route, timeoutMs, terminateSession, gatewayPaths },
    ...{ limits: CALL_LIMITS, capability, controlCapability, folder, first },
  };
  const parent: Parent = { env, execPath: process.execPath, dist, isWindows: process.platform === "win32" };
  return await launchAgent(config, parent, quote);
}

function handOnAgent(
  { env, inputs, log, warn }: Run,
  { gatewayUrl, command, bin, canRun }: RunningAgent,
): void {
  setAgentOutputs(gatewayUrl, command);
  if (!canRun) {
    warn(
      "armor-token cannot be run as a program, because RUNNER_TEMP lies on a file system with noexec. " +
        'Give the output token-command to the step as an environment variable and run: sh "$TOKEN_COMMAND".',
    );
  }
  if (inputs.exportEnvironment && exportAgent(env, gatewayUrl, bin)) {
    log(
      "Added 127.0.0.1 to no_proxy and NO_PROXY, so that calls to the gateway do not go through the proxy.",
    );
  }
}

/** The one line of a good run. */
function summaryLine({ apiUrl, keepFresh, exportEnvironment, gatewayPaths }: Inputs, token: Token): string {
  const got = `Access token from ${apiUrl}, valid for ${token.expiresIn} s`;
  if (!keepFresh) return `${got}, until ${isoDate(token.expiresAt)}.`;
  const paths = gatewayPaths.join(", ");
  const limit = paths === DEFAULTS["gateway-paths"] ? "" : ` The gateway reads ${paths}.`;
  const where = exportEnvironment
    ? "$ARMOR_GATEWAY_URL and armor-token"
    : "the outputs gateway-url and token-command";
  return `${got}. Later steps have valid ones until the job ends: ${where}.${limit}`;
}

const IAM = "/api/v1/iam/";

function coversIam(path: string): boolean {
  return path.startsWith(IAM) || (path.endsWith("/") && IAM.startsWith(path));
}

function iamWarning(path: string): string {
  const what = "users, apps and policies that the client app may read";
  return `gateway-paths: ${path} covers ${IAM}, so every step of this job can read ${what}.`;
}

interface Cancel {
  /** @throws ArmorError cancelled */
  check(): void;
  /** Rejects some seconds after the job was cancelled. */
  readonly deadline: Promise<never>;
}

/** The runner sends SIGINT, then SIGTERM. What is under way goes on to its next `check`. */
function watchCancel(): Cancel {
  const error = new ArmorError("cancelled", "The job was cancelled", "No token was handed on.");
  let isCancelled = false;
  const deadline = new Promise<never>((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        isCancelled = true;
        setTimeout(() => reject(error), CANCEL_MS).unref();
      });
    }
  });
  deadline.catch(() => undefined);
  return {
    check() {
      if (isCancelled) throw error;
    },
    deadline,
  };
}
