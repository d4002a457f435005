import type { IncomingMessage } from "node:http";

export interface Header {
  readonly name: string;
  readonly value: string;
}

/** Node's `rawHeaders` are names and values in turn, as they were sent. */
export function parseRawHeaders(rawHeaders: readonly string[]): Header[] {
  const headers: Header[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.push({ name: rawHeaders[index] ?? "", value: rawHeaders[index + 1] ?? "" });
  }
  return headers;
}

/** The request headers that reach Armor, with all that begin with `if-`; all others are dropped. */
const PASSED_HEADERS: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "cache-control",
  "range",
  "user-agent",
  "traceparent",
  "tracestate",
  "x-request-id",
]);

/** Reply headers of one connection (RFC 9110 section 7.6.1), or not for the client. */
const DROPPED_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "referrer-policy",
  "set-cookie",
]);
const DROPPED_PREFIXES = ["proxy-", "x-armor"];

export function isPassedToArmor(name: string): boolean {
  return PASSED_HEADERS.has(name) || name.startsWith("if-");
}

export function isPassedToClient(name: string): boolean {
  return !DROPPED_HEADERS.has(name) && !DROPPED_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/**
 * Names and values in turn: the message's headers that are wanted and that Connection does not
 * name.
 */
export function keepHeaders(
  message: IncomingMessage,
  isWanted: (name: string) => boolean,
): string[] {
  const hopByHop = message.headers.connection?.toLowerCase().split(/[\s,]+/) ?? [];
  const kept: string[] = [];
  for (const { name, value } of parseRawHeaders(message.rawHeaders)) {
    const lowerCase = name.toLowerCase();
    // Without its length, a body that breaks off would look whole: it stays, whatever Connection
    // says.
    const isDropped = hopByHop.includes(lowerCase) && lowerCase !== "content-length";
    if (isWanted(lowerCase) && !isDropped) kept.push(name, value);
  }
  return kept;
}

/**
 * The same headers with Content-Length at their end. Behind a Content-Length, Node reads the bytes
 * of a Content-Disposition as UTF-8 and writes them as Latin-1, or refuses to (nodejs/node#46528,
 * lib/_http_outgoing.js).
 */
export function lengthLast(headers: readonly string[]): string[] {
  const others: string[] = [];
  const lengths: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    const place = name.toLowerCase() === "content-length" ? lengths : others;
    place.push(name, headers[index + 1] ?? "");
  }
  return [...others, ...lengths];
}

/**
 * The text of a header whose bytes are UTF-8. Node gives each byte of a header as one character.
 */
export function utf8Of(value: string): string {
  return Buffer.from(value, "latin1").toString("utf8");
}
