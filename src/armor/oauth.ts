import { ArmorError } from "../errors.ts";
import { printable, tokenFault } from "../redact.ts";
import { type Fields, parseObject, shapeOf } from "./body.ts";
import type { ApiReply, ApiRequest } from "./http.ts";
import { MAX_SECONDS, saidBy, terminateRefusal, tokenRefusal } from "./refusal.ts";

/**
 * The vendor's article wants the first one on session endpoints, with two double quotes as its
 * value.
 */
const HEADERS = {
  "X-Csrf-Header": '""',
  Accept: "application/json",
  "Accept-Encoding": "identity",
};

const DEFAULT_EXPIRES_IN = 60; // seconds, if the reply does not say it (vendor's article)

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

/** The request that ends the session of which the token is. `apiUrl` ends without a slash. */
export function terminateRequest(apiUrl: string, accessToken: string): ApiRequest {
  const headers = { ...HEADERS, Authorization: `Bearer ${accessToken}` };
  return { url: new URL(`${apiUrl}/api/v1/iam/session/terminate`), headers, body: "" };
}

/**
 * Whether the server may know the client by the other form of Basic: 401, or 400 with
 * invalid_client.
 */
export function isClientUnknown({ status, body }: ApiReply): boolean {
  if (status === 401) return true;
  return status === 400 && parseObject(body)?.["error"] === "invalid_client";
}

/** What a token response grants. */
export interface Grant {
  readonly accessToken: string; // passes `isToken`
  readonly expiresIn: number; // its lifetime in seconds, above 0, as the server said
}

/**
 * Gives what a token response grants (RFC 6749 section 5.1). Every value is checked for its type
 * before it is used or printed.
 * @throws ArmorError if the reply is an error, or no token response at all
 */
export function judgeToken(reply: ApiReply): Grant {
  if (reply.status !== 200) throw tokenRefusal(reply);
  const fields = parseObject(reply.body);
  if (fields === undefined) throw invalid(reply, `${shapeOf(reply)} instead of a JSON object`);
  // Some servers send their errors with 200. The error is told as what it is, unless a token is
  // beside it.
  if (isErrorAlone(fields)) throw tokenRefusal(reply);
  if (fields["error"] !== undefined)
    throw invalid(reply, `an OAuth error instead of a token${saidBy(fields)}`);

  const accessToken = fields["access_token"];
  if (typeof accessToken !== "string" || accessToken === "")
    throw invalid(reply, "no access_token");
  const fault = tokenFault(accessToken);
  if (fault !== undefined) throw invalid(reply, `an access_token ${fault}`);

  const tokenType = fields["token_type"] ?? "Bearer";
  if (typeof tokenType !== "string" || tokenType.toLowerCase() !== "bearer")
    throw invalid(reply, "a token_type other than Bearer");

  const expiresIn = parseSeconds(fields["expires_in"] ?? DEFAULT_EXPIRES_IN);
  if (expiresIn === undefined)
    throw invalid(reply, "an expires_in that is no number of seconds above 0");
  return { accessToken, expiresIn };
}

function isErrorAlone({ error, access_token }: Fields): boolean {
  return typeof error === "string" && error !== "" && access_token === undefined;
}

/** @param what was answered in place of a token response */
function invalid({ url }: ApiReply, what: string): ArmorError {
  const remedy =
    "Check that api-url is the address of the Armor API, not of a web page or a proxy's sign-in.";
  const problem = `${printable(url.origin)} answered with ${what}`;
  return new ArmorError("reply_invalid", problem, remedy);
}

/** Takes a number, or one in a text as some servers send it. Undefined for everything else. */
function parseSeconds(value: unknown): number | undefined {
  const isNumeric =
    typeof value === "number" || (typeof value === "string" && /^\d+(\.\d+)?$/.test(value));
  const seconds = isNumeric ? Number(value) : 0;
  return seconds > 0 && seconds <= MAX_SECONDS ? seconds : undefined;
}

/**
 * Whether there still was a session, which has ended now. A 401 means that it was over before.
 * @throws ArmorError if the session may go on
 */
export function judgeTerminate(reply: ApiReply): boolean {
  if (reply.status === 401) return false;
  if (reply.status >= 200 && reply.status < 300) return true;
  throw terminateRefusal(reply);
}
