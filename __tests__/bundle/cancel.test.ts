// The main step cancelled at times spread over its whole run, as the runner does it, and then the post step.

import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { type SandboxOptions, startSandbox } from "../../sandbox/armor.ts";
import { Job } from "../../sandbox/runner.ts";
import { agentsBelow } from "../fixtures/processes.ts";

const TIMES = process.env["CI"] ? 50 : 8;
const CREDENTIALS: SandboxOptions = { appId: "id", apiKey: "key-of-the-app" };

// Windows has no signals that a process could handle.
if (process.platform !== "win32") {
  describe.each([["false"], ["true"]])("keep-fresh: %s", (keepFresh) => {
    test(`cancelled at ${TIMES} times: afterwards no agent and no session`, async () => {
      const sandbox = await startSandbox(CREDENTIALS);
      try {
        const inputs = {
          "app-id": "id",
          "api-key": "key-of-the-app",
          "api-url": sandbox.url,
          "keep-fresh": keepFresh,
        };
        const whole = await runOnce(inputs, undefined);
        const steps = Array.from({ length: TIMES }, (_, index) => (whole.ms * (index + 0.5)) / TIMES);
        for (const afterMs of steps) {
          const { post } = await runOnce(inputs, afterMs);
          expect(post).toMatchObject({ exitCode: 0 });
        }
        expect(sandbox.live()).toEqual([]);
      } finally {
        await sandbox.close();
      }
    }, 120_000);
  });
}

/** Main, cancelled after some time, and post; then no agent of this job is there. */
async function runOnce(inputs: Record<string, string>, afterMs: number | undefined) {
  const job = await Job.start(inputs);
  try {
    const main = await job.main(async (child) => {
      if (afterMs === undefined) return;
      await sleep(afterMs);
      child.kill("SIGINT");
    });
    const post = await job.post();
    for (let tries = 0; tries < 50 && (await agentsBelow(job.temp)).length > 0; tries += 1) await sleep(100);
    expect(await agentsBelow(job.temp)).toEqual([]);
    return { ms: main.ms, post };
  } finally {
    for (const { pid } of await agentsBelow(job.temp)) process.kill(pid, "SIGKILL");
    await job.end();
  }
}
