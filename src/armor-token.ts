import { randomBytes } from "node:crypto";
import { fstatSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import { devNull } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { maskCommand, quote } from "./redact.ts";

const USAGE = `Usage: armor-token [--header | --file PATH]

Prints a valid access token for Fortanix Armor, and fetches a new one where need be.

  --header     print "Authorization: Bearer TOKEN", for curl --header @-
  --file PATH  write the token to PATH, which only this user can read
  -h, --help   print this

The token is masked in the job's log. It lives for about a minute: ask for it where it is used.
`;

/**
 * The runner reads stdout and stderr apart: a token at once behind its mask was seen unmasked in 22 of 300
 * runs, 50 ms later in none. This is twice that.
 */
const MASK_PAUSE_MS = 100;
const TIMEOUT_MS = 330_000; // longer than the agent tries at the largest timeout
const MAX_ANSWER_LENGTH = 64 * 1024;

/** @param args the agent's folder, which the wrapper gives, then what the user gave */
async function run([folder = "", ...args]: readonly string[]): Promise<void> {
  const [option = "", file] = args;
  const isAlone = args.length === 0 || (args.length === 1 && /^(--header|-h|--help)$/.test(option));
  if (!isAlone && !(option === "--file" && file && args.length === 2)) {
    process.exitCode = 2;
    throw new Error("it takes --header, --file PATH or --help, and nothing else");
  }
  if (option === "-h" || option === "--help") return await write(process.stdout, USAGE);
  // To a file, mask and token take one way; else they take two, and the mask needs some time ahead.
  const maskStream = file === undefined ? process.stderr : process.stdout;
  checkStream(maskStream.fd, file === undefined ? "stderr" : "stdout");
  const token = await fetchToken(folder);
  await write(maskStream, maskCommand(token));
  if (file !== undefined) return replaceFile(file, token);
  await sleep(MASK_PAUSE_MS);
  await write(process.stdout, `${option === "--header" ? "Authorization: Bearer " : ""}${token}\n`);
}

/** Node opens the null device where a stream is closed. */
function checkStream(descriptor: number, name: string): void {
  try {
    const [stream, none] = [fstatSync(descriptor), statSync(devNull)];
    if (!stream.isCharacterDevice() || stream.rdev !== none.rdev) return;
  } catch {
    return; // Windows does not tell
  }
  const hint = name === "stderr" ? ". Use --file PATH" : "";
  throw new Error(`${name} is closed or ${devNull}, so the token could not be masked in the log${hint}`);
}

async function fetchToken(folder: string): Promise<string> {
  const { access_token: token, error_description: description } = await askAgent(folder).catch(() => {
    const lives = "It lives from the step with keep-fresh: true to the end of that job";
    throw new Error(`the token agent is not running. ${lives}`);
  });
  // Another program may have got the port of an agent that died. A line with a command of the runner's is
  // no token: one that begins with `::` or holds `##[` (actions/runner, ActionCommand.cs).
  if (typeof token === "string" && /^(?!::)[\x21-\x7e]+$/.test(token) && !token.includes("##[")) return token;
  const why = typeof description === "string" ? quote(description) : "it answered without one";
  throw new Error(`the token agent has no token: ${why}`);
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

/** A new file, renamed over the old one: a reader sees the old token or the new one, and never a part. */
function replaceFile(path: string, token: string): void {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    // For root, the rename would replace a device such as /dev/null.
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) throw new Error("not a regular file");
    writeFileSync(temporary, token, { mode: 0o600, flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`the file cannot be written (${code ?? message})`);
  }
}

/** Who reads the output may leave early, as head does: then there is nothing more to do. */
function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve) => {
    stream.write(text, (error) => (error ? process.exit() : resolve()));
  });
}

process.exitCode = 1;
run(process.argv.slice(2)).then(
  () => process.exit(0),
  ({ message }: Error) => write(process.stderr, `armor-token: ${message.replace(/\.$/, "")}.\n`),
);
