import { rmSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "@jest/globals";
import type { Values } from "../../sandbox/runner.ts";
import { crashWith, runMain, runPost } from "../fixtures/in-process.ts";
import {
  type Answer,
  type FakeServer,
  json,
  startServer,
  text,
  token,
} from "../fixtures/server.ts";
import { closing } from "../fixtures/teardown.ts";

const KEY = "k3y-of-the-app";
let armor: FakeServer;

const UNEXPORTED = { "keep-fresh": "true", "export-environment": "false" };

/** Main with this Armor. */
async function run(
  answers: readonly Answer[],
  inputs: Values = {},
  ...more: [env?: Values, crash?: Promise<never>]
) {
  armor = await closing(startServer(answers));
  return await runMain({ "api-url": armor.url, ...inputs }, ...more);
}

/** The last part of the paths that were asked for. */
const asked = () => armor.requests.map(({ path }) => path.split("/").at(-1));

describe("main", () => {
  test("masks the key, asks, masks the token, hands it on, and says so in one line", async () => {
    const { exitCode, lines, said, outputs, state } = await run([
      token({ access_token: "t0k3n-1" }),
    ]);
    expect(exitCode).toBe(0);
    expect(lines[0]).toBe(`::add-mask::${KEY}`);
    expect(lines.at(-2)).toBe("::add-mask::t0k3n-1");
    const line =
      /^Access token from http:\/\/127\.0\.0\.1:\d+, valid for 60 s, until 20\d\d-\S+Z\.$/;
    expect(said).toEqual([expect.stringMatching(line)]);
    expect(outputs).toEqual({
      "access-token": "t0k3n-1",
      "token-type": "Bearer",
      "expires-in": "60",
      "expires-at": expect.stringMatching(/Z$/),
    });
    expect(state).toEqual({
      api_url: armor.url,
      ca_certificate: "",
      terminate_session: "true",
      complete: "true",
      access_token: "t0k3n-1",
    });
  });

  test("leaves no token in state where no session is to be ended", async () => {
    const { state } = await run([token()], { "terminate-session": "false" });
    expect(state).toMatchObject({ access_token: "", terminate_session: "false", complete: "true" });
  });

  test("says what it waits for", async () => {
    const { exitCode, said } = await run([text(503, "", { "Retry-After": "0" }), token()]);
    expect(exitCode).toBe(0);
    expect(said[0]).toMatch(
      /^Armor is not available: \S+ answered 503\. Next try in 0\.[1-9] s\.$/,
    );
  });

  test("fails with one annotation that ends with its code, and hands on nothing", async () => {
    const denied = json(403, { error: "access_denied", error_description: `not ${KEY}` });
    const { exitCode, said, outputs, state } = await run([denied]);
    expect(said).toEqual([
      expect.stringMatching(
        /^::error::Armor denies access: .* 403 access_denied \("not \*\*\*"\).* \((\w+), https:\S+#\1\)$/,
      ),
    ]);
    expect([exitCode, outputs]).toEqual([1, {}]);
    expect(state).not.toHaveProperty("access_token");
  });

  test("reports what was not caught, scrubbed and on one line", async () => {
    const crash = crashWith(new TypeError(`${KEY} is not\na function`));
    const { exitCode, said } = await run([text(403, "")], {}, {}, crash);
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
    const { said, exitCode } = await run([token()], { "gateway-paths": "/api/v1/" });
    const warning =
      /^::warning::gateway-paths: (\S+) covers \/api\/v1\/iam\/, .* can read the users, apps/;
    expect([exitCode, said[0]]).toEqual([0, expect.stringMatching(warning)]);
    const users = await run([token()], { "gateway-paths": "/api/v1/iam/users" });
    expect(users.said[0]).toMatch(warning);
    const safe = await run([token()], { "gateway-paths": "/api/v1/iamx/\n/api/v1/i" });
    expect(safe.said).toHaveLength(1);
  });

  test.each<[string, string, Values, Values]>([
    ["GITHUB_OUTPUT is not set", "runner_unsupported", {}, { GITHUB_OUTPUT: "" }],
    ["GITHUB_STATE is not set", "runner_unsupported", {}, { GITHUB_STATE: "" }],
    [
      "The file that GITHUB_OUTPUT names .* no such file or directory \\(ENOENT\\)",
      "file_failed",
      {},
      { GITHUB_OUTPUT: "/no/x" },
    ],
    [
      "The file that GITHUB_STATE names .* on a directory \\(EISDIR\\)",
      "file_failed",
      {},
      { GITHUB_STATE: "/" },
    ],
    ["GITHUB_ENV is not set", "runner_unsupported", { "keep-fresh": "true" }, { GITHUB_ENV: "" }],
    ["GITHUB_PATH is not set", "runner_unsupported", { "keep-fresh": "true" }, { GITHUB_PATH: "" }],
    [
      "RUNNER_TEMP is not set",
      "runner_unsupported",
      UNEXPORTED,
      { GITHUB_ENV: "", RUNNER_TEMP: "" },
    ],
    [
      "The folder that RUNNER_TEMP .* \\(ENOENT\\)",
      "file_failed",
      UNEXPORTED,
      { RUNNER_TEMP: "/no" },
    ],
  ])("asks for nothing where it fails with: %s", async (problem, code, inputs, env) => {
    const { exitCode, said } = await run([token()], inputs, env);
    expect(exitCode).toBe(1);
    expect(said).toEqual([expect.stringMatching(new RegExp(`^::error::${problem}.*\\(${code}, `))]);
    expect(armor.requests).toEqual([]);
  });

  test.each([
    ["ends the session itself", "true", ["token", "terminate"]],
    ["leaves the session alone, where that was wanted,", "false", ["token"]],
  ])("%s where post will not know of it", async (_, wanted, requests) => {
    const answer: Answer = (response, request) => {
      if (request.path.endsWith("/token")) rmSync(process.env["GITHUB_STATE"] ?? "");
      (request.path.endsWith("/token") ? token() : text(204, ""))(response, request);
    };
    const { exitCode, said, outputs } = await run([answer], { "terminate-session": wanted });
    expect([exitCode, outputs]).toEqual([1, {}]);
    expect(said).toEqual([
      expect.stringMatching(/^::error::The file that GITHUB_STATE names .*\(ENOENT\)/),
    ]);
    expect(asked()).toEqual(requests);
  });
});

describe("main, cancelled", () => {
  const cancel = (signal: NodeJS.Signals) => void process.emit(signal);

  test.each<NodeJS.Signals>(["SIGINT", "SIGTERM"])(
    "by %s masks a reply on its way, leaves it to post, and fails",
    async (signal) => {
      const { exitCode, lines, outputs, state } = await run([
        (...args) => {
          cancel(signal);
          token({ access_token: "t0k3n-2" })(...args);
        },
      ]);
      expect([exitCode, outputs]).toEqual([1, {}]);
      expect(lines).toContain("::add-mask::t0k3n-2");
      expect(state).toMatchObject({ access_token: "t0k3n-2" });
      expect(lines.at(-1)).toMatch(
        /^::error::The job was cancelled\. No token was handed on\. \(cancelled, /,
      );
    },
  );

  test("does not try again", async () => {
    const { exitCode } = await run([
      (response) => {
        cancel("SIGINT");
        response.writeHead(503).end();
      },
    ]);
    expect(exitCode).toBe(1);
    expect(armor.requests).toHaveLength(1);
  });
});

describe("with keep-fresh", () => {
  let temp: string;
  beforeEach(async () => {
    temp = await mkdtemp(join(tmpdir(), "armor-keep-fresh-"));
    // An agent that is left ends without it.
    await closing({ close: () => rm(temp, { recursive: true, force: true, maxRetries: 3 }) });
  });

  const good: Answer = (response, request) => {
    const reply = request.path.endsWith("/token")
      ? token({ access_token: "t0k3n-1" })
      : text(204, "");
    (request.method === "GET" ? json(200, {}) : reply)(response, request);
  };
  const start = (inputs: Values = {}, env: Values = {}, answer = good) =>
    run([answer], { "keep-fresh": "true", ...inputs }, { RUNNER_TEMP: temp, ...env });

  test("main hands on the agent's address, and post stops the agent and ends the session", async () => {
    const started = await start({}, { http_proxy: "http://proxy.example" });
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
    expect(said.at(-1)).toMatch(/^::warning::The path is not one of gateway-paths.*path_refused/);
    await expect(fetch(gateway)).rejects.toThrow();
    expect(asked().filter((name) => name === "terminate")).toHaveLength(1);
    await expect(readdir(temp)).resolves.toEqual([]);
  });

  test("main says where the agent is and what it reads, where that is not the default", async () => {
    const inputs = {
      "export-environment": "false",
      "gateway-paths": "/api/v1/discovery/scans\n/api/v1/x/",
    };
    const { said, exported, state, outputs: given } = await start(inputs);
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
    const { exitCode, said } = await start({}, { [name]: "/dev/full" });
    expect(exitCode).toBe(1);
    expect(said.at(-1)).toMatch(
      new RegExp(`^::error::The file that ${name} names .*ENOSPC.*file_failed`),
    );
    expect(asked()).toContain("terminate");
    await expect(readdir(temp)).resolves.toEqual([]);
  });

  test("main leaves no folder where no token comes", async () => {
    await expect(start({}, {}, text(403, ""))).resolves.toMatchObject({ exitCode: 1 });
    await expect(readdir(temp)).resolves.toEqual([]);
  });
});
