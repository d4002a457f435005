import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  openSync,
  statSync,
  truncateSync,
} from "node:fs";
import { ArmorError, fileError } from "../errors.ts";
import { ownerOf } from "../protocol/files.ts";

/**
 * The variables of the runner that name the files of a step (GitHub's documentation, workflow
 * commands).
 */
export type FileVariable = "GITHUB_OUTPUT" | "GITHUB_STATE" | "GITHUB_ENV" | "GITHUB_PATH";

const ALL: readonly FileVariable[] = ["GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_ENV", "GITHUB_PATH"];
const OWNER_ONLY = 0o600;
/** Without O_NONBLOCK, which Windows does not have, a pipe without a reader would be waited for. */
const APPEND = constants.O_WRONLY | constants.O_APPEND | (constants.O_NONBLOCK ?? 0);

/**
 * Checks that each can be appended to. Without its file, core would print the token.
 * @throws ArmorError
 */
export function checkFiles(variables: readonly FileVariable[]): void {
  for (const variable of variables) {
    if (!process.env[variable]) {
      const problem = `${variable} is not set, so there is no safe way to hand the token on`;
      const remedy = "Run this as a step of a GitHub Actions workflow.";
      throw new ArmorError("runner_unsupported", problem, remedy);
    }
    use(variable, (path) => closeSync(openSync(path, APPEND)));
  }
}

/**
 * Makes the step's files readable for their owner alone. The runner leaves them open to every user
 * of the machine, and they hold the token and the gateway's address. Files that belong to somebody
 * else stay as they are.
 */
export function closeFilesToOthers(): void {
  for (const variable of ALL) {
    const path = process.env[variable];
    if (path) closeToOthers(path);
  }
}

/** By the descriptor: what stands at the path may change between two looks. Never throws. */
function closeToOthers(path: string): void {
  let file: number | undefined;
  try {
    file = openSync(path, APPEND);
    if (fstatSync(file).isFile()) fchmodSync(file, OWNER_ONLY); // a device is everybody's
  } catch {
    // EPERM: the file is another user's, and is as closed as that user wants. What else is wrong
    // with a file that is needed, checkFiles says.
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * Lets `append` write to the file. If that fails half-way, the file is cut back, so that the runner
 * reads no half line. @throws ArmorError file_failed
 */
export function writeRunnerFile(variable: FileVariable, append: () => void): void {
  use(variable, (path) => {
    const before = statSync(path);
    try {
      append();
    } catch (error) {
      if (before.isFile()) truncateSync(path, before.size);
      throw error;
    }
  });
}

function use(variable: FileVariable, action: (path: string) => void): void {
  const path = process.env[variable] ?? "";
  try {
    action(path);
  } catch (error) {
    throw fileError(`The file that ${variable} names`, error, ownerOf(path));
  }
}
