// Whom the built action trusts: certificates of every kind, and hosts that are not there.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "@jest/globals";
import { startAgent } from "../../sandbox/agent.ts";
import type { Values } from "../../sandbox/runner.ts";
import {
  type Authority,
  createAuthority,
  EXPIRED,
  type Validity,
} from "../fixtures/certificates.ts";
import {
  expectFailure,
  expectToken,
  GOOD,
  openJob,
  runMain,
  scopedTest,
  startJob,
} from "../fixtures/job.ts";
import { agentsBelow } from "../fixtures/processes.ts";
import { CLOSED_PORT, type FakeServer, startServer, token } from "../fixtures/server.ts";

let authority: Authority;
let other: Authority;
let server: FakeServer;
let folder: string;
/** Relative to the working folder of the steps, which lies two folders below the machine's for temporary files. */
let certificateFile: string;

beforeAll(async () => {
  [authority, other] = await Promise.all([createAuthority("Corp CA"), createAuthority("Other CA")]);
  server = await startServer([token()], { tls: await authority.sign(["127.0.0.1"]) });
  folder = await mkdtemp(join(tmpdir(), "armor-ca-"));
  certificateFile = join("..", "..", basename(folder), "ca.pem");
  await writeFile(join(folder, "ca.pem"), authority.certificate);
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

describe("the main step trusts", () => {
  scopedTest("the authority in ca-certificate, also as one of two", async () => {
    const both = `# Other\n${other.certificate}\n# Corp\n${authority.certificate}\n`;
    expectToken(await runMain({ "api-url": server.url, "ca-certificate": both }));
  });

  scopedTest("NODE_EXTRA_CA_CERTS beside ca-certificate", async () => {
    const env = { NODE_EXTRA_CA_CERTS: certificateFile };
    expectToken(await runMain({ "api-url": server.url, "ca-certificate": other.certificate }, env));
  });
});

describe("a whole job trusts", () => {
  scopedTest.each<[string, () => [inputs: Values, env: Values]]>([
    ["ca-certificate", () => [{ "ca-certificate": authority.certificate }, {}]],
    [
      "NODE_EXTRA_CA_CERTS with a relative path",
      () => [{}, { NODE_EXTRA_CA_CERTS: certificateFile }],
    ],
    [
      "SSL_CERT_FILE with a relative path, and --use-openssl-ca",
      () => [{}, { SSL_CERT_FILE: certificateFile, NODE_OPTIONS: "--use-openssl-ca" }],
    ],
  ])("%s in main, agent and post", async (open, _, settings) => {
    const armor = await open(startServer([GOOD], { tls: await authority.sign(["127.0.0.1"]) }));
    const [inputs, env] = settings();
    const { job, call } = await startJob(open, { "api-url": armor.url, ...inputs }, env);
    expect((await call()).status).toBe(200);
    // With its agent killed, post has to end the session itself; elsewhere than on Linux the agent does.
    for (const { pid } of agentsBelow(job.temp)) process.kill(pid, "SIGKILL");
    await job.post();
    expect(armor.requests.at(-1)?.path).toBe("/api/v1/iam/session/terminate");
  });
});

describe("the main step refuses", () => {
  scopedTest("a certificate of another authority", async () => {
    const step = await runMain({ "api-url": server.url, "ca-certificate": other.certificate });
    const says = [server.url, "not signed by an authority", "ca-certificate"];
    expectFailure(step, "certificate_rejected", says);
  });

  scopedTest.each<[string, readonly string[], Validity | undefined, string]>([
    ["that is expired", ["127.0.0.1"], EXPIRED, "expired"],
    ["for another name", ["armor.other.test"], undefined, "for another host name"],
  ])("a certificate %s", async (open, _, names, validity, says) => {
    const bad = await open(startServer([token()], { tls: await authority.sign(names, validity) }));
    const step = await runMain({ "api-url": bad.url, "ca-certificate": authority.certificate });
    expectFailure(step, "certificate_rejected", [bad.url, says, "ca-certificate"]);
    expect(bad.requests).toEqual([]);
  });

  scopedTest("a server that wants a client certificate", async (open) => {
    const wanting = { requestCert: true, rejectUnauthorized: true, ca: authority.certificate };
    const tls = { ...(await authority.sign(["127.0.0.1"])), ...wanting };
    const strict = await open(startServer([token()], { tls }));
    const step = await runMain({ "api-url": strict.url, "ca-certificate": authority.certificate });
    expectFailure(step, "tls_failed", [strict.url, "asks for a client certificate"]);
  });

  scopedTest("a server without TLS behind https://", async (open) => {
    const url = (await open(startServer([token()]))).url.replace("http:", "https:");
    const step = await runMain({ "api-url": url });
    expectFailure(step, "tls_failed", [url, "does not speak TLS"]);
  });
});

describe("with NODE_TLS_REJECT_UNAUTHORIZED=0", () => {
  const env = { NODE_TLS_REJECT_UNAUTHORIZED: "0" };
  const untrusted = async () =>
    startServer([token()], { tls: await (await createAuthority("Forged CA")).sign(["127.0.0.1"]) });

  scopedTest(
    "main sends nothing to a server that it does not trust, and says that the variable is ignored",
    async (open) => {
      const forged = await open(untrusted());
      const step = await runMain({ "api-url": forged.url }, env);
      expectFailure(step, "certificate_rejected", [forged.url]);
      expect(step.said[0]).toMatch(/^::warning::NODE_TLS_REJECT_UNAUTHORIZED=0 is ignored/);
      expect(forged.requests).toEqual([]);
    },
  );

  scopedTest("the agent sends nothing either", async (open) => {
    const forged = await open(untrusted());
    const job = await openJob(open, {});
    const first = { accessToken: "t0k3n", expiresIn: 60 };
    const { gatewayUrl } = await startAgent({ apiUrl: forged.url, temp: job.temp, env, first });
    const reply = await fetch(`${gatewayUrl}/api/v1/discovery/scans`);
    await expect(reply.json()).resolves.toMatchObject({ error: "certificate_rejected" });
    expect(forged.requests).toEqual([]);
  });

  scopedTest("nor does post", async (open) => {
    const forged = await open(untrusted());
    const state = {
      STATE_api_url: forged.url,
      STATE_access_token: "t0k3n",
      STATE_complete: "true",
    };
    const job = await openJob(open, {}, { ...env, ...state });
    const post = await job.post();
    expect(job.log(post.stdout)).toEqual([
      expect.stringMatching(/^Warning: .*not ended.*certificate_rejected/),
    ]);
    expect(forged.requests).toEqual([]);
  });
});

describe("the main step without a server", () => {
  scopedTest("tells a refused connection", async () => {
    const url = `http://127.0.0.1:${CLOSED_PORT}`;
    const step = await runMain({ "api-url": url, timeout: "1" });
    expectFailure(step, "connection_failed", [url, "ECONNREFUSED", "firewall"]);
  });

  scopedTest("puts an IPv6 address in brackets", async () => {
    const url = `http://[::1]:${CLOSED_PORT}`;
    expectFailure(await runMain({ "api-url": url, timeout: "1" }), "connection_failed", [url]);
  });

  scopedTest("tells a host that DNS does not know", async () => {
    const step = await runMain({ "api-url": "https://armor.unknown.invalid", timeout: "10" });
    expectFailure(step, "(host_unknown|dns_failed)", [
      "armor.unknown.invalid",
      /ENOTFOUND|EAI_AGAIN/,
    ]);
  });
});
