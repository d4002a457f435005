import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { parseFileCommand } from "../sandbox/runner.ts";
import { checkFileCommands, fileCommands } from "../src/file-command.ts";

const VARIABLES = ["GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_ENV", "GITHUB_PATH"] as const;

describe("file commands", () => {
  let folder: string;
  let env: Record<string, string>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "armor-files-"));
    env = Object.fromEntries(VARIABLES.map((name) => [name, join(folder, name)]));
    await Promise.all(VARIABLES.map((name) => writeFile(env[name] ?? "", "")));
  });

  afterEach(() => rm(folder, { recursive: true }));

  const read = (name: string) => readFile(env[name] ?? "", "utf8");

  test("each goes to its own file", async () => {
    const { setOutput, saveState, exportVariable, addPath } = fileCommands(env);
    setOutput("a", "1");
    setOutput("b", "2");
    saveState("c", "3");
    exportVariable("D", "4");
    addPath("/bin 5");
    await expect(Promise.all(VARIABLES.map(read))).resolves.toEqual([
      "a=1\nb=2\n",
      "c=3\n",
      "D=4\n",
      "/bin 5\n",
    ]);
  });

  test.each(["", "=", "a=b", "<<", "a<<EOF", "::add-mask::x", " x ", "%0A", "ünïcode"])(
    "%p arrives as it is",
    async (value) => {
      fileCommands(env).setOutput("access-token", value);
      expect(parseFileCommand(await read("GITHUB_OUTPUT"))).toEqual({ "access-token": value });
    },
  );

  test.each(["a\nb=c", "a\rb", "a\r\n"])("%p is refused, and nothing written", async (value) => {
    expect(() => fileCommands(env).setOutput("a", value)).toThrow(
      "a line break in a value for GITHUB_OUTPUT",
    );
    await expect(read("GITHUB_OUTPUT")).resolves.toBe("");
  });

  test("without its file, each fails, prints nothing and makes none", async () => {
    const unsupported = expect.objectContaining({
      code: "runner_unsupported",
      message: expect.stringMatching(/^GITHUB_STATE is not the path of a file/),
    });
    for (const path of [undefined, "", join(folder, "missing"), folder]) {
      const broken = { ...env, ...(path === undefined ? {} : { GITHUB_STATE: path }) };
      if (path === undefined) delete (broken as Record<string, string>)["GITHUB_STATE"];
      expect(() => fileCommands(broken).saveState("a", "b")).toThrow(unsupported as never);
    }
    await expect(readFile(join(folder, "missing"))).rejects.toThrow("ENOENT");
  });

  test("names the first file that is not there", () => {
    expect(() => checkFileCommands(env, VARIABLES)).not.toThrow();
    expect(() => checkFileCommands({ ...env, GITHUB_ENV: "", GITHUB_PATH: "" }, VARIABLES)).toThrow(
      /^GITHUB_ENV /,
    );
    expect(() => checkFileCommands({}, ["GITHUB_OUTPUT"])).toThrow(/^GITHUB_OUTPUT /);
  });
});
