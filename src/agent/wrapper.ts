import { constants } from "node:fs";
import { access, chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileError } from "../errors.ts";

export interface CommandFiles {
  /** To be put on PATH. */
  readonly bin: string;
  /** Absolute path of the command for this system. */
  readonly command: string;
  /** False where the file system does not let programs run (noexec). */
  readonly canRun: boolean;
}

/**
 * Writes the wrappers of armor-token. They name Node by its path, as in a container job it is not on PATH,
 * and hold no secret.
 * @param folder the agent's own, for its owner alone
 * @param program absolute path of armor-token's JavaScript
 * @throws ArmorError file_failed
 */
export async function writeCommand(
  folder: string,
  program: string,
  isWindows = process.platform === "win32",
): Promise<CommandFiles> {
  const bin = join(folder, "bin");
  const script = join(bin, "armor-token");
  try {
    await mkdir(bin);
    await chmod(bin, 0o700); // whatever the umask is
    await writeFile(script, shWrapper(process.execPath, program, folder, isWindows));
    await chmod(script, 0o700);
    if (isWindows) await writeFile(`${script}.cmd`, cmdWrapper(process.execPath, program));
  } catch (error) {
    throw fileError("The folder that RUNNER_TEMP names", error);
  }
  const noexec = await access(script, constants.X_OK).catch((error: Error) => error);
  return { bin, command: isWindows ? `${script}.cmd` : script, canRun: noexec === undefined };
}

/** POSIX sh, on Windows that of Git, with forward slashes. NODE_OPTIONS is for the job's own Node. */
export function shWrapper(node: string, program: string, folder: string, isWindows = false): string {
  const words = [node, program, folder]
    .map((path) => (isWindows ? path.replaceAll("\\", "/") : path))
    .map((path) => `'${path.replaceAll("'", "'\\''")}'`);
  return `#!/bin/sh\nunset NODE_OPTIONS\nexec ${words.join(" ")} "$@"\n`;
}

/** `%~dp0` is the folder of the .cmd itself. cmd.exe expands percent signs also between quotes. */
export function cmdWrapper(node: string, program: string): string {
  const words = [node, program].map((path) => `"${path.replaceAll("%", "%%")}"`);
  return `@setlocal\r\n@set "NODE_OPTIONS="\r\n@${words.join(" ")} "%~dp0.." %*\r\n`;
}
