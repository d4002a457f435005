import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { DebugFile } from "../../src/agent/debug-file.ts";
import { DEBUG_FILE, MAX_DEBUG_BYTES } from "../../src/protocol/config.ts";
import { makeTempFolder } from "../fixtures/opened.ts";

test("a debug log without a line leaves no file", async () => {
  await using folder = await makeTempFolder();
  await new DebugFile(folder.path).close();
  await expect(stat(join(folder.path, DEBUG_FILE))).rejects.toThrow("ENOENT");
});

test("a debug log is not written again until there is a new line", async () => {
  await using folder = await makeTempFolder();
  const path = join(folder.path, DEBUG_FILE);
  const file = new DebugFile(folder.path);
  file.add("one");
  await file.write();
  await expect(readFile(path, "utf8")).resolves.toBe("one\n");
  await writeFile(path, "of somebody else");
  await file.write();
  await expect(readFile(path, "utf8")).resolves.toBe("of somebody else");
  file.add("two");
  await file.close();
  await expect(readFile(path, "utf8")).resolves.toBe("one\ntwo\n");
});

test("a debug log of as many bytes as the file may have is whole, and loses a line beyond that", async () => {
  await using folder = await makeTempFolder();
  const path = join(folder.path, DEBUG_FILE);
  const file = new DebugFile(folder.path);
  const first = "é".repeat(10);
  file.add(first);
  const last = "x".repeat(MAX_DEBUG_BYTES - Buffer.byteLength(`${first}\n\n`));
  file.add(last);
  await file.write();
  await expect(readFile(path, "utf8")).resolves.toBe(`${first}\n${last}\n`);
  file.add("");
  await file.close();
  await expect(readFile(path, "utf8")).resolves.toBe(`${last}\n\n`);
});
