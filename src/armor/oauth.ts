import { clock } from "../clock.ts";
import { ArmorError, type ErrorCode } from "../errors.ts";
import { quote } from "../redact.ts";
import type { ApiReply, ApiRequest } from "./http.ts";

/** The vendor's article wants the first one on session endpoints, with two double quotes as its value. */
const HEADERS = {
  "X-Csrf-Header": '""',
  Accept: "application/json",
  "Accept-Encoding": "identity",
};

const DEFAULT_EXPIRES_IN = 60; // seconds, where the reply does not say (vendor's article)
const MAX_SECONDS = 2 ** 31 - 1; // 68 years: what lies above is no time to wait or to live
const MAX_TOKEN_LENGTH = 16 * 1024; // a longer one fits into no header, and could keep post from starting

/** The access token request of RFC 6749 section 4.4.2. `apiUrl` ends without a slash. */
export function tokenRequest(apiUrl: string, basicPair: string): ApiRequest {
  return {
    url: new URL(`${apiUrl}/api/v1/iam/session/oauth2/token`),
    headers: {
      ...HEADERS,
      Authorization: `Basic ${Buffer.from(basicPair, "utf8").toString("base64")}`,
      "Content-Type": "application/x-www-form-urlencoded",
    },
    body: "grant_type=client_credentials",
  };
}

/** Ends the session that the token stands for. */
export function terminateRequest(apiUrl: string, accessToken: string): ApiRequest {
  const headers = { ...HEADERS, Authorization: `Bearer ${accessToken}` };
  return { url: new URL(`${apiUrl}/api/v1/iam/session/terminate`), headers, body: "" };
}

/** Whether the server may know the client by the other form of Basic: 401, or 400 with invalid_client. */
export function isClientUnknown({ status, body }: ApiReply): boolean {
  return status === 401 || (status === 400 && parseObject(body)?.["error"] === "invalid_client");
}

/**
 * @returns a token of visible ASCII (RFC 6750 section 2.1), and its lifetime in seconds, above 0
 * @throws ArmorError whenever the reply is not a token response (RFC 6749 section 5.1)
 */
export function judgeToken(reply: ApiReply): { accessToken: string; expiresIn: number } {
  if (reply.status !== 200) throw statusError(reply);
  const invalid = (what: string) => {
    const remedy =
      "Check that api-url is the address of the Armor API, not of a web page or a proxy's sign-in.";
    return new ArmorError("reply_invalid", `${reply.url.origin} answered with ${what}`, remedy);
  };
  const fields = parseObject(reply.body);
  if (fields === undefined) throw invalid(`${shapeOf(reply)} instead of a JSON object`);
  if (fields["error"] !== undefined)
    throw invalid(`an OAuth error instead of a token${saidBy(fields)}`);

  const accessToken = fields["access_token"];
  if (typeof accessToken !== "string" || accessToken === "") throw invalid("no access_token");
  if (!/^[\x21-\x7e]+$/.test(accessToken))
    throw invalid("an access_token with characters that no header can carry");
  if (accessToken.length > MAX_TOKEN_LENGTH)
    throw invalid("an access_token that is longer than a header can be");

  const tokenType = fields["token_type"] ?? "Bearer";
  if (typeof tokenType !== "string" || tokenType.toLowerCase() !== "bearer")
    throw invalid("a token_type other than Bearer");

  const expiresIn = parseSeconds(fields["expires_in"] ?? DEFAULT_EXPIRES_IN);
  if (expiresIn === undefined) throw invalid("an expires_in that is no number of seconds above 0");
  return { accessToken, expiresIn };
}

/** @param value a number, or one in a text as some servers send it. @returns undefined where it is neither */
function parseSeconds(value: unknown): number | undefined {
  const isNumeric =
    typeof value === "number" || (typeof value === "string" && /^\d+(\.\d+)?$/.test(value));
  const seconds = isNumeric ? Number(value) : 0;
  return seconds > 0 && seconds <= MAX_SECONDS ? seconds : undefined;
}

/** @throws ArmorError unless the session has ended; a session that had already ended counts as `false`. */
export function judgeTerminate(reply: ApiReply): boolean {
  if (reply.status === 401) return false;
  if (reply.status >= 200 && reply.status < 300) return true;
  throw statusError(reply);
}

/** What a refusal means, and what to do. */
interface Rejection {
  readonly code: ErrorCode;
  readonly problem: string;
  readonly remedy: string;
}

