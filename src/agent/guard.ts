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

/** What browsers and proxies add, and programs of this job do not. CGI and some proxies write `_` for `-`. */
const FOREIGN_HEADER = /^(origin|sec-fetch-site|referer|x-forwarded-.*|forwarded|via|x-real-ip)$/;
const PROXY_HEADER = /^(x-forwarded-.*|forwarded|via|x-real-ip)$/;

const READ_METHODS = ["GET", "HEAD"];

export function isRefusal(verdict: object): verdict is Refusal {
  return "status" in verdict;
}

/** Whether this request may do what it asks for. Pure checks in a fixed order, before anything is done. */
export function authorize(head: RequestHead, config: GuardConfig): Admission | Refusal {
  const below = (capability: string) => targetBelow(head.target, capability);
  const [gateway, control] = [below(config.capability), below(config.controlCapability)];
  const verdict =
    foreignRequest(head, config) ??
    (gateway !== undefined
      ? readRequest(head, gateway, config)
      : control !== undefined
        ? controlRequest(head, control)
        : refuse(403, "wrong_capability", "Use ARMOR_GATEWAY_URL as it is, and append the path."));
  const isFromJob = gateway !== undefined || control !== undefined;
  return isRefusal(verdict) ? { ...verdict, isFromJob } : verdict;
}

/** @returns what follows `/CAPABILITY`, undefined where that is not what the target begins with */
function targetBelow(target: string, capability: string): string | undefined {
  const [given, expected] = [target.slice(0, capability.length + 1), `/${capability}`].map((text) =>
    Buffer.from(text, "utf8"),
  );
  const isSame = given?.length === expected?.length && timingSafeEqual(given as Buffer, expected as Buffer);
  const below = target.slice(capability.length + 1);
  return isSame && below.startsWith("/") ? below : undefined;
}

function foreignRequest({ rawHeaders }: RequestHead, { host }: GuardConfig): Refusal | undefined {
  const headers = pairs(rawHeaders);
  const hosts = headers.filter(({ name }) => name === "host");
  if (hosts.length !== 1 || hosts[0]?.value !== host) {
    return refuse(403, "foreign_request", "The Host header is not the one of ARMOR_GATEWAY_URL.");
  }
  const foreign = headers.find(
    ({ name, value }) =>
      FOREIGN_HEADER.test(name) && !(name === "referer" && value.startsWith(`http://${host}/`)),
  )?.name;
  if (foreign === undefined) return undefined;
  return PROXY_HEADER.test(foreign)
    ? refuse(
        403,
        "foreign_request",
        `The request came through a proxy (header ${foreign}). Add 127.0.0.1 to no_proxy and NO_PROXY of this step.`,
      )
    : refuse(
        403,
        "foreign_request",
        `Requests with a header ${foreign} are refused: a web page may have sent them.`,
      );
}

function pairs(rawHeaders: readonly string[]): { name: string; value: string }[] {
  const headers: { name: string; value: string }[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase().replaceAll("_", "-");
    headers.push({ name, value: rawHeaders[index + 1] ?? "" });
  }
  return headers;
}

function readRequest(head: RequestHead, target: string, config: GuardConfig): Admission | Refusal {
  if (!READ_METHODS.includes(head.method)) {
    return {
      ...refuse(
        405,
        "method_not_allowed",
        "The gateway only reads: GET and HEAD. To change something, call Armor with a token of armor-token.",
      ),
      allow: READ_METHODS.join(", "),
    };
  }
  const body = bodyRefusal(head);
  if (body !== undefined) return body;
  const allowed = allowedTarget(target, config.gatewayPaths);
  return typeof allowed === "string" ? { route: "gateway", target: allowed } : allowed;
}

/** A body has no meaning in GET and HEAD (RFC 9110 section 9.3.1), and could hide a second request. */
function bodyRefusal({ rawHeaders }: RequestHead): Refusal | undefined {
  const hasBody = pairs(rawHeaders).some(
    ({ name, value }) =>
      name === "transfer-encoding" || (name === "content-length" && !/^0+$/.test(value.trim())),
  );
  return hasBody ? refuse(400, "body_refused", "Requests through the gateway have no body.") : undefined;
}

function controlRequest(head: RequestHead, below: string): Admission | Refusal {
  const route = below === "/token" ? "token" : below === "/stop" ? "stop" : undefined;
  if (route === undefined) return refuse(404, "not_found", "There are GET /token and POST /stop.");
  const method = route === "token" ? "GET" : "POST";
  if (head.method === method) return { route };
  return { ...refuse(405, "method_not_allowed", `This takes ${method} only.`), allow: method };
}

/**
 * The one rule for paths, of first targets and of redirects: every reader of this path must see the same one, so only
 * plain segments are let through, and nothing is decoded.
 * @param target path and query below api-url
 * @returns the string to send, or why it is refused
 */
export function allowedTarget(target: string, gatewayPaths: readonly string[]): string | Refusal {
  const [path = "", ...query] = target.split("?");
  const fault = pathFault(path);
  if (fault !== undefined) return refuse(400, "bad_target", `The path has ${fault}.`);
  if (!/^[\x21-\x7e]*$/.test(target) || target.includes("#")) {
    return refuse(400, "bad_target", "The query has a character that must be percent-encoded.");
  }
  const isListed = gatewayPaths.some((listed) =>
    listed.endsWith("/") ? path.startsWith(listed) : path === listed,
  );
  if (!isListed) {
    return refuse(403, "path_refused", `The path is not one of gateway-paths: ${gatewayPaths.join(", ")}.`);
  }
  return [path, ...query].join("?");
}

/** @returns what is wrong with a path, undefined where it is plain */
export function pathFault(path: string): string | undefined {
  if (!path.startsWith("/")) return "no slash at its beginning";
  if (path.includes("//")) return "two slashes in a row: is there one at the end of the base address?";
  if (path.includes("%")) return "an encoded character (%)";
  if (/\/\./.test(path)) return "a segment that begins with a dot";
  if (!/^[A-Za-z0-9\-._~:@/]+$/.test(path)) return "a character other than A-Z a-z 0-9 - . _ ~ : @";
  return undefined;
}

function refuse(status: Refusal["status"], error: string, description: string): Refusal {
  return { status, error, description };
}
