// `npm run soak -- --minutes N`: a real token agent between an Armor in bad shape and clients of every kind. It fails if
// a call is lost that a patient caller could have had, or if the agent's memory or open files grow. Linux.

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startAgent } from "../../sandbox/agent.ts";
import { type RunningAgent, stopAgent } from "../../src/launch.ts";
import { median, memoryMiB } from "../measure.ts";
import { startBadArmor } from "./armor.ts";
import { CLIENTS, runClient, type Tally } from "./clients.ts";

const SAMPLE_MS = 1_000;
const REPORT_MS = 10_000;
/** Connections that are kept on either side close by themselves within this. */
const SETTLE_MS = 15_000;
/** The budget while streaming is 160; here hundreds of abandoned uploads may wait beside it while a mint stalls. */
const MAX_MIB = 200;
/** From quarter to quarter of the run. A burst may fill memory that is then kept: only what grows on and on is a leak. */
const MAX_GROWTH = 1.05;
/** The first minute or two fill the heap. */
const JUDGED_MINUTES = 3;
/** Between the answer to `POST /stop` and the end of the process. */
const END_MS = 3_000;
/** Files that may be open more at the end than at the start. */
const MAX_MORE_FILES = 4;

interface Sample {
  readonly MiB: number;
  readonly files: number;
}

/** Of an agent that is no more. */
const DEAD: Sample = { MiB: 0, files: 0 };

const say = (line: string) => process.stdout.write(`${line}\n`);

async function sampleOf(agent: RunningAgent): Promise<Sample> {
  return { MiB: memoryMiB(agent), files: (await readdir(`/proc/${agent.pid}/fd`)).length };
}

const list = (counts: ReadonlyMap<string, number>) =>
  [...counts].map(([name, count]) => `${name} ${count}`).join(", ") || "none";
const sum = (counts: ReadonlyMap<string, number>) =>
  [...counts.values()].reduce((total, count) => total + count, 0);

/** @returns what is wrong, a line each; empty where all is well */
async function soak(minutes: number): Promise<string[]> {
  const temp = await mkdtemp(join(tmpdir(), "armor-soak-"));
  const armor = await startBadArmor();
  const agent = await startAgent({
    apiUrl: armor.url,
    temp,
    timeoutMs: 12_000,
    idleMs: 10_000,
    terminateSession: true,
    first: { accessToken: "dead", expiresIn: 1e-3 },
  });
  const tally: Tally = { calls: new Map(), failedTries: new Map(), lost: [], longestMs: 0 };
  const first = await sampleOf(agent);
  const samples: Sample[] = [];
  const start = performance.now();
  const isOver = () => samples.at(-1) === DEAD || performance.now() - start > minutes * 60_000;
  const sample = async () => void samples.push(await sampleOf(agent).catch(() => DEAD));
  const sampling = setInterval(sample, SAMPLE_MS);
  const reporting = setInterval(() => {
    const { MiB, files } = samples.at(-1) ?? first;
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    say(
      `${seconds.padStart(5)} s  ${sum(tally.calls)} calls, ${armor.issued} tokens, ${sum(armor.faults)} faults, ${MiB.toFixed(0)} MiB, ${files} files open`,
    );
  }, REPORT_MS);
  try {
    const target = { gatewayUrl: agent.gatewayUrl, command: agent.command };
    await Promise.all(Object.keys(CLIENTS).map((name) => runClient(name, target, tally, isOver)));
    clearInterval(sampling);
    clearInterval(reporting);
    if (samples.includes(DEAD)) return [`the agent died after ${samples.indexOf(DEAD)} s`];
    await sleep(SETTLE_MS);
    const last = await sampleOf(agent);
    const farewell = await stopAgent(agent.folder);
    for (let ms = 0; ms < END_MS && isAlive(agent); ms += 50) await sleep(50);
    report();
    return [
      ...tally.lost.map((line) => `lost: ${line}`),
      ...growth(first, samples, last),
      ...leftovers(farewell),
    ];

    function report(): void {
      const of = (field: keyof Sample) => samples.map((sample) => sample[field]);
      const quarters = quartersOf(samples)
        .map((MiB) => MiB.toFixed(0))
        .join(", ");
      say(`\ncalls that ended well: ${sum(tally.calls)} (${list(tally.calls)})`);
      say(`tries that did not: ${sum(tally.failedTries)} (${list(tally.failedTries)})`);
      say(`longest call, patience included: ${(tally.longestMs / 1000).toFixed(1)} s`);
      say(
        `tokens ${armor.issued}, revocations ${armor.revocations}, failed mints ${sum(armor.faults)} (${list(armor.faults)})`,
      );
      say(
        `memory: ${first.MiB.toFixed(0)} MiB at the start, by quarters ${quarters}, at most ${Math.max(...of("MiB")).toFixed(0)}, ${last.MiB.toFixed(0)} at the end`,
      );
      say(
        `open files: ${first.files} at the start, median ${median(of("files"))}, at most ${Math.max(...of("files"))}, ${last.files} at the end`,
      );
    }
  } finally {
    clearInterval(sampling);
    clearInterval(reporting);
    if (isAlive(agent)) process.kill(agent.pid, "SIGKILL");
    await armor.close();
    await rm(temp, { recursive: true });
  }

  function leftovers(farewell: Awaited<ReturnType<typeof stopAgent>>): string[] {
    if (farewell === undefined) return ["the agent did not answer when it was told to stop"];
    const minted = farewell.report.minted - 1; // its first token is not of this Armor
    return [
      ...(minted === armor.issued ? [] : [`the agent counts ${minted} tokens, Armor ${armor.issued}`]),
      ...(isAlive(agent) ? ["the agent lives on after it was stopped"] : []),
    ];
  }
}

/** The median memory of each quarter of the run. */
function quartersOf(samples: readonly Sample[]): number[] {
  const length = Math.max(1, Math.floor(samples.length / 4));
  return [0, 1, 2, 3].map((index) =>
    median(samples.slice(index * length, (index + 1) * length).map(({ MiB }) => MiB)),
  );
}

function growth(first: Sample, samples: readonly Sample[], last: Sample): string[] {
  const quarters = quartersOf(samples);
  const isJudged = samples.length * SAMPLE_MS >= JUDGED_MINUTES * 60_000;
  const grows = quarters.slice(2).every((MiB, index) => MiB > (quarters[index + 1] ?? 0) * MAX_GROWTH);
  const most = Math.max(...samples.map(({ MiB }) => MiB));
  return [
    ...(isJudged && grows ? ["memory grows from quarter to quarter"] : []),
    ...(most > MAX_MIB ? [`${most.toFixed(0)} MiB of memory at most, which should be ${MAX_MIB}`] : []),
    ...(last.files > first.files + MAX_MORE_FILES
      ? [`${last.files - first.files} more files open than before`]
      : []),
  ];
}

function isAlive({ pid }: RunningAgent): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { minutes: { type: "string", default: "5" } } });
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Error("--minutes takes a number above 0");
  const problems = await soak(minutes);
  for (const problem of problems) say(`✗ ${problem}`);
  if (problems.length > 0) throw new Error("something was lost or grew");
  say("✓ Nothing was lost, nothing grew.");
}

main().catch(({ message }: Error) => {
  process.stderr.write(`soak: ${message}\n`);
  process.exitCode = 1;
});
