// Whole jobs: the built action, its agent and armor-token as processes of their own, against an OAuth 2.0 server.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import type { Sandbox } from "../../sandbox/armor.ts";
import { parseFileCommand, ROOT } from "../../sandbox/runner.ts";
import { CONTROL_FILE } from "../../src/protocol/config.ts";
import { maskedForms } from "../../src/redact.ts";
import {
  expectFailure,
  goodArmor,
  moveToClosedPort,
  openJob,
  runBuiltMain,
  type StartedJob,
  startJob,
} from "../fixtures/job.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { agentsBelow } from "../fixtures/processes.ts";
import { openSandbox } from "../fixtures/sandbox.ts";
import { type Answer, startServer, token } from "../fixtures/server.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

const MINT = "POST /api/v1/iam/session/oauth2/token 200";
const ENDED = "POST /api/v1/iam/session/terminate 204";

const count = ({ requests }: Sandbox, wanted: string) =>
  requests.filter((one) => one === wanted).length;

/** Resolves when the agent's end of a connection is closed: a pid could be a zombie's. */
async function agentEnds({ gateway }: StartedJob): Promise<void> {
  const socket = connect(Number(new URL(gateway).port), "127.0.0.1");
  await new Promise((resolve) => {
    socket.on("error", () => undefined).once("close", resolve);
    socket.write("GET / HTTP/1.1\r\n");
  });
  await expect(fetch(gateway)).rejects.toThrow();
}

/** The one agent of this job; the test fails if there is none, or more than one. */
async function signalAgent({ job }: StartedJob, signal: NodeJS.Signals): Promise<void> {
  const agents = agentsBelow(job.temp);
  expect(agents).toHaveLength(1);
  for (const { pid } of agents) process.kill(pid, signal);
}

/** The job's temp folder holds nothing but what the runner put there. */
async function expectNothingLeft(temp: string): Promise<void> {
  await expect(readdir(temp)).resolves.toEqual(["_runner_file_commands"]);
}

