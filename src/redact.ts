const secretsOfThisProcess: string[] = []; // in every form in which they travel

/** From now on, nothing that is quoted or scrubbed shows these. */
export function hide(secrets: readonly string[]): void {
  secretsOfThisProcess.push(...secrets);
}

const QUOTE_LENGTH = 200;

/**
 * Makes text that somebody else wrote safe to print: one short line, no secret, no workflow command.
 * @param maxLength in characters; what is longer is cut, and ends with an ellipsis
 */
export function quote(
  text: string,
  secrets: readonly string[] = secretsOfThisProcess,
  maxLength = QUOTE_LENGTH,
): string {
  // Controls, line ends, zero-width and bidi marks: all that is neither visible nor a plain space.
  const visible = scrub(text, secrets).replace(/[\p{C}\p{Z}]+/gu, " ");
  // The runner takes `::` and `##[` for the start of a command.
  const harmless = visible.replace(/:{2,}/g, ":").replaceAll("#[", "# [");
  // Again, as the clean-up can join a secret's halves.
  const line = scrub(harmless, secrets).trim();
  return line.length > maxLength ? `${line.slice(0, maxLength)}…` : line;
}

/** Replaces every secret by `***`, the longest first, in any case: a host name arrives in small letters. */
export function scrub(text: string, secrets: readonly string[] = secretsOfThisProcess): string {
  const folded = [...new Set(secrets.map(foldCase))].filter((secret) => secret !== "");
  let scrubbed = text;
  for (const secret of folded.sort((a, b) => b.length - a.length))
    scrubbed = replaceSecret(scrubbed, secret);
  return scrubbed;
}

/**
 * Finds the secret in the folded text, and cuts it out of the text as it is. Not by a regular expression: one
 * of a few thousand characters is too large for some engines.
 */
function replaceSecret(text: string, foldedSecret: string): string {
  const foldedText = foldCase(text);
  let result = "";
  let end = 0; // of the last secret that was found
  let start = foldedText.indexOf(foldedSecret);
  while (start !== -1) {
    result += `${text.slice(end, start)}***`;
    end = start + foldedSecret.length;
    start = foldedText.indexOf(foldedSecret, end);
  }
  return result + text.slice(end);
}

/** ASCII only, because toLowerCase changes the length of some other texts. */
function foldCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/**
 * What may leave this process: one line, without control characters that a terminal or the runner would act
 * on, and without a secret. Log lines, annotations, the agent's replies and its report all pass here.
 */
export function printable(text: string): string {
  return scrub(text.replace(/\p{C}+/gu, " "));
}

/**
 * The texts to be masked for one secret: itself, and without its last one and two characters. Of each mask the
 * runner derives base64 at three offsets, with the mask's own end (actions/runner, ValueEncoders.cs), so that
 * these three cover base64 of every text that contains the secret.
 */
export function maskedForms(secret: string): string[] {
  return [secret, secret.slice(0, -1), secret.slice(0, -2)];
}

/** The line by which the runner masks a value, escaped as it unescapes (actions/runner, ActionCommand.cs). */
export function maskCommand(secret: string): string {
  const escaped = secret.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  return `::add-mask::${escaped}\n`;
}
