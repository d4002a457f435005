// Owns the files of the command armor-token: wrappers for every shell, and where its agent listens.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface CommandFiles {
  /** To be put on PATH. */
  readonly bin: string;
  /** Absolute path of the command for this system. */
  readonly command: string;
}

/**
 * Writes the wrappers below the agent's folder. They name node and the bundle by absolute path: in a container job
 * node is not on PATH. A wrapper holds no secret; the gateway's address stands in a file that the owner alone reads.
 * @param folder the agent's own, made for its owner alone
 * @param node absolute path of node
 * @param cli absolute path of the bundle of armor-token
 */
export async function writeCommand(
  folder: string,
  gatewayUrl: string,
  node: string,
  cli: string,
  isWindows: boolean,
): Promise<CommandFiles> {
  const bin = join(folder, "bin");
  await mkdir(bin, { mode: 0o700 });
  await writeFile(join(folder, "gateway-url"), gatewayUrl, { mode: 0o600 });
  await writeFile(join(bin, "armor-token"), shWrapper(node, cli, folder), { mode: 0o700 });
  if (isWindows) await writeFile(join(bin, "armor-token.cmd"), cmdWrapper(node, cli, folder));
  return { bin, command: join(bin, isWindows ? "armor-token.cmd" : "armor-token") };
}

/** POSIX sh, which on Windows is that of Git. */
export function shWrapper(node: string, cli: string, folder: string): string {
  const [quotedNode, quotedCli, quotedFolder] = [node, cli, folder].map(
    (path) => `'${path.replaceAll("'", "'\\''")}'`,
  );
  return `#!/bin/sh\nexec ${quotedNode} ${quotedCli} ${quotedFolder} "$@"\n`;
}

/** cmd.exe expands percent signs also between quotes; a path cannot contain a quote there. */
export function cmdWrapper(node: string, cli: string, folder: string): string {
  const [quotedNode, quotedCli, quotedFolder] = [node, cli, folder].map(
    (path) => `"${path.replaceAll("%", "%%")}"`,
  );
  return `@${quotedNode} ${quotedCli} ${quotedFolder} %*\r\n`;
}
