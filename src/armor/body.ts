import type { ApiReply } from "./http.ts";

/** The members of a JSON object, of any type each. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * The JSON object in a reply, without its members that are null, which some servers send for
 * "none". A byte order mark is dropped. Undefined if the text is no JSON object.
 */
export function parseObject(body: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(body.replace(/^\uFEFF/, ""));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    const members = Object.entries(value).filter((member) => member[1] !== null);
    return Object.fromEntries(members);
  } catch {
    return undefined;
  }
}

/** What a reply is that is no JSON object, in words that go on behind "answered with". */
export function shapeOf({ headers, body }: ApiReply): string {
  const encoding = headers["content-encoding"] ?? "identity";
  const isGzip = body.startsWith("\x1f"); // RFC 1952 section 2.3.1
  if (encoding !== "identity" || isGzip) return "a compressed reply";
  return body.trimStart().startsWith("<") ? "a web page" : "something else";
}
