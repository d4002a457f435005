import { timingSafeEqual } from "node:crypto";

export interface GuardConfig {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Of the gateway's address. */
  readonly capability: string;
  /** Of the address for tokens and stopping. */
  readonly controlCapability: string;
  /** The paths that may be read; one that ends with `/` is everything below it. */
  readonly gatewayPaths: readonly string[];
}

export interface RequestHead {
  readonly method: string;
  /** The request target as it came, undecoded. */
  readonly target: string;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
}

export interface Refusal {
  readonly status: 400 | 403 | 404 | 405 | 408 | 431;
  readonly error: string;
  readonly description: string;
  /** Of the one header that a 405 must have (RFC 9110 section 15.5.6). */
  readonly allow?: string;
  /** Whether the request had the right capability, so that the job's log should tell of it. */
  readonly isFromJob?: boolean;
}

export type Admission =
  | { readonly route: "token" | "stop" }
  /** `target` is path and query below `api-url`, to be sent as it is. */
  | { readonly route: "gateway"; readonly target: string };

/** What browsers add, and programs of this job do not. */
const BROWSER_HEADERS = new Set(["origin", "sec-fetch-site", "referer"]);
const PROXY_HEADER = /^(x-forwarded-.*|forwarded|via|x-real-ip)$/;

export function isRefusal(verdict: object): verdict is Refusal {
  return "status" in verdict;
}

/** Whether this request may do what it asks for. Pure checks in a fixed order, before anything is done. */
export function authorize(head: RequestHead, config: GuardConfig): Admission | Refusal {
  const headers = pairs(head.rawHeaders);
  const gateway = targetBelow(head.target, config.capability);
  const control = targetBelow(head.target, config.controlCapability);
  const verdict =
    foreignRequest(headers, config.host) ??
    (gateway !== undefined
      ? readRequest(head.method, headers, gateway, config)
      : control !== undefined
        ? controlRequest(head.method, control)
        : refuse(403, "wrong_capability", "Use ARMOR_GATEWAY_URL as it is, and append the path."));
  const isFromJob = gateway !== undefined || control !== undefined;
  return isRefusal(verdict) ? { ...verdict, isFromJob } : verdict;
}

type Headers = readonly (readonly [name: string, value: string])[];

/** CGI and some proxies write `_` for `-`. */
function pairs(rawHeaders: readonly string[]): Headers {
  const headers: [string, string][] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.push([(rawHeaders[index] ?? "").toLowerCase().replaceAll("_", "-"), rawHeaders[index + 1] ?? ""]);
  }
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

function foreignRequest(headers: Headers, host: string): Refusal | undefined {
  const hosts = headers.filter(([name]) => name === "host");
  if (hosts.length !== 1 || hosts[0]?.[1] !== host) {
    return refuse(403, "foreign_request", "The Host header is not the one of ARMOR_GATEWAY_URL.");
  }
  for (const [name, value] of headers) {
    if (PROXY_HEADER.test(name)) {
      const remedy = "Add 127.0.0.1 to no_proxy and NO_PROXY of this step.";
      return refuse(403, "foreign_request", `The request came through a proxy (header ${name}). ${remedy}`);
    }
    const isOwnReferer = name === "referer" && value.startsWith(`http://${host}/`);
    if (BROWSER_HEADERS.has(name) && !isOwnReferer) {
      const reason = "a web page may have sent them";
      return refuse(403, "foreign_request", `Requests with a header ${name} are refused: ${reason}.`);
    }
  }
  return undefined;
}

function readRequest(method: string, headers: Headers, target: string, config: GuardConfig) {
  if (method !== "GET" && method !== "HEAD") {
    const remedy = "To change something, call Armor with a token of armor-token.";
    return wrongMethod(`The gateway only reads: GET and HEAD. ${remedy}`, "GET, HEAD");
  }
  // A body has no meaning in GET and HEAD (RFC 9110 section 9.3.1), and could hide a second request.
  const hasBody = headers.some(
    ([name, value]) =>
      name === "transfer-encoding" || (name === "content-length" && !/^\s*0+\s*$/.test(value)),
  );
  if (hasBody) return refuse(400, "body_refused", "Requests through the gateway have no body.");
  const allowed = allowedTarget(target, config.gatewayPaths);
  return typeof allowed === "string" ? ({ route: "gateway", target: allowed } as const) : allowed;
}

function controlRequest(method: string, below: string): Admission | Refusal {
  if (below === "/token")
    return method === "GET" ? { route: "token" } : wrongMethod("This takes GET only.", "GET");
  if (below === "/stop")
    return method === "POST" ? { route: "stop" } : wrongMethod("This takes POST only.", "POST");
  return refuse(404, "not_found", "There are GET /token and POST /stop.");
}

/**
 * The one rule for paths, of first targets and of redirects: every reader of a path must see the same one, so
 * only plain segments are let through, and nothing is decoded.
 * @param target path and query below api-url
 * @returns the string to send, or why it is refused
 */
export function allowedTarget(target: string, gatewayPaths: readonly string[]): string | Refusal {
  const [path = ""] = target.split("?", 1);
  const fault = pathFault(path);
  if (fault !== undefined) return refuse(400, "bad_target", `The path has ${fault}.`);
  if (!/^[\x21-\x7e]*$/.test(target) || target.includes("#")) {
    return refuse(400, "bad_target", "The query has a character that must be percent-encoded.");
  }
  const isListed = gatewayPaths.some((listed) =>
    listed.endsWith("/") ? path.startsWith(listed) : path === listed,
  );
  if (isListed) return target;
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

function refuse(status: Refusal["status"], error: string, description: string): Refusal {
  return { status, error, description };
}

function wrongMethod(description: string, allow: string): Refusal {
  return { status: 405, error: "method_not_allowed", description, allow };
}
