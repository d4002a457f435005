// Owns who may ask the token agent for what. Pure checks in a fixed order, before anything is done.

import { timingSafeEqual } from "node:crypto";

/** What the agent's door looks like from inside. */
export interface Door {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly capability: string;
}

export interface Knock {
  readonly method: string;
  /** The request target as it came, undecoded. */
  readonly target: string;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
}

export interface Refusal {
  readonly status: 400 | 403 | 404 | 405;
  readonly error: "foreign_request" | "wrong_capability" | "bad_target" | "not_found" | "method_not_allowed";
  readonly description: string;
}

export type Admission =
  | { readonly route: "token" | "stop" }
  /** `target` is path and query below `api-url`, safe to append to it. */
  | { readonly route: "api"; readonly target: string };

/** What browsers and reverse proxies add, and programs of this job do not: a web page must not reach the agent. */
const FOREIGN_HEADERS = /^(origin|referer|sec-fetch-site|x-forwarded-.*)$/;

export function judgeRequest(knock: Knock, door: Door): Admission | Refusal {
  return foreign(knock, door) ?? misaddressed(knock, door) ?? routed(knock, door);
}

export function isRefusal(verdict: Admission | Refusal): verdict is Refusal {
  return "status" in verdict;
}

function foreign({ rawHeaders }: Knock, { host }: Door): Refusal | undefined {
  const names = rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
  const hosts = rawHeaders.filter((_, index) => index % 2 === 1 && names[(index - 1) / 2] === "host");
  if (hosts.length !== 1 || hosts[0] !== host) {
    return refusal(403, "foreign_request", "The Host header is not the one of ARMOR_GATEWAY_URL.");
  }
  const name = names.find((header) => FOREIGN_HEADERS.test(header));
  if (name !== undefined) {
    return refusal(403, "foreign_request", `Requests with a header ${name} are not of this job.`);
  }
  if (names.includes("upgrade")) {
    return refusal(400, "bad_target", "The gateway does not switch protocols.");
  }
  return undefined;
}

/** Only `/CAPABILITY/…`: no absolute form, no asterisk (RFC 9112 section 3.2), and the capability must be right. */
function misaddressed({ target }: Knock, { capability }: Door): Refusal | undefined {
  if (!target.startsWith("/")) return refusal(400, "bad_target", "The request target is not a path.");
  const given = target.slice(1, capability.length + 1);
  const isRight = isSame(given, capability) && target[capability.length + 1] === "/";
  return isRight
    ? undefined
    : refusal(403, "wrong_capability", "Use ARMOR_GATEWAY_URL as it is, and add a path.");
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given, "utf8"), Buffer.from(expected, "utf8")];
  return a.length === b.length && timingSafeEqual(a, b);
}

function routed({ method, target }: Knock, { capability }: Door): Admission | Refusal {
  const below = target.slice(capability.length + 1);
  if (below === "/token") return method === "GET" ? { route: "token" } : wrongMethod("GET");
  if (below === "/stop") return method === "POST" ? { route: "stop" } : wrongMethod("POST");
  if (!below.startsWith("/api/")) {
    return refusal(404, "not_found", "There are /api/…, /token and /stop.");
  }
  return isPlainTarget(below)
    ? { route: "api", target: below }
    : refusal(
        400,
        "bad_target",
        "The path has dot segments, encoded separators or characters that no path has.",
      );
}

/**
 * Whether every reader of this target sees the same path, and it stays below `/api/`: no dot segments, also not with
 * blanks around them or before a path parameter, no backslashes, no encoded separators, however often somebody
 * decodes; visible ASCII only, and no fragment.
 */
function isPlainTarget(target: string): boolean {
  if (!/^[\x21-\x7e]+$/.test(target) || target.includes("#")) return false;
  const [path = ""] = target.split("?", 1);
  return path.split("/").every(isPlainSegment);
}

function isPlainSegment(segment: string): boolean {
  if (/^\w[\w-]*$/.test(segment)) return true; // nearly all are like this
  let text = segment;
  for (let decodings = 0; decodings < 4; decodings += 1) {
    if (/^\s*\.{1,2}\s*(;|$)|[/\\\p{Cc}]/u.test(text)) return false;
    const decoded = decode(text);
    if (decoded === undefined) return decodings > 0; // behind one decoding, a lone % is a character like others
    if (decoded === text) return true;
    text = decoded;
  }
  return false;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function wrongMethod(allowed: string): Refusal {
  return refusal(405, "method_not_allowed", `This takes ${allowed} only.`);
}

function refusal(status: Refusal["status"], error: Refusal["error"], description: string): Refusal {
  return { status, error, description };
}
