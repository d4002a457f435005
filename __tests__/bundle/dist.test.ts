// The bundle that users run, against a real OAuth 2.0 server, and as a text that they can review.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { startSandbox } from "../../sandbox/armor.ts";
import { ROOT } from "../../sandbox/runner.ts";
import { openJob, scopedTest } from "../fixtures/job.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

const TOKEN_CALL = "POST /api/v1/iam/session/oauth2/token";
const END_CALL = "POST /api/v1/iam/session/terminate";

describe("a job with the built action", () => {
  scopedTest("prints, writes and sends this, in this order, and shows no secret", async (open) => {
    const armor = await open(startSandbox({ appId: APP_ID, apiKey: API_KEY }));
    const job = await openJob(open, { "api-url": armor.url });
    const main = await job.main();
    const { "access-token": token = "", "expires-at": expiresAt } = job.outputs;
    const lines = main.stdout.trimEnd().split(/\r?\n/);
    expect(lines[0]).toBe(`::add-mask::${API_KEY.replace("%", "%25")}`);
    expect(lines.slice(0, -1).every((line) => line.startsWith("::add-mask::"))).toBe(true);
    expect(lines.slice(-2)).toEqual([
      `::add-mask::${token}`,
      `Access token from ${armor.url}, valid for 60 s, until ${expiresAt}.`,
    ]);
    expect(main).toMatchObject({ exitCode: 0, stderr: "" });
    expect(Object.keys(job.outputs)).toEqual(["access-token", "token-type", "expires-in", "expires-at"]);
    const headers = { Authorization: `${job.outputs["token-type"]} ${token}` };
    await fetch(`${armor.url}/api/v1/discovery/connections`, { headers });

    const post = await job.post();
    expect(post).toMatchObject({ exitCode: 0, stderr: "" });
    expect(job.log(post.stdout)).toEqual(["The Armor session was ended."]);
    expect(armor.requests).toEqual([
      `${TOKEN_CALL} 200`,
      "GET /api/v1/discovery/connections 200",
      `${END_CALL} 204`,
    ]);

    const shown = [main.stdout, main.stderr, post.stdout, post.stderr].flatMap((text) => job.log(text));
    expect(leaksIn(shown.join("\n"), [...formsOf(API_KEY), ...formsOf(token)])).toEqual([]);
    for (const files of [main.files, post.files]) {
      expect(leaksIn(Object.values(files).join("\n"), formsOf(API_KEY))).toEqual([]);
    }
    expect(job.mask(`curl -H "Authorization: Bearer ${token}" # ${API_KEY}`)).toBe(
      'curl -H "Authorization: Bearer ***" # ***',
    );
  });

  scopedTest("is quiet in post where main failed", async (open) => {
    const armor = await open(startSandbox({ appId: APP_ID, apiKey: "another-key" }));
    const job = await openJob(open, { "api-url": armor.url });
    await expect(job.main()).resolves.toMatchObject({ exitCode: 1 });
    await expect(job.post()).resolves.toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
  });

  scopedTest("warns in post where Armor is gone, and is soon over", async (open) => {
    const armor = await startSandbox({ appId: APP_ID, apiKey: API_KEY });
    const job = await openJob(open, { "api-url": armor.url });
    await job.main();
    await armor.close();
    const post = await job.post();
    expect(post.exitCode).toBe(0);
    expect(job.log(post.stdout)).toEqual([
      expect.stringMatching(/^Warning: The Armor session was not ended/),
    ]);
    expect(post.ms).toBeLessThan(15_000);
  });
});

describe("dist/", () => {
  test("holds few and small files", async () => {
    const names = await readdir(join(ROOT, "dist"));
    expect(names).toEqual(expect.arrayContaining(["main.js", "post.js", "armor-token.js"]));
    expect(names.length).toBeLessThanOrEqual(8);
    const contents = await Promise.all(names.map((name) => readFile(join(ROOT, "dist", name), "utf8")));
    expect(contents.join("").length).toBeLessThan(300_000);
  });

  test("is not minified, and knows no path of the machine that built it", async () => {
    for (const name of ["index.js", "armor-token.js"]) {
      const bundle = await readFile(join(ROOT, "dist", name), "utf8");
      const lines = bundle.split("\n");
      expect(bundle.length / lines.length).toBeLessThan(60);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(500);
      expect(bundle).not.toContain(ROOT);
      expect(bundle).not.toContain("node_modules/.bin");
    }
  });
});

test("no script of this package runs when it is installed", async () => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const hooks = [
    "preinstall",
    "install",
    "postinstall",
    "prepublish",
    "preprepare",
    "prepare",
    "postprepare",
  ];
  expect(Object.keys(scripts).filter((name) => hooks.includes(name))).toEqual([]);
});
