// What a person sees in the job's log, in eight situations: each bad one has a reason, a next action and a link.

import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect } from "@jest/globals";
import type { Values } from "../../sandbox/runner.ts";
import { createAuthority } from "../fixtures/certificates.ts";
import { type Open, openJob, scopedTest } from "../fixtures/job.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { agentsBelow } from "../fixtures/processes.ts";
import { startAnsweringProxy } from "../fixtures/proxy.ts";
import { type Answer, json, startServer, TOKEN, text, token } from "../fixtures/server.ts";
import { API_KEY } from "../fixtures/step.ts";

const DOCS = "https://github.com/org/armor-token-action/blob/v1/docs/troubleshooting.md";
const CALL = "/api/v1/discovery/connections";

/** One job: main, what happens in it, post. Ports and dates differ from run to run, and are replaced. */
async function logOf(
  open: Open,
  inputs: Values,
  env: Values = {},
  during: (call: () => Promise<number>, temp: string) => Promise<void> = async () => undefined,
) {
  const job = await openJob(open, { timeout: "20", ...inputs }, env);
  const main = await job.main();
  const gateway = job.outputs["gateway-url"];
  await during(async () => (await fetch(`${gateway}${CALL}`)).status, job.temp);
  const post = await job.post();
  const printed = main.stdout + main.stderr + post.stdout + post.stderr;
  const shown = (result: typeof main) => job.log(result.stderr + result.stdout).map(normal);
  const visible = [...shown(main), ...shown(post)].join("\n");
  expect(leaksIn(visible, [...formsOf(API_KEY), TOKEN, gateway?.split("/").at(-1) ?? TOKEN])).toEqual([]);
  expect(printed).not.toMatch(/undefined|\[object|NaN/);
  return {
    exitCodes: [main.exitCode, post.exitCode],
    main: shown(main),
    post: shown(post),
    summary: post.files["GITHUB_STEP_SUMMARY"] ?? "",
  };
}

function normal(line: string): string {
  return line
    .replace(/(127\.0\.0\.1|localhost|armor\.test):\d+/g, "$1:PORT")
    .replace(/20\d\d-\d\d-\d\dT[\d:]+Z/g, "DATE")
    .replace(/tried (once|\d+ times) in [\d.]+ s/, "tried TIMES")
    .replaceAll(DOCS, "DOCS");
}

const good: Answer = (response, request) => {
  const answer = request.path.endsWith("/token")
    ? token()
    : request.path.endsWith("/terminate")
      ? text(204, "")
      : json(200, {});
  answer(response, request);
};
const refused = json(401, { error: "invalid_client", error_description: "client authentication failed" });

describe("the job's log", () => {
  scopedTest("success", async (open) => {
    const { url } = await open(startServer([good]));
    await expect(logOf(open, { "api-url": url })).resolves.toEqual({
      exitCodes: [0, 0],
      main: ["Access token from http://127.0.0.1:PORT, valid for 60 s, until DATE."],
      post: ["The Armor session was ended."],
      summary: "",
    });
  });

  scopedTest("keep-fresh, used", async (open) => {
    const { url } = await open(startServer([good]));
    const log = await logOf(open, { "api-url": url, "keep-fresh": "true" }, {}, async (call) => {
      expect([await call(), await call()]).toEqual([200, 200]);
    });
    expect(log).toEqual({
      exitCodes: [0, 0],
      main: [
        "Access token from http://127.0.0.1:PORT, valid for 60 s. Until the job ends, later steps reach Armor by $ARMOR_GATEWAY_URL and get tokens by armor-token.",
      ],
      post: [
        "Token agent: 2 calls answered, 1 token fetched.",
        "calls answered    2 (2xx 2)",
        "tokens fetched    1",
        "sessions ended    1",
      ],
      summary: "",
    });
  });

  scopedTest("keep-fresh, unused", async (open) => {
    const { url } = await open(startServer([good]));
    const { post, summary } = await logOf(open, { "api-url": url, "keep-fresh": "true" });
    expect(post).toEqual(["Token agent: it answered no call. Where no step needs it, leave keep-fresh out."]);
    expect(summary).toBe("");
  });

  scopedTest("wrong key", async (open) => {
    const { url } = await open(startServer([refused]));
    await expect(logOf(open, { "api-url": url })).resolves.toEqual({
      exitCodes: [1, 0],
      main: [
        'Error: Armor does not accept this client app: http://127.0.0.1:PORT answered 401 invalid_client ("client authentication failed"). ' +
          "Check that app-id and api-key are of the same client app, copied whole, that the app is enabled, and that api-url is of its region. " +
          "(credentials_rejected, DOCS#credentials_rejected)",
      ],
      post: [],
      summary: "",
    });
  });

  scopedTest("both secrets missing", async (open) => {
    const { main, post, exitCodes } = await logOf(open, { "app-id": "", "api-key": "" });
    expect(exitCodes).toEqual([1, 0]);
    expect(main).toEqual([
      "Error: app-id and api-key are empty. Usually the secret is not defined here under the name that the workflow uses. " +
        "Workflows that a fork or Dependabot starts get no repository secrets. (input_invalid, DOCS#input_invalid)",
    ]);
    expect(post).toEqual([]);
  });

  scopedTest("a proxy that wants a password", async (open) => {
    const proxy = await open(
      startAnsweringProxy(
        'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n',
      ),
    );
    const env = { https_proxy: `http://127.0.0.1:${proxy.port}` };
    const { main, exitCodes } = await logOf(open, { "api-url": "https://armor.test" }, env);
    expect(exitCodes).toEqual([1, 0]);
    expect(main).toEqual([
      "Error: The proxy http://127.0.0.1:PORT wants a user and a password (407). " +
        "Put them, percent-encoded, into https_proxy: http://user:password@host:port. (proxy_refused, DOCS#proxy_refused)",
    ]);
  });

  scopedTest("CA missing", async (open) => {
    const authority = await createAuthority("Private");
    const tls = await authority.sign(["127.0.0.1"]);
    const { url } = await open(startServer([good], { tls }));
    const { main, exitCodes } = await logOf(open, { "api-url": url });
    expect(exitCodes).toEqual([1, 0]);
    expect(main).toEqual([
      "Error: https://127.0.0.1:PORT has a certificate that is not signed by an authority that this runner trusts (UNABLE_TO_VERIFY_LEAF_SIGNATURE). " +
        "Give its private CA as ca-certificate, or have the server send its whole chain. (certificate_rejected, DOCS#certificate_rejected)",
    ]);
  });

  scopedTest("key revoked amid the job", async (open) => {
    let isRevoked = false;
    const server: Answer = (response, request) => {
      if (isRevoked && !request.path.endsWith("/terminate")) refused(response, request);
      else good(response, request);
    };
    const { url } = await open(startServer([server]));
    const log = await logOf(open, { "api-url": url, "keep-fresh": "true" }, {}, async (call) => {
      isRevoked = true;
      expect(await call()).toBe(424);
    });
    expect(log.post).toEqual([
      "Token agent: 1 call failed, 1 token fetched.",
      "calls failed      1 (credentials_rejected 1)",
      "tokens fetched    1",
      "sessions ended    1",
      expect.stringMatching(
        /^Warning: Armor does not accept this client app: .* Check that .* \(credentials_rejected, DOCS#credentials_rejected\)$/,
      ),
    ]);
    expect(log.summary).toContain("calls failed");
  });

  // Elsewhere the agent's process is not found.
  if (process.platform === "linux") {
    scopedTest("agent killed", async (open) => {
      const { url } = await open(startServer([good]));
      const { post } = await logOf(open, { "api-url": url, "keep-fresh": "true" }, {}, async (_, temp) => {
        for (const { pid } of await agentsBelow(temp)) process.kill(pid, "SIGKILL");
        while ((await agentsBelow(temp)).length > 0) await sleep(20);
      });
      expect(post).toEqual([
        "The Armor session was ended.",
        expect.stringMatching(
          /^Warning: The token agent had ended before the job did: .*probably was killed\. .*\(agent_failed, DOCS#agent_failed\)$/,
        ),
      ]);
    });
  }
});
