// `npm run bench`: the gateway against a bare Node reverse proxy, in pairs, and the agent's memory under load.
// CPU time and memory are read from /proc, so this runs on Linux.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../sandbox/runner.ts";
import { launchAgent } from "../src/launch.ts";

const PAIRS = 7;
const CALLS = 4_000;
const CONCURRENCY = 16;
const STREAM_BYTES = 300 * 1024 * 1024;
const CLOCK_TICKS_PER_SECOND = 100;

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
  const upstream = http.request({ host: "127.0.0.1", port: process.argv[1], path: request.url, method: request.method,
    headers: request.headers, agent }, (reply) => { response.writeHead(reply.statusCode, reply.headers); reply.pipe(response); });
  request.pipe(upstream);
}).listen(0, "127.0.0.1", function () { console.log(this.address().port); });
`;

interface Program {
  readonly pid: number;
  readonly base: string;
}

async function firstLine(child: ChildProcess): Promise<string> {
  return await new Promise((resolve) => child.stdout?.once("data", (data: Buffer) => resolve(String(data))));
}

async function start(script: string, ...args: string[]): Promise<Program> {
  const child = spawn(process.execPath, ["-e", script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  return { pid: child.pid ?? 0, base: `http://127.0.0.1:${Number(await firstLine(child))}` };
}

async function startAgent(apiUrl: string, folder: string): Promise<Program> {
  const expiresIn = 86_400;
  const config = {
    credentials: { appId: "id", apiKey: "key" },
    apiUrl,
    certificates: [],
    timeoutMs: 30_000,
    idleMs: 30_000,
    terminateSession: false,
    first: { accessToken: "t0k3n", expiresIn, expiresAt: Date.now() + expiresIn * 1000 },
  };
  const parent = {
    env: { ...process.env, RUNNER_TEMP: folder },
    execPath: process.execPath,
    bundle: join(ROOT, "dist", "index.js"),
    cli: join(ROOT, "dist", "cli", "index.js"),
    isWindows: false,
  };
  const { gatewayUrl, pid } = await launchAgent(config, parent, String);
  return { pid, base: gatewayUrl };
}

/** Seconds of CPU that the process has used. */
function cpuSeconds({ pid }: Program): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

function memoryMiB({ pid }: Program, field: "VmRSS" | "VmHWM"): number {
  const line = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) / 1024;
}

interface Load {
  readonly cpuMicros: number;
  readonly perSecond: number;
  readonly p99Ms: number;
}

async function load(program: Program, calls: number): Promise<Load> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONCURRENCY });
  const durations: number[] = [];
  let left = calls;
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
    cpuMicros: ((cpuSeconds(program) - cpu) / calls) * 1e6,
    perSecond: calls / seconds,
    p99Ms: durations.sort((a, b) => a - b)[Math.floor(durations.length * 0.99)] ?? 0,
  };
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

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
const say = (line: string) => process.stdout.write(`${line}\n`);

async function bench(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "armor-bench-"));
  const upstream = await start(UPSTREAM);
  const bare = await start(BARE_PROXY, upstream.base.split(":")[2] ?? "");
  const gateway = await startAgent(upstream.base, folder);
  const programs = [upstream, bare, gateway];
  try {
    say(
      `Node ${process.version}, ${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${new Date().toISOString().slice(0, 10)}`,
    );
    for (const program of programs) await load(program, CALLS);
    const pairs: { bare: Load; gateway: Load; direct: Load }[] = [];
    for (let pair = 0; pair < PAIRS; pair += 1) {
      pairs.push({
        direct: await load(upstream, CALLS),
        bare: await load(bare, CALLS),
        gateway: await load(gateway, CALLS),
      });
    }
    for (const name of ["direct", "bare", "gateway"] as const) {
      const of = (field: keyof Load) => median(pairs.map((pair) => pair[name][field]));
      say(
        `${name.padEnd(8)} ${of("cpuMicros").toFixed(0).padStart(5)} µs CPU a call  ${of("perSecond").toFixed(0).padStart(6)} calls/s  p99 ${of("p99Ms").toFixed(1)} ms`,
      );
    }
    const ratio = median(pairs.map((pair) => pair.gateway.cpuMicros / pair.bare.cpuMicros));
    say(`gateway / bare, CPU a call: ${ratio.toFixed(2)} (budget 1.35)`);
    say(
      `agent's memory after ${(PAIRS + 1) * CALLS} calls: ${memoryMiB(gateway, "VmRSS").toFixed(0)} MiB (budget 90 after 10,000)`,
    );
    const bytes = await get(`${gateway.base}/api/stream`, false);
    say(
      `agent's peak after ${bytes / 1024 / 1024} MiB streamed: ${memoryMiB(gateway, "VmHWM").toFixed(0)} MiB (budget 160)`,
    );
  } finally {
    for (const { pid } of programs) process.kill(pid);
    rmSync(folder, { recursive: true });
  }
}

await bench();
