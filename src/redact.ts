/** The secrets of this process, in every form in which they travel. */
const secretsOfThisProcess: string[] = [];

/** From now on, nothing that is quoted, scrubbed or made printable shows these. */
export function hide(secrets: readonly string[]): void {
  secretsOfThisProcess.push(...secrets);
}

/**
 * How many characters of a foreign text are shown. More would not help anybody to find the cause.
 */
const QUOTE_LENGTH = 200;
/** So many times as many are read for that, as some of them vanish: a run of blanks becomes one. */
const READ_FACTOR = 4;

/**
 * Makes text that somebody else wrote safe to print: one short line, without a secret and without a
 * workflow command. The text is cut before it is searched, so that a reply of a megabyte costs no
 * more than a short one.
 * @param maxLength in characters; what is longer is cut, and ends with an ellipsis
 */
export function quote(
  text: string,
  secrets: readonly string[] = secretsOfThisProcess,
  maxLength = QUOTE_LENGTH,
): string {
  const longest = secrets.reduce((length, secret) => Math.max(length, secret.length), 0);
  const readLength = READ_FACTOR * maxLength + 3 * longest;
  const isWholeRead = text.length <= readLength;
  const line = toHarmlessLine(text.slice(0, readLength), secrets);
  if (isWholeRead && line.length <= maxLength) return line;
  // The first part of a secret may stand where reading stopped, and is not recognized there. So the
  // end is dropped: twice the longest secret, because what makes commands harmless can lengthen a
  // text by half.
  const shown = isWholeRead ? line : line.slice(0, Math.max(0, line.length - 2 * longest));
  return `${withoutHalfCharacter(shown.slice(0, maxLength))}…`;
}

/**
 * All that is neither visible nor a plain space: controls, line ends, zero-width and bidi marks.
 */
const UNSEEN = /[\p{C}\p{Z}]+/gu;

function toHarmlessLine(text: string, secrets: readonly string[]): string {
  const visible = scrubBroken(scrub(text, secrets), secrets).replace(UNSEEN, " ");
  // The runner takes `::` and `##[` for the start of a command (actions/runner, ActionCommand.cs).
  const harmless = visible.replace(/:{2,}/g, ":").replaceAll("#[", "# [");
  // Secrets are searched for again, because the clean-up can join the two halves of one.
  return scrub(harmless, secrets).trim();
}

/**
 * Wrapped lines, and marks at which a page may break a long word, leave a secret in pieces that
 * anybody can join. A text with such a secret is shown without any of them.
 */
function scrubBroken(text: string, secrets: readonly string[]): string {
  const joined = text.replace(UNSEEN, "");
  const scrubbed = scrub(joined, secrets);
  const hasBrokenSecret = scrubbed !== joined;
  return hasBrokenSecret ? scrubbed : text;
}

/** A cut can go through a character that JavaScript stores as two (a surrogate pair). */
function withoutHalfCharacter(text: string): string {
  return text.replace(/[\ud800-\udbff]$/, "");
}

/** A part of a text, by the positions of its first character and of the one behind its last. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Replaces every secret by `***`, in any case of its letters, because a host name arrives in small
 * ones. Secrets that overlap become one `***`, so that no rest of the second one stays.
 */
export function scrub(text: string, secrets: readonly string[] = secretsOfThisProcess): string {
  const foldedText = foldCase(text);
  const foldedSecrets = new Set(secrets.map(foldCase));
  const spans = [...foldedSecrets].flatMap((secret) => spansOf(secret, foldedText));
  spans.sort((a, b) => a.start - b.start);
  let scrubbed = "";
  let end = 0; // of what has been copied or replaced so far
  for (const span of spans) {
    if (span.start >= end) scrubbed += `${text.slice(end, span.start)}***`;
    end = Math.max(end, span.end);
  }
  return scrubbed + text.slice(end);
}

