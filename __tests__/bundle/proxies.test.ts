// The built action behind proxies, good and bad ones. Squid and tinyproxy are tried by proxies/run.ts.

import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, beforeAll, describe, expect } from "@jest/globals";
import { startAgent } from "../../sandbox/agent.ts";
import { startSandbox } from "../../sandbox/armor.ts";
import type { Values } from "../../sandbox/runner.ts";
import { type Authority, createAuthority } from "../fixtures/certificates.ts";
import { expectFailure, expectToken, openJob, runMain, scopedTest, startJob } from "../fixtures/job.ts";
import { type ProxyOptions, startProxy } from "../fixtures/proxy.ts";
import { type Answer, type FakeServer, silence, stall, startServer, token } from "../fixtures/server.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

/** A name that only the proxy resolves (RFC 6761 keeps `.test` out of the DNS). */
const HIDDEN = "armor.corp.test";

let authority: Authority;
let server: FakeServer;

beforeAll(async () => {
  authority = await createAuthority("Corp CA");
  server = await startServer([token()], { tls: await authority.sign(["127.0.0.1", HIDDEN]) });
});

afterAll(() => server.close());

const hidden = (port = server.port): Values => ({
  "api-url": `https://${HIDDEN}:${port}`,
  "ca-certificate": authority.certificate,
});

/** The proxy on the way to the hidden host. */
const behindProxy = (options: Partial<ProxyOptions> = {}) => startProxy({ hosts: [HIDDEN], ...options });

interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves connections below HTTP. */
async function listen(tcp: Server, host = "127.0.0.1"): Promise<Listener> {
  const sockets = new Set<Socket>();
  tcp.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => undefined)));
  tcp.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve, reject) => tcp.once("error", reject).listen(0, host, resolve));
  return {
    port: (tcp.address() as AddressInfo).port,
    async close() {
      const closed = new Promise((resolve) => tcp.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Hands every byte on to this port. */
const forwardTo = (port: number) => (socket: Socket) => {
  const target = connect(port, "127.0.0.1").on("error", () => socket.destroy());
  socket
    .on("error", () => target.destroy())
    .pipe(target)
    .pipe(socket);
};

/** Reads CONNECT and answers it in its own way. */
const answering = (answer: (socket: Socket) => void) =>
  createServer((socket) => socket.once("data", () => answer(socket)));

/** Writes for as long as it is read, and counts. */
function flood(socket: Socket, start: string, piece: string, sent: { bytes: number }): void {
  const more = () => {
    while (!socket.destroyed && socket.write(piece)) sent.bytes += piece.length;
  };
  socket.on("drain", more).write(start + piece);
  more();
}

describe("the main step behind a proxy", () => {
  scopedTest("does not reach the hidden host without one", async () => {
    const step = await runMain(hidden());
    expectFailure(step, "(host_unknown|dns_failed|reply_timeout)", [HIDDEN]);
  });

  scopedTest.each([["https_proxy"], ["HTTPS_PROXY"]])(
    "takes %s, with user and password percent-encoded, which it does not print",
    async (open, name) => {
      const proxy = await open(behindProxy({ credentials: { username: "user@corp", password: "p@ss:w/d" } }));
      const value = `http://user%40corp:p%40ss%3Aw%2Fd@127.0.0.1:${proxy.port}`;
      const step = await runMain(hidden(), { [name]: value });
      expectToken(step);
      expect(step.stdout).not.toMatch(/p(@|%40)ss/);
      expect(proxy.connects).toEqual([`${HIDDEN}:${server.port}`]);
    },
  );

  scopedTest("speaks TLS with a proxy at https://, and trusts the same authorities there", async (open) => {
    const proxy = await open(behindProxy());
    const tls = await authority.sign(["127.0.0.1"]);
    const front = await open(listen(createTlsServer(tls, forwardTo(proxy.port))));
    const env = { https_proxy: `https://127.0.0.1:${front.port}` };
    expectToken(await runMain(hidden(), env));
    expect(proxy.connects).toEqual([`${HIDDEN}:${server.port}`]);
    const step = await runMain({ ...hidden(), "ca-certificate": "" }, env);
    expectFailure(step, "proxy_refused", [`The proxy https://127.0.0.1:${front.port}`, "not signed by"]);
  });

  scopedTest("reaches a proxy by its IPv6 address, or names it", async (open) => {
    const proxy = await open(behindProxy());
    const front = await listen(createServer(forwardTo(proxy.port)), "::1").catch(() => undefined);
    if (front !== undefined) await open(front);
    const origin = `http://[::1]:${front?.port ?? 9}`;
    const step = await runMain({ ...hidden(), timeout: front ? "30" : "1" }, { https_proxy: origin });
    if (front !== undefined) expectToken(step);
    else expectFailure(step, "proxy_failed", [origin]);
  });

  scopedTest("goes past it where no_proxy says so", async (open) => {
    const proxy = await open(behindProxy());
    const env = { https_proxy: `http://127.0.0.1:${proxy.port}`, no_proxy: "corp.test" };
    const step = await runMain(hidden(), env);
    expectFailure(step, "(host_unknown|dns_failed|reply_timeout)", [HIDDEN]);
    expect(proxy.connects).toEqual([]);
  });

  scopedTest("tells an untrusted certificate of Armor's from the proxy's", async (open) => {
    const proxy = await open(behindProxy());
    const env = { https_proxy: `http://127.0.0.1:${proxy.port}` };
    const step = await runMain({ ...hidden(), "ca-certificate": "" }, env);
    expectFailure(step, "certificate_rejected", [`https://${HIDDEN}`, "not signed by"]);
  });

  scopedTest.each<[string, Answer, string]>([
    ["nothing", silence, "No answer from"],
    ["half a body", stall, "began to answer and did not finish"],
  ])("ends in time where Armor behind it says %s", async (open, _, answer, says) => {
    const stuck = await open(startServer([answer], { tls: await authority.sign([HIDDEN]) }));
    const proxy = await open(behindProxy());
    const env = { https_proxy: `http://127.0.0.1:${proxy.port}` };
    const step = await runMain({ ...hidden(stuck.port), timeout: "1" }, env);
    expectFailure(step, "reply_timeout", [HIDDEN, says]);
  });
});

describe("a whole job behind a proxy", () => {
  scopedTest("sends the token request, the calls and the end of the session through it", async (open) => {
    const tls = await authority.sign([HIDDEN]);
    const armor = await open(startSandbox({ appId: APP_ID, apiKey: API_KEY, tls }));
    const port = Number(new URL(armor.url).port);
    const proxy = await open(behindProxy());
    const env = { https_proxy: `http://127.0.0.1:${proxy.port}` };
    const { job, call } = await startJob(open, hidden(port), env);
    for (let times = 0; times < 3; times += 1) expect((await call()).status).toBe(200);
    await job.post();
    expect(armor.requests.at(-1)).toBe("POST /api/v1/iam/session/terminate 204");
    // One for the token, one that the gateway keeps, and one for the end.
    expect(proxy.connects).toEqual(Array(3).fill(`${HIDDEN}:${port}`));
  });
});

/** What a proxy does, the code and the text for it. */
type Fault = readonly [name: string, start: () => Promise<Listener>, code: string, says: string | RegExp];

const reply = (status: string, ...headers: string[]) =>
  `HTTP/1.1 ${[status, "Content-Length: 0", ...headers].join("\r\n")}\r\n\r\n`;
const saying = (text: string) => () => listen(answering((socket) => socket.write(text)));
const digest = 'Proxy-Authenticate: Digest realm="x", qop="auth"';

/** Nothing listens on port 1 (tcpmux), and no server of another test is given it. */
const DOWN = { port: 1, connects: [], close: async () => undefined };

const FAULTS: readonly Fault[] = [
  ["is down", async () => DOWN, "proxy_failed", "ECONNREFUSED"],
  [
    "closes after CONNECT",
    () => listen(answering((socket) => socket.end())),
    "proxy_failed",
    "no connection to",
  ],
  [
    "wants other credentials",
    () => startProxy({ hosts: [], credentials: { username: "u", password: "r" } }),
    "proxy_refused",
    "does not accept the user and password (407)",
  ],
  ["takes Digest only", saying(reply("407 Unauthorized", digest)), "proxy_refused", "digest (407)"],
  ["refuses the host", () => startProxy({ hosts: [] }), "proxy_refused", `${HIDDEN}:1 (403)`],
  ["is no proxy", saying("SSH-2.0-OpenSSH_9.9\r\n"), "proxy_failed", "does not answer as an HTTP proxy"],
  ["says nothing", saying(""), "proxy_failed", "ETIMEDOUT"],
];

describe("a proxy that fails is blamed by main, the agent's refresh and the gateway alike:", () => {
  const inputs = { "api-url": `https://${HIDDEN}:1` };

  scopedTest.each(FAULTS)("one that %s", async (open, _, start, code, says) => {
    const proxy = await open(start());
    const value = `http://u:Wr0ng@127.0.0.1:${proxy.port}`;
    const step = await runMain({ ...inputs, timeout: "3" }, { https_proxy: value });
    expectFailure(step, code, [`http://127.0.0.1:${proxy.port}`, says]);
    expect(step.stdout).not.toContain("Wr0ng");
    const agents = { refresh: 0.001, gateway: 60 };
    for (const expiresIn of Object.values(agents)) {
      const failure = await callThrough(await openJob(open, {}), value, expiresIn);
      expect(failure).toMatchObject({ error: code, error_description: expect.stringMatching(/proxy/i) });
    }
  });

  /** Of an agent with a token that lives, or one that has to be refreshed first. */
  async function callThrough({ temp }: { temp: string }, value: string, expiresIn: number): Promise<unknown> {
    const { gatewayUrl } = await startAgent({
      ...{ apiUrl: inputs["api-url"], temp, first: { accessToken: "t0k3n", expiresIn } },
      ...{ route: { proxy: { variable: "https_proxy", value }, noProxy: "" }, timeoutMs: 3_000 },
      limits: { connectMs: 3_000, headMs: 30_000, idleMs: 30_000 },
    });
    return await (await fetch(`${gatewayUrl}/api/v1/discovery/scans`)).json();
  }
});

describe("a proxy that sends without end before the tunnel", () => {
  scopedTest.each([
    ["headers", "HTTP/1.1 200 OK\r\n", `X: ${"x".repeat(1_000)}\r\n`],
    ["bytes after its answer", "HTTP/1.1 200 OK\r\n\r\n", "x".repeat(65_536)],
    ["a body to its refusal", "HTTP/1.1 403 Forbidden\r\n\r\n", "x".repeat(65_536)],
    ["informational answers", "", "HTTP/1.1 100 Continue\r\n\r\n".repeat(100)],
  ])("(%s) fails in time, and is not taken in", async (open, name, start, piece) => {
    const sent = { bytes: 0 };
    const proxy = await open(listen(answering((socket) => flood(socket, start, piece, sent))));
    const env = { https_proxy: `http://127.0.0.1:${proxy.port}` };
    const step = await runMain({ ...hidden(), timeout: "1" }, env);
    expectFailure(step, "proxy_(failed|refused)", [`http://127.0.0.1:${proxy.port}`]);
    // Informational answers are read and dropped.
    if (name !== "informational answers") expect(sent.bytes).toBeLessThan(16 * 1024 * 1024);
  });
});

/** A host that is no loopback host by name, and leads to this machine: who connects has gone past the proxy. */
const DIRECT = "0.0.0.0";

/** Counts connections, and ends them. */
async function startCounter(): Promise<Listener & { readonly connections: number }> {
  let connections = 0;
  const tcp = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  const listener = await listen(tcp, DIRECT);
  return {
    ...listener,
    get connections() {
      return connections;
    },
  };
}

describe("a proxy variable that cannot be understood keeps the key from leaving:", () => {
  const users = ["u:pa#ss", "u:pa/ss", "u:pa\\ss", "u:%zz", "u:100%", "u:a b"];
  const values = [
    ...users.map((user) => `http://${user}@proxy.test:3128`),
    ...["http://10.0.0.1:99999", "10.0.0.1:99999", "socks5://proxy.test:1080", "http://", "http://[::1"],
    ...["://x", " "],
  ];

  scopedTest.each(values.map((value) => [value] as const))("%j", async (open, value) => {
    const armor = await open(startCounter());
    const inputs = { "api-url": `https://${DIRECT}:${armor.port}`, timeout: "1" };
    const step = await runMain(inputs, { HTTPS_PROXY: value });
    expectFailure(step, "proxy_refused", ["HTTPS_PROXY is not a valid proxy address"]);
    expect(step.stdout).not.toMatch(/pa[#/\\]ss|%zz|100%[^2]/);
    expect(armor.connections).toBe(0);
  });

  scopedTest("without one, the same address is reached", async (open) => {
    const armor = await open(startCounter());
    const step = await runMain({ "api-url": `https://${DIRECT}:${armor.port}`, timeout: "1" });
    expectFailure(step, "(connection|tls)_failed", [`https://${DIRECT}:${armor.port}`]);
    expect(armor.connections).toBeGreaterThan(0);
  });
});
