import { constants, existsSync } from "node:fs";
import { access, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { secretForms } from "../armor/credentials.ts";
import { createSend, trustCertificates } from "../armor/http.ts";
import { endSession, fetchToken, type RequestContext } from "../armor/token.ts";
import { type Clock, isoDate, systemClock } from "../clock.ts";
import { ArmorError, asArmorError } from "../errors.ts";
import { type Quote, quoteWithout } from "../redact.ts";
import { createGateway, sendFailure } from "./gateway.ts";
import {
  type AgentConfig,
  CONTROL_FILE,
  REASON_FILE,
  type ReadyMessage,
  type SessionsEnded,
  type StopReply,
} from "./protocol.ts";
import { listen } from "./server.ts";
import { Stats } from "./stats.ts";
import { TokenCache } from "./token-cache.ts";
import { Upstream } from "./upstream.ts";

const FOLDER_CHECK_MS = 2_000;
const MAX_UNASKED_MS = 24 * 3600 * 1000;
/** At a stop: for the refresh under way, and after it for the sessions to end. */
const DRAIN_MS = 1_500;
const END_SESSIONS_MS = 2_000;
/** What a system that shuts down gives a process after SIGTERM is short. */
const SIGTERM_MS = 2_000;

/** Where the configuration comes from and the ready message goes to. */
export interface StandardStreams {
  readonly stdin: AsyncIterable<Buffer>;
  readonly stdout: NodeJS.WritableStream;
}

/**
 * The token agent: an ordinary foreground program that reads its configuration from stdin, writes one line when it is
 * ready, and serves until it is told to stop or is not needed any more. Sets `process.exitCode` to 0 if it served.
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
    const reason = await Promise.race([serve(config, quote, send, clock), crash]);
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
): Promise<string | undefined> {
  const { apiUrl, capability, controlCapability, credentials, folder, gatewayPaths, limits, route } = config;
  trustCertificates(config.certificates);
  const stats = new Stats();
  const context: RequestContext = {
    apiUrl,
    send: createSend(route),
    clock,
    timeoutMs: config.timeoutMs,
    quote,
    onRetry: () => undefined,
  };
  const tokenCache = new TokenCache({
    first: config.first,
    fetch: () => fetchToken(context, credentials),
    clock,
    onRefresh: () => stats.minted(),
    onFailure: (error) => {
      const { code, message } = asArmorError(error, quote);
      stats.problem(code, message);
    },
  });
  const upstream = new Upstream(route, limits);
  const gateway = createGateway({ apiUrl, gatewayPaths, tokenCache, upstream, limits, clock, stats, quote });

  let end: (reason: string | undefined) => void = () => undefined;
  const ended = new Promise<string | undefined>((resolve) => {
    end = resolve;
  });
  let lastAsked = clock.now();
  let stopping: Promise<StopReply> | undefined;
  const stop = () => {
    stopping ??= (async () => {
      const sessions = await endSessions(await tokenCache.drain(DRAIN_MS), context, config.terminateSession);
      return { report: stats.report(), sessions };
    })();
    return stopping;
  };
  const unlessStopping = (response: ServerResponse, serve: () => void) =>
    stopping === undefined ? serve() : sendFailure(response, isStopping());

  const { port, server } = await listen(
    { capability, controlCapability, gatewayPaths },
    {
      gateway: (request, response, target) =>
        unlessStopping(response, () => void gateway(request, response, target)),
      token: (response) =>
        unlessStopping(response, () => void answerToken(tokenCache, clock, stats, quote, response)),
      stop: (response) =>
        void stop().then((reply) => {
          response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(reply));
          response.once("close", () => end(undefined));
          if (response.closed) end(undefined);
        }),
      onRequest: () => {
        lastAsked = clock.now();
      },
      onRefusal: ({ error, description, isFromJob }) =>
        stats.refused(isFromJob ? { code: error, text: description } : undefined),
    },
    clock.now,
  );
  const watch = setInterval(async () => {
    if (!(await isFolderOurs(folder))) end("its folder below RUNNER_TEMP was removed or changed its owner");
    else if (clock.now() - lastAsked > MAX_UNASKED_MS) end("it was not asked for anything in 24 hours");
  }, FOLDER_CHECK_MS);
  process.once("SIGTERM", () => {
    const late = clock.sleep(SIGTERM_MS);
    Promise.race([stop(), late]).finally(() => end("it was told to end by a signal (SIGTERM)"));
  });
  try {
    // Fails where the folder is gone by now: then the job is over, or its start has failed.
    await writeFile(join(folder, CONTROL_FILE), `http://127.0.0.1:${port}/${controlCapability}\n`, {
      mode: 0o600,
    });
    send({ agent: "ready", port });
    const reason = await ended;
    if (reason !== undefined) await stop();
    return reason;
  } finally {
    clearInterval(watch);
    server.close();
    server.closeAllConnections();
    upstream.close();
  }
}

/** A folder that was handed to another user holds an address that post and armor-token cannot read any more. */
async function isFolderOurs(folder: string): Promise<boolean> {
  const file = join(folder, CONTROL_FILE);
  const isAccessible = () =>
    access(file, constants.R_OK | constants.W_OK).then(
      () => true,
      () => false,
    );
  return existsSync(folder) && (await isAccessible());
}

function isStopping(): ArmorError {
  return new ArmorError(
    "agent_stopping",
    "The token agent is stopping, because the job is at its end",
    "Call Armor in a step before this action's post step.",
  );
}

async function answerToken(
  tokenCache: TokenCache,
  clock: Clock,
  stats: Stats,
  quote: Quote,
  response: ServerResponse,
): Promise<void> {
  try {
    const token = await tokenCache.get();
    const leftMs = Math.max(0, tokenCache.msLeft(token));
    const body = JSON.stringify({
      access_token: token.accessToken,
      token_type: "Bearer",
      expires_in: Math.floor(leftMs / 1000),
      expires_at: isoDate(clock.date() + leftMs),
    });
    response.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-store" }).end(body);
    stats.handedOut();
  } catch (error) {
    const failure = asArmorError(error, quote);
    stats.problem(failure.code, failure.message);
    sendFailure(response, failure);
  }
}

/** Sessions that are not ended here end by themselves when their tokens expire. */
async function endSessions(
  accessTokens: readonly string[],
  context: RequestContext,
  isWanted: boolean,
): Promise<SessionsEnded> {
  if (!isWanted) return { ended: 0, notEnded: 0 };
  const brief = { ...context, timeoutMs: END_SESSIONS_MS };
  const results = await Promise.allSettled(accessTokens.map((token) => endSession(brief, token)));
  const failures = results.filter((result) => result.status === "rejected");
  const last = failures.at(-1);
  return {
    ended: results.filter((result) => result.status === "fulfilled" && result.value).length,
    notEnded: failures.length,
    ...(last === undefined ? {} : { reason: asArmorError(last.reason, context.quote).message }),
  };
}
