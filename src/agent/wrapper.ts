import { constants } from "node:fs";
import { access, chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface CommandFiles {
  /** To be put on PATH. */
  readonly bin: string;
  /** Absolute path of the command for this system. */
  readonly command: string;
  /** False where the file system does not let programs run (noexec). */
  readonly canRun: boolean;
}

/**
 * Writes the wrappers of armor-token below the agent's folder. They name Node and the program by absolute
 * path: in a container job Node is not on PATH. They hold no secret.
 * @param folder the agent's own, for its owner alone
 * @param node absolute path of Node
 * @param program absolute path of armor-token's JavaScript
 */
export async function writeCommand(
  folder: string,
  node: string,
  program: string,
  isWindows: boolean,
): Promise<CommandFiles> {
  const bin = join(folder, "bin");
  const script = join(bin, "armor-token");
  await mkdir(bin);
  await chmod(bin, 0o700); // whatever the umask is
  await writeFile(script, shWrapper(node, program, folder, isWindows));
  await chmod(script, 0o700);
  if (isWindows) await writeFile(join(bin, "armor-token.cmd"), cmdWrapper(node, program));
  const canRun = await access(script, constants.X_OK).then(
    () => true,
    () => false,
  );
  return { bin, command: isWindows ? `${script}.cmd` : script, canRun };
}

/**
 * POSIX sh, which on Windows is that of Git and takes forward slashes. NODE_OPTIONS is for the job's
 * own Node.
 */
export function shWrapper(node: string, program: string, folder: string, isWindows = false): string {
  const [quotedNode, quotedProgram, quotedFolder] = [node, program, folder]
    .map((path) => (isWindows ? path.replaceAll("\\", "/") : path))
    .map((path) => `'${path.replaceAll("'", "'\\''")}'`);
  return `#!/bin/sh\nunset NODE_OPTIONS\nexec ${quotedNode} ${quotedProgram} ${quotedFolder} "$@"\n`;
}

/** `%~dp0` is the folder of the .cmd itself. cmd.exe expands percent signs also between quotes. */
export function cmdWrapper(node: string, program: string): string {
  const [quotedNode, quotedProgram] = [node, program].map((path) => `"${path.replaceAll("%", "%%")}"`);
  return `@setlocal\r\n@set "NODE_OPTIONS="\r\n@${quotedNode} ${quotedProgram} "%~dp0.." %*\r\n`;
}
