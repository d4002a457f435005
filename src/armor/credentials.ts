/** The client app's identifier and secret: `client_id` and `client_secret` of RFC 6749 section 2.3.1. */
export type Credentials = { readonly appId: string; readonly apiKey: string };

/** application/x-www-form-urlencoded, as RFC 6749 appendix B defines it. */
export function formEncode(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}

/** What goes into HTTP Basic before base64. */
export interface BasicPairs {
  readonly encoded: string; // form-encoded, as RFC 6749 section 2.3.1 and the vendor's OpenAPI text say
  readonly raw: string | undefined; // as the vendor's article joins them; undefined where not to be tried
}

export function basicPairs({ appId, apiKey }: Credentials): BasicPairs {
  const encoded = `${formEncode(appId)}:${formEncode(apiKey)}`;
  const raw = `${appId}:${apiKey}`;
  // A server ends the app id at the first colon, so with a raw one in it, it would read another client's id.
  const isRawUseful = raw !== encoded && !appId.includes(":");
  return { encoded, raw: isRawUseful ? raw : undefined };
}

/**
 * Every form of the key that is worth a mask, each once. The runner itself masks base64 of the whole value
 * and some escapes (actions/runner, ValueEncoders.cs): not base64url, unpadded base64, percent-encoding, or a
 * key in the base64 of a pair. Never the app id: the runner drops a job output that contains a masked text.
 */
export function secretForms({ appId, apiKey }: Credentials): string[] {
  const key = apiKey.toWellFormed();
  if (key === "") return [];
  const formEncoded = formEncode(key);
  const percentEncoded = encodeURIComponent(key);
  const { encoded: encodedPair } = basicPairs({ appId, apiKey });
  // The raw pair also where it is never sent: other steps may have made it of the same secrets.
  const rawPair = `${appId}:${key}`;
  return [
    ...new Set([
      key,
      percentEncoded,
      formEncoded,
      lowerCaseEscapes(percentEncoded),
      lowerCaseEscapes(formEncoded),
      ...base64Forms(key),
      ...base64Forms(formEncoded),
      ...base64Forms(encodedPair),
      ...base64Forms(rawPair),
    ]),
  ];
}

/** `%2F` as `%2f`. */
function lowerCaseEscapes(text: string): string {
  return text.replace(/%[\dA-F]{2}/g, (triplet) => triplet.toLowerCase());
}

/** Standard and URL-safe, each with and without its padding. */
function base64Forms(text: string): string[] {
  const bytes = Buffer.from(text, "utf8");
  const padded = bytes.toString("base64");
  const urlSafe = bytes.toString("base64url"); // has no padding
  const padding = /=*$/.exec(padded)?.[0] ?? "";
  return [padded, padded.replace(/=+$/, ""), urlSafe, urlSafe + padding];
}
