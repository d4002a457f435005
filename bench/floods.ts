// Measures the agent under floods of hostile connections: its memory, and how long the job's own
// call takes amid them.

import { setTimeout as sleep } from "node:timers/promises";
import { FLOODS, type Flood, startFlood } from "../__tests__/fixtures/flood.ts";
import { DAY_S, get, SCANS, withAgent } from "./gateway.ts";
import { memoryMiB, type Program } from "./measure.ts";
import type { World } from "./world.ts";

/**
 * Longer than the gateway waits for the rest of a head, so that a flood has done all that it can.
 */
const FLOOD_MS = 12_000;
const FLOOD_PATIENCE_MS = 30_000;

export interface FloodResult {
  /** What each connection of the flood did. */
  readonly title: string;
  readonly peakMiB: number;
  /** Until a call of the job's own was answered amid the flood. */
  readonly ownCallMs: number;
}

/** Every kind of flood, each against an agent of its own. */
export async function benchFloods(world: World): Promise<FloodResult[]> {
  const results: FloodResult[] = [];
  for (const flood of FLOODS)
    results.push(await withAgent(world, DAY_S, (gateway) => floodAgent(gateway, flood)));
  return results;
}

async function floodAgent(gateway: Program, flood: Flood): Promise<FloodResult> {
  const call = `${gateway.base}${SCANS}`;
  const { port, pathname } = new URL(call);
  const target = { port: Number(port), path: pathname };
  const { end } = startFlood(flood, target, flood.connections);
  try {
    await sleep(FLOOD_MS);
    const start = performance.now();
    await answered(call);
    return {
      title: flood.title,
      peakMiB: memoryMiB(gateway, "VmHWM"),
      ownCallMs: performance.now() - start,
    };
  } finally {
    end();
  }
}

/** Asks again and again, as a patient job does. @throws if nothing answers within half a minute */
async function answered(url: string): Promise<void> {
  const until = performance.now() + FLOOD_PATIENCE_MS;
  for (;;) {
    try {
      await get(url, false);
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      await sleep(100);
    }
  }
}
