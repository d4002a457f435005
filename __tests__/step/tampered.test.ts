// What the post step does if another step of the job has changed what main saved for it, or what
// stands there by now. A step can set STATE_ variables that main has not saved, write the runner's
// files, and put anything in place of the agent's folder.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { writeDebugTo } from "../../src/debug.ts";
import { CONTROL_FILE, DEBUG_FILE } from "../../src/protocol/config.ts";
import { MainMark } from "../../src/step/marks.ts";
import { post } from "../../src/step/post.ts";
import { runStep } from "../fixtures/in-process.ts";
import { makeTempFolder } from "../fixtures/opened.ts";
import { startServer, text } from "../fixtures/server.ts";

const IS_WINDOWS = process.platform === "win32";
const ENDED = "The Armor session was ended.";
const ok = text(204, "");

/** Runs post with these variables on top of a complete job whose token is known. */
async function runPostWith(env: Readonly<Record<string, string>>) {
  const never = new Promise<never>(() => undefined);
  const saved = { STATE_complete: "true", STATE_access_token: "t0k3n-a1" };
  try {
    return await runStep((own) => post(own, never), {}, { ...saved, ...env });
  } finally {
    writeDebugTo(undefined); // the debug log is the process's, and so the next test's
  }
}

describe("an agent's folder in saved state that is not the agent's", () => {
  interface Row {
    readonly what: string;
    /** Puts it there. Gives the path that state names, and a folder that has to stay. */
    readonly put: (temp: string) => Promise<{ path: string; stays: string }>;
  }
  const makeFolder = async (path: string) => {
    await mkdir(path, { recursive: true });
    return { path, stays: path };
  };
  const linkTo = async (path: string, target: string) => {
    await mkdir(target, { recursive: true });
    await symlink(target, path, "junction");
    return { path, stays: target };
  };
  const rows: Row[] = [
    { what: "has another name", put: (temp) => makeFolder(join(temp, "armor-token-mine")) },
    { what: "lies deeper", put: (temp) => makeFolder(join(temp, "x", "armor-token-Abc123")) },
    {
      what: "is reached by ..",
      put: async (temp) => {
        const { path } = await makeFolder(join(temp, "x", "armor-token-Abc123"));
        return { path: `${temp}/x/../x/armor-token-Abc123`, stays: path };
      },
    },
    {
      what: "is a relative path",
      put: async (temp) => {
        const { path } = await makeFolder(join(temp, "armor-token-Abc123"));
        return { path: relative(process.cwd(), path), stays: path };
      },
    },
    {
      what: "is a link to another folder",
      put: (temp) => linkTo(join(temp, "armor-token-Abc123"), join(temp, "real")),
    },
    {
      what: "is a link to a folder of such a name",
      put: (temp) => linkTo(join(temp, "armor-token-Abc123"), join(temp, "armor-token-Xyz789")),
    },
  ];

  test.each(rows)("is neither asked, nor read, nor removed: it $what", async ({ put }) => {
    await using temp = await makeTempFolder("armor-tampered-");
    await using armor = await startServer([ok]);
    await using other = await startServer([ok]);
    const { path, stays } = await put(temp.path);
    await writeFile(join(stays, CONTROL_FILE), `${other.url}/c0ntr0l\n`);
    await writeFile(join(stays, DEBUG_FILE), "a line of somebody else\n");
    const { exitCode, lines, said } = await runPostWith({
      STATE_api_url: armor.url,
      STATE_agent_folder: path,
      RUNNER_TEMP: temp.path,
      RUNNER_DEBUG: "1",
    });
    expect(exitCode).toBe(0);
    expect(said).toContain(ENDED);
    expect(said.filter((line) => line.startsWith("::warning::"))).toEqual([
      expect.stringMatching(/could not be asked to stop: .* is not the agent's/),
    ]);
    expect(lines.join("\n")).not.toContain("somebody else");
    expect(other.requests).toEqual([]);
    expect(existsSync(join(stays, CONTROL_FILE))).toBe(true);
  });
});

describe("a main that goes on, and the file in which it saves", () => {
  test("leave time for the agent and the session, however long post has waited", async () => {
    await using temp = await makeTempFolder("armor-tampered-");
    await using armor = await startServer([ok]);
    const mark = new MainMark({ RUNNER_TEMP: temp.path }); // of this process, which does not end
    const folder = join(temp.path, "armor-token-Abc123");
    await mkdir(folder);
    const { exitCode, said } = await runPostWith({
      STATE_complete: "",
      STATE_api_url: armor.url,
      STATE_agent_folder: folder,
      STATE_mark: mark.path ?? "",
      RUNNER_TEMP: temp.path,
    });
    expect(exitCode).toBe(0);
    expect(said).toEqual([expect.stringMatching(/^The main step was cancelled/)]);
    expect(armor.requests).toMatchObject([{ path: "/api/v1/iam/session/terminate" }]);
    expect(existsSync(folder)).toBe(false);
  });

  const makeFifo = (path: string) => execFileSync("mkfifo", [path]);
  const makeLink = (path: string) => symlink("/dev/zero", path);
  const odd = [
    { what: "a FIFO", put: makeFifo },
    { what: "a link to what never ends", put: makeLink },
    { what: "a folder", put: (path: string) => mkdir(path) },
  ];
  test.each(IS_WINDOWS ? odd.slice(2) : odd)(
    "do not keep post if that file is by now $what",
    async ({ put }) => {
      await using temp = await makeTempFolder("armor-tampered-");
      await using armor = await startServer([ok]);
      const mark = new MainMark({ RUNNER_TEMP: temp.path });
      mark.remove();
      const files = join(temp.path, "files");
      await mkdir(files);
      await put(join(files, "save_state_1"));
      const { said } = await runPostWith({
        STATE_complete: "",
        STATE_api_url: armor.url,
        STATE_mark: mark.path ?? "",
        STATE_state_file: join(files, "save_state_1"),
        GITHUB_STATE: join(files, "save_state_2"),
        RUNNER_TEMP: temp.path,
      });
      expect(said).toEqual([]);
      expect(armor.requests).toHaveLength(1);
    },
  );

  test("do not keep post if the mark is by now a FIFO", async () => {
    await using temp = await makeTempFolder("armor-tampered-");
    await using armor = await startServer([ok]);
    const mark = new MainMark({ RUNNER_TEMP: temp.path });
    if (IS_WINDOWS) mark.remove();
    else {
      await rename(mark.path ?? "", `${mark.path}-away`);
      makeFifo(mark.path ?? "");
    }
    await runPostWith({
      STATE_complete: "",
      STATE_api_url: armor.url,
      STATE_mark: mark.path ?? "",
      RUNNER_TEMP: temp.path,
    });
    expect(armor.requests).toHaveLength(1);
  });
});
