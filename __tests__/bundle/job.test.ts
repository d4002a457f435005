// Whole jobs with keep-fresh: the built action, its agent and armor-token as processes of their own, as on a runner.

import { randomBytes } from "node:crypto";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import { type Sandbox, startSandbox } from "../../sandbox/armor.ts";
import { Job, type Values } from "../../sandbox/runner.ts";
import { createAuthority } from "../fixtures/certificates.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { agentsBelow } from "../fixtures/processes.ts";
import { startProxy } from "../fixtures/proxy.ts";
import { json, startServer, token } from "../fixtures/server.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

const CALL = "/api/v1/discovery/scans?limit=1";
const MINT = "POST /api/v1/iam/session/oauth2/token 200";

const opened: { close?(): Promise<void>; end?(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await (one.close?.() ?? one.end?.());
});

async function sandbox(tokenLifetime: number): Promise<Sandbox> {
  const armor = await startSandbox({ appId: APP_ID, apiKey: API_KEY, tokenLifetime });
  opened.push(armor);
  return armor;
}

/** A job whose main step, with keep-fresh, has succeeded. */
async function startJob(apiUrl: string, inputs: Values = {}, env: Values = {}) {
  const all = {
    "app-id": APP_ID,
    "api-key": API_KEY,
    "api-url": apiUrl,
    "keep-fresh": "true",
    timeout: "5",
    ...inputs,
  };
  const job = await Job.start(all, env);
  opened.push(job);
  const main = await job.main();
  expect(main).toMatchObject({ exitCode: 0, stderr: "" });
  const gateway = job.outputs["gateway-url"] ?? "";
  return { job, main, gateway, call: () => fetch(gateway + CALL) };
}

const mints = ({ requests }: Sandbox) => requests.filter((request) => request === MINT).length;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Resolves when nobody holds the agent's end of a connection any more: a pid could be a zombie's. */
async function agentEnds(gateway: string): Promise<void> {
  const socket = connect(Number(new URL(gateway).port), "127.0.0.1");
  const closed = new Promise((resolve) => socket.on("error", () => undefined).once("close", resolve));
  socket.write("GET / HTTP/1.1\r\n");
  await closed;
  await expect(fetch(`${gateway}/token`)).rejects.toThrow();
}

