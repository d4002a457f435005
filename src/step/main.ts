import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import * as core from "@actions/core";
import { type AgentFolder, createAgentFolder, removeFolder } from "../agent/folder.ts";
import { createCapability, launchAgent } from "../agent/launch.ts";
import { stopAgent } from "../agent/stop.ts";
import { createSend, trustCertificates } from "../armor/http.ts";
import { type RouteConfig, takeRoute } from "../armor/proxy.ts";
import { seconds } from "../armor/retry.ts";
import { endSession, fetchToken, type RequestContext, type Token } from "../armor/token.ts";
import { isoDate } from "../clock.ts";
import { ArmorError, annotationOf, asArmorError } from "../errors.ts";
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
const CANCEL_MS = 5_000; // for a reply on its way; the runner kills the step after some 10 s

/** Sets `process.exitCode` to 0 if and only if every output is set; else reports one error annotation. */
export async function main(env: NodeJS.ProcessEnv, crash: Promise<never>, dist: string): Promise<void> {
  runner.mask(readSecrets(core.getInput));
  const { cancel, deadline } = watchCancel();
  try {
    const original = { ...env };
    runner.checkFiles(["GITHUB_OUTPUT", "GITHUB_STATE"]);
    const [inputs, route] = [readInputs(core.getInput), takeRoute(env)];
    const run = { env: original, dist, inputs, route, cancel };
    await Promise.race([supply(run), crash, deadline]);
    process.exitCode = 0;
  } catch (error) {
    process.exitCode = 1;
    const { code, message } = asArmorError(error);
    runner.fail(annotationOf(code, message));
  }
}

/** The runner sends SIGINT, then SIGTERM. What is under way goes on to its next check, or to the deadline. */
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
  const { env, inputs } = run;
  if (inputs.keepFresh && inputs.exportEnvironment) runner.checkFiles(["GITHUB_ENV", "GITHUB_PATH"]);
  warnOfIam(inputs);
  trustCertificates(inputs.certificates);
  runner.saveState("api_url", inputs.apiUrl);
  runner.saveState("ca_certificate", inputs.certificates.join("\n"));
  runner.saveState("terminate_session", String(inputs.terminateSession));
  // Created early: a folder that cannot be written fails before a token is asked for.
  const folder = inputs.keepFresh ? await createAgentFolder(env, run.dist) : undefined;
  let gatewayUrl: string | undefined;
  try {
    if (folder !== undefined) runner.saveState("agent_folder", folder.path);
    const token = await fetchMaskedToken(run);
    if (folder !== undefined) gatewayUrl = await startAgent(run, folder.path, token);
    runner.setOutputs({
      "access-token": token.accessToken,
      "token-type": "Bearer",
      "expires-in": String(token.expiresIn),
      "expires-at": isoDate(token.expiresAt),
    });
    if (folder !== undefined && gatewayUrl !== undefined) handOnAgent(run, folder, gatewayUrl);
    runner.saveState("complete", "true");
    runner.log(summaryLine(inputs, token, folder));
  } catch (error) {
    // What this step started, it stops, and does not leave to a post step that may not know of it.
    if (folder !== undefined && gatewayUrl !== undefined)
      await stopAgent(folder.path, AbortSignal.timeout(STOP_MS));
    else if (folder !== undefined) await removeFolder(folder.path);
    throw error;
  }
}

function warnOfIam({ gatewayPaths }: Inputs): void {
  const iam = "/api/v1/iam/";
  const what =
    "every later step of this job can read the users, apps and policies that the client app may read";
  for (const path of gatewayPaths) {
    const isCovered = path.startsWith(iam) || (path.endsWith("/") && iam.startsWith(path));
    if (isCovered) runner.warn(`gateway-paths: ${path} covers ${iam}, so with keep-fresh ${what}.`);
  }
}

async function fetchMaskedToken({ inputs, route, cancel }: Run): Promise<Token> {
  const context: RequestContext = {
    apiUrl: inputs.apiUrl,
    timeoutMs: inputs.timeoutMs,
    send: createSend(route),
    onRetry({ problem }, pauseMs) {
      cancel.throwIfAborted();
      runner.log(`${problem}. Next try in ${seconds(pauseMs)}.`);
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
async function startAgent({ env, dist, inputs, route }: Run, folder: string, first: Token): Promise<string> {
  const [capability, controlCapability] = [createCapability(), createCapability()];
  runner.mask([capability, controlCapability]);
  const config = { ...inputs, route, limits: CALL_LIMITS, capability, controlCapability, folder, first };
  return (await launchAgent(config, { env, dist })).gatewayUrl;
}

function handOnAgent({ env, inputs }: Run, { bin, canRun, command }: AgentFolder, gatewayUrl: string): void {
  runner.setOutputs({ "gateway-url": gatewayUrl, "token-command": command });
  if (!canRun) {
    const how = 'Give the output token-command to the step as TOKEN_COMMAND, and run: sh "$TOKEN_COMMAND".';
    runner.warn(`armor-token cannot be run: RUNNER_TEMP's file system forbids programs (noexec). ${how}`);
  }
  if (inputs.exportEnvironment && runner.exportAgent(env, gatewayUrl, bin))
    runner.log("Added 127.0.0.1 to no_proxy and NO_PROXY, for calls of later steps to the gateway.");
}

/** The one line of a good run. */
function summaryLine(inputs: Inputs, token: Token, folder?: AgentFolder): string {
  const { apiUrl, exportEnvironment, gatewayPaths } = inputs;
  const got = `Access token from ${apiUrl}, valid for ${token.expiresIn} s`;
  if (folder === undefined) return `${got}, until ${isoDate(token.expiresAt)}.`;
  const gateway = exportEnvironment ? "$ARMOR_GATEWAY_URL" : "the output gateway-url";
  const command = exportEnvironment && folder.canRun ? "armor-token" : "the output token-command";
  const paths = gatewayPaths.join(", ");
  const limit = paths === DEFAULTS["gateway-paths"] ? "" : ` The gateway reads ${paths}.`;
  const use = `later steps reach Armor by ${gateway} and get tokens by ${command}`;
  return `${got}. Until the job ends, ${use}.${limit}`;
}
