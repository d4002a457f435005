// The built action and a name whose first address swallows packets: a broken IPv6, or a dead A
// record.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, jest, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { createAgentFolder } from "../../src/agent-client/folder.ts";
import { createCapability } from "../../src/agent-client/launch.ts";
import { clock } from "../../src/clock.ts";
import { type AgentConfig, READY_LINE } from "../../src/protocol/config.ts";
import { type Authority, createAuthority } from "../fixtures/certificates.ts";
import { expectToken, goodArmor, openJob, runBuiltMain } from "../fixtures/job.ts";
import { BLACK_HOLE, hasBlackHole, openBlackHole, writeHook } from "../fixtures/names.ts";
import { disposable } from "../fixtures/opened.ts";
import { startConnectProxy } from "../fixtures/proxy.ts";
import { CALL, type FakeServer, startServer } from "../fixtures/server.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

jest.setTimeout(60_000);

const HOST = "armor.corp.test";
const PROXY_HOST = "proxy.corp.test";
/**
 * Far below what one system's own attempt takes, and above a quarter of a second on a busy machine.
 */
const LIMIT_S = 4;

let authority: Authority;

beforeAll(async () => {
  authority = await createAuthority("Corp CA");
});

/** Elsewhere than on Linux nothing listens there, so that an attempt fails instead of hanging. */
async function openHole(port: number): Promise<AsyncDisposable> {
  return hasBlackHole ? await openBlackHole(port) : disposable({}, () => undefined);
}

async function openWorld() {
  const armor = await startServer([goodArmor], { tls: await authority.sign([HOST]) });
  const temp = await mkdtemp(join(tmpdir(), "armor-names-"));
  const addresses = [BLACK_HOLE, "127.0.0.1"];
  const hook = await writeHook(temp, { [HOST]: [addresses], [PROXY_HOST]: [addresses] });
  const hole = await openHole(armor.port);
  const close = async () => {
    await hole[Symbol.asyncDispose]();
    await armor.close();
    await rm(temp, { recursive: true, force: true });
  };
  return disposable({ armor, temp, hook, url: `https://${HOST}:${armor.port}` }, close);
}

test("main gets a token within a short timeout", async () => {
  await using world = await openWorld();
  const inputs = { "api-url": world.url, "ca-certificate": authority.certificate };
  const env = { NODE_OPTIONS: `--require "${world.hook}"` };
  expectToken(await runBuiltMain({ ...inputs, timeout: String(LIMIT_S) }, env));
});

test("main reaches a proxy with such a name, too", async () => {
  await using world = await openWorld();
  await using proxy = await startConnectProxy({ to: world.armor.port });
  await using _hole = await openHole(proxy.port);
  const inputs = { "api-url": world.url, "ca-certificate": authority.certificate };
  const env = {
    NODE_OPTIONS: `--require "${world.hook}"`,
    https_proxy: `http://${PROXY_HOST}:${proxy.port}`,
  };
  expectToken(await runBuiltMain({ ...inputs, timeout: String(LIMIT_S) }, env));
  expect(proxy.connects).toEqual([`${HOST}:${world.armor.port}`]);
});

test("post ends the session, for which it has six seconds in all", async () => {
  await using world = await openWorld();
  const state = {
    STATE_api_url: world.url,
    STATE_access_token: "t0k3n-of-main",
    STATE_complete: "true",
    STATE_ca_certificate: authority.certificate,
  };
  const env = { ...state, NODE_OPTIONS: `--require "${world.hook}"` };
  await using job = await openJob({}, env);
  const post = await job.post();
  expect(post.stdout).not.toContain("not ended");
  expect(world.armor.requests.map(({ path }) => path)).toEqual(["/api/v1/iam/session/terminate"]);
});

test("the gateway's first call is answered", async () => {
  await using world = await openWorld();
  const reply = await callThroughAgent(world);
  expect(reply.status).toBe(200);
});

/** By an agent that this process starts by hand, because only so it gets the hook. */
async function callThroughAgent(world: {
  armor: FakeServer;
  temp: string;
  hook: string;
  url: string;
}): Promise<Response> {
  const dist = join(ROOT, "dist");
  const { path: folder } = await createAgentFolder({ RUNNER_TEMP: world.temp }, dist);
  const config: AgentConfig = {
    credentials: { appId: APP_ID, apiKey: API_KEY },
    apiUrl: world.url,
    certificates: [authority.certificate],
    route: { noProxy: "" },
    timeoutMs: 30_000,
    limits: { connectMs: LIMIT_S * 1_000, headMs: 30_000, idleMs: 30_000 },
    terminateSession: false,
    gatewayPaths: ["/api/v1/discovery/"],
    capability: createCapability(),
    controlCapability: createCapability(),
    folder,
    first: {
      accessToken: "t0k3n-of-main",
      expiresIn: 60,
      requestedAt: clock.now(),
      expiresAt: clock.date() + 60_000,
    },
  };
  const child = spawn(process.execPath, ["--require", world.hook, join(dist, "agent.js")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await using _child = disposable(child, () => child.kill("SIGKILL"));
  child.stdin.end(JSON.stringify(config));
  const port = await readPort(child.stdout);
  return await fetch(`http://127.0.0.1:${port}/${config.capability}${CALL}`);
}

async function readPort(stdout: AsyncIterable<Buffer>): Promise<string> {
  let said = "";
  for await (const chunk of stdout) {
    said += String(chunk);
    const port = READY_LINE.exec(said)?.groups?.["port"];
    if (port !== undefined) return port;
  }
  throw new Error(`the agent does not start: ${said}`);
}
