import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import * as core from "@actions/core";
import { type AgentFolder, createAgentFolder, removeFolder } from "../agent-client/folder.ts";
import { createCapability, launchAgent } from "../agent-client/launch.ts";
import { stopAgent } from "../agent-client/stop.ts";
import { createSend } from "../armor/http.ts";
import { type RouteConfig, takeRoute } from "../armor/proxy.ts";
import { endSession, fetchToken, type RequestContext, type Token } from "../armor/token.ts";
import { trustCertificates } from "../armor/trust.ts";
import { isoDate } from "../clock.ts";
import { ArmorError, annotationOf, asArmorError } from "../errors.ts";
import type { AgentConfig } from "../protocol/config.ts";
import { DEFAULTS, type Inputs, readInputs, readSecrets } from "./inputs.ts";
import * as runner from "./outputs.ts";

/** What all parts of one run share. */
interface Run {
  readonly env: NodeJS.ProcessEnv; // as the job has set it, before the proxy variables were taken
  readonly dist: string; // the folder of the built files, one of which this is
  readonly inputs: Inputs;
  readonly route: RouteConfig;
  readonly cancel: AbortSignal;
}

const CALL_LIMITS = { connectMs: 30_000, headMs: 120_000, idleMs: 120_000 }; // large reports begin late
const STOP_MS = 5_000;
/** For a reply that is on its way when the job is cancelled; the runner kills the step after some 10 s. */
const CANCEL_MS = 5_000;

/** Sets `process.exitCode` to 0 if and only if every output is set; else reports one error annotation. */
export async function main(
  env: NodeJS.ProcessEnv,
  crash: Promise<never>,
  dist: string,
): Promise<void> {
  runner.mask(readSecrets(core.getInput));
  const { cancel, deadline } = watchCancel();
  try {
    const envOfJob = { ...env };
    runner.checkFiles(["GITHUB_OUTPUT", "GITHUB_STATE"]);
    const inputs = readInputs(core.getInput);
    const route = takeRoute(env);
    const run: Run = { env: envOfJob, dist, inputs, route, cancel };
    await Promise.race([supply(run), crash, deadline]);
    process.exitCode = 0;
  } catch (error) {
    process.exitCode = 1;
    const { code, message } = asArmorError(error);
    runner.fail(annotationOf(code, message));
  }
}

/** The runner sends SIGINT, then SIGTERM. Work goes on to its next check of `cancel`, or to the deadline. */
function watchCancel(): { cancel: AbortSignal; deadline: Promise<never> } {
  const controller = new AbortController();
  const error = new ArmorError("cancelled", "The job was cancelled", "No token was handed on.");
  for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => controller.abort(error));
  const deadline = once(controller.signal, "abort").then(async () => {
    await sleep(CANCEL_MS, undefined, { ref: false });
    throw error;
  });
  return { cancel: controller.signal, deadline };
}

/** Fetches the token, starts the agent where it is wanted, and sets the outputs. */
async function supply(run: Run): Promise<void> {
  const { inputs } = run;
  if (inputs.keepFresh && inputs.exportEnvironment)
    runner.checkFiles(["GITHUB_ENV", "GITHUB_PATH"]);
  warnOfIam(inputs);
  trustCertificates(inputs.certificates);
  runner.saveState("api_url", inputs.apiUrl);
  runner.saveState("ca_certificate", inputs.certificates.join("\n"));
  runner.saveState("terminate_session", String(inputs.terminateSession));
  if (inputs.keepFresh) await supplyWithAgent(run);
  else await supplyToken(run);
}

async function supplyToken(run: Run): Promise<void> {
  const token = await fetchMaskedToken(run);
  setTokenOutputs(token);
  runner.saveState("complete", "true");
  runner.log(`${tokenSummary(run.inputs, token)}, until ${isoDate(token.expiresAt)}.`);
}

async function supplyWithAgent(run: Run): Promise<void> {
  // Created early: a folder that cannot be written fails before a token is asked for.
  const folder = await createAgentFolder(run.env, run.dist);
  let isAgentRunning = false;
  try {
    runner.saveState("agent_folder", folder.path);
    const token = await fetchMaskedToken(run);
    const gatewayUrl = await startAgent(run, folder.path, token);
    isAgentRunning = true;
    setTokenOutputs(token);
    handOnAgent(run, folder, gatewayUrl);
    runner.saveState("complete", "true");
    runner.log(`${tokenSummary(run.inputs, token)}. ${agentSummary(run.inputs, folder)}`);
  } catch (error) {
    // What this step started, it stops, and does not leave to a post step that may not know of it.
    if (isAgentRunning) await stopAgent(folder.path, AbortSignal.timeout(STOP_MS));
    else await removeFolder(folder.path);
    throw error;
  }
}

