import { constants } from "node:fs";
import { access, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ArmorError, fileError } from "../errors.ts";

const IS_WINDOWS = process.platform === "win32";

/** For its owner alone. */
export interface AgentFolder {
  readonly path: string;
  readonly bin: string; // a folder for PATH
  readonly command: string; // the path of the wrapper of armor-token
  readonly canRun: boolean; // false where the file system forbids programs (noexec)
}

/**
 * Creates a folder below RUNNER_TEMP with the wrappers of armor-token. They hold no secret, and name Node by
 * its path, as it is not on PATH in a container job.
 * @throws ArmorError file_failed, runner_unsupported
 */
export async function createAgentFolder(
  env: NodeJS.ProcessEnv,
  dist: string,
  isWindows = IS_WINDOWS,
): Promise<AgentFolder> {
  const temp = env["RUNNER_TEMP"];
  if (!temp) {
    const remedy = "Run this as a step of a GitHub Actions workflow.";
    throw new ArmorError("runner_unsupported", "RUNNER_TEMP is not set", remedy);
  }
  process.umask(0o077); // whatever the job's is
  let path = "";
  try {
    path = await mkdtemp(join(resolve(temp), "armor-token-"));
    const bin = join(path, "bin");
    const script = join(bin, "armor-token");
    const program = join(dist, "armor-token.js");
    await mkdir(bin);
    await writeFile(script, shWrapper(process.execPath, program, path, isWindows), { mode: 0o700 });
    if (isWindows) await writeFile(`${script}.cmd`, cmdWrapper(process.execPath, program));
    const canRun = await access(script, constants.X_OK).then(
      () => true,
      () => false,
    );
    return { path, bin, command: isWindows ? `${script}.cmd` : script, canRun };
  } catch (error) {
    if (path !== "") await removeFolder(path);
    throw fileError("The folder that RUNNER_TEMP names", error);
  }
}

/** What is left of the action may be less than it was: a local action is a folder that a job can clean. */
const IS_GONE =
  "armor-token: its program is gone, because a step removed the folder of the action. " +
  "Call it before that step, or use the action by its repository name.";

/** POSIX sh, on Windows that of Git, with forward slashes. NODE_OPTIONS is for the job's own Node. */
export function shWrapper(
  node: string,
  program: string,
  folder: string,
  isWindows = false,
): string {
  const [nodePath, programPath, folderPath] = [node, program, folder].map((path) => {
    const posixPath = isWindows ? path.replaceAll("\\", "/") : path;
    return `'${posixPath.replaceAll("'", "'\\''")}'`;
  });
  const lines = [
    "#!/bin/sh",
    "unset NODE_OPTIONS",
    `if [ ! -f ${programPath} ]; then`,
    `  echo '${IS_GONE}' >&2`,
    "  exit 1",
    "fi",
    `exec ${nodePath} ${programPath} ${folderPath} "$@"`,
  ];
  return `${lines.join("\n")}\n`;
}

/** `%~dp0` is the folder of the .cmd itself. cmd.exe expands percent signs also between quotes. */
export function cmdWrapper(node: string, program: string): string {
  const quoted = [node, program].map((path) => `"${path.replaceAll("%", "%%")}"`);
  const lines = [
    "@setlocal",
    '@set "NODE_OPTIONS="',
    `@if not exist ${quoted[1]} (echo ${IS_GONE} 1>&2 & exit /b 1)`,
    `@${quoted.join(" ")} "%~dp0.." %*`,
  ];
  return `${lines.join("\r\n")}\r\n`;
}

/** Never fails: what is left of it, the runner removes with RUNNER_TEMP. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
}
