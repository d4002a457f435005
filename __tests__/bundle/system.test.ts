// What the system under the built action can do to it: an inspector, slow addresses, noexec, a full disk.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "@jest/globals";
import { ROOT, type Values } from "../../sandbox/runner.ts";
import { GOOD, type Open, openJob, scopedTest } from "../fixtures/job.ts";
import { startServer, TOKEN, token } from "../fixtures/server.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

/** Prints, at the end of a step, what it has made of Node. */
const HOOK = `process.on("exit", () => console.log(
  "inspector", require("inspector").url(), "attempt", require("net").getDefaultAutoSelectFamilyAttemptTimeout()));`;
/** A file system from which nothing may be started. */
const NOEXEC = `const fs = require("fs/promises");
const { access } = fs;
const denied = Object.assign(new Error("EACCES: permission denied, access"), { code: "EACCES" });
fs.access = (path, mode) => (mode === fs.constants.X_OK ? Promise.reject(denied) : access(path, mode));`;

/** A job whose steps run this first. */
async function openHooked(open: Open, hook: string, inputs: Values, options = "") {
  const { temp } = await openJob(open, {});
  const file = join(temp, "hook.cjs");
  await writeFile(file, hook);
  return await openJob(open, inputs, { NODE_OPTIONS: `${options} --require "${file}"` }, temp);
}

describe("the built action", () => {
  scopedTest("has no inspector, and gives each address of a host more than Node's 250 ms", async (open) => {
    const armor = await open(startServer([token()]));
    const job = await openHooked(open, HOOK, { "api-url": armor.url }, "--inspect=127.0.0.1:0");
    for (const step of [await job.main(), await job.post()]) {
      expect(step.exitCode).toBe(0);
      expect(step.stdout).toMatch(/^inspector undefined attempt 5000$/m);
    }
  });

  scopedTest("says how to run armor-token where RUNNER_TEMP allows no programs (noexec)", async (open) => {
    const armor = await open(startServer([GOOD]));
    const job = await openHooked(open, NOEXEC, { "api-url": armor.url, "keep-fresh": "true" });
    const { exitCode, stdout } = await job.main();
    const log = job.log(stdout).join("\n");
    await job.post();
    expect(exitCode).toBe(0);
    expect(log).toMatch(
      /^Warning: armor-token cannot be run.*noexec.*TOKEN_COMMAND, and run: sh "\$TOKEN_COMMAND"\.$/m,
    );
    expect(log).toMatch(/by \$ARMOR_GATEWAY_URL and get tokens by the output token-command\.$/);
  });

  // Windows has neither this signal nor this shell.
  if (process.platform !== "win32") {
    scopedTest("leaves no part of a line where the disk fills amid an output", async (open) => {
      const armor = await open(startServer([token({ access_token: TOKEN.repeat(60) })]));
      const { temp } = await openJob(open, {});
      const [output, state] = [join(temp, "output"), join(temp, "state")];
      const before = "x=y\n".repeat(500);
      await Promise.all([writeFile(output, before), writeFile(state, "")]);
      const inputs = {
        ...{ "app-id": APP_ID, "api-key": API_KEY, "api-url": armor.url, timeout: "20" },
        ...{ "keep-fresh": "false", "export-environment": "true", "terminate-session": "false" },
      };
      // dash keeps no variable with a hyphen in its name, so env sets them behind it.
      const given = Object.entries(inputs).map(([name, value]) => `INPUT_${name.toUpperCase()}=${value}`);
      // 8 blocks of 512 bytes in a file, and no signal for a write beyond them: it stops in the middle instead.
      const script = `ulimit -f 8; trap '' XFSZ; exec env "$@"`;
      const main = [process.execPath, join(ROOT, "dist", "main.js")];
      const env = { ...process.env, GITHUB_OUTPUT: output, GITHUB_STATE: state };
      const child = spawn("sh", ["-c", script, "sh", ...given, ...main], {
        env,
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [printed] = await Promise.all([child.stdout.toArray(), once(child, "close")]);
      expect(child.exitCode).toBe(1);
      expect(printed.join("")).toMatch(
        /::error::The file that GITHUB_OUTPUT names cannot be written: .*\(file_failed, /,
      );
      await expect(readFile(output, "utf8")).resolves.toBe(before);
    });
  }
});