describe("a job with keep-fresh", () => {
  test("that lasts four times as long as its token: every call is answered, no dead token is ever seen", async () => {
    const armor = await sandbox(1);
    const { job, call } = await startJob(armor.url);
    const end = performance.now() + 4_000;
    const statuses = new Set<number>();
    while (performance.now() < end) {
      statuses.add((await call()).status);
      await sleep(20);
    }
    expect([...statuses]).toEqual([200]);
    expect(armor.requests.filter((request) => request.endsWith(" 401"))).toEqual([]);
    expect(mints(armor)).toBeGreaterThanOrEqual(5);
    expect(mints(armor)).toBeLessThanOrEqual(8);
    const post = await job.post();
    const [line = "", ...table] = job.log(post.stdout);
    expect(line).toMatch(
      /^Token agent: \d tokens minted, \d+ calls served, 0 failures, [12] sessions? ended\.$/,
    );
    expect(table.map((row) => row.trim().split("  ")[0])).toEqual([
      "tokens minted",
      "calls served",
      "median",
      "slowest",
      "failures",
    ]);
    expect(post.files["GITHUB_STEP_SUMMARY"]).toBe("");
  });

  test("idle, it asks nobody; then 60 calls at once on a dead token are one mint", async () => {
    const armor = await sandbox(1);
    const { call } = await startJob(armor.url);
    await sleep(1_100);
    expect(mints(armor)).toBe(1);
    const replies = await Promise.all(Array.from({ length: 60 }, call));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    expect(mints(armor)).toBe(2);
  });

  test("one mint, an end at once, and outputs with what later steps need", async () => {
    const armor = await sandbox(60);
    const { job, main, gateway, call } = await startJob(armor.url);
    expect(main.ms).toBeLessThan(3_000);
    await call();
    expect(mints(armor)).toBe(1);
    expect(gateway).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{43}$/);
    expect(job.exported).toEqual({ ARMOR_GATEWAY_URL: gateway });
    const lines = main.stdout.split("\n");
    expect(lines).toContain(`::add-mask::${gateway.split("/").at(-1)}`);
    const step = await job.run('test "$(command -v armor-token)" = "$COMMAND" && echo same', () => undefined);
    expect(step.exitCode).toBe(1);
    const same = await job.run(
      `test "$(command -v armor-token)" = "${job.outputs["token-command"]}" && echo same`,
    );
    expect(same.stdout).toBe("same\n");
  });

  test("armor-token prints a live token, in sh and bash, without node on PATH, in a folder with spaces", async () => {
    const armor = await sandbox(60);
    const { job } = await startJob(armor.url);
    expect(job.temp).toContain(" ");
    const path = 'PATH=$(dirname "$(command -v armor-token)"):/usr/bin:/bin';
    for (const shell of ["sh", "bash"]) {
      const call = `armor-token --header | curl -sS -o /dev/null -w '%{http_code}' -H @- ${armor.url}${CALL}`;
      const step = await job.run(`${path} ${shell} -c "${call}"`);
      expect(step).toMatchObject({ exitCode: 0, stdout: "200" });
    }
  });

  test("fresh tokens printed 30 times straight to the log are never seen", async () => {
    const armor = await startServer([
      (response, request) =>
        token({ access_token: randomBytes(24).toString("base64url"), expires_in: 0.13 })(response, request),
    ]);
    opened.push(armor);
    const { job } = await startJob(armor.url);
    const masks = new Set<string>();
    const seen: string[] = [];
    const printed = new Set<string>();
    // Two readers, each handing on what it gets when it gets it; a mask works on what comes later.
    const step = await job.run("for i in $(seq 30); do armor-token; done", (text) => {
      for (const line of text.split("\n").filter(Boolean)) {
        const [, masked] = /^::add-mask::(.*)$/.exec(line) ?? [];
        if (masked !== undefined) masks.add(masked);
        else if (masks.has(line)) printed.add(line);
        else seen.push(line);
      }
    });
    expect(step.exitCode).toBe(0);
    expect(seen).toEqual([]);
    expect(printed.size).toBeGreaterThanOrEqual(28);
  });

  test("a session that is ended from outside costs no call", async () => {
    const armor = await sandbox(60);
    const { call } = await startJob(armor.url);
    armor.revokeAll();
    await expect(call()).resolves.toMatchObject({ status: 200 });
    expect(mints(armor)).toBe(2);
  });

  test("Armor down is told, Armor back works again, and the failures are in the summary", async () => {
    const first = await startServer([token({ expires_in: 0.05 })]);
    const { job, call } = await startJob(first.url, { timeout: "1" });
    await first.close();
    await sleep(60);
    const down = await call();
    expect(down.status).toBe(502);
    expect(await down.json()).toMatchObject({
      error: "connection_failed",
      error_description: expect.stringContaining(first.url),
    });
    const step = await job.run("armor-token");
    expect(step).toMatchObject({ exitCode: 1, stdout: "" });
    expect(step.stderr).toMatch(/^armor-token: the token agent has no token: No connection to .*\.\n$/);
    opened.push(await startServer([token(), json(200, {})], { port: first.port }));
    await sleep(1_000); // a failure answers for a second
    await expect(call()).resolves.toMatchObject({ status: 200 });
    const post = await job.post();
    expect(job.log(post.stdout)).toContainEqual(
      expect.stringMatching(/^ {2}failures +\d \(connection_failed \d\)$/),
    );
    expect(post.files["GITHUB_STEP_SUMMARY"]).toContain("<td>failures</td><td>");
  });

  test("through a proxy, to a host that only the proxy knows, with a private authority", async () => {
    const authority = await createAuthority("Corp CA");
    const hidden = "armor.corp.test";
    const armor = await startServer([token(), json(200, { a: 1 })], { tls: await authority.sign([hidden]) });
    const proxy = await startProxy({ hosts: [hidden] });
    opened.push(armor, proxy);
    const { call } = await startJob(
      `https://${hidden}:${armor.port}`,
      { "ca-certificate": authority.certificate },
      { https_proxy: `http://127.0.0.1:${proxy.port}` },
    );
    for (let times = 0; times < 3; times += 1) {
      const reply = await call();
      expect([reply.status, await reply.json()]).toEqual([200, { a: 1 }]);
    }
    // One for the token, and one that the gateway keeps.
    expect(proxy.connects).toEqual([`${hidden}:${armor.port}`, `${hidden}:${armor.port}`]);
  });

  test("two instances in one job do not disturb each other", async () => {
    const [one, two] = [
      await startServer([token({ access_token: "t0k3n-one" })]),
      await startServer([token({ access_token: "t0k3n-two" })]),
    ];
    opened.push(one, two);
    const [first, second] = [await startJob(one.url), await startJob(two.url)];
    const print = async ({ job }: typeof first, command = "armor-token") =>
      (await job.run(`"${command}"`)).stdout;
    expect(await print(second, first.job.outputs["token-command"])).toBe("t0k3n-one\n");
    expect(await print(first, second.job.outputs["token-command"])).toBe("t0k3n-two\n");
    await first.job.post();
    expect(await print(second)).toBe("t0k3n-two\n");
    await expect((await second.job.run(`"${first.job.outputs["token-command"]}"`)).exitCode).not.toBe(0);
  });

  test("export-environment: false gives the outputs alone", async () => {
    const armor = await sandbox(60);
    const { job, main, call } = await startJob(armor.url, { "export-environment": "false" });
    expect(main.files).toMatchObject({ GITHUB_ENV: "", GITHUB_PATH: "" });
    await expect(call()).resolves.toMatchObject({ status: 200 });
    const step = await job.run(`"${job.outputs["token-command"]}"; command -v armor-token || echo none`);
    expect(step.stdout).toMatch(/^[\w-]{43}\nnone\n$/);
  });

  test("post leaves nothing behind, and is soon over with Armor gone", async () => {
    const armor = await startSandbox({ appId: APP_ID, apiKey: API_KEY });
    const { job, gateway } = await startJob(armor.url);
    await armor.close();
    const ended = agentEnds(gateway);
    const post = await job.post();
    await ended;
    expect(post).toMatchObject({ exitCode: 0, stderr: "" });
    expect(post.ms).toBeLessThan(6_000);
    await expect(readdir(job.temp)).resolves.toEqual(["_runner_file_commands"]);
    await expect(fetch(`${gateway}/token`)).rejects.toThrow();
  });

  test("an agent that is not wanted ends by itself when its folder is swept", async () => {
    const armor = await sandbox(60);
    const { job, gateway } = await startJob(armor.url);
    await rm(join(job.outputs["token-command"] ?? "", "..", ".."), { recursive: true });
    await agentEnds(gateway);
  });

  test("a main step whose agent cannot start fails, and hands on nothing", async () => {
    const armor = await sandbox(60);
    const inputs = { "app-id": APP_ID, "api-key": API_KEY, "api-url": armor.url, "keep-fresh": "true" };
    const job = await Job.start(inputs, { RUNNER_TEMP: "/nowhere" });
    opened.push(job);
    const main = await job.main();
    expect(main.exitCode).toBe(1);
    expect(main.stdout).toMatch(/^::error::.*(ENOENT|agent)/m);
    expect(main.files).toMatchObject({ GITHUB_OUTPUT: "", GITHUB_ENV: "", GITHUB_PATH: "" });
    const post = await job.post();
    expect(post.exitCode).toBe(0);
    expect(job.log(post.stdout)).toEqual([]);
    expect(armor.requests.at(-1)).toBe("POST /api/v1/iam/session/terminate 204");
  });
});

