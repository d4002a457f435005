import { constants, promises as fs } from "node:fs";
import { basename, delimiter, dirname, join, resolve } from "node:path";
import { ArmorError, fileError } from "../errors.ts";
import { ownerOf } from "../protocol/files.ts";

const IS_WINDOWS = process.platform === "win32";

const PREFIX = "armor-token-";
/** mkdtemp puts six letters or digits in place of nothing. */
const FOLDER_NAME = /^armor-token-[A-Za-z0-9]{6}$/;
/**
 * The built command in dist/, and its copy: the name makes it CommonJS, whatever package.json lies
 * above it.
 */
const BUILT_COMMAND = "armor-token.js";
const COPIED_COMMAND = "armor-token.cjs";

/** The agent's folder, for its owner alone. */
export interface AgentFolder {
  readonly path: string;
  readonly bin: string; // a folder for PATH
  readonly command: string; // the path of the wrapper of armor-token
  readonly canRun: boolean; // false if the file system forbids programs (noexec)
  readonly fitsPath: boolean; // false if PATH cannot hold `bin`, as it has the sign that parts folders there
}

/**
 * Creates a folder below RUNNER_TEMP with armor-token and its wrappers. It is a copy, because a
 * later step may remove the action's own files, as it does with a checkout that has the action in a
 * folder (`uses: ./`). The wrappers hold no secret, and name Node by its path, as it is not on PATH
 * in a container job.
 * @param dist the folder of the built files
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
    path = await fs.mkdtemp(join(resolve(temp), PREFIX));
    const folder = await fillFolder(path, dist, isWindows);
    await giveToOwnerOf(dirname(path), [path, folder.bin]);
    return folder;
  } catch (error) {
    if (path !== "") await fs.rm(path, { recursive: true, force: true }).catch(() => undefined);
    if (error instanceof ArmorError) throw error;
    throw fileError("The folder that RUNNER_TEMP names", error, ownerOf(temp));
  }
}

async function fillFolder(path: string, dist: string, isWindows: boolean): Promise<AgentFolder> {
  const bin = join(path, "bin");
  const script = join(bin, "armor-token");
  const program = join(bin, COPIED_COMMAND);
  await fs.mkdir(bin);
  await copyCommand(join(dist, BUILT_COMMAND), program);
  await fs.writeFile(script, shWrapper(process.execPath, program, path, isWindows), {
    mode: 0o700,
  });
  if (isWindows) await fs.writeFile(`${script}.cmd`, cmdWrapper(process.execPath, COPIED_COMMAND));
  const canRun = await fs.access(script, constants.X_OK).then(
    () => true,
    () => false,
  );
  const command = isWindows ? `${script}.cmd` : script;
  const fitsPath = !bin.includes(isWindows ? ";" : delimiter);
  return { path, bin, command, canRun, fitsPath };
}

/**
 * @throws ArmorError file_failed if it is not there; the error of node:fs if it cannot be written
 */
async function copyCommand(built: string, copy: string): Promise<void> {
  try {
    await fs.access(built, constants.R_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = `${BUILT_COMMAND} of this action cannot be read (${code})`;
    const remedy =
      "A step has removed or changed the action's files: use the action before that step.";
    throw new ArmorError("file_failed", problem, remedy);
  }
  await fs.copyFile(built, copy, constants.COPYFILE_EXCL);
}

/**
 * In a container, root makes folders that the runner, an ordinary user outside, could not list: its
 * clean-up would stop there, for this and for all later jobs. So they are given to the owner of
 * RUNNER_TEMP.
 */
async function giveToOwnerOf(temp: string, folders: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await fs.stat(temp);
  if (uid === 0) return;
  try {
    // The inner folders first, as root without CAP_DAC_OVERRIDE loses its way to them with the
    // outer one.
    for (const folder of folders.toReversed()) await fs.chown(folder, uid, gid);
    for (const folder of folders)
      await fs.access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    // Root may not give folders away, or could not use them any more: then it keeps them.
    for (const folder of folders) await fs.chown(folder, 0, 0).catch(() => undefined);
  }
}

/**
 * POSIX sh, on Windows that of Git, with forward slashes. NODE_OPTIONS is for the job's own Node.
 */
export function shWrapper(
  node: string,
  program: string,
  folder: string,
  isWindows = false,
): string {
  const quoted = [node, program, folder].map((path) => {
    const posixPath = isWindows ? path.replaceAll("\\", "/") : path;
    return `'${posixPath.replaceAll("'", "'\\''")}'`;
  });
  return `#!/bin/sh\nunset NODE_OPTIONS\nexec ${quoted.join(" ")} "$@"\n`;
}

/**
 * `%~dp0` is the folder of the .cmd itself. cmd.exe expands percent signs also between quotes.
 * @param program the name of the program, which lies beside the .cmd
 */
export function cmdWrapper(node: string, program: string): string {
  const quotedNode = `"${node.replaceAll("%", "%%")}"`;
  return `@setlocal\r\n@set "NODE_OPTIONS="\r\n@${quotedNode} "%~dp0${program}" "%~dp0.." %*\r\n`;
}

/**
 * Whether this is a folder that `createAgentFolder` made or could have made: by its name, directly
 * below RUNNER_TEMP, if it is there a folder and no link, and this user's or that of RUNNER_TEMP's
 * owner. A step can put any path into the saved state of a job, and no other folder must be removed
 * for it.
 */
export async function isAgentFolder(path: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  const temp = env["RUNNER_TEMP"];
  if (!temp || !FOLDER_NAME.test(basename(path))) return false;
  if (path !== join(resolve(temp), basename(path))) return false;
  try {
    const { uid } = await fs.stat(temp);
    const folder = await fs.lstat(path);
    const isOurs = folder.uid === process.getuid?.() || folder.uid === uid;
    return folder.isDirectory() && (IS_WINDOWS || isOurs);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT"; // it is gone already
  }
}

/**
 * Removes an agent's folder, and no other. Never fails: what is left of it, the runner removes with
 * RUNNER_TEMP.
 * @param env has RUNNER_TEMP
 */
export async function removeFolder(
  folder: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  if (!(await isAgentFolder(folder, env))) return;
  await fs.rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
}
