import { describe, expect, test } from "@jest/globals";
import { main } from "../../src/step/main.ts";
import { NO_CRASH, runEntry } from "../fixtures/in-process.ts";
import { useNock } from "../fixtures/nock.ts";

const nock = useNock();
const HOST = "https://armor.example";
const TOKEN_PATH = "/api/v1/iam/session/oauth2/token";
const inputs = { "app-id": "id", "api-key": "k3y", "api-url": HOST };
const run = (changes = {}, env = {}) =>
  runEntry((own) => main(own, NO_CRASH), { ...inputs, ...changes }, env);

describe("main", () => {
  test("masks, asks, masks, hands on, and only then succeeds", async () => {
    nock(HOST).post(TOKEN_PATH).reply(200, { access_token: "t0k3n", expires_in: 60 });
    const { exitCode, lines, outputs, state } = await run();
    expect(exitCode).toBe(0);
    expect(lines).toEqual([
      "::add-mask::k3y",
      "::add-mask::azN5",
      "::add-mask::aWQ6azN5",
      "::add-mask::t0k3n",
      expect.stringMatching(
        /^Access token from https:\/\/armor\.example, valid for 60 s, until 20\d\d-.*Z\.$/,
      ),
    ]);
    expect(outputs).toEqual({
      "access-token": "t0k3n",
      "token-type": "Bearer",
      "expires-in": "60",
      "expires-at": expect.stringMatching(/Z$/),
    });
    expect(state).toEqual({
      main_started: "true",
      expires_at: expect.any(String),
      access_token: "t0k3n",
      main_succeeded: "true",
    });
  });

  test("leaves no token in state where no session is to be ended", async () => {
    nock(HOST).post(TOKEN_PATH).reply(200, { access_token: "t0k3n" });
    const { state } = await run({ "terminate-session": "false" });
    expect(state).toEqual({ main_started: "true", expires_at: expect.any(String), main_succeeded: "true" });
  });

  test("says what it waits for", async () => {
    nock(HOST).post(TOKEN_PATH).reply(503, "", { "Retry-After": "0" });
    nock(HOST).post(TOKEN_PATH).reply(200, { access_token: "t0k3n" });
    const { exitCode, lines } = await run();
    expect(exitCode).toBe(0);
    expect(lines[3]).toMatch(
      /^Armor is not available: https:\/\/armor\.example answered 503; trying again in 0\.\d s\.$/,
    );
  });

  test("fails with one annotation, and hands on nothing", async () => {
    nock(HOST).post(TOKEN_PATH).reply(403, { error: "denied", error_description: "not k3y" });
    const { exitCode, lines, outputs, state } = await run();
    expect(exitCode).toBe(1);
    expect(lines.slice(3)).toEqual([
      expect.stringMatching(/^::error::Armor denies access: .* answered 403 denied \("not \*\*\*"\)\. /),
    ]);
    expect(outputs).toEqual({});
    expect(state).toEqual({ main_started: "true" });
  });

  test("masks a key before it refuses it", async () => {
    const { lines } = await run({ "api-key": "k3y\nk3y" });
    expect(lines[0]).toBe("::add-mask::k3y%0Ak3y");
    expect(lines.at(-1)).toMatch(/^::error::api-key contains a line break/);
  });

  test.each(["GITHUB_OUTPUT", "GITHUB_STATE"])("does not begin without %s", async (name) => {
    for (const value of ["", "/nowhere/file"]) {
      const { exitCode, lines } = await run({}, { [name]: value });
      expect(exitCode).toBe(1);
      expect(lines.slice(3)).toEqual([
        `::error::${name} is not the path of a file, so there is no safe way to hand the token on. Run this as a step of a GitHub Actions workflow.`,
      ]);
    }
  });

  test("with keep-fresh, needs the files that reach later steps, unless it is not to reach them", async () => {
    const env = { GITHUB_ENV: "", GITHUB_PATH: "", RUNNER_TEMP: "" };
    const { lines } = await run({ "keep-fresh": "true" }, env);
    expect(lines.at(-1)).toMatch(/^::error::GITHUB_ENV is not the path of a file/);
    nock(HOST).post(TOKEN_PATH).reply(200, { access_token: "t0k3n" });
    const without = await run({ "keep-fresh": "true", "export-environment": "false" }, env);
    expect(without.lines.at(-1)).toMatch(/^::error::The token agent did not start: RUNNER_TEMP is not set\./);
    expect(without).toMatchObject({ exitCode: 1, outputs: {} });
  });

  test("reports what nothing caught, scrubbed and on one line", async () => {
    const crash = Promise.reject(new TypeError("k3y is not\na function"));
    crash.catch(() => undefined);
    const asked = new Promise<void>((resolve) => {
      nock(HOST)
        .post(TOKEN_PATH)
        .reply(403)
        .on("request", () => resolve());
    });
    const { exitCode, lines } = await runEntry((env) => main(env, crash), inputs);
    expect(exitCode).toBe(1);
    expect(lines.slice(3)).toEqual([
      "::error::Unexpected TypeError: *** is not a function. This is a fault of the action itself: please report this line.",
    ]);
    await asked;
  });

  test("trusts a private authority, or says why it cannot", async () => {
    const { lines } = await run({ "ca-certificate": "none" });
    expect(lines.at(-1)).toMatch(/^::error::ca-certificate is not PEM/);
  });
});
