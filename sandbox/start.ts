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
  readonly isSandbox: boolean;
  close(): Promise<void>;
}

async function start(): Promise<void> {
  const began = performance.now();
  const target = await chooseTarget();
  try {
    for (const line of target.introduction) print(line);
    if (target.isSandbox) await failOnce(target);
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
      isSandbox: false,
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
      `Armor sandbox at ${sandbox.url}, whose tokens live ${SANDBOX_LIFETIME_S} seconds`,
      "The sandbox is an OAuth 2.0 server with made-up Key Insight data in this process: nothing leaves this machine.",
      "For the real Armor, set ARMOR_APP_ID and ARMOR_API_KEY.",
    ],
    isSandbox: true,
    close: () => sandbox.close(),
  };
}

/** What a workflow with a wrong secret shows. */
async function failOnce({ appId, apiUrl }: Target): Promise<void> {
  const job = await Job.start({ "app-id": appId, "api-key": "a-wrong-key", "api-url": apiUrl });
  try {
    title("Run armor-token-action with a wrong api-key");
    const { exitCode, stdout, stderr } = await job.main();
    for (const line of job.log(stderr + stdout)) detail(line);
    if (exitCode !== 1) throw new Error("a wrong key was accepted");
  } finally {
    await job.end();
  }
}

/** Main step, the steps in between, post step; all of them have to work, and show no secret. */
async function inJob(
  { appId, apiKey, apiUrl }: Target,
  inputs: Values,
  steps: (job: Job, apiUrl: string) => Promise<void>,
): Promise<void> {
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
    await steps(job, apiUrl);
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

async function callOnce(job: Job, apiUrl: string): Promise<void> {
  title(`Run curl ${REPORT}`);
  detail(await callKeyInsight(apiUrl, job.outputs["access-token"] ?? ""));
}

async function callForLong(job: Job): Promise<void> {
  title(`Run curl $ARMOR_GATEWAY_URL${REPORT}, again and again`);
  const began = performance.now();
  let calls = 0;
  for (; performance.now() - began < LONG_JOB_S * 1000; calls += 1) {
    checkInterruption();
    await callKeyInsight(job.outputs["gateway-url"] ?? "");
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_CALLS_MS));
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  detail(
    `200, ${calls} times in ${seconds} s, with a token that lives ${job.outputs["expires-in"]} s.`,
  );
  title("Run armor-token --header");
  show(job, "armor-token", await job.run(`'${job.outputs["token-command"]}' --header`));
}

/** A call as a later step would make it: with the output in its header, or without one through the gateway. */
async function callKeyInsight(baseUrl: string, token?: string): Promise<string> {
  const headers: Record<string, string> =
    token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(baseUrl + REPORT, { headers });
  if (!response.ok) throw new Error(`Key Insight answered ${response.status}`);
  const { connection_summary } = (await response.json()) as {
    connection_summary: Record<string, { total_count: number; pqc_vulnerable_count: number }>;
  };
  const connections = Object.values(connection_summary);
  const total = connections.reduce((sum, { total_count }) => sum + total_count, 0);
  const vulnerable = connections.reduce(
    (sum, { pqc_vulnerable_count }) => sum + pqc_vulnerable_count,
    0,
  );
  return `${response.status}: ${vulnerable} of ${total} assets in ${connections.length} connections are quantum-vulnerable.`;
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
