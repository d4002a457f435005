// Measures the main step, whole processes: against the same exchange on bare node:http and in curl, without TLS and with.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority } from "../__tests__/fixtures/certificates.ts";
import { ROOT, readAction } from "../sandbox/runner.ts";
import { type Command, inTurns, startProgram } from "./measure.ts";

const ROUNDS = 60;

/** In a process of its own, which is warm and does not measure. */
const SERVER = `
const { key, cert } = process.env;
const answer = JSON.stringify({ access_token: "t0k3n".repeat(10), token_type: "Bearer", expires_in: 60 });
const listener = (request, response) => {
  request.resume().on("end", () => response.writeHead(200, { "Content-Type": "application/json" }).end(answer));
};
const { createServer } = require(cert ? "https" : "http");
(cert ? createServer({ key, cert }, listener) : createServer(listener))
  .listen(0, "127.0.0.1", function () { console.log(this.address().port); });
`;

/** What people do without this action, as the vendor's article has it. */
const CURL = `
token=$(curl --silent --location --request POST "$API_URL/api/v1/iam/session/oauth2/token" \\
  --header "Authorization: Basic $(printf %s "$APP_ID:$API_KEY" | base64 --wrap 0)" \\
  --header 'X-Csrf-Header:""' \\
  --header 'Content-Type: application/x-www-form-urlencoded' \\
  --data grant_type=client_credentials | jq --raw-output .access_token)
echo "::add-mask::$token"
echo "access-token=$token" >> "$GITHUB_OUTPUT"
`;

export type Way = "empty Node" | "bare node:http" | "main step" | "curl and jq";
export type MainStepTimes = Record<Way, number[]>;

/** @returns ms a run, without TLS and with */
export async function benchMainStep(): Promise<{ http: MainStepTimes; https: MainStepTimes }> {
  const folder = await mkdtemp(join(tmpdir(), "armor-bench-"));
  try {
    const authority = await createAuthority("bench");
    const ca = join(folder, "ca.pem");
    await writeFile(ca, authority.certificate);
    return {
      http: await against({}, folder, ca),
      https: await against(await authority.sign(["127.0.0.1"]), folder, ca),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function against(tls: Record<string, string>, folder: string, ca: string): Promise<MainStepTimes> {
  const { pid, base } = await startProgram(SERVER, tls);
  try {
    const url = tls["cert"] === undefined ? base : base.replace("http:", "https:");
    return await inTurns(await ways(url, folder, ca), ROUNDS);
  } finally {
    process.kill(pid);
  }
}

async function ways(url: string, folder: string, ca: string): Promise<Record<Way, Command>> {
  const files = { GITHUB_OUTPUT: join(folder, "output"), GITHUB_STATE: join(folder, "state") };
  await Promise.all(Object.values(files).map((file) => writeFile(file, "")));
  const { inputs, runs } = await readAction();
  const given: Record<string, string> = {
    "app-id": "7c1e6d5a-app",
    "api-key": "S3cr3t".repeat(8),
    "api-url": url,
  };
  const env = {
    ...files,
    NODE_EXTRA_CA_CERTS: ca,
    ...Object.fromEntries(
      Object.entries(inputs).map(([name, { default: byDefault = "" }]) => [
        `INPUT_${name.toUpperCase()}`,
        given[name] ?? byDefault,
      ]),
    ),
  };
  const node = (...args: string[]): Command => ({ program: process.execPath, args, env });
  const shell = {
    API_URL: url,
    APP_ID: given["app-id"] ?? "",
    API_KEY: given["api-key"] ?? "",
    CURL_CA_BUNDLE: ca,
  };
  return {
    "empty Node": node("-e", ""),
    "bare node:http": node(join(ROOT, "bench", "floor.cjs")),
    "main step": node(join(ROOT, runs.main)),
    "curl and jq": {
      program: "bash",
      args: ["--noprofile", "--norc", "-eo", "pipefail", "-c", CURL],
      env: { ...env, ...shell },
    },
  };
}
