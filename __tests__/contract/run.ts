// `npm run test:contract -- openapi.json`: a whole job of the built action against the vendor's document, as Prism
// serves and checks it: the exchange, every Key Insight operation through the gateway, the session's end.

import { readFile } from "node:fs/promises";
import { Job, type StepResult } from "../../sandbox/runner.ts";
import { type Mock, startMock } from "./prism.ts";

const TOKEN = "/api/v1/iam/session/oauth2/token";
const TERMINATE = "/api/v1/iam/session/terminate";
const KEY_INSIGHT = "/api/v1/discovery/";
const ID = "8a1c3f0e-6f2b-4d3a-9c5e-2b7d90e1f4a6";
const CREDENTIALS = {
  "app-id": "0d9bd4bb-6ff5-4e36-8f1c-5f7d1a52c1a9",
  "api-key": "c29tZSBrZXk+/w==",
};

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

interface Grant {
  readonly access_token: string;
  readonly expires_in: number;
}

class UsageError extends Error {}

const results = { passed: 0, failed: 0 };
const say = (line: string) => process.stdout.write(`${line}\n`);

/** @param problems none where it passed */
function report(what: string, problems: readonly string[], note = ""): void {
  results[problems.length === 0 ? "passed" : "failed"] += 1;
  say(problems.length === 0 ? what + note : `FAILED ${what}: ${problems.join("; ")}`);
}

async function readDocument(file: string | undefined): Promise<OpenApi> {
  if (file === undefined)
    throw new UsageError("usage: npm run test:contract -- path/to/openapi.json");
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`test:contract: cannot read ${file} (${error.code})`);
  });
  const document = parsed(text);
  if (typeof document?.paths === "object") return document;
  throw new UsageError(`test:contract: ${file} is no OpenAPI document in JSON`);
}

function parsed(text: string): OpenApi | undefined {
  try {
    return JSON.parse(text) as OpenApi;
  } catch {
    return undefined;
  }
}

/** The paths of all GET operations of Key Insight, ready to be called. */
function operationsOf({ paths }: OpenApi): string[] {
  const own = Object.entries(paths).filter(
    ([path, { get }]) => path.startsWith(KEY_INSIGHT) && get,
  );
  return own.map(([path]) => path.replace(/\{[^}]+\}/g, ID));
}

/** Reports what Prism answered to the latest such call; what it never saw has failed. */
function reportAnswer(mock: Mock, call: string, problems: readonly string[]): void {
  const answer = mock.answers.findLast((one) => one.call === call);
  const { status, violations } = answer ?? { status: "no answer to", violations: "" };
  // Prism refuses what is an error in a request, and only notes what is less.
  const isFitting = !violations.includes('"location":["request"');
  const own = [
    ...(isSuccess(status) ? [] : ["Prism gave no success"]),
    ...(isFitting ? [] : [violations]),
  ];
  const note = violations === "" ? "" : "  (Prism's own sample does not fit the document)";
  report(`${status} ${call}`, [...own, ...problems], note);
}

const isSuccess = (status: unknown) => typeof status === "number" && status >= 200 && status < 300;

/** Shows that a 2xx means something: the same calls, with faults, have to be refused. */
async function checkStrictness({ url }: Mock, operation: string): Promise<void> {
  const bare = await fetch(url + operation);
  report(
    `${bare.status} GET ${operation} without a token`,
    bare.status === 401 ? [] : ["not refused"],
  );
  const grant = await fetch(url + TOKEN, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "no" }),
  });
  report(
    `${grant.status} POST ${TOKEN} with an unknown grant_type`,
    grant.status === 422 ? [] : ["not refused"],
  );
}

async function checkExchange(mock: Mock, job: Job): Promise<void> {
  const main = await job.main();
  reportAnswer(mock, `POST ${TOKEN}`, stepProblems(job, main));
  if (main.exitCode === 0) await checkOutputs(mock, job);
}

async function checkOutputs(mock: Mock, job: Job): Promise<void> {
  const body = new URLSearchParams({ grant_type: "client_credentials" });
  const granted = (await (await fetch(mock.url + TOKEN, { method: "POST", body })).json()) as Grant;
  const { "access-token": accessToken, "expires-in": expiresIn } = job.outputs;
  report(`the outputs hold the document's example, expires-in ${expiresIn}`, [
    ...(accessToken === granted.access_token ? [] : ["another access-token"]),
    ...(expiresIn === String(granted.expires_in) ? [] : [`${granted.expires_in} was answered`]),
  ]);
}

async function checkOperation(mock: Mock, job: Job, operation: string): Promise<void> {
  const response = await fetch(job.outputs["gateway-url"] + operation);
  const body = await response.text();
  const problems = isSuccess(response.status)
    ? []
    : [`the gateway answered ${response.status} ${body}`];
  reportAnswer(mock, `GET ${operation}`, problems);
}

async function checkEnd(mock: Mock, job: Job, operations: number): Promise<void> {
  const post = await job.post();
  reportAnswer(mock, `POST ${TERMINATE}`, stepProblems(job, post));
  const [line = ""] = job.log(post.stdout);
  const did = `${operations} calls answered (2xx ${operations}), 1 token fetched, 1 session ended`;
  const expected = `Token agent: ${did}.`;
  report(line, line === expected ? [] : [`not: ${expected}`]);
}

function stepProblems(job: Job, { exitCode, stdout, stderr }: StepResult): string[] {
  return exitCode === 0 && stderr === ""
    ? []
    : [`exit code ${exitCode}`, ...job.log(stderr + stdout)];
}

async function checkJob(mock: Mock, operations: readonly string[]): Promise<void> {
  const job = await Job.start({
    ...CREDENTIALS,
    "api-url": mock.url,
    "keep-fresh": "true",
    timeout: "5",
  });
  try {
    await checkExchange(mock, job);
    // Without a gateway, the failure of the exchange says it all.
    if (job.outputs["gateway-url"] === undefined) return;
    for (const operation of operations) await checkOperation(mock, job, operation);
    await checkEnd(mock, job, operations.length);
  } finally {
    await job.end();
  }
}

async function run(file: string | undefined): Promise<void> {
  const operations = operationsOf(await readDocument(file));
  const [first] = operations;
  if (file === undefined || first === undefined)
    throw new UsageError(`test:contract: ${file} has no GET operation below ${KEY_INSIGHT}`);
  const mock = await startMock(file);
  try {
    await checkJob(mock, operations);
    await checkStrictness(mock, first);
  } finally {
    mock.close();
  }
  say(`${results.passed} passed, ${results.failed} failed`);
  if (results.failed > 0) process.exitCode = 1;
}

try {
  await run(process.argv[2]);
} catch (error) {
  process.stderr.write(`${error instanceof UsageError ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
