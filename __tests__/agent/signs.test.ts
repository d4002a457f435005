// By which signs the agent goes on or ends, without the seconds between two looks.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, jest, test } from "@jest/globals";
import { Life } from "../../src/agent/life.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";
import { setClock } from "../fixtures/virtual-clock.ts";

const DAY_MS = 24 * 3_600_000;

test("a machine that has run for a month does not end the agent that begins there", async () => {
  await using temp = await makeTempFolder();
  const controlFile = join(temp.path, "file");
  await writeFile(controlFile, "");
  setClock({ now: () => 30 * DAY_MS });
  const looks: (() => void)[] = [];
  using timer = jest.spyOn(globalThis, "setInterval");
  timer.mockImplementation(((look: () => void) => void looks.push(look)) as never);
  const life = new Life({ controlFile, workerPid: undefined });
  await using _life = disposable({}, () => life.forget());
  life.begin();
  looks[0]?.();
  life.end("the test");
  await expect(life.ended).resolves.toBe("the test"); // the first reason counts
});
