// With step debug logging on, the log alone tells which part of the way to Armor is wrong or slow.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import type { Values } from "../../sandbox/runner.ts";
import { createAuthority } from "../fixtures/certificates.ts";
import { goodArmor, openJob, startJob } from "../fixtures/job.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { writeHook } from "../fixtures/names.ts";
import { makeTempFolder } from "../fixtures/opened.ts";
import { startConnectProxy } from "../fixtures/proxy.ts";
import { type Answer, CLOSED_PORT, startServer, TOKEN } from "../fixtures/server.ts";
import { API_KEY } from "../fixtures/step.ts";

const DEBUG = { RUNNER_DEBUG: "1" };
const SLOW_MS = 1_500;
const MARK = "##[debug]";
const PASSWORD = "Pr0xy-passw0rd";

/** The debug lines of a main step, without their mark. */
async function debugLinesOf(inputs: Values, env: Values = {}): Promise<string[]> {
  await using job = await openJob({ timeout: "20", ...inputs }, { ...env, ...DEBUG });
  const { log } = await job.main();
  expect(leaksIn(log.join("\n"), [...formsOf(API_KEY), ...formsOf(TOKEN), PASSWORD])).toEqual([]);
  return debugLines(log);
}

function debugLines(log: readonly string[]): string[] {
  return log.filter((line) => line.startsWith(MARK)).map((line) => line.slice(MARK.length));
}

/** The milliseconds in the first line that has these words. */
function msIn(lines: readonly string[], words: RegExp): number {
  const line = lines.find((one) => words.test(one));
  expect([words, line]).toEqual([words, expect.any(String)]);
  return Number(/(?<ms>\d+) ms/.exec(line ?? "")?.groups?.["ms"]);
}

test.concurrent("a wrong proxy is told by the lines 'Route to' and 'port'", async () => {
  const proxy = `http://user:${PASSWORD}@127.0.0.1:${CLOSED_PORT}`;
  const inputs = { "api-url": "https://armor.test", timeout: "1" };
  const lines = await debugLinesOf(inputs, { HTTPS_PROXY: proxy });
  expect(lines).toContain(
    `Route to https://armor.test: through the proxy http://127.0.0.1:${CLOSED_PORT}, with a user, by the variable HTTPS_PROXY`,
  );
  expect(lines).toContainEqual(
    expect.stringMatching(/^127\.0\.0\.1 port 1: connect ECONNREFUSED .*, after \d+ ms$/),
  );
});

test.concurrent("a wrong CA is told by the line 'TLS failed', behind a connection that stands", async () => {
  const other = await createAuthority("Given CA");
  const tls = await (await createAuthority("Corp CA")).sign(["armor.test"]);
  await using server = await startServer([goodArmor], { tls });
  await using proxy = await startConnectProxy({ to: server.port });
  const inputs = { "api-url": "https://armor.test", "ca-certificate": other.certificate };
  const lines = await debugLinesOf(inputs, { https_proxy: `http://127.0.0.1:${proxy.port}` });
  expect(lines).toContainEqual(expect.stringMatching(/^CONNECT armor\.test:443 .*: 200 in \d+ ms/));
  expect(lines).toContainEqual(
    expect.stringMatching(
      /^TLS failed: UNABLE_TO_VERIFY_LEAF_SIGNATURE, certificate of "server" by "Corp CA" until .* GMT$/,
    ),
  );
});

test.concurrent("a slow DNS is told by the line 'DNS: … is …', and Armor's own time is short", async () => {
  await using server = await startServer([goodArmor]);
  await using folder = await makeTempFolder();
  const hook = join(folder.path, "slow-dns.cjs");
  await writeFile(
    hook,
    `const dns = require("node:dns");
     const { lookup } = dns;
     dns.lookup = (...args) => setTimeout(() => lookup(...args), ${SLOW_MS});`,
  );
  const inputs = { "api-url": `http://localhost:${server.port}` };
  const lines = await debugLinesOf(inputs, { NODE_OPTIONS: `--require "${hook}"` });
  const dnsMs = msIn(lines, /^DNS: localhost is .*127\.0\.0\.1.*, after \d+ ms$/);
  expect(dnsMs).toBeGreaterThanOrEqual(SLOW_MS - 1); // a timer may be a millisecond early
  const allMs = msIn(lines, /^POST http:\/\/localhost:\d+\/\S+: 200 in \d+ ms/);
  expect(allMs - dnsMs).toBeLessThan(SLOW_MS);
});

