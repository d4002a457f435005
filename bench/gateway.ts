// Measures the gateway under load, against a bare Node reverse proxy and against no proxy at all; and its memory.

import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startAgent } from "../sandbox/agent.ts";
import type { RunningAgent } from "../src/agent/launch.ts";
import { cpuSeconds, memoryMiB, type Program, quantile, startProgram } from "./measure.ts";

const ROUNDS = 9;
const CALLS = 4_000;
const CONCURRENCY = 16;
const STREAM_BYTES = 300 * 1024 * 1024;
const SAMPLE_MS = 20;

const UPSTREAM = `
const http = require("node:http");
const body = JSON.stringify({ items: Array(12).fill({ scan_status: "completed", connection_id: "0123456789abcdef" }) });
const chunk = Buffer.alloc(65536, "x");
http.createServer((request, response) => {
  if (request.url !== "/api/stream") return response.writeHead(200, { "Content-Type": "application/json" }).end(body);
  let left = ${STREAM_BYTES} / chunk.length;
  const more = () => { while (left > 0) { left -= 1; if (!response.write(chunk)) return; } response.end(); };
  response.on("drain", more);
  more();
}).listen(0, "127.0.0.1", function () { console.log(this.address().port); });
`;

const BARE_PROXY = `
const http = require("node:http");
const agent = new http.Agent({ keepAlive: true });
http.createServer((request, response) => {
  const upstream = http.request({ host: "127.0.0.1", port: process.env.UPSTREAM_PORT, path: request.url, method: request.method,
    headers: request.headers, agent }, (reply) => { response.writeHead(reply.statusCode, reply.headers); reply.pipe(response); });
  request.pipe(upstream);
}).listen(0, "127.0.0.1", function () { console.log(this.address().port); });
`;

export type Route = "direct" | "bare proxy" | "gateway";

export interface Load {
  readonly cpuMicros: number;
  readonly perSecond: number;
  readonly p99Ms: number;
}

export interface GatewayResults {
  /** One entry a round. */
  readonly loads: Record<Route, Load[]>;
  readonly calls: number;
  readonly afterCallsMiB: number;
  readonly streamedMiB: number;
  /** While it streams: s since its start, and MiB. */
  readonly streaming: readonly { readonly s: number; readonly MiB: number }[];
  readonly peakMiB: number;
}

/** Also hands the running agent on, to be measured in other ways. */
export async function benchGateway<T>(
  measure: (agent: RunningAgent) => Promise<T>,
): Promise<GatewayResults & { other: T }> {
  const temp = await mkdtemp(join(tmpdir(), "armor-bench-"));
  const upstream = await startProgram(UPSTREAM);
  const bare = await startProgram(BARE_PROXY, { UPSTREAM_PORT: upstream.base.split(":")[2] ?? "" });
  const agent = await startAgent({
    apiUrl: upstream.base,
    temp,
    timeoutMs: 30_000,
    idleMs: 30_000,
    terminateSession: false,
    first: { accessToken: "t0k3n", expiresIn: 86_400 },
  });
  const gateway: Program = { pid: agent.pid, base: agent.gatewayUrl };
  const routes: Record<Route, Program> = { direct: upstream, "bare proxy": bare, gateway };
  try {
    const { loads, calls } = await loadAll(routes);
    const afterCallsMiB = memoryMiB(gateway);
    const other = await measure(agent);
    const streaming = await stream(gateway);
    const peakMiB = memoryMiB(gateway, "VmHWM");
    return {
      loads,
      calls,
      afterCallsMiB,
      streamedMiB: STREAM_BYTES / 1024 / 1024,
      streaming,
      peakMiB,
      other,
    };
  } finally {
    for (const { pid } of Object.values(routes)) process.kill(pid);
    await rm(temp, { recursive: true });
  }
}

/** In turns, after one round to warm up. */
async function loadAll(routes: Record<Route, Program>) {
  const loads: Record<Route, Load[]> = { direct: [], "bare proxy": [], gateway: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const route of Object.keys(loads) as Route[]) {
      const result = await load(routes[route]);
      if (round > 0) loads[route].push(result);
    }
  }
  return { loads, calls: (ROUNDS + 1) * CALLS };
}

async function load(program: Program): Promise<Load> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONCURRENCY });
  const durations: number[] = [];
  let left = CALLS;
  const [cpu, start] = [cpuSeconds(program), performance.now()];
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (left > 0) {
        left -= 1;
        const began = performance.now();
        await get(`${program.base}/api/v1/discovery/scans`, agent);
        durations.push(performance.now() - began);
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  agent.destroy();
  return {
    cpuMicros: ((cpuSeconds(program) - cpu) / CALLS) * 1e6,
    perSecond: CALLS / seconds,
    p99Ms: quantile(durations, 0.99),
  };
}

async function stream(gateway: Program): Promise<{ s: number; MiB: number }[]> {
  const start = performance.now();
  const samples: { s: number; MiB: number }[] = [];
  const sample = () => samples.push({ s: (performance.now() - start) / 1000, MiB: memoryMiB(gateway) });
  sample();
  const timer = setInterval(sample, SAMPLE_MS);
  const bytes = await get(`${gateway.base}/api/stream`, false);
  clearInterval(timer);
  sample();
  if (bytes !== STREAM_BYTES) throw new Error(`only ${bytes} bytes arrived`);
  return samples;
}

/** @returns how many bytes the body had */
function get(url: string, agent: http.Agent | false): Promise<number> {
  return new Promise((resolve, reject) => {
    http
      .get(url, { agent }, (response) => {
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
        });
        response.on("error", reject);
        response.on("end", () =>
          response.statusCode === 200 ? resolve(bytes) : reject(new Error(`${response.statusCode}`)),
        );
      })
      .on("error", reject);
  });
}
