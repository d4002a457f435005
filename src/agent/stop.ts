import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeFolder } from "./folder.ts";
import { CONTROL_FILE, REASON_FILE, type StopReply } from "./protocol.ts";

/** For an agent whose start was cancelled to write its control file. */
const STARTING_MS = 1_000;

/** How the agent was found at the job's end. "ended" is said only where it is certain. */
export type StopResult =
  | { readonly kind: "stopped"; readonly reply: StopReply }
  | { readonly kind: "ended"; readonly reason: string | undefined }
  | { readonly kind: "unknown"; readonly reason: string };

/**
 * Tells the agent to stop and waits for its end, which is the end of its connection. Then the folder
 * is removed.
 */
export async function stopAgent(folder: string, signal: AbortSignal): Promise<StopResult> {
  try {
    return await askToStop(folder, signal);
  } finally {
    await removeFolder(folder); // an agent that was not reached ends when its folder is gone
  }
}

async function askToStop(folder: string, signal: AbortSignal): Promise<StopResult> {
  let url: string;
  try {
    url = await controlUrl(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") return { kind: "unknown", reason: `${CONTROL_FILE} cannot be read (${code})` };
    return { kind: "ended", reason: await reasonOfEnd(folder) };
  }
  try {
    return { kind: "stopped", reply: JSON.parse(await post(`${url}/stop`, signal)) as StopReply };
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ECONNREFUSED") return { kind: "ended", reason: await reasonOfEnd(folder) };
    return {
      kind: "unknown",
      reason: signal.aborted ? "it did not answer in time" : `its answer broke off (${code})`,
    };
  }
}

/** Without the file, the agent may be starting: its start was cancelled a moment ago. */
async function controlUrl(folder: string): Promise<string> {
  const file = join(folder, CONTROL_FILE);
  const until = Date.now() + STARTING_MS;
  for (;;) {
    try {
      return (await readFile(file, "utf8")).trim();
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (!isMissing || !existsSync(folder) || Date.now() > until) throw error;
      await sleep(50);
    }
  }
}

async function reasonOfEnd(folder: string): Promise<string | undefined> {
  if (!existsSync(folder)) return "its folder below RUNNER_TEMP was removed";
  return await readFile(join(folder, REASON_FILE), "utf8").catch(() => undefined);
}

function post(url: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    // The connection is kept, so that it ends when the agent does; this process waits for that.
    const agent = Object.assign(new http.Agent({ keepAlive: true }), { keepSocketAlive: () => true });
    const request = http.request(url, { method: "POST", agent, signal }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.socket.once("close", () => resolve(Buffer.concat(chunks).toString("utf8")));
    });
    request.on("error", reject);
    request.end();
  });
}
