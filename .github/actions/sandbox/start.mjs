import { spawn } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const { GITHUB_OUTPUT, GITHUB_STATE, RUNNER_TEMP } = process.env;
const READY_MS = 30_000;

const file = join(RUNNER_TEMP, `sandbox-${process.pid}.json`);
// On Windows the runner ends what is not detached with the step.
const options = { cwd: tmpdir(), detached: true, stdio: "ignore", windowsHide: true };
spawn(
  process.execPath,
  [fileURLToPath(new URL("serve.mjs", import.meta.url)), file],
  options,
).unref();

for (const until = Date.now() + READY_MS; !existsSync(file); await sleep(100)) {
  if (Date.now() > until) throw new Error("The sandbox did not start.");
}
const { url, appId, apiKey, control } = JSON.parse(readFileSync(file, "utf8"));
process.stdout.write(`::add-mask::${apiKey}\nSandbox at ${url}\n`);
appendFileSync(GITHUB_OUTPUT, `url=${url}\napp-id=${appId}\napi-key=${apiKey}\n`);
appendFileSync(GITHUB_STATE, `control=${control}\n`);
