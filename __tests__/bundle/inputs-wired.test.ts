// Every input of action.yml, changed once, has its effect where it is seen: at Armor, or in later steps.

import { describe, expect, test } from "@jest/globals";
import { readAction } from "../../sandbox/runner.ts";
import { createAuthority } from "../fixtures/certificates.ts";
import {
  CALL,
  expectToken,
  GOOD,
  type Open,
  openJob,
  runMain,
  scopedTest,
  startJob,
} from "../fixtures/job.ts";
import { json, silence, startServer, token } from "../fixtures/server.ts";

const openArmor = (open: Open) => open(startServer([GOOD]));

/** `Basic` with this pair, of a server that takes every pair. */
async function pairSent(open: Open, inputs: Record<string, string>): Promise<string> {
  const server = await open(startServer([token()]));
  expectToken(await runMain({ "api-url": server.url, ...inputs }));
  return atob(server.requests[0]?.headers.authorization?.replace("Basic ", "") ?? "");
}

const EFFECTS: Readonly<Record<string, (open: Open) => Promise<void>>> = {
  async "app-id"(open) {
    expect(await pairSent(open, { "app-id": "other-app" })).toMatch(/^other-app:/);
  },
  async "api-key"(open) {
    expect(await pairSent(open, { "api-key": "another-key" })).toMatch(/:another-key$/);
  },
  async "api-url"(open) {
    const server = await open(startServer([token()]));
    expectToken(await runMain({ "api-url": `${server.url}/armor` }));
    expect(server.requests.map(({ path }) => path)).toEqual([
      "/armor/api/v1/iam/session/oauth2/token",
    ]);
  },
  async "ca-certificate"(open) {
    const authority = await createAuthority("Corp CA");
    const { url } = await open(
      startServer([token()], { tls: await authority.sign(["127.0.0.1"]) }),
    );
    expect(await runMain({ "api-url": url })).toMatchObject({ exitCode: 1 });
    expectToken(await runMain({ "api-url": url, "ca-certificate": authority.certificate }));
  },
  async timeout(open) {
    const { url } = await open(startServer([silence]));
    const { said, ms } = await runMain({ "api-url": url, timeout: "1" });
    expect(said.join()).toContain("No answer from");
    expect(ms).toBeLessThan(15_000); // the default is 30 s
  },
  async "keep-fresh"(open) {
    const armor = await openArmor(open);
    const job = await openJob(open, { "api-url": armor.url });
    await job.main();
    expect(job.outputs).not.toHaveProperty("gateway-url");
    const { call } = await startJob(open, { "api-url": armor.url, "keep-fresh": "true" });
    expect((await call()).status).toBe(200);
  },
  async "gateway-paths"(open) {
    const armor = await open(startServer([token(), json(200, {})]));
    const paths = "/api/v1/other/\n\n/api/v1/one";
    const { call, main } = await startJob(open, { "api-url": armor.url, "gateway-paths": paths });
    expect(main.stdout).toContain("The gateway reads /api/v1/other/, /api/v1/one.");
    const statuses = ["/api/v1/other/x", "/api/v1/one", "/api/v1/one/x", CALL].map((path) =>
      call(path),
    );
    expect((await Promise.all(statuses)).map(({ status }) => status)).toEqual([200, 200, 403, 403]);
  },
  async "export-environment"(open) {
    const armor = await openArmor(open);
    const inputs = { "api-url": armor.url, "export-environment": "false" };
    const { call, main, job } = await startJob(open, inputs, { http_proxy: "http://127.0.0.1:9" });
    expect(main.files).toMatchObject({ GITHUB_ENV: "", GITHUB_PATH: "" });
    expect((await call()).status).toBe(200);
    const step = await job.run(
      `"${job.outputs["token-command"]}"; command -v armor-token || echo none`,
    );
    expect(step.stdout).toBe(`${job.outputs["access-token"]}\nnone\n`);
  },
  async "terminate-session"(open) {
    const armor = await openArmor(open);
    for (const keepFresh of ["false", "true"]) {
      const inputs = {
        "api-url": armor.url,
        "terminate-session": "false",
        "keep-fresh": keepFresh,
      };
      const job = await openJob(open, inputs);
      await job.main();
      await expect(job.post()).resolves.toMatchObject({ exitCode: 0, stderr: "" });
    }
    const names = armor.requests.map(({ path }) => path.split("/").at(-1));
    expect(names).toEqual(["token", "token"]);
  },
};

describe("the input", () => {
  scopedTest.each(Object.entries(EFFECTS))("%s has its effect", async (open, _, effect) =>
    effect(open),
  );

  test("list is that of action.yml", async () => {
    expect(Object.keys(EFFECTS)).toEqual(Object.keys((await readAction()).inputs));
  });
});

describe("a job with a proxy for http", () => {
  scopedTest(
    "has 127.0.0.1 in no_proxy for later steps, so that the gateway's address does not go to the proxy",
    async (open) => {
      const armor = await openArmor(open);
      const proxy = await open(startServer([json(200, {})]));
      const env = { http_proxy: proxy.url, no_proxy: "a.test", NO_PROXY: "b.test" };
      const { job, main } = await startJob(open, { "api-url": armor.url }, env);
      expect(job.exported).toMatchObject({
        no_proxy: "a.test,b.test,127.0.0.1",
        NO_PROXY: "a.test,b.test,127.0.0.1",
      });
      expect(job.log(main.stdout).join("\n")).toContain("Added 127.0.0.1 to no_proxy and NO_PROXY");
    },
  );
});
