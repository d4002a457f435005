// What the system under the built action can do to it: slow addresses, noexec, an older Node, a full disk.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { describe, expect } from "@jest/globals";
import { ROOT, type Values } from "../../sandbox/runner.ts";
import { GOOD, type Open, openJob, scopedTest, startJob } from "../fixtures/job.ts";
import { type Answer, cutOff, raw, startServer, TOKEN, token } from "../fixtures/server.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

/** Prints, at the end of a step, what it has made of Node. */
const HOOK = `process.on("exit", () => console.log(
  "attempt", require("net").getDefaultAutoSelectFamilyAttemptTimeout()));`;
/** A file system from which nothing may be started. */
const NOEXEC = `const fs = require("fs/promises");
const { access } = fs;
const denied = Object.assign(new Error("EACCES: permission denied, access"), { code: "EACCES" });
fs.access = (path, mode) => (mode === fs.constants.X_OK ? Promise.reject(denied) : access(path, mode));`;
/** On 32-bit ARM, runners have Node 20. Where this machine's `node` is another one, its test is left out. */
const [, NODE_20] = /^v20\.\S+ (.+)$/m.exec(machineNode()) ?? [];
const CUT: readonly Answer[] = [
  cutOff,
  raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
  raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
];

/** Version and path of the first `node` on PATH that no package has brought. */
function machineNode(): string {
  const folders = process.env["PATH"]?.split(delimiter) ?? [];
  const PATH = folders.filter((folder) => !folder.includes("node_modules")).join(delimiter);
  const args = ["-p", "process.version + ' ' + process.execPath"];
  return spawnSync("node", args, { encoding: "utf8", env: { ...process.env, PATH } }).stdout ?? "";
}

/** A job whose steps run this first. */
async function openHooked(open: Open, hook: string, inputs: Values, options = "") {
  const { temp } = await openJob(open, {});
  const file = join(temp, "hook.cjs");
  await writeFile(file, hook);
  return await openJob(open, inputs, { NODE_OPTIONS: `${options} --require "${file}"` }, temp);
}

describe("the built action", () => {
  scopedTest(
    "gives each address of a host more than Node's 250 ms",
    async (open) => {
      const armor = await open(startServer([token()]));
      const job = await openHooked(open, HOOK, { "api-url": armor.url });
      for (const step of [await job.main(), await job.post()]) {
        expect(step.exitCode).toBe(0);
        expect(step.stdout).toMatch(/^attempt 5000$/m);
      }
    },
  );

  scopedTest(
    "says how to run armor-token where RUNNER_TEMP allows no programs (noexec)",
    async (open) => {
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
    },
  );

  if (NODE_20 !== undefined) {
    scopedTest(
      "works on Node 20, where a reply that breaks off does not look whole either",
      async (open) => {
        const answer: Answer = (response, request) =>
          (CUT[Number(request.path.split("/cut/")[1])] ?? GOOD)(response, request);
        const armor = await open(startServer([answer]));
        const { job, call } = await startJob(
          open,
          { "api-url": armor.url },
          {},
          undefined,
          NODE_20,
        );
        await expect(call().then((reply) => reply.text())).resolves.toContain("connection_summary");
        for (const index of CUT.keys()) {
          const cut = call(`/api/v1/discovery/cut/${index}`).then((reply) => reply.text());
          await expect(cut).rejects.toThrow();
        }
        await expect(job.run("armor-token")).resolves.toMatchObject({
          exitCode: 0,
          stdout: `${TOKEN}\n`,
        });
        const log = job.log((await job.post()).stdout);
        expect(log[0]).toBe(
          "Token agent: 1 call answered (2xx 1), 3 calls failed (reply_incomplete 3), 1 token handed out, 1 token fetched, 1 session ended.",
        );
      },
    );
  }

  // Windows has neither this signal nor this shell.
  if (process.platform !== "win32") {
    scopedTest("leaves no part of a line where the disk fills amid an output", async (open) => {
      const armor = await open(startServer([token({ access_token: TOKEN.repeat(60) })]));
      const { temp } = await openJob(open, {});
      const [output, state] = [join(temp, "output"), join(temp, "state")];
      const before = "x=y\n".repeat(500);
      await Promise.all([writeFile(output, before), writeFile(state, "")]);
      const inputs = {
        "app-id": APP_ID,
        "api-key": API_KEY,
        "api-url": armor.url,
        timeout: "20",
        "keep-fresh": "false",
        "export-environment": "true",
        "terminate-session": "false",
      };
      // dash keeps no variable with a hyphen in its name, so env sets them behind it.
      const given = Object.entries(inputs).map(
        ([name, value]) => `INPUT_${name.toUpperCase()}=${value}`,
      );
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
