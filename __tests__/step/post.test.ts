import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import type { Values } from "../../sandbox/runner.ts";
import { crashWith, runPost } from "../fixtures/in-process.ts";
import { type Answer, type FakeServer, json, startServer, text } from "../fixtures/server.ts";
import { closing } from "../fixtures/teardown.ts";

let armor: FakeServer;

async function run(
  answers: readonly Answer[],
  state: Values,
  ...more: [inputs?: Values, crash?: Promise<never>]
) {
  armor = await closing(startServer(answers));
  return await runPost({ api_url: armor.url, ...state }, ...more);
}

const SESSION = { complete: "true", access_token: "t0k3n-1" };
const ENDED = "The Armor session was ended.";
const ok = text(204, "");

describe("post", () => {
  test("ends the session by saved state, and by no input", async () => {
    const other = await closing(startServer([ok]));
    const inputs = { "api-url": other.url, timeout: "x", "app-id": "", "api-key": "" };
    const { exitCode, lines, said } = await run([ok], SESSION, inputs);
    expect(exitCode).toBe(0);
    expect(lines[0]).toBe("::add-mask::t0k3n-1");
    expect(said).toEqual([ENDED]);
    const headers = { authorization: "Bearer t0k3n-1", "x-csrf-header": '""' };
    expect(armor.requests).toMatchObject([
      { method: "POST", path: "/api/v1/iam/session/terminate", headers },
    ]);
    expect(other.requests).toEqual([]);
  });

  test("without state, does and says nothing", async () => {
    const { exitCode, lines } = await run([ok], { ...SESSION, api_url: "" });
    expect([exitCode, lines, armor.requests]).toEqual([0, [], []]);
  });

  const over = "The Armor session was over already.";
  const hint = " The token had expired: with keep-fresh: true, later steps always have a valid one.";
  test.each([
    ["before", -3600_000, over + hint],
    ["not before", 3600_000, over],
  ])("tries to end a session whatever the clock says, here that it ended %s", async (_, ms, line) => {
    const { said } = await run([text(401, "")], { ...SESSION, expires_at: String(Date.now() + ms) });
    expect(said).toEqual([line]);
    expect(armor.requests).toHaveLength(1);
  });

  test("leaves a session alone where terminate-session was false", async () => {
    const { said } = await run([ok], { complete: "true", terminate_session: "false" });
    expect(said).toEqual([expect.stringContaining("was not ended, as terminate-session is false")]);
    expect(armor.requests).toEqual([]);
  });

  test("where main failed, ends the session in silence, but says that it was not ended", async () => {
    const { access_token } = SESSION;
    await expect(run([ok], { access_token })).resolves.toMatchObject({ exitCode: 0, said: [] });
    const { said } = await run([text(400, "")], { access_token });
    expect(said).toEqual([expect.stringMatching(/^::warning::The Armor session was not ended/)]);
  });

  test("warns in one line, without the token, where Armor refuses", async () => {
    const refusal = json(400, { error: "bad", error_description: "t0k3n-1" });
    const { exitCode, said } = await run([refusal], SESSION);
    const warning =
      /^::warning::The Armor session was not ended.* 400 bad \("\*\*\*"\).*\(request_rejected, /;
    expect([exitCode, said]).toEqual([0, [expect.stringMatching(warning)]]);
  });

  test("does not wait for longer than its deadline allows", async () => {
    const answers = ["0", "9"].map((seconds) => text(503, "", { "Retry-After": seconds }));
    const { said } = await run(answers, SESSION);
    expect(said).toEqual([expect.stringMatching(/^::warning::.*tried 2 times in .* asks to wait 9\.0 s/)]);
  });

  test("warns of what was not caught", async () => {
    const { exitCode, said } = await run([ok], SESSION, {}, crashWith(new Error("boom")));
    expect([exitCode, said]).toEqual([0, [expect.stringMatching(/^::warning::Unexpected Error: boom/)]]);
  });

  test.each([
    ["gone", /had ended before the job did: its folder below RUNNER_TEMP was removed/],
    ["file", /could not be asked to stop: control-url cannot be read \(ENOTDIR\)/],
  ])("ends the session, and says what is known of an agent whose folder is: %s", async (name, says) => {
    // A folder of the test's own, as post removes what state names, whatever it is.
    const temp = await mkdtemp(join(tmpdir(), "armor-post-"));
    await closing({ close: () => rm(temp, { recursive: true, force: true }) });
    await writeFile(join(temp, "file"), "");
    const state = { ...SESSION, agent_folder: join(temp, name), expires_at: "1" };
    const { exitCode, said, summary } = await run([text(401, "")], state);
    expect([exitCode, said, summary]).toEqual([0, [over, expect.stringMatching(says)], ""]);
  });
});

describe("post, with what an agent reports", () => {
  const report = { minted: 2, handedOut: 1, answered: { "2xx": 3 }, failed: {}, refused: 0, problems: {} };
  const bad = { ...report, failed: { host_unknown: 1 }, problems: { host_unknown: "No host. Look." } };
  const WARNING = expect.stringMatching(/^::warning::No host\. Look\. \(host_unknown, https:\S+\)$/);

  /** An agent that says so, and ends. */
  async function told(reported: object, state: Values = {}) {
    const folder = await mkdtemp(join(tmpdir(), "armor-post-"));
    await closing({ close: () => rm(folder, { recursive: true, force: true }) });
    const reply = { report: reported, sessions: { ended: 2, notEnded: 0 } };
    const agent = await closing(startServer([json(200, reply, { Connection: "close" })]));
    await writeFile(join(folder, "control-url"), `${agent.url}/cap\n`);
    const step = await run([ok], { ...SESSION, agent_folder: folder, ...state });
    expect(agent.requests).toMatchObject([{ method: "POST", path: "/cap/stop" }]);
    expect([step.exitCode, armor.requests]).toEqual([0, []]);
    return step;
  }

  test("folds the details of a good job, and leaves the summary alone", async () => {
    const { said, summary } = await told(report);
    expect(said).toEqual([
      "::group::Token agent: 3 calls answered, 1 token handed out, 2 tokens fetched.",
      "calls answered    3 (2xx 3)",
      "tokens handed out 1",
      "tokens fetched    2",
      "sessions ended    2",
      "::endgroup::",
    ]);
    expect(summary).toBe("");
  });

  test("warns of what failed, and puts the numbers into the summary", async () => {
    const { said, summary } = await told(bad);
    expect(said.slice(-2)).toEqual(["::endgroup::", WARNING]);
    expect(summary).toContain("<tr><th>Armor token agent</th><th>in this job</th></tr>");
    expect(summary).toContain("<tr><td>calls failed</td><td>1 (host_unknown 1)</td></tr>");
  });

  test("has nothing for the summary where no call was answered, and says nothing more where main failed", async () => {
    const unused = { ...bad, failed: {}, answered: {}, handedOut: 0 };
    const line = "Token agent: it answered no call. Where no step needs it, leave keep-fresh out.";
    await expect(told(unused)).resolves.toMatchObject({ said: [line, WARNING], summary: "" });
    await expect(told(bad, { complete: "" })).resolves.toMatchObject({ said: [WARNING] });
  });
});
