// Whole jobs with keep-fresh: the built action, its agent and armor-token as processes of their own.

import { spawn } from "node:child_process";
import { open as openFile, readdir, readFile, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect } from "@jest/globals";
import { type Sandbox, startSandbox } from "../../sandbox/armor.ts";
import { parseFileCommand, ROOT, readAction } from "../../sandbox/runner.ts";
import { type Open, openJob, runMain, type StartedJob, scopedTest, startJob } from "../fixtures/job.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { agentsBelow } from "../fixtures/processes.ts";
import { type Answer, json, startServer, token } from "../fixtures/server.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

const MINT = "POST /api/v1/iam/session/oauth2/token 200";
const ENDED = "POST /api/v1/iam/session/terminate 204";

const sandbox = (open: Open, tokenLifetime = 60, more = {}) =>
  open(startSandbox({ appId: APP_ID, apiKey: API_KEY, tokenLifetime, ...more }));

const count = ({ requests }: Sandbox, wanted: string) => requests.filter((one) => one === wanted).length;

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Resolves when the agent's end of a connection is closed: a pid could be a zombie's. */
async function agentEnds({ gateway }: StartedJob): Promise<void> {
  const socket = connect(Number(new URL(gateway).port), "127.0.0.1");
  await new Promise((resolve) => {
    socket.on("error", () => undefined).once("close", resolve);
    socket.write("GET / HTTP/1.1\r\n");
  });
  await expect(fetch(gateway)).rejects.toThrow();
}

/** The one agent of this job; the test fails where there is none, or more than one. */
async function signalAgent({ job }: StartedJob, signal: NodeJS.Signals): Promise<void> {
  const agents = await agentsBelow(job.temp);
  expect(agents).toHaveLength(1);
  for (const { pid } of agents) process.kill(pid, signal);
}

