// What a person sees in the job's log, in seventeen situations: each bad one has a reason, a next action and a link.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { type Job, ROOT, type Values } from "../../sandbox/runner.ts";
import { createAuthority } from "../fixtures/certificates.ts";
import { goodArmor, moveToClosedPort, openJob } from "../fixtures/job.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { agentsBelow } from "../fixtures/processes.ts";
import { startAnsweringProxy } from "../fixtures/proxy.ts";
import { type Answer, CALL, json, startServer, TOKEN, text, token } from "../fixtures/server.ts";
import { API_KEY } from "../fixtures/step.ts";

const DOCS = "https://github.com/org/armor-token-action/blob/v1/docs/troubleshooting.md";

/** One job: main, what happens in it, post. Ports and dates differ from run to run, and are replaced. */
async function logOf(
  inputs: Values,
  env: Values = {},
  during: (call: () => Promise<number>, temp: string) => Promise<void> = async () => undefined,
) {
  await using job = await openJob({ timeout: "20", ...inputs }, env);
  const main = await job.main();
  const gateway = job.outputs["gateway-url"];
  await during(async () => (await fetch(gateway + CALL)).status, job.temp);
  const post = await job.post();
  const shown = (result: typeof main) => job.log(result.stderr + result.stdout).map(normal);
  const log = { exitCodes: [main.exitCode, post.exitCode], main: shown(main), post: shown(post) };
  const visible = [...log.main, ...log.post].join("\n");
  expect(
    leaksIn(visible, [...formsOf(API_KEY), TOKEN, gateway?.split("/").at(-1) ?? TOKEN]),
  ).toEqual([]);
  return log;
}

function normal(line: string): string {
  return line
    .replace(/(127\.0\.0\.1|localhost|armor\.test):\d+/g, "$1:PORT")
    .replace(/20\d\d-\d\d-\d\dT[\d:]+Z/g, "DATE")
    .replace(/accepted at \d\d:\d\d /, "accepted at TIME ")
    .replaceAll(DOCS, "DOCS");
}

const refused = json(401, {
  error: "invalid_client",
  error_description: "client authentication failed",
});
const REFUSAL =
  'Armor does not accept this client app: http://127.0.0.1:PORT answered 401 invalid_client ("client authentication failed"). ' +
  "Check that app-id and api-key are of the same client app, copied whole, that the app is enabled, and that api-url is of its region. " +
  "(credentials_rejected, DOCS#credentials_rejected)";
/** Of a pair that got a token before. */
const REFUSAL_LATER =
  'Armor does not accept this client app: http://127.0.0.1:PORT answered 401 invalid_client ("client authentication failed"). ' +
  "This pair was accepted at TIME and is refused now: the key was replaced, or the app disabled. " +
  "Store the key that is valid now, or enable the app, and run the job again. " +
  "(credentials_rejected, DOCS#credentials_rejected)";

