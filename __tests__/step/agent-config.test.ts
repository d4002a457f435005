// What main gives to the agent, as a program in its place is given it.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { main } from "../../src/step/main.ts";
import { runStep } from "../fixtures/in-process.ts";
import { makeTempFolder } from "../fixtures/opened.ts";
import { type Answer, startServer, token } from "../fixtures/server.ts";

/** Notes its configuration, and says that it listens. */
const NOTING = `
const { writeFileSync } = require("node:fs");
let text = "";
process.stdin.on("data", (chunk) => { text += chunk; }).on("end", () => {
  const { folder, limits, timeoutMs } = JSON.parse(text);
  writeFileSync(folder + "/noted", JSON.stringify({ limits, timeoutMs }));
  process.stdout.write("token agent: port 9\\n");
});
`;

test("the agent has the limits of the documents, and its folder is saved before a token is asked for", async () => {
  await using temp = await makeTempFolder();
  const dist = join(temp.path, "dist");
  await mkdir(dist);
  await writeFile(join(dist, "agent.js"), NOTING);
  await writeFile(join(dist, "armor-token.js"), "");
  let stateAtRequest = "";
  const answer: Answer = async (response, request) => {
    stateAtRequest = await readFile(process.env["GITHUB_STATE"] ?? "", "utf8");
    token()(response, request);
  };
  await using armor = await startServer([answer]);
  const never = new Promise<never>(() => undefined);
  const inputs = {
    "app-id": "id",
    "api-key": "k3y-of-the-app",
    "api-url": armor.url,
    "keep-fresh": "true",
  };
  const run = (env: NodeJS.ProcessEnv) => main(env, never, dist);
  const { exitCode, state } = await runStep(run, inputs, { RUNNER_TEMP: temp.path });
  expect(exitCode).toBe(0);
  const folder = state["agent_folder"] ?? "";
  expect(stateAtRequest).toContain(folder);
  // 30 s for a connection, two minutes for a head and between bytes (docs/troubleshooting.md).
  expect(JSON.parse(await readFile(join(folder, "noted"), "utf8"))).toEqual({
    limits: { connectMs: 30_000, headMs: 120_000, idleMs: 120_000 },
    timeoutMs: 30_000,
  });
});
