// The bundle that users run, as a child process, against a real OAuth 2.0 server.

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Sandbox, startSandbox } from "../sandbox/armor.ts";
import { Job } from "../sandbox/runner.ts";
import { formsOf, leaksIn } from "./fixtures/leaks.ts";
import { API_KEY, APP_ID } from "./fixtures/step.ts";

const TOKEN_CALL = "POST /api/v1/iam/session/oauth2/token";
const TERMINATE_CALL = "POST /api/v1/iam/session/terminate";

describe("a job with the built action", () => {
  let armor: Sandbox;

  beforeAll(async () => {
    armor = await startSandbox({ appId: APP_ID, apiKey: API_KEY });
  });

  afterAll(() => armor.close());

  async function startJob(inputs = {}): Promise<Job> {
    return await Job.start({ "app-id": APP_ID, "api-key": API_KEY, "api-url": armor.url, ...inputs });
  }

  test("commands, files and requests, in their order", async () => {
    const job = await startJob();
    const asked = armor.requests.length;

    const main = await job.main();
    const token = job.outputs["access-token"] ?? "";
    const lines = main.stdout.trimEnd().split(/\r?\n/);
    expect(lines[0]).toBe(`::add-mask::${API_KEY.replace("%", "%25")}`);
    expect(lines.slice(0, -2).every((line) => line.startsWith("::add-mask::"))).toBe(true);
    expect(lines.slice(-2)).toEqual([
      `::add-mask::${token}`,
      `Access token from ${armor.url}, valid for 60 s, until ${job.outputs["expires-at"]}.`,
    ]);
    expect(main).toMatchObject({ exitCode: 0, stderr: "" });
    expect(Object.keys(job.outputs)).toEqual(["access-token", "token-type", "expires-in", "expires-at"]);
    expect(armor.requests.slice(asked)).toEqual([`${TOKEN_CALL} 200`]);

    const headers = { Authorization: `${job.outputs["token-type"]} ${token}` };
    const call = () => fetch(`${armor.url}/api/v1/discovery/connections`, { headers });
    await expect(call()).resolves.toMatchObject({ status: 200 });

    const post = await job.post();
    expect(post).toMatchObject({ exitCode: 0, stderr: "" });
    expect(job.log(post.stdout)).toEqual([
      expect.stringMatching(/^Ended the Armor session, \d\d s before its token would have expired\.$/),
    ]);
    expect(armor.requests.slice(asked + 2)).toEqual([`${TERMINATE_CALL} 204`]);
    await expect(call()).resolves.toMatchObject({ status: 401 });
    await job.end();
  });

  test("what a person sees and what lies around hold no secret", async () => {
    const job = await startJob();
    const [main, post] = [await job.main(), await job.post()];
    const token = job.outputs["access-token"] ?? "";
    const shown = [...job.log(main.stdout), ...job.log(main.stderr), ...job.log(post.stdout + post.stderr)];
    expect(shown.join("\n")).toMatch(/^Access token from .*\nEnded the Armor session.*$/);
    expect(leaksIn(shown.join("\n"), [...formsOf(API_KEY), ...formsOf(token)])).toEqual([]);
    for (const files of [main.files, post.files]) {
      expect(leaksIn(Object.values(files).join("\n"), formsOf(API_KEY))).toEqual([]);
    }
    expect(job.mask(`curl -H "Authorization: Bearer ${token}" # ${API_KEY}`)).toBe(
      'curl -H "Authorization: Bearer ***" # ***',
    );
    await job.end();
  });

  test("after a main step that failed, post is quiet", async () => {
    const job = await startJob({ "api-key": "wrong" });
    await expect(job.main()).resolves.toMatchObject({ exitCode: 1 });
    await expect(job.post()).resolves.toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    await job.end();
  });

  test("with Armor gone, post warns and is soon over", async () => {
    const fleeting = await startSandbox({ appId: APP_ID, apiKey: API_KEY });
    const job = await startJob({ "api-url": fleeting.url });
    await job.main();
    await fleeting.close();
    const post = await job.post();
    expect(post.exitCode).toBe(0);
    expect(job.log(post.stdout)).toEqual([
      expect.stringMatching(/^Warning: The Armor session was not ended/),
    ]);
    expect(post.ms).toBeLessThan(6_000);
    await job.end();
  });

  test("a token that died before the job ended is not ended again", async () => {
    const asked = armor.requests.length;
    const state = {
      STATE_main_started: "true",
      STATE_main_succeeded: "true",
      STATE_access_token: "t0k3n",
      STATE_expires_at: String(Date.now() - 5_000),
    };
    const job = await Job.start({ "app-id": APP_ID, "api-key": API_KEY, "api-url": armor.url }, state);
    const post = await job.post();
    expect(job.log(post.stdout)).toEqual([
      expect.stringMatching(/^The access token expired 6 s before the job ended\. keep-fresh: true supplies/),
    ]);
    expect(armor.requests).toHaveLength(asked);
    await job.end();
  });
});
