import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { cmdWrapper, createAgentFolder, shWrapper } from "../../src/agent-client/folder.ts";
import { makeTempFolder, type TempFolder } from "../fixtures/opened.ts";

let temp: TempFolder;

beforeEach(async () => {
  temp = await makeTempFolder("armor 'odd' $name ");
});
afterEach(async () => await temp[Symbol.asyncDispose]());

describe("the wrapper of armor-token", () => {
  test("for cmd doubles percent signs that it would expand, and empties NODE_OPTIONS", () => {
    expect(cmdWrapper("C:\\100% Node\\node.exe", "armor-token.cjs")).toBe(
      '@setlocal\r\n@set "NODE_OPTIONS="\r\n' +
        '@"C:\\100%% Node\\node.exe" "%~dp0armor-token.cjs" "%~dp0.." %*\r\n',
    );
  });

  test("for sh keeps quotes inside a word, and gives Windows paths forward slashes", () => {
    expect(shWrapper("/opt/no de", "/it's/a.js", "/t$mp")).toBe(
      "#!/bin/sh\nunset NODE_OPTIONS\nexec '/opt/no de' '/it'\\''s/a.js' '/t$mp' \"$@\"\n",
    );
    expect(shWrapper("/a\\b", "/c", "/d")).toContain("exec '/a\\b' '/c' '/d'");
    expect(shWrapper("C:\\n.exe", "D:\\a.js", "D:\\t", true)).toContain(
      "exec 'C:/n.exe' 'D:/a.js' 'D:/t'",
    );
  });

  test("is there for both shells on Windows", async () => {
    const dist = join(ROOT, "dist");
    const { bin, command } = await createAgentFolder({ RUNNER_TEMP: temp.path }, dist, true);
    expect(command).toBe(join(bin, "armor-token.cmd"));
    await expect(readFile(command, "utf8")).resolves.toContain("armor-token.cjs");
    await expect(readFile(join(bin, "armor-token"), "utf8")).resolves.toContain(
      "/armor-token.cjs'",
    );
  });

  // A path that is long enough for the folder and too long for what is in it; other systems have other limits.
  if (process.platform === "linux") {
    test("that cannot be written leaves no folder", async () => {
      let deep = temp.path;
      while (deep.length < 4_070)
        deep = join(deep, "x".repeat(Math.min(200, 4_070 - deep.length - 1) || 1));
      await mkdir(deep, { recursive: true });
      await expect(
        createAgentFolder({ RUNNER_TEMP: deep }, join(ROOT, "dist")),
      ).rejects.toMatchObject({
        code: "file_failed",
        message: expect.stringContaining("ENAMETOOLONG"),
      });
      await expect(readdir(deep)).resolves.toEqual([]);
    });
  }

  // Windows has neither these shells nor these modes.
  const umasks = process.platform === "win32" ? [] : [0o777];
  test.each(umasks)(
    "works in sh whatever NODE_OPTIONS and the umask are, and is its owner's alone",
    async (mask) => {
      const program = join(temp.path, "armor-token.js");
      await writeFile(
        program,
        "console.log(process.argv.slice(2).join(), process.env.NODE_OPTIONS)",
      );
      const umask = process.umask(mask);
      const { path, bin, command, canRun } = await createAgentFolder(
        { RUNNER_TEMP: temp.path },
        temp.path,
      ).finally(() => process.umask(umask));
      expect([command, canRun]).toEqual([join(bin, "armor-token"), true]);
      const env = { ...process.env, NODE_OPTIONS: "--no-such-flag" };
      expect(execFileSync(command, ["--header", "a b"], { env, encoding: "utf8" })).toBe(
        `${path},--header,a b undefined\n`,
      );
      const modes = await Promise.all(
        [path, bin, command].map(async (made) => (await stat(made)).mode & 0o777),
      );
      expect(modes).toEqual([0o700, 0o700, 0o700]);
    },
  );
});
