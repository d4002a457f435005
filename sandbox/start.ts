// `npm start`: the whole job as a runner runs it, against the sandbox or, with credentials, the real Armor.

import { randomBytes, randomUUID } from "node:crypto";
import { styleText } from "node:util";
import { Job, type StepResult, type Values } from "./runner.ts";

/** What the machine of the person who tries this may need on the way to the real Armor. */
const NETWORK = ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "NODE_EXTRA_CA_CERTS"];
/** Short, so that a job outlives its token while somebody watches. */
const SANDBOX_LIFETIME_S = 3;
/** Seconds that the second job makes calls: START_SECONDS, or more than a token lives. */
const LONG_JOB_S = Number(process.env["START_SECONDS"] || 1.5 * SANDBOX_LIFETIME_S);
const BETWEEN_CALLS_MS = 250;
const REPORT = "/api/v1/discovery/pqc/report";

interface Target {
  readonly appId: string;
  readonly apiKey: string;
  readonly apiUrl: string;
  readonly introduction: readonly string[];
  /** How many tokens were issued so far; undefined for the real Armor, which does not tell. */
  readonly countTokens: (() => number) | undefined;
  close(): Promise<void>;
}

async function start(): Promise<void> {
  const began = performance.now();
  const target = await chooseTarget();
  try {
    for (const line of target.introduction) print(line);
    const isSandbox = target.countTokens !== undefined;
    if (isSandbox) await failOnce(target);
    await inJob(target, {}, callOnce);
    await inJob(target, { "keep-fresh": "true" }, callForLong);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    print(
      `\n${styleText("green", "✓")} All of it worked as it should, in ${seconds} s, and no secret was printed.`,
    );
  } finally {
    await target.close();
  }
}

async function chooseTarget(): Promise<Target> {
  const { ARMOR_APP_ID: appId, ARMOR_API_KEY: apiKey, ARMOR_API_URL: apiUrl } = process.env;
  if (appId && apiKey) {
    const url = apiUrl || "https://api.armor.fortanix.com";
    return {
      appId,
      apiKey,
      apiUrl: url,
      introduction: [`Armor at ${url}, with ARMOR_APP_ID and ARMOR_API_KEY`],
      countTokens: undefined,
      close: async () => undefined,
    };
  }
  const credentials = { appId: randomUUID(), apiKey: randomBytes(48).toString("base64") };
  const { startSandbox } = await import("./armor.ts"); // the OAuth server takes half a second to load
  const sandbox = await startSandbox({ ...credentials, tokenLifetime: SANDBOX_LIFETIME_S });
  return {
    ...credentials,
    apiUrl: sandbox.url,
    introduction: [
      `Armor sandbox at ${sandbox.url}`,
      "It is an OAuth 2.0 server with made-up Key Insight data. Nothing leaves this machine.",
      `A token of this sandbox lives ${SANDBOX_LIFETIME_S} s, so that you can watch it being renewed; one of Armor's lives 60 s.`,
      "For the real Armor, set ARMOR_APP_ID and ARMOR_API_KEY.",
    ],
    countTokens: () => sandbox.issued.length,
    close: () => sandbox.close(),
  };
}

/** What a workflow with a wrong secret shows. */
async function failOnce({ appId, apiUrl }: Target): Promise<void> {
  const job = await Job.start({ "app-id": appId, "api-key": "a-wrong-key", "api-url": apiUrl });
  try {
    title("Run armor-token-action with a wrong api-key (it has to fail)");
    const { exitCode, stdout, stderr } = await job.main();
    for (const line of job.log(stderr + stdout)) detail(line);
    if (exitCode !== 1) throw new Error("a wrong key was accepted");
    detail("As intended: this is what a wrong secret looks like.");
  } finally {
    await job.end();
  }
}

