import { type AgentFolder, createAgentFolder, removeFolder } from "../agent-client/folder.ts";
import { createCapability, launchAgent } from "../agent-client/launch.ts";
import { stopAgent } from "../agent-client/stop.ts";
import { findWorker } from "../agent-client/worker.ts";
import { createSend } from "../armor/http.ts";
import type { RouteConfig } from "../armor/proxy.ts";
import { endSession, fetchToken, type RequestContext, type Token } from "../armor/token.ts";
import { isoDate } from "../clock.ts";
import type { AgentConfig } from "../protocol/config.ts";
import { maskedForms } from "../redact.ts";
import type { Cancellation } from "./cancel.ts";
import type { Inputs } from "./inputs.ts";
import type { MainMark } from "./marks.ts";
import { agentSummary, tokenSummary } from "./messages.ts";
import * as runner from "./outputs.ts";
import { saveState } from "./state.ts";

/** What all parts of one run share. */
export interface Run {
  readonly env: NodeJS.ProcessEnv; // as the job has set it, before the proxy variables were taken
  readonly dist: string; // the folder of the built files
  readonly inputs: Inputs;
  readonly route: RouteConfig;
  readonly mark: MainMark;
  readonly cancellation: Cancellation;
}

/** What a run has got so far, which has to be given back if the run fails. */
interface Got {
  folder?: AgentFolder;
  token?: Token;
  isTokenSaved: boolean; // post knows of the token, and will end its session
  isAgentRunning: boolean;
}

/** For calls through the gateway, in ms. Large reports begin late. */
const CALL_LIMITS = { connectMs: 30_000, headMs: 120_000, idleMs: 120_000 };
/** For giving back what was got: the runner kills a step some 10 s after it was cancelled. */
const GIVE_BACK_MS = 5_000;

/** Fetches the token, starts the agent if it is wanted, and sets the outputs. @throws ArmorError */
export async function supply(run: Run): Promise<void> {
  const got: Got = { isTokenSaved: false, isAgentRunning: false };
  try {
    if (run.inputs.keepFresh) await supplyWithAgent(run, got);
    else await supplyToken(run, got);
  } catch (error) {
    await giveBack(run, got);
    throw error;
  }
}

async function supplyToken(run: Run, got: Got): Promise<void> {
  const token = await fetchMaskedToken(run, got);
  setTokenOutputs(run, token);
  saveComplete(run);
  runner.log(`${tokenSummary(run.inputs, token)}, until ${isoDate(token.expiresAt)}.`);
}

async function supplyWithAgent(run: Run, got: Got): Promise<void> {
  // Created early: a folder that cannot be written fails before a token is asked for.
  const folder = await createAgentFolder(run.env, run.dist);
  got.folder = folder;
  saveState({ agentFolder: folder.path });
  const token = await fetchMaskedToken(run, got);
  const gatewayUrl = await startAgent(run, folder.path, token);
  got.isAgentRunning = true;
  run.cancellation.throwIfCancelled();
  setTokenOutputs(run, token);
  handOnAgent(run, folder, gatewayUrl);
  saveComplete(run);
  runner.log(`${tokenSummary(run.inputs, token)}. ${agentSummary(run.inputs, folder)}`);
}

/** The last look at whether anybody is left to take what was handed on. */
function saveComplete({ cancellation }: Run): void {
  cancellation.throwIfCancelled();
  saveState({ isComplete: true });
}

/** What this step started, it stops, and does not leave to a post step that may not know of it. */
async function giveBack(run: Run, { folder, token, isTokenSaved, isAgentRunning }: Got) {
  if (folder !== undefined && isAgentRunning) {
    await stopAgent(folder.path, AbortSignal.timeout(GIVE_BACK_MS), run.env); // ends the session
    return;
  }
  if (folder !== undefined) await removeFolder(folder.path, run.env);
  // Post reads saved state when it begins: what was saved later, it does not know.
  const isLeftToPost = isTokenSaved && !run.mark.hasPostBegun();
  if (token === undefined || isLeftToPost || !run.inputs.terminateSession) return;
  const context = { ...contextOf(run), timeoutMs: GIVE_BACK_MS };
  await endSession(context, token.accessToken).catch(() => undefined); // it ends by itself
}

function contextOf({ inputs, route }: Run): RequestContext {
  return { apiUrl: inputs.apiUrl, timeoutMs: inputs.timeoutMs, send: createSend(route) };
}

/** Masks the token before anything else is done with it. */
async function fetchMaskedToken(run: Run, got: Got): Promise<Token> {
  const { inputs, cancellation } = run;
  const context: RequestContext = {
    ...contextOf(run),
    onRetry(_error, _pauseMs, line) {
      cancellation.throwIfCancelled();
      runner.log(line);
    },
  };
  const token = await fetchToken(context, inputs.credentials);
  runner.mask(maskedForms(token.accessToken));
  got.token = token;
  const accessToken = inputs.terminateSession ? token.accessToken : undefined;
  saveState({ accessToken, expiresAt: token.expiresAt });
  got.isTokenSaved = true;
  cancellation.throwIfCancelled();
  return token;
}

function setTokenOutputs({ inputs }: Run, token: Token): void {
  runner.setOutputs({
    "access-token": token.accessToken,
    "api-url": inputs.apiUrl,
    "token-type": "Bearer",
    "expires-in": String(token.expiresIn),
    "expires-at": isoDate(token.expiresAt),
  });
}

/** Gives the gateway's address. */
async function startAgent(run: Run, folder: string, first: Token): Promise<string> {
  const { env, dist, inputs, route } = run;
  const capability = createCapability();
  const controlCapability = createCapability();
  runner.mask([capability, controlCapability].flatMap(maskedForms));
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
    first,
    workerPid: await findWorker(),
    isDebug: runner.isDebug(),
  };
  const { gatewayUrl } = await launchAgent(config, { env, dist });
  return gatewayUrl;
}

function handOnAgent({ env, inputs }: Run, folder: AgentFolder, gatewayUrl: string): void {
  runner.setOutputs({ "gateway-url": gatewayUrl, "token-command": folder.command });
  if (!folder.canRun) {
    runner.warn(
      "armor-token cannot be started by its name: the file system of RUNNER_TEMP forbids programs (noexec). " +
        'Give the output token-command to the step as TOKEN_COMMAND, and run: sh "$TOKEN_COMMAND".',
    );
  }
  if (!inputs.exportEnvironment) return;
  const bin = folder.fitsPath ? folder.bin : undefined;
  const { wasNoProxyExtended, isNoProxyStar } = runner.exportAgent(env, gatewayUrl, bin);
  if (bin === undefined) {
    runner.warn(
      "armor-token is not on PATH, because the path of the runner's work folder contains the character that " +
        "separates folders in PATH. " +
        'Give the output token-command to the step as TOKEN_COMMAND, and run: "$TOKEN_COMMAND".',
    );
  }
  if (wasNoProxyExtended)
    runner.log(
      "Added 127.0.0.1 to no_proxy and NO_PROXY, for calls of later steps to the gateway.",
    );
  if (isNoProxyStar) {
    runner.warn(
      "no_proxy is *. wget does not understand that, and would show the gateway's address to the proxy. " +
        "List the hosts in no_proxy instead, with 127.0.0.1 among them.",
    );
  }
}
