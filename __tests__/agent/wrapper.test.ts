import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { cmdWrapper, shWrapper, writeCommand } from "../../src/agent/wrapper.ts";

describe("wrappers", () => {
  test("for cmd, with percent signs that it would expand", () => {
    expect(cmdWrapper("C:\\Program Files\\node.exe", "D:\\a\\100%\\cli.js", "D:\\t mp\\x")).toBe(
      '@"C:\\Program Files\\node.exe" "D:\\a\\100%%\\cli.js" "D:\\t mp\\x" %*\r\n',
    );
  });

  test("for sh, with quotes that would end the word", () => {
    expect(shWrapper("/opt/no de", "/it's/cli.js", "/t$mp")).toBe(
      "#!/bin/sh\nexec '/opt/no de' '/it'\\''s/cli.js' '/t$mp' \"$@\"\n",
    );
  });

  test.each([
    [false, "armor-token"],
    [true, "armor-token.cmd"],
  ])("on Windows: %p, the command is %s", async (isWindows, name) => {
    const folder = await mkdtemp(join(tmpdir(), "armor command "));
    const { bin, command } = await writeCommand(folder, "http://x", "/node", "/cli", isWindows);
    expect(command).toBe(join(bin, name));
    await expect(readFile(join(bin, "armor-token"), "utf8")).resolves.toBe(
      shWrapper("/node", "/cli", folder),
    );
    await expect(readFile(command, "utf8")).resolves.toContain("/cli");
    await rm(folder, { recursive: true });
  });
});

// Windows has neither these shells nor these modes.
if (process.platform !== "win32") {
  test("what is written works in every shell, and is its owner's alone", async () => {
    const folder = await mkdtemp(join(tmpdir(), "armor 'odd' $name "));
    const cli = join(folder, "cli.js");
    await writeFile(cli, "console.log(JSON.stringify(process.argv.slice(2)))");
    const { bin, command } = await writeCommand(folder, "http://x/secret", process.execPath, cli, false);
    for (const shell of ["sh", "bash"]) {
      const { stdout } = await promisify(execFile)(shell, ["-c", '"$0" --header "a b"', command], {
        env: {},
      });
      expect(JSON.parse(stdout)).toEqual([folder, "--header", "a b"]);
    }
    const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
    const paths = [folder, bin, command, join(folder, "gateway-url")];
    await expect(Promise.all(paths.map(mode))).resolves.toEqual(["700", "700", "700", "600"]);
    await rm(folder, { recursive: true });
  });
}
