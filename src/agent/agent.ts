import { constants } from "node:fs";
import { access, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { secretForms } from "../armor/credentials.ts";
import { createSend, trustCertificates } from "../armor/http.ts";
import { fetchToken, type RequestContext } from "../armor/token.ts";
import { type Clock, systemClock } from "../clock.ts";
import { asArmorError, fileError } from "../errors.ts";
import { type Quote, quoteWithout } from "../redact.ts";
import { createControl } from "./control.ts";
import { createGateway } from "./gateway.ts";
import { type AgentConfig, CONTROL_FILE, REASON_FILE, type ReadyMessage } from "./protocol.ts";
import { listen } from "./server.ts";
import { Stats } from "./stats.ts";
import { TokenCache } from "./token-cache.ts";
import { Upstream } from "./upstream.ts";
import { within } from "./within.ts";

const FOLDER_CHECK_MS = 2_000;
const MAX_UNASKED_MS = 24 * 3600 * 1000;
/** For a stop that no post step waits for: after SIGTERM, a system that shuts down leaves little time. */
const LAST_MS = 2_000;

/**
 * The token agent: an ordinary foreground program that reads its configuration from stdin, writes one line
 * when it is ready, and serves until it is told to stop or is not needed any more. Sets `process.exitCode`
 * to 0 if it served.
 * @param crash rejects with what was not caught
 */
export async function agent(
  crash: Promise<never>,
  { stdin, stdout }: { stdin: Readable; stdout: NodeJS.WritableStream } = process,
  clock: Clock = systemClock,
): Promise<void> {
  let quote: Quote = () => "";
  let folder: string | undefined;
  let reason: string | undefined;
  stdout.on("error", () => undefined); // the main step reads one line only
  const send = (message: ReadyMessage) => stdout.write(`${JSON.stringify(message)}\n`);
  try {
    const config = JSON.parse(Buffer.concat(await stdin.toArray()).toString("utf8")) as AgentConfig;
    quote = quoteWithout(secretForms(config.credentials));
    folder = config.folder;
    reason = await serve(config, quote, send, clock, crash);
    process.exitCode = 0;
  } catch (error) {
    reason = asArmorError(error, quote).message;
    send({ agent: "failed", problem: reason });
  }
  if (folder === undefined || reason === undefined) return;
  // For the post step, which finds no agent. The folder may be gone, too.
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
  const { apiUrl, capability, controlCapability, folder, gatewayPaths, limits, route, timeoutMs } = config;
  trustCertificates(config.certificates);
  const stats = new Stats();
  const onRetry = () => undefined;
  const context: RequestContext = { apiUrl, clock, quote, timeoutMs, send: createSend(route), onRetry };
  const tokenCache = new TokenCache({
    first: config.first,
    clock,
    fetch: () => fetchToken(context, config.credentials),
    onRefresh: () => {
      stats.minted += 1;
    },
    onFailure: (error) => stats.addProblem(asArmorError(error, quote)),
  });
  let end: (reason?: string) => void = () => undefined;
  const ended = new Promise<string | undefined>((resolve) => {
    end = resolve;
  });
  const upstream = new Upstream(route, limits);
  const shared = { tokenCache, stats, clock, quote };
  const control = createControl(tokenCache, context, stats, config.terminateSession, () => end());
  let lastAsked = clock.now();
  const { port, server } = await listen(
    { capability, controlCapability, gatewayPaths },
    {
      gateway: createGateway({ ...shared, apiUrl, gatewayPaths, upstream, idleMs: limits.idleMs }),
      token: control.answerToken,
      stop: control.answerStop,
      onRequest: () => {
        lastAsked = clock.now();
      },
      onRefusal: ({ error, description, isFromJob }) => {
        stats.refused += 1;
        if (isFromJob) stats.problems[error] = description;
      },
    },
    clock.now,
  );
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
  const owners = async () => {
    await access(file, constants.R_OK);
    return `${(await stat(folder)).uid} ${(await stat(file)).uid}`;
  };
  const own = await owners();
  return async () => (await owners().catch(() => undefined)) === own;
}