const CREDENTIALS: Rejection = {
  code: "credentials_rejected",
  problem: "Armor does not accept this client app",
  remedy:
    "Check that app-id and api-key are of the same client app, copied whole, that the app is enabled, " +
    "and that api-url is of its region.",
};
const DENIED: Rejection = {
  code: "access_denied",
  problem: "Armor denies access",
  remedy:
    "Check what the client app is permitted to do, and whether an IP allow-list covers this runner.",
};
const NOT_FOUND: Rejection = {
  code: "endpoint_not_found",
  problem: "This is not the Armor API",
  remedy: "Check api-url: it is the address of the Armor API, without a path of its own.",
};
const REJECTED: Rejection = {
  code: "request_rejected",
  problem: "Armor did not accept the request",
  remedy:
    "Check that api-url is the address of the Armor API, and app-id and api-key those of a client app.",
};
const LIMITED: Rejection = {
  code: "rate_limited",
  problem: "Armor's rate limit is reached",
  remedy: "Start the workflow at another minute, or raise timeout.",
};
const UNAVAILABLE: Rejection = {
  code: "server_unavailable",
  problem: "Armor is not available",
  remedy: "Run the job again later, or raise timeout.",
};

/** RFC 6749 sections 5.2 and 4.1.2.1. */
const BY_OAUTH_ERROR: ReadonlyMap<unknown, Rejection> = new Map([
  ["invalid_client", CREDENTIALS],
  ["invalid_grant", CREDENTIALS],
  ["unauthorized_client", DENIED],
  ["access_denied", DENIED],
  ["invalid_request", REJECTED],
  ["invalid_scope", REJECTED],
  ["unsupported_grant_type", REJECTED],
  ["server_error", UNAVAILABLE],
  ["temporarily_unavailable", UNAVAILABLE],
]);

const BY_STATUS: ReadonlyMap<number, Rejection> = new Map([
  [401, CREDENTIALS],
  [403, DENIED],
  [404, NOT_FOUND],
]);

function rejectionOf(status: number, oauthError: unknown): Rejection {
  // A server that is overloaded may say anything, so these statuses count whatever the body says.
  if (status === 429) return LIMITED;
  if (status === 408 || status >= 500) return UNAVAILABLE;
  return BY_OAUTH_ERROR.get(oauthError) ?? BY_STATUS.get(status) ?? REJECTED;
}

/** The error for a reply whose status says no, with the server's own words where they help. */
function statusError(reply: ApiReply): ArmorError {
  const { url, status, body } = reply;
  const fields = parseObject(body) ?? {};
  const { code, problem, remedy } = rejectionOf(status, fields["error"]);
  const canPass = code === "rate_limited" || code === "server_unavailable";
  // Without an OAuth error, the answer may be that of a proxy or load balancer, which may think again.
  const isFromTokenEndpoint =
    typeof fields["error"] === "string" && [400, 401, 403].includes(status);
  return new ArmorError(
    code,
    `${problem}: ${url.origin} answered ${status}${saidBy(fields)}`,
    remedy,
    {
      retryAfterMs: canPass ? retryAfterMs(reply) : undefined,
      isPermanent: !canPass && isFromTokenEndpoint,
    },
  );
}

type Fields = Readonly<Record<string, unknown>>;

/** A JSON object without its members that are null; a byte order mark is dropped. */
function parseObject(body: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(body.replace(/^\uFEFF/, ""));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null));
  } catch {
    return undefined;
  }
}

function shapeOf({ headers, body }: ApiReply): string {
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity" || body.startsWith("\x1f")) return "a compressed reply";
  return body.trimStart().startsWith("<") ? "a web page" : "something else";
}

/** `error` and `error_description`, fit to print; not beside a token, which has no mask yet. */
function saidBy({ access_token, error, error_description }: Fields): string {
  if (access_token !== undefined) return "";
  const said = typeof error === "string" ? ` ${quote(error)}` : "";
  return typeof error_description === "string" ? `${said} ("${quote(error_description)}")` : said;
}

/**
 * @returns how long the server asks to wait (RFC 9110 section 10.2.3). A date is compared with the server's
 * own `Date`, because the clock of this machine may be off.
 */
function retryAfterMs({ headers }: ApiReply): number | undefined {
  const value = headers["retry-after"]?.trim() ?? "";
  if (/^\d+$/.test(value)) return Math.min(Number(value), MAX_SECONDS) * 1000;
  const until = parseHttpDate(value);
  if (until === undefined) return undefined;
  const serverNow = parseHttpDate(headers.date) ?? clock.date();
  return Math.max(0, until - serverNow);
}

/** The one form of a date that servers must send (IMF-fixdate, RFC 9110 section 5.6.7). */
const IMF_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

/** @returns ms since the epoch */
function parseHttpDate(text: string | undefined): number | undefined {
  if (text === undefined || !IMF_DATE.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
