// Runs jobs of an hour with a token agent each, the project's own keeper, and counts what they cost the server.

import { Keeper } from "../../src/agent/token-cache.ts";
import type { Token } from "../../src/armor/token.ts";
import { Simulation, seeded } from "./simulation.ts";

export interface Mints {
  readonly calls: number;
  readonly perJobMinute: number;
  /** Of the calls, how many had to wait for a token. */
  readonly waitedShare: number;
}

const JOB_MS = 3_600_000;
const LIFETIME_S = 60;
const MINT_MS = 100;

/** @param everyMs between two calls of a job on average; they come at random, as in a Poisson process */
export async function runMints(jobs: number, everyMs: number, seed = 1): Promise<Mints> {
  const simulation = new Simulation();
  const random = seeded(seed);
  const clock = simulation.clock(random);
  let [minted, calls, waited] = [0, 0, 0];

  const mint = (): Promise<Token> =>
    new Promise((resolve) => {
      const requestedAt = clock.now();
      const expiresAt = clock.date() + LIFETIME_S * 1000;
      simulation.after(MINT_MS, () =>
        resolve({ accessToken: String(minted), expiresIn: LIFETIME_S, expiresAt, requestedAt }),
      );
    });
  const onMint = () => {
    minted += 1;
  };
  const onFailure = (error: unknown) => {
    throw error;
  };

  const startJob = async () => {
    const endAt = simulation.now + JOB_MS;
    const keeper = new Keeper({ first: await mint(), mint, clock, onMint, onFailure });
    onMint();
    const call = async () => {
      if (simulation.now > endAt) return;
      calls += 1;
      simulation.after(-Math.log(1 - random()) * everyMs, call);
      const askedAt = simulation.now;
      await keeper.token();
      if (simulation.now > askedAt) waited += 1;
    };
    simulation.after(-Math.log(1 - random()) * everyMs, call);
  };
  for (let job = 0; job < jobs; job += 1) simulation.after(random() * LIFETIME_S * 1000, startJob);
  await simulation.run();
  return {
    calls,
    perJobMinute: minted / jobs / (JOB_MS / 60_000),
    waitedShare: waited / calls,
  };
}
