import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { cmdWrapper, shWrapper, writeCommand } from "../../src/agent/wrapper.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "armor 'odd' $name "));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe("wrappers", () => {
  test("for cmd: percent signs that it would expand are doubled, its folder is its own, NODE_OPTIONS is empty", () => {
    expect(cmdWrapper("C:\\Program Files\\node.exe", "D:\\a\\100%\\armor-token.js").split("\r\n")).toEqual([
      "@setlocal",
      '@set "NODE_OPTIONS="',
      '@"C:\\Program Files\\node.exe" "D:\\a\\100%%\\armor-token.js" "%~dp0.." %*',
      "",
    ]);
  });

  test("for sh: quotes do not end the word, and Windows paths get forward slashes", () => {
    expect(shWrapper("/opt/no de", "/it's/a.js", "/t$mp")).toBe(
      "#!/bin/sh\nunset NODE_OPTIONS\nexec '/opt/no de' '/it'\\''s/a.js' '/t$mp' \"$@\"\n",
    );
    expect(shWrapper("C:\\n.exe", "D:\\a.js", "D:\\t", true)).toContain("exec 'C:/n.exe' 'D:/a.js' 'D:/t'");
  });

  test.each([
    [false, "armor-token"],
    [true, "armor-token.cmd"],
  ])("on Windows: %p, the command is %s", async (isWindows, name) => {
    const { bin, command } = await writeCommand(folder, "/node", "/program", isWindows);
    expect(command).toBe(join(bin, name));
    await expect(readFile(command, "utf8")).resolves.toContain("/program");
    await expect(readFile(join(bin, "armor-token"), "utf8")).resolves.toContain("'/node' '/program'");
  });
});

// Windows has neither these shells nor these modes.
if (process.platform !== "win32") {
  test("what is written works in sh whatever the umask and NODE_OPTIONS are, and is its owner's alone", async () => {
    const program = join(folder, "program.cjs");
    await writeFile(
      program,
      "console.log(JSON.stringify([process.argv.slice(2), process.env.NODE_OPTIONS ?? null]))",
    );
    const umask = process.umask(0o777);
    const { bin, command, canRun } = await writeCommand(folder, process.execPath, program, false).finally(
      () => process.umask(umask),
    );
    expect(canRun).toBe(true);
    const { stdout } = await promisify(execFile)("sh", ["-c", '"$0" --header "a b"', command], {
      env: { ...process.env, NODE_OPTIONS: "--no-such-flag" },
    });
    expect(JSON.parse(stdout)).toEqual([[folder, "--header", "a b"], null]);
    const modes = await Promise.all(
      [folder, bin, command].map(async (path) => ((await stat(path)).mode & 0o777).toString(8)),
    );
    expect(modes).toEqual(["700", "700", "700"]);
  });
}
