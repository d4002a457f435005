import { ArmorError } from "../errors.ts";
import { printable, quote } from "../redact.ts";
import type { ApiReply, ApiRequest, Send } from "./http.ts";

export const MAX_REDIRECTS = 5;
export const REDIRECT_STATUS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** The redirects that keep method and body (RFC 9110 sections 15.4.8 and 15.4.9). */
const KEEPS_METHOD: ReadonlySet<number> = new Set([307, 308]);

/**
 * The vendor's API hosts, on https and port 443: `api.armor.fortanix.com`, and one label for a
 * region, which has 63 characters at most (RFC 1035 section 2.3.4).
 */
const VENDOR_ORIGIN = /^https:\/\/api\.([a-z0-9-]{1,63}\.)?armor\.fortanix\.com$/;

/**
 * Sends a request and follows redirects, as the vendor's OpenAPI text demands, if they keep method
 * and body and stay with the origin or the vendor's API hosts. Nothing is sent to any other
 * address.
 * @throws ArmorError redirect_refused, and whatever `send` throws
 */
export async function sendFollowing(
  send: Send,
  request: ApiRequest,
  signal: AbortSignal,
): Promise<ApiReply> {
  let { url } = request;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const reply = await send({ ...request, url }, signal);
    const target = redirectTarget(reply);
    if (target === undefined) return reply;
    url = target;
  }
  throw refused(request.url, `more than ${MAX_REDIRECTS} times`);
}

/**
 * Where the reply redirects to; undefined if it is no redirect. What the server said is quoted in
 * the error: it may be of any length, and may repeat the key.
 * @throws ArmorError redirect_refused
 */
function redirectTarget({ url: from, status, headers }: ApiReply): URL | undefined {
  if (!REDIRECT_STATUS.has(status)) return undefined;
  const refuse = (how: string) => refused(from, `(${status}) ${how}`);
  if (headers.location === undefined) throw refuse("without saying where to");
  if (!URL.canParse(headers.location, from.href)) throw refuse("to something that is no address");
  const target = new URL(headers.location, from);
  if (!isTrustedRedirect(from, target))
    throw refuse(`to ${nameOf(target)}, which must not get the credentials`);
  if (target.username || target.password) throw refuse("to an address with a user name in it");
  if (!KEEPS_METHOD.has(status)) throw refuse("in a way that turns a POST into a GET");
  target.hash = "";
  return target;
}

/** The target without its path and query; only addresses of some schemes have an origin to name. */
function nameOf({ origin, protocol }: URL): string {
  return origin === "null" ? `a ${quote(protocol)} address` : quote(origin);
}

/** Same origin, or from one API host of the vendor's to another. */
export function isTrustedRedirect(from: URL, to: URL): boolean {
  if (from.protocol !== to.protocol) return false; // blob: has the origin of the address inside it
  if (from.origin === to.origin) return true;
  return VENDOR_ORIGIN.test(from.origin) && VENDOR_ORIGIN.test(to.origin);
}

function refused({ origin }: URL, how: string): ArmorError {
  const remedy = "Set api-url to the address at which Armor itself answers.";
  return new ArmorError("redirect_refused", `${printable(origin)} redirects ${how}`, remedy);
}
