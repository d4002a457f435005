import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { secretForms } from "../armor/credentials.ts";
import { createSend } from "../armor/http.ts";
import { fetchToken, type RequestContext, type Token } from "../armor/token.ts";
import { trustCertificates } from "../armor/trust.ts";
import { within } from "../clock.ts";
import { asArmorError, fileError } from "../errors.ts";
import { Service } from "../gateway/serve.ts";
import { type AgentConfig, CONTROL_FILE, REPORT_FILE } from "../protocol/config.ts";
import { Stats } from "../protocol/stats.ts";
import { hide } from "../redact.ts";
import { Control } from "./control.ts";
import { Life } from "./life.ts";

/** For a stop that no post step waits for: a system that shuts down leaves little time. */
const LAST_STOP_MS = 2_000;

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
  const { apiUrl, route, terminateSession } = config;
  trustCertificates(config.certificates);
  const stats = new Stats();
  const context: RequestContext = { apiUrl, timeoutMs: config.timeoutMs, send: createSend(route) };
  const fetch = async (last: Token) => {
    const token = await fetchToken(context, config.credentials, last);
    stats.minted += 1;
    return token;
  };
  const service = new Service(config, fetch, stats);
  const { tokenCache } = service;
  const life = new Life(join(config.folder, CONTROL_FILE));
  const onStopped = () => life.end();
  const control = new Control({ tokenCache, context, stats, terminateSession, onStopped });

  const { port } = await service.listen({
    onAdmitted: () => life.wasAsked(),
    answerToken: (response) => control.answerToken(response),
    answerStop: (response) => control.answerStop(response),
  });
  try {
    const controlFile = join(config.folder, CONTROL_FILE);
    await placeFile(controlFile, `http://127.0.0.1:${port}/${config.controlCapability}\n`);
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
    // Before the connections close, which the post step waits for. The folder may be gone.
    const report = join(config.folder, REPORT_FILE);
    await writeFile(report, JSON.stringify(stats), { mode: 0o600 }).catch(() => undefined);
    service.close();
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