// What a neighbour sees is read from /proc.
if (process.platform === "linux") {
  describe("a job with keep-fresh, looked at from outside", () => {
    test("shows no secret in arguments, environments, files or the log", async () => {
      const armor = await sandbox(1);
      const { job, main, gateway, call } = await startJob(armor.url);
      await sleep(1_100);
      await call();
      const step = await job.run("armor-token; armor-token --header");
      const fresh = step.stdout.split("\n")[0] ?? "";
      const [agent, ...others] = await agentsBelow(job.temp);
      expect(others).toEqual([]);
      const folder = join(job.outputs["token-command"] ?? "", "..", "..");
      expect(((await stat(folder)).mode & 0o777).toString(8)).toBe("700");
      const capability = gateway.split("/").at(-1) ?? "";
      const secrets = [...formsOf(API_KEY), ...formsOf(fresh), ...formsOf(job.outputs["access-token"] ?? "")];
      expect(leaksIn(`${agent?.cmdline}${agent?.environ}`, [...secrets, capability])).toEqual([]);
      expect(agent?.environ).toContain("RUNNER_TRACKING_ID=");
      for (const file of await filesBelow(job.temp)) {
        const content = await readFile(file, "utf8");
        expect([file, leaksIn(content, [...formsOf(API_KEY), ...formsOf(fresh)])]).toEqual([file, []]);
      }
      const post = await job.post();
      const log = [main, step, post].flatMap(({ stderr, stdout }) => [
        ...job.log(stderr),
        ...job.log(stdout),
      ]);
      expect(leaksIn(log.join("\n"), [...secrets, capability])).toEqual([]);
      expect(log).toContain("Authorization: Bearer ***");
    });

    test("an agent that is killed: a clear error, and a quiet post", async () => {
      const armor = await sandbox(60);
      const { job, gateway } = await startJob(armor.url);
      const [agent] = await agentsBelow(job.temp);
      const ended = agentEnds(gateway);
      process.kill(agent?.pid ?? 0, "SIGKILL");
      await ended;
      const step = await job.run("armor-token");
      expect(step).toMatchObject({ exitCode: 1, stdout: "" });
      expect(step.stderr).toBe(
        "armor-token: the token agent is not running. It lives from the step with keep-fresh: true to the end of that job.\n",
      );
      const post = await job.post();
      expect(post).toMatchObject({ exitCode: 0, stderr: "" });
      expect(job.log(post.stdout)).toEqual(["The token agent had ended before the job did."]);
      expect(armor.requests.at(-1)).toBe("POST /api/v1/iam/session/terminate 204");
      await expect(readdir(job.temp)).resolves.toEqual(["_runner_file_commands"]);
    });

    test("SIGTERM ends an agent", async () => {
      const armor = await sandbox(60);
      const { job, gateway } = await startJob(armor.url);
      const ended = agentEnds(gateway);
      process.kill((await agentsBelow(job.temp))[0]?.pid ?? 0, "SIGTERM");
      await ended;
    });
  });
}
