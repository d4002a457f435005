import { join } from "node:path";
import type { Readable } from "node:stream";
import { secretForms } from "../armor/credentials.ts";
import { createSend } from "../armor/http.ts";
import { fetchToken, type RequestContext, type Token } from "../armor/token.ts";
import { trustCertificates } from "../armor/trust.ts";
import { clock, within } from "../clock.ts";
import { debug, writeDebugTo } from "../debug.ts";
import { asArmorError, fileError } from "../errors.ts";
import { Service } from "../gateway/serve.ts";
import { type AgentConfig, CONTROL_FILE, REPORT_FILE } from "../protocol/config.ts";
import { placeFile } from "../protocol/files.ts";
import { Stats } from "../protocol/stats.ts";
import { hide } from "../redact.ts";
import { Control } from "./control.ts";
import { DebugFile } from "./debug-file.ts";
import { Life } from "./life.ts";

/** In ms, for a stop that no post step waits for: a system that shuts down leaves little time. */
const LAST_STOP_MS = 2_000;
/**
 * In ms, for what is left in the folder: a disk that hangs must not keep the agent, nor the post
 * step.
 */
const REPORT_MS = 1_000;

/** The streams by which the agent and the main step know each other. */
export interface AgentStreams {
  readonly stdin: Readable; // the configuration, as JSON
  readonly stdout: NodeJS.WritableStream; // one line: READY_LINE
}

/**
 * The token agent: it serves until it is told to stop, or is not needed any more. Sets the exit
 * code to 0 if it has served. Never throws.
 * @param crash rejects with an error that nothing else has caught
 */
export async function agent(
  crash: Promise<never>,
  { stdin, stdout }: AgentStreams = process,
): Promise<void> {
  stdout.on("error", () => undefined); // the main step reads one line only
  const say = (what: string) => stdout.write(`token agent: ${what}\n`);
  let config: AgentConfig | undefined;
  try {
    config = JSON.parse(Buffer.concat(await stdin.toArray()).toString("utf8")) as AgentConfig;
    hide([...secretForms(config.credentials), config.capability, config.controlCapability]);
    await serve(config, say, crash);
    process.exitCode = 0;
  } catch (error) {
    // The error of JSON.parse would show a part of the configuration.
    say(config === undefined ? "its configuration is cut off" : asArmorError(error).message);
  }
}

/** @param say tells the main step on which port the agent listens */
async function serve(
  config: AgentConfig,
  say: (what: string) => void,
  crash: Promise<never>,
): Promise<void> {
  const { controlCapability, folder, workerPid } = config;
  const debugFile = config.isDebug ? openDebugFile(folder) : undefined;
  trustCertificates(config.certificates);
  const stats = new Stats();
  const controlFile = join(folder, CONTROL_FILE);
  const life = new Life({ controlFile, workerPid });
  const { service, control } = createService(config, stats, life);
  const { port } = await service.listen({
    onAdmitted: () => life.wasAsked(),
    answerToken: (response) => control.answerToken(response),
    answerStop: (response) => control.answerStop(response),
  });
  try {
    await placeControlFile(controlFile, `http://127.0.0.1:${port}/${controlCapability}`);
    life.begin();
    say(`port ${port}`);
    stats.reason = await Promise.race([life.ended, crash]);
    const wasTold = stats.reason === undefined;
    if (!wasTold) await within(LAST_STOP_MS, control.stop(), () => undefined);
  } catch (error) {
    stats.reason = asArmorError(error).message;
    throw error;
  } finally {
    life.forget();
    debug(() => `token agent: ends, ${stats.reason ?? "as it was told to"}`);
    // Before the connections close, which the post step waits for.
    const left = [leaveReport(folder, stats), closeDebugFile(debugFile)];
    await within<unknown>(REPORT_MS, Promise.all(left), () => undefined);
    service.close();
  }
}

/** What is behind the agent's two addresses: of the gateway, and for tokens and stopping. */
function createService(
  config: AgentConfig,
  stats: Stats,
  life: Life,
): { service: Service; control: Control } {
  const { apiUrl, route, terminateSession, timeoutMs } = config;
  const context: RequestContext = { apiUrl, timeoutMs, send: createSend(route) };
  const fetch = async (last: Token) => {
    const token = await fetchToken(context, config.credentials, last);
    stats.minted += 1;
    debug(() => `token agent: fetched a token, valid for ${token.expiresIn} s`);
    return token;
  };
  const service = new Service(config, fetch, stats);
  const { tokenCache } = service;
  const onStopped = () => life.end();
  const control = new Control({ tokenCache, context, stats, terminateSession, onStopped });
  return { service, control };
}

/** From now on, the debug lines of this process go to a file in the agent's folder. */
function openDebugFile(folder: string): DebugFile {
  const file = new DebugFile(folder);
  // Post prints them at the end of the job, so each has to say when it was.
  writeDebugTo((line) => file.add(`${timeOfDay()} ${line}`));
  const { node, openssl } = process.versions;
  debug(() => `token agent: Node ${node}, OpenSSL ${openssl}, ${process.platform}`);
  return file;
}

/** Such as `12:07:31.042`, in UTC as the times that GitHub's log shows. */
function timeOfDay(): string {
  return new Date(clock.date()).toISOString().slice("2026-01-01T".length, -"Z".length);
}

async function closeDebugFile(file: DebugFile | undefined): Promise<void> {
  if (file === undefined) return;
  writeDebugTo(undefined);
  await file.close();
}

/**
 * Tells later steps and the post step where the agent listens.
 * @throws ArmorError file_failed, also if the folder is gone and so the job is over
 */
async function placeControlFile(path: string, url: string): Promise<void> {
  try {
    await placeFile(path, `${url}\n`);
  } catch (error) {
    throw fileError("The folder that RUNNER_TEMP names", error);
  }
}

/** For an end that nobody asked for. Never fails: the folder may be gone, or the disk full. */
async function leaveReport(folder: string, stats: Stats): Promise<void> {
  await placeFile(join(folder, REPORT_FILE), JSON.stringify(stats)).catch(() => undefined);
}
