// What a person sees in the job's log, situation by situation: each bad one has a reason, a next action and a link.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { type Job, ROOT, type Values } from "../../sandbox/runner.ts";
import { createAuthority, createSelfSigned } from "../fixtures/certificates.ts";
import { goodArmor, moveToClosedPort, openJob } from "../fixtures/job.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { writeHook } from "../fixtures/names.ts";
import { makeTempFolder } from "../fixtures/opened.ts";
import { agentsBelow } from "../fixtures/processes.ts";
import { startAnsweringProxy, startConnectProxy } from "../fixtures/proxy.ts";
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
const REFUSAL_REMEDY =
  "Check that app-id and api-key are of the same client app and were copied whole, that the app is enabled, " +
  "and that api-url is the address of its region: no other region knows the app.";
const REFUSAL =
  'Armor does not accept this client app: http://127.0.0.1:PORT answered 401 invalid_client ("client authentication failed"). ' +
  REFUSAL_REMEDY +
  " (credentials_rejected, DOCS#credentials_rejected)";
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
          "If the issuer is your own CA, or a proxy that inspects TLS, give its certificate as ca-certificate. " +
          "If you do not know it, ask who runs the network. " +
          "A server with a public certificate has to send its whole chain. (certificate_rejected, DOCS#certificate_rejected)",
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
    expect(main).toEqual([
      "Error: This is not the Armor API: http://127.0.0.1:PORT answered 404. " +
        "Check api-url: it must be the address of the Armor API, not of a web page, and usually has no path. " +
        "(endpoint_not_found, DOCS#endpoint_not_found)",
    ]);
  });

  test.concurrent("a rate limit that lasts longer than timeout", async () => {
    await using server = await startServer([text(429, "", { "Retry-After": "60" })]);
    const { exitCodes, main, post } = await logOf({ "api-url": server.url });
    expect([exitCodes, post]).toEqual([[1, 0], []]);
    expect(main).toEqual([
      "Error: Armor's rate limit is reached: http://127.0.0.1:PORT answered 429 and asks to wait 60 s, " +
        "longer than timeout (20 s) allows. Set timeout above 60, or start at another minute. " +
        "(rate_limited, DOCS#rate_limited)",
    ]);
  });

  test.concurrent.each([
    {
      what: "a name that DNS does not know",
      answer: "ENOTFOUND",
      says: "DNS does not know the host armor.test (ENOTFOUND)",
      end: "(host_unknown, DOCS#host_unknown)",
    },
    {
      what: "DNS that does not answer",
      answer: "silence",
      says: "DNS does not answer for the host armor.test (ETIMEDOUT), tried once in 2 s",
      end: "(dns_failed, DOCS#dns_failed)",
    },
  ])("$what", async ({ answer, says, end }) => {
    await using folder = await makeTempFolder();
    const hook = await writeHook(folder.path, { "armor.test": [answer] });
    const inputs = { "api-url": "https://armor.test", timeout: "2" };
    const log = await logOf(inputs, { NODE_OPTIONS: `--require "${hook}"` });
    const remedy =
      "Check api-url, this runner's DNS, and whether it needs https_proxy to leave its network.";
    const main = log.main.map((line) => line.replace(/in 2(\.\d)? s/, "in 2 s"));
    expect({ ...log, main }).toEqual({
      exitCodes: [1, 0],
      main: [`Error: ${says}. ${remedy} ${end}`],
      post: [],
    });
  });

  test.concurrent("the wrong region: Armor's words and the address that was used", async () => {
    const authority = await createAuthority("Private");
    const tls = await authority.sign(["api.na.armor.fortanix.com"]);
    await using server = await startServer([json(401, { error: "invalid_client" })], { tls });
    await using proxy = await startConnectProxy({ to: server.port });
    const inputs = {
      "api-url": "https://api.na.armor.fortanix.com",
      "ca-certificate": authority.certificate,
    };
    const env = { https_proxy: `http://127.0.0.1:${proxy.port}` };
    await expect(logOf(inputs, env)).resolves.toEqual({
      exitCodes: [1, 0],
      main: [
        "Error: Armor does not accept this client app: https://api.na.armor.fortanix.com answered 401 invalid_client. " +
          `${REFUSAL_REMEDY} (credentials_rejected, DOCS#credentials_rejected)`,
      ],
      post: [],
    });
  });

  test.concurrent("a certificate of an inspecting proxy, self-signed (issuer named)", async () => {
    const tls = await createSelfSigned("Corp TLS Inspection", ["armor.test"]);
    await using server = await startServer([goodArmor], { tls });
    await using proxy = await startConnectProxy({ to: server.port });
    const env = { https_proxy: `http://127.0.0.1:${proxy.port}` };
    await expect(logOf({ "api-url": "https://armor.test" }, env)).resolves.toEqual({
      exitCodes: [1, 0],
      main: [
        "Error: https://armor.test through the proxy http://127.0.0.1:PORT has a certificate that is self-signed, " +
          'or of a self-signed authority (DEPTH_ZERO_SELF_SIGNED_CERT); its issuer is "Corp TLS Inspection". ' +
          "If the issuer is your own CA, or a proxy that inspects TLS, give its certificate as ca-certificate. " +
          "If you do not know it, ask who runs the network. (certificate_rejected, DOCS#certificate_rejected)",
      ],
      post: [],
    });
  });

  test.concurrent("a proxy that forbids the host", async () => {
    const reply = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    await using proxy = await startAnsweringProxy(reply);
    const env = { https_proxy: `http://127.0.0.1:${proxy.port}` };
    await expect(logOf({ "api-url": "https://armor.test" }, env)).resolves.toEqual({
      exitCodes: [1, 0],
      main: [
        "Error: The proxy http://127.0.0.1:PORT refuses to connect to armor.test (403). " +
          "Have the proxy allow this host, or list it in no_proxy if this runner reaches it directly. " +
          "(proxy_refused, DOCS#proxy_refused)",
      ],
      post: [],
    });
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
      "Warning: The gateway refused /api/v1/iam/users: it is not below gateway-paths (/api/v1/discovery/). " +
        "Add it there if every step may read it. (path_refused, DOCS#path_refused)",
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
      "A client gives up if its own time limit (curl: --max-time) is shorter than Armor needs, " +
        "or if its step is cancelled. Give it more time, or ask for less in one call.",
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
          "The sessions of its tokens end by themselves when these expire. (agent_failed, DOCS#agent_failed)",
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
