import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import type { Values } from "../../sandbox/runner.ts";
import { crashWith, runPost } from "../fixtures/in-process.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";
import { type Answer, json, redirect, reset, startServer, text } from "../fixtures/server.ts";

/** What post did with an Armor that gives these answers, and that Armor, which goes on. */
async function runAgainst(
  answers: readonly Answer[],
  state: Values,
  inputs: Values = {},
  crash?: Promise<never>,
) {
  const armor = await startServer(answers);
  const ran = await runPost({ api_url: armor.url, ...state }, inputs, crash);
  return disposable({ ...ran, armor }, () => armor.close());
}

const SESSION = { complete: "true", access_token: "t0k3n-a1" };
const ENDED = "The Armor session was ended.";
const NOT_ENDED = (status: number) =>
  `The Armor session could not be ended (Armor answered ${status}); it ends by itself when its token expires.`;
const ok = text(204, "");

describe("post", () => {
  test("ends the session by saved state, and by no input", async () => {
    await using other = await startServer([ok]);
    const inputs = { "api-url": other.url, timeout: "x", "app-id": "", "api-key": "" };
    await using post = await runAgainst([ok], SESSION, inputs);
    const { armor, exitCode, lines, said } = post;
    expect(exitCode).toBe(0);
    expect(lines[0]).toBe("::add-mask::t0k3n-a1");
    expect(said).toEqual([ENDED]);
    const headers = { authorization: "Bearer t0k3n-a1", "x-csrf-header": '""' };
    expect(armor.requests).toMatchObject([
      { method: "POST", path: "/api/v1/iam/session/terminate", headers },
    ]);
    expect(other.requests).toEqual([]);
  });

  test("without state, does and says nothing", async () => {
    await using post = await runAgainst([ok], { ...SESSION, api_url: "" });
    const { armor, exitCode, lines } = post;
    expect([exitCode, lines, armor.requests]).toEqual([0, [], []]);
  });

  test("says that a session was over, and how to always have one", async () => {
    await using post = await runAgainst([text(401, "")], SESSION);
    const { armor, said } = post;
    expect(said).toEqual([
      expect.stringMatching(/^The Armor session was over already\. .*keep-fresh: true/),
    ]);
    expect(armor.requests).toHaveLength(1);
  });

  test("leaves a session alone if terminate-session was false", async () => {
    await using post = await runAgainst([ok], { complete: "true", terminate_session: "false" });
    const { armor, lines } = post;
    expect(lines).toEqual([
      expect.stringContaining("was not ended, as terminate-session is false"),
    ]);
    expect(armor.requests).toEqual([]);
  });

  test("if main failed before it had a token, does and says nothing", async () => {
    await using post = await runAgainst([ok], {});
    const { armor, exitCode, lines } = post;
    expect([exitCode, lines, armor.requests]).toEqual([0, [], []]);
  });

  test("if main failed, ends the session in silence, but says that it was not ended", async () => {
    const { access_token } = SESSION;
    await using ended = await runAgainst([ok], { access_token });
    expect(ended).toMatchObject({
      exitCode: 0,
      said: [],
    });
    await using post = await runAgainst([text(400, "")], { access_token });
    const { said } = post;
    expect(said).toEqual([NOT_ENDED(400)]);
  });

  test("says in one line, without the token and without advice, that Armor refuses", async () => {
    const refusal = json(400, { error: "bad", error_description: "t0k3n-a1" });
    await using post = await runAgainst([refusal], SESSION);
    const { exitCode, said } = post;
    expect([exitCode, said]).toEqual([0, [NOT_ENDED(400)]]);
  });

  test.each([
    { inMs: 60_000, says: /\(Armor answered 400\); it ends by itself at \d\d:\d\d:\d\d UTC\.$/ },
    {
      inMs: -60_000,
      says: /\(Armor answered 400\); it has ended by itself at \d\d:\d\d:\d\d UTC\.$/,
    },
  ])("says when the session ends, $inMs ms from now, if Armor refuses", async ({ inMs, says }) => {
    const state = { ...SESSION, expires_at: String(Date.now() + inMs) };
    await using post = await runAgainst([text(400, "")], state);
    expect([post.exitCode, post.said]).toEqual([0, [expect.stringMatching(says)]]);
  });

  test.each([
    { what: "without an agent", agent: undefined },
    { what: "behind an agent that is gone", agent: "armor-token-Gone01" },
  ])("does not wait for longer than its deadline allows, $what", async ({ agent }) => {
    await using temp = await makeTempFolder("armor-post-");
    const answers = ["0", "9"].map((seconds) => text(503, "", { "Retry-After": seconds }));
    const folder = agent === undefined ? {} : { agent_folder: join(temp.path, agent) };
    await using post = await runAgainst(answers, { ...SESSION, ...folder });
    expect(post.said[0]).toBe(NOT_ENDED(503));
  });

  test("leaves the time that an agent did not take to an Armor that is slow", async () => {
    await using temp = await makeTempFolder("armor-post-");
    const slow: Answer = (...args) => void setTimeout(() => ok(...args), 700);
    const state = { ...SESSION, agent_folder: join(temp.path, "armor-token-Gone01") };
    await using post = await runAgainst([slow], state);
    expect(post.said[0]).toBe(ENDED);
  });

  test("warns of what was not caught", async () => {
    await using post = await runAgainst([ok], SESSION, {}, crashWith(new Error("boom")));
    const { exitCode, said } = post;
    expect([exitCode, said]).toEqual([
      0,
      [expect.stringMatching(/^::warning::Unexpected Error: boom/)],
    ]);
  });

  test.each([
    { name: "armor-token-Gone01", says: / ended before the job did and left no report/ },
    {
      name: "armor-token-File01",
      says: /could not be asked to stop: what stands in place of its folder is not the agent's/,
    },
  ])(
    "ends the session, and says what is known of an agent whose folder is: $name",
    async ({ name, says }) => {
      // A folder of the test's own, as post removes what state names, whatever it is.
      await using temp = await makeTempFolder("armor-post-");
      await writeFile(join(temp.path, "armor-token-File01"), "");
      const state = { ...SESSION, agent_folder: join(temp.path, name) };
      await using post = await runAgainst([ok], state);
      const { exitCode, said } = post;
      expect([exitCode, said]).toEqual([0, [ENDED, expect.stringMatching(says)]]);
      await using late = await runAgainst([text(401, "")], {
        ...state,
        agent_folder: join(temp.path, name),
      });
      expect(late.said[0]).toBe("The Armor session was over already.");
    },
  );
});

test("what Armor said to an earlier request is not told as the reason why the last one failed", async () => {
  const answers = [redirect(307, "/elsewhere"), reset];
  await using post = await runAgainst(answers, SESSION);
  expect(post.said).toEqual([expect.stringContaining("could not be ended (no connection)")]);
});
