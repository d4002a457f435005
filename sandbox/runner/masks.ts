// The masks of a job, as GitHub's runner derives and applies them (actions/runner, SecretMasker.cs,
// ValueEncoders.cs). One list serves the whole job.

/** PowerShell shows the parts of a value around an ampersand apart. Shorter parts would shred the log. */
const MIN_PART_LENGTH = 6;

export class Masks {
  readonly #originals = new Set<string>();
  readonly #forms = new Set<string>();

  /** Masks the value as a whole and each of its lines. What has been shown before stays shown. */
  add(value: string): void {
    this.#addOne(value);
    for (const line of value.split(/[\r\n]/)) this.#addOne(line.trim());
  }

  #addOne(value: string): void {
    if (value === "" || this.#originals.has(value)) return;
    this.#originals.add(value);
    for (const form of formsOf(value)) if (form !== "") this.#forms.add(form);
  }

  /** The text with `***` for every masked part. Parts that touch or overlap become one. */
  apply(text: string): string {
    const spans = [...this.#forms].flatMap((form) => spansOf(form, text));
    spans.sort((a, b) => a.start - b.start);
    let masked = "";
    let end = 0; // of what is in `masked` already
    let isOpen = false; // whether `masked` ends with the `***` of a span that ended at `end`
    for (const span of spans) {
      const touches = isOpen && span.start <= end;
      if (!touches) masked += `${text.slice(end, span.start)}***`;
      end = Math.max(end, span.end);
      isOpen = true;
    }
    return masked + text.slice(end);
  }
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function spansOf(form: string, text: string): Span[] {
  const spans: Span[] = [];
  let start = text.indexOf(form);
  while (start !== -1) {
    spans.push({ start, end: start + form.length });
    start = text.indexOf(form, start + 1);
  }
  return spans;
}

/** The derivation is one level deep: no form of a form is masked. */
function formsOf(value: string): string[] {
  const isQuoted = value.length > 8 && value.startsWith('"') && value.endsWith('"');
  return [
    value,
    base64From(0, value),
    base64From(1, value),
    base64From(2, value),
    value.replaceAll('"', '\\"'),
    value.replaceAll("'", "''"),
    jsonForm(value),
    uriForm(value),
    xmlForm(value),
    ...(isQuoted ? [value.slice(1, -1)] : []),
    ...partsAroundAmpersand(value),
  ];
}

/** Base64 of the value without its first bytes, with the value's own end. */
function base64From(offset: number, value: string): string {
  const bytes = Buffer.from(value);
  return (bytes.length > offset ? bytes.subarray(offset) : bytes).toString("base64");
}

function jsonForm(value: string): string {
  const escaped = JSON.stringify(value).slice(1, -1);
  return escaped.replace(/[\u0085\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** .NET's Uri.EscapeDataString also escapes what encodeURIComponent leaves as it is. */
function uriForm(value: string): string {
  return encodeURIComponent(value.toWellFormed()).replace(/[!'()*]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  });
}

function xmlForm(value: string): string {
  return value
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&apos;");
}

function partsAroundAmpersand(value: string): string[] {
  if (!value.includes("&")) return [];
  const joint = value.indexOf("&+");
  const end = joint === -1 ? value.lastIndexOf("&") + 1 : joint + 2;
  const next = joint === -1 ? end : end + 1;
  return [value.slice(0, end), value.slice(next)].filter((part) => part.length >= MIN_PART_LENGTH);
}
