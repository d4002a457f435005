// Owns the protocol: what to ask Armor for, and how to judge what it answers. Pure: no I/O, no clock.

import { ArmorError } from "./errors.ts";
import type { ApiReply, ApiRequest } from "./http.ts";
import type { Quote } from "./quote.ts";

/** The client app's identifier and secret: `client_id` and `client_secret` of RFC 6749 section 2.3.1. */
export interface Credentials {
  readonly appId: string;
  readonly apiKey: string;
}

/** A token response that has been checked (RFC 6749 section 5.1). */
export interface TokenResponse {
  /** Visible ASCII without spaces, as RFC 6750 section 2.1 wants it in a header. */
  readonly accessToken: string;
  /** Seconds, above 0. */
  readonly expiresIn: number;
}

const TOKEN_PATH = "/api/v1/iam/session/oauth2/token";
const TERMINATE_PATH = "/api/v1/iam/session/terminate";

/** Armor wants this header on its session endpoints, holding two double quotes (vendor's article). */
const CSRF_HEADER = { "X-Csrf-Header": '""' } as const;

/** Seconds that a token lives where the reply does not say so (vendor's article). */
const DEFAULT_EXPIRES_IN = 60;

/** 68 years. What lies above is no lifetime, and would leave the range of dates. */
const MAX_EXPIRES_IN = 2 ** 31 - 1;

/** application/x-www-form-urlencoded, as RFC 6749 appendix B defines it. */
export function formEncode(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}

/**
 * The pairs to try in HTTP Basic, in this order: form-encoded first (RFC 6749 section 2.3.1, vendor's OpenAPI
 * text), then as the vendor's article joins them. One pair where both are the same, or where a colon in the
 * app id would make the raw pair mean another client.
 */
export function basicPairs({ appId, apiKey }: Credentials): [encoded: string, ...raw: string[]] {
  const encoded = `${formEncode(appId)}:${formEncode(apiKey)}`;
  const raw = `${appId}:${apiKey}`;
  return raw === encoded || appId.includes(":") ? [encoded] : [encoded, raw];
}

/** The access token request of RFC 6749 section 4.4.2. `apiUrl` ends without a slash. */
export function tokenRequest(apiUrl: string, basicPair: string): ApiRequest {
  return {
    method: "POST",
    url: new URL(apiUrl + TOKEN_PATH),
    headers: {
      ...CSRF_HEADER,
      Accept: "application/json",
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

/** @throws ArmorError whenever the reply is not a token response. */
export function judgeToken(reply: ApiReply, quote: Quote): TokenResponse {
  if (reply.status !== 200) throw statusError(reply, quote);
  const fields = parseObject(reply.body);
  if (fields === undefined) {
    const what = reply.body.trimStart().startsWith("<") ? "a web page" : "something else";
    throw invalidReply(reply, `${what} instead of a JSON object`);
  }
  if (fields["error"] !== undefined && fields["error"] !== null) {
    throw invalidReply(reply, `an OAuth error instead of a token ${saidBy(fields, quote)}`.trimEnd());
  }
  return {
    accessToken: accessTokenOf(fields, reply),
    expiresIn: expiresInOf(fields, reply),
  };
}

function accessTokenOf(fields: Fields, reply: ApiReply): string {
  const token = fields["access_token"];
  if (typeof token !== "string" || token === "") throw invalidReply(reply, "no access_token");
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw invalidReply(reply, "an access_token with characters that no header can carry");
  }
  const type = fields["token_type"];
  if (type !== undefined && (typeof type !== "string" || type.toLowerCase() !== "bearer")) {
    throw invalidReply(reply, "a token_type other than Bearer");
  }
  return token;
}

function expiresInOf(fields: Fields, reply: ApiReply): number {
  const value = fields["expires_in"] === undefined ? DEFAULT_EXPIRES_IN : fields["expires_in"];
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

/** How a reply that is no success reads to the user: by status, with the server's own words where they help. */
function statusError(reply: ApiReply, quote: Quote): ArmorError {
  const fields = parseObject(reply.body);
  const said = fields === undefined ? "" : saidBy(fields, quote);
  const answered = `${reply.url.origin} answered ${reply.status}${said === "" ? "" : ` ${said}`}`;
  const wait = retryAfterMs(reply);
  switch (reply.status) {
    case 401:
      return new ArmorError(
        "credentials_rejected",
        `Armor does not accept this client app: ${answered}`,
        "Check that app-id and api-key are of the same client app, copied whole, and that the app is enabled.",
      );
    case 403:
      return new ArmorError(
        "access_denied",
        `Armor denies access: ${answered}`,
        "Check the client app's permissions, and whether a firewall or an IP allow-list covers this runner.",
      );
    case 404:
      return new ArmorError(
        "endpoint_not_found",
        `This is not the Armor API: ${answered}`,
        "Check api-url: it is the address of the Armor API, without a path of its own.",
      );
    case 429:
      return new ArmorError(
        "rate_limited",
        `Armor limits how often it is asked: ${answered}`,
        "Start the workflow at another minute, or raise timeout.",
        wait,
      );
    default:
      return reply.status === 408 || reply.status >= 500
        ? new ArmorError(
            "server_unavailable",
            `Armor is not available: ${answered}`,
            "Run the job again later, or raise timeout.",
            wait,
          )
        : new ArmorError(
            "request_rejected",
            `Armor did not issue a token: ${answered}`,
            "Check that api-url is the address of the Armor API, and app-id and api-key those of a client app.",
          );
  }
}

function invalidReply(reply: ApiReply, what: string): ArmorError {
  return new ArmorError(
    "reply_invalid",
    `${reply.url.origin} answered with ${what}`,
    "Check that api-url is the address of the Armor API, not of a web page or of a proxy's sign-in.",
  );
}

type Fields = Readonly<Record<string, unknown>>;

function parseObject(body: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : undefined;
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

/**
 * `Retry-After` in ms, from seconds or from a date (RFC 9110 section 10.2.3). A date is measured against the
 * server's own `Date`, so that a runner whose clock is off waits just as long.
 */
function retryAfterMs(reply: ApiReply): number | undefined {
  const value = reply.headers["retry-after"]?.trim();
  if (value === undefined || value === "") return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const until = Date.parse(value);
  if (Number.isNaN(until)) return undefined;
  const serverTime = Date.parse(reply.headers["date"] ?? "");
  return Math.max(0, until - (Number.isNaN(serverTime) ? reply.receivedAt : serverTime));
}
