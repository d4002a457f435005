import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { AgentConfig } from "../protocol/config.ts";
import { quote } from "../redact.ts";
import { BOUNDS } from "./bounds.ts";
import { type Header, parseRawHeaders } from "./headers.ts";
import { type Refusal, refuse, wrongMethod } from "./refusals.ts";
import { allowedTarget } from "./targets.ts";

export interface GuardConfig
  extends Pick<AgentConfig, "capability" | "controlCapability" | "gatewayPaths"> {
  readonly host: string; // `127.0.0.1:PORT`
}

/**
 * As it came: `url` is the request target, undecoded, `rawHeaders` are names and values in turn.
 */
export type RequestHead = Pick<IncomingMessage, "method" | "url" | "rawHeaders">;

export type Admission =
  | { readonly route: "token" | "stop" }
  | { readonly route: "gateway"; readonly target: string }; // path and query below api-url, to be sent as is

const BROWSER_HEADER = /^(origin|sec-fetch-site|referer)$/; // browsers add them, programs of a job do not
const PROXY_HEADER = /^(x-forwarded-.*|forwarded|via|x-real-ip)$/;

const TOO_MANY_HEADERS = refuse(
  "head_too_large",
  `The request has ${BOUNDS.maxHeaders.value} headers or more. Leave out what the gateway does not need.`,
);
/**
 * For a client that sends calls to a proxy; what was listed stays listed. In one `env:` the runner
 * takes only one of the two names.
 */
const NO_PROXY_REMEDY =
  "At the beginning of this step's script, put: " +
  "export no_proxy=127.0.0.1,$no_proxy NO_PROXY=127.0.0.1,$NO_PROXY";

interface ParsedRequest {
  readonly method: string;
  readonly headers: readonly Header[]; // with normal names
  readonly gatewayTarget: string | undefined; // what follows the gateway's capability; undefined without it
  readonly controlTarget: string | undefined; // the same for the control address
}

/**
 * Whether this request may do what it asks for. Pure checks in a fixed order, before anything is
 * done.
 */
export function authorize(head: RequestHead, config: GuardConfig): Admission | Refusal {
  const { method = "", url = "", rawHeaders } = head;
  // Names and values in turn. Node 20 drops what comes behind this number, so that it cannot be
  // judged; Node 24.21 refuses by itself.
  if (rawHeaders.length >= 2 * BOUNDS.maxHeaders.value) return TOO_MANY_HEADERS;
  const gatewayTarget = targetBelow(url, config.capability);
  const request: ParsedRequest = {
    method,
    headers: parseRawHeaders(rawHeaders).map(({ name, value }) => ({
      name: normalName(name),
      value,
    })),
    gatewayTarget,
    controlTarget:
      gatewayTarget === undefined ? targetBelow(url, config.controlCapability) : undefined,
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

/** @returns what follows `/CAPABILITY`, undefined if the target does not begin with that */
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
    return foreign(
      "The Host header is not the one of ARMOR_GATEWAY_URL. Use that address as it is, with 127.0.0.1.",
    );
  for (const { name, value } of headers) {
    if (PROXY_HEADER.test(name))
      return foreign(
        `The request came through a proxy (header ${quote(name)}). ${NO_PROXY_REMEDY}`,
      );
    const isOwnReferer = name === "referer" && value.startsWith(`http://${host}/`);
    if (BROWSER_HEADER.test(name) && !isOwnReferer)
      return foreign(
        `Requests with a header ${name} are refused: a web page may have sent them. ` +
          "Call the gateway from a program, not from a browser.",
      );
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
  // A body has no meaning in GET and HEAD (RFC 9110 section 9.3.1), and could hide a second
  // request.
  if (headers.some(announcesBody))
    return refuse("body_refused", "Requests through the gateway have no body. Leave it out.");
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
