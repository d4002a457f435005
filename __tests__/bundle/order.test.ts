// The mask of a secret comes before every write of it, in one order over stdout, the runner's files and the agent.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { openJob, scopedTest } from "../fixtures/job.ts";
import { startServer, TOKEN, text, token } from "../fixtures/server.ts";
import { API_KEY } from "../fixtures/step.ts";

interface Event {
  readonly kind: string;
  readonly text: string;
}

/** As the runner unescapes what stands in `::add-mask::`. */
const unescaped = (value: string) =>
  value.replaceAll("%0D", "\r").replaceAll("%0A", "\n").replaceAll("%25", "%");

/** The first event that holds the secret, masks apart, and whether all masks of it came before. */
function firstUse(events: readonly Event[], secret: string): { mask: number; use: number } {
  const masks = (line: string) =>
    line.startsWith("::add-mask::") && unescaped(line.slice(12).trimEnd()) === secret;
  const mask = events.findIndex(({ kind, text }) => kind === "stdout" && masks(text));
  const use = events.findIndex(
    ({ kind, text }) =>
      [secret, JSON.stringify(secret).slice(1, -1)].some((form) => text.includes(form)) &&
      !(kind === "stdout" && masks(text)),
  );
  return { mask, use };
}

describe("the mask comes first", () => {
  scopedTest.each([
    ["false", "true"],
    ["true", "true"],
    ["true", "false"],
  ])("keep-fresh: %s, terminate-session: %s", async (open, keepFresh, terminateSession) => {
    const percent = `${TOKEN}%25`;
    const armor = await open(startServer([token({ access_token: percent }), text(204, "")]));
    const folder = await mkdtemp(join(tmpdir(), "armor-order-"));
    await open({ close: () => rm(folder, { recursive: true }) });
    const order = join(folder, "events");
    const hook = join(ROOT, "__tests__", "fixtures", "order.cjs");
    const inputs = { "api-url": armor.url, "keep-fresh": keepFresh, "terminate-session": terminateSession };
    const job = await openJob(open, inputs, { ORDER_FILE: order, NODE_OPTIONS: `--require "${hook}"` });
    await expect(job.main()).resolves.toMatchObject({ exitCode: 0 });
    const events = (await readFile(order, "utf8"))
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Event);
    const gateway = job.outputs["gateway-url"]?.split("/").at(-1);
    const secrets = [percent, ...(gateway === undefined ? [] : [gateway, API_KEY])];
    for (const secret of secrets) {
      const { mask, use } = firstUse(events, secret);
      expect(mask).toBeGreaterThanOrEqual(0);
      expect(use).toBeGreaterThan(mask);
    }
    expect(events.some(({ kind }) => kind === "agent")).toBe(keepFresh === "true");
    await job.post();
  });
});
