import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { AgentConfig } from "../protocol/config.ts";
import { type Header, parseRawHeaders } from "./headers.ts";

export interface GuardConfig
  extends Pick<AgentConfig, "capability" | "controlCapability" | "gatewayPaths"> {
  readonly host: string; // `127.0.0.1:PORT`
}

/** As it came: `url` is the request target, undecoded, `rawHeaders` are names and values in turn. */
export type RequestHead = Pick<IncomingMessage, "method" | "url" | "rawHeaders">;

/** Every refusal of the gateway, with its status. docs/troubleshooting.md has an entry for each. */
export const REFUSAL_STATUS = {
  bad_request: 400, // not HTTP
  bad_target: 400, // a path or query that not every reader understands alike
  body_refused: 400,
  foreign_request: 403, // not from a program of this job
  wrong_capability: 403,
  path_refused: 403, // not one of gateway-paths
  not_found: 404, // at the control address
  method_not_allowed: 405,
  request_timeout: 408,
  head_too_large: 431,
} as const;

export type RefusalCode = keyof typeof REFUSAL_STATUS;

export interface Refusal {
  readonly route: "refused";
  readonly status: (typeof REFUSAL_STATUS)[RefusalCode];
  readonly error: RefusalCode;
  readonly description: string;
  readonly allow?: string; // of the one header that a 405 must have (RFC 9110 section 15.5.6)
  readonly isFromJob?: boolean; // it had a capability, so the job's log tells of it
}

export type Admission =
  | { readonly route: "token" | "stop" }
  | { readonly route: "gateway"; readonly target: string }; // path and query below api-url, to be sent as is

const BROWSER_HEADER = /^(origin|sec-fetch-site|referer)$/; // browsers add them, programs of a job do not
const PROXY_HEADER = /^(x-forwarded-.*|forwarded|via|x-real-ip)$/;

interface ParsedRequest {
  readonly method: string;
  readonly headers: readonly Header[]; // with normal names
  readonly gatewayTarget: string | undefined; // what follows the gateway's capability; undefined without it
  readonly controlTarget: string | undefined; // the same for the control address
}

/** Whether this request may do what it asks for. Pure checks in a fixed order, before anything is done. */
export function authorize(head: RequestHead, config: GuardConfig): Admission | Refusal {
  const { method = "", url = "", rawHeaders } = head;
  const request: ParsedRequest = {
    method,
    headers: parseRawHeaders(rawHeaders).map(({ name, value }) => ({
      name: normalName(name),
      value,
    })),
    gatewayTarget: targetBelow(url, config.capability),
    controlTarget: targetBelow(url, config.controlCapability),
  };
  const verdict = judge(request, config);
  if (verdict.route !== "refused") return verdict;
  const isFromJob = request.gatewayTarget !== undefined || request.controlTarget !== undefined;
  return { ...verdict, isFromJob };
}

/** CGI and some proxies write `_` for `-`. */
function normalName(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}

function judge(request: ParsedRequest, config: GuardConfig): Admission | Refusal {
  const { method, headers, gatewayTarget, controlTarget } = request;
  const foreign = foreignRequest(headers, config.host);
  if (foreign !== undefined) return foreign;
  if (gatewayTarget !== undefined)
    return readRequest(method, headers, gatewayTarget, config.gatewayPaths);
  if (controlTarget !== undefined) return controlRequest(method, controlTarget);
  return refuse("wrong_capability", "Use ARMOR_GATEWAY_URL as it is, and append the path.");
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
function foreignRequest(headers: readonly Header[], host: string): Refusal | undefined {
  const foreign = (description: string) => refuse("foreign_request", description);
  const [hostHeader, secondHostHeader] = headers.filter(({ name }) => name === "host");
  if (hostHeader?.value !== host || secondHostHeader !== undefined)
    return foreign("The Host header is not the one of ARMOR_GATEWAY_URL.");
  for (const { name, value } of headers) {
    if (PROXY_HEADER.test(name)) {
      const remedy = "Add 127.0.0.1 to no_proxy and NO_PROXY of this step.";
      return foreign(`The request came through a proxy (header ${name}). ${remedy}`);
    }
    const isOwnReferer = name === "referer" && value.startsWith(`http://${host}/`);
    if (BROWSER_HEADER.test(name) && !isOwnReferer)
      return foreign(`Requests with a header ${name} are refused: a web page may have sent them.`);
  }
  return undefined;
}

function readRequest(
  method: string,
  headers: readonly Header[],
  below: string,
  gatewayPaths: readonly string[],
): Admission | Refusal {
  if (method !== "GET" && method !== "HEAD") {
    const remedy = "To change something, call Armor with a token of armor-token.";
    return wrongMethod(`The gateway only reads: GET and HEAD. ${remedy}`, "GET, HEAD");
  }
  // A body has no meaning in GET and HEAD (RFC 9110 section 9.3.1), and could hide a second request.
  if (headers.some(announcesBody))
    return refuse("body_refused", "Requests through the gateway have no body.");
  const target = allowedTarget(below, gatewayPaths);
  return typeof target === "string" ? { route: "gateway", target } : target;
}

function announcesBody({ name, value }: Header): boolean {
  if (name === "transfer-encoding") return true;
  return name === "content-length" && !/^\s*0+\s*$/.test(value);
}

function controlRequest(method: string, below: string): Admission | Refusal {
  switch (below) {
    case "/token":
      return method === "GET" ? { route: "token" } : wrongMethod("This takes GET only.", "GET");
    case "/stop":
      return method === "POST" ? { route: "stop" } : wrongMethod("This takes POST only.", "POST");
    default:
      return refuse("not_found", "There are GET /token and POST /stop.");
  }
}

/**
 * The one rule for paths, of first targets and of redirects: every reader of a path must see the same one, so
 * only plain segments are let through, and nothing is decoded. @returns the string to send, or a refusal
 */
export function allowedTarget(target: string, gatewayPaths: readonly string[]): string | Refusal {
  const [path = ""] = target.split("?", 1);
  const fault = pathFault(path);
  if (fault !== undefined) return refuse("bad_target", `The path has ${fault}.`);
  if (!/^[\x21-\x7e]*$/.test(target) || target.includes("#"))
    return refuse("bad_target", "The query has a character that must be percent-encoded.");
  if (!gatewayPaths.some((listed) => covers(listed, path)))
    return refuse(
      "path_refused",
      `The path is not one of gateway-paths: ${gatewayPaths.join(", ")}.`,
    );
  return target;
}

function covers(listed: string, path: string): boolean {
  return listed.endsWith("/") ? path.startsWith(listed) : path === listed;
}

/** @returns what is wrong with a path, undefined where it is plain */
export function pathFault(path: string): string | undefined {
  if (!path.startsWith("/")) return "no slash at its beginning";
  if (path.includes("//"))
    return "two slashes in a row: is there one at the end of the base address?";
  if (path.includes("%")) return "an encoded character (%)";
  if (path.includes("/.")) return "a segment that begins with a dot";
  if (!/^[A-Za-z0-9\-._~:@/]+$/.test(path)) return "a character other than A-Z a-z 0-9 - . _ ~ : @";
  return undefined;
}

export function refuse(error: RefusalCode, description: string): Refusal {
  return { route: "refused", status: REFUSAL_STATUS[error], error, description };
}

/** @param allow the methods that there are */
export function wrongMethod(description: string, allow: string): Refusal {
  return { ...refuse("method_not_allowed", description), allow };
}
