import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeFolder } from "./folder.ts";
import { CONTROL_FILE, REASON_FILE, type StopReply } from "./protocol.ts";

/** For an agent whose start was cancelled to write its control file. */
const STARTING_MS = 1_000;
/** Far above any reply of the agent's. */
const MAX_REPLY_LENGTH = 1024 * 1024;

/** How the agent was found at the job's end. "ended" is said only where it is certain. */
export type StopResult =
  | { readonly kind: "stopped"; readonly reply: StopReply }
  | { readonly kind: "ended"; readonly reason: string | undefined }
  | { readonly kind: "unknown"; readonly reason: string };

/** Tells the agent to stop and waits for its end, which ends its connection. Then the folder is removed. */
export async function stopAgent(folder: string, signal: AbortSignal): Promise<StopResult> {
  try {
    return await askToStop(folder, signal);
  } finally {
    await removeFolder(folder); // an agent that was not reached ends when its folder is gone
  }
}

async function askToStop(folder: string, signal: AbortSignal): Promise<StopResult> {
  try {
    const reply = parseReply(await post(`${await controlUrl(folder)}/stop`, signal));
    if (reply !== undefined) return { kind: "stopped", reply };
    return { kind: "unknown", reason: "what answered at its address is not the agent" };
  } catch (error) {
    const { code = "", path } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ECONNREFUSED")
      return { kind: "ended", reason: await reasonOfEnd(folder) };
    if (path !== undefined) return { kind: "unknown", reason: `${CONTROL_FILE} cannot be read (${code})` };
    const reason = signal.aborted ? "it did not answer in time" : `its answer broke off (${code})`;
    return { kind: "unknown", reason };
  }
}

/** On the port of a dead agent, another program may listen: nothing of its answer is to be printed. */
function parseReply(body: string): StopReply | undefined {
  try {
    const { report, sessions } = JSON.parse(body) as StopReply;
    const { minted, handedOut, refused, answered, failed, problems } = report;
    const counts = [minted, handedOut, refused, sessions.ended, sessions.notEnded];
    const parts = [answered, failed].flatMap((values) => Object.values(values));
    const names = [answered, failed, problems].flatMap((values) => Object.keys(values));
    const texts = [...Object.values(problems), sessions.reason ?? ""];
    const isSound =
      [...counts, ...parts].every(Number.isSafeInteger) &&
      names.every((name) => /^\w+$/.test(name)) &&
      texts.every((text) => typeof text === "string" && !/\p{C}/u.test(text));
    return isSound ? { report, sessions } : undefined;
  } catch {
    return undefined;
  }
}

/** Without the file, the agent may be starting: its start was cancelled a moment ago. */
async function controlUrl(folder: string): Promise<string> {
  const file = join(folder, CONTROL_FILE);
  for (let waitedMs = 0; waitedMs < STARTING_MS && !existsSync(file) && existsSync(folder); waitedMs += 50)
    await sleep(50);
  return (await readFile(file, "utf8")).trim();
}

async function reasonOfEnd(folder: string): Promise<string | undefined> {
  if (!existsSync(folder)) return "its folder below RUNNER_TEMP was removed";
  return await readFile(join(folder, REASON_FILE), "utf8").catch(() => undefined);
}

function post(url: string, signal: AbortSignal): Promise<string> {
  // The connection is kept, so that it ends when the agent does; this process waits for that.
  const agent = Object.assign(new http.Agent({ keepAlive: true }), { keepSocketAlive: () => true });
  // The request's own signal ends no connection that has its reply.
  signal.addEventListener("abort", () => agent.destroy());
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: "POST", agent, signal }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        body += piece;
        if (body.length > MAX_REPLY_LENGTH) agent.destroy();
      });
      response.on("error", reject).socket.once("close", () => resolve(body));
    });
    request.on("error", reject).end();
  });
}