/** Not by a regular expression: one of a few thousand characters is too large for some engines. */
function spansOf(secret: string, text: string): Span[] {
  const spans: Span[] = [];
  if (secret === "") return spans;
  let start = text.indexOf(secret);
  while (start !== -1) {
    const end = start + secret.length;
    spans.push({ start, end });
    start = text.indexOf(secret, start + 1); // it may overlap itself
  }
  return spans;
}

/** Of ASCII letters only, because toLowerCase changes the length of some other texts. */
function foldCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Visible ASCII and blanks. */
const PLAIN = /^[ -~]*$/;
/** What a terminal or the runner could act on: controls, format characters and line ends. */
const CONTROL = /[\p{C}\p{Zl}\p{Zp}]+/gu;

/**
 * What may leave this process: one line, without control characters that a terminal or the runner
 * would act on, and without a secret. Log lines, annotations, the agent's replies and its report
 * all pass here.
 */
export function printable(text: string): string {
  // Before the clean-up as well as after it: a secret may have an invisible character in it.
  const scrubbed = scrub(text);
  // Nearly every line is ASCII, and the first use of a Unicode property takes 0.4 ms.
  return PLAIN.test(scrubbed) ? scrubbed : scrub(scrubbed.replace(CONTROL, " "));
}

/**
 * A shorter token is none: its mask would cover common words, and make the job's log unreadable.
 */
export const MIN_TOKEN_LENGTH = 8;
/**
 * A longer token fits into no header (Node and most servers take 16 KB of them), nor well into a
 * variable.
 */
export const MAX_TOKEN_LENGTH = 16 * 1024;

/** The one rule for what a token is. The action and `armor-token` hand on nothing else. */
export function isToken(text: string): boolean {
  return tokenFault(text) === undefined;
}

/**
 * What is wrong with a text that should be a token, put so that it goes on behind "an
 * access_token".
 */
export function tokenFault(text: string): string | undefined {
  // Only visible ASCII can stand in a header (RFC 6750 section 2.1 allows a little less).
  if (!/^[\x21-\x7e]*$/.test(text)) return "with characters that no header can carry";
  if (text.length > MAX_TOKEN_LENGTH) return "that is longer than a header can be";
  if (text.length < MIN_TOKEN_LENGTH) return `of fewer than ${MIN_TOKEN_LENGTH} characters`;
  // A command begins with `::` at the start of a line, or with `##[` anywhere (actions/runner,
  // ActionCommand.cs).
  const isCommand = text.startsWith("::") || text.includes("##[");
  return isCommand ? "that the runner would take for a command" : undefined;
}

/**
 * A JSON Web Token or its encrypted kind (RFC 7519, RFC 7516). The last part is the signature or
 * its like.
 */
const JWT = /^eyJ[\w-]*\.(?:[\w-]*\.)+(?<lastPart>[\w-]{16,})$/;
/** A shorter mask would cover common words. */
const MIN_MASK_LENGTH = 6;

/**
 * The texts to be masked for one secret, three at most, because each costs the runner time on every
 * later line.
 *
 * Of each mask, the runner derives base64 at three offsets, with the mask's own end
 * (ValueEncoders.cs). Inside a longer text, that matches only if the mask ends where a group of
 * three bytes ends. So the secret without its last one and two characters is masked as well, and
 * one of the three always ends there.
 *
 * Of a JWT, the two shorter masks are of its last part alone, which `cut -d.` prints by itself.
 * Whatever base64 shows of the other parts then, nobody can use it without the last one.
 */
export function maskedForms(secret: string): string[] {
  const end = JWT.exec(secret)?.groups?.["lastPart"] ?? secret;
  const shorter = [end.slice(0, -1), end.slice(0, -2)];
  return [secret, ...shorter.filter((text) => text.length >= MIN_MASK_LENGTH)];
}

/**
 * The line by which the runner masks a value, escaped as it unescapes (actions/runner,
 * ActionCommand.cs).
 */
export function maskCommand(secret: string): string {
  const escaped = secret.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  return `::add-mask::${escaped}\n`;
}
