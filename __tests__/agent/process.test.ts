// The built agent, as a process of its own.

import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import {
  CALL,
  call,
  isAlive,
  pause,
  reasonIn,
  spawnAgent,
  startArmor,
  stopAgentAt,
  until,
} from "../fixtures/agent.ts";

const FIRST = { accessToken: "first", expiresIn: 60 };

describe("the built agent", () => {
  test("serves, stops and is gone", async () => {
    const armor = await startArmor();
    const { pid, gatewayUrl, folder } = await spawnAgent({
      apiUrl: armor.url,
      first: FIRST,
    });
    await expect(call(gatewayUrl + CALL)).resolves.toMatchObject({ status: 200 });
    const control = (await readFile(join(folder, "control-url"), "utf8")).trim();
    await expect(stopAgentAt(control)).resolves.toMatchObject({ sessions: { ended: 1 } });
    await until(() => !isAlive(pid));
  });

  const hasSignals = process.platform !== "win32";

  test.each(hasSignals ? ["SIGUSR1"] : [])("lives on at %s, and opens no inspector", async (signal) => {
    const armor = await startArmor();
    const { pid, gatewayUrl } = await spawnAgent({
      apiUrl: armor.url,
      first: FIRST,
    });
    process.kill(pid, signal);
    await pause(300);
    await expect(call(gatewayUrl + CALL)).resolves.toMatchObject({ status: 200 });
    await expect(call("http://127.0.0.1:9229/json/version")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  test.each(hasSignals ? ["SIGTERM"] : [])(
    "ends at %s, its sessions with it, and leaves the reason",
    async (signal) => {
      const armor = await startArmor();
      const { pid, folder } = await spawnAgent({
        apiUrl: armor.url,
        first: FIRST,
      });
      process.kill(pid, signal);
      await until(() => !isAlive(pid));
      expect(armor.endedSessions()).toEqual(["first"]);
      expect(await reasonIn(folder)).toMatch(/SIGTERM/);
    },
  );

  test.each(hasSignals ? ["SIGTERM"] : [])("ends at %s though Armor does not answer", async (signal) => {
    const armor = await startArmor({ terminate: () => undefined });
    const { pid } = await spawnAgent({ apiUrl: armor.url, first: FIRST });
    process.kill(pid, signal);
    await until(() => !isAlive(pid));
    expect(armor.endedSessions()).toEqual(["first"]);
  });

  test("ends when its folder is gone", async () => {
    const armor = await startArmor();
    const { pid, folder } = await spawnAgent({
      apiUrl: armor.url,
      first: FIRST,
    });
    await rm(folder, { recursive: true });
    await until(() => !isAlive(pid));
    expect(armor.endedSessions()).toEqual(["first"]);
  });

  test("answers 1,000 calls at once", async () => {
    const armor = await startArmor();
    const { gatewayUrl } = await spawnAgent({
      apiUrl: armor.url,
      first: FIRST,
    });
    const replies = await Promise.all(Array.from({ length: 1_000 }, () => call(gatewayUrl + CALL)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1_000);
  });
});
