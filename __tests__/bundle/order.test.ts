// The mask of a secret comes before every write of it, in one order over stdout, the runner's files and the agent.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { openJob, scopedTest } from "../fixtures/job.ts";
import { startServer, TOKEN, text, token } from "../fixtures/server.ts";
import { API_KEY } from "../fixtures/step.ts";

const HOOK = join(ROOT, "__tests__", "fixtures", "order.cjs");
/** Escaped as the runner unescapes. */
const maskOf = (secret: string) => `stdout ::add-mask::${secret.replaceAll("%", "%25")}`;

scopedTest.each([["false"], ["true"]])("masks come first, with keep-fresh: %s", async (open, keepFresh) => {
  const accessToken = `${TOKEN}%25`;
  const armor = await open(startServer([token({ access_token: accessToken }), text(204, "")]));
  const inputs = { "api-url": armor.url, "keep-fresh": keepFresh };
  const job = await openJob(open, inputs, { NODE_OPTIONS: `--require "${HOOK}"` });
  await expect(job.main()).resolves.toMatchObject({ exitCode: 0 });
  const events = (await readFile(join(job.temp, "events"), "utf8")).trimEnd().split("\n");
  const lines = events.map((line) => JSON.parse(line) as string);
  const control = lines.find((line) => line.startsWith("agent "))?.match(/"controlCapability":"([^"]+)/)?.[1];
  const gateway = job.outputs["gateway-url"]?.split("/").at(-1);
  const ofAgent = keepFresh === "true" ? [`${gateway}`, `${control}`, API_KEY] : [];
  for (const secret of [accessToken, ...ofAgent]) {
    const mask = lines.findIndex((line) => line.trimEnd() === maskOf(secret));
    const forms = [secret, JSON.stringify(secret).slice(1, -1)];
    const use = lines.findIndex(
      (line) => forms.some((form) => line.includes(form)) && line.trimEnd() !== maskOf(secret),
    );
    expect(mask).toBeGreaterThanOrEqual(0);
    expect(use).toBeGreaterThan(mask);
  }
  expect(lines.some((line) => line.startsWith("agent "))).toBe(keepFresh === "true");
  await job.post();
});
