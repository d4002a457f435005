import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ArmorError, fileError } from "../errors.ts";

/**
 * @returns a new folder below RUNNER_TEMP for its owner alone (mkdtemp: mode 0700). @throws ArmorError
 * file_failed
 */
export async function createAgentFolder(env: NodeJS.ProcessEnv): Promise<string> {
  const temp = env["RUNNER_TEMP"];
  if (!temp) {
    throw new ArmorError(
      "runner_unsupported",
      "RUNNER_TEMP is not set",
      "Run this as a step of a GitHub Actions workflow.",
    );
  }
  try {
    const folder = await mkdtemp(join(resolve(temp), "armor-token-"));
    await chmod(folder, 0o700); // whatever the umask is
    return folder;
  } catch (error) {
    throw fileError("The folder that RUNNER_TEMP names", error);
  }
}

/** Never fails: what is left of it, the runner removes with RUNNER_TEMP. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
}
