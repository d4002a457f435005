/** Where the documentation of this version lies. The owner's name stands here and in package.json. */
export const REPOSITORY = "https://github.com/org/armor-token-action";
const TROUBLESHOOTING = `${REPOSITORY}/blob/v1/docs/troubleshooting.md`;

/** Every failure that a user can meet, and whether trying again can help. */
const CAN_PASS = {
  /** An input is missing, malformed or out of range. */
  input_invalid: false,
  /** The process was not started as a runner starts an action, or its Node lacks a feature. */
  runner_unsupported: false,
  /** A file or folder of the runner cannot be written: permissions, a full disk, a read-only file system. */
  file_failed: false,
  /** The job was cancelled. */
  cancelled: false,
  /** DNS does not know the name of the Armor host. */
  host_unknown: false,
  /** DNS does not answer. */
  dns_failed: true,
  /** No connection, or it broke before a reply began. */
  connection_failed: true,
  /** The reply began and broke off. */
  reply_incomplete: true,
  /** No complete reply in the time that one attempt has. */
  reply_timeout: true,
  /** The certificate of the Armor host is untrusted, expired or for another name. */
  certificate_rejected: false,
  /** TLS failed for another reason: no common version, a client certificate is wanted, no TLS at all. */
  tls_failed: false,
  /** The proxy cannot be reached, or it cannot reach the Armor host. */
  proxy_failed: true,
  /** The proxy refuses: credentials, policy or certificate; or its address cannot be understood. */
  proxy_refused: false,
  /** A redirect that would carry the credentials to another host, turns POST into GET, or never ends. */
  redirect_refused: false,
  /** 401, or OAuth's invalid_client: the pair of app-id and api-key is not accepted. */
  credentials_rejected: false,
  /** 403, or OAuth's unauthorized_client. */
  access_denied: false,
  /** 404 */
  endpoint_not_found: false,
  /** 400 and every other status that no retry will change. */
  request_rejected: false,
  /** 429 */
  rate_limited: true,
  /** 408 and 5xx */
  server_unavailable: true,
  /** A reply that is not HTTP, or a 200 that is no token response (RFC 6749 section 5.1). */
  reply_invalid: false,
  /** A token was issued, and had expired before it could be used. */
  token_expired: true,
  /** The token agent did not start, or it ended. */
  agent_failed: false,
  /** The job is at its end, and the token agent takes no more calls. */
  agent_stopping: false,
  /** A fault of the action itself. */
  internal_error: false,
} as const satisfies Record<string, boolean>;

export type ErrorCode = keyof typeof CAN_PASS;

export const ERROR_CODES = Object.keys(CAN_PASS) as readonly ErrorCode[];

export interface ErrorDetails {
  /** How long the server asked to wait, in ms, where it asked. */
  readonly retryAfterMs?: number | undefined;
  /** The token endpoint itself said so in an OAuth error: asking again soon will not help. */
  readonly isPermanent?: boolean;
}

/**
 * The only error that is raised on purpose. Its message is a sentence of fact and one of remedy: it never holds a
 * secret, a body, a header or an unquoted word of the server's.
 */
export class ArmorError extends Error {
  override readonly name = "ArmorError";
  readonly code: ErrorCode;
  readonly problem: string;
  readonly remedy: string;
  readonly details: ErrorDetails;

  /**
   * @param problem what failed, and with whom; no full stop at its end
   * @param remedy what to do; one or more whole sentences
   */
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

/** Anything that was thrown as an ArmorError. What is none is a fault of the action, and is called one. */
export function asArmorError(error: unknown, quote: (text: string) => string): ArmorError {
  if (error instanceof ArmorError) return error;
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new ArmorError(
    "internal_error",
    `Unexpected ${quote(what)}`,
    "This is a fault of the action itself: please report this line.",
  );
}

/** The text of an annotation: one line that ends with the code and the address of its documentation. */
export function annotationOf(code: string, message: string): string {
  return `${message} (${code}, ${TROUBLESHOOTING}#${code})`;
}

const FILE_REASONS: Readonly<Record<string, string>> = {
  EACCES: "this user may not write there (EACCES)",
  EPERM: "this user may not write there (EPERM)",
  EROFS: "the file system is read-only (EROFS)",
  ENOSPC: "the disk is full (ENOSPC)",
  EDQUOT: "the disk quota is used up (EDQUOT)",
  ENOENT: "it does not exist (ENOENT)",
  ENOTDIR: "a part of its path is not a folder (ENOTDIR)",
  EISDIR: "it is a folder (EISDIR)",
};

/** An ArmorError file_failed that says why, for an error of node:fs. */
export function fileError(what: string, error: unknown): ArmorError {
  const { code = "" } = error as NodeJS.ErrnoException;
  const reason = FILE_REASONS[code] ?? `the system says ${/^\w+$/.test(code) ? code : "no more"}`;
  const remedy =
    code === "EACCES" || code === "EPERM"
      ? "In a container job, run the container as the user who owns the runner's files, for instance with options: --user."
      : "Check the runner's disk and the folder that RUNNER_TEMP names.";
  return new ArmorError("file_failed", `${what} cannot be written: ${reason}`, remedy);
}