function setTokenOutputs(token: Token): void {
  runner.setOutputs({
    "access-token": token.accessToken,
    "token-type": "Bearer",
    "expires-in": String(token.expiresIn),
    "expires-at": isoDate(token.expiresAt),
  });
}

function warnOfIam({ gatewayPaths }: Inputs): void {
  const iam = "/api/v1/iam/";
  for (const path of gatewayPaths) {
    const isInsideIam = path.startsWith(iam);
    const isAboveIam = path.endsWith("/") && iam.startsWith(path);
    if (!isInsideIam && !isAboveIam) continue;
    runner.warn(
      `gateway-paths: ${path} covers ${iam}, so with keep-fresh every later step of this job can read the ` +
        "users, apps and policies that the client app may read.",
    );
  }
}

async function fetchMaskedToken({ inputs, route, cancel }: Run): Promise<Token> {
  const context: RequestContext = {
    apiUrl: inputs.apiUrl,
    timeoutMs: inputs.timeoutMs,
    send: createSend(route),
    onRetry(_error, _pauseMs, line) {
      cancel.throwIfAborted();
      runner.log(line);
    },
  };
  const token = await fetchToken(context, inputs.credentials);
  const { accessToken } = token;
  runner.mask([accessToken]);
  try {
    runner.saveState("access_token", inputs.terminateSession ? accessToken : "");
  } catch (error) {
    // The post step will not know of this session.
    if (inputs.terminateSession)
      await endSession({ ...context, timeoutMs: STOP_MS }, accessToken).catch(() => undefined);
    throw error;
  }
  cancel.throwIfAborted();
  return token;
}

/** @returns the gateway's address */
async function startAgent(
  { env, dist, inputs, route }: Run,
  folder: string,
  firstToken: Token,
): Promise<string> {
  const capability = createCapability();
  const controlCapability = createCapability();
  runner.mask([capability, controlCapability]);
  const config: AgentConfig = {
    credentials: inputs.credentials,
    apiUrl: inputs.apiUrl,
    certificates: inputs.certificates,
    route,
    timeoutMs: inputs.timeoutMs,
    limits: CALL_LIMITS,
    terminateSession: inputs.terminateSession,
    gatewayPaths: inputs.gatewayPaths,
    capability,
    controlCapability,
    folder,
    first: firstToken,
  };
  const { gatewayUrl } = await launchAgent(config, { env, dist });
  return gatewayUrl;
}

function handOnAgent({ env, inputs }: Run, folder: AgentFolder, gatewayUrl: string): void {
  runner.setOutputs({ "gateway-url": gatewayUrl, "token-command": folder.command });
  if (!folder.canRun) {
    runner.warn(
      "armor-token cannot be run: RUNNER_TEMP's file system forbids programs (noexec). " +
        'Give the output token-command to the step as TOKEN_COMMAND, and run: sh "$TOKEN_COMMAND".',
    );
  }
  if (!inputs.exportEnvironment) return;
  const wasNoProxyExtended = runner.exportAgent(env, gatewayUrl, folder.bin);
  if (wasNoProxyExtended)
    runner.log(
      "Added 127.0.0.1 to no_proxy and NO_PROXY, for calls of later steps to the gateway.",
    );
}

/** The start of the one line of a good run. */
function tokenSummary({ apiUrl }: Inputs, { expiresIn }: Token): string {
  return `Access token from ${apiUrl}, valid for ${expiresIn} s`;
}

/** The rest of it, with keep-fresh. */
function agentSummary(
  { exportEnvironment, gatewayPaths }: Inputs,
  { canRun }: AgentFolder,
): string {
  const gateway = exportEnvironment ? "$ARMOR_GATEWAY_URL" : "the output gateway-url";
  const command = exportEnvironment && canRun ? "armor-token" : "the output token-command";
  const use = `Until the job ends, later steps reach Armor by ${gateway} and get tokens by ${command}.`;
  const paths = gatewayPaths.join(", ");
  return paths === DEFAULTS["gateway-paths"] ? use : `${use} The gateway reads ${paths}.`;
}
