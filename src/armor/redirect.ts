import { ArmorError } from "../errors.ts";
import type { ApiReply, ApiRequest, Send } from "./http.ts";

export const MAX_REDIRECTS = 5;
export const REDIRECT_STATUS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** The vendor's API hosts, on https and port 443: `api.armor.fortanix.com`, and one label for a region. */
const VENDOR_ORIGIN = /^https:\/\/api\.([a-z0-9-]+\.)?armor\.fortanix\.com$/;

/**
 * Follows redirects, as the vendor's OpenAPI text demands, if they keep method and body (307, 308; RFC 9110
 * section 15.4) and stay with the origin or the vendor's API hosts. @throws ArmorError redirect_refused
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

/** @returns where the reply redirects to, undefined where it does not. @throws ArmorError redirect_refused */
function redirectTarget({ url: from, status, headers }: ApiReply): URL | undefined {
  if (!REDIRECT_STATUS.has(status)) return undefined;
  const refuse = (how: string) => refused(from, `(${status}) ${how}`);
  if (headers.location === undefined) throw refuse("without saying where to");
  if (!URL.canParse(headers.location, from.href)) throw refuse("to something that is no address");
  const target = new URL(headers.location, from);
  if (!isTrustedRedirect(from, target)) {
    const where = target.origin === "null" ? `a ${target.protocol} address` : target.origin;
    throw refuse(`to ${where}, which must not get the credentials`);
  }
  if (target.username || target.password) throw refuse("to an address with a user name in it");
  if (status !== 307 && status !== 308) throw refuse("in a way that turns a POST into a GET");
  target.hash = "";
  return target;
}

/** Same origin, or from one API host of the vendor's to another. */
export function isTrustedRedirect(from: URL, to: URL): boolean {
  if (from.protocol !== to.protocol) return false; // blob: has the origin of the address inside it
  return from.origin === to.origin || [from, to].every(({ origin }) => VENDOR_ORIGIN.test(origin));
}

function refused({ origin }: URL, how: string): ArmorError {
  const remedy = "Set api-url to the address at which Armor itself answers.";
  return new ArmorError("redirect_refused", `${origin} redirects ${how}`, remedy);
}
