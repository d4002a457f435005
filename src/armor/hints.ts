import type { Credentials } from "./credentials.ts";

/** A mistake of copying that can be seen from the shape of a value alone. */
interface Mistake {
  readonly shape: Pick<RegExp, "test">; // of the whole value
  readonly shows: string; // goes on behind `api-key ` and never repeats anything of the value
}

/**
 * Names under which people keep the two values, such as ARMOR_API_KEY or clientSecret, and what a
 * shell or a program has before them. A random value hardly begins with such a name and an equals
 * sign.
 */
const ID_NAME = /(?:app|client|armor|api)[-_]?id/.source;
const SECRET_NAME = /(?:(?:app|client|armor|api|access)[-_]?)?(?:key|secret|token|password)/.source;
const NAME = `(?:[a-z]+[-_])*(?:${ID_NAME}|${SECRET_NAME})(?:[-_][a-z0-9]+)*`;
const DECLARATION = /(?:(?:export|set|env|const|let|var|-)\s+|\$env:)?/.source;
const SIGN = /\s*(?:=|:=|:\s)\s*/.source;
const ASSIGNMENT = new RegExp(`^${DECLARATION}["']?${NAME}["']?${SIGN}[^\\s=]`, "i");

/**
 * A variable as shells, cmd, PowerShell and templates write it, if its name says that it is one of
 * the two.
 */
const TELLING_NAME = /\w*(?:key|secret|token|pass|cred|client|armor|api|app_?id)\w*/.source;
const VARIABLES: readonly string[] = [
  `\\$\\{?${TELLING_NAME}(?::?[-?=+].*)?\\}?`,
  "\\$(?:secrets|vars|env)\\.\\w+",
  "(?:process\\.env|os\\.(?:environ|getenv)|System\\.getenv|ENV)[.\\[(].*",
  "\\$env:\\w+",
  `%${TELLING_NAME}%`,
  `!${TELLING_NAME}!`,
  "\\$\\(.*\\)",
  "\\{\\{.*\\}\\}",
];
const VARIABLE = new RegExp(`^(?:${VARIABLES.join("|")})$`, "i");

/**
 * The first match of a value is told, so a mistake stands behind those that look like it. The texts
 * use none of the words that such values are made of, so that not even those are repeated.
 */
