import { randomBytes } from "node:crypto";
import { fstatSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import { devNull } from "node:os";
import { join } from "node:path";
import { maskCommand, quoteWithout } from "./redact.ts";

const USAGE = `Usage: armor-token [--header | --file PATH]

Prints a valid access token for Fortanix Armor, and fetches a new one where need be.

  --header     print "Authorization: Bearer TOKEN", for curl --header @-
  --file PATH  write the token to PATH, which only this user can read
  -h, --help   print this

The token is masked in the job's log. It lives for about a minute: ask for it where it is
used, and do not keep it.
`;

const NOT_RUNNING =
  "the token agent is not running. It lives from the step with keep-fresh: true to the end of that job";

/**
 * The runner reads stdout and stderr with two readers. A token that follows its mask at once on the other stream
 * was seen unmasked in 22 of 300 runs; 50 ms later in none of 300. This is twice that.
 */
const MASK_PAUSE_MS = 100;
/** Longer than the agent itself tries, at the largest `timeout`. */
const TIMEOUT_MS = 330_000;

interface Options {
  readonly isHelp?: true;
  readonly isHeader?: true;
  readonly file?: string;
}

/** Wrong arguments: exit code 2. */
class UsageError extends Error {}

/** @param args the agent's folder, then what the user gave */
async function run([folder = "", ...args]: readonly string[]): Promise<void> {
  const { isHelp, isHeader, file } = parse(args);
  if (isHelp) return await write(process.stdout, USAGE);
  if (file === undefined) checkStderr();
  const token = await fetchToken(folder);
  if (file !== undefined) {
    await write(process.stdout, maskCommand(token));
    return replaceFile(file, token);
  }
  await write(process.stderr, maskCommand(token));
  await new Promise((resolve) => setTimeout(resolve, MASK_PAUSE_MS));
  await write(process.stdout, isHeader ? `Authorization: Bearer ${token}\n` : `${token}\n`);
}

function parse(args: readonly string[]): Options {
  const [option, value, ...rest] = args;
  if (option === undefined) return {};
  if (value === undefined && (option === "-h" || option === "--help")) return { isHelp: true };
  if (value === undefined && option === "--header") return { isHeader: true };
  if (option === "--file" && value && rest.length === 0) return { file: value };
  throw new UsageError("it takes --header, --file PATH or --help, and nothing else");
}

/** The mask goes to stderr. Node opens the null device where stderr is closed. */
function checkStderr(): void {
  if (isNullDevice(2)) {
    throw new Error("stderr is closed or /dev/null, so the token could not be masked. Use --file PATH");
  }
}

function isNullDevice(descriptor: number): boolean {
  try {
    const [own, none] = [fstatSync(descriptor), statSync(devNull)];
    return own.isCharacterDevice() && own.rdev === none.rdev;
  } catch {
    return false; // Windows has no such file
  }
}

async function fetchToken(folder: string): Promise<string> {
  const { status, body } = await get(`${controlUrl(folder)}/token`);
  const { access_token: token, error_description: description } = fieldsOf(body);
  // Another process may have got the port of an agent that died: nothing of its reply is printed unchecked.
  if (status === 200 && typeof token === "string" && /^[\x21-\x7e]+$/.test(token)) return token;
  const why = typeof description === "string" ? quoteWithout([])(description) : `it answered ${status}`;
  throw new Error(`the token agent has no token: ${why}`);
}

function controlUrl(folder: string): string {
  try {
    return readFileSync(join(folder, "control-url"), "utf8").trim();
  } catch {
    throw new Error(NOT_RUNNING);
  }
}

function get(url: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error(NOT_RUNNING));
    const request = http.get(url, { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", fail);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }),
      );
    });
    request.on("error", fail);
  });
}

function fieldsOf(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** A new file, renamed over the old one: a reader sees the old token or the new one, and never a part. */
function replaceFile(path: string, token: string): void {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    writeFileSync(temporary, token, { mode: 0o600, flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new Error(`the file cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** Who reads may leave early, as head does. */
class ReaderLeft extends Error {}

function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve, reject) =>
    stream.write(text, (error) => (error ? reject(new ReaderLeft()) : resolve())),
  );
}

process.exitCode = 1;
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
run(process.argv.slice(2)).then(
  () => {
    process.exitCode = 0;
  },
  (error: Error) => {
    if (error instanceof ReaderLeft) return;
    if (error instanceof UsageError) process.exitCode = 2;
    process.stderr.write(`armor-token: ${error.message.replace(/\.$/, "")}.\n`);
  },
);
