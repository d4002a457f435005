import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { endMain, MainMark } from "../../src/step/marks.ts";
import { makeTempFolder } from "../fixtures/opened.ts";

/** A process that has ended: pids end below this number. */
const DEAD_PID = "99999999";

describe("the marks of main and post", () => {
  test("tell main that post has begun, and post whether main has ended", async () => {
    await using temp = await makeTempFolder("armor-marks-");
    const env = { RUNNER_TEMP: temp.path };
    const mark = new MainMark(env);
    expect(mark.hasPostBegun()).toBe(false);
    expect(await endMain(mark.path ?? "", env, 100)).toBe(false);
    expect(mark.hasPostBegun()).toBe(true);
    setTimeout(() => mark.remove(), 100);
    expect(await endMain(mark.path ?? "", env, 10_000)).toBe(true);
  });

  test("leave nothing behind when main has ended first, or was killed", async () => {
    await using temp = await makeTempFolder("armor-marks-");
    const env = { RUNNER_TEMP: temp.path };
    const mark = new MainMark(env);
    mark.remove();
    expect(await endMain(mark.path ?? "", env, 10_000)).toBe(true);
    const killed = new MainMark(env);
    await writeFile(killed.path ?? "", DEAD_PID);
    expect(await endMain(killed.path ?? "", env, 10_000)).toBe(true);
    expect(await readdir(temp.path)).toEqual([]);
  });

  test("are not needed where RUNNER_TEMP cannot be written", () => {
    for (const temp of ["", "/no/such/folder"]) {
      const mark = new MainMark({ RUNNER_TEMP: temp });
      expect([mark.path, mark.hasPostBegun()]).toEqual([undefined, false]);
      mark.remove();
    }
  });

  test.each(["/etc/passwd", "armor-main-x", "../armor-main-0123456789abcdef", ""])(
    "are not believed if state names %j",
    async (name) => {
      await using temp = await makeTempFolder("armor-marks-");
      const env = { RUNNER_TEMP: temp.path };
      await writeFile(join(temp.path, "armor-main-x"), String(process.pid));
      expect(await endMain(join(temp.path, name), env, 5_000)).toBe(true);
      expect(await readdir(temp.path)).toEqual(["armor-main-x"]);
    },
  );
});
