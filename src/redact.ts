const secretsOfThisProcess: string[] = []; // in every form in which they travel

/** From now on, nothing that is quoted or scrubbed shows these. */
export function hide(secrets: readonly string[]): void {
  secretsOfThisProcess.push(...secrets);
}

const QUOTE_LENGTH = 200;

/** Makes text that somebody else wrote safe to print: one short line, no secret, no workflow command. */
export function quote(text: string, secrets: readonly string[] = secretsOfThisProcess): string {
  // Controls, line ends, zero-width and bidi marks: all that is neither visible nor a plain space.
  const visible = scrub(text, secrets).replace(/[\p{C}\p{Z}]+/gu, " ");
  // Again, as the clean-up can join a secret's halves.
  const line = scrub(visible.replace(/:{2,}/g, ":").replaceAll("#[", "# ["), secrets).trim();
  return line.length > QUOTE_LENGTH ? `${line.slice(0, QUOTE_LENGTH)}…` : line;
}

/** Replaces every secret by `***`, the longest first, in any case: a host name arrives in small letters. */
export function scrub(text: string, secrets: readonly string[] = secretsOfThisProcess): string {
  const longestFirst = [...new Set(secrets.map(foldCase))].sort((a, b) => b.length - a.length);
  return longestFirst.filter((secret) => secret !== "").reduce(replaceAll, text);
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
