// Processes as Linux tells of them, whatever name a step gives to its own.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { descendantsOf, readProcess } from "../../src/command/proc.ts";
import { LINUX, testsThatNeed } from "../fixtures/needs.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";

const SLEEP = LINUX.isMet
  ? execFileSync("sh", ["-c", "command -v sleep"], { encoding: "utf8" }).trim()
  : "";

testsThatNeed(LINUX, "processes", () => {
  test.each(["a) S 1 1", "(a", "a) (b", "x y"])(
    "a process with the name %j is known with its parent",
    async (name) => {
      await using temp = await makeTempFolder();
      const program = join(temp.path, name);
      // Not Node, which gives its main thread another name.
      await symlink(SLEEP, program);
      const child = spawn(program, ["60"]);
      await using _child = disposable({}, () => child.kill("SIGKILL"));
      await once(child, "spawn");
      const pid = child.pid ?? 0;
      expect(readProcess(pid)).toMatchObject({ pid, name, parent: process.pid });
      expect(descendantsOf(process.pid)).toContain(pid);
    },
  );
});
