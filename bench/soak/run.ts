// `npm run soak -- --minutes N`: a real token agent between an Armor in bad shape, behind a proxy
// that restarts, and clients of every kind, while strangers flood its port. It fails if a call is
// lost that a patient caller could have had, or if the agent's memory or open files grow. Linux.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createAuthority } from "../../__tests__/fixtures/certificates.ts";
import { type BuiltAgent, startBuiltAgent } from "../../sandbox/agent.ts";
import { stopAgent } from "../../src/agent-client/stop.ts";
import { CONTROL_FILE } from "../../src/protocol/config.ts";
import { median, memoryMiB } from "../measure.ts";
import { type BadArmor, startBadArmor } from "./armor.ts";
import { CLIENTS, runClient, type Tally } from "./clients.ts";
import { type BadProxy, startBadProxy } from "./proxy.ts";
import { floodAgain } from "./strangers.ts";

/** Not a loopback name: those are never asked of a proxy. */
const ARMOR = "armor.soak.test";
const SAMPLE_MS = 1_000;
const REPORT_MS = 10_000;
/** Connections that are kept close by themselves within this. */
const SETTLE_MS = 18_000;
/** The budget under a flood (docs/benchmarks.md); here many replies stream meanwhile. */
const MAX_MIB = 400;
/**
 * From quarter to quarter of the run. A burst may fill memory that is then kept: only what grows on
 * and on is a leak.
 */
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

const say = (line: string) => process.stdout.write(`${line}\n`);
const list = (counts: ReadonlyMap<string, number>) =>
  [...counts].map(([name, count]) => `${name} ${count}`).join(", ") || "none";
const sum = (counts: ReadonlyMap<string, number>) =>
  [...counts.values()].reduce((total, count) => total + count, 0);

/**
 * Sets everything up, and ends what it started. @returns what is wrong, a line each; empty if all
 * is well
 */
async function soak(minutes: number): Promise<string[]> {
  const temp = await mkdtemp(join(tmpdir(), "armor-soak-"));
  const authority = await createAuthority("soak");
  const armor = await startBadArmor(await authority.sign([ARMOR]));
  const proxy = await startBadProxy(armor.port);
  try {
    const agent = await startBuiltAgent({
      apiUrl: `https://${ARMOR}`,
      certificates: [authority.certificate],
      route: {
        proxy: { variable: "https_proxy", value: `http://127.0.0.1:${proxy.port}` },
        noProxy: "",
      },
      temp,
      timeoutMs: 12_000,
      limits: { connectMs: 5_000, headMs: 10_000, idleMs: 10_000 },
      first: { accessToken: "dead", expiresIn: 1e-3 },
    });
    try {
      return await soakAgent(agent, armor, proxy, minutes);
    } finally {
      if (isAlive(agent)) process.kill(agent.pid, "SIGKILL");
    }
  } finally {
    proxy.close();
    armor.close();
    await rm(temp, { recursive: true });
  }
}

async function soakAgent(
  agent: BuiltAgent,
  armor: BadArmor,
  proxy: BadProxy,
  minutes: number,
): Promise<string[]> {
  const tally: Tally = { calls: new Map(), failedTries: new Map(), lost: [], longestMs: new Map() };
  const controlUrl = (await readFile(join(agent.folder, CONTROL_FILE), "utf8")).trim();
  const target = { ...agent, controlUrl, proxy };
  const first = await sampleOf(agent);
  const samples: Sample[] = [];
  const start = performance.now();
  const isOver = () => !isAlive(agent) || performance.now() - start > minutes * 60_000;
  const timer = setInterval(async () => {
    const sample = await sampleOf(agent).catch(() => undefined); // it has died
    if (sample !== undefined) samples.push(sample);
    if (samples.length % (REPORT_MS / SAMPLE_MS) === 0) progress(tally, armor, samples);
  }, SAMPLE_MS);
  try {
    const clients = Object.keys(CLIENTS).map((name) => runClient(name, target, tally, isOver));
    const strangers = floodAgain(agent.gatewayUrl, isOver);
    await Promise.all(clients);
    say(`\nfloods of strangers' connections: ${await strangers}`);
  } finally {
    clearInterval(timer);
  }
  if (!isAlive(agent)) return [`the agent died after ${samples.length} s`];
  await sleep(SETTLE_MS);
  const last = await sampleOf(agent);
  report(tally, armor, proxy, first, samples, last);
  return [
    ...tally.lost.map((line) => `lost: ${line}`),
    ...(proxy.swallowed > 0 ? [`idle connections were used again ${proxy.swallowed} times`] : []),
    ...growth(first, samples, last),
    ...(await leftovers(agent, armor, proxy)),
  ];
}