describe("a job with keep-fresh", () => {
  scopedTest(
    "that outlives its token is answered throughout, by no more tokens than it needs",
    async (open) => {
      const armor = await sandbox(open, 1);
      const { job, main, call } = await startJob(open, { "api-url": armor.url });
      expect(job.log(main.stdout)).toEqual([
        `Access token from ${armor.url}, valid for 1 s. Until the job ends, later steps reach Armor by $ARMOR_GATEWAY_URL and get tokens by armor-token.`,
      ]);
      const statuses = new Set<number>();
      const start = performance.now();
      for (; count(armor, MINT) < 3; await sleep(20)) statuses.add((await call()).status);
      expect([...statuses]).toEqual([200]);
      // Two a second at most, where each call would be 50.
      expect(count(armor, MINT)).toBeLessThanOrEqual(3 + (performance.now() - start) / 500);
      const post = await job.post();
      expect(post).toMatchObject({ exitCode: 0, stderr: "" });
      expect(post.files["GITHUB_STEP_SUMMARY"]).toBe("");
      const [line, ...rows] = job.log(post.stdout);
      expect(line).toMatch(/^Token agent: \d+ calls answered, \d tokens fetched\.$/);
      const names = rows.map((row) => row.split("  ")[0]);
      expect(names.slice(0, 2)).toEqual(["calls answered", "tokens fetched"]);
    },
  );

  scopedTest("asks nothing while it is idle; then 60 calls at once are one mint", async (open) => {
    const mints = () => armor.requests.filter(({ path }) => path.endsWith("/oauth2/token")).length;
    const answer: Answer = (response, request) => {
      const reply = request.method === "GET" ? json(200, {}) : token({ expires_in: mints() > 1 ? 60 : 1 });
      reply(response, request);
    };
    const armor = await open(startServer([answer]));
    const { call } = await startJob(open, { "api-url": armor.url });
    await sleep(1_100);
    expect(mints()).toBe(1);
    const replies = await Promise.all(Array.from({ length: 60 }, () => call()));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    expect(mints()).toBe(2);
  });

  scopedTest(
    "gives later steps the gateway and armor-token, in a folder with spaces and without node on PATH",
    async (open) => {
      const armor = await sandbox(open);
      const { job, gateway, call } = await startJob(open, { "api-url": armor.url });
      expect(gateway).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{43}$/);
      expect(job.exported).toEqual({ ARMOR_GATEWAY_URL: gateway });
      expect(job.temp).toContain(" ");
      const path = 'PATH="$(dirname "$(command -v armor-token)"):/usr/bin:/bin"';
      const step = await job.run(`${path}; armor-token; "${job.outputs["token-command"]}" --header`);
      const accessToken = job.outputs["access-token"];
      expect(step).toMatchObject({
        exitCode: 0,
        stdout: `${accessToken}\nAuthorization: Bearer ${accessToken}\n`,
      });
      armor.revokeAll();
      expect((await call()).status).toBe(200);
      expect(count(armor, MINT)).toBe(2);
    },
  );

  scopedTest(
    "whose key is replaced meanwhile has the reason in its log, once, and without the key",
    async (open) => {
      const armor = await sandbox(open, 1, { echoesCredentials: true });
      const { job, call } = await startJob(open, { "api-url": armor.url });
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
      expect(job.log(post.stdout)).toContain("calls failed      3 (credentials_rejected 3)");
      const warnings = job.log(post.stdout).filter((line) => line.startsWith("Warning: "));
      expect(warnings).toEqual([
        expect.stringMatching(/does not accept .*\(credentials_rejected, https:.*\)$/),
      ]);
      expect(post.files["GITHUB_STEP_SUMMARY"]).toContain("<td>calls failed</td>");
      const pairs = [API_KEY, encodeURIComponent(API_KEY)].map((key) => `${APP_ID}:${key}`);
      const said = [body, step.stderr, post.stdout, post.files["GITHUB_STEP_SUMMARY"]].join("\n");
      expect(leaksIn(said, formsOf(API_KEY, pairs))).toEqual([]);
    },
  );

  scopedTest("can use the action twice, for two apps", async (open) => {
    const [one, two] = [
      await open(startServer([token({ access_token: "t0k3n-one" })])),
      await open(startServer([token({ access_token: "t0k3n-two" })])),
    ];
    const first = await startJob(open, { "api-url": one.url });
    const second = await startJob(open, { "api-url": two.url }, {}, first.job.temp);
    const print = async ({ job }: StartedJob) =>
      (await second.job.run(`"${job.outputs["token-command"]}"`)).stdout;
    expect(await print(first)).toBe("t0k3n-one\n");
    expect(await print(second)).toBe("t0k3n-two\n");
    expect((await second.job.run("armor-token")).stdout).toBe("t0k3n-two\n");
    await second.job.post();
    expect(await print(second)).toBe("");
    expect(await print(first)).toBe("t0k3n-one\n");
    await first.job.post();
    await expect(readdir(first.job.temp)).resolves.toEqual(["_runner_file_commands"]);
    expect(one.requests.at(-1)?.headers.authorization).toBe("Bearer t0k3n-one");
    expect(two.requests.at(-1)?.headers.authorization).toBe("Bearer t0k3n-two");
  });
});

