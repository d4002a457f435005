import { rmSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { Values } from "../../sandbox/runner.ts";
import type { ErrorCode } from "../../src/errors.ts";
import { maskedForms } from "../../src/redact.ts";
import { crashWith, runMain, runPost } from "../fixtures/in-process.ts";
import { disposable, makeTempFolder, type TempFolder } from "../fixtures/opened.ts";
import {
  type Answer,
  type FakeServer,
  json,
  startServer,
  text,
  token,
} from "../fixtures/server.ts";

const KEY = "k3y-of-the-app";
const UNEXPORTED = { "keep-fresh": "true", "export-environment": "false" };

/** What main did with an Armor that gives these answers, and that Armor, which goes on. */
async function runAgainst(
  answers: readonly Answer[],
  inputs: Values = {},
  env: Values = {},
  crash?: Promise<never>,
) {
  const armor = await startServer(answers);
  const ran = await runMain({ "api-url": armor.url, ...inputs }, env, crash);
  return disposable({ ...ran, armor }, () => armor.close());
}

/** The last part of the paths that were asked for. */
const asked = ({ requests }: FakeServer) => requests.map(({ path }) => path.split("/").at(-1));

describe("main", () => {
  test("masks the key, asks, masks the token, hands it on, and says so in one line", async () => {
    await using main = await runAgainst([token({ access_token: "t0k3n-a1" })]);
    const { armor, exitCode, lines, said, outputs, state } = main;
    expect(exitCode).toBe(0);
    expect(lines[0]).toBe(`::add-mask::${KEY}`);
    expect(lines.slice(-4, -1)).toEqual(
      maskedForms("t0k3n-a1").map((form) => `::add-mask::${form}`),
    );
    const line =
      /^Access token from http:\/\/127\.0\.0\.1:\d+, valid for 60 s, until 20\d\d-\S+Z\.$/;
    expect(said).toEqual([expect.stringMatching(line)]);
    expect(outputs).toEqual({
      "access-token": "t0k3n-a1",
      "api-url": armor.url,
      "token-type": "Bearer",
      "expires-in": "60",
      "expires-at": expect.stringMatching(/Z$/),
    });
    expect(state).toEqual({
      api_url: armor.url,
      ca_certificate: "",
      terminate_session: "true",
      complete: "true",
      access_token: "t0k3n-a1",
      expires_at: expect.stringMatching(/^\d{13}$/),
      agent_folder: "",
      mark: expect.stringContaining("armor-main-"),
      state_file: expect.stringContaining("GITHUB_STATE"),
    });
  });

  test("leaves no token in state if no session is to be ended", async () => {
    await using main = await runAgainst([token()], { "terminate-session": "false" });
    const { state } = main;
    expect(state).toMatchObject({ access_token: "", terminate_session: "false", complete: "true" });
  });

  test("says what it waits for", async () => {
    await using main = await runAgainst([text(503, "", { "Retry-After": "0" }), token()]);
    const { exitCode, said } = main;
    expect(exitCode).toBe(0);
    expect(said[0]).toMatch(
      /^Armor is not available: \S+ answered 503\. Next try in 0\.[1-9] s\.$/,
    );
  });

  test("fails with one annotation that ends with its code, and hands on nothing", async () => {
    const denied = json(403, { error: "access_denied", error_description: `not ${KEY}` });
    await using main = await runAgainst([denied]);
    const { exitCode, said, outputs, state } = main;
    expect(said).toEqual([
      expect.stringMatching(
        /^::error::Armor denies access: .* 403 access_denied \("not \*\*\*"\).* \((\w+), https:\S+#\1\)$/,
      ),
    ]);
    expect([exitCode, outputs]).toEqual([1, {}]);
    expect(state["access_token"]).toBe("");
  });

  test("reports what was not caught, scrubbed and on one line", async () => {
    const crash = crashWith(new TypeError(`${KEY} is not\na function`));
    await using main = await runAgainst([text(403, "")], {}, {}, crash);
    const { exitCode, said } = main;
    expect(exitCode).toBe(1);
    expect(said).toEqual([
      expect.stringMatching(
        /^::error::Unexpected TypeError: \*\*\* is not a function\..*\(internal_error, /,
      ),
    ]);
  });

  test("masks a key before it refuses it, but none that is so short that it would hide half of the log", async () => {
    const { lines } = await runMain({ "api-key": `${KEY}\n${KEY}` });
    expect(lines[0]).toBe(`::add-mask::${KEY}%0A${KEY}`);
    expect(lines.at(-1)).toMatch(/^::error::api-key contains a line break/);
    const short = await runMain({ "api-key": "input" });
    expect(short.lines).toEqual([
      expect.stringMatching(/^::error::api-key is shorter than 8 characters\./),
    ]);
  });

  test("warns of paths that cover the rights of the app, and of no other", async () => {
    await using main = await runAgainst([token()], { "gateway-paths": "/api/v1/" });
    const { said, exitCode } = main;
    const warning =
      /^::warning::gateway-paths: (\S+) covers \/api\/v1\/iam\/, .* can read the users, apps/;
    expect([exitCode, said[0]]).toEqual([0, expect.stringMatching(warning)]);
    await using users = await runAgainst([token()], { "gateway-paths": "/api/v1/iam/users" });
    expect(users.said[0]).toMatch(warning);
    await using safe = await runAgainst([token()], { "gateway-paths": "/api/v1/iamx/\n/api/v1/i" });
    expect(safe.said).toHaveLength(1);
  });

  test.each<{
    readonly problem: string;
    readonly code: ErrorCode;
    readonly inputs: Values;
    readonly env: Values;
  }>([
    {
      problem: "GITHUB_OUTPUT is not set, .*\\. Run this as a step of a GitHub Actions workflow\\.",
      code: "runner_unsupported",
      inputs: {},
      env: { GITHUB_OUTPUT: "" },
    },
    {
      problem: "GITHUB_STATE is not set",
      code: "runner_unsupported",
      inputs: {},
      env: { GITHUB_STATE: "" },
    },
    {
      problem: "The file that GITHUB_OUTPUT names .* no such file or directory \\(ENOENT\\)",
      code: "file_failed",
      inputs: {},
      env: { GITHUB_OUTPUT: "/no/x" },
    },
    {
      problem: "The file that GITHUB_STATE names .* on a directory \\(EISDIR\\)",
      code: "file_failed",
      inputs: {},
      env: { GITHUB_STATE: "/" },
    },
    {
      problem: "GITHUB_ENV is not set",
      code: "runner_unsupported",
      inputs: { "keep-fresh": "true" },
      env: { GITHUB_ENV: "" },
    },
    {
      problem: "GITHUB_PATH is not set",
      code: "runner_unsupported",
      inputs: { "keep-fresh": "true" },
      env: { GITHUB_PATH: "" },
    },
    {
      problem: "RUNNER_TEMP is not set",
      code: "runner_unsupported",
      inputs: UNEXPORTED,
      env: { GITHUB_ENV: "", RUNNER_TEMP: "" },
    },
    {
      problem: "The folder that RUNNER_TEMP .* \\(ENOENT\\)",
      code: "file_failed",
      inputs: UNEXPORTED,
      env: { RUNNER_TEMP: "/no" },
    },
  ])("asks for nothing if it fails with: $problem", async ({ problem, code, inputs, env }) => {
    await using main = await runAgainst([token()], inputs, env);
    const { armor, exitCode, said } = main;
    expect(exitCode).toBe(1);
    expect(said).toEqual([expect.stringMatching(new RegExp(`^::error::${problem}.*\\(${code}, `))]);
    expect(armor.requests).toEqual([]);
  });

  test.each([
    { what: "ends the session itself", inputs: {}, requests: ["token", "terminate"] },
    {
      what: "ends the session itself, with keep-fresh too,",
      inputs: { "keep-fresh": "true" },
      requests: ["token", "terminate"],
    },
    {
      what: "leaves the session alone, if that was wanted,",
      inputs: { "terminate-session": "false" },
      requests: ["token"],
    },
  ])("$what if post will not know of it", async ({ inputs, requests }) => {
    const answer: Answer = (response, request) => {
      if (request.path.endsWith("/token")) rmSync(process.env["GITHUB_STATE"] ?? "");
      (request.path.endsWith("/token") ? token() : text(204, ""))(response, request);
    };
    await using main = await runAgainst([answer], inputs);
    const { armor, exitCode, said, outputs } = main;
    expect([exitCode, outputs]).toEqual([1, {}]);
    expect(said).toEqual([
      expect.stringMatching(/^::error::The file that GITHUB_STATE names .*\(ENOENT\)/),
    ]);
    expect(asked(armor)).toEqual(requests);
  });
});

describe("main, cancelled", () => {
  const cancel = (signal: NodeJS.Signals) => void process.emit(signal);

  test.each<NodeJS.Signals>(["SIGINT", "SIGTERM"])(
    "by %s masks a reply on its way, leaves it to post, and fails",
    async (signal) => {
      await using main = await runAgainst([
        (...args) => {
          cancel(signal);
          token({ access_token: "t0k3n-a2" })(...args);
        },
      ]);
      const { armor, exitCode, lines, outputs, state } = main;
      expect([exitCode, outputs]).toEqual([1, {}]);
      expect(asked(armor)).toEqual(["token"]);
      expect(lines).toContain("::add-mask::t0k3n-a2");
      expect(state).toMatchObject({ access_token: "t0k3n-a2" });
      expect(lines.at(-1)).toMatch(
        /^::error::The job was cancelled\. No token was handed on\. \(cancelled, /,
      );
    },
  );

  test("does not try again", async () => {
    await using main = await runAgainst([
      (response) => {
        cancel("SIGINT");
        response.writeHead(503).end();
      },
    ]);
    const { armor, exitCode } = main;
    expect(exitCode).toBe(1);
    expect(armor.requests).toHaveLength(1);
  });
});

describe("with keep-fresh", () => {
  let temp: TempFolder;
  beforeEach(async () => {
    temp = await makeTempFolder("armor-keep-fresh-");
  });
  afterEach(async () => await temp[Symbol.asyncDispose]());

  const good: Answer = (response, request) => {
    const reply = request.path.endsWith("/token")
      ? token({ access_token: "t0k3n-a1" })
      : text(204, "");
    (request.method === "GET" ? json(200, {}) : reply)(response, request);
  };
  const startMain = (inputs: Values = {}, env: Values = {}, answer = good) =>
    runAgainst([answer], { "keep-fresh": "true", ...inputs }, { RUNNER_TEMP: temp.path, ...env });

  test("main hands on the agent's address, and post stops the agent and ends the session", async () => {
    await using started = await startMain({}, { http_proxy: "http://proxy.example" });
    expect(started.exitCode).toBe(0);
    const gateway = started.outputs["gateway-url"] ?? "";
    expect(started.lines).toContain(`::add-mask::${gateway.split("/").at(-1)}`);
    const noProxy = { no_proxy: "127.0.0.1", NO_PROXY: "127.0.0.1" };
    expect(started.exported).toEqual({ ARMOR_GATEWAY_URL: gateway, ...noProxy });
    expect(started.said).toEqual([
      expect.stringMatching(/^Added 127\.0\.0\.1 to no_proxy and NO_PROXY/),
      expect.stringMatching(
        /later steps reach Armor by \$ARMOR_GATEWAY_URL and get tokens by armor-token\.$/,
      ),
    ]);
    const statuses = ["discovery/scans", "iam/users"].map(
      async (path) => (await fetch(`${gateway}/api/v1/${path}`)).status,
    );
    expect(await Promise.all(statuses)).toEqual([200, 403]);
    const { exitCode, said } = await runPost(started.state);
    expect(exitCode).toBe(0);
    const did =
      "Token agent: 1 call answered (2xx 1), 1 call refused, 1 token fetched, 1 session ended.";
    expect(said[0]).toBe(did);
    expect(said.at(-1)).toMatch(/^::warning::The gateway refused \/api.*path_refused/);
    await expect(fetch(gateway)).rejects.toThrow();
    expect(asked(started.armor).filter((name) => name === "terminate")).toHaveLength(1);
    await expect(readdir(temp.path)).resolves.toEqual([]);
  });

  test("main says where the agent is and what it reads, if that is not the default", async () => {
    const inputs = {
      "export-environment": "false",
      "gateway-paths": "/api/v1/discovery/scans\n/api/v1/x/",
    };
    await using main = await startMain(inputs);
    const { said, exported, state, outputs: given } = main;
    const outputs =
      "reach Armor by the output gateway-url and get tokens by the output token-command";
    const paths = "/api/v1/discovery/scans, /api/v1/x/";
    expect(said).toEqual([expect.stringContaining(`${outputs}. The gateway reads ${paths}.`)]);
    expect(exported).toEqual({});
    await fetch(`${given["gateway-url"]}/api/v1/x/`);
    await expect(runPost(state)).resolves.toMatchObject({ exitCode: 0 });
  });

  // No other system has this device.
  const variables = process.platform === "linux" ? ["GITHUB_OUTPUT", "GITHUB_ENV"] : [];
  test.each(variables)("main stops what it started when %s is full", async (name) => {
    await using main = await startMain({}, { [name]: "/dev/full" });
    const { armor, exitCode, said } = main;
    expect(exitCode).toBe(1);
    expect(said.at(-1)).toMatch(
      new RegExp(`^::error::The file that ${name} names .*ENOSPC.*file_failed`),
    );
    expect(asked(armor)).toContain("terminate");
    await expect(readdir(temp.path)).resolves.toEqual([]);
  });

  test("main leaves no folder if no token comes", async () => {
    await using main = await startMain({}, {}, text(403, ""));
    expect(main.exitCode).toBe(1);
    await expect(readdir(temp.path)).resolves.toEqual([]);
  });

  test("main warns if no_proxy is * beside a proxy, and if PATH cannot hold the folder", async () => {
    const colon = join(temp.path, `a${delimiter}b`);
    await mkdir(colon);
    const env = { RUNNER_TEMP: colon, http_proxy: "http://proxy.example", no_proxy: "*" };
    await using main = await startMain({}, env);
    expect(main.exitCode).toBe(0);
    expect(main.said.filter((line) => line.startsWith("::warning::"))).toEqual([
      expect.stringMatching(
        /armor-token is not on PATH, .* separates folders in PATH\. .* run: "\$TOKEN_COMMAND"\.$/,
      ),
      expect.stringMatching(/no_proxy is \*\. .*wget.* the proxy\. .*no_proxy .*\.$/),
    ]);
    await expect(runPost(main.state)).resolves.toMatchObject({ exitCode: 0 });
  });

  test("main warns of neither if all is well, and does not tell of a no_proxy that it left alone", async () => {
    await using main = await startMain();
    expect(main.said).toEqual([expect.stringMatching(/^Access token from /)]);
    await expect(runPost(main.state)).resolves.toMatchObject({ exitCode: 0 });
  });
});
