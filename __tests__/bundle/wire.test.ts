// The built action on the wire: TLS with private authorities, proxies, hosts that are not there.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Authority, createAuthority, EXPIRED } from "../fixtures/certificates.ts";
import { startAnsweringProxy, startProxy, startSilentProxy } from "../fixtures/proxy.ts";
import { type FakeServer, silence, stall, startServer, token } from "../fixtures/server.ts";
import { expectFailure, expectToken, runMain } from "../fixtures/step.ts";

/** A name that only the proxy resolves (RFC 6761 keeps `.test` out of the DNS). */
const HIDDEN = "armor.corp.test";

let authority: Authority;
let other: Authority;
let server: FakeServer;

beforeAll(async () => {
  [authority, other] = await Promise.all([createAuthority("Corp CA"), createAuthority("Other CA")]);
  server = await startServer([token()], {
    tls: await authority.sign(["127.0.0.1", HIDDEN]),
  });
});

afterAll(() => server.close());

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

describe("TLS", () => {
  test.concurrent("the right authority", async () => {
    expectToken(await runMain({ "api-url": server.url, "ca-certificate": authority.certificate }));
  });

  test.concurrent("the right one of two", async () => {
    const both = `# Other\n${other.certificate}\n# Corp\n${authority.certificate}\n`;
    expectToken(await runMain({ "api-url": server.url, "ca-certificate": both }));
  });

  test.concurrent("NODE_EXTRA_CA_CERTS, alone and beside ca-certificate", async () => {
    const folder = await mkdtemp(join(tmpdir(), "armor-ca-"));
    const file = join(folder, "ca.pem");
    await writeFile(file, authority.certificate);
    const env = { NODE_EXTRA_CA_CERTS: file };
    expectToken(await runMain({ "api-url": server.url }, env));
    expectToken(await runMain({ "api-url": server.url, "ca-certificate": other.certificate }, env));
    await rm(folder, { recursive: true });
  });

  test.concurrent.each([
    ["no authority", () => ""],
    ["another authority", () => other.certificate],
  ])("untrusted: %s", async (_, certificate) => {
    const step = await runMain({ "api-url": server.url, "ca-certificate": certificate() });
    expectFailure({ ...step, timeoutMs: 0 }, [server.url, "not signed by an authority", "ca-certificate"]);
  });

  test.concurrent("expired", async () => {
    const expired = await startServer([token()], { tls: await authority.sign(["127.0.0.1"], EXPIRED) });
    const step = await runMain({ "api-url": expired.url, "ca-certificate": authority.certificate });
    await expired.close();
    expectFailure({ ...step, timeoutMs: 0 }, [expired.url, "expired", "ca-certificate"]);
    expect(expired.requests).toEqual([]);
  });

  test.concurrent("for another name", async () => {
    const misnamed = await startServer([token()], { tls: await authority.sign(["armor.other.test"]) });
    const step = await runMain({ "api-url": misnamed.url, "ca-certificate": authority.certificate });
    await misnamed.close();
    expectFailure({ ...step, timeoutMs: 0 }, [misnamed.url, "for another host name", "ca-certificate"]);
    expect(misnamed.requests).toEqual([]);
  });

  test.concurrent("none at all behind https://", async () => {
    const plain = await startServer([token()]);
    const url = plain.url.replace("http:", "https:");
    const step = await runMain({ "api-url": url });
    await plain.close();
    expectFailure({ ...step, timeoutMs: 0 }, [url, "does not speak TLS", "api-url"]);
  });
});

describe("hosts that are not there", () => {
  test.concurrent("connection refused", async () => {
    const url = `http://127.0.0.1:${await closedPort()}`;
    expectFailure(await runMain({ "api-url": url, timeout: "1" }), [url, "ECONNREFUSED", "firewall"]);
  });

  test.concurrent("unknown host", async () => {
    const step = await runMain({ "api-url": "https://armor.unknown.invalid", timeout: "10" });
    expectFailure(step, ["armor.unknown.invalid", /not known|EAI_AGAIN/, "Check api-url"]);
  });

  test.concurrent("IPv6 loopback, whose address stands in brackets", async () => {
    const url = `http://[::1]:${await closedPort()}`;
    expectFailure(await runMain({ "api-url": url, timeout: "1" }), [
      url,
      /ECONNREFUSED|EADDRNOTAVAIL|EAFNOSUPPORT/,
    ]);
  });
});

