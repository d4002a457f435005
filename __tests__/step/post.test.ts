import { describe, expect, test } from "@jest/globals";
import { post } from "../../src/step/post.ts";
import { NO_CRASH, runEntry } from "../fixtures/in-process.ts";
import { useNock } from "../fixtures/nock.ts";

const nock = useNock();
const HOST = "https://armor.example";
const TERMINATE_PATH = "/api/v1/iam/session/terminate";
const inputs = { "app-id": "id", "api-key": "k3y", "api-url": HOST };

function run(
  state: { expiresInMs?: number; accessToken?: string },
  changes = {},
  crash = NO_CRASH,
  more = {},
) {
  const env = {
    ...(state.expiresInMs === undefined ? {} : { STATE_expires_at: String(Date.now() + state.expiresInMs) }),
    STATE_main_succeeded: "true",
    ...(state.accessToken === undefined ? {} : { STATE_access_token: state.accessToken }),
  };
  return runEntry((own) => post(own, crash), { ...inputs, ...changes }, { ...env, ...more });
}

/** What is said apart from masks. */
const said = (lines: readonly string[]) => lines.filter((line) => !line.startsWith("::add-mask::"));

describe("post", () => {
  test("ends a session that lives", async () => {
    nock(HOST, { reqheaders: { authorization: "Bearer t0k3n", "x-csrf-header": '""' } })
      .post(TERMINATE_PATH)
      .reply(204);
    const { exitCode, lines } = await run({ expiresInMs: 41_500, accessToken: "t0k3n" });
    expect(exitCode).toBe(0);
    expect(said(lines)).toEqual(["Ended the Armor session, 42 s before its token would have expired."]);
    expect(lines.slice(0, 4)).toEqual(
      ["k3y", "azN5", "aWQ6azN5", "t0k3n"].map((text) => `::add-mask::${text}`),
    );
  });

  test("says that one had already ended", async () => {
    nock(HOST).post(TERMINATE_PATH).reply(401);
    const { lines } = await run({ expiresInMs: 9_000, accessToken: "t0k3n" });
    expect(said(lines)).toEqual(["The Armor session had already ended."]);
  });

  test("says how long the token had been dead, and what helps", async () => {
    const { exitCode, lines } = await run({ expiresInMs: -312_400, accessToken: "t0k3n" });
    expect(exitCode).toBe(0);
    expect(said(lines)).toEqual([
      "The access token expired 313 s before the job ended. keep-fresh: true supplies later steps for as long as the job runs.",
    ]);
  });

  test("leaves a session alone where terminate-session says so", async () => {
    const { lines } = await run({ expiresInMs: 41_500 });
    expect(said(lines)).toEqual(["The Armor session lives for another 42 s, as terminate-session is false."]);
  });

  test("is quiet where the main step got no token", async () => {
    await expect(run({})).resolves.toMatchObject({ exitCode: 0, lines: [] });
  });

  test("ends the session without a word where the main step failed behind the token", async () => {
    for (const status of [204, 400]) {
      nock(HOST).post(TERMINATE_PATH).reply(status);
      const env = { STATE_expires_at: String(Date.now() + 9_000), STATE_access_token: "t0k3n" };
      const { exitCode, lines } = await runEntry((own) => post(own, NO_CRASH), inputs, env);
      expect([exitCode, said(lines)]).toEqual([0, []]);
    }
  });

  test("with an agent that is gone, ends the step's own session", async () => {
    nock(HOST).post(TERMINATE_PATH).reply(204);
    const { lines } = await run({ expiresInMs: 9_000, accessToken: "t0k3n" }, {}, NO_CRASH, {
      STATE_agent_folder: "/nowhere",
    });
    expect(said(lines)).toEqual(["The token agent had ended before the job did."]);
  });

  test("warns in one line and fails nothing where Armor does not play along", async () => {
    nock(HOST).post(TERMINATE_PATH).reply(400, { error: "bad", error_description: "t0k3n and k3y" });
    const { exitCode, lines } = await run({ expiresInMs: 9_000, accessToken: "t0k3n" });
    expect(exitCode).toBe(0);
    expect(said(lines)).toEqual([
      expect.stringMatching(
        /^::warning::The Armor session was not ended and ends by itself in a while\. .*400 bad \("\*\*\* and \*\*\*"\)/,
      ),
    ]);
  });

  test("tries again, but not for long", async () => {
    nock(HOST).post(TERMINATE_PATH).reply(503, "", { "Retry-After": "0" });
    nock(HOST).post(TERMINATE_PATH).reply(503, "", { "Retry-After": "9" });
    const { exitCode, lines } = await run({ expiresInMs: 9_000, accessToken: "t0k3n" });
    expect(exitCode).toBe(0);
    expect(said(lines)).toEqual([
      expect.stringMatching(/^::warning::.*tried 2 times in .* asks to wait 9\.0 s/),
    ]);
  });

  test("an input that became invalid, or a crash, is a warning too", async () => {
    const invalid = await run({ expiresInMs: 9_000, accessToken: "t0k3n" }, { timeout: "x" });
    expect(invalid.exitCode).toBe(0);
    expect(said(invalid.lines)).toEqual([
      expect.stringMatching(/^::warning::.*timeout is not a whole number/),
    ]);
    const crash = Promise.reject(new Error("boom"));
    crash.catch(() => undefined);
    const asked = new Promise<void>((resolve) => {
      nock(HOST)
        .post(TERMINATE_PATH)
        .reply(204)
        .on("request", () => resolve());
    });
    const crashed = await run({ expiresInMs: 9_000, accessToken: "t0k3n" }, {}, crash);
    await asked;
    expect(crashed.exitCode).toBe(0);
    expect(said(crashed.lines)).toEqual([expect.stringMatching(/^::warning::.*Unexpected Error: boom/)]);
  });
});
