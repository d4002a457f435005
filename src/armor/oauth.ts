import { ArmorError, type ErrorCode } from "../errors.ts";
import { quote } from "../redact.ts";
import type { ApiReply, ApiRequest } from "./http.ts";

/** The vendor's article wants the first one on session endpoints, with two double quotes as its value. */
const HEADERS = { "X-Csrf-Header": '""', Accept: "application/json", "Accept-Encoding": "identity" };

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
  const { origin } = reply.url;
  const remedy =
    "Check that api-url is the address of the Armor API, not of a web page or a proxy's sign-in.";
  const invalid = (what: string) =>
    new ArmorError("reply_invalid", `${origin} answered with ${what}`, remedy);
  const fields = parseObject(reply.body);
  if (fields === undefined) throw invalid(`${shapeOf(reply)} instead of a JSON object`);
  if (fields["error"] !== undefined) throw invalid(`an OAuth error instead of a token${saidBy(fields)}`);
  const { access_token: token, token_type: type = "Bearer", expires_in = DEFAULT_EXPIRES_IN } = fields;
  if (typeof token !== "string" || token === "") throw invalid("no access_token");
  if (!/^[\x21-\x7e]+$/.test(token))
    throw invalid("an access_token with characters that no header can carry");
  if (token.length > MAX_TOKEN_LENGTH) throw invalid("an access_token that is longer than a header can be");
  if (typeof type !== "string" || !/^bearer$/i.test(type)) throw invalid("a token_type other than Bearer");
  const expiresIn = Number(/^"?(\d+(?:\.\d+)?)"?$/.exec(JSON.stringify(expires_in))?.[1]);
  if (expiresIn > 0 && expiresIn <= MAX_SECONDS) return { accessToken: token, expiresIn };
  throw invalid("an expires_in that is no number of seconds above 0");
}

/** @throws ArmorError unless the session has ended; a session that had already ended counts as `false`. */
export function judgeTerminate(reply: ApiReply): boolean {
  if (reply.status === 401) return false;
  if (reply.status >= 200 && reply.status < 300) return true;
  throw statusError(reply);
}

const NOT_ACCEPTED = "Armor does not accept this client app";
const CHECK_APP =
  "Check that app-id and api-key are of the same client app, copied whole, that the app is enabled, " +
  "and that api-url is of its region.";
const CHECK_RIGHTS =
  "Check what the client app is permitted to do, and whether an IP allow-list covers this runner.";
const CHECK_URL = "Check api-url: it is the address of the Armor API, without a path of its own.";
const CHECK_ALL =
  "Check that api-url is the address of the Armor API, and app-id and api-key those of a client app.";
const OTHER_MINUTE = "Start the workflow at another minute, or raise timeout.";
const LATER = "Run the job again later, or raise timeout.";

/** With the statuses and the OAuth errors that mean it (RFC 6749 sections 5.2 and 4.1.2.1). */
type Rejection = readonly [code: ErrorCode, problem: string, remedy: string, ...signs: (number | string)[]];

const OTHER: Rejection = ["request_rejected", "Armor did not accept the request", CHECK_ALL];
const LIMITED: Rejection = ["rate_limited", "Armor's rate limit is reached", OTHER_MINUTE];
const DOWN: Rejection = ["server_unavailable", "Armor is not available", LATER];
const REJECTIONS: readonly Rejection[] = [
  [...DOWN, "temporarily_unavailable", "server_error"],
  ["credentials_rejected", NOT_ACCEPTED, CHECK_APP, 401, "invalid_client", "invalid_grant"],
  ["access_denied", "Armor denies access", CHECK_RIGHTS, 403, "unauthorized_client", "access_denied"],
  ["endpoint_not_found", "This is not the Armor API", CHECK_URL, 404],
  [...OTHER, "invalid_request", "invalid_scope", "unsupported_grant_type"],
];

/** By the OAuth `error` first, by the status second, with the server's own words where they help. */
function statusError(reply: ApiReply): ArmorError {
  const { url, status, body } = reply;
  const fields = parseObject(body) ?? {};
  const { error } = fields;
  const [code, problem, remedy] = rejectionOf(status, error);
  const canPass = code === "rate_limited" || code === "server_unavailable";
  const answered = `${url.origin} answered ${status}${saidBy(fields)}`;
  return new ArmorError(code, `${problem}: ${answered}`, remedy, {
    retryAfterMs: canPass ? retryAfterMs(reply) : undefined,
    isPermanent: !canPass && typeof error === "string" && [400, 401, 403].includes(status),
  });
}

function rejectionOf(status: number, error: unknown): Rejection {
  // A server that is overloaded may say anything; it is asked again.
  if (status === 429) return LIMITED;
  if (status === 408 || status >= 500) return DOWN;
  const meant = (sign: unknown) => REJECTIONS.find(([, , , ...signs]) => signs.some((one) => one === sign));
  return meant(error) ?? meant(status) ?? OTHER;
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

/** The one form of a date that servers must send (IMF-fixdate, RFC 9110 section 5.6.7). */
const IMF_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

/** In ms (RFC 9110 section 10.2.3). A date is compared with the server's own: this clock may be off. */
function retryAfterMs({ headers }: ApiReply): number | undefined {
  const value = headers["retry-after"]?.trim() ?? "";
  if (/^\d+$/.test(value)) return Math.min(Number(value), MAX_SECONDS) * 1000;
  const until = dateOf(value);
  return until === undefined ? undefined : Math.max(0, until - (dateOf(headers.date) ?? Date.now()));
}

function dateOf(text = ""): number | undefined {
  return (IMF_DATE.test(text) && Date.parse(text)) || undefined;
}
