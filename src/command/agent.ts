import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { isToken, quote } from "../redact.ts";
import { DebugLog } from "./debug-log.ts";

/** Longer than the agent tries at the largest `timeout`, which is 300 s. */
const TIMEOUT_MS = 330_000;
/** An address of one line, with a port and a capability. */
const MAX_CONTROL_BYTES = 1024;
/** A token and a few fields. Whatever is longer comes from somebody else. */
const MAX_ANSWER_LENGTH = 64 * 1024;
/** The longest text of ours, with the words of a server in it, has some 900 characters. */
const MAX_REASON_LENGTH = 1_500;
/** Where each error is explained. The same as in errors.ts, which this program does without. */
export const TROUBLESHOOTING =
  "https://github.com/org/armor-token-action/blob/v1/docs/troubleshooting.md";

/**
 * Asks the token agent for a token that is valid now.
 * @param folder the agent's, which the wrapper names
 * @throws Error with a text for the user, without a full stop
 */
export async function fetchToken(folder: string, debugLog = new DebugLog()): Promise<string> {
  const answer = await askAgent(controlUrl(folder), debugLog);
  const { access_token: token } = answer;
  // Another program may have got the port of an agent that died, and say what the runner would
  // obey.
  if (typeof token === "string" && isToken(token)) return token;
  throw new Error(`the token agent has no token: ${reasonIn(answer)}`);
}

const NOT_RUNNING =
  "the token agent is not running. " +
  "It lives from the step with keep-fresh: true to the end of that job. " +
  "If that step ran in this job, see the post step's warning";

function controlUrl(folder: string): string {
  try {
    return readControlFile(join(folder, "control-url"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isForeign = code === "EACCES" || code === "EPERM";
    if (!isForeign) throw new Error(NOT_RUNNING);
    throw new Error(
      `control-url of the token agent cannot be read (${code}). It belongs to another user: run ` +
        "armor-token as the user of the step with keep-fresh: true, or as root",
    );
  }
}

/**
 * A step can put anything in the place of the file: a pipe would be waited for, and a link
 * followed.
 */
function readControlFile(path: string): string {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants; // Windows has neither of the two
  const descriptor = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile() || stats.size > MAX_CONTROL_BYTES) throw new Error(NOT_RUNNING);
    return readFileSync(descriptor, "utf8").trim();
  } finally {
    closeSync(descriptor);
  }
}

async function askAgent(
  controlAddress: string,
  debugLog: DebugLog,
): Promise<Record<string, unknown>> {
  const startedAt = performance.now();
  const elapsed = () => `${Math.round(performance.now() - startedAt)} ms`;
  try {
    const response = await get(`${controlAddress}/token`);
    debugLog.add(`The token agent answered ${response.statusCode} in ${elapsed()}`);
    let body = "";
    for await (const chunk of response.setEncoding("utf8")) {
      body += chunk;
      if (body.length > MAX_ANSWER_LENGTH) throw new Error("this is not the agent");
    }
    return Object(JSON.parse(body));
  } catch (error) {
    // Its text may hold the address; its code, such as ECONNREFUSED, does not.
    const { code, name } = error as NodeJS.ErrnoException;
    debugLog.add(`No answer from the token agent (${code ?? name}) in ${elapsed()}`);
    throw new Error(NOT_RUNNING);
  }
}

function get(url: string): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) };
    http.get(url, options, resolve).on("error", reject).on("upgrade", reject);
  });
}

/**
 * What the agent says, whole: its end is the remedy. With the code and the address of its
 * explanation.
 */
function reasonIn(answer: Record<string, unknown>): string {
  const { error: code, error_description: description } = answer;
  if (typeof description !== "string") return "it answered without one";
  const reason = quote(description, undefined, MAX_REASON_LENGTH);
  const isCode = typeof code === "string" && /^[a-z_]{1,40}$/.test(code);
  return isCode ? `${reason} (${code}, ${TROUBLESHOOTING}#${code})` : reason;
}
