import { constants as system } from "node:os";
import { quote } from "./redact.ts";

/**
 * Where the documentation of this version lies. The owner's name stands here, in entry.cjs, in
 * command/agent.ts and in package.json.
 */
export const REPOSITORY = "https://github.com/org/armor-token-action";
const TROUBLESHOOTING = `${REPOSITORY}/blob/v1/docs/troubleshooting.md`;

/**
 * Every failure that a user can meet, and whether it can pass. docs/troubleshooting.md explains
 * each.
 */
const CAN_PASS = {
  input_invalid: false, // an input is missing, malformed or out of range
  // Not started as a runner starts an action, or by a Node that cannot be used.
  runner_unsupported: false,
  // A file or folder of the runner cannot be written, or one of this action is gone.
  file_failed: false,
  cancelled: false, // the job was cancelled
  host_unknown: false, // DNS does not know the name of the Armor host
  dns_failed: true, // DNS does not answer
  connection_failed: true, // no connection, or it broke before a reply began
  reply_incomplete: true, // the reply began and broke off
  reply_timeout: true, // no complete reply in the time that one attempt has
  // The certificate of the Armor host is untrusted, expired or for another name.
  certificate_rejected: false,
  tls_failed: false, // no common version, a client certificate is wanted, no TLS at all
  proxy_failed: true, // the proxy cannot be reached, or it cannot reach the Armor host
  proxy_refused: false, // credentials, policy or certificate; or its address cannot be understood
  redirect_refused: false, // to another host, one that turns POST into GET, or one of too many
  credentials_rejected: false, // 401, or OAuth's invalid_client
  access_denied: false, // 403, or OAuth's unauthorized_client
  endpoint_not_found: false, // 404
  request_rejected: false, // 400 and every other status that no retry will change
  rate_limited: true, // 429
  server_unavailable: true, // 408 and 5xx
  reply_invalid: false, // not HTTP, or a 200 that is no token response (RFC 6749 section 5.1)
  token_expired: true, // a token was issued, and had expired before it could be used
  agent_failed: false, // the token agent did not start, or it ended
  agent_stopping: false, // the job is at its end, and the token agent takes no more calls
  internal_error: false, // a fault of the action itself
} as const satisfies Record<string, boolean>;

export type ErrorCode = keyof typeof CAN_PASS;

export const ERROR_CODES = Object.keys(CAN_PASS) as readonly ErrorCode[];

/** What an error says to the code that handles it, beside its code. */
export interface ErrorDetails {
  // How long the server asks to wait; undefined if it does not.
  readonly retryAfterMs?: number | undefined;
  readonly isPermanent?: boolean; // the token endpoint itself has refused, by an OAuth error
}

/**
 * The only error that is raised on purpose. Its message is a sentence of fact and one of remedy,
 * without a secret, a body, a header or an unquoted word of the server's.
 */
export class ArmorError extends Error {
  override readonly name = "ArmorError";
  readonly code: ErrorCode;
  readonly problem: string; // what failed, and with whom, without a full stop
  readonly remedy: string; // what to do, in sentences
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, problem: string, remedy: string, details: ErrorDetails = {}) {
    super(`${problem}. ${remedy}`);
    this.code = code;
    this.problem = problem;
    this.remedy = remedy;
    this.details = details;
  }

  get canPass(): boolean {
    return CAN_PASS[this.code];
  }

  /** The same error with one more fact behind the problem, such as how often it was tried. */
  adding(fact: string): ArmorError {
    return new ArmorError(this.code, `${this.problem}, ${fact}`, this.remedy, this.details);
  }
}

/** Turns whatever was thrown into an ArmorError. Any other error is a bug of this action. */
export function asArmorError(error: unknown): ArmorError {
  if (error instanceof ArmorError) return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const what = quote(text).replace(/\.$/, "");
  const remedy = "This is a fault of the action itself: please report this line.";
  return new ArmorError("internal_error", `Unexpected ${what}`, remedy);
}

/**
 * The text of an annotation: one line that ends with the code and the address of its documentation.
 */
export function annotationOf(code: string, message: string): string {
  return `${message} (${code}, ${TROUBLESHOOTING}#${code})`;
}

/** What helps against each reason of the file system for which something can be done. */
const FILE_REMEDIES: ReadonlyMap<string, string> = new Map([
  ["ENOSPC", "Free space on the runner's disk in a step before this one."],
  ["EDQUOT", "Raise the disk quota of the runner's user, or free space in a step before this one."],
  ["EROFS", "Mount the runner's work folder so that it can be written."],
  ["EMFILE", "Raise the runner's limit of open files (ulimit -n)."],
  ["ENFILE", "Raise the machine's limit of open files (sysctl fs.file-max)."],
  ["EFBIG", "Raise the runner's limit for the size of a file (ulimit -f)."],
  [
    "ENOENT",
    "A step has removed it, or the runner has not made it: see what cleans up RUNNER_TEMP.",
  ],
]);

/**
 * The ArmorError for an error of node:fs.
 * @param what cannot be written, as the subject of a sentence
 * @param ownerId the user id of whoever owns it; undefined if that is not known
 */
export function fileError(what: string, error: unknown, ownerId?: number): ArmorError {
  const { code, reason } = reasonOf(error as NodeJS.ErrnoException);
  const why = reason === undefined ? "for an unknown reason" : `${reason} (${code})`;
  return new ArmorError(
    "file_failed",
    `${what} cannot be written: ${why}`,
    remedyFor(code, ownerId),
  );
}

/**
 * Why the system refuses, by its code and in its words; no words if it says nothing of the kind.
 */
function reasonOf({ errno, message }: NodeJS.ErrnoException): {
  code: string;
  reason: string | undefined;
} {
  // Node has no name for it.
  if (errno === -system.errno.EDQUOT) return { code: "EDQUOT", reason: "disk quota exceeded" };
  // Node's text is `EACCES: permission denied, open '/a/path'`.
  const { code = "", reason } = /^(?<code>[A-Z\d]+): (?<reason>[^,]+)/.exec(message)?.groups ?? {};
  return { code, reason };
}

function remedyFor(code: string, ownerId: number | undefined): string {
  if (code === "EACCES" || code === "EPERM") {
    const option = ownerId === undefined ? "" : ` (options: --user ${ownerId})`;
    return `In a container job, run the container as the user who owns the runner's files${option}.`;
  }
  return (
    FILE_REMEDIES.get(code) ?? "Check the runner's disk and the folder that RUNNER_TEMP names."
  );
}
