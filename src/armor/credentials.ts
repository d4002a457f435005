/** The client app's identifier and secret: `client_id` and `client_secret` of RFC 6749 section 2.3.1. */
export type Credentials = { readonly appId: string; readonly apiKey: string };

/** application/x-www-form-urlencoded, as RFC 6749 appendix B defines it. */
export function formEncode(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}

/**
 * The pairs to try in HTTP Basic: form-encoded (RFC 6749 section 2.3.1, vendor's OpenAPI text), then as the
 * vendor's article joins them; not where a colon in the app id would make that another client's.
 */
export function basicPairs({ appId, apiKey }: Credentials): [encoded: string, ...raw: string[]] {
  const encoded = `${formEncode(appId)}:${formEncode(apiKey)}`;
  const raw = `${appId}:${apiKey}`;
  return raw === encoded || appId.includes(":") ? [encoded] : [encoded, raw];
}

/**
 * Every form of the key that is worth a mask, each once. The runner itself masks base64 of the whole value
 * and some escapes (actions/runner, ValueEncoders.cs): not base64url, unpadded base64, percent-encoding, or a
 * key in the base64 of a pair. Never the app id: the runner drops a job output that contains a masked text.
 */
export function secretForms(credentials: Credentials): string[] {
  const key = credentials.apiKey.toWellFormed();
  if (key === "") return [];
  const texts = [key, encodeURIComponent(key), formEncode(key)];
  const lowerCase = texts.map((text) => text.replace(/%[\dA-F]{2}/g, (triplet) => triplet.toLowerCase()));
  // The raw pair also where it is never sent: other steps may have made it of the same secrets.
  const pairs = [...basicPairs(credentials), `${credentials.appId}:${key}`];
  const encoded = [key, formEncode(key), ...pairs].flatMap(base64Forms);
  return [...new Set([...texts, ...lowerCase, ...encoded])];
}

function base64Forms(text: string): string[] {
  const padded = Buffer.from(text, "utf8").toString("base64");
  const urlSafe = padded.replaceAll("+", "-").replaceAll("/", "_");
  return [padded, urlSafe].flatMap((form) => [form, form.replace(/=+$/, "")]);
}
