// Runs many jobs that start together against one server, and counts what becomes of them.

import type { Policy } from "./policies.ts";
import { Server, type ServerOptions } from "./server.ts";
import { Simulation, seeded } from "./simulation.ts";

export interface Scenario extends ServerOptions {
  readonly jobs: number;
  readonly timeoutMs: number;
}

export interface Outcome {
  /** Of the jobs, how many got a token. */
  readonly share: number;
  /** What no policy can exceed: the server's capacity until the last job's time is up. */
  readonly possible: number;
  readonly requestsPerToken: number;
  /** When the last of those that got a token had it, in ms. */
  readonly drainMs: number;
  /** How long half of those that got a token waited for it at most, in ms. */
  readonly medianMs: number;
  /** Requests that arrived in each second. */
  readonly load: readonly number[];
}

/** Runners take a moment to start, and not all the same. */
const START_MS = 1_000;

export async function runCrowd(policy: Policy, scenario: Scenario, seed = 1): Promise<Outcome> {
  const simulation = new Simulation();
  const random = seeded(seed);
  const server = new Server(simulation, scenario, random);
  const waits: number[] = [];
  let drainMs = 0;
  for (let job = 0; job < scenario.jobs; job += 1) {
    simulation.after(random() * START_MS, async () => {
      const startedAt = simulation.now;
      try {
        await policy(server.send, simulation.clock(random), scenario.timeoutMs);
        waits.push(simulation.now - startedAt);
        drainMs = simulation.now;
      } catch {
        // Counted by its absence.
      }
    });
  }
  await simulation.run();
  const { jobs, perSecond, outageMs, timeoutMs } = scenario;
  const capacity = perSecond + (perSecond * (START_MS + timeoutMs - outageMs)) / 1000;
  return {
    share: waits.length / jobs,
    possible: Math.min(1, capacity / jobs),
    requestsPerToken: server.arrivals.length / waits.length,
    drainMs,
    medianMs: waits.sort((a, b) => a - b)[waits.length >> 1] ?? Number.NaN,
    load: perSecondOf(server.arrivals),
  };
}

function perSecondOf(arrivals: readonly number[]): number[] {
  const counts: number[] = [];
  for (const at of arrivals) {
    const second = Math.floor(at / 1000);
    counts[second] = (counts[second] ?? 0) + 1;
  }
  return Array.from(counts, (count) => count ?? 0);
}
