// What a step of the job can put in the place of a file that another step reads.

import { execFileSync } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { placeFile, readSmallFile } from "../../src/protocol/files.ts";
import { LINUX, testsThatNeed } from "../fixtures/needs.ts";
import { makeTempFolder } from "../fixtures/opened.ts";

const IS_WINDOWS = process.platform === "win32";

describe("readSmallFile", () => {
  test("gives the content, also of a file that is as large as it may be", async () => {
    await using temp = await makeTempFolder();
    const path = join(temp.path, "file");
    await writeFile(path, "höhe");
    await expect(readSmallFile(path, 5)).resolves.toBe("höhe");
  });

  interface Row {
    readonly what: string;
    readonly put: (path: string) => Promise<unknown>;
    readonly code: string;
  }
  const rows: Row[] = [
    { what: "nothing", put: async () => undefined, code: "ENOENT" },
    { what: "one byte too many", put: (path) => writeFile(path, "123456"), code: "TOO_LARGE" },
    {
      what: "200 MB",
      put: async (path) => {
        await writeFile(path, "");
        await truncate(path, 200e6);
      },
      code: "TOO_LARGE",
    },
  ];
  // Windows has no FIFO, opens no folder, and lets only some users make links.
  if (!IS_WINDOWS) {
    rows.push(
      { what: "a folder", put: (path) => mkdir(path), code: "NOT_A_FILE" },
      { what: "a link to a file", put: (path) => symlink("/etc/hosts", path), code: "ELOOP" },
      { what: "a link to a device", put: (path) => symlink("/dev/zero", path), code: "ELOOP" },
      {
        what: "a FIFO that nobody writes to",
        put: async (path) => execFileSync("mkfifo", [path]),
        code: "NOT_A_FILE",
      },
    );
  }

  test.each(rows)("refuses $what", async ({ put, code }) => {
    await using temp = await makeTempFolder();
    const path = join(temp.path, "file");
    await put(path);
    await expect(readSmallFile(path, 5)).rejects.toMatchObject({ code });
  });
});

describe("placeFile", () => {
  test("replaces a file by a whole one, which is its owner's alone, and leaves no other", async () => {
    await using temp = await makeTempFolder();
    const path = join(temp.path, "file");
    await writeFile(path, "old", { mode: 0o644 });
    await placeFile(path, "new");
    await expect(readFile(path, "utf8")).resolves.toBe("new");
    if (!IS_WINDOWS) expect((await stat(path)).mode & 0o777).toBe(0o600);
    await expect(readdir(temp.path)).resolves.toEqual(["file"]);
  });

  test("does not write in place: a reader of the old file goes on reading that", async () => {
    await using temp = await makeTempFolder();
    const path = join(temp.path, "file");
    await writeFile(path, "old");
    const { ino } = await stat(path);
    await placeFile(path, "new");
    expect((await stat(path)).ino).not.toBe(ino);
  });

  test("leaves nothing if it cannot take the name", async () => {
    await using temp = await makeTempFolder();
    const path = join(temp.path, "folder");
    await mkdir(join(path, "full"), { recursive: true });
    await expect(placeFile(path, "new")).rejects.toThrow();
    await expect(readdir(temp.path)).resolves.toEqual(["folder"]);
  });

  if (!IS_WINDOWS) {
    test("replaces a link, and does not write through it", async () => {
      await using temp = await makeTempFolder();
      const target = join(temp.path, "target");
      const path = join(temp.path, "file");
      await writeFile(target, "untouched");
      await symlink(target, path);
      await placeFile(path, "new");
      await expect(readFile(target, "utf8")).resolves.toBe("untouched");
      await expect(readFile(path, "utf8")).resolves.toBe("new");
    });
  }
});

testsThatNeed(LINUX, "open files", () => {
  test.each([
    { what: "a file", content: "12345", readsIt: true },
    { what: "a file that is too large", content: "123456", readsIt: false },
  ])("$what that was read is closed again", async ({ content, readsIt }) => {
    await using temp = await makeTempFolder();
    const path = join(temp.path, "file");
    await writeFile(path, content);
    const isOpen = () => {
      const links = readdirSync("/proc/self/fd").map((name) => join("/proc/self/fd", name));
      return links.some((link) => targetOf(link) === path);
    };
    const hasRead = await readSmallFile(path, 5).then(
      () => true,
      () => false,
    );
    expect(hasRead).toBe(readsIt);
    expect(isOpen()).toBe(false);
  });
});

/** Of a link that may be gone, as the one by which this folder is read. */
function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}

testsThatNeed(LINUX, "a file that comes in pieces", () => {
  test("a file is read whole, though the system gives it in pieces and does not tell its size", async () => {
    const content = await readSmallFile("/proc/self/maps", 10_000_000);
    expect(content.length).toBeGreaterThan(8_192); // two pieces of 4 KB, at the least
    expect(content.endsWith("\n")).toBe(true);
  });
});
