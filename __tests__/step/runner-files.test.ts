import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import type { ArmorError } from "../../src/errors.ts";
import { DEFAULTS } from "../../src/step/inputs.ts";
import { post } from "../../src/step/post.ts";
import { closeFilesToOthers, writeRunnerFile } from "../../src/step/runner-files.ts";
import { runMain, runStep } from "../fixtures/in-process.ts";
import { POSIX, testsThatNeed } from "../fixtures/needs.ts";
import { makeTempFolder } from "../fixtures/opened.ts";
import { startServer, token } from "../fixtures/server.ts";

const FILES = ["GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_ENV", "GITHUB_PATH"];
/** The inputs of a main step with an agent, which uses all four files. Nothing listens at its Armor. */
const KEEP_FRESH = Object.fromEntries(
  Object.entries({
    ...DEFAULTS,
    "app-id": "id",
    "api-key": "k3y-of-the-app",
    "api-url": "http://127.0.0.1:9",
    "keep-fresh": "true",
  }).map(([input, value]) => [`INPUT_${input.toUpperCase()}`, value]),
);
const modeOf = (path: string) => statSync(path).mode & 0o777;

/** Files as the runner makes them, which every user of the machine can read. */
function makeOpenFiles(folder: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const name of FILES) {
    const path = join(folder, name);
    writeFileSync(path, "");
    chmodSync(path, 0o644);
    files[name] = path;
  }
  return files;
}

// Windows has no such modes.
testsThatNeed(POSIX, "the modes of the runner's files", () => {
  describe("the runner's files of a step", () => {
    test("are closed to other users by main, before anything is asked for", async () => {
      await using temp = await makeTempFolder("armor-files-");
      const files = makeOpenFiles(temp.path);
      let modes: number[] = [];
      await using armor = await startServer([
        (...args) => {
          modes = FILES.map((name) => modeOf(files[name] ?? ""));
          token()(...args);
        },
      ]);
      await expect(runMain({ "api-url": armor.url }, files)).resolves.toMatchObject({
        exitCode: 0,
      });
      expect(modes).toEqual([0o600, 0o600, 0o600, 0o600]);
    });

    test("are closed to other users by post", async () => {
      await using temp = await makeTempFolder("armor-files-");
      const files = makeOpenFiles(temp.path);
      const state = { STATE_api_url: "http://127.0.0.1:1", STATE_terminate_session: "false" };
      const never = new Promise<never>(() => undefined);
      await runStep((own) => post(own, never), {}, { ...files, ...state });
      expect(FILES.map((name) => modeOf(files[name] ?? ""))).toEqual([0o600, 0o600, 0o600, 0o600]);
    });

    test("that are missing, folders or devices are left alone, and are no error", async () => {
      await using temp = await makeTempFolder("armor-files-");
      const folder = join(temp.path, "folder");
      mkdirSync(folder);
      chmodSync(folder, 0o755);
      const before = modeOf("/dev/null");
      const env = {
        GITHUB_OUTPUT: folder,
        GITHUB_STATE: "/dev/null",
        GITHUB_ENV: "/no/such/file",
        GITHUB_PATH: "",
      };
      await runStep(() => closeFilesToOthers(), {}, env);
      expect([modeOf(folder), modeOf("/dev/null")]).toEqual([0o755, before]);
    });
  });

  test("a file of another user is explained by who owns it", async () => {
    let remedy = "";
    await runStep(() => {
      try {
        writeRunnerFile("GITHUB_OUTPUT", () => {
          throw new Error("EACCES: permission denied, open '/x'");
        });
      } catch (error) {
        remedy = (error as ArmorError).remedy;
      }
    });
    // It is the test's own here.
    expect(remedy).toContain(`--user ${process.getuid?.()})`);
  });

  test.each(FILES)(
    "%s: a pipe that nobody reads is an error, and is not waited for",
    async (name) => {
      await using temp = await makeTempFolder("armor-files-");
      const pipe = join(temp.path, "pipe");
      execFileSync("mkfifo", [pipe]);
      // A process of its own, as one that waits for a pipe could not be ended from within.
      const env = {
        ...makeOpenFiles(temp.path),
        ...KEEP_FRESH,
        RUNNER_TEMP: temp.path,
        [name]: pipe,
      };
      const main = spawnSync(process.execPath, [join(ROOT, "dist", "main.js")], {
        env,
        encoding: "utf8",
        timeout: 30_000,
      });
      expect(main.status).toBe(1);
      expect(main.stdout).toMatch(
        new RegExp(`::error::The file that ${name} names .*\\(ENXIO\\).*\\(file_failed,`),
      );
    },
  );
});

test("a line that was written by half is cut off again, so that the runner reads what was there before", async () => {
  let left = "";
  await runStep(() => {
    const path = process.env["GITHUB_OUTPUT"] ?? "";
    writeFileSync(path, "a=1\n");
    const append = () => {
      appendFileSync(path, "b");
      throw new Error("ENOSPC: no space left on device, write");
    };
    expect(() => writeRunnerFile("GITHUB_OUTPUT", append)).toThrow(/ENOSPC/);
    left = readFileSync(path, "utf8");
  });
  expect(left).toBe("a=1\n");
});
