// Owns the forms in which a client app's key travels or could be printed.

import { basicPairs, type Credentials, formEncode } from "./oauth.ts";

/**
 * Every form of the key that is worth a mask, each once. The runner derives base64 of the
 * whole value and some escapes by itself; it does not know base64url, unpadded base64, percent-encoding, form
 * encoding, or a key inside the base64 of a Basic pair (actions/runner, ValueEncoders.cs).
 * The app id is never among them: the runner drops a job output that contains a masked text.
 */
export function secretForms(credentials: Credentials): string[] {
  const key = credentials.apiKey.toWellFormed();
  if (key === "") return [];
  const texts = [key, encodeURIComponent(key), formEncode(key)];
  const lowerCase = texts.map((text) => text.replace(/%[0-9A-F]{2}/g, (triplet) => triplet.toLowerCase()));
  // The raw pair also where it is never sent: others may have made it of the same secrets.
  const pairs = [...basicPairs(credentials), `${credentials.appId}:${key}`];
  const encoded = [key, formEncode(key), ...pairs].flatMap(base64Forms);
  return [...new Set([...texts, ...lowerCase, ...encoded])];
}

function base64Forms(text: string): string[] {
  const bytes = Buffer.from(text, "utf8");
  const padded = bytes.toString("base64");
  const urlSafe = bytes.toString("base64url");
  const padding = padded.slice(padded.replace(/=+$/, "").length);
  return [padded, padded.replace(/=+$/, ""), urlSafe + padding, urlSafe];
}
