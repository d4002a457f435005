import { randomBytes } from "node:crypto";
// Not from node:fs/promises, here and elsewhere: that takes 1.3 ms to load, and a main step without
// keep-fresh calls none of it. By this name, Node loads it at the first call.
import { constants, promises as fs, statSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";

/**
 * Neither follows a link nor waits for the writer of a FIFO. Windows has neither flag, and no FIFO
 * among its files.
 */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Why a file was not read, beside the codes of the system. A link is ELOOP, as the system says. */
export type UnfitFileCode = "NOT_A_FILE" | "TOO_LARGE";

/**
 * Reads a file in a folder where any step of the job can put something else in its place: a FIFO
 * would make the reader wait without end, a link would show it another file, and a large file would
 * fill its memory.
 * @returns the content, as UTF-8
 * @throws an error whose `code` is the system's or an UnfitFileCode
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<string> {
  const file = await fs.open(path, READ_FLAGS);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw unfit("NOT_A_FILE", path);
    const content = await readUpTo(file, maxBytes + 1);
    if (content.length > maxBytes) throw unfit("TOO_LARGE", path);
    return content.toString("utf8");
  } finally {
    await file.close();
  }
}

/** The size that the system tells is not relied on: the file may grow while it is read. */
async function readUpTo(file: FileHandle, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  let length = 0;
  while (length < bytes) {
    const { bytesRead } = await file.read(buffer, length, bytes - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

function unfit(code: UnfitFileCode, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

/**
 * Writes a file that others read at any time: they find it whole or not at all. It is made new, for
 * its owner alone, and then renamed over whatever has the name, which is not followed if it is a
 * link.
 * @throws the error of node:fs
 */
export async function placeFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await fs.writeFile(temporary, content, { mode: 0o600, flag: "wx" });
    await fs.rename(temporary, path);
  } catch (error) {
    await fs.rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/**
 * Gives the user id of the owner of a file or folder; undefined if it cannot be seen, or the system
 * has no such ids.
 */
export function ownerOf(path: string): number | undefined {
  if (process.getuid === undefined) return undefined;
  try {
    return statSync(path).uid;
  } catch {
    return undefined;
  }
}
