// What the system under the built action can do to it: noexec, an older Node, a full disk.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { ROOT, type Values } from "../../sandbox/runner.ts";
import { goodArmor, type OpenedJob, openJob, startJob } from "../fixtures/job.ts";
import { makeTempFolder } from "../fixtures/opened.ts";
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
const NODE_20 = /^v20\.\S+ (?<path>.+)$/m.exec(machineNode())?.groups?.["path"];
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
async function openHooked(hook: string, inputs: Values, options = ""): Promise<OpenedJob> {
  const temp = await makeTempFolder("armor job ");
  const file = join(temp.path, "hook.cjs");
  await writeFile(file, hook);
  const env = { NODE_OPTIONS: `${options} --require "${file}"` };
  return await openJob(inputs, env, { temp: temp.path });
}

describe("the built action", () => {
  test.concurrent("keeps the time that a user gives to each address of a host", async () => {
    await using armor = await startServer([token()]);
    await using job = await openHooked(
      HOOK,
      { "api-url": armor.url },
      "--network-family-autoselection-attempt-timeout=321",
    );
    for (const step of [await job.main(), await job.post()]) {
      expect(step.exitCode).toBe(0);
      expect(step.stdout).toMatch(/^attempt 321$/m);
    }
  });

  test.concurrent("says how to run armor-token if RUNNER_TEMP allows no programs (noexec)", async () => {
    await using armor = await startServer([goodArmor]);
    await using job = await openHooked(NOEXEC, { "api-url": armor.url, "keep-fresh": "true" });
    const { exitCode, stdout } = await job.main();
    const log = job.log(stdout).join("\n");
    await job.post();
    expect(exitCode).toBe(0);
    expect(log).toMatch(
      /^Warning: armor-token .*noexec.*TOKEN_COMMAND, and run: sh "\$TOKEN_COMMAND"\.$/m,
    );
    expect(log).toMatch(/by \$ARMOR_GATEWAY_URL and get tokens by the output token-command\.$/);
  });

  if (NODE_20 !== undefined) {
    test.concurrent("works on Node 20, with which a reply that breaks off does not look whole either", async () => {
      const answer: Answer = (response, request) =>
        (CUT[Number(request.path.split("/cut/")[1])] ?? goodArmor)(response, request);
      await using armor = await startServer([answer]);
      await using started = await startJob({ "api-url": armor.url }, {}, { node: NODE_20 });
      const { job, call } = started;
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
    });
  }

  // Windows has neither this signal nor this shell.
  if (process.platform !== "win32") {
    test.concurrent("leaves no part of a line when the disk fills amid an output", async () => {
      await using armor = await startServer([token({ access_token: TOKEN.repeat(160) })]);
      await using temp = await makeTempFolder();
      const [output, state] = [join(temp.path, "output"), join(temp.path, "state")];
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
      // 8 blocks of 512 bytes in a file (1,024 in the bash 3.2 of macOS), and no signal for a write beyond them: it stops
      // in the middle instead.
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
