import { maskedForms } from "../redact.ts";

/**
 * The client app's identifier and secret: `client_id` and `client_secret` of RFC 6749 section
 * 2.3.1.
 */
export type Credentials = { readonly appId: string; readonly apiKey: string };

/** application/x-www-form-urlencoded, as RFC 6749 appendix B defines it. */
export function formEncode(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}

/** What goes into HTTP Basic before base64. */
export interface BasicPairs {
  readonly encoded: string; // form-encoded, as RFC 6749 section 2.3.1 and the vendor's OpenAPI text say
  readonly raw: string | undefined; // as the vendor's article joins them; undefined: not to be tried
}

/**
 * The two ways to join the credentials. The raw one is there only if it differs and can be
 * understood.
 */
export function basicPairs({ appId, apiKey }: Credentials): BasicPairs {
  const encoded = `${formEncode(appId)}:${formEncode(apiKey)}`;
  const raw = `${appId}:${apiKey}`;
  // A server ends the app id at the first colon, so with a raw one in it, it would read another id.
  const isRawUseful = raw !== encoded && !appId.includes(":");
  return { encoded, raw: isRawUseful ? raw : undefined };
}

/**
 * Every form of the key that is worth a mask, each once: 7 at most for a key of letters and digits,
 * some 20 for one with signs, as each costs the runner time on every later line.
 *
 * The runner itself masks of each form base64 and some escapes (actions/runner, ValueEncoders.cs),
 * but nothing of what it has derived. So base64 of the key, and of the pairs, is masked again here:
 * of that, the runner derives what base64 makes of a whole `Authorization: Basic …`. Unpadded
 * base64 needs no mask of its own, since `maskedForms` has the key in three lengths, one of which
 * needs no padding.
 *
 * The app id is never masked: the runner drops every job output that contains a masked text.
 */
export function secretForms({ appId, apiKey }: Credentials): string[] {
  const key = apiKey.toWellFormed();
  if (key === "") return [];
  const formEncoded = formEncode(key);
  const percentEncoded = encodeURIComponent(key);
  const { encoded: encodedPair } = basicPairs({ appId, apiKey });
  // The raw pair also if it is never sent: other steps may have made it of the same secrets.
  const rawPair = `${appId}:${key}`;
  return [
    ...new Set([
      ...maskedForms(key),
      ...maskedForms(formEncoded),
      percentEncoded,
      lowerCaseEscapes(percentEncoded),
      lowerCaseEscapes(formEncoded),
      pythonQuoted(percentEncoded),
      encodeURI(key),
      ...jsonForms(key),
      ...base64Forms(key),
      ...base64Forms(formEncoded),
      ...base64Forms(encodedPair),
      ...base64Forms(rawPair),
      wrappedBase64(key),
      wrappedBase64(rawPair),
    ]),
  ];
}

/** `%2F` as `%2f`. */
function lowerCaseEscapes(text: string): string {
  return text.replace(/%[\dA-F]{2}/g, (triplet) => triplet.toLowerCase());
}

/**
 * As `urllib.parse.quote` writes it, which encodes five signs more than JavaScript, and leaves
 * slashes.
 */
function pythonQuoted(percentEncoded: string): string {
  const strictly = percentEncoded.replace(/[!'()*]/g, (sign) => `%${hexOf(sign, 2)}`);
  return strictly.replaceAll("%2F", "/");
}

/** Inside JSON as common encoders write it, if that differs from what the runner derives. */
function jsonForms(key: string): string[] {
  const json = JSON.stringify(key).slice(1, -1);
  const upper = (sign: string) => `\\u${hexOf(sign, 4)}`;
  const lower = (sign: string) => upper(sign).toLowerCase();
  const slashesEscaped = json.replaceAll("/", "\\/");
  return [
    // System.Text.Json of .NET
    key.replaceAll("\\", "\\\\").replace(/["&'+<>`\u007f-\uffff]/g, upper),
    json.replace(/[&'<=>]/g, lower), // Gson
    json.replace(/[&<>]/g, lower), // Go
    slashesEscaped.replace(/[\u007f-\uffff]/g, lower), // PHP
  ];
}

/** The number of a UTF-16 unit, in capital letters. */
function hexOf(unit: string, digits: number): string {
  return unit.charCodeAt(0).toString(16).toUpperCase().padStart(digits, "0");
}

/** Standard with padding, and URL-safe without it if that is another text. */
function base64Forms(text: string): string[] {
  const bytes = Buffer.from(text, "utf8");
  const padded = bytes.toString("base64");
  const urlSafe = bytes.toString("base64url");
  return padded.startsWith(urlSafe) ? [padded] : [padded, urlSafe];
}

/**
 * GNU base64 begins a new line after so many characters; the vendor's article has it in its
 * pipeline.
 */
const LINE_LENGTH = 76;
/** A shorter line shows less than four bytes of the key, and its mask would cover common words. */
const MIN_LINE_LENGTH = 8;

/** Base64 in lines, for one mask: the runner takes a text of several lines whole and by line. */
function wrappedBase64(text: string): string {
  const base64 = Buffer.from(text, "utf8").toString("base64");
  const lines = base64.match(new RegExp(`.{1,${LINE_LENGTH}}`, "g")) ?? [];
  return lines.filter((line) => lines.length === 1 || line.length >= MIN_LINE_LENGTH).join("\n");
}
