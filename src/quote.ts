// Owns how text is made fit to print: scrubbed of secrets and, where somebody else wrote it, one short harmless line.

/** Makes text that somebody else wrote safe to print: one line, cut short, no secret, no workflow command. */
export type Quote = (text: string) => string;

const QUOTE_LENGTH = 200;

/** What is neither a visible character nor a plain space: controls, line ends, zero-width and bidi marks. */
const INVISIBLE = /[\p{C}\p{Z}]+/gu;

/**
 * A `Quote` for a job with these secrets. Scrubbing ignores case, because a host name that echoes a key arrives
 * in small letters, and is done on both sides of the clean-up, because cleaning up can put a torn secret together.
 */
export function quoteWithout(secrets: readonly string[]): Quote {
  const scrub = scrubber(secrets);
  return (text) => {
    const clean = scrub(scrub(text).replace(INVISIBLE, " ").replace(/:{2,}/g, ":").replaceAll("##[", "["));
    const line = clean.trim();
    return line.length > QUOTE_LENGTH ? `${line.slice(0, QUOTE_LENGTH)}…` : line;
  };
}

/** Replaces every secret by `***`, in any case of letters. The last gate of everything that is printed. */
export function scrubber(secrets: readonly string[]): (text: string) => string {
  if (secrets.length === 0) return (text) => text;
  const longestFirst = secrets.toSorted((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map(escapePattern).join("|"), "giu");
  return (text) => text.replace(pattern, "***");
}

/** Node 20, which the runner uses on 32-bit ARM, has no `RegExp.escape`. */
function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
