// Every input of action.yml, changed once, has its effect where it is seen: at Armor, or in later steps.

import { describe, expect, test } from "@jest/globals";
import { readAction } from "../../sandbox/runner.ts";
import { createAuthority } from "../fixtures/certificates.ts";
import { expectToken, goodArmor, openJob, runBuiltMain, startJob } from "../fixtures/job.ts";
import { CALL, json, silence, startServer, token } from "../fixtures/server.ts";

const openArmor = () => startServer([goodArmor]);

/** `Basic` with this pair, of a server that takes every pair. */
async function pairSent(inputs: Record<string, string>): Promise<string> {
  await using server = await startServer([token()]);
  expectToken(await runBuiltMain({ "api-url": server.url, ...inputs }));
  return atob(server.requests[0]?.headers.authorization?.replace("Basic ", "") ?? "");
}

const EFFECTS: Readonly<Record<string, () => Promise<void>>> = {
  async "app-id"() {
    expect(await pairSent({ "app-id": "other-app" })).toMatch(/^other-app:/);
  },
  async "api-key"() {
    expect(await pairSent({ "api-key": "another-key" })).toMatch(/:another-key$/);
  },
  async "api-url"() {
    await using server = await startServer([token()]);
    expectToken(await runBuiltMain({ "api-url": `${server.url}/armor` }));
    expect(server.requests.map(({ path }) => path)).toEqual([
      "/armor/api/v1/iam/session/oauth2/token",
    ]);
  },
  async "ca-certificate"() {
    const authority = await createAuthority("Corp CA");
    await using server = await startServer([token()], { tls: await authority.sign(["127.0.0.1"]) });
    const { url } = server;
    expect(await runBuiltMain({ "api-url": url })).toMatchObject({ exitCode: 1 });
    expectToken(await runBuiltMain({ "api-url": url, "ca-certificate": authority.certificate }));
  },
  async timeout() {
    await using server = await startServer([silence]);
    const { url } = server;
    const { said, ms } = await runBuiltMain({ "api-url": url, timeout: "1" });
    expect(said.join()).toContain("No answer from");
    expect(ms).toBeLessThan(15_000); // the default is 30 s
  },
  async "keep-fresh"() {
    await using armor = await openArmor();
    await using job = await openJob({ "api-url": armor.url });
    await job.main();
    expect(job.outputs).not.toHaveProperty("gateway-url");
    await using started = await startJob({ "api-url": armor.url, "keep-fresh": "true" });
    const { call } = started;
    expect((await call()).status).toBe(200);
  },
  async "gateway-paths"() {
    await using armor = await startServer([token(), json(200, {})]);
    const paths = "/api/v1/other/\n\n/api/v1/one";
    await using started = await startJob({ "api-url": armor.url, "gateway-paths": paths });
    const { call, main } = started;
    expect(main.stdout).toContain("The gateway reads /api/v1/other/, /api/v1/one.");
    const statuses = ["/api/v1/other/x", "/api/v1/one", "/api/v1/one/x", CALL].map((path) =>
      call(path),
    );
    expect((await Promise.all(statuses)).map(({ status }) => status)).toEqual([200, 200, 403, 403]);
  },
  async "export-environment"() {
    await using armor = await openArmor();
    const inputs = { "api-url": armor.url, "export-environment": "false" };
    await using started = await startJob(inputs, { http_proxy: "http://127.0.0.1:9" });
    const { call, main, job } = started;
    expect(main.files).toMatchObject({ GITHUB_ENV: "", GITHUB_PATH: "" });
    expect((await call()).status).toBe(200);
    const step = await job.run(
      `"${job.outputs["token-command"]}"; command -v armor-token || echo none`,
    );
    expect(step.stdout).toBe(`${job.outputs["access-token"]}\nnone\n`);
  },
  async "terminate-session"() {
    await using armor = await openArmor();
    for (const keepFresh of ["false", "true"]) {
      const inputs = {
        "api-url": armor.url,
        "terminate-session": "false",
        "keep-fresh": keepFresh,
      };
      await using job = await openJob(inputs);
      await job.main();
      await expect(job.post()).resolves.toMatchObject({ exitCode: 0, stderr: "" });
    }
    const names = armor.requests.map(({ path }) => path.split("/").at(-1));
    expect(names).toEqual(["token", "token"]);
  },
};

describe("the input", () => {
  const effects = Object.entries(EFFECTS).map(([input, effect]) => ({ input, effect }));

  test.concurrent.each(effects)("$input has its effect", async ({ effect }) => await effect());

  test("list is that of action.yml", async () => {
    expect(Object.keys(EFFECTS)).toEqual(Object.keys((await readAction()).inputs));
  });
});

describe("a job with a proxy for http", () => {
  test.concurrent("has 127.0.0.1 in no_proxy for later steps, so that the gateway's address does not go to the proxy", async () => {
    await using armor = await openArmor();
    await using proxy = await startServer([json(200, {})]);
    const env = { http_proxy: proxy.url, no_proxy: "a.test", NO_PROXY: "b.test" };
    await using started = await startJob({ "api-url": armor.url }, env);
    const { job, main } = started;
    expect(job.exported).toMatchObject({
      no_proxy: "a.test,b.test,127.0.0.1",
      NO_PROXY: "a.test,b.test,127.0.0.1",
    });
    expect(job.log(main.stdout).join("\n")).toContain("Added 127.0.0.1 to no_proxy and NO_PROXY");
    const call = `curl --silent --show-error --fail "$ARMOR_GATEWAY_URL${CALL}"`;
    await expect(job.run(call)).resolves.toMatchObject({ exitCode: 0 });
    expect(proxy.requests).toEqual([]);
    // Without the two variables, the same call does go to the proxy, address and all.
    await expect(job.run(`unset no_proxy NO_PROXY; ${call}`)).resolves.toMatchObject({
      exitCode: 0,
    });
    expect(proxy.requests).toHaveLength(1);
  });
});