const MISTAKES: readonly Mistake[] = [
  {
    shape: /^[*•●.…xX]{3,}$|^\[?(?:redacted|masked|hidden|secure|filtered)\]?$/i,
    shows: "is what a log or a page shows instead of the value",
  },
  {
    shape: /^(?:undefined|null|none|nil|nan|true|false|\[object object\])$/i,
    shows: "is what a program writes if there is nothing",
  },
  {
    shape: /\$\{\{/,
    shows: "is an expression that GitHub has not evaluated, as it stands in quotes or in a script",
  },
  {
    shape: /^(?:secrets|vars|env|inputs|steps|needs|matrix|github)\.[\w.-]+$|^secrets\[.*\]$/i,
    shows: "is an expression without the dollar sign and the two pairs of braces around it",
  },
  {
    shape: VARIABLE,
    shows: "is the name of a variable, which nothing replaces here",
  },
  {
    shape: /^-----BEGIN|^ssh-(?:rsa|ed25519) /,
    shows: "is a PEM or SSH file, which is something else",
  },
  {
    shape: /^[a-z][a-z\d+.-]*:\/\/\S|^arn:aws/i,
    shows: "is an address or a reference, not what it leads to",
  },
  {
    shape: /^[[{]\s*["'{[].*[\]}]$/su,
    shows: "is a whole JSON text: store one value of it alone",
  },
  {
    shape: /^(?:authorization\s*:\s*)?(?:basic|bearer)\s+\S/i,
    shows: "begins with a scheme, as in an HTTP header: store what follows it",
  },
  { shape: /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/, shows: "has the shape of a session's token (JWT)" },
  {
    shape: ASSIGNMENT,
    shows: "begins with a name and a sign before the value",
  },
  {
    shape: /^["'`]|["'`][,;]?$|[\u2018-\u201f\u2032-\u2036\u00ab\u00bb]/su,
    shows: "has quotation marks: store it without them",
  },
  {
    shape: /^<.*>$|^\[.*\]$|^\(.*\)$|^\{.*\}$|^\*\*.*\*\*$/su,
    shows: "stands in brackets or other marks: store it without them",
  },
  {
    shape: /^replace[-_ ]?(?:me|it|this)$/i,
    shows: "is what some instructions write until the value is known",
  },
  {
    shape:
      /^(?:your|(?:my|the|insert|enter|paste|replace|put|add)[-_ ]).*(?:id|key|secret|here|me)$/i,
    shows: "is a placeholder of some instructions",
  },
  {
    shape:
      /^(?:(?:fix|fill|change)[-_ ]?(?:me|it|in)|to[-_ ]?do|tbd|dummy|test|example|sample|placeholder)$/i,
    shows: "is a placeholder of some instructions",
  },
  {
    shape: /^(?:app[-_ ]?id|api[-_ ]?key|client[-_ ]?(?:id|secret)|armor[-_ ]\w+|\w*_api_key)$/i,
    shows: "is a name, not what is kept under it",
  },
  {
    shape: { test: hasInvisibleCharacter },
    shows: "contains an invisible character: copy it again, from the page on which Armor shows it",
  },
  { shape: /\ufffd/, shows: "contains a character that was damaged on the way" },
  {
    shape: /^[\w+/=.~-]{8,}(?:\s+[\w+/=.~-]+)+$/,
    shows: "contains blanks, as wrapped lines leave behind",
  },
  {
    shape: /[\u2010-\u2015\u2212\u2026\uff01-\uff5e]/,
    shows: "contains a typographic character that a word processor put in",
  },
  {
    // The signs of base64 alone: a random value may hold a percent sign and two digits by chance.
    shape: /^(?=.*%(?:2B|2F|3D))(?:[\w.~-]|%(?:2B|2F|3D))+$/i,
    shows: "is percent-encoded, as inside an address: store it as it was before that",
  },
  {
    shape:
      /^@?(?:~\/|[A-Z]:\\)?[\w./\\ -]+\.(?:txt|key|pem|json|env|ya?ml)$|^\/(?:run|etc|home|var|tmp)\//i,
    shows: "is a path, not what lies there",
  },
  {
    shape: /[,;]$/,
    shows: "ends in a comma or semicolon, which separates values in a list or a program",
  },
  { shape: /\.{3}$/, shows: "ends in three dots, so a part of it is missing" },
  {
    shape: /&(?:amp|lt|gt|quot|apos|nbsp|#\d{2,4}|#x[\da-f]{2,4});/i,
    shows: "is written as in the source of a web page, with signs replaced",
  },
  {
    shape: /\\u00[\da-f]{2}/i,
    shows: "is written as inside JSON, with signs replaced",
  },
  {
    shape: /\\n$/,
    shows: "ends in a line end that is written as two characters",
  },
];

/**
 * Not a literal: V8 reads literals when it loads a file, and this one would take every step 0.6 ms.
 */
function hasInvisibleCharacter(text: string): boolean {
  // biome-ignore lint/complexity/useRegexLiterals: see above
  const shape = new RegExp("[\\p{Cf}\\p{Zl}\\p{Zp}]|\\p{Default_Ignorable_Code_Point}", "u");
  return shape.test(text);
}

const UUID = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i;
const LONG_RANDOM = /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\w+/=.~-]{32,}$/;

/**
 * What the shape of the two values shows about why they may have been refused, in sentences; none
 * if they look like what they should be. To be said only after a refusal: a value is not wrong
 * because it looks so. No text repeats anything of the values.
 */
export function hintsOf(credentials: Credentials): string[] {
  const { appId, apiKey } = credentials;
  const hints = [hintOfBoth(credentials), hintOf("app-id", appId), hintOf("api-key", apiKey)];
  return hints.filter((hint) => hint !== undefined && !repeats(hint, [appId, apiKey])) as string[];
}

/**
 * Whether a text shares four characters in a row with a value. The names of the inputs are no
 * secret.
 */
function repeats(text: string, values: readonly string[]): boolean {
  const words = text.replaceAll("app-id", "").replaceAll("api-key", "").toLowerCase();
  const folded = values.map((value) => value.toLowerCase());
  for (let start = 0; start + 4 <= words.length; start += 1) {
    const run = words.slice(start, start + 4);
    if (folded.some((value) => value.includes(run))) return true;
  }
  return false;
}

/**
 * No value is so long, and some of the shapes take long to compare with a text that nearly has
 * them.
 */
const MAX_LENGTH = 4_096;

function hintOf(name: "app-id" | "api-key", value: string): string | undefined {
  if (value.length > MAX_LENGTH) return undefined;
  const mistake = MISTAKES.find(({ shape }) => shape.test(value));
  if (mistake !== undefined) return `${name} ${mistake.shows}.`;
  // A letter and its accent as two characters, as some systems store file names, look like one.
  const isDecomposed = value !== value.normalize("NFC");
  return isDecomposed ? `${name} has accents as characters of their own.` : undefined;
}

/** What the two values show together. */
function hintOfBoth({ appId, apiKey }: Credentials): string | undefined {
  if (appId === apiKey) return "app-id and api-key are the same text.";
  if (isPair(apiKey, appId)) return "api-key holds both values, joined by a colon.";
  if (isPair(appId, apiKey)) return "app-id holds both values, joined by a colon.";
  if (isPair(decoded(apiKey), appId)) return "api-key is the base64 of both values together.";
  if (isPair(decoded(appId), apiKey)) return "app-id is the base64 of both values together.";
  if (decoded(apiKey) === appId) return "api-key is the base64 of app-id.";
  if (contains(apiKey, appId)) return "api-key holds app-id, too: store the part behind it alone.";
  if (contains(appId, apiKey)) return "app-id holds api-key, too: store the other part alone.";
  const looksSwapped = UUID.test(apiKey) && LONG_RANDOM.test(appId);
  return looksSwapped ? "app-id and api-key look as if they were swapped." : undefined;
}

/** Whether the text is the other value and something more, with a colon between them. */
function isPair(text: string, other: string): boolean {
  return text.startsWith(`${other}:`) || text.endsWith(`:${other}`);
}

/** Whether the other value stands inside the text. A short one may do so by chance. */
function contains(text: string, other: string): boolean {
  return other.length >= 8 && text.includes(other);
}

/**
 * What the text is the base64 of: standard or URL-safe, with or without padding, also behind its
 * scheme.
 */
function decoded(text: string): string {
  const base64 = text.replace(/^basic\s+/i, "");
  return Buffer.from(base64, "base64").toString("utf8").trim();
}
