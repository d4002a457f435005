import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { Values } from "../../sandbox/runner.ts";
import { post } from "../../src/step/post.ts";
import { NO_CRASH, runStep } from "../fixtures/in-process.ts";
import { type Answer, type FakeServer, json, startServer, text } from "../fixtures/server.ts";

let armor: FakeServer | undefined;

afterEach(async () => {
  await armor?.close();
  armor = undefined;
});

const SESSION = { STATE_complete: "true", STATE_access_token: "t0k3n-1" };

async function run(answers: readonly Answer[], state: Values, crash = NO_CRASH, inputs: Values = {}) {
  armor = await startServer(answers);
  return await runStep((env) => post(env, crash), inputs, { STATE_api_url: armor.url, ...state });
}

describe("post", () => {
  test("ends the session, and says so", async () => {
    const { exitCode, lines, said } = await run([text(204, "")], SESSION);
    expect(exitCode).toBe(0);
    expect(lines[0]).toBe("::add-mask::t0k3n-1");
    expect(said).toEqual(["The Armor session was ended."]);
    expect(armor?.requests).toMatchObject([
      {
        method: "POST",
        path: "/api/v1/iam/session/terminate",
        headers: { authorization: "Bearer t0k3n-1", "x-csrf-header": '""' },
      },
    ]);
  });

  test("tries to end it whatever the clock says, and says that it was over", async () => {
    const state = { ...SESSION, STATE_expires_at: String(Date.now() - 3600_000) };
    const { said } = await run([text(401, "")], state);
    expect(said).toEqual([expect.stringMatching(/^The Armor session was over already\. .*keep-fresh: true/)]);
    expect(armor?.requests).toHaveLength(1);
  });

  test("leaves a session alone where terminate-session was false", async () => {
    const { said } = await run([text(204, "")], { STATE_complete: "true", STATE_terminate_session: "false" });
    expect(said).toEqual([expect.stringContaining("was not ended, as terminate-session is false")]);
    expect(armor?.requests).toEqual([]);
  });

  test("acts on saved state, and on no input", async () => {
    const stranger = await startServer([text(204, "")]);
    try {
      const inputs = { "api-url": stranger.url, timeout: "x", "app-id": "", "api-key": "" };
      const { said } = await run([text(204, "")], SESSION, NO_CRASH, inputs);
      expect(said).toEqual(["The Armor session was ended."]);
      expect(stranger.requests).toEqual([]);
    } finally {
      await stranger.close();
    }
  });

  test("without state, does and says nothing", async () => {
    const { exitCode, lines } = await run([text(204, "")], { ...SESSION, STATE_api_url: "" });
    expect([exitCode, lines]).toEqual([0, []]);
    expect(armor?.requests).toEqual([]);
  });

  test("where main failed behind the token, ends the session in silence, but says that it was not ended", async () => {
    const state = { STATE_access_token: "t0k3n-1" };
    await expect(run([text(204, "")], state)).resolves.toMatchObject({ exitCode: 0, said: [] });
    await armor?.close();
    const { said } = await run([text(400, "")], state);
    expect(said).toEqual([expect.stringMatching(/^::warning::The Armor session was not ended/)]);
  });

  test("warns in one line, without the token, and fails nothing where Armor refuses", async () => {
    const refusal = json(400, { error: "bad", error_description: "t0k3n-1" });
    const { exitCode, said } = await run([refusal], SESSION);
    expect(exitCode).toBe(0);
    expect(said).toEqual([
      expect.stringMatching(
        /^::warning::The Armor session was not ended, .* 400 bad \("\*\*\*"\).*\(request_rejected, /,
      ),
    ]);
  });

  test("does not wait for longer than its deadline allows", async () => {
    const { said } = await run(
      [text(503, "", { "Retry-After": "0" }), text(503, "", { "Retry-After": "9" })],
      SESSION,
    );
    expect(said).toEqual([expect.stringMatching(/^::warning::.*tried 2 times in .* asks to wait 9\.0 s/)]);
  });

  test("a crash is a warning, too", async () => {
    const crash = Promise.reject(new Error("boom"));
    crash.catch(() => undefined);
    const { exitCode, said } = await run([text(204, "")], SESSION, crash);
    expect(exitCode).toBe(0);
    expect(said).toEqual([expect.stringMatching(/^::warning::Unexpected Error: boom/)]);
  });

  // Of its own, as the post step removes what state names: with root's rights, whatever it is.
  const inTemp = async (use: (temp: string) => Promise<void>) => {
    const temp = await mkdtemp(join(tmpdir(), "armor-post-"));
    await use(temp).finally(() => rm(temp, { recursive: true, force: true }));
  };

  test.each([
    [
      "a folder that is gone",
      "gone",
      /had ended before the job did: its folder below RUNNER_TEMP was removed/,
    ],
    [
      "a folder that cannot be read as one",
      "file",
      /could not be asked to stop: control-url cannot be read \(ENOTDIR\)/,
    ],
  ])("%s: ends the step's own session, and says what is known of the agent", async (_, name, says) => {
    await inTemp(async (temp) => {
      await writeFile(join(temp, "file"), "");
      const { exitCode, said } = await run([text(204, "")], {
        ...SESSION,
        STATE_agent_folder: join(temp, name),
      });
      expect(exitCode).toBe(0);
      expect(said).toEqual(["The Armor session was ended.", expect.stringMatching(says)]);
    });
  });
});
