// The token agent: a foreground program that reads its configuration from stdin, says one line when it is ready,
// and then serves live tokens and the gateway until it is told to stop, or nobody can need it any more.

import { existsSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { type Clock, systemClock } from "./clock.ts";
import { ArmorError, messageOf } from "./errors.ts";
import { createGateway, failureStatus } from "./gateway.ts";
import { keptRoute, send, trustCertificates } from "./http.ts";
import { Keeper } from "./keeper.ts";
import type { Credentials } from "./oauth.ts";
import { isoDate } from "./outputs.ts";
import { type Quote, quoteWithout } from "./quote.ts";
import { secretForms } from "./secrets.ts";
import { listen } from "./server.ts";
import { type Report, Stats } from "./stats.ts";
import { type Armor, endSession, fetchToken } from "./token.ts";

/** As JSON on the agent's stdin, which nobody else reads. */
export interface AgentConfig {
  readonly credentials: Credentials;
  readonly apiUrl: string;
  readonly certificates: readonly string[];
  readonly timeoutMs: number;
  /** How long Armor may be silent in a call through the gateway. */
  readonly idleMs: number;
  readonly terminateSession: boolean;
  /** The secret part of the gateway's address. */
  readonly capability: string;
  /** The agent lives no longer than this folder. */
  readonly folder: string;
  /** The step's own token, which is the agent's first. */
  readonly first: { readonly accessToken: string; readonly expiresIn: number; readonly expiresAt: number };
}

/** The line on stdout: where the agent listens, or why it does not. */
export type Greeting = { readonly port: number } | { readonly problem: string };

/** The reply to `POST /stop`. */
export interface Farewell {
  readonly report: Report;
  /** How many sessions that still lived were ended. */
  readonly ended: number;
}

const FOLDER_CHECK_MS = 1_000;
const MAX_UNASKED_MS = 24 * 3600 * 1000;
const END_SESSION_MS = 3_000;

/** Where the configuration comes from and the greeting goes to. */
export interface Standard {
  readonly stdin: AsyncIterable<Buffer>;
  readonly stdout: NodeJS.WritableStream;
}

/** Runs until the agent ends. Sets `process.exitCode` to 0 if it served. Never throws. */
export async function agent(
  _env: unknown,
  crash: Promise<never>,
  { stdin, stdout }: Standard = process,
  clock: Clock = systemClock,
): Promise<void> {
  let quote: Quote = () => "";
  stdout.on("error", () => undefined); // nobody listens any more
  const greet = (greeting: Greeting) => stdout.write(`${JSON.stringify(greeting)}\n`);
  try {
    const config = JSON.parse(await readAll(stdin)) as AgentConfig;
    quote = quoteWithout(secretForms(config.credentials));
    await Promise.race([serve(config, quote, greet, clock), crash]);
    process.exitCode = 0;
  } catch (error) {
    greet({ problem: messageOf(error, quote) });
  }
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

async function serve(
  config: AgentConfig,
  quote: Quote,
  greet: (greeting: Greeting) => void,
  clock: Clock,
): Promise<void> {
  const { apiUrl, capability, certificates, credentials, folder, idleMs, timeoutMs } = config;
  if (certificates.length > 0) trustCertificates(certificates);
  const { agent: route, proxy } = keptRoute(new URL(apiUrl), idleMs);
  const stats = new Stats();
  const armor: Armor = { apiUrl, send, clock, timeoutMs, quote, onRetry: () => undefined };
  const keeper = new Keeper({
    first: { ...config.first, requestedAt: clock.now() - sinceRequest(config.first, clock.date()) },
    mint: () => fetchToken(armor, credentials),
    clock,
    onMint: () => stats.minted(),
    onFailure: (error) => stats.failed(error instanceof ArmorError ? error.code : "agent_failed"),
  });

  let lastAsked = clock.now();
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const { port, server } = await listen(capability, stats, clock.now, (ownPort) => ({
    gateway: createGateway({
      apiUrl,
      gatewayPath: `http://127.0.0.1:${ownPort}/${capability}`,
      keeper,
      agent: route,
      proxy,
      idleMs,
      clock,
      stats,
    }),
    token: (response) => answerToken(keeper, clock, response),
    async stop(response) {
      const farewell: Farewell = {
        report: stats.report(),
        ended: config.terminateSession ? await endSessions(keeper, armor) : 0,
      };
      response.once("close", end);
      answer(response, 200, farewell);
    },
    onRequest() {
      lastAsked = clock.now();
    },
  }));
  const watch = setInterval(() => {
    if (!existsSync(folder) || clock.now() - lastAsked > MAX_UNASKED_MS) end();
  }, FOLDER_CHECK_MS);
  process.once("SIGTERM", end);
  greet({ port });
  await ended;
  clearInterval(watch);
  server.close();
  server.closeAllConnections();
}

/** Ms since the request that got the token; the two clocks belong to one machine. */
function sinceRequest({ expiresAt, expiresIn }: AgentConfig["first"], date: number): number {
  return date - (expiresAt - expiresIn * 1000);
}

async function answerToken(keeper: Keeper, clock: Clock, response: ServerResponse): Promise<void> {
  try {
    const { accessToken, expiresAt } = await keeper.token();
    answer(response, 200, {
      access_token: accessToken,
      token_type: "Bearer",
      expires_in: Math.max(0, Math.floor((expiresAt - clock.date()) / 1000)),
      expires_at: isoDate(expiresAt),
    });
  } catch (error) {
    const { code, message } =
      error instanceof ArmorError ? error : { code: "agent_failed", message: "The token agent failed." };
    answer(response, failureStatus(code), { error: code, error_description: message });
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" })
    .end(JSON.stringify(body));
}

/** @returns how many of the sessions that may still live were ended; the others end by themselves */
async function endSessions(keeper: Keeper, armor: Armor): Promise<number> {
  const brief = { ...armor, timeoutMs: END_SESSION_MS };
  const results = await Promise.allSettled(keeper.live().map((token) => endSession(brief, token)));
  return results.filter((result) => result.status === "fulfilled" && result.value).length;
}
