import { randomBytes } from "node:crypto";
import { fstatSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import { devNull } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { maskCommand, quote } from "./redact.ts";

const USAGE = `Usage: armor-token [--header | --file PATH]

Prints a valid access token for Fortanix Armor, and fetches a new one where need be.

  --header     print "Authorization: Bearer TOKEN", for curl --header @-
  --file PATH  write the token to PATH, which only this user can read
  -h, --help   print this

The token is masked in the job's log. It lives for about a minute: ask for it where it is used.
`;

/**
 * The runner reads stdout and stderr independently of each other, so a token on one can overtake its mask on
 * the other. Without a pause, 22 of 300 runs showed the token; with 50 ms, none did. This is twice as long.
 */
const MASK_PAUSE_MS = 100;
const TIMEOUT_MS = 330_000; // longer than the agent tries at the largest timeout
const MAX_ANSWER_LENGTH = 64 * 1024;

/** @param folder the agent's, which the wrapper gives. @param args what the user gave */
async function run(folder: string, args: string[]): Promise<void> {
  const options = parseOptions(args);
  if (options.help) {
    await write(process.stdout, USAGE);
  } else if (options.file !== undefined) {
    // stdout is the log's, so mask and token take one way, and the mask is there first.
    checkStream(process.stdout.fd, "stdout");
    const token = await fetchToken(folder);
    await write(process.stdout, maskCommand(token));
    replaceFile(options.file, token);
  } else {
    // stdout is captured by whoever wants the token. The mask takes the other way, and needs some time ahead.
    checkStream(process.stderr.fd, "stderr");
    const token = await fetchToken(folder);
    await write(process.stderr, maskCommand(token));
    await sleep(MASK_PAUSE_MS);
    await write(process.stdout, options.header ? `Authorization: Bearer ${token}\n` : `${token}\n`);
  }
}

function parseOptions(args: string[]) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        header: { type: "boolean" },
        file: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
    const isOneAtMost = Object.keys(values).length <= 1;
    if (isOneAtMost && values.file !== "") return values;
  } catch {
    // An option that is unknown or has no value, or an argument that is no option.
  }
  process.exitCode = 2;
  throw new Error("it takes --header, --file PATH or --help, and nothing else");
}

/** The log must be able to get the mask. Node opens the null device in place of a stream that is closed. */
function checkStream(descriptor: number, name: "stdout" | "stderr"): void {
  if (!isNullDevice(descriptor)) return;
  const hint = name === "stderr" ? ". Use --file PATH" : "";
  throw new Error(
    `${name} is closed or ${devNull}, so the token could not be masked in the log${hint}`,
  );
}

function isNullDevice(descriptor: number): boolean {
  try {
    const stream = fstatSync(descriptor);
    return stream.isCharacterDevice() && stream.rdev === statSync(devNull).rdev;
  } catch {
    return false; // Windows does not tell
  }
}

async function fetchToken(folder: string): Promise<string> {
  let answer: Record<string, unknown>;
  try {
    answer = await askAgent(folder);
  } catch {
    const lives = "It lives from the step with keep-fresh: true to the end of that job";
    throw new Error(`the token agent is not running. ${lives}`);
  }
  const { access_token: token, error_description: description } = answer;
  if (typeof token === "string" && isPlain(token)) return token;
  const why = typeof description === "string" ? quote(description) : "it answered without one";
  throw new Error(`the token agent has no token: ${why}`);
}

/**
 * Another program may have got the port of an agent that died. What it says must not be a command of the
 * runner's, which begins with `::` or has `##[` in it (actions/runner, ActionCommand.cs).
 */
function isPlain(token: string): boolean {
  return /^[\x21-\x7e]+$/.test(token) && !token.startsWith("::") && !token.includes("##[");
}

async function askAgent(folder: string): Promise<Record<string, unknown>> {
  const url = `${readFileSync(join(folder, "control-url"), "utf8").trim()}/token`;
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const options = { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) };
    http.get(url, options, resolve).on("error", reject).on("upgrade", reject);
  });
  let body = "";
  for await (const chunk of response.setEncoding("utf8")) {
    body += chunk;
    if (body.length > MAX_ANSWER_LENGTH) throw new Error("this is not the agent");
  }
  return Object(JSON.parse(body));
}

/** Writes a new file and renames it over the old one, so that a reader never sees half a token. */
function replaceFile(path: string, token: string): void {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    // For root, the rename would replace a device such as /dev/null.
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === false)
      throw new Error("not a regular file");
    writeFileSync(temporary, token, { mode: 0o600, flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`the file cannot be written (${code ?? message})`);
  }
}

/** A reader may close the pipe early, as `head` does. Then nothing is left to do, and that is no failure. */
function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve) => {
    stream.write(text, (error) => (error ? process.exit() : resolve()));
  });
}

async function main(): Promise<void> {
  const [folder = "", ...args] = process.argv.slice(2);
  try {
    await run(folder, args);
    process.exit(0);
  } catch (error) {
    const { message } = error as Error;
    await write(process.stderr, `armor-token: ${message.replace(/\.$/, "")}.\n`);
  }
}

process.exitCode = 1; // until success is certain
void main();
