// What main makes of a program that starts in the agent's place, and behaves in its own way.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { agentConfig } from "../../sandbox/agent.ts";
import { launchAgent } from "../../src/agent-client/launch.ts";
import type { AgentConfig } from "../../src/protocol/config.ts";
import { makeTempFolder } from "../fixtures/opened.ts";

/** More than a pipe holds, so that main is still writing when the program ends. */
const MANY_CERTIFICATES = ["x".repeat(1_000_000)];

/** Starts this script as the agent. */
async function launch(script: string, changes: Partial<AgentConfig> = {}) {
  await using temp = await makeTempFolder();
  const folder = join(temp.path, "armor-token-fake01");
  await mkdir(folder);
  await writeFile(join(temp.path, "agent.js"), script);
  const first = { accessToken: "t0k3n-first", expiresIn: 60 };
  const options = { apiUrl: "http://127.0.0.1:9", temp: temp.path, first };
  const config = { ...agentConfig(options, folder), ...changes };
  return await launchAgent(config, { env: {}, dist: temp.path });
}

test("a line that comes in two pieces is read when it is whole", async () => {
  const script = `process.stdout.write("token agent: port 12");
    setTimeout(() => process.stdout.write("345\\n"), 300);`;
  const { gatewayUrl } = await launch(script);
  expect(new URL(gatewayUrl).port).toBe("12345");
});

test("a program that ends before it has read its configuration is told of, and is no crash", async () => {
  const launching = launch("process.exit(3);", { certificates: MANY_CERTIFICATES });
  await expect(launching).rejects.toMatchObject({
    code: "agent_failed",
    problem: expect.stringContaining("exit code 3"),
  });
});
