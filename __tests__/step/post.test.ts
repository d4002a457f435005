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

  test("says that a session was over, and how to always have one", async () => {
    const { said } = await run([text(401, "")], SESSION);
    expect(said).toEqual([
      expect.stringMatching(/^The Armor session was over already\. .*keep-fresh: true/),
    ]);
    expect(armor.requests).toHaveLength(1);
  });

  test("leaves a session alone where terminate-session was false", async () => {
    const { lines } = await run([ok], { complete: "true", terminate_session: "false" });
    expect(lines).toEqual([
      expect.stringContaining("was not ended, as terminate-session is false"),
    ]);
    expect(armor.requests).toEqual([]);
  });

  test("where main failed before it had a token, does and says nothing", async () => {
    const { exitCode, lines } = await run([ok], {});
    expect([exitCode, lines, armor.requests]).toEqual([0, [], []]);
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
    expect(said).toEqual([
      expect.stringMatching(/^::warning::.*tried 2 times in .* asks to wait 9\.0 s/),
    ]);
  });

  test("warns of what was not caught", async () => {
    const { exitCode, said } = await run([ok], SESSION, {}, crashWith(new Error("boom")));
    expect([exitCode, said]).toEqual([
      0,
      [expect.stringMatching(/^::warning::Unexpected Error: boom/)],
    ]);
  });

  test.each([
    ["gone", /had ended before the job did: it left no report/],
    ["file", /could not be asked to stop: control-url cannot be read \(ENOTDIR\)/],
  ])(
    "ends the session, and says what is known of an agent whose folder is: %s",
    async (name, says) => {
      // A folder of the test's own, as post removes what state names, whatever it is.
      const temp = await mkdtemp(join(tmpdir(), "armor-post-"));
      await closing({ close: () => rm(temp, { recursive: true, force: true }) });
      await writeFile(join(temp, "file"), "");
      const state = { ...SESSION, agent_folder: join(temp, name) };
      const { exitCode, said } = await run([ok], state);
      expect([exitCode, said]).toEqual([0, [ENDED, expect.stringMatching(says)]]);
      const late = await run([text(401, "")], { ...state, agent_folder: join(temp, name) });
      expect(late.said[0]).toBe("The Armor session was over already.");
    },
  );
});
