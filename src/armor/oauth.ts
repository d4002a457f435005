import { ArmorError, type ErrorCode } from "../errors.ts";
import type { Quote } from "../redact.ts";
import type { ApiReply, ApiRequest } from "./http.ts";

/** A token response that has been checked (RFC 6749 section 5.1). */
export interface TokenResponse {
  /** Visible ASCII without spaces, as RFC 6750 section 2.1 wants it in a header. */
  readonly accessToken: string;
  /** Seconds, above 0. */
  readonly expiresIn: number;
}

const TOKEN_PATH = "/api/v1/iam/session/oauth2/token";
const TERMINATE_PATH = "/api/v1/iam/session/terminate";

/** Armor wants this header on its session endpoints, with two double quotes as its value (vendor's article). */
const CSRF_HEADER = { "X-Csrf-Header": '""' } as const;

/** Seconds that a token lives where the reply does not say so (vendor's article). */
const DEFAULT_EXPIRES_IN = 60;
/** 68 years. What lies above is no lifetime, and would leave the range of dates. */
const MAX_EXPIRES_IN = 2 ** 31 - 1;
/** A longer one fits into no header, and as state it could keep the post step from starting. */
const MAX_TOKEN_LENGTH = 16 * 1024;

/** The access token request of RFC 6749 section 4.4.2. `apiUrl` ends without a slash. */
export function tokenRequest(apiUrl: string, basicPair: string): ApiRequest {
  return {
    method: "POST",
    url: new URL(apiUrl + TOKEN_PATH),
    headers: {
      ...CSRF_HEADER,
      Accept: "application/json",
      "Accept-Encoding": "identity",
      Authorization: `Basic ${Buffer.from(basicPair, "utf8").toString("base64")}`,
      "Content-Type": "application/x-www-form-urlencoded",
    },
    body: "grant_type=client_credentials",
  };
}

/** Ends the session that the token stands for. */
export function terminateRequest(apiUrl: string, accessToken: string): ApiRequest {
  return {
    method: "POST",
    url: new URL(apiUrl + TERMINATE_PATH),
    headers: { ...CSRF_HEADER, Accept: "application/json", Authorization: `Bearer ${accessToken}` },
    body: "",
  };
}

/** Whether the server may know the client by the other form of Basic: 401, or 400 with invalid_client. */
export function isClientUnknown({ status, body }: ApiReply): boolean {
  return status === 401 || (status === 400 && parseObject(body)?.["error"] === "invalid_client");
}

/** @throws ArmorError whenever the reply is not a token response. */
export function judgeToken(reply: ApiReply, quote: Quote): TokenResponse {
  if (reply.status !== 200) throw statusError(reply, quote);
  const fields = parseObject(reply.body);
  if (fields === undefined) throw invalidReply(reply, `${shapeOf(reply)} instead of a JSON object`);
  if (fields["error"] !== undefined) {
    throw invalidReply(reply, `an OAuth error instead of a token ${saidBy(fields, quote)}`.trimEnd());
  }
  return {
    accessToken: accessTokenOf(fields, reply),
    expiresIn: expiresInOf(fields, reply),
  };
}

function shapeOf({ headers, body }: ApiReply): string {
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity" || body.startsWith("\x1f")) return "a compressed reply";
  return body.trimStart().startsWith("<") ? "a web page" : "something else";
}

function accessTokenOf(fields: Fields, reply: ApiReply): string {
  const token = fields["access_token"];
  if (typeof token !== "string" || token === "") throw invalidReply(reply, "no access_token");
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw invalidReply(reply, "an access_token with characters that no header can carry");
  }
  if (token.length > MAX_TOKEN_LENGTH) {
    throw invalidReply(reply, "an access_token that is longer than a header can be");
  }
  const type = fields["token_type"];
  if (type !== undefined && (typeof type !== "string" || type.toLowerCase() !== "bearer")) {
    throw invalidReply(reply, "a token_type other than Bearer");
  }
  return token;
}

function expiresInOf(fields: Fields, reply: ApiReply): number {
  const value = fields["expires_in"] ?? DEFAULT_EXPIRES_IN;
  const isNumeric = typeof value === "string" && /^\d+(\.\d+)?$/.test(value);
  const seconds = typeof value === "number" ? value : isNumeric ? Number(value) : Number.NaN;
  if (seconds > 0 && seconds <= MAX_EXPIRES_IN) return seconds;
  throw invalidReply(reply, "an expires_in that is no number of seconds above 0");
}

