// The agent's clients: each does one thing for as long as the soak lasts, patiently, and checks all that it gets.

import { execFile } from "node:child_process";
import http from "node:http";
import { promisify } from "node:util";
import { CHUNK_BYTES } from "./armor.ts";

export interface Target {
  readonly gatewayUrl: string;
  /** Absolute path of armor-token. */
  readonly command: string;
}

/** What the clients have seen. */
export interface Tally {
  /** Calls that ended well, by client. */
  readonly calls: Map<string, number>;
  /** Tries that did not, by what was answered. */
  readonly failedTries: Map<string, number>;
  /** Calls that no patience helped, each in one line. */
  readonly lost: string[];
  longestMs: number;
}

/** Throws what was answered, where it is no success; what is thrown otherwise is a fault. */
type Try = (target: Target, random: () => number) => Promise<void>;

class NotNow extends Error {}

/** A patient caller comes back every second, for as long. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 1_000;
const SLOW_READ_MS = 20;
const BIG = 48;

const small: Try = async ({ gatewayUrl }, random) => {
  const path = `/api/v1/${Math.floor(random() * 1e6)}?limit=10`;
  const { status, body } = await call(`${gatewayUrl}${path}`);
  expectSuccess(status, body);
  if (!body.includes(path.split("?")[0] ?? ""))
    throw new Error(`somebody else's reply: ${body.slice(0, 100)}`);
};

const upload: Try = async ({ gatewayUrl }, random) => {
  const sent = Buffer.alloc(Math.floor(random() * 300_000), "x");
  const { status, body } = await call(`${gatewayUrl}/api/v1/echo`, { method: "POST", body: sent });
  expectSuccess(status, body);
  if (JSON.parse(body).bytes !== sent.length) throw new Error(`${sent.length} bytes sent, ${body} arrived`);
};

const big: Try = ({ gatewayUrl }) => download(gatewayUrl, 0);
const slowReader: Try = ({ gatewayUrl }) => download(gatewayUrl, SLOW_READ_MS);

const tokenAsker: Try = async ({ gatewayUrl }) => {
  const { status, body } = await call(`${gatewayUrl}/token`);
  expectSuccess(status, body);
  if (typeof JSON.parse(body).access_token !== "string") throw new Error("no token in a reply of /token");
};

const command: Try = async ({ command }) => {
  const { stdout } = await promisify(execFile)(command).catch(({ stderr = "" }: { stderr?: string }) => {
    if (stderr.includes("has no token")) throw new NotNow("armor-token has none");
    throw new Error(stderr.trim() || "armor-token failed without a word");
  });
  if (!/^\S+\n$/.test(stdout)) throw new Error("armor-token printed no token");
};

/** Goes amid the request or the reply, and does not care. */
const leaver: Try = async ({ gatewayUrl }, random) => {
  const signal = AbortSignal.timeout(Math.ceil(random() * 60));
  const options =
    random() < 0.5
      ? { signal }
      : { signal, method: "POST", body: Buffer.alloc(4_000_000), headers: { "Content-Length": "8000000" } };
  await call(`${gatewayUrl}/api/v1/stream?chunks=${BIG}`, options).catch(() => undefined);
};

export const CLIENTS: Readonly<Record<string, Try>> = {
  "small calls": small,
  "more small calls": small,
  uploads: upload,
  downloads: big,
  "slow readers": slowReader,
  "clients that leave": leaver,
  "more that leave": leaver,
  "GET /token": tokenAsker,
  "armor-token": command,
};

/** Repeats this client's calls until `isOver`. */
export async function runClient(
  name: string,
  target: Target,
  tally: Tally,
  isOver: () => boolean,
  random: () => number = Math.random,
): Promise<void> {
  const attempt = CLIENTS[name] as Try;
  while (!isOver()) {
    const start = performance.now();
    for (;;) {
      try {
        await attempt(target, random);
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
    tally.longestMs = Math.max(tally.longestMs, performance.now() - start);
    await sleep(random() * 20);
  }
}

interface Reply {
  readonly status: number;
  readonly body: string;
}

/** Over a new connection each. Rejects with the network's error where the reply is not whole. */
async function call(
  url: string,
  { body, ...options }: http.RequestOptions & { readonly body?: Buffer } = {},
): Promise<Reply> {
  const { status, chunks } = await new Promise<{ status: number; chunks: Buffer[] }>((resolve, reject) => {
    const request = http.request(url, { agent: false, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, chunks }));
    });
    request.on("error", reject);
    request.end(body);
  });
  return { status, body: Buffer.concat(chunks).toString("utf8") };
}

/** 3 MiB, with a pause after each piece. */
async function download(gatewayUrl: string, pauseMs: number): Promise<void> {
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    http.get(`${gatewayUrl}/api/v1/stream?chunks=${BIG}`, { agent: false }, resolve).on("error", reject);
  });
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (pauseMs > 0) await sleep(pauseMs);
  }
  if (response.statusCode !== 200) throw new NotNow(`${response.statusCode} to a download`);
  if (bytes !== BIG * CHUNK_BYTES) throw new Error(`only ${bytes} bytes of a download`);
}

function expectSuccess(status: number, body: string): void {
  if (status === 200) return;
  const { error = "" } = JSON.parse(body) as { error?: string };
  throw new NotNow(`${status} ${error}`.trim());
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
