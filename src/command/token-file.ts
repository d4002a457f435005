import { randomBytes } from "node:crypto";
import { lstatSync, renameSync, rmSync, writeFileSync } from "node:fs";

/**
 * Only a regular file is replaced. A link may lead to a stream of this process, and for root a
 * rename would replace a device such as /dev/null.
 * @throws Error with a text for the user, without a full stop
 */
export function checkTokenFile(path: string): void {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || stats.isFile()) return;
    throw new Error(stats.isSymbolicLink() ? "a link, not a regular file" : "not a regular file");
  } catch (error) {
    throw fileProblem(error);
  }
}

/**
 * Writes a new file beside the old one and renames it, so that a reader never sees half a token.
 * Nobody but this user can read it, whoever could read the old one.
 * @throws Error with a text for the user, without a full stop
 */
export function replaceTokenFile(path: string, token: string): void {
  checkTokenFile(path);
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    writeFileSync(temporary, token, { mode: 0o600, flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw fileProblem(error);
  }
}

function fileProblem(error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  return new Error(`the file cannot be written (${code ?? message})`);
}
