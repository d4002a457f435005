// Whom the built action trusts: certificates of every kind, and hosts that are not there.

import { writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startBuiltAgent } from "../../sandbox/agent.ts";
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
  goodArmor,
  openJob,
  runBuiltMain,
  startJob,
} from "../fixtures/job.ts";
import { makeTempFolder, type TempFolder } from "../fixtures/opened.ts";
import { agentsBelow } from "../fixtures/processes.ts";
import { CLOSED_PORT, type FakeServer, startServer, token } from "../fixtures/server.ts";

let authority: Authority;
let other: Authority;
let server: FakeServer;
let folder: TempFolder;
/** Relative to the steps' working folder, two folders below that for temporary files. */
let certificateFile: string;

beforeAll(async () => {
  [authority, other] = await Promise.all([createAuthority("Corp CA"), createAuthority("Other CA")]);
  server = await startServer([token()], { tls: await authority.sign(["127.0.0.1"]) });
  folder = await makeTempFolder("armor-ca-");
  certificateFile = join("..", "..", basename(folder.path), "ca.pem");
  await writeFile(join(folder.path, "ca.pem"), authority.certificate);
});

afterAll(async () => {
  await server.close();
  await folder[Symbol.asyncDispose]();
});

describe("the main step trusts", () => {
  test.concurrent("the authority in ca-certificate, also as one of two", async () => {
    const both = `# Other\n${other.certificate}\n# Corp\n${authority.certificate}\n`;
    expectToken(await runBuiltMain({ "api-url": server.url, "ca-certificate": both }));
  });

  test.concurrent("NODE_EXTRA_CA_CERTS beside ca-certificate", async () => {
    const env = { NODE_EXTRA_CA_CERTS: certificateFile };
    expectToken(
      await runBuiltMain({ "api-url": server.url, "ca-certificate": other.certificate }, env),
    );
  });
});

describe("a whole job trusts", () => {
  test.concurrent.each<{
    readonly what: string;
    readonly settings: () => [inputs: Values, env: Values];
  }>([
    { what: "ca-certificate", settings: () => [{ "ca-certificate": authority.certificate }, {}] },
    {
      what: "NODE_EXTRA_CA_CERTS with a relative path",
      settings: () => [{}, { NODE_EXTRA_CA_CERTS: certificateFile }],
    },
    {
      what: "SSL_CERT_FILE with a relative path, and --use-openssl-ca",
      settings: () => [{}, { SSL_CERT_FILE: certificateFile, NODE_OPTIONS: "--use-openssl-ca" }],
    },
  ])("$what in main, agent and post", async ({ settings }) => {
    await using armor = await startServer([goodArmor], {
      tls: await authority.sign(["127.0.0.1"]),
    });
    const [inputs, env] = settings();
    await using started = await startJob({ "api-url": armor.url, ...inputs }, env);
    const { job, call } = started;
    expect((await call()).status).toBe(200);
    // With its agent killed, post has to end the session itself; elsewhere than on Linux the agent does.
    for (const { pid } of agentsBelow(job.temp)) process.kill(pid, "SIGKILL");
    await job.post();
    expect(armor.requests.at(-1)?.path).toBe("/api/v1/iam/session/terminate");
  });
});