describe("the end of a job with keep-fresh", () => {
  scopedTest("leaves nothing behind, also where Armor is gone", async (open) => {
    const armor = await startSandbox({ appId: APP_ID, apiKey: API_KEY });
    const started = await startJob(open, { "api-url": armor.url });
    await armor.close();
    const [post] = await Promise.all([started.job.post(), agentEnds(started)]);
    expect(post).toMatchObject({ exitCode: 0, stderr: "" });
    expect(started.job.log(post.stdout).at(-1)).toMatch(/^Warning: 1 Armor session was not ended/);
    await expect(readdir(started.job.temp)).resolves.toEqual(["_runner_file_commands"]);
  });

  scopedTest("goes by what main saved, whatever inputs the runner gives to post", async (open) => {
    const [armor, other] = [await sandbox(open), await open(startServer([token()]))];
    const { job, main } = await startJob(open, { "api-url": armor.url });
    const state = Object.entries(parseFileCommand(main.files["GITHUB_STATE"] ?? ""));
    const saved = Object.fromEntries(state.map(([name, value]) => [`STATE_${name}`, value]));
    const inputs = { "app-id": "", "api-key": "", "api-url": other.url, timeout: "none" };
    const post = await (await openJob(open, inputs, saved, job.temp)).post();
    expect(post).toMatchObject({ exitCode: 0, stderr: "" });
    expect(armor.requests.filter((request) => request.includes("/terminate"))).toEqual([ENDED]);
    expect(other.connections).toBe(0);
  });

  scopedTest("is silent where main has saved nothing", async (open) => {
    const armor = await sandbox(open);
    const job = await openJob(open, { "api-url": armor.url, "keep-fresh": "true" });
    await expect(job.post()).resolves.toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    expect(armor.requests).toEqual([]);
  });

  scopedTest(
    "comes for an agent whose folder is removed, and post says so and ends the session",
    async (open) => {
      const armor = await sandbox(open);
      const started = await startJob(open, { "api-url": armor.url });
      await rm(started.folder, { recursive: true });
      await agentEnds(started);
      const { stdout } = await started.job.post();
      expect(stdout).toMatch(/::warning::The token agent had ended before the job did: /);
      expect(count(armor, ENDED)).toBe(1);
    },
  );

  scopedTest("is told of main where RUNNER_TEMP is not there, before a token is asked for", async (open) => {
    const armor = await sandbox(open);
    const inputs = { "api-url": armor.url, "keep-fresh": "true" };
    const main = await runMain(inputs, { RUNNER_TEMP: join(armor.url, "nowhere") });
    expect(main.exitCode).toBe(1);
    expect(main.said).toEqual([expect.stringMatching(/^::error::.*RUNNER_TEMP.*ENOENT.*\(file_failed,/)]);
    expect(main.files).toMatchObject({ GITHUB_OUTPUT: "", GITHUB_ENV: "", GITHUB_PATH: "" });
    expect(armor.requests).toEqual([]);
  });
});

// Signals, and what other processes see in /proc.
if (process.platform === "linux") {
  describe("on Linux, a job with keep-fresh", () => {
    scopedTest("shows no secret in arguments, environments, files or the log", async (open) => {
      const armor = await sandbox(open, 1);
      const { job, main, gateway, folder, call } = await startJob(open, { "api-url": armor.url });
      await sleep(1_100);
      await call();
      const step = await job.run("armor-token; armor-token --header");
      const [fresh = ""] = step.stdout.split("\n");
      const [agent, ...others] = await agentsBelow(job.temp);
      expect(others).toEqual([]);
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
      const control = await readFile(join(folder, "control-url"), "utf8");
      expect((await stat(join(folder, "control-url"))).mode & 0o777).toBe(0o600);
      const capabilities = [gateway, control.trim()].map((url) => url.split("/").at(-1) ?? "");
      expect(new Set(capabilities).size).toBe(2);
      const secrets = [API_KEY, fresh, job.outputs["access-token"] ?? ""].flatMap((text) => formsOf(text));
      expect(leaksIn(`${agent?.cmdline}${agent?.environ}`, [...secrets, ...capabilities])).toEqual([]);
      for (const file of await filesBelow(job.temp)) {
        const content = await readFile(file, "utf8");
        expect([file, leaksIn(content, [...formsOf(API_KEY), ...formsOf(fresh)])]).toEqual([file, []]);
      }
      const post = await job.post();
      const outputs = [main, step, post].flatMap(({ stderr, stdout }) => [stderr, stdout]);
      const log = outputs.flatMap((text) => job.log(text)).join("\n");
      expect(leaksIn(log, [...secrets, ...capabilities])).toEqual([]);
      expect(log).toContain("Authorization: Bearer ***");
    });

    scopedTest("prints the mask of each secret before the secret goes anywhere", async (open) => {
      const armor = await sandbox(open);
      const job = await openJob(open, {});
      // Standard output and the runner's files are one file here, so all that is written stands in one order.
      const all = join(job.temp, "all");
      const file = await open(openFile(all, "a"));
      const names = ["GITHUB_STATE", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH"];
      const { inputs } = await readAction();
      const defaults = Object.entries(inputs).map(([name, input]) => [name, input.default ?? ""]);
      const given = { "app-id": APP_ID, "api-key": API_KEY, "api-url": armor.url, "keep-fresh": "true" };
      const env = {
        ...{ PATH: process.env["PATH"], RUNNER_TEMP: job.temp },
        ...Object.fromEntries(names.map((name) => [name, all])),
        ...Object.fromEntries(
          Object.entries({ ...Object.fromEntries(defaults), ...given }).map(([name, value]) => [
            `INPUT_${name.toUpperCase()}`,
            value,
          ]),
        ),
      };
      const main = join(ROOT, "dist", "main.js");
      const child = spawn(process.execPath, [main], { env, stdio: ["ignore", file.fd, file.fd] });
      expect(await new Promise((resolve) => child.once("close", resolve))).toBe(0);
      const text = await readFile(all, "utf8");
      const gateway = /ARMOR_GATEWAY_URL<<.*\n(.*)\n/.exec(text)?.[1];
      const folder = /agent_folder<<.*\n(.*)\n/.exec(text)?.[1] ?? "";
      const control = (await readFile(join(folder, "control-url"), "utf8")).trim();
      const capabilities = [gateway, control].map((url) => url?.split("/").at(-1));
      for (const secret of [armor.issued[0], ...capabilities]) {
        expect(text.split(`${secret}`)[0]).toMatch(/(^|\n)::add-mask::$/);
      }
    });

    scopedTest(
      "whose agent is killed gets a clear error from armor-token, and a warning and the end of its session from post",
      async (open) => {
        const armor = await sandbox(open);
        const started = await startJob(open, { "api-url": armor.url });
        const ended = agentEnds(started);
        await signalAgent(started, "SIGKILL");
        await ended;
        await expect(started.job.run("armor-token")).resolves.toMatchObject({
          exitCode: 1,
          stdout: "",
          stderr: expect.stringMatching(/^armor-token: the token agent is not running\. .*\n$/),
        });
        const post = await started.job.post();
        expect(post).toMatchObject({ exitCode: 0, stderr: "" });
        expect(started.job.log(post.stdout)).toEqual([
          "The Armor session was ended.",
          expect.stringMatching(
            /^Warning: The token agent had ended before the job did: .*killed.*agent_failed/,
          ),
        ]);
        expect(count(armor, ENDED)).toBe(1);
        await expect(readdir(started.job.temp)).resolves.toEqual(["_runner_file_commands"]);
      },
    );

    scopedTest(
      "whose agent is told to end by SIGTERM has its session ended, and the reason in the log",
      async (open) => {
        const armor = await sandbox(open);
        const started = await startJob(open, { "api-url": armor.url });
        const ended = agentEnds(started);
        await signalAgent(started, "SIGTERM");
        await ended;
        expect(count(armor, ENDED)).toBe(1);
        const { stdout } = await started.job.post();
        expect(stdout).toMatch(/::warning::The token agent had ended before the job did: .*SIGTERM/);
      },
    );

    scopedTest("whose agent hangs is over in time: post ends the session itself, and warns", async (open) => {
      const armor = await sandbox(open);
      const started = await startJob(open, { "api-url": armor.url });
      await signalAgent(started, "SIGSTOP");
      const post = await started.job.post();
      expect(post).toMatchObject({ exitCode: 0, stderr: "" });
      expect(post.ms).toBeLessThan(15_000);
      expect(started.job.log(post.stdout).at(-1)).toMatch(/^Warning: .*could not be asked to stop.*in time/);
      expect(count(armor, ENDED)).toBe(1);
    });
  });
}