test.concurrent("a DNS that says nothing is told by the line 'DNS: no address'", async () => {
  await using folder = await makeTempFolder();
  const hook = await writeHook(folder.path, { "armor.test": ["silence"] });
  const inputs = { "api-url": "https://armor.test", timeout: "1" };
  const lines = await debugLinesOf(inputs, { NODE_OPTIONS: `--require "${hook}"` });
  const silentMs = msIn(lines, /^DNS: no address for armor\.test \(no answer\), after \d+ ms$/);
  expect(silentMs).toBeGreaterThan(500); // the timeout, less what came before
});

test.concurrent("a slow Armor is told by the line 'POST', behind a connection that came at once", async () => {
  const slowArmor: Answer = async (response, request) => {
    await sleep(SLOW_MS);
    goodArmor(response, request);
  };
  await using server = await startServer([slowArmor]);
  const lines = await debugLinesOf({ "api-url": server.url });
  const answeredMs = msIn(lines, /^POST http:\/\/127\.0\.0\.1:\d+\/\S+: 200 in \d+ ms/);
  expect(answeredMs).toBeGreaterThanOrEqual(SLOW_MS - 1);
  expect(answeredMs - msIn(lines, /connected in \d+ ms$/)).toBeGreaterThan(SLOW_MS / 2);
});

test.concurrent("post prints the agent's lines, each with its time", async () => {
  await using server = await startServer([goodArmor]);
  await using started = await startJob({ "api-url": server.url }, DEBUG);
  await started.call();
  const lines = debugLines((await started.job.post()).log);
  const start = lines.indexOf("The token agent's own debug log, with times in UTC:");
  expect(start).toBeGreaterThanOrEqual(0);
  const ofAgent = lines.slice(start + 1);
  const untimed = ofAgent.filter((line) => !/^\d\d:\d\d:\d\d\.\d{3} \S/.test(line));
  expect(untimed).toEqual([]);
  expect(ofAgent).toContainEqual(
    expect.stringMatching(/Gateway: GET \/api\/v1\/discovery\/scans, \d+ ms: 200, /),
  );
});

test.concurrent("armor-token says how it got the token, and how the masks went", async () => {
  await using server = await startServer([goodArmor]);
  await using started = await startJob({ "api-url": server.url }, DEBUG);
  const { log, exitCode } = await started.job.run("armor-token >/dev/null");
  expect(exitCode).toBe(0);
  const lines = debugLines(log);
  expect(lines).toContainEqual(
    expect.stringMatching(/^armor-token: The token agent answered 200 in \d+ ms$/),
  );
  expect(lines).toContainEqual(expect.stringMatching(/^armor-token: The runner's own pipe /));
  const capability = started.gateway.split("/").at(-1) ?? "";
  expect(leaksIn(log.join("\n"), [...formsOf(TOKEN), capability])).toEqual([]);
});

// Elsewhere there is no way to the runner but the streams of the call.
if (process.platform === "linux") {
  test.concurrent("a script that takes both streams of armor-token gets the token alone", async () => {
    await using server = await startServer([goodArmor]);
    await using started = await startJob({ "api-url": server.url }, DEBUG);
    const { log } = await started.job.run(
      't=$(armor-token 2>&1); echo "$(printf %s "$t" | wc -c) characters"',
    );
    expect(log).toContain(`${TOKEN.length} characters`);
    expect(debugLines(log)).not.toEqual([]);
  });
}

test.concurrent("without debug logging, armor-token says nothing", async () => {
  await using server = await startServer([goodArmor]);
  await using started = await startJob({ "api-url": server.url });
  const { stdout, stderr } = await started.job.run("armor-token >/dev/null");
  expect(stdout + stderr).not.toContain("::debug::");
});
