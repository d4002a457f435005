// How post and a cancelled main find each other. When a job in a container is cancelled, the signal
// reaches the docker client alone: main goes on inside, and post starts beside it. Each leaves a
// file that the other looks for.

import { randomBytes } from "node:crypto";
import { existsSync, promises as fs, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { clock } from "../clock.ts";
import { readSmallFile } from "../protocol/files.ts";

const NAME = /^armor-main-[\da-f]{16}$/;
const LOOK_EVERY_MS = 50;
const MAX_PID_BYTES = 20;

/** Of post beside main's: post has begun. */
const postMark = (mark: string) => `${mark}-post`;

/** Says by a file below RUNNER_TEMP that main runs. */
export class MainMark {
  // Undefined if the file could not be made, so that post will not wait.
  readonly path: string | undefined;

  constructor(env: NodeJS.ProcessEnv) {
    this.path = leave(env["RUNNER_TEMP"]);
  }

  /**
   * Gives whether the job is at its end, so that nobody is left to take what main could hand on.
   */
  hasPostBegun(): boolean {
    return this.path !== undefined && existsSync(postMark(this.path));
  }

  /** Main has ended. */
  remove(): void {
    if (this.path !== undefined) remove(this.path);
  }
}

/** Without keep-fresh, main needs no RUNNER_TEMP, so what cannot be written there is no error. */
function leave(temp: string | undefined): string | undefined {
  if (!temp) return undefined;
  const path = join(resolve(temp), `armor-main-${randomBytes(8).toString("hex")}`);
  try {
    writeFileSync(path, String(process.pid), { flag: "wx", mode: 0o600 });
    return path;
  } catch {
    return undefined;
  }
}

/**
 * Tells main that post has begun, and waits until main has ended.
 * @param mark the path that main has saved, which is believed only if main can have made it
 * @param waitMs in ms, the longest that this waits
 * @returns whether main has ended
 */
export async function endMain(
  mark: string,
  env: NodeJS.ProcessEnv,
  waitMs: number,
): Promise<boolean> {
  const temp = env["RUNNER_TEMP"];
  if (!temp || dirname(mark) !== resolve(temp) || !NAME.test(basename(mark))) return true;
  const own = postMark(mark);
  if (!(await isRunning(mark))) {
    remove(mark); // of a main that was killed
    return true;
  }
  try {
    writeFileSync(own, "", { flag: "wx", mode: 0o600 });
  } catch {
    // The disk may be full. Then main does not learn of post, but may end by itself.
  }
  const endsAt = clock.now() + waitMs;
  while (await isRunning(mark)) {
    if (clock.now() >= endsAt) return false; // its own look at the mark still ends it
    await sleep(LOOK_EVERY_MS);
  }
  remove(own);
  remove(mark);
  return true;
}

/**
 * The same for a post step without saved state: the runner took main for ended before main had
 * saved where its mark is. Post steps run when all main steps are over, so that every main that
 * still runs is one that was cancelled. Never fails.
 */
export async function endMainsWithoutState(env: NodeJS.ProcessEnv, waitMs: number): Promise<void> {
  const temp = env["RUNNER_TEMP"];
  if (!temp) return;
  const names = await fs.readdir(resolve(temp)).catch(() => []);
  const marks = names.filter((name) => NAME.test(name)).map((name) => join(resolve(temp), name));
  await Promise.all(marks.map((mark) => endMain(mark, env, waitMs)));
}

/** Gives whether main's mark is there, and the process that left it. */
async function isRunning(mark: string): Promise<boolean> {
  const text = await readSmallFile(mark, MAX_PID_BYTES).catch(() => "");
  const pid = Number(text);
  if (!(pid > 0)) return false; // 0 would be this process's own group
  try {
    return process.kill(pid, 0); // throws if there is no such process
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // it runs as another user
  }
}

function remove(path: string): void {
  try {
    rmSync(path);
  } catch {
    // It is gone already, or the runner removes it with RUNNER_TEMP.
  }
}