describe("proxies", () => {
  const proxied = (port: number, name = "https_proxy") => ({ [name]: `http://127.0.0.1:${port}` });
  const hidden = () => ({
    "api-url": `https://${HIDDEN}:${server.port}`,
    "ca-certificate": authority.certificate,
  });

  test.concurrent("without one, the hidden host is out of reach", async () => {
    const step = await runMain({ ...hidden(), timeout: "1" });
    expectFailure(step, [HIDDEN, /not known|EAI_AGAIN|No answer/]);
  });

  test.concurrent.each(["https_proxy", "HTTPS_PROXY"])("%s leads to it", async (name) => {
    const proxy = await startProxy({ hosts: [HIDDEN] });
    expectToken(await runMain(hidden(), proxied(proxy.port, name)));
    expect(proxy.connects).toEqual([`${HIDDEN}:${server.port}`]);
    await proxy.close();
  });

  test.concurrent("with credentials, percent-encoded, which are never printed", async () => {
    const proxy = await startProxy({
      hosts: [HIDDEN],
      credentials: { username: "user@corp", password: "p@ss:w/d" },
    });
    const step = await runMain(hidden(), {
      https_proxy: `http://user%40corp:p%40ss%3Aw%2Fd@127.0.0.1:${proxy.port}`,
    });
    await proxy.close();
    expectToken(step);
    expect(step.stdout).not.toMatch(/p(@|%40)ss/);
  });

  test.concurrent("407", async () => {
    const proxy = await startProxy({ hosts: [HIDDEN], credentials: { username: "user", password: "right" } });
    const step = await runMain(hidden(), { https_proxy: `http://user:Wr0ng@127.0.0.1:${proxy.port}` });
    await proxy.close();
    expectFailure({ ...step, timeoutMs: 0 }, [`http://127.0.0.1:${proxy.port}`, "407", "https_proxy"]);
    expect(step.stdout).not.toContain("Wr0ng");
    expect(proxy.connects).toHaveLength(1);
  });

  test.concurrent("one that refuses the host", async () => {
    const proxy = await startProxy({ hosts: [] });
    const step = await runMain(hidden(), proxied(proxy.port));
    await proxy.close();
    expectFailure({ ...step, timeoutMs: 0 }, [`http://127.0.0.1:${proxy.port}`, HIDDEN, "403", "no_proxy"]);
  });

  test.concurrent("no_proxy leads past it", async () => {
    const proxy = await startProxy({ hosts: [HIDDEN] });
    const env = { ...proxied(proxy.port), no_proxy: "corp.test" };
    expectFailure(await runMain({ ...hidden(), timeout: "1" }, env), [HIDDEN]);
    expect(proxy.connects).toEqual([]);
    await proxy.close();
  });

  test.concurrent("one that is down", async () => {
    const port = await closedPort();
    const step = await runMain({ ...hidden(), timeout: "1" }, proxied(port));
    expectFailure(step, [`http://127.0.0.1:${port}`, "ECONNREFUSED", "https_proxy"]);
  });

  test.concurrent("one that answers 502 for ever", async () => {
    const proxy = await startAnsweringProxy("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    const step = await runMain({ ...hidden(), timeout: "1" }, proxied(proxy.port));
    await proxy.close();
    expectFailure(step, [`http://127.0.0.1:${proxy.port}`, "502", "https_proxy"]);
  });

  test.concurrent("one that never answers CONNECT", async () => {
    const proxy = await startSilentProxy();
    const step = await runMain({ ...hidden(), timeout: "1" }, proxied(proxy.port));
    await proxy.close();
    expectFailure(step, [HIDDEN, `http://127.0.0.1:${proxy.port}`, "proxy can reach"]);
  });

  test.concurrent("a host behind it that never answers, or stops in the middle", async () => {
    const tls = await authority.sign([HIDDEN]);
    const proxy = await startProxy({ hosts: [HIDDEN] });
    for (const answer of [silence, stall]) {
      const stuck = await startServer([answer], { tls });
      const inputs = { ...hidden(), "api-url": `https://${HIDDEN}:${stuck.port}`, timeout: "1" };
      expectFailure(await runMain(inputs, proxied(proxy.port)), [HIDDEN, /No answer|did not finish/]);
      await stuck.close();
    }
    await proxy.close();
  });

  test.concurrent("an untrusted certificate behind it", async () => {
    const proxy = await startProxy({ hosts: [HIDDEN] });
    const step = await runMain({ ...hidden(), "ca-certificate": "" }, proxied(proxy.port));
    await proxy.close();
    expectFailure({ ...step, timeoutMs: 0 }, [HIDDEN, "not signed by an authority", "ca-certificate"]);
  });
});
