/** Makes text that somebody else wrote safe to print: one short line, no secret, no workflow command. */
export type Quote = (text: string) => string;

const QUOTE_LENGTH = 200;

/** What is neither a visible character nor a plain space: controls, line ends, zero-width and bidi marks. */
const INVISIBLE = /[\p{C}\p{Z}]+/gu;

/**
 * A `Quote` for a process that knows these secrets. Scrubs twice: the clean-up can join a secret's
 * halves.
 */
export function quoteWithout(secrets: readonly string[]): Quote {
  const scrub = scrubber(secrets);
  return (text) => {
    const clean = scrub(text).replace(INVISIBLE, " ").replace(/:{2,}/g, ":").replaceAll("#[", "# [");
    const line = scrub(clean).trim();
    return line.length > QUOTE_LENGTH ? `${line.slice(0, QUOTE_LENGTH)}…` : line;
  };
}

/** Replaces every secret by `***`, the longest first, in any case: a host name arrives in small letters. */
export function scrubber(secrets: readonly string[]): (text: string) => string {
  const longestFirst = [...new Set(secrets.map(foldCase))]
    .filter((secret) => secret !== "")
    .sort((a, b) => b.length - a.length);
  return (text) => longestFirst.reduce(replaceAll, text);
}

/** Not a regular expression: one of a few thousand characters is too large for some engines. */
function replaceAll(text: string, secret: string): string {
  const folded = foldCase(text);
  let result = "";
  let from = 0;
  for (let at = folded.indexOf(secret); at >= 0; at = folded.indexOf(secret, from)) {
    result += `${text.slice(from, at)}***`;
    from = at + secret.length;
  }
  return result + text.slice(from);
}

/** Keeps the length, which toLowerCase does not. */
function foldCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** The line by which the runner masks a value, escaped as it unescapes (actions/runner, ActionCommand.cs). */
export function maskCommand(secret: string): string {
  const escaped = secret.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  return `::add-mask::${escaped}\n`;
}
