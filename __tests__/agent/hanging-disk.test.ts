// A disk that hangs, as that of a network does, while the built agent is about to leave its report.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { agentConfig } from "../../sandbox/agent.ts";
import { ROOT } from "../../sandbox/runner.ts";
import { READY_LINE, REPORT_FILE } from "../../src/protocol/config.ts";
import { call, startArmor } from "../fixtures/agent.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";

/** Loaded before the agent: no file gets the name of the report, and no error says so. */
const HANGING = `
const fs = require("node:fs/promises");
const { rename } = fs;
fs.rename = (from, to) =>
  to.endsWith(${JSON.stringify(REPORT_FILE)}) ? new Promise(() => {}) : rename(from, to);
`;

test("a disk that hangs keeps neither the agent nor who waits for its end", async () => {
  await using temp = await makeTempFolder();
  await using armor = await startArmor();
  const hook = join(temp.path, "hook.cjs");
  await writeFile(hook, HANGING);
  const folder = join(temp.path, "armor-token-hangs1");
  await mkdir(folder);
  const first = { accessToken: "t0k3n-first", expiresIn: 60 };
  const config = agentConfig({ apiUrl: armor.url, temp: temp.path, first }, folder);
  const program = join(ROOT, "dist", "agent.js");
  const child = spawn(process.execPath, ["--require", hook, program]);
  await using _child = disposable({}, () => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  child.stdin.end(JSON.stringify(config));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { port } = READY_LINE.exec(String(line))?.groups ?? {};
  const stop = `http://127.0.0.1:${port}/${config.controlCapability}/stop`;
  await expect(call(stop, { method: "POST" })).resolves.toMatchObject({ status: 200 });
  await expect(ended).resolves.toEqual([0, null]);
});
