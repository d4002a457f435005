import { clock } from "../clock.ts";
import { ArmorError, type ErrorCode } from "../errors.ts";
import { printable, quote } from "../redact.ts";
import { type Fields, parseObject } from "./body.ts";
import type { ApiReply } from "./http.ts";

/** 68 years in seconds: whatever lies above is no time to wait or to live. */
export const MAX_SECONDS = 2 ** 31 - 1;

/** What a refusal means, and what to do. */
interface Rejection {
  readonly code: ErrorCode;
  readonly problem: string; // without a full stop
  readonly remedy: string; // in sentences
}

const CREDENTIALS: Rejection = {
  code: "credentials_rejected",
  problem: "Armor does not accept this client app",
  remedy:
    "Check that app-id and api-key are of the same client app and were copied whole, that the app " +
    "is enabled, and that api-url is the address of its region: no other region knows the app.",
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
  remedy:
    "Check api-url: it must be the address of the Armor API, not of a web page, and usually has no path.",
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
  remedy: "Start the workflow at another minute, not at the full hour, or raise timeout.",
};
const UNAVAILABLE: Rejection = {
  code: "server_unavailable",
  problem: "Armor is not available",
  remedy: "Run the job again later, or raise timeout.",
};

/** The error codes of RFC 6749 sections 5.2 and 4.1.2.1. */
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
  [403, DENIED],
  [404, NOT_FOUND],
]);

/** With these, an OAuth error is the token endpoint's own and final word (RFC 6749 section 5.2). */
const FINAL_STATUS: ReadonlySet<number> = new Set([400, 401, 403]);

/**
 * What a refusal means: by the status if it leaves no doubt, else by the OAuth error, else by the
 * status.
 */
function rejectionOf(status: number, oauthError: unknown): Rejection {
  // A server that is overloaded may say anything, so these statuses count whatever the body says.
  if (status === 429) return LIMITED;
  if (status === 408 || status >= 500) return UNAVAILABLE;
  // 401 means that the client is not known (RFC 6749 section 5.2). Servers put other codes beside
  // it, too: Keycloak and Armor's own OpenAPI document have unauthorized_client.
  if (status === 401) return CREDENTIALS;
  return BY_OAUTH_ERROR.get(oauthError) ?? BY_STATUS.get(status) ?? REJECTED;
}

/**
 * The error for a reply to a token request that says no, with the server's own words where they
 * help.
 */
export function tokenRefusal(reply: ApiReply): ArmorError {
  const { url, status, body } = reply;
  const fields = parseObject(body) ?? {};
  const { code, problem, remedy } = rejectionOf(status, fields["error"]);
  const canPass = code === "rate_limited" || code === "server_unavailable";
  // Without an OAuth error, the answer may be that of a proxy or load balancer, which may think
  // again.
  const isFromTokenEndpoint = typeof fields["error"] === "string" && FINAL_STATUS.has(status);
  return new ArmorError(
    code,
    `${problem}: ${printable(url.origin)} answered ${status}${saidBy(fields)}`,
    remedy,
    {
      retryAfterMs: canPass ? retryAfterMs(reply) : undefined,
      isPermanent: !canPass && isFromTokenEndpoint,
    },
  );
}

/**
 * The error for a reply that did not end a session. Its problem is a phrase such as `Armor answered
 * 503`, and its remedy is none of the exchange's: nobody can do anything about it, and nobody has
 * to.
 */
export function terminateRefusal(reply: ApiReply): ArmorError {
  const { status, body } = reply;
  const fields = parseObject(body) ?? {};
  const { code } = rejectionOf(status, fields["error"]);
  const problem = `Armor answered ${status}${saidBy(fields)}`;
  return new ArmorError(code, problem, SESSION_ENDS, { retryAfterMs: retryAfterMs(reply) });
}

/** What there is to say of a session that could not be ended. */
export const SESSION_ENDS = "The session ends by itself when its token expires.";

/** Such as ` 401 invalid_client`: the answer alone, for a text that tells another error. */
export function answerOf({ status, body }: ApiReply): string {
  return `${status}${saidBy(parseObject(body) ?? {})}`;
}

/**
 * The server's own words, fit to print: `error`, and `error_description` in quotation marks.
 * Servers that are no OAuth servers, and gateways before them, say it elsewhere (`wordsIn`).
 * Nothing is repeated that came beside a token, which has no mask yet.
 */
export function saidBy(fields: Fields): string {
  if (fields["access_token"] !== undefined) return "";
  const { error } = fields;
  const words = wordsIn(fields);
  const code = isWords(error) ? ` ${quote(error)}` : "";
  return words === undefined ? code : `${code} ("${quote(words)}")`;
}

/** Where servers put their words. */
const WORDS: readonly string[] = [
  "error_description", // RFC 6749 section 5.2
  "message",
  "Message", // ASP.NET
  "detail", // RFC 9457, as the next one
  "title",
  "faultstring", // Apigee, inside `fault`
];

/** Some servers put them into an object of its own, or into the first one of a list. */
function wordsIn(fields: Fields): string | undefined {
  const { error, errors, fault } = fields;
  const places = [fields, error, errors, fault].map((it) => (Array.isArray(it) ? it[0] : it));
  const candidates = places.flatMap((place) => WORDS.map((name) => Object(place)[name]));
  return candidates.find(isWords);
}

function isWords(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

/**
 * How long the server asks to wait (RFC 9110 section 10.2.3), in ms; undefined if it does not ask.
 * A date is compared with the server's own `Date`, because the clock of this machine may be off.
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

/** A date in ms since the epoch; undefined if it is not in the form that servers must send. */
function parseHttpDate(text: string | undefined): number | undefined {
  if (text === undefined || !IMF_DATE.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