async function sampleOf(agent: BuiltAgent): Promise<Sample> {
  return { MiB: memoryMiB(agent), files: (await readdir(`/proc/${agent.pid}/fd`)).length };
}

function progress(tally: Tally, armor: BadArmor, samples: readonly Sample[]): void {
  const { MiB = 0, files = 0 } = samples.at(-1) ?? {};
  const seconds = String((samples.length * SAMPLE_MS) / 1000).padStart(5);
  const counts = `${sum(tally.calls)} calls, ${armor.issued} tokens, ${sum(armor.faults)} faults`;
  say(`${seconds} s  ${counts}, ${MiB.toFixed(0)} MiB, ${files} files open`);
}

function report(
  { calls, failedTries, longestMs }: Tally,
  armor: BadArmor,
  proxy: BadProxy,
  first: Sample,
  samples: readonly Sample[],
  last: Sample,
): void {
  const of = (field: keyof Sample) => samples.map((sample) => sample[field]);
  const quarters = quartersOf(samples).map((MiB) => MiB.toFixed(0));
  const most = Math.max(...of("MiB")).toFixed(0);
  say(`calls that ended well: ${sum(calls)} (${list(calls)})`);
  say(`tries that did not: ${sum(failedTries)} (${list(failedTries)})`);
  const longest = [...longestMs].map(([name, ms]) => `${name} ${(ms / 1000).toFixed(1)} s`);
  say(`longest call, patience included: ${longest.join(", ")}`);
  say(
    `tokens ${armor.issued}, revocations ${armor.revocations}, restarts of the proxy ${proxy.restarts}`,
  );
  say(`failed mints ${sum(armor.faults)} (${list(armor.faults)})`);
  say(
    `memory: ${first.MiB.toFixed(0)} MiB at the start, by quarters ${quarters.join(", ")}, at most ${most}, ${last.MiB.toFixed(0)} at the end`,
  );
  say(
    `open files: ${first.files} at the start, median ${median(of("files"))}, at most ${Math.max(...of("files"))}, ${last.files} at the end`,
  );
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
  const grows = quarters
    .slice(2)
    .every((MiB, index) => MiB > (quarters[index + 1] ?? 0) * MAX_GROWTH);
  const most = Math.max(...samples.map(({ MiB }) => MiB));
  const moreFiles = last.files - first.files;
  return [
    ...(isJudged && grows ? ["memory grows from quarter to quarter"] : []),
    ...(most > MAX_MIB
      ? [`${most.toFixed(0)} MiB of memory at most, which should be ${MAX_MIB}`]
      : []),
    ...(moreFiles > MAX_MORE_FILES ? [`${moreFiles} more files open than before`] : []),
  ];
}

async function leftovers(agent: BuiltAgent, armor: BadArmor, proxy: BadProxy): Promise<string[]> {
  const env = { RUNNER_TEMP: dirname(agent.folder) };
  const stopped = await stopAgent(agent.folder, AbortSignal.timeout(10_000), env);
  for (let ms = 0; ms < END_MS && isAlive(agent); ms += 50) await sleep(50);
  if (stopped.kind !== "ended" || stopped.stats === undefined)
    return [`the agent did not stop when it was told to: ${JSON.stringify(stopped)}`];
  const missing = armor.issued - (stopped.stats.minted - 1); // the first token is not of this Armor
  return [
    // A restart of the proxy can cost the reply that is under way.
    ...(missing < 0 || missing > proxy.restarts
      ? [`of ${armor.issued} tokens the agent misses ${missing}`]
      : []),
    ...(isAlive(agent) ? ["the agent lives on after it was stopped"] : []),
  ];
}

function isAlive({ pid }: BuiltAgent): boolean {
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
