import { constants } from "node:fs";
import { access, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { secretForms } from "../armor/credentials.ts";
import { createSend, trustCertificates } from "../armor/http.ts";
import { fetchToken, type RequestContext } from "../armor/token.ts";
import { clock, within } from "../clock.ts";
import { asArmorError, fileError } from "../errors.ts";
import { hide } from "../redact.ts";
import { createControl } from "./control.ts";
import { createGateway } from "./gateway.ts";
import { type AgentConfig, CONTROL_FILE, REPORT_FILE } from "./protocol.ts";
import { listen } from "./server.ts";
import { Stats } from "./stats.ts";
import { TokenCache } from "./token-cache.ts";
import { Upstream } from "./upstream.ts";

const FOLDER_CHECK_MS = 2_000;
const MAX_UNASKED_MS = 24 * 3600 * 1000;
const LAST_MS = 2_000; // for a stop that no post step waits for: a system that shuts down leaves little time

/** The token agent: a foreground program that serves until it is told to stop, or is not needed any more. */
export async function agent(
  crash: Promise<never>,
  { stdin, stdout }: { stdin: Readable; stdout: NodeJS.WritableStream } = process,
): Promise<void> {
  stdout.on("error", () => undefined); // the main step reads one line only
  const say = (what: string) => stdout.write(`token agent: ${what}\n`); // READY_LINE
  let config: AgentConfig | undefined;
  try {
    config = JSON.parse(Buffer.concat(await stdin.toArray()).toString("utf8")) as AgentConfig;
    hide(secretForms(config.credentials));
    await serve(config, say, crash);
    process.exitCode = 0;
  } catch (error) {
    // The error of JSON.parse would show a part of the configuration.
    say(config === undefined ? "its configuration is cut off" : asArmorError(error).message);
  }
}

async function serve(config: AgentConfig, say: (what: string) => void, crash: Promise<never>) {
  const { apiUrl, capability, controlCapability, folder, gatewayPaths, limits, route, timeoutMs } = config;
  trustCertificates(config.certificates);
  const stats = new Stats();
  const context: RequestContext = { apiUrl, timeoutMs, send: createSend(route) };
  const fetch = async () => {
    const token = await fetchToken(context, config.credentials);
    stats.minted += 1;
    return token;
  };
  const tokenCache = new TokenCache(config.first, fetch, (error) => stats.addProblem(error));
  let end: (reason?: string) => void = () => undefined;
  const ended = new Promise<string | undefined>((resolve) => {
    end = resolve;
  });
  const upstream = new Upstream(route, limits);
  const control = createControl(tokenCache, context, stats, config.terminateSession, () => end());
  const gateway = createGateway({ ...config, tokenCache, upstream, stats });
  let lastAsked = clock.now();
  const { port, server } = await listen(
    { capability, controlCapability, gatewayPaths },
    (request, response, admission) => {
      lastAsked = clock.now();
      if (admission.route === "gateway") gateway(request, response, admission.target);
      else if (admission.route === "token") control.answerToken(response);
      else control.answerStop(response);
    },
    (refusal) => stats.addRefusal(refusal),
  );
  const onSigterm = () => end("it was told to end by a signal (SIGTERM)");
  process.on("SIGTERM", onSigterm);
  let watch: NodeJS.Timeout | undefined;
  try {
    const controlFile = join(folder, CONTROL_FILE);
    await placeFile(controlFile, `http://127.0.0.1:${port}/${controlCapability}\n`);
    watch = setInterval(() => {
      const gone = "its folder below RUNNER_TEMP was removed, or given to another user";
      access(controlFile, constants.R_OK).catch(() => end(gone));
      if (clock.now() - lastAsked > MAX_UNASKED_MS) end("it was not asked for anything in 24 hours");
    }, FOLDER_CHECK_MS);
    say(`port ${port}`);
    stats.reason = await Promise.race([ended, crash]);
    if (stats.reason !== undefined) await within(LAST_MS, control.stop(), () => undefined);
  } catch (error) {
    stats.reason = asArmorError(error).message;
    throw error;
  } finally {
    clearInterval(watch);
    process.off("SIGTERM", onSigterm);
    // Before the connections close, which the post step waits for. The folder may be gone.
    await writeFile(join(folder, REPORT_FILE), JSON.stringify(stats), { mode: 0o600 }).catch(() => undefined);
    server.close();
    server.closeAllConnections();
    upstream.close();
  }
}

/** Whole or not at all: post may read at any time. Fails where the folder is gone, and so the job over. */
async function placeFile(file: string, line: string): Promise<void> {
  try {
    await writeFile(`${file}.new`, line, { mode: 0o600 });
    await rename(`${file}.new`, file);
  } catch (error) {
    throw fileError("The folder that RUNNER_TEMP names", error);
  }
}
