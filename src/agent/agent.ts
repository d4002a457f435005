import { constants } from "node:fs";
import { access, rename, stat, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { secretForms } from "../armor/credentials.ts";
import { createSend, trustCertificates } from "../armor/http.ts";
import { fetchToken, type RequestContext } from "../armor/token.ts";
import { type Clock, systemClock } from "../clock.ts";
import { asArmorError, fileError } from "../errors.ts";
import { type Quote, quoteWithout } from "../redact.ts";
import { createControl } from "./control.ts";
import { createGateway } from "./gateway.ts";
import { type AgentConfig, CONTROL_FILE, REASON_FILE, type ReadyMessage } from "./protocol.ts";
import { sendFailure } from "./reply.ts";
import { listen, type Routes } from "./server.ts";
import { Stats } from "./stats.ts";
import { stopping, TokenCache } from "./token-cache.ts";
import { Upstream } from "./upstream.ts";
import { within } from "./within.ts";

const FOLDER_CHECK_MS = 2_000;
const MAX_UNASKED_MS = 24 * 3600 * 1000;
/** For a stop that no post step waits for: after SIGTERM, a system that shuts down leaves little time. */
const LAST_MS = 2_000;

/** Where the configuration comes from and the ready message goes to. */
export interface StandardStreams {
  readonly stdin: AsyncIterable<Buffer>;
  readonly stdout: NodeJS.WritableStream;
}

/**
 * The token agent: an ordinary foreground program that reads its configuration from stdin, writes one line
 * when it is ready, and serves until it is told to stop or is not needed any more. Sets `process.exitCode`
 * to 0 if it served.
 * @param crash rejects with what was not caught
 */
export async function agent(
  crash: Promise<never>,
  { stdin, stdout }: StandardStreams = process,
  clock: Clock = systemClock,
): Promise<void> {
  let quote: Quote = () => "";
  let folder: string | undefined;
  stdout.on("error", () => undefined); // the main step reads one line only
  const send = (message: ReadyMessage) => stdout.write(`${JSON.stringify(message)}\n`);
  try {
    const config = JSON.parse(await readAll(stdin)) as AgentConfig;
    quote = quoteWithout(secretForms(config.credentials));
    folder = config.folder;
    const reason = await serve(config, quote, send, clock, crash);
    if (reason !== undefined) await leaveReason(folder, reason);
    process.exitCode = 0;
  } catch (error) {
    const { message } = asArmorError(error, quote);
    send({ agent: "failed", problem: message });
    if (folder !== undefined) await leaveReason(folder, message);
  }
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** For the post step, which finds no agent. The folder may be gone, too. */
async function leaveReason(folder: string, reason: string): Promise<void> {
  await writeFile(join(folder, REASON_FILE), reason, { mode: 0o600 }).catch(() => undefined);
}

/** @returns why it ended, undefined where it was told to */
async function serve(
  config: AgentConfig,
  quote: Quote,
  send: (message: ReadyMessage) => void,
  clock: Clock,
  crash: Promise<never>,
): Promise<string | undefined> {
  const { apiUrl, capability, controlCapability, credentials, folder, gatewayPaths, limits, route } = config;
  trustCertificates(config.certificates);
  const stats = new Stats();
  const context: RequestContext = {
    ...{ apiUrl, clock, quote, timeoutMs: config.timeoutMs },
    send: createSend(route),
    onRetry: () => undefined,
  };
  const tokenCache = new TokenCache({
    ...{ first: config.first, clock },
    fetch: () => fetchToken(context, credentials),
    onRefresh: () => stats.minted(),
    onFailure: (error) => {
      const { code, message } = asArmorError(error, quote);
      stats.problem(code, message);
    },
  });
  const upstream = new Upstream(route, limits);
  const gateway = createGateway({ apiUrl, gatewayPaths, tokenCache, upstream, limits, clock, stats, quote });
  let end: (reason?: string) => void = () => undefined;
  const ended = new Promise<string | undefined>((resolve) => {
    end = resolve;
  });
  const { terminateSession } = config;
  const control = createControl({ tokenCache, context, stats, terminateSession, onStopped: () => end() });
  const unlessStopping = (response: ServerResponse, answer: () => Promise<void>) => {
    if (control.isStopping()) sendFailure(response, stopping());
    else void answer();
  };
  let lastAsked = clock.now();
  const routes: Routes = {
    gateway: (request, response, target) =>
      unlessStopping(response, () => gateway(request, response, target)),
    token: (response) => unlessStopping(response, () => control.answerToken(response)),
    stop: (response) => void control.answerStop(response),
    onRequest: () => {
      lastAsked = clock.now();
    },
    onRefusal: ({ error, description, isFromJob }) => {
      stats.refused();
      if (isFromJob) stats.problem(error, description);
    },
  };
  const { port, server } = await listen({ capability, controlCapability, gatewayPaths }, routes, clock.now);
  const onSigterm = () => end("it was told to end by a signal (SIGTERM)");
  process.on("SIGTERM", onSigterm);
  let watch: NodeJS.Timeout | undefined;
  try {
    const isOurs = await placeControlFile(folder, `http://127.0.0.1:${port}/${controlCapability}\n`);
    watch = setInterval(async () => {
      if (!(await isOurs())) end("its folder below RUNNER_TEMP was removed or changed its owner");
      else if (clock.now() - lastAsked > MAX_UNASKED_MS) end("it was not asked for anything in 24 hours");
    }, FOLDER_CHECK_MS);
    send({ agent: "ready", port });
    const reason = await Promise.race([ended, crash]);
    if (reason !== undefined) await within<unknown>(clock, LAST_MS, control.stop(), () => undefined);
    return reason;
  } finally {
    clearInterval(watch);
    process.off("SIGTERM", onSigterm);
    server.close();
    server.closeAllConnections();
    upstream.close();
  }
}

/**
 * Whole or not at all, as the post step may read at any time. Fails where the folder is gone by now: then the
 * job is over, or its start has failed.
 * @returns whether the file is still of use: one that was given to another user cannot be read by post
 */
async function placeControlFile(folder: string, line: string): Promise<() => Promise<boolean>> {
  const file = join(folder, CONTROL_FILE);
  try {
    await writeFile(`${file}.new`, line, { mode: 0o600 });
    await rename(`${file}.new`, file);
  } catch (error) {
    throw fileError("The folder that RUNNER_TEMP names", error);
  }
  const owners = async () =>
    (await Promise.all([folder, file].map((path) => stat(path)))).map(({ uid }) => uid);
  const own = String(await owners());
  return async () => {
    try {
      await access(file, constants.R_OK);
      return String(await owners()) === own;
    } catch {
      return false;
    }
  };
}
