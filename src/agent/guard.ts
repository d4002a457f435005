import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { AgentConfig } from "./protocol.ts";

export interface GuardConfig extends Pick<AgentConfig, "capability" | "controlCapability" | "gatewayPaths"> {
  readonly host: string; // `127.0.0.1:PORT`
}

/** As it came: `url` is the request target, undecoded, `rawHeaders` are names and values in turn. */
export type RequestHead = Pick<IncomingMessage, "method" | "url" | "rawHeaders">;

export interface Refusal {
  readonly status: 400 | 403 | 404 | 405 | 408 | 431;
  readonly error: string;
  readonly description: string;
  readonly allow?: string; // of the one header that a 405 must have (RFC 9110 section 15.5.6)
  readonly isFromJob?: boolean; // it had a capability, so the job's log tells of it
}

/** `target` is path and query below api-url, to be sent as it is. */
export type Admission = { readonly route: "token" | "stop" } | { readonly route: "gateway"; target: string };

type Headers = readonly (readonly [name: string, value: string])[];

const BROWSER_HEADER = /^(origin|sec-fetch-site|referer)$/; // what programs of the job do not send
const PROXY_HEADER = /^(x-forwarded-.*|forwarded|via|x-real-ip)$/;

/** Whether this request may do what it asks for. Pure checks in a fixed order, before anything is done. */
export function authorize(head: RequestHead, config: GuardConfig): Admission | Refusal {
  const { method = "", url = "", rawHeaders } = head;
  const headers = pairs(rawHeaders);
  const gateway = targetBelow(url, config.capability);
  const control = targetBelow(url, config.controlCapability);
  const verdict =
    foreignRequest(headers, config.host) ??
    (gateway !== undefined ? readRequest(method, headers, gateway, config) : undefined) ??
    (control !== undefined ? controlRequest(method, control) : undefined) ??
    refuse(403, "wrong_capability", "Use ARMOR_GATEWAY_URL as it is, and append the path.");
  return "status" in verdict ? { ...verdict, isFromJob: (gateway ?? control) !== undefined } : verdict;
}

/** CGI and some proxies write `_` for `-`. */
function pairs(rawHeaders: readonly string[]): Headers {
  const headers: [string, string][] = [];
  for (let index = 1; index < rawHeaders.length; index += 2)
    headers.push([(rawHeaders[index - 1] ?? "").toLowerCase().replaceAll("_", "-"), rawHeaders[index] ?? ""]);
  return headers;
}

/** @returns what follows `/CAPABILITY`, undefined where that is not what the target begins with */
function targetBelow(target: string, capability: string): string | undefined {
  const given = Buffer.from(target.slice(0, capability.length + 1));
  const expected = Buffer.from(`/${capability}`);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const below = target.slice(capability.length + 1);
  return below.startsWith("/") ? below : undefined;
}

/** What shows that the request does not come from a program of this job. */
function foreignRequest(headers: Headers, host: string): Refusal | undefined {
  const refuseForeign = (description: string) => refuse(403, "foreign_request", description);
  const hosts = headers.filter(([name]) => name === "host");
  if (hosts.length !== 1 || hosts[0]?.[1] !== host)
    return refuseForeign("The Host header is not the one of ARMOR_GATEWAY_URL.");
  for (const [name, value] of headers) {
    const remedy = "Add 127.0.0.1 to no_proxy and NO_PROXY of this step.";
    if (PROXY_HEADER.test(name))
      return refuseForeign(`The request came through a proxy (header ${name}). ${remedy}`);
    const isOwnReferer = name === "referer" && value.startsWith(`http://${host}/`);
    if (BROWSER_HEADER.test(name) && !isOwnReferer)
      return refuseForeign(`Requests with a header ${name} are refused: a web page may have sent them.`);
  }
  return undefined;
}

function readRequest(method: string, headers: Headers, below: string, { gatewayPaths }: GuardConfig) {
  if (method !== "GET" && method !== "HEAD") {
    const remedy = "To change something, call Armor with a token of armor-token.";
    return wrongMethod(`The gateway only reads: GET and HEAD. ${remedy}`, "GET, HEAD");
  }
  // A body has no meaning in GET and HEAD (RFC 9110 section 9.3.1), and could hide a second request.
  const isNoBody = ([name, value]: Headers[number]) =>
    name !== "transfer-encoding" && (name !== "content-length" || /^\s*0+\s*$/.test(value));
  if (!headers.every(isNoBody))
    return refuse(400, "body_refused", "Requests through the gateway have no body.");
  const target = allowedTarget(below, gatewayPaths);
  return typeof target === "string" ? ({ route: "gateway", target } as const) : target;
}

function controlRequest(method: string, below: string): Admission | Refusal {
  if (below !== "/token" && below !== "/stop")
    return refuse(404, "not_found", "There are GET /token and POST /stop.");
  const [route, allowed] = below === "/token" ? (["token", "GET"] as const) : (["stop", "POST"] as const);
  return method === allowed ? { route } : wrongMethod(`This takes ${allowed} only.`, allowed);
}

/**
 * The one rule for paths, of first targets and of redirects: every reader of a path must see the same one, so
 * only plain segments are let through, and nothing is decoded. @returns the string to send, or a refusal
 */
export function allowedTarget(target: string, gatewayPaths: readonly string[]): string | Refusal {
  const [path = ""] = target.split("?", 1);
  const fault = pathFault(path);
  if (fault !== undefined) return refuse(400, "bad_target", `The path has ${fault}.`);
  if (!/^[\x21-\x7e]*$/.test(target) || target.includes("#"))
    return refuse(400, "bad_target", "The query has a character that must be percent-encoded.");
  for (const listed of gatewayPaths)
    if (listed.endsWith("/") ? path.startsWith(listed) : path === listed) return target;
  return refuse(403, "path_refused", `The path is not one of gateway-paths: ${gatewayPaths.join(", ")}.`);
}

/** @returns what is wrong with a path, undefined where it is plain */
export function pathFault(path: string): string | undefined {
  if (!path.startsWith("/")) return "no slash at its beginning";
  if (path.includes("//")) return "two slashes in a row: is there one at the end of the base address?";
  if (path.includes("%")) return "an encoded character (%)";
  if (path.includes("/.")) return "a segment that begins with a dot";
  if (!/^[A-Za-z0-9\-._~:@/]+$/.test(path)) return "a character other than A-Z a-z 0-9 - . _ ~ : @";
  return undefined;
}

export function refuse(status: Refusal["status"], error: string, description: string): Refusal {
  return { status, error, description };
}

export function wrongMethod(description: string, allow: string): Refusal {
  return { ...refuse(405, "method_not_allowed", description), allow };
}