/** @throws ArmorError unless the session has ended; a session that had already ended counts as `false`. */
export function judgeTerminate(reply: ApiReply, quote: Quote): boolean {
  if (reply.status === 401) return false;
  if (reply.status >= 200 && reply.status < 300) return true;
  throw statusError(reply, quote);
}

/** What an OAuth `error` means (RFC 6749 section 5.2, and 4.1.2.1 for the last two); others go by the status. */
const BY_OAUTH_ERROR: Readonly<Record<string, ErrorCode>> = {
  invalid_client: "credentials_rejected",
  invalid_grant: "credentials_rejected",
  unauthorized_client: "access_denied",
  access_denied: "access_denied",
  invalid_request: "request_rejected",
  invalid_scope: "request_rejected",
  unsupported_grant_type: "request_rejected",
  temporarily_unavailable: "server_unavailable",
  server_error: "server_unavailable",
};

/** What failed and what to do, by code. */
const TEXTS = {
  credentials_rejected: [
    "Armor does not accept this client app",
    "Check that app-id and api-key are of the same client app, copied whole, that the app is enabled, and that api-url is of its region.",
  ],
  access_denied: [
    "Armor denies access",
    "Check what the client app is permitted to do, and whether a firewall or an IP allow-list covers this runner.",
  ],
  endpoint_not_found: [
    "This is not the Armor API",
    "Check api-url: it is the address of the Armor API, without a path of its own.",
  ],
  rate_limited: ["Armor's rate limit is reached", "Start the workflow at another minute, or raise timeout."],
  server_unavailable: ["Armor is not available", "Run the job again later, or raise timeout."],
  request_rejected: [
    "Armor did not accept the request",
    "Check that api-url is the address of the Armor API, and app-id and api-key those of a client app.",
  ],
} as const satisfies Partial<Record<ErrorCode, readonly [string, string]>>;

/** By the OAuth `error` first, by the status second, with the server's own words where they help. */
function statusError(reply: ApiReply, quote: Quote): ArmorError {
  const fields = parseObject(reply.body) ?? {};
  const said = saidBy(fields, quote);
  const oauthError = typeof fields["error"] === "string" ? fields["error"] : undefined;
  const code = codeOf(reply.status, oauthError) as keyof typeof TEXTS;
  const [problem, remedy] = TEXTS[code];
  const answered = `${reply.url.origin} answered ${reply.status}${said === "" ? "" : ` ${said}`}`;
  return new ArmorError(code, `${problem}: ${answered}`, remedy, {
    retryAfterMs: code === "rate_limited" || code === "server_unavailable" ? retryAfterMs(reply) : undefined,
    isPermanent: [400, 401, 403].includes(reply.status) && oauthError !== undefined,
  });
}

function codeOf(status: number, oauthError = ""): ErrorCode {
  if (status === 429) return "rate_limited";
  if (status === 408 || status >= 500) return "server_unavailable";
  const code = Object.hasOwn(BY_OAUTH_ERROR, oauthError) ? BY_OAUTH_ERROR[oauthError] : undefined;
  if (code !== undefined) return code;
  if (status === 401) return "credentials_rejected";
  if (status === 403) return "access_denied";
  return status === 404 ? "endpoint_not_found" : "request_rejected";
}

function invalidReply(reply: ApiReply, what: string): ArmorError {
  return new ArmorError(
    "reply_invalid",
    `${reply.url.origin} answered with ${what}`,
    "Check that api-url is the address of the Armor API, not of a web page or of a proxy's sign-in.",
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

/**
 * `error` and `error_description` (RFC 6749 section 5.2), fit to print; empty where there are none, and where a
 * token stands beside them, which the words could repeat before it has a mask.
 */
function saidBy(fields: Fields, quote: Quote): string {
  if (fields["access_token"] !== undefined) return "";
  const [code, description] = [fields["error"], fields["error_description"]].map((value) =>
    typeof value === "string" ? quote(value) : "",
  );
  return [code, description && `("${description}")`].filter(Boolean).join(" ");
}

/** The one form of a date that servers must send (IMF-fixdate, RFC 9110 section 5.6.7). */
const IMF_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

/**
 * `Retry-After` in ms, from seconds or from a date (RFC 9110 section 10.2.3); undefined for anything else. A date is
 * measured against the server's own `Date`, so that a runner whose clock is off waits just as long.
 */
function retryAfterMs(reply: ApiReply): number | undefined {
  const value = reply.headers["retry-after"]?.trim() ?? "";
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const until = dateOf(value);
  if (until === undefined) return undefined;
  return Math.max(0, until - (dateOf(reply.headers["date"] ?? "") ?? reply.receivedAt));
}

function dateOf(text: string): number | undefined {
  const ms = IMF_DATE.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
