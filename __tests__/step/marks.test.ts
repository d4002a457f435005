import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, jest, test } from "@jest/globals";
import { endMain, endMainsWithoutState, MainMark } from "../../src/step/marks.ts";
import { post } from "../../src/step/post.ts";
import { runStep } from "../fixtures/in-process.ts";
import { POSIX, testsThatNeed } from "../fixtures/needs.ts";
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

  test("make post wait for main, but not for ever, and say that main goes on", async () => {
    await using temp = await makeTempFolder("armor-marks-");
    const env = { RUNNER_TEMP: temp.path };
    const mark = new MainMark(env); // of this process, which does not end
    const never = new Promise<never>(() => undefined);
    const state = { STATE_api_url: "http://127.0.0.1:1", STATE_mark: mark.path ?? "" };
    const start = performance.now();
    const { exitCode, said } = await runStep((own) => post(own, never), {}, { ...env, ...state });
    expect(performance.now() - start).toBeGreaterThan(2_000);
    expect(exitCode).toBe(0);
    expect(said).toEqual([
      expect.stringMatching(/^The main step was cancelled and is still at work/),
    ]);
  });

  test("are not needed where RUNNER_TEMP cannot be written", () => {
    for (const temp of ["", "/no/such/folder"]) {
      const mark = new MainMark({ RUNNER_TEMP: temp });
      expect([mark.path, mark.hasPostBegun()]).toEqual([undefined, false]);
      mark.remove();
    }
  });

  test.each([
    "passwd",
    "armor-main-x",
    "../armor-main-0123456789abcdef",
    "deeper/armor-main-0123456789abcdef",
    "x-armor-main-0123456789abcdef",
    "armor-main-0123456789abcdef0",
  ])("are not believed if state names %j, though it names a process that runs", async (name) => {
    await using outer = await makeTempFolder("armor-marks-");
    const env = { RUNNER_TEMP: join(outer.path, "temp") };
    const path = join(outer.path, "temp", name);
    await mkdir(join(outer.path, "temp"));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, String(process.pid));
    const before = await readdir(outer.path, { recursive: true });
    expect(await endMain(path, env, 0)).toBe(true);
    expect(await endMain(env.RUNNER_TEMP, env, 0)).toBe(true);
    expect(await readdir(outer.path, { recursive: true })).toEqual(before);
  });

  test("of all mains that still run are found by a post without state, and are waited for", async () => {
    await using temp = await makeTempFolder("armor-marks-");
    const env = { RUNNER_TEMP: temp.path };
    const marks = [new MainMark(env), new MainMark(env)];
    await writeFile(join(temp.path, "armor-main-x"), String(process.pid));
    const ending = endMainsWithoutState(env, 10_000);
    while (!marks.every((mark) => mark.hasPostBegun())) await new Promise(setImmediate);
    for (const mark of marks) mark.remove();
    await ending;
    expect(await readdir(temp.path)).toEqual(["armor-main-x"]);
  });

  test.each([{}, { RUNNER_TEMP: "" }, { RUNNER_TEMP: "/no/such/folder" }])(
    "are no fault of a post without state if there is no folder for them: %j",
    async (env) => {
      await expect(endMainsWithoutState(env, 0)).resolves.toBeUndefined();
    },
  );
});

test("a main that runs as another user is waited for, though it may not be sent a signal", async () => {
  await using temp = await makeTempFolder("armor-marks-");
  const env = { RUNNER_TEMP: temp.path };
  const mark = new MainMark(env);
  const denied = Object.assign(new Error("kill EPERM"), { code: "EPERM" });
  const asking = jest.spyOn(process, "kill").mockImplementation(() => {
    throw denied;
  });
  try {
    expect(await endMain(mark.path ?? "", env, 100)).toBe(false);
  } finally {
    asking.mockRestore();
  }
  expect(mark.hasPostBegun()).toBe(true);
});

test("a mark that is larger than a process's number is none of main's", async () => {
  await using temp = await makeTempFolder("armor-marks-");
  const env = { RUNNER_TEMP: temp.path };
  const mark = new MainMark(env).path ?? "";
  await writeFile(mark, `${process.pid}${" ".repeat(100_000)}`);
  expect(await endMain(mark, env, 100)).toBe(true);
});

test("a mark that main cannot have written is not waited for", async () => {
  await using temp = await makeTempFolder("armor-marks-");
  const mark = join(temp.path, "armor-main-0123456789abcdef");
  await writeFile(mark, `${process.pid}`.padEnd(21));
  expect(await endMain(mark, { RUNNER_TEMP: temp.path }, 0)).toBe(true);
});

// Windows has neither such modes nor links for everybody.
testsThatNeed(POSIX, "what others can do to marks", () => {
  test("marks are closed to other users", async () => {
    await using temp = await makeTempFolder("armor-marks-");
    const env = { RUNNER_TEMP: temp.path };
    const umask = process.umask(0); // the runner's may forbid nothing
    try {
      await endMain(new MainMark(env).path ?? "", env, 0);
    } finally {
      process.umask(umask);
    }
    const names = await readdir(temp.path);
    const modes = names.map(async (name) => (await stat(join(temp.path, name))).mode & 0o777);
    expect(await Promise.all(modes)).toEqual([0o600, 0o600]);
  });

  test("a link in the place of post's mark is not written through", async () => {
    await using temp = await makeTempFolder("armor-marks-");
    const env = { RUNNER_TEMP: temp.path };
    const mark = new MainMark(env).path ?? "";
    const file = join(temp.path, "file");
    await writeFile(file, "of somebody else");
    await symlink(file, `${mark}-post`);
    await endMain(mark, env, 0);
    expect(await readFile(file, "utf8")).toBe("of somebody else");
  });
});
