// Other programs of the machine, which do not know the gateway's address and flood its port beside
// the job's own calls.

import { setTimeout as sleep } from "node:timers/promises";
import { FLOODS, startFlood } from "../../__tests__/fixtures/flood.ts";
import { between } from "./armor.ts";

/** More than the gateway lets wait, so that it has to choose whom it closes. */
const CONNECTIONS = 3_000;
const LASTS_MS = [2_000, 12_000] as const;
const QUIET_MS = [1_000, 5_000] as const;
/** So that a soak sees the end of a flood at its own end, too. */
const STEP_MS = 100;

/** One flood after another, of each kind in turn. @returns how many there were */
export async function floodAgain(gatewayUrl: string, isOver: () => boolean): Promise<number> {
  const target = { port: Number(new URL(gatewayUrl).port), path: "/" };
  const kinds = FLOODS.filter(({ hasAddress }) => !hasAddress);
  let floods = 0;
  while (!isOver()) {
    const kind = kinds[floods % kinds.length];
    if (kind === undefined) throw new Error("no flood is made by strangers");
    floods += 1;
    const { end } = startFlood(kind, target, CONNECTIONS);
    await sleepUnless(isOver, between(LASTS_MS));
    end();
    await sleepUnless(isOver, between(QUIET_MS));
  }
  return floods;
}

async function sleepUnless(isOver: () => boolean, ms: number): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until && !isOver()) await sleep(STEP_MS);
}
