// Owns what can go wrong: one error class, a closed list of codes, and which of them can pass by themselves.

/**
 * Every failure that a user can meet, and whether trying again can help.
 * `docs` and tests key on these names; the annotation shows the sentence, not the code.
 */
const CAN_PASS = {
  /** An input is missing, malformed or out of range. */
  input_invalid: false,
  /** The process was not started the way a runner starts an action, or its Node lacks a feature. */
  runner_unsupported: false,
  /** The name of the Armor host does not resolve. */
  host_unknown: false,
  /** Nobody listens, or the connection broke before a reply began. */
  connection_failed: true,
  /** The reply began and broke off. */
  reply_incomplete: true,
  /** No complete reply in the time that one attempt has. */
  reply_timeout: true,
  /** The certificate of the Armor host is untrusted, expired or for another name. */
  certificate_rejected: false,
  /** The peer does not speak TLS that Node accepts. */
  tls_failed: false,
  /** The proxy, or its way to the Armor host, is down. */
  proxy_failed: true,
  /** The proxy refuses: credentials, policy, or its address is unusable. */
  proxy_refused: false,
  /** A redirect that would carry the credentials elsewhere, turns POST into GET, or never ends. */
  redirect_refused: false,
  /** 401: the pair of app-id and api-key is not accepted. */
  credentials_rejected: false,
  /** 403 */
  access_denied: false,
  /** 404 */
  endpoint_not_found: false,
  /** 400 and every other status that no retry will change. */
  request_rejected: false,
  /** 429 */
  rate_limited: true,
  /** 408 and 5xx */
  server_unavailable: true,
  /** A 200 whose body is no token response (RFC 6749 section 5.1). */
  reply_invalid: false,
  /** A token was issued, and dead before it could be used. */
  token_expired: true,
  /** The token agent did not start, or said why it could not. */
  agent_failed: false,
} as const satisfies Record<string, boolean>;

export type ErrorCode = keyof typeof CAN_PASS;

export const ERROR_CODES = Object.keys(CAN_PASS) as readonly ErrorCode[];

/**
 * The only error that is raised on purpose. Its message is one sentence of fact and one of remedy, made for
 * the annotation: it never holds a secret, a body, a header or an unquoted word of the server's.
 */
export class ArmorError extends Error {
  override readonly name = "ArmorError";
  readonly code: ErrorCode;
  readonly problem: string;
  readonly remedy: string;
  readonly retryAfterMs: number | undefined;

  /**
   * @param problem what failed, and with whom; no full stop at its end
   * @param remedy what to do; one or more whole sentences
   * @param retryAfterMs how long the server asked to be left alone, in ms, where it asked
   */
  constructor(code: ErrorCode, problem: string, remedy: string, retryAfterMs?: number) {
    super(`${problem}. ${remedy}`);
    this.code = code;
    this.problem = problem;
    this.remedy = remedy;
    this.retryAfterMs = retryAfterMs;
  }

  get canPass(): boolean {
    return CAN_PASS[this.code];
  }

  /** The same error with one more fact behind the problem, such as how often it was tried. */
  adding(fact: string): ArmorError {
    return new ArmorError(this.code, `${this.problem}, ${fact}`, this.remedy, this.retryAfterMs);
  }
}

/** One line for anything that was thrown. What is no ArmorError is a fault of the action, and says so. */
export function messageOf(error: unknown, quote: (text: string) => string): string {
  if (error instanceof ArmorError) return error.message;
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return `Unexpected ${quote(what)}. This is a fault of the action itself: please report this line.`;
}
