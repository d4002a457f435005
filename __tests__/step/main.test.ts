import { rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { Values } from "../../sandbox/runner.ts";
import { main } from "../../src/step/main.ts";
import { DEPENDENCIES, NO_CRASH, runStep } from "../fixtures/in-process.ts";
import { type Answer, type FakeServer, json, startServer, text, token } from "../fixtures/server.ts";

const KEY = "k3y-of-the-app";
const opened: FakeServer[] = [];

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

async function armor(...answers: Answer[]): Promise<string> {
  const server = await startServer(answers);
  opened.push(server);
  return server.url;
}

const run = (changes: Values, env: Values = {}, crash = NO_CRASH) =>
  runStep(
    (own) => main(own, crash, DEPENDENCIES),
    { "app-id": "id", "api-key": KEY, "api-url": "http://127.0.0.1:9", ...changes },
    env,
  );

/** The error that is shown, without what is masked. */
const LINK = /\((\w+), https:\/\/github\.com\/\S+\/docs\/troubleshooting\.md#\1\)$/;

describe("main", () => {
  test("masks, asks, masks, hands on, and says so in one line", async () => {
    const apiUrl = await armor(token({ access_token: "t0k3n-1" }));
    const { exitCode, lines, said, outputs, state } = await run({ "api-url": apiUrl });
    expect(exitCode).toBe(0);
    expect(lines[0]).toBe(`::add-mask::${KEY}`);
    expect(lines.at(-2)).toBe("::add-mask::t0k3n-1");
    expect(said).toEqual([
      expect.stringMatching(
        /^Access token from http:\/\/127\.0\.0\.1:\d+, valid for 60 s, until 20\d\d-\S+Z\.$/,
      ),
    ]);
    expect(outputs).toEqual({
      "access-token": "t0k3n-1",
      "token-type": "Bearer",
      "expires-in": "60",
      "expires-at": expect.stringMatching(/Z$/),
    });
    expect(state).toEqual({
      api_url: apiUrl,
      ca_certificate: "",
      terminate_session: "true",
      access_token: "t0k3n-1",
      expires_at: expect.stringMatching(/^\d+$/),
      complete: "true",
    });
  });

  test("leaves no token in state where no session is to be ended", async () => {
    const { state } = await run({ "api-url": await armor(token()), "terminate-session": "false" });
    expect(state).not.toHaveProperty("access_token");
    expect(state).toMatchObject({ terminate_session: "false", complete: "true" });
  });

  test("says what it waits for", async () => {
    const { exitCode, said } = await run({
      "api-url": await armor(text(503, "", { "Retry-After": "0" }), token()),
    });
    expect(exitCode).toBe(0);
    expect(said[0]).toMatch(/^Armor is not available: \S+ answered 503\. Next try in 0\.[1-9] s\.$/);
  });

  test("fails with one annotation that ends with its code, and hands on nothing", async () => {
    const denied = json(403, { error: "access_denied", error_description: `not ${KEY}` });
    const { exitCode, said, outputs, state } = await run({ "api-url": await armor(denied) });
    expect(exitCode).toBe(1);
    expect(said).toEqual([
      expect.stringMatching(/^::error::Armor denies access: .* 403 access_denied \("not \*\*\*"\)/),
    ]);
    expect(said[0]).toMatch(LINK);
    expect(outputs).toEqual({});
    expect(state).not.toHaveProperty("access_token");
  });

  test("masks a key before it refuses it", async () => {
    const { lines } = await run({ "api-key": `${KEY}\n${KEY}` });
    expect(lines[0]).toBe(`::add-mask::${KEY}%0A${KEY}`);
    expect(lines.at(-1)).toMatch(/^::error::api-key contains a line break/);
  });

  test.each(["GITHUB_OUTPUT", "GITHUB_STATE"])("does not begin without %s", async (name) => {
    for (const [value, problem] of [
      ["", `${name} is not set`],
      ["/nowhere/file", `The file that ${name} names cannot be written: it does not exist (ENOENT)`],
      ["/", `The file that ${name} names cannot be written: it is a folder (EISDIR)`],
    ] as const) {
      const { exitCode, said } = await run({}, { [name]: value });
      expect(exitCode).toBe(1);
      expect(said).toEqual([expect.stringContaining(`::error::${problem}`)]);
    }
  });

  test("a key that is too short is refused without a mask, which would cover half of the log", async () => {
    const { exitCode, lines } = await run({ "api-key": "input" });
    expect(exitCode).toBe(1);
    expect(lines).toEqual([
      expect.stringMatching(/^::error::api-key is shorter than 8 characters\. .*#input_invalid\)$/),
    ]);
  });

  test("ends the session itself where post will not know of it", async () => {
    const answer: Answer = (response, request) => {
      if (request.path.endsWith("/token")) rmSync(process.env["GITHUB_STATE"] ?? "");
      (request.path.endsWith("/token") ? token() : text(204, ""))(response, request);
    };
    const { exitCode, said, outputs } = await run({ "api-url": await armor(answer) });
    expect(exitCode).toBe(1);
    expect(said).toEqual([
      expect.stringMatching(/^::error::The file that GITHUB_STATE names .* does not exist \(ENOENT\)/),
    ]);
    expect(outputs).toEqual({});
    expect(opened[0]?.requests.map(({ path }) => path.split("/").at(-1))).toEqual(["token", "terminate"]);
  });

  test("with keep-fresh, needs the files that reach later steps, unless it is not to reach them", async () => {
    const env = { GITHUB_ENV: "", GITHUB_PATH: "", RUNNER_TEMP: "" };
    const { said } = await run({ "keep-fresh": "true" }, env);
    expect(said.at(-1)).toMatch(/^::error::GITHUB_ENV is not set/);
    const without = await run({ "keep-fresh": "true", "export-environment": "false" }, env);
    expect(without.said.at(-1)).toMatch(/^::error::RUNNER_TEMP is not set/);
    expect(without).toMatchObject({ exitCode: 1, outputs: {} });
  });

  test("with keep-fresh, a folder that cannot be made fails before a token is asked for", async () => {
    const { said } = await run({ "keep-fresh": "true" }, { RUNNER_TEMP: "/nowhere" });
    expect(said).toEqual([
      expect.stringMatching(/^::error::The folder that RUNNER_TEMP names .* \(ENOENT\)/),
    ]);
  });

  test("warns of paths that cover the rights of the app", async () => {
    const { said, exitCode } = await run({ "api-url": await armor(token()), "gateway-paths": "/api/v1/" });
    expect(said[0]).toMatch(/^::warning::gateway-paths: \/api\/v1\/ covers \/api\/v1\/iam\//);
    expect(exitCode).toBe(0);
    const safe = await run({ "api-url": await armor(token()), "gateway-paths": "/api/v1/iamx/\n/api/v1/i" });
    expect(safe.said.filter((line) => line.startsWith("::warning"))).toEqual([]);
  });

  test("reports what was not caught, scrubbed and on one line", async () => {
    const crash = Promise.reject(new TypeError(`${KEY} is not\na function`));
    crash.catch(() => undefined);
    const { exitCode, said } = await run({ "api-url": await armor(text(403, "")) }, {}, crash);
    expect(exitCode).toBe(1);
    expect(said).toEqual([
      expect.stringMatching(
        /^::error::Unexpected TypeError: \*\*\* is not a function\. .*\(internal_error, /,
      ),
    ]);
  });

  describe("cancelled", () => {
    let emit: (signal: string) => void;
    beforeEach(() => {
      emit = (signal) => process.emit(signal as NodeJS.Signals);
    });

    test.each(["SIGINT", "SIGTERM"])(
      "by %s: a reply on its way is masked and left to post, and fails",
      async (signal) => {
        const apiUrl = await armor((response, request) => {
          emit(signal);
          token({ access_token: "t0k3n-2" })(response, request);
        });
        const { exitCode, lines, outputs, state } = await run({ "api-url": apiUrl });
        expect(exitCode).toBe(1);
        expect(lines).toContain("::add-mask::t0k3n-2");
        expect(state).toMatchObject({ access_token: "t0k3n-2" });
        expect(outputs).toEqual({});
        expect(lines.at(-1)).toMatch(/^::error::The job was cancelled\. .*\(cancelled, /);
      },
    );

    test("is not tried again", async () => {
      const apiUrl = await armor((response) => {
        emit("SIGINT");
        response.writeHead(503).end();
      });
      await expect(run({ "api-url": apiUrl })).resolves.toMatchObject({ exitCode: 1 });
      expect(opened[0]?.requests).toHaveLength(1);
    });
  });
});
