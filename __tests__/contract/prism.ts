// Owns Prism: the process that serves an OpenAPI document as a mock, and a tap before it that records its answers.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { createRequire } from "node:module";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { dirname, join } from "node:path";

const HOST = "127.0.0.1";
const READY_MS = 60_000;
const POLL_MS = 50;

/** What Prism answered, as it went over the wire. */
export interface Answer {
  /** `GET /api/…`, without the query. */
  readonly call: string;
  readonly status: number;
  /** What does not fit the document in a request or an answer that Prism let pass; JSON, or cut off where long. */
  readonly violations: string;
}

export interface Mock {
  readonly url: string;
  /** In the order of the answers. */
  readonly answers: readonly Answer[];
  close(): void;
}

/** @throws Error with Prism's own words where it does not start */
export async function startMock(document: string): Promise<Mock> {
  const port = await freePort();
  const prism = spawnPrism(document, port);
  const output = collected(prism);
  try {
    await listening(prism, port, output);
    const answers: Answer[] = [];
    const tap = recordTo(answers, port);
    const url = `http://${HOST}:${await listen(tap)}`;
    return { url, answers, close: () => close(tap, prism) };
  } catch (error) {
    prism.kill("SIGKILL");
    throw error;
  }
}

function close(tap: http.Server, prism: ChildProcess): void {
  tap.close();
  tap.closeAllConnections();
  prism.kill("SIGKILL");
}

/**
 * A mock refuses requests that do not fit the document without `--errors`. That option would add a refusal of its
 * own samples, which Prism cannot make for every format.
 */
function spawnPrism(document: string, port: number): ChildProcess {
  const options = ["--host", HOST, "--port", String(port), "--multiprocess=false"];
  const child = spawn(process.execPath, [prismCli(), "mock", ...options, document], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  process.once("exit", () => child.kill("SIGKILL"));
  // Without Prism the rest fails at once, and leaves as it would otherwise: with no agent and no folder behind it.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => child.kill());
  return child;
}

function prismCli(): string {
  const require = createRequire(import.meta.url);
  const manifest = resolved(require, "@stoplight/prism-cli/package.json");
  const { bin } = require(manifest) as { bin: { prism: string } };
  return join(dirname(manifest), bin.prism);
}

function resolved(require: NodeJS.Require, file: string): string {
  try {
    return require.resolve(file);
  } catch {
    throw new Error("Prism is not installed: run npm --prefix __tests__/contract ci");
  }
}

/** Read for as long as it talks: a full pipe would stop it. @returns its log so far, without its help */
function collected(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
    });
  }
  const logged = () => text.split("\n").filter((line) => line.includes(" › "));
  return () => logged().join("\n");
}

async function listening(prism: ChildProcess, port: number, output: () => string): Promise<void> {
  const deadline = performance.now() + READY_MS;
  while (!(await accepts(port))) {
    if (prism.exitCode !== null || prism.signalCode !== null)
      throw new Error(`Prism did not start:\n${output()}`);
    if (performance.now() > deadline)
      throw new Error(`Prism did not listen within ${READY_MS / 1000} s:\n${output()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** Hands everything on as it is; without it, nobody but the action would see what its own requests were answered. */
function recordTo(answers: Answer[], port: number): http.Server {
  return http.createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    const forwarded = http.request({ host: HOST, port, method, path: url, headers }, (answer) => {
      const status = answer.statusCode ?? 0;
      const violations = String(answer.headers["sl-violations"] ?? "");
      answers.push({ call: `${method} ${url.split("?")[0]}`, status, violations });
      response.writeHead(status, answer.headers);
      answer.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  });
}

async function listen(server: Server): Promise<number> {
  server.listen(0, HOST);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  return port;
}
