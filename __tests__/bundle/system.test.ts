// What the system under the built action can do to it: addresses that are slow, a disk that fills, an agent that hangs.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect } from "@jest/globals";
import { startSandbox } from "../../sandbox/armor.ts";
import { ROOT } from "../../sandbox/runner.ts";
import { openJob, scopedTest, startJob } from "../fixtures/job.ts";
import { agentsBelow } from "../fixtures/processes.ts";
import { startServer, TOKEN, token } from "../fixtures/server.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

describe("the built action", () => {
  scopedTest("gives each address of a host more time than Node's 250 ms", async (open) => {
    const folder = await mkdtemp(join(tmpdir(), "armor-hook-"));
    await open({ close: () => rm(folder, { recursive: true }) });
    const hook = join(folder, "hook.cjs");
    const print =
      'process.on("exit", () => console.log("attempt", require("net").getDefaultAutoSelectFamilyAttemptTimeout()));';
    await writeFile(hook, print);
    const armor = await open(startServer([token()]));
    const job = await openJob(open, { "api-url": armor.url }, { NODE_OPTIONS: `--require "${hook}"` });
    const { stdout } = await job.main();
    expect(Number(/^attempt (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThanOrEqual(5_000);
  });

  scopedTest("has no inspector, also where NODE_OPTIONS asks for one", async (open) => {
    const folder = await mkdtemp(join(tmpdir(), "armor-hook-"));
    await open({ close: () => rm(folder, { recursive: true }) });
    const hook = join(folder, "hook.cjs");
    await writeFile(hook, 'process.on("exit", () => console.log("inspector", require("inspector").url()));');
    const armor = await open(startServer([token()]));
    const options = `--inspect=127.0.0.1:0 --require "${hook}"`;
    const job = await openJob(open, { "api-url": armor.url }, { NODE_OPTIONS: options });
    for (const step of [await job.main(), await job.post()]) {
      expect(step.exitCode).toBe(0);
      expect(step.stdout).toMatch(/^inspector undefined$/m);
    }
  });

  scopedTest(
    "tells what became of the session, also where the job summary cannot be written",
    async (open) => {
      const armor = await open(startSandbox({ appId: APP_ID, apiKey: API_KEY }));
      const env = { GITHUB_STEP_SUMMARY: join(tmpdir(), "nowhere", "summary") };
      const { job, call } = await startJob(open, { "api-url": armor.url }, env);
      expect((await call("/api/v1/iam/users")).status).toBe(403);
      const post = await job.post();
      expect(post.exitCode).toBe(0);
      const log = job.log(post.stdout);
      expect(log).toContain("sessions ended    1");
      expect(log.filter((line) => line.startsWith("Warning"))).toEqual([
        expect.stringMatching(/^Warning: The path is not one of gateway-paths.*\(path_refused, /),
      ]);
    },
  );

  // Windows has neither these signals nor this shell.
  if (process.platform !== "win32") {
    scopedTest("leaves no part of a line where the disk fills amid an output", async (open) => {
      const folder = await mkdtemp(join(tmpdir(), "armor-full-"));
      await open({ close: () => rm(folder, { recursive: true }) });
      const armor = await open(startServer([token({ access_token: TOKEN.repeat(60) })]));
      const file = (name: string) => join(folder, name);
      const before = `${"x=y\n".repeat(500)}`;
      await Promise.all([writeFile(file("output"), before), writeFile(file("state"), "")]);
      const files = { GITHUB_OUTPUT: file("output"), GITHUB_STATE: file("state") };
      const inputs = {
        "app-id": APP_ID,
        "api-key": API_KEY,
        "api-url": armor.url,
        timeout: "20",
        "keep-fresh": "false",
      };
      const booleans = { "export-environment": "true", "terminate-session": "false" };
      // dash keeps no variable with a hyphen in its name, so env sets them behind it.
      const assignments = Object.entries({ ...inputs, ...booleans }).map(
        ([name, value]) => `INPUT_${name.toUpperCase()}=${value}`,
      );
      // 8 blocks of 512 bytes in a file, and no signal for a write beyond them: it stops in the middle instead.
      const script = `ulimit -f 8; trap '' XFSZ; exec env "$@"`;
      const child = spawn(
        "sh",
        ["-c", script, "sh", ...assignments, process.execPath, join(ROOT, "dist", "main.js")],
        { env: { ...process.env, ...files }, stdio: ["ignore", "pipe", "inherit"] },
      );
      let printed = "";
      child.stdout.on("data", (data) => {
        printed += data;
      });
      const code = await new Promise((resolve) => child.once("close", resolve));
      expect(code).toBe(1);
      expect(printed).toMatch(
        /::error::The file that GITHUB_OUTPUT names cannot be written: .*\(file_failed, /,
      );
      await expect(readFile(file("output"), "utf8")).resolves.toBe(before);
    });

    scopedTest("does not wait for an agent that hangs, and does not say that it has ended", async (open) => {
      const armor = await open(startSandbox({ appId: APP_ID, apiKey: API_KEY }));
      const { job } = await startJob(open, { "api-url": armor.url });
      for (const { pid } of await agentsBelow(job.temp)) process.kill(pid, "SIGSTOP");
      const post = await job.post();
      expect(post.exitCode).toBe(0);
      expect(job.log(post.stdout)).toEqual([
        "The Armor session was ended.",
        expect.stringMatching(
          /^Warning: The token agent could not be asked to stop: it did not answer in time\./,
        ),
      ]);
    });
  }
});