describe("a job", () => {
  test.concurrent("prints, writes and sends this, in this order, and shows no secret", async () => {
    await using armor = await openSandbox();
    await using job = await openJob({ "api-url": armor.url });
    const main = await job.main();
    const { "access-token": accessToken = "", "expires-at": expiresAt } = job.outputs;
    const lines = main.stdout.trimEnd().split(/\r?\n/);
    expect(lines[0]).toBe(`::add-mask::${API_KEY.replace("%", "%25")}`);
    expect(lines.slice(0, -1).every((line) => line.startsWith("::add-mask::"))).toBe(true);
    expect(lines.slice(-4)).toEqual([
      ...maskedForms(accessToken).map((form) => `::add-mask::${form}`),
      `Access token from ${armor.url}, valid for 60 s, until ${expiresAt}.`,
    ]);
    expect(main).toMatchObject({ exitCode: 0, stderr: "" });
    expect(Object.keys(job.outputs)).toEqual([
      "access-token",
      "api-url",
      "token-type",
      "expires-in",
      "expires-at",
    ]);
    const headers = { Authorization: `${job.outputs["token-type"]} ${accessToken}` };
    await fetch(`${armor.url}/api/v1/discovery/connections`, { headers });
    const post = await job.post();
    expect(post).toMatchObject({ exitCode: 0, stderr: "" });
    expect(job.log(post.stdout)).toEqual(["The Armor session was ended."]);
    expect(armor.requests).toEqual([MINT, "GET /api/v1/discovery/connections 200", ENDED]);
    const shown = [main.stdout, main.stderr, post.stdout, post.stderr].flatMap((text) =>
      job.log(text),
    );
    expect(leaksIn(shown.join("\n"), [...formsOf(API_KEY), ...formsOf(accessToken)])).toEqual([]);
    const files = [main.files, post.files].flatMap((values) => Object.values(values));
    expect(leaksIn(files.join("\n"), formsOf(API_KEY))).toEqual([]);
  });

  test.concurrent.each(["false", "true"])(
    "whose Armor is gone at its end warns, in time, and leaves nothing behind, with keep-fresh: %s",
    async (keepFresh) => {
      await using armor = await startServer([goodArmor]);
      await using job = await openJob({ "api-url": armor.url, "keep-fresh": keepFresh });
      await job.main();
      await armor.close();
      const post = await job.post();
      expect(post).toMatchObject({ exitCode: 0, stderr: "" });
      expect(job.log(post.stdout).at(-1)).toMatch(
        /^The Armor session could not be ended \(no connection\); it ends by itself at \d\d:\d\d:\d\d UTC\.$/,
      );
      expect(post.ms).toBeLessThan(15_000);
      expect(agentsBelow(job.temp)).toEqual([]);
      await expectNothingLeft(job.temp);
    },
  );

  test.concurrent("is told that RUNNER_TEMP is not there before a token is asked for", async () => {
    await using armor = await startServer([goodArmor]);
    // The runner starts no step without this folder, so the step is started without the runner.
    await using job = await openJob();
    const { temp } = job;
    const file = join(temp, "file");
    await writeFile(file, "");
    const state = join(temp, "state");
    await writeFile(state, "");
    const env = {
      GITHUB_OUTPUT: file,
      GITHUB_STATE: state,
      GITHUB_ENV: file,
      GITHUB_PATH: file,
      "INPUT_APP-ID": APP_ID,
      "INPUT_API-KEY": API_KEY,
      "INPUT_API-URL": armor.url,
      INPUT_TIMEOUT: "30",
      "INPUT_KEEP-FRESH": "true",
      "INPUT_EXPORT-ENVIRONMENT": "true",
      "INPUT_TERMINATE-SESSION": "true",
      RUNNER_TEMP: join(temp, "nowhere"),
    };
    const main = spawnSync(process.execPath, [join(ROOT, "dist", "main.js")], { env });
    expect(main.status).toBe(1);
    const says = /^::error::.*RUNNER_TEMP.*ENOENT.*\(file_failed, /m;
    expect(main.stdout.toString("utf8")).toMatch(says);
    await expect(readFile(file, "utf8")).resolves.toBe("");
    expect(parseFileCommand(await readFile(state, "utf8"))).toMatchObject({ access_token: "" });
    expect(armor.connections).toBe(0);
  });

  test.concurrent("prints no secret that Armor repeats", async () => {
    await using armor = await openSandbox({ echoesCredentials: true });
    armor.refuseClient();
    const step = await runBuiltMain({ "api-url": armor.url });
    expectFailure(step, "credentials_rejected", ['401 invalid_client ("no such client: Basic ***']);
  });

  test.concurrent("does nothing in post if main has saved nothing", async () => {
    await using armor = await startServer([goodArmor]);
    await using job = await openJob({ "api-url": armor.url, "keep-fresh": "true" });
    await expect(job.post()).resolves.toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    expect(armor.connections).toBe(0);
  });
});

describe("a job with keep-fresh", () => {
  test.concurrent("that outlives its token is answered throughout, by few tokens", async () => {
    await using armor = await openSandbox({ tokenLifetime: 3 });
    await using started = await startJob({ "api-url": armor.url });
    const { job, call } = started;
    const answers = new Set<string>();
    const start = performance.now();
    for (; count(armor, MINT) < 3; await sleep(20)) {
      const reply = await call();
      answers.add(reply.ok ? "ok" : await reply.text());
    }
    expect([...answers]).toEqual(["ok"]);
    // Two a second at most, where each call would be 50.
    expect(count(armor, MINT)).toBeLessThanOrEqual(3 + (performance.now() - start) / 500);
    const post = await job.post();
    expect(post).toMatchObject({ exitCode: 0, stderr: "" });
    expect(job.log(post.stdout)[0]).toMatch(
      /^Token agent: \d+ calls answered \(2xx \d+\), \d tokens fetched(, \d sessions? ended)?\.$/,
    );
  });

  test.concurrent("asks nothing while it is idle; then 60 calls at once are one mint", async () => {
    let mints = 0;
    const answer: Answer = (response, request) => {
      if (!request.path.endsWith("/oauth2/token")) return goodArmor(response, request);
      mints += 1;
      token({ expires_in: mints > 1 ? 60 : 1 })(response, request);
    };
    await using armor = await startServer([answer]);
    await using started = await startJob({ "api-url": armor.url });
    const { call } = started;
    await sleep(1_100);
    expect(mints).toBe(1);
    const replies = await Promise.all(Array.from({ length: 60 }, () => call()));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    expect(mints).toBe(2);
  });

  test.concurrent("gives later steps the gateway and armor-token, without node on PATH", async () => {
    await using armor = await openSandbox();
    await using started = await startJob({ "api-url": armor.url });
    const { job, gateway, call } = started;
    expect(gateway).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{43}$/);
    expect(job.exported).toEqual({ ARMOR_GATEWAY_URL: gateway });
    expect(job.temp).toContain(" ");
    const path = 'PATH="$(dirname "$(command -v armor-token)"):/usr/bin:/bin"';
    const step = await job.run(`${path}; armor-token; "${job.outputs["token-command"]}" --header`);
    const accessToken = job.outputs["access-token"];
    const stdout = `${accessToken}\nAuthorization: Bearer ${accessToken}\n`;
    expect(step).toMatchObject({ exitCode: 0, stdout });
    armor.revokeAll();
    expect((await call()).status).toBe(200);
    expect(count(armor, MINT)).toBe(2);
  });

  test.concurrent("whose key is replaced has the reason in its log, once, and without the key", async () => {
    await using armor = await openSandbox({ tokenLifetime: 1, echoesCredentials: true });
    await using started = await startJob({ "api-url": armor.url });
    const { job, call } = started;
    armor.refuseClient();
    await sleep(1_100);
    const replies = await Promise.all([call(), call(), call()]);
    expect(replies.map(({ status }) => status)).toEqual([424, 424, 424]);
    const body = await replies[0]?.text();
    expect(body).toContain("credentials_rejected");
    const step = await job.run("armor-token");
    expect(step).toMatchObject({ exitCode: 1, stdout: "" });
    expect(step.stderr).toMatch(
      /^armor-token: the token agent has no token: Armor does not accept .*\.\n$/,
    );
    const post = await job.post();
    const log = job.log(post.stdout);
    expect(log[0]).toContain("3 calls failed (credentials_rejected 3)");
    expect(log.filter((line) => line.startsWith("Warning: "))).toEqual([
      expect.stringMatching(/does not accept .*\(credentials_rejected, https:.*\)$/),
    ]);
    const pairs = [API_KEY, encodeURIComponent(API_KEY)].map((key) => `${APP_ID}:${key}`);
    const said = [body, step.stderr, post.stdout].join("\n");
    expect(leaksIn(said, formsOf(API_KEY, pairs))).toEqual([]);
  });

  test.concurrent("is told of a refusal, and of the sessions that were ended", async () => {
    await using armor = await openSandbox();
    await using started = await startJob({ "api-url": armor.url });
    const { job, call } = started;
    expect((await call("/api/v1/iam/users")).status).toBe(403);
    const post = await job.post();
    expect(post.exitCode).toBe(0);
    const log = job.log(post.stdout);
    expect(log[0]).toBe("Token agent: 1 call refused, 1 token fetched, 1 session ended.");
    expect(log.filter((line) => line.startsWith("Warning"))).toEqual([
      expect.stringMatching(/^Warning: The gateway refused \/api.*\(path_refused, /),
    ]);
  });

  test.concurrent("can use the action twice, for two apps", async () => {
    await using one = await startServer([token({ access_token: "t0k3n-one" })]);
    await using two = await startServer([token({ access_token: "t0k3n-two" })]);
    await using first = await startJob({ "api-url": one.url });
    await using second = await startJob({ "api-url": two.url }, {}, { temp: first.job.temp });
    const print = async ({ job }: StartedJob) =>
      (await second.job.run(`"${job.outputs["token-command"]}"`)).stdout;
    expect(await print(first)).toBe("t0k3n-one\n");
    expect(await print(second)).toBe("t0k3n-two\n");
    expect((await second.job.run("armor-token")).stdout).toBe("t0k3n-two\n");
    await second.job.post();
    expect(await print(second)).toBe("");
    expect(await print(first)).toBe("t0k3n-one\n");
    await first.job.post();
    await expectNothingLeft(first.job.temp);
    expect(one.requests.at(-1)?.headers.authorization).toBe("Bearer t0k3n-one");
    expect(two.requests.at(-1)?.headers.authorization).toBe("Bearer t0k3n-two");
  });

  test.concurrent("goes in post by what main saved, whatever inputs the runner gives there", async () => {
    await using armor = await openSandbox();
    await using other = await startServer([goodArmor]);
    await using started = await startJob({ "api-url": armor.url });
    const { job, main } = started;
    const state = Object.entries(parseFileCommand(main.files["GITHUB_STATE"] ?? ""));
    const saved = Object.fromEntries(state.map(([name, value]) => [`STATE_${name}`, value]));
    const inputs = { "app-id": "", "api-key": "", "api-url": other.url, timeout: "none" };
    await using postAlone = await openJob(inputs, saved, { temp: job.temp });
    const post = await postAlone.post();
    expect(post).toMatchObject({ exitCode: 0, stderr: "" });
    expect(armor.requests.filter((request) => request.includes("/terminate"))).toEqual([ENDED]);
    expect(other.connections).toBe(0);
  });

  test.concurrent("whose agent's folder is removed is told so by post, which ends the session", async () => {
    await using armor = await openSandbox();
    await using started = await startJob({ "api-url": armor.url });
    await rm(started.folder, { recursive: true });
    await agentEnds(started);
    const { stdout } = await started.job.post();
    expect(stdout).toMatch(
      /::warning::The token agent ended before the job did and left no report: /,
    );
    expect(count(armor, ENDED)).toBe(1);
  });
});

// Signals, and what other processes see in /proc.
if (process.platform === "linux") {
  describe("on Linux, a job with keep-fresh", () => {
    test.concurrent("shows no secret in arguments, environments, files or the log", async () => {
      await using armor = await openSandbox({ tokenLifetime: 1 });
      await using started = await startJob({ "api-url": armor.url });
      const { job, main, gateway, folder, call } = started;
      await sleep(1_100);
      await call();
      const step = await job.run("armor-token; armor-token --header");
      const [fresh = ""] = step.stdout.split("\n");
      const [agent, ...others] = agentsBelow(job.temp);
      expect(others).toEqual([]);
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
      const control = await readFile(join(folder, CONTROL_FILE), "utf8");
      expect((await stat(join(folder, CONTROL_FILE))).mode & 0o777).toBe(0o600);
      const capabilities = [gateway, control.trim()].map((url) => url.split("/").at(-1) ?? "");
      expect(new Set(capabilities).size).toBe(2);
      for (const one of capabilities) expect(main.stdout).toContain(`::add-mask::${one}\n`);
      const secrets = [API_KEY, fresh, job.outputs["access-token"] ?? ""].flatMap((text) =>
        formsOf(text),
      );
      expect(leaksIn(`${agent?.cmdline}${agent?.environ}`, [...secrets, ...capabilities])).toEqual(
        [],
      );
      for (const entry of await readdir(job.temp, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const content = await readFile(join(entry.parentPath, entry.name), "utf8");
        const leaks = leaksIn(content, [...formsOf(API_KEY), ...formsOf(fresh)]);
        expect({ [entry.name]: leaks }).toEqual({ [entry.name]: [] });
      }
      const post = await job.post();
      const outputs = [main, step, post].flatMap(({ stderr, stdout }) => [stderr, stdout]);
      const log = outputs.flatMap((text) => job.log(text)).join("\n");
      expect(leaksIn(log, [...secrets, ...capabilities])).toEqual([]);
      expect(log).toContain("Authorization: Bearer ***");
    });

    test.concurrent.each<{
      readonly signal: NodeJS.Signals;
      readonly first: string[];
      readonly says: RegExp;
    }>([
      {
        signal: "SIGKILL",
        first: ["The Armor session was ended."],
        says: / ended before the job did and left no report: a step killed it, /,
      },
      {
        signal: "SIGTERM",
        first: [
          "Token agent: no call came, 1 token fetched, 1 session ended.",
          "The Armor session was over already.",
        ],
        says: / ended before the job did: .*SIGTERM/,
      },
      {
        signal: "SIGSTOP",
        first: ["The Armor session was ended."],
        says: /could not be asked to stop.*in time/,
      },
    ])(
      "whose agent gets $signal has its session ended, and a warning",
      async ({ signal, first, says }) => {
        await using armor = await openSandbox();
        await using started = await startJob({ "api-url": armor.url });
        const ended = signal === "SIGSTOP" ? undefined : agentEnds(started);
        await signalAgent(started, signal);
        await ended;
        if (signal !== "SIGSTOP") await moveToClosedPort(started.job.temp);
        if (signal === "SIGKILL") {
          const stderr = expect.stringMatching(
            /^armor-token: the token agent is not running\. .*\n$/,
          );
          const step = await started.job.run("armor-token");
          expect(step).toMatchObject({ exitCode: 1, stdout: "", stderr });
        }
        const post = await started.job.post();
        expect(post).toMatchObject({ exitCode: 0, stderr: "" });
        const log = started.job.log(post.stdout);
        expect(log.slice(0, -1)).toEqual(first);
        expect(log.at(-1)).toMatch(/^Warning: The token agent .*\(agent_failed, https:.*\)$/);
        expect(log.at(-1)).toMatch(says);
        expect(post.ms).toBeLessThan(15_000);
        expect(count(armor, ENDED)).toBe(1);
        // One that stands still ends by this, once it goes on.
        expect(existsSync(started.folder)).toBe(false);
        if (signal !== "SIGSTOP") await expectNothingLeft(started.job.temp);
      },
    );
  });
}