/** Main step, the steps in between, post step; all of them have to work, and show no secret. */
async function inJob(
  target: Target,
  inputs: Values,
  steps: (job: Job, target: Target) => Promise<void>,
): Promise<void> {
  const { appId, apiKey, apiUrl } = target;
  const network = NETWORK.map((name) => [name, process.env[name]]).filter(([, value]) => value);
  const job = await Job.start(
    { "app-id": appId, "api-key": apiKey, "api-url": apiUrl, ...inputs },
    Object.fromEntries(network),
  );
  let isOver = false;
  try {
    const options = Object.entries(inputs).map(([name, value]) => ` (${name}: ${value})`);
    title(`Run armor-token-action${options.join("")}`);
    show(job, "main", await job.main());
    for (const [name, value] of Object.entries(job.outputs)) detail(`${name}: ${job.mask(value)}`);
    await steps(job, target);
    title("Post armor-token-action");
    isOver = true;
    show(job, "post", await job.post());
    const secrets = [
      apiKey,
      job.outputs["access-token"],
      job.outputs["gateway-url"]?.split("/").at(-1),
    ];
    if (secrets.some((secret) => secret && printed.join("\n").includes(secret))) {
      throw new Error("a secret was printed");
    }
  } finally {
    if (!isOver) await job.post(); // the token agent would live on
    await job.end();
  }
}

async function callOnce(job: Job, { apiUrl }: Target): Promise<void> {
  title(`Call ${REPORT} with the output access-token`);
  const { vulnerable, total, connections } = await readReport(
    apiUrl,
    job.outputs["access-token"] ?? "",
  );
  const assets = `${vulnerable} of ${total} assets in ${connections} connections`;
  detail(`200: ${assets} are quantum-vulnerable.`);
}

/** Calls for longer than a token lives, and says once a second how it goes. */
async function callForLong(job: Job, { countTokens }: Target): Promise<void> {
  title(`Call $ARMOR_GATEWAY_URL${REPORT} four times a second, without a token`);
  const tokensBefore = (countTokens?.() ?? 0) - 1; // the main step's own token is the first
  const began = performance.now();
  let calls = 0;
  let nextLineMs = 1_000;
  for (let elapsedMs = 0; elapsedMs < LONG_JOB_S * 1000; elapsedMs = performance.now() - began) {
    checkInterruption();
    await readReport(job.outputs["gateway-url"] ?? "");
    calls += 1;
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_CALLS_MS));
    if (performance.now() - began < nextLineMs) continue;
    const token = countTokens && `, ${ordinal(countTokens() - tokensBefore)} token`;
    detail(`${nextLineMs / 1000} s: ${calls} calls, all 200${token ?? ""}`);
    nextLineMs += 1_000;
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const lifetime = job.outputs["expires-in"];
  detail(`${calls} calls in ${seconds} s, all 200, while a token lives ${lifetime} s.`);
  title("Run armor-token --header");
  const command = job.outputs["token-command"] ?? "";
  show(job, "armor-token", await job.runProgram(command, ["--header"]));
}

function ordinal(number: number): string {
  return ["first", "second", "third", "fourth", "fifth"][number - 1] ?? `${number}th`;
}

interface Report {
  readonly vulnerable: number;
  readonly total: number;
  readonly connections: number;
}

/** A call as a later step would make it: with the output in its header, or without one through the gateway. */
async function readReport(baseUrl: string, token?: string): Promise<Report> {
  const headers = new Headers();
  if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
  const response = await fetch(baseUrl + REPORT, { headers });
  if (!response.ok) throw new Error(`Key Insight answered ${response.status}`);
  const { connection_summary } = (await response.json()) as {
    connection_summary: Record<string, { total_count: number; pqc_vulnerable_count: number }>;
  };
  const report = { vulnerable: 0, total: 0, connections: 0 };
  for (const { total_count, pqc_vulnerable_count } of Object.values(connection_summary)) {
    report.total += total_count;
    report.vulnerable += pqc_vulnerable_count;
    report.connections += 1;
  }
  return report;
}

let interruption: string | undefined;
process.once("SIGINT", () => {
  interruption = "it was interrupted";
});
process.stdout.on("error", () => {
  interruption = "its output was closed";
});

function checkInterruption(): void {
  if (interruption !== undefined) throw new Error(interruption);
}

const printed: string[] = [];

function print(line: string): void {
  printed.push(line);
  process.stdout.write(`${line}\n`);
}

function title(text: string): void {
  checkInterruption();
  print(`\n${styleText("bold", `▸ ${text}`)}`);
}

function detail(line: string): void {
  print(`  ${line}`);
}

/** Shows what a step printed, masks on stderr first, as the runner would have it by then. */
function show(job: Job, step: string, { exitCode, stdout, stderr }: StepResult): void {
  for (const line of job.log(stderr + stdout)) detail(line);
  if (exitCode !== 0) throw new Error(`the ${step} step failed`);
}

start().catch((error: Error) => {
  print(`\n${styleText("red", "✗")} It did not work: ${error.message}.`);
  process.exitCode = 1;
});
