// The built agent as a process, flooded as any program of the machine could: it lives, its memory stays bounded,
// and the job's own calls get through. In CI all floods, with as many connections as the attacks have.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { startBuiltAgent } from "../../sandbox/agent.ts";
import { call, errorOf, type Got, isAlive, pause } from "../fixtures/agent.ts";
import { FLOODS, startFlood } from "../fixtures/flood.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";
import { type Answer, CALL, startServer } from "../fixtures/server.ts";

const IS_IN_CI = Boolean(process.env["CI"]);
const MAX_MIB = 400;
const OWN = `${CALL}/own`;
const REPLY = "x".repeat(4 * 1024 * 1024);

/** An Armor that answers the job at once, and the flood slowly, or with more than buffers hold. */
const armorAnswer: Answer = (response, { path }) => {
  if (path === OWN) response.end("{}");
  else if (path.endsWith("?large")) response.end(REPLY);
  else setTimeout(() => response.end("{}"), 1_000);
};

async function startAgent() {
  const armor = await startServer([armorAnswer]);
  const temp = await makeTempFolder();
  const { gatewayUrl, pid } = await startBuiltAgent({
    apiUrl: armor.url,
    temp: temp.path,
    terminateSession: false,
    first: { accessToken: "t0k3n-of-the-flood", expiresIn: 86_400 },
  });
  const close = async () => {
    if (pid > 0 && isAlive(pid)) process.kill(pid, "SIGKILL");
    await armor[Symbol.asyncDispose]();
    await temp[Symbol.asyncDispose]();
  };
  return disposable({ gatewayUrl, pid }, close);
}

/** At its highest, in MiB; from /proc, so 0 on other systems than Linux. */
function peakMemory(pid: number): number {
  if (process.platform !== "linux") return 0;
  const kilobytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) / 1024;
}

/**
 * The answer to a call, which a patient client repeats: while the gateway says that it is busy, and while all of
 * its connections are, so that it closes new ones. The test's own time limit is the only one.
 */
async function patiently(own: () => Promise<Got>): Promise<Got> {
  for (;;) {
    const got = await own().catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET") throw error;
      return undefined;
    });
    const isBusy = got?.status === 503 && errorOf(got) === "gateway_busy";
    if (got !== undefined && !isBusy) return got;
    await pause(200);
  }
}

describe("an agent survives", () => {
  const floods = FLOODS.filter(({ fewer }) => IS_IN_CI || fewer > 0);

  test.each(floods)(
    "$title",
    async (flood) => {
      await using agent = await startAgent();
      const { port, pathname } = new URL(agent.gatewayUrl);
      const path = `${pathname}${CALL}${flood.isReading ? "?slow" : "?large"}`;
      const own = () => call(agent.gatewayUrl + OWN);
      await expect(own()).resolves.toMatchObject({ status: 200 });
      const target = { port: Number(port), path };
      const running = startFlood(flood, target, IS_IN_CI ? flood.connections : flood.fewer);
      try {
        await pause(flood.hasAddress ? 500 : 200);
        // Who has no address cannot keep a call from being answered; who has it can make it wait or be repeated.
        if (!flood.hasAddress) await expect(own()).resolves.toMatchObject({ status: 200 });
      } finally {
        running.end();
      }
      const got = flood.hasAddress ? await patiently(own) : await own();
      expect(got.status).toBe(200);
      expect(peakMemory(agent.pid)).toBeLessThan(MAX_MIB);
    },
    60_000,
  );
});
