// The built action behind proxies: one case of each kind, as armor/route.test.ts and armor/proxy.test.ts have
// the tables. Squid and tinyproxy are tried by proxies/run.ts.

import type { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startBuiltAgent } from "../../sandbox/agent.ts";
import type { Values } from "../../sandbox/runner.ts";
import type { ErrorCode } from "../../src/errors.ts";
import { type Authority, createAuthority } from "../fixtures/certificates.ts";
import {
  expectFailure,
  expectToken,
  goodArmor,
  openJob,
  runBuiltMain,
  startJob,
} from "../fixtures/job.ts";
import { writeHook } from "../fixtures/names.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";
import {
  type FakeProxy,
  flood,
  startAnsweringProxy,
  startConnectProxy,
  startProxy,
} from "../fixtures/proxy.ts";
import { CLOSED_PORT, type FakeServer, startServer, token } from "../fixtures/server.ts";

/** A name that only the proxy resolves (RFC 6761 keeps `.test` out of the DNS). */
const HIDDEN = "armor.corp.test";

let authority: Authority;
let armor: FakeServer;

beforeAll(async () => {
  authority = await createAuthority("Corp CA");
  armor = await startServer([goodArmor], { tls: await authority.sign([HIDDEN]) });
});

afterAll(() => armor.close());

const hidden = (): Values => ({
  "api-url": `https://${HIDDEN}:${armor.port}`,
  "ca-certificate": authority.certificate,
});

describe("the main step behind a proxy", () => {
  test.concurrent("takes user and password percent-encoded, and prints neither", async () => {
    const credentials = { username: "user@corp", password: "p@ss:w/d" };
    await using proxy = await startProxy({ hosts: [HIDDEN], credentials });
    const value = `http://user%40corp:p%40ss%3Aw%2Fd@127.0.0.1:${proxy.port}`;
    const step = await runBuiltMain(hidden(), { HTTPS_PROXY: value });
    expectToken(step);
    expect(step.stdout).not.toMatch(/p(@|%40)ss/);
    expect(proxy.connects).toEqual([`${HIDDEN}:${armor.port}`]);
  });

  test.concurrent("speaks TLS with a proxy at https://, and trusts the same authorities there", async () => {
    await using proxy = await startConnectProxy({
      to: armor.port,
      tls: await authority.sign(["127.0.0.1"]),
    });
    const env = { https_proxy: `https://127.0.0.1:${proxy.port}` };
    expectToken(await runBuiltMain(hidden(), env));
    const step = await runBuiltMain({ ...hidden(), "ca-certificate": "" }, env);
    expectFailure(step, "proxy_refused", [`The proxy ${env.https_proxy}`, "not signed by"]);
    expect(proxy.connects).toEqual([`${HIDDEN}:${armor.port}`]);
  });

  test.concurrent("goes past it if no_proxy says so", async () => {
    await using proxy = await startProxy({ hosts: [HIDDEN] });
    await using folder = await makeTempFolder();
    const hook = await writeHook(folder.path, { [HIDDEN]: [["127.0.0.1"]] });
    const env = {
      https_proxy: `http://127.0.0.1:${proxy.port}`,
      no_proxy: "corp.test",
      NODE_OPTIONS: `--require "${hook.replaceAll("\\", "/")}"`,
    };
    expectToken(await runBuiltMain(hidden(), env));
    expect(proxy.connects).toEqual([]);
  });
});

describe("a whole job behind a proxy", () => {
  test.concurrent("sends the token request, the calls and the end of the session through it", async () => {
    await using proxy = await startProxy({ hosts: [HIDDEN] });
    const env = { https_proxy: `http://127.0.0.1:${proxy.port}` };
    await using started = await startJob(hidden(), env);
    const { job, call } = started;
    for (let times = 0; times < 3; times += 1) expect((await call()).status).toBe(200);
    await job.post();
    expect(armor.requests.at(-1)?.path).toBe("/api/v1/iam/session/terminate");
    // One for the token, one that the gateway keeps, and one for the end.
    expect(proxy.connects).toEqual(Array(3).fill(`${HIDDEN}:${armor.port}`));
  });
});

const startNothing = async (): Promise<FakeProxy> => {
  const close = async () => undefined;
  return disposable({ port: CLOSED_PORT, connects: [], close }, close);
};

const HEAD_WITHOUT_END = (client: Socket) =>
  flood(client, "HTTP/1.1 200 OK\r\nX: ", "x".repeat(65_536));

describe("a proxy that fails is blamed by main, the agent's refresh and the gateway alike:", () => {
  test.concurrent.each<{
    readonly what: string;
    readonly start: () => Promise<FakeProxy>;
    readonly code: ErrorCode;
    readonly says: string;
  }>([
    { what: "is down", start: startNothing, code: "proxy_failed", says: "ECONNREFUSED" },
    {
      what: "says nothing",
      start: () => startAnsweringProxy(""),
      code: "proxy_failed",
      says: "ETIMEDOUT",
    },
    {
      what: "sends without end",
      start: () => startAnsweringProxy(HEAD_WITHOUT_END),
      code: "proxy_failed",
      says: "HPE_HEADER_OVERFLOW",
    },
    {
      what: "wants other credentials",
      start: () => startProxy({ hosts: [], credentials: { username: "u", password: "r" } }),
      code: "proxy_refused",
      says: "does not accept the user and password (407)",
    },
  ])("one that $what", async ({ start, code, says }) => {
    const proxy = await start();
    const value = `http://u:Wr0ng@127.0.0.1:${proxy.port}`;
    const apiUrl = `https://${HIDDEN}:1`;
    const step = await runBuiltMain({ "api-url": apiUrl, timeout: "2" }, { https_proxy: value });
    expectFailure(step, code, [`The proxy http://127.0.0.1:${proxy.port}`, says]);
    expect(step.stdout).not.toContain("Wr0ng");
    await using opened = await openJob({});
    const { temp } = opened;
    // One token has to be refreshed first, the other lives.
    for (const expiresIn of [0.001, 60]) {
      const { gatewayUrl } = await startBuiltAgent({
        apiUrl,
        temp,
        timeoutMs: 2_000,
        first: { accessToken: "t0k3n", expiresIn },
        route: { proxy: { variable: "https_proxy", value }, noProxy: "" },
        limits: { connectMs: 2_000, headMs: 30_000, idleMs: 30_000 },
      });
      const reply = await (await fetch(`${gatewayUrl}/api/v1/discovery/scans`)).json();
      expect(reply).toEqual({ error: code, error_description: expect.stringContaining(says) });
    }
  });
});

/** A host that is no loopback host by name, and leads to this machine: who connects has gone past the proxy. */
const DIRECT = "0.0.0.0";

describe("a proxy variable that cannot be understood keeps the key from leaving:", () => {
  test.concurrent.each([
    "http://u:Wr#0ng@proxy.test:3128",
    "socks5://u:Wr0ng@proxy.test:1080",
    " ",
  ])("%j", async (value) => {
    await using direct = await startServer([token()], { hostname: DIRECT });
    const inputs = { "api-url": direct.url.replace("http:", "https:"), timeout: "1" };
    const refused = await runBuiltMain(inputs, { HTTPS_PROXY: value });
    expectFailure(refused, "proxy_refused", [/HTTPS_PROXY is not a valid proxy address/i]);
    expect(refused.stdout).not.toMatch(/Wr#?0ng/);
    expect(direct.connections).toBe(0);
    expectFailure(await runBuiltMain(inputs), "tls_failed", [DIRECT]); // without it, the same address is reached
    expect(direct.connections).toBeGreaterThan(0);
  });
});