describe("the main step refuses", () => {
  test.concurrent("a certificate of another authority", async () => {
    const step = await runBuiltMain({ "api-url": server.url, "ca-certificate": other.certificate });
    const says = [server.url, "not signed by an authority", "ca-certificate"];
    expectFailure(step, "certificate_rejected", says);
  });

  test.concurrent.each<{
    readonly what: string;
    readonly names: readonly string[];
    readonly validity: Validity | undefined;
    readonly says: string;
  }>([
    { what: "that is expired", names: ["127.0.0.1"], validity: EXPIRED, says: "expired" },
    {
      what: "for another name",
      names: ["armor.other.test"],
      validity: undefined,
      says: "for another host name",
    },
  ])("a certificate $what", async ({ names, validity, says }) => {
    await using bad = await startServer([token()], { tls: await authority.sign(names, validity) });
    const step = await runBuiltMain({
      "api-url": bad.url,
      "ca-certificate": authority.certificate,
    });
    expectFailure(step, "certificate_rejected", [bad.url, says, "ca-certificate"]);
    expect(bad.requests).toEqual([]);
  });

  test.concurrent("a server that wants a client certificate", async () => {
    const wanting = { requestCert: true, rejectUnauthorized: true, ca: authority.certificate };
    const tls = { ...(await authority.sign(["127.0.0.1"])), ...wanting };
    await using strict = await startServer([token()], { tls });
    const step = await runBuiltMain({
      "api-url": strict.url,
      "ca-certificate": authority.certificate,
    });
    expectFailure(step, "tls_failed", [strict.url, "asks for a client certificate"]);
  });

  test.concurrent("a server without TLS behind https://", async () => {
    await using plain = await startServer([token()]);
    const url = plain.url.replace("http:", "https:");
    const step = await runBuiltMain({ "api-url": url });
    expectFailure(step, "tls_failed", [url, "does not speak TLS"]);
  });
});

describe("with NODE_TLS_REJECT_UNAUTHORIZED=0", () => {
  const env = { NODE_TLS_REJECT_UNAUTHORIZED: "0" };
  const untrusted = async () =>
    startServer([token()], { tls: await (await createAuthority("Forged CA")).sign(["127.0.0.1"]) });

  test.concurrent("main sends nothing to a server that it does not trust, and says that the variable is ignored", async () => {
    await using forged = await untrusted();
    const step = await runBuiltMain({ "api-url": forged.url }, env);
    expectFailure(step, "certificate_rejected", [forged.url]);
    expect(step.said[0]).toMatch(/^::warning::NODE_TLS_REJECT_UNAUTHORIZED=0 is ignored/);
    expect(forged.requests).toEqual([]);
  });

  test.concurrent("the agent sends nothing either", async () => {
    await using forged = await untrusted();
    await using job = await openJob({});
    const first = { accessToken: "t0k3n", expiresIn: 60 };
    const { gatewayUrl } = await startBuiltAgent({
      apiUrl: forged.url,
      temp: job.temp,
      env,
      first,
    });
    const reply = await fetch(`${gatewayUrl}/api/v1/discovery/scans`);
    await expect(reply.json()).resolves.toMatchObject({ error: "certificate_rejected" });
    expect(forged.requests).toEqual([]);
  });

  test.concurrent("nor does post", async () => {
    await using forged = await untrusted();
    const state = {
      STATE_api_url: forged.url,
      STATE_access_token: "t0k3n",
      STATE_complete: "true",
    };
    await using job = await openJob({}, { ...env, ...state });
    const post = await job.post();
    expect(job.log(post.stdout)).toEqual([
      expect.stringMatching(
        /^The Armor session could not be ended \(its certificate is not trusted\)/,
      ),
    ]);
    expect(forged.requests).toEqual([]);
  });
});

describe("the main step without a server", () => {
  test.concurrent("tells a refused connection", async () => {
    const url = `http://127.0.0.1:${CLOSED_PORT}`;
    const step = await runBuiltMain({ "api-url": url, timeout: "1" });
    expectFailure(step, "connection_failed", [url, "ECONNREFUSED", "firewall"]);
  });

  test.concurrent("puts an IPv6 address in brackets", async () => {
    const url = `http://[::1]:${CLOSED_PORT}`;
    expectFailure(await runBuiltMain({ "api-url": url, timeout: "1" }), "connection_failed", [url]);
  });

  test.concurrent("tells a host that DNS does not know", async () => {
    // The least that main takes for an attempt, for which it asks again.
    const step = await runBuiltMain({ "api-url": "https://armor.unknown.invalid", timeout: "5" });
    expectFailure(
      step,
      ["host_unknown", "dns_failed"],
      ["armor.unknown.invalid", /ENOTFOUND|EAI_AGAIN/],
    );
  });
});
