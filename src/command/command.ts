import { devNull } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { hide, maskCommand, maskedForms } from "../redact.ts";
import { fetchToken } from "./agent.ts";
import { DebugLog } from "./debug-log.ts";
import type { Output } from "./output.ts";
import type { RunnerPipe } from "./runner-pipe.ts";
import { checkTokenFile, replaceTokenFile } from "./token-file.ts";

const USAGE = `Usage: armor-token [--header | --file PATH]

Prints a valid access token for Fortanix Armor, and fetches a new one if there is none.

  --header     print "Authorization: Bearer TOKEN", for curl --header @-
  --file PATH  write the token to PATH, which only this user can read
  -h, --help   print this

The token is masked in the job's log. It lives for about a minute: ask for it where it is used.
Between ::stop-commands:: and its end the runner takes no mask, and shows the token: ask before.
`;

/**
 * The runner reads stdout and stderr independently of each other, so a token on one can overtake
 * its mask on the other. Without a pause, 22 of 300 runs showed the token; with 50 ms, none did.
 * This is twice as long.
 */
const MASK_PAUSE_MS = 100;

/** What a call of armor-token has to do with. */
export interface CommandCall {
  /** The agent's folder, which the wrapper names. */
  readonly folder: string;
  /** What the user wrote behind the name of the command. */
  readonly args: readonly string[];
  readonly stdout: Output;
  readonly stderr: Output;
  /** Undefined if there is no way to the runner but the streams of this call. */
  readonly findRunnerPipe: () => RunnerPipe | undefined;
  /** Whether the workflow runs with step debug logging. Undefined means no. */
  readonly isDebug?: boolean;
}

interface Options {
  readonly header?: boolean;
  readonly file?: string;
  readonly help?: boolean;
}

class UsageError extends Error {}

/** Gives the exit code: 0, 1 without a token, 2 for wrong arguments. Never throws. */
export async function runCommand(call: CommandCall): Promise<0 | 1 | 2> {
  const debugLog = new DebugLog();
  debugLog.add(`Node ${process.versions.node}, ${process.platform}`);
  try {
    await run(call, parseOptions(call.args), debugLog);
    return 0;
  } catch (error) {
    const { message } = error as Error;
    // If nobody reads it, the exit code has to say it.
    await call.stderr.write(`armor-token: ${message.replace(/\.$/, "")}.\n`).catch(() => undefined);
    return error instanceof UsageError ? 2 : 1;
  } finally {
    if (call.isDebug) await debugLog.print(call.findRunnerPipe(), call.stderr);
  }
}

async function run(call: CommandCall, options: Options, debugLog: DebugLog): Promise<void> {
  if (options.help) return await print(call.stdout, USAGE);
  if (options.file !== undefined) checkTokenFile(options.file);
  const runnerPipe = call.findRunnerPipe();
  if (runnerPipe === undefined) checkStderr(call.stderr);
  const token = await fetchToken(call.folder, debugLog);
  hide(maskedForms(token));
  await maskToken(token, runnerPipe, call, options, debugLog);
  await sleep(MASK_PAUSE_MS);
  if (options.file !== undefined) replaceTokenFile(options.file, token);
  else await print(call.stdout, options.header ? `Authorization: Bearer ${token}\n` : `${token}\n`);
}

/** @throws UsageError */
function parseOptions(args: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        header: { type: "boolean" },
        file: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
    const isOneAtMost = Object.keys(values).length <= 1;
    if (isOneAtMost && values.file !== "") return values;
  } catch {
    // An option is unknown or has no value, or an argument is no option.
  }
  throw new UsageError("it takes --header, --file PATH or --help, and nothing else");
}

/**
 * Without a way of its own to the runner, the mask has to get there by this call's stderr.
 * @throws Error with a text for the user, without a full stop
 */
function checkStderr({ destination }: Output): void {
  if (destination === "reader") return;
  const what = destination === "file" ? "a regular file" : `closed or ${devNull}`;
  throw new Error(
    `stderr is ${what}, so the token could not be masked in the log. Remove the redirection of ` +
      "stderr from this call, or call the gateway, which needs no mask",
  );
}

/**
 * Resolves when the mask is on its way to the runner. An empty line goes before it: if another
 * program has left a line unfinished on the same stream, a mask behind it would be printed by the
 * runner instead of obeyed.
 * @throws Error with a text for the user, without a full stop
 */
async function maskToken(
  token: string,
  runnerPipe: RunnerPipe | undefined,
  { stdout, stderr }: CommandCall,
  { file }: Options,
  debugLog: DebugLog,
): Promise<void> {
  const lines = maskedForms(token).map(maskCommand);
  const hasArrived = (await runnerPipe?.write(lines)) === true;
  const way = runnerPipe === undefined ? "was not found" : `has taken the masks: ${hasArrived}`;
  debugLog.add(`The runner's own pipe ${way}`);
  if (hasArrived && runnerPipe?.isCertain) return;
  // What has arrived somewhere is not refused: it is only not known for certain who reads it.
  if (!hasArrived) checkStderr(stderr);
  // A regular file would keep the token. A stream that leads nowhere takes no mask.
  const isOnStdout = file !== undefined && stdout.destination === "reader";
  const outputs = isOnStdout ? [stderr, stdout] : [stderr];
  for (const output of outputs.filter(({ destination }) => destination === "reader")) {
    await output.write(`\n${lines.join("")}`).catch(() => {
      throw new Error("the log's stream was closed, so the token could not be masked");
    });
  }
}

/**
 * A reader may close the pipe early, as `head` does: then nothing is left to do, and that is no
 * failure.
 * @throws Error with a text for the user, without a full stop, such as for a disk that is full
 */
async function print(stdout: Output, text: string): Promise<void> {
  await stdout.write(text).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || error.code === "ECONNRESET") return;
    throw new Error(`stdout cannot be written (${error.code ?? error.name})`);
  });
}
