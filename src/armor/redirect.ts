import { ArmorError } from "../errors.ts";
import type { ApiReply, ApiRequest, Send } from "./http.ts";

export const MAX_REDIRECTS = 5;
export const REDIRECT_STATUS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** The vendor's API hosts: `api.armor.fortanix.com`, and one label more for a region. */
const VENDOR_HOST = /^api\.([a-z0-9-]+\.)?armor\.fortanix\.com$/;

/**
 * A `Send` that follows redirects, as the vendor's OpenAPI text demands, where they keep method and body
 * (307, 308; RFC 9110 section 15.4) and stay with the same origin or the vendor's API hosts.
 * @throws ArmorError redirect_refused; the other host is sent nothing
 */
export function followingRedirects(send: Send): Send {
  return async (request, signal) => {
    let current: ApiRequest = request;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const reply = await send(current, signal);
      const target = redirectTarget(reply);
      if (target === undefined) return reply;
      current = { ...current, url: target };
    }
    throw refused(`${request.url.origin} redirects more than ${MAX_REDIRECTS} times`);
  };
}

/** @returns where the reply redirects to, undefined where it does not. @throws ArmorError redirect_refused */
export function redirectTarget(reply: ApiReply): URL | undefined {
  if (!REDIRECT_STATUS.has(reply.status)) return undefined;
  const from = reply.url;
  const { location } = reply.headers;
  const redirects = `${from.origin} redirects (${reply.status})`;
  if (location === undefined) throw refused(`${redirects} without saying where to`);
  if (!URL.canParse(location, from.href)) throw refused(`${redirects} to something that is no address`);
  const target = new URL(location, from);
  if (!isTrustedRedirect(from, target)) {
    const where = target.origin === "null" ? `a ${target.protocol} address` : target.origin;
    throw refused(`${redirects} to ${where}, which must not get the credentials`);
  }
  if (target.username !== "" || target.password !== "") {
    throw refused(`${redirects} to an address with a user name in it`);
  }
  if (reply.status !== 307 && reply.status !== 308) {
    throw refused(`${redirects} in a way that turns a POST into a GET`);
  }
  target.hash = "";
  return target;
}

/** Same origin, or from one API host of the vendor's to another, on https and its default port. */
export function isTrustedRedirect(from: URL, to: URL): boolean {
  if (from.protocol !== to.protocol) return false; // blob: has the origin of the address inside it
  return from.origin === to.origin || (isVendorHost(from) && isVendorHost(to));
}

function isVendorHost({ protocol, hostname, port }: URL): boolean {
  return protocol === "https:" && port === "" && VENDOR_HOST.test(hostname);
}

function refused(problem: string): ArmorError {
  const remedy = "Set api-url to the address at which Armor itself answers.";
  return new ArmorError("redirect_refused", problem, remedy);
}
