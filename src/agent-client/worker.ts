import { promises as fs } from "node:fs";

/** The program of GitHub's runner that runs one job, and ends with it. */
const WORKER_NAME = "Runner.Worker";

/**
 * @param parentPid the parent of the main step
 * @returns its pid if it is the runner's worker; undefined if that cannot be seen, as in a
 * container, on another system than Linux, or under another runner
 */
export async function findWorker(parentPid = process.ppid): Promise<number | undefined> {
  const name = await fs.readFile(`/proc/${parentPid}/comm`, "utf8").catch(() => "");
  return name.trimEnd() === WORKER_NAME ? parentPid : undefined;
}
