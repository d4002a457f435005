// On which Node npm's scripts run, if the machine's own may be too old.

import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { ROOT } from "../sandbox/runner.ts";

const isWindows = process.platform === "win32";
const PACKAGE = `node-${isWindows ? "win" : process.platform}-${process.arch}`;

describe("scripts/node24.cjs", () => {
  let folder: string;

  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "armor node ")));
    cpSync(join(ROOT, "scripts", "node24.cjs"), join(folder, "scripts", "node24.cjs"));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs the script on a Node that takes itself for this version. */
  function run(version: string, ...args: string[]) {
    const preload = join(folder, "version.cjs");
    const versions = JSON.stringify({ value: { node: version } });
    writeFileSync(preload, `Object.defineProperty(process, "versions", ${versions});`);
    const all = ["--require", preload, join("scripts", "node24.cjs"), ...args];
    return spawnSync(process.execPath, all, { cwd: folder, encoding: "utf8" });
  }

  test.each(["20.20.2", "24.4.1"])("%s alone: one line says what to install", (version) => {
    const { status, stdout, stderr } = run(version, "--version");
    expect(status).toBe(1);
    expect(stderr).toMatch(/^Node \S+ is too old: install Node 24\.5 or newer.*\n$/);
    expect(stderr).toContain(version);
    expect(stdout).toBe("");
  });

  test("the package's Node runs, if there is one", () => {
    const copy = join(folder, "node_modules", PACKAGE, "bin", isWindows ? "node.exe" : "node");
    mkdirSync(dirname(copy), { recursive: true });
    if (isWindows) cpSync(process.execPath, copy);
    else symlinkSync(process.execPath, copy);
    const { status, stdout, stderr } = run("20.20.2", "-p", "process.argv0");
    expect([status, stdout.trimEnd(), stderr]).toEqual([0, copy, ""]);
  });

  test.each(["24.5.0", "26.1.0"])("%s: that Node itself runs", (version) => {
    const { status, stdout, stderr } = run(version, "-p", "process.execPath");
    expect([status, stdout.trimEnd(), stderr]).toEqual([0, process.execPath, ""]);
  });

  test("the exit code is the program's", () => {
    expect(run("24.5.0", "-e", "process.exit(7)").status).toBe(7);
    expect(run("24.5.0", "-e", "process.kill(process.pid, 'SIGKILL')").status).toBe(1);
  });

  test("every npm script that runs Node begins with it", () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const programs = Object.values<string>(scripts).flatMap(
      (script) => script.match(/\bnode [^&]*/g) ?? [],
    );
    expect(programs.length).toBeGreaterThan(5);
    for (const program of programs) expect(program).toMatch(/^node scripts\/node24\.cjs /);
  });
});
