// `npm start`: the whole job as a runner runs it, against the sandbox or, with credentials, the real Armor.

import { randomBytes, randomUUID } from "node:crypto";
import { styleText } from "node:util";
import { startSandbox } from "./armor.ts";
import { Job, type StepResult } from "./runner.ts";

/** What the machine of the person who tries this may need on the way to the real Armor. */
const NETWORK = ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "NODE_EXTRA_CA_CERTS"];
const REPORT = "/api/v1/discovery/pqc/report";

interface Target {
  readonly appId: string;
  readonly apiKey: string;
  readonly apiUrl: string;
  readonly introduction: string;
  close(): Promise<void>;
}

async function start(): Promise<void> {
  const began = performance.now();
  const target = await chooseTarget();
  const inputs = { "app-id": target.appId, "api-key": target.apiKey, "api-url": target.apiUrl };
  const network = NETWORK.map((name) => [name, process.env[name]]).filter(([, value]) => value);
  const job = await Job.start(inputs, Object.fromEntries(network));
  try {
    print(target.introduction);
    await runJob(job, target);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    print(`\n${styleText("green", "✓")} All of it worked, in ${seconds} s, and no secret was printed.`);
  } finally {
    await job.end();
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
      introduction: `Armor at ${url}, with ARMOR_APP_ID and ARMOR_API_KEY`,
      close: async () => undefined,
    };
  }
  const credentials = { appId: randomUUID(), apiKey: randomBytes(48).toString("base64") };
  const sandbox = await startSandbox(credentials);
  return {
    ...credentials,
    apiUrl: sandbox.url,
    introduction: `Armor sandbox at ${sandbox.url}\nFor the real Armor, set ARMOR_APP_ID and ARMOR_API_KEY.`,
    close: () => sandbox.close(),
  };
}

async function runJob(job: Job, { apiKey, apiUrl }: Target): Promise<void> {
  title("Run armor-token-action");
  const main = await job.main();
  show(job, main);
  for (const [name, value] of Object.entries(job.outputs)) detail(`${name}: ${job.mask(value)}`);
  if (main.exitCode !== 0) throw new Error("the main step failed");

  const token = job.outputs["access-token"] ?? "";
  title(`Run curl $ARMOR${REPORT}`);
  detail(await callKeyInsight(apiUrl, token));

  title("Post armor-token-action");
  const post = await job.post();
  show(job, post);
  if (post.exitCode !== 0) throw new Error("the post step failed");

  const shown = [...printed, ...job.log(main.stderr), ...job.log(post.stderr)].join("\n");
  if (shown.includes(token) || shown.includes(apiKey)) throw new Error("a secret was printed");
}

/** A call as a later step would make it, with the output in its header. */
async function callKeyInsight(apiUrl: string, token: string): Promise<string> {
  const response = await fetch(apiUrl + REPORT, { headers: { Authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error(`Key Insight answered ${response.status}`);
  const { connection_summary } = (await response.json()) as {
    connection_summary: Record<string, { total_count: number; pqc_vulnerable_count: number }>;
  };
  const connections = Object.values(connection_summary);
  const total = connections.reduce((sum, { total_count }) => sum + total_count, 0);
  const vulnerable = connections.reduce((sum, { pqc_vulnerable_count }) => sum + pqc_vulnerable_count, 0);
  return `${response.status}: ${vulnerable} of ${total} assets in ${connections.length} connections are quantum-vulnerable.`;
}

const printed: string[] = [];

function print(line: string): void {
  printed.push(line);
  process.stdout.write(`${line}\n`);
}

function title(text: string): void {
  print(`\n${styleText("bold", `▸ ${text}`)}`);
}

function detail(line: string): void {
  print(`  ${line}`);
}

function show(job: Job, { stdout, stderr }: StepResult): void {
  for (const line of job.log(stdout + stderr)) detail(line);
}

start().catch((error: Error) => {
  print(`\n${styleText("red", "✗")} It did not work: ${error.message}.`);
  process.exitCode = 1;
});
