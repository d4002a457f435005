// Measures the token agent: its gateway under load against a bare reverse proxy, its memory, and
// what it asks Armor for.

import http from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type AgentOptions, startBuiltAgent } from "../sandbox/agent.ts";
import { ROOT } from "../sandbox/runner.ts";
import { cpuSeconds, inTurns, memoryMiB, type Program, quantile, startProgram } from "./measure.ts";
import type { World } from "./world.ts";

const ROUNDS = 15;
/** How many calls a round, by how many callers at once. */
export const CALLS = { 1: 600, 16: 3_000, 128: 3_000 } as const;
export type Callers = keyof typeof CALLS;
const MEMORY_CALLS = 10_000;
export const STREAM_MIB = 300;
const SAMPLE_MS = 20;
const BURST_ROUNDS = 3;
export const SCANS = "/api/v1/discovery/scans";
export const DAY_S = 86_400;

export interface Load {
  readonly cpuMicros: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export type Loads = Record<Callers, Record<"bare proxy" | "gateway", Load[]>>;

/** One entry a round. */
export async function benchLoad(world: World): Promise<Loads> {
  const config = JSON.stringify({ apiUrl: world.armor.base, token: "t0k3n" });
  const bare = await startProgram(join(ROOT, "bench", "bare-proxy.cjs"), world.trust, config);
  try {
    return await withAgent(world, DAY_S, async (gateway) => {
      const against = (callers: Callers) =>
        inTurns(
          { "bare proxy": () => load(bare, callers), gateway: () => load(gateway, callers) },
          ROUNDS,
        );
      return { 1: await against(1), 16: await against(16), 128: await against(128) };
    });
  } finally {
    bare.end();
  }
}

async function load(
  program: Program,
  callers: Callers,
  count: number = CALLS[callers],
): Promise<Load> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: callers });
  const durations: number[] = [];
  let left = count;
  const cpu = cpuSeconds(program);
  const start = performance.now();
  const call = async () => {
    while (left > 0) {
      left -= 1;
      const began = performance.now();
      await get(`${program.base}${SCANS}`, agent);
      durations.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  const seconds = (performance.now() - start) / 1000;
  agent.destroy();
  return {
    cpuMicros: ((cpuSeconds(program) - cpu) / count) * 1e6,
    perSecond: count / seconds,
    p50Ms: quantile(durations, 0.5),
    p99Ms: quantile(durations, 0.99),
  };
}

/**
 * A new agent's memory after some calls, and while a large reply passes: s since its start, and
 * MiB.
 */
export async function benchMemory(world: World) {
  return await withAgent(world, DAY_S, async (gateway) => {
    await load(gateway, 16, MEMORY_CALLS);
    const afterCallsMiB = memoryMiB(gateway);
    const start = performance.now();
    const samples: { s: number; MiB: number }[] = [];
    const sample = () =>
      samples.push({ s: (performance.now() - start) / 1000, MiB: memoryMiB(gateway) });
    const timer = setInterval(sample, SAMPLE_MS);
    try {
      sample();
      const bytes = STREAM_MIB * 2 ** 20;
      const { length } = await get(`${gateway.base}/api/v1/discovery/stream?bytes=${bytes}`, false);
      if (length !== bytes) throw new Error(`only ${length} bytes arrived`);
      sample();
    } finally {
      clearInterval(timer);
    }
    return { afterCallsMiB, samples, peakMiB: memoryMiB(gateway, "VmHWM") };
  });
}

/**
 * Calls on as many new connections at once. @returns how many had no answer, and ms until all had
 * one
 */
export async function benchBurst(world: World, calls: number) {
  return await withAgent(world, DAY_S, async (gateway) => {
    const { burst } = await inTurns({ burst: () => burstOf(gateway, calls) }, BURST_ROUNDS);
    return { lost: Math.max(...burst.map(({ lost }) => lost)), ms: burst.map(({ ms }) => ms) };
  });
}

async function burstOf({ base }: Program, calls: number): Promise<{ lost: number; ms: number }> {
  const start = performance.now();
  const results = await Promise.allSettled(
    Array.from({ length: calls }, () => get(base + SCANS, false)),
  );
  const lost = results.filter(({ status }) => status === "rejected").length;
  return { lost, ms: performance.now() - start };
}

/**
 * Ms between Armor's sending the head of a reply, whose body comes half a second later, and its
 * arrival.
 */
export async function benchHeads(world: World): Promise<number[]> {
  return await withAgent(world, DAY_S, async ({ base }) => {
    const delays: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      const calls = Array.from({ length: 10 }, () => get(`${base}/api/v1/discovery/late`, false));
      for (const { headAt, headers } of await Promise.all(calls)) {
        delays.push(Number(headAt - BigInt(String(headers["x-sent-at"]))) / 1e6);
      }
    }
    return delays;
  });
}

/**
 * How many tokens are fetched for calls that come all at once when the agent's token has expired.
 */
export async function benchExpired(world: World, calls: number): Promise<number> {
  return await withAgent(world, 0.001, async (gateway) => {
    const before = await minted(world);
    const { lost } = await burstOf(gateway, calls);
    if (lost > 0) throw new Error(`${lost} calls were lost`);
    return (await minted(world)) - before;
  });
}

/**
 * How many tokens are fetched while every other call is of a path that answers 401 to every token.
 */
export async function benchForbidden(world: World, calls: number, ms: number): Promise<number> {
  return await withAgent(world, DAY_S, async ({ base }) => {
    const before = await minted(world);
    const answers: Promise<unknown>[] = [];
    for (let index = 0; index < calls; index += 1) {
      answers.push(
        index % 2 === 0
          ? get(base + SCANS, false)
          : get(`${base}/api/v1/discovery/forbidden`, false, 401),
      );
      await sleep(ms / calls);
    }
    await Promise.all(answers);
    return (await minted(world)) - before;
  });
}

/** By a server without TLS: this process does not trust the other one. */
async function minted({ armor }: World): Promise<number> {
  const { headers } = await get(`${armor.base}/minted`, false);
  return Number(headers["x-minted"]);
}

/**
 * Gives a new agent to `use`, and ends it. @param expiresIn seconds that are left of the agent's
 * first token's life
 */
export async function withAgent<T>(
  { armor, folder, trust }: World,
  expiresIn: number,
  use: (gateway: Program) => Promise<T>,
): Promise<T> {
  const options: AgentOptions = {
    apiUrl: armor.base,
    temp: folder,
    env: { NODE_EXTRA_CA_CERTS: trust.NODE_EXTRA_CA_CERTS },
    terminateSession: false,
    first: { accessToken: "t0k3n", expiresIn },
  };
  const { pid, gatewayUrl } = await startBuiltAgent(options);
  try {
    return await use({ pid, base: gatewayUrl });
  } finally {
    process.kill(pid, "SIGKILL");
  }
}

interface Reply {
  readonly headers: http.IncomingHttpHeaders;
  /** When its head was there, by `process.hrtime.bigint()`. */
  readonly headAt: bigint;
  readonly length: number;
}

/** @throws if the status is another, or the reply breaks off */
export function get(url: string, agent: http.Agent | false, expected = 200): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent }, (response) => {
      const headAt = process.hrtime.bigint();
      const { headers, statusCode } = response;
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
      });
      response.on("error", reject);
      response.on("end", () =>
        statusCode === expected
          ? resolve({ headers, headAt, length })
          : reject(new Error(`${statusCode}`)),
      );
    });
    request.on("error", reject);
  });
}
