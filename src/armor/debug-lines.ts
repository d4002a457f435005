import type { IncomingHttpHeaders } from "node:http";
import { quote } from "../redact.ts";

/** Of a reply's headers, those that tell a network's people which machine answered, and when. */
const SHOWN_HEADERS = ["date", "server", "via", "x-request-id", "retry-after"];

/**
 * @returns `, date: "…", via: "…"` for the debug log: no other header, and "" if there is none of
 * these
 */
export function shownHeaders(headers: IncomingHttpHeaders): string {
  return SHOWN_HEADERS.filter((name) => headers[name] !== undefined)
    .map((name) => `, ${name}: "${quote(String(headers[name]))}"`)
    .join("");
}