describe("the job's log", () => {
  test.concurrent("success", async () => {
    await using server = await startServer([goodArmor]);
    const { url } = server;
    await expect(logOf({ "api-url": url })).resolves.toEqual({
      exitCodes: [0, 0],
      main: ["Access token from http://127.0.0.1:PORT, valid for 60 s, until DATE."],
      post: ["The Armor session was ended."],
    });
  });

  test.concurrent("keep-fresh, used", async () => {
    await using server = await startServer([goodArmor]);
    const { url } = server;
    const log = await logOf({ "api-url": url, "keep-fresh": "true" }, {}, async (call) => {
      expect([await call(), await call()]).toEqual([200, 200]);
    });
    expect(log).toEqual({
      exitCodes: [0, 0],
      main: [
        "Access token from http://127.0.0.1:PORT, valid for 60 s. Until the job ends, later steps reach Armor by $ARMOR_GATEWAY_URL and get tokens by armor-token.",
      ],
      post: [
        "Token agent: 2 calls answered (2xx 2), 1 token fetched, 1 session ended.",
        "What was read from Armor",
        "2 × GET /api/v1/discovery/scans 200",
      ],
    });
  });

  test.concurrent("keep-fresh, unused", async () => {
    await using server = await startServer([goodArmor]);
    const { url } = server;
    const { post } = await logOf({ "api-url": url, "keep-fresh": "true" });
    expect(post).toEqual([
      "Token agent: no call came, 1 token fetched, 1 session ended. " +
        "If no step needs it, leave keep-fresh out; steps in another container (docker://) cannot reach it.",
    ]);
  });

  test.concurrent("wrong key", async () => {
    await using server = await startServer([refused]);
    const { url } = server;
    const log = await logOf({ "api-url": url });
    expect(log).toEqual({ exitCodes: [1, 0], main: [`Error: ${REFUSAL}`], post: [] });
  });

  test.concurrent("both secrets missing", async () => {
    await expect(logOf({ "app-id": "", "api-key": "" })).resolves.toEqual({
      exitCodes: [1, 0],
      main: [
        "Error: app-id and api-key are empty. Check the secret's name. " +
          'If it is stored in an environment, the job needs "environment: NAME". (input_invalid, DOCS#input_invalid)',
      ],
      post: [],
    });
  });

  test.concurrent("a proxy that wants a password", async () => {
    const reply =
      'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n';
    await using proxy = await startAnsweringProxy(reply);
    const { port } = proxy;
    const env = { https_proxy: `http://127.0.0.1:${port}` };
    await expect(logOf({ "api-url": "https://armor.test" }, env)).resolves.toEqual({
      exitCodes: [1, 0],
      main: [
        "Error: The proxy http://127.0.0.1:PORT wants a user and a password (407). " +
          "Put them, percent-encoded, into https_proxy: http://user:password@host:port. (proxy_refused, DOCS#proxy_refused)",
      ],
      post: [],
    });
  });

  test.concurrent("CA missing", async () => {
    const tls = await (await createAuthority("Private")).sign(["127.0.0.1"]);
    await using server = await startServer([goodArmor], { tls });
    const { url } = server;
    await expect(logOf({ "api-url": url })).resolves.toEqual({
      exitCodes: [1, 0],
      main: [
        "Error: https://127.0.0.1:PORT has a certificate that is not signed by an authority that this runner trusts (UNABLE_TO_VERIFY_LEAF_SIGNATURE); " +
          'its issuer is "Private". ' +
          "Give its private CA as ca-certificate, or have the server send its whole chain. (certificate_rejected, DOCS#certificate_rejected)",
      ],
      post: [],
    });
  });

  test.concurrent("key revoked amid the job", async () => {
    let isRevoked = false;
    const answer: Answer = (response, request) => {
      if (isRevoked && !request.path.endsWith("/terminate")) refused(response, request);
      else goodArmor(response, request);
    };
    await using server = await startServer([answer]);
    const { url } = server;
    const { post } = await logOf({ "api-url": url, "keep-fresh": "true" }, {}, async (call) => {
      isRevoked = true;
      expect(await call()).toBe(424);
    });
    expect(post).toEqual([
      "Token agent: 1 call failed (credentials_rejected 1), 1 token fetched, 1 session ended.",
      `Warning: ${REFUSAL_LATER}`,
    ]);
  });

  test.concurrent("a misspelt input", async () => {
    await expect(logOf({ "app-id": "" }, { INPUT_APP_ID: "x" })).resolves.toEqual({
      exitCodes: [1, 0],
      main: [
        "Error: The workflow gives app_id; the input is app-id. Correct the name under with:. (input_invalid, DOCS#input_invalid)",
      ],
      post: [],
    });
  });

  test.concurrent("an address that is not Armor's", async () => {
    await using server = await startServer([json(404, {})]);
    const { exitCodes, main, post } = await logOf({ "api-url": server.url });
    expect([exitCodes, post]).toEqual([[1, 0], []]);
    expect(main).toEqual([expect.stringMatching(/^Error: .* 404.*\(endpoint_not_found, DOCS#/)]);
  });

  test.concurrent("a rate limit that lasts longer than timeout", async () => {
    await using server = await startServer([text(429, "", { "Retry-After": "60" })]);
    const { exitCodes, main, post } = await logOf({ "api-url": server.url });
    expect([exitCodes, post]).toEqual([[1, 0], []]);
    expect(main).toEqual([expect.stringMatching(/^Error: .* 429.* 60 s.*\(rate_limited, DOCS#/)]);
  });

  test.concurrent("a name that DNS does not know, or that DNS does not answer for", async () => {
    const inputs = { "api-url": "https://armor.no-such-name.invalid", timeout: "3" };
    const { exitCodes, main, post } = await logOf(inputs);
    expect([exitCodes, post]).toEqual([[1, 0], []]);
    expect(main.at(-1)).toMatch(/^Error: .*DNS.*\((host_unknown|dns_failed), DOCS#/);
  });

  test.concurrent("a path that is not listed", async () => {
    await using server = await startServer([goodArmor]);
    await using job = await openJob({ "api-url": server.url, "keep-fresh": "true" });
    await job.main();
    const reply = await fetch(`${job.outputs["gateway-url"]}/api/v1/iam/users`);
    expect(reply.status).toBe(403);
    const { stdout } = await job.post();
    expect(job.log(stdout).map(normal)).toEqual([
      "Token agent: 1 call refused, 1 token fetched, 1 session ended.",
      expect.stringMatching(
        /^Warning: The gateway refused \/api\/v1\/iam\/users: .*DOCS#path_refused\)$/,
      ),
    ]);
  });

  test.concurrent("a client that gives up before Armor answers", async () => {
    let isAsked: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve;
    });
    const answer: Answer = (response, request) => {
      if (request.method === "GET") isAsked();
      else goodArmor(response, request);
    };
    await using server = await startServer([answer]);
    await using job = await openJob({ "api-url": server.url, "keep-fresh": "true" });
    await job.main();
    const impatient = new AbortController();
    const call = fetch(job.outputs["gateway-url"] + CALL, { signal: impatient.signal });
    await asked;
    impatient.abort();
    await expect(call).rejects.toThrow();
    const { stdout } = await job.post();
    expect(job.log(stdout).map(normal)).toEqual([
      "Token agent: 1 call given up by its client, 1 token fetched, 1 session ended.",
    ]);
  });

  test.concurrent("debug logging: each role says what it runs on, and no secret", async () => {
    await using server = await startServer([goodArmor]);
    const env = { RUNNER_DEBUG: "1" };
    await using job = await openJob({ "api-url": server.url, "keep-fresh": "true" }, env);
    const main = await job.main();
    await fetch(job.outputs["gateway-url"] + CALL);
    const post = await job.post();
    for (const { exitCode, stdout } of [main, post]) {
      expect(exitCode).toBe(0);
      const said = stdout.split("\n").filter((line) => !line.startsWith("::add-mask::"));
      expect(said.join("\n")).toMatch(/^::debug::Node \d+\.\d+\.\d+, OpenSSL \d/m);
      const capability = job.outputs["gateway-url"]?.split("/").at(-1) ?? "";
      expect(leaksIn(said.join("\n"), [...formsOf(API_KEY), TOKEN, capability])).toEqual([]);
    }
  });

  // Windows has no signals that a process could handle.
  if (process.platform !== "win32") {
    test.concurrent("cancelled while Armor is asked", async () => {
      await using server = await startServer([() => undefined]);
      await using job = await openJob({ "api-url": server.url });
      const main = await job.main(async (child) => {
        while (server.requests.length === 0) await sleep(10);
        child.kill("SIGINT");
      });
      const post = await job.post();
      expect([main.exitCode, post.exitCode, post.stdout]).toEqual([1, 0, ""]);
      expect(job.log(main.stdout).map(normal)).toEqual([
        "Error: The job was cancelled. No token was handed on. (cancelled, DOCS#cancelled)",
      ]);
    });
  }

  // Elsewhere the agent's process is not found.
  if (process.platform === "linux") {
    test.concurrent("agent killed", async () => {
      await using server = await startServer([goodArmor]);
      const { url } = server;
      const { post } = await logOf(
        { "api-url": url, "keep-fresh": "true" },
        {},
        async (_, temp) => {
          for (const { pid } of agentsBelow(temp)) process.kill(pid, "SIGKILL");
          while (agentsBelow(temp).length > 0) await sleep(20);
          await moveToClosedPort(temp);
        },
      );
      expect(post).toEqual([
        "The Armor session was ended.",
        "Warning: The token agent ended before the job did and left no report: a step killed it, RUNNER_TEMP was emptied, or the disk was full. " +
          "Later calls failed with curl (7): start at the first failed step. " +
          "Sessions of tokens that it fetched end when these expire. (agent_failed, DOCS#agent_failed)",
      ]);
    });
  }
});

// In one order over stdout, the runner's files and the agent's stdin, as a hook in the step's process records it.

const HOOK = join(ROOT, "__tests__", "fixtures", "order.cjs");

/** What the step has printed, written or handed to its agent, in order. */
async function writesOf({ temp }: Job): Promise<string[]> {
  const events = (await readFile(join(temp, "events"), "utf8")).trimEnd().split("\n");
  return events.map((event) => (JSON.parse(event) as string).trimEnd());
}

function expectMaskFirst(writes: readonly string[], secret: string): void {
  const mask = `stdout ::add-mask::${secret.replaceAll("%", "%25")}`; // escaped as the runner unescapes
  const inJson = JSON.stringify(secret).slice(1, -1);
  const firstMask = writes.indexOf(mask);
  const firstUse = writes.findIndex(
    (write) => write !== mask && (write.includes(secret) || write.includes(inJson)),
  );
  expect(firstMask).toBeGreaterThanOrEqual(0);
  expect(firstUse).toBeGreaterThan(firstMask);
}

describe("the mask of a secret comes before every use of it", () => {
  const accessToken = `${TOKEN}%25`;

  async function runHooked(keepFresh: boolean) {
    await using armor = await startServer([token({ access_token: accessToken }), text(204, "")]);
    const inputs = { "api-url": armor.url, "keep-fresh": String(keepFresh) };
    await using job = await openJob(inputs, { NODE_OPTIONS: `--require "${HOOK}"` });
    await expect(job.main()).resolves.toMatchObject({ exitCode: 0 });
    const writes = await writesOf(job);
    await job.post();
    return { job, writes };
  }

  test.concurrent("for the access token", async () => {
    const { writes } = await runHooked(false);
    expectMaskFirst(writes, accessToken);
    expect(writes.filter((write) => write.startsWith("agent "))).toEqual([]);
  });

  test.concurrent("for all that the agent is given, with keep-fresh", async () => {
    const { job, writes } = await runHooked(true);
    const config = writes.find((write) => write.startsWith("agent "))?.replace(/^agent /, "");
    const { capability, controlCapability } = JSON.parse(config ?? "{}");
    expect(job.outputs["gateway-url"]).toContain(capability);
    for (const secret of [accessToken, API_KEY, capability, controlCapability])
      expectMaskFirst(writes, secret);
  });
});
