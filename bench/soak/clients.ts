// The agent's clients: each does one thing for as long as the soak lasts, patiently, and checks all
// that it gets.

import { execFile } from "node:child_process";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { CHUNK, increment } from "./armor.ts";
import type { BadProxy } from "./proxy.ts";

export interface Target {
  readonly gatewayUrl: string;
  readonly controlUrl: string;
  /** Absolute path of armor-token. */
  readonly command: string;
  readonly proxy: BadProxy;
}

/** What the clients have seen. */
export interface Tally {
  /** Calls that ended well, by client. */
  readonly calls: Map<string, number>;
  /** Tries that did not, by what was answered. */
  readonly failedTries: Map<string, number>;
  /** Calls that no patience helped, each in one line. */
  readonly lost: string[];
  /** The longest call, patience included, by client. */
  readonly longestMs: Map<string, number>;
}

/** Throws NotNow if the agent said why it cannot serve; any other error is a fault. */
type Try = (target: Target) => Promise<void>;

class NotNow extends Error {}

/**
 * A patient caller comes back every second, for as long: twice what a rejected client app is
 * remembered.
 */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 1_000;
const SLOW_READ_MS = 20;
const CHUNKS = 48;
const KEPT = new http.Agent({ keepAlive: true });

const small =
  (agent: http.Agent | false): Try =>
  async ({ gatewayUrl, proxy }) => {
    const path = `/api/v1/discovery/${Math.floor(Math.random() * 1e6)}`;
    const { body } = await call(`${gatewayUrl}${path}?limit=10`, proxy, { agent });
    if (!body.includes(`"${path}"`))
      throw new Error(`the reply of another call: ${body.slice(0, 100)}`);
  };

/** 3 MiB, with a pause after each piece. */
const download =
  (pauseMs: number): Try =>
  async ({ gatewayUrl, proxy }) => {
    const url = `${gatewayUrl}/api/v1/discovery/stream?chunks=${CHUNKS}`;
    const { length } = await call(url, proxy, { agent: false, pauseMs });
    if (length !== CHUNKS * CHUNK.length) throw new Error(`${length} bytes of a download`);
  };

const tokenAsker: Try = async ({ controlUrl, proxy }) => {
  const { body } = await call(`${controlUrl}/token`, proxy);
  if (typeof JSON.parse(body).access_token !== "string")
    throw new Error("no token in a reply of /token");
};

const command: Try = async ({ command }) => {
  const { stdout } = await promisify(execFile)(command).catch(
    ({ stderr = "" }: { stderr?: string }) => {
      if (stderr.includes("has no token")) throw new NotNow("armor-token has none");
      throw new Error(stderr.trim() || "armor-token failed without a word");
    },
  );
  if (!/^\S+\n$/.test(stdout)) throw new Error("armor-token printed no token");
};

/** Goes amid the request or the reply. */
const leaver: Try = async ({ gatewayUrl, proxy }) => {
  const signal = AbortSignal.timeout(Math.ceil(Math.random() * 60));
  const url = `${gatewayUrl}/api/v1/discovery/stream?chunks=${CHUNKS}`;
  await call(url, proxy, { signal }).catch(() => undefined);
};

interface Client {
  readonly attempt: Try;
  /** How many calls at once. */
  readonly calls?: number;
  /** At most, between them. */
  readonly pauseMs?: number;
}

export const CLIENTS: Readonly<Record<string, Client>> = {
  "small calls": { attempt: small(false) },
  "small calls on a kept connection": { attempt: small(KEPT) },
  // Leave the agent with many connections, most of which are then idle.
  bursts: { attempt: small(false), calls: 100, pauseMs: 25_000 },
  downloads: { attempt: download(0) },
  "slow readers": { attempt: download(SLOW_READ_MS) },
  "clients that leave": { attempt: leaver, calls: 2 },
  "GET /token": { attempt: tokenAsker },
  "armor-token": { attempt: command },
};

/** Repeats this client's calls until `isOver`. */
export async function runClient(
  name: string,
  target: Target,
  tally: Tally,
  isOver: () => boolean,
): Promise<void> {
  const { attempt, calls = 1, pauseMs = 20 } = CLIENTS[name] as Client;
  while (!isOver()) {
    await Promise.all(
      Array.from({ length: calls }, () => callPatiently(name, attempt, target, tally)),
    );
    const next = performance.now() + Math.random() * pauseMs;
    do await sleep(Math.min(pauseMs, 100));
    while (performance.now() < next && !isOver());
  }
}

async function callPatiently(
  name: string,
  attempt: Try,
  target: Target,
  tally: Tally,
): Promise<void> {
  const start = performance.now();
  for (;;) {
    try {
      await attempt(target);
      increment(tally.calls, name);
      break;
    } catch (error) {
      const { message } = error as Error;
      increment(tally.failedTries, message);
      if (!(error instanceof NotNow) || performance.now() - start > PATIENCE_MS) {
        tally.lost.push(`${name}: ${message}`);
        break;
      }
      await sleep(PAUSE_MS);
    }
  }
  tally.longestMs.set(name, Math.max(tally.longestMs.get(name) ?? 0, performance.now() - start));
}

interface CallOptions extends http.RequestOptions {
  readonly pauseMs?: number;
}

/** @throws NotNow if the agent cannot serve, or the proxy restarted amid the reply */
async function call(url: string, proxy: BadProxy, options: CallOptions = {}) {
  const start = performance.now();
  const { pauseMs = 0, ...requestOptions } = options;
  try {
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      http.get(url, { agent: false, ...requestOptions }, resolve).on("error", reject);
    });
    let body = "";
    let length = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length < CHUNK.length) body += chunk;
      if (pauseMs > 0) await sleep(pauseMs);
    }
    if (response.statusCode === 200) return { body, length };
    throw new NotNow(`${response.statusCode} ${JSON.parse(body).error}`);
  } catch (error) {
    const isReset = (error as NodeJS.ErrnoException).code === "ECONNRESET";
    if (isReset && proxy.lastRestart >= start)
      throw new NotNow("broken off by a restart of the proxy");
    throw error;
  }
}
