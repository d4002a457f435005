/** Makes text that somebody else wrote safe to print: one short line, no secret, no workflow command. */
export type Quote = (text: string) => string;

const QUOTE_LENGTH = 200;

/** A `Quote` for a process with these secrets. Scrubs twice: the clean-up can join a secret's halves. */
export function quoteWithout(secrets: readonly string[]): Quote {
  const scrub = scrubber(secrets);
  return (text) => {
    // Controls, line ends, zero-width and bidi marks: all that is neither visible nor a plain space.
    const visible = scrub(text).replace(/[\p{C}\p{Z}]+/gu, " ");
    const line = scrub(visible.replace(/:{2,}/g, ":").replaceAll("#[", "# [")).trim();
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
  let at = 0;
  const kept = foldCase(text)
    .split(secret)
    .map(({ length }) => {
      const part = text.slice(at, at + length);
      at += length + secret.length;
      return part;
    });
  return kept.join("***");
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
