import { quote } from "../redact.ts";
import { type Refusal, refuse } from "./refusals.ts";

/**
 * How much a text shows of a refused path, and of the part that is wrong with it, in characters.
 */
const SHOWN_PATH = 100;
const SHOWN_FAULT = 20;

/**
 * Single slashes, and segments that do not begin with a dot: what every reader understands alike.
 */
const PLAIN_PATH = /^\/(?:[\w~:@-][\w.~:@-]*\/)*(?:[\w~:@-][\w.~:@-]*)?$/;

interface PathFault {
  readonly sign: RegExp; // finds the part that is wrong
  readonly what: string; // the path "has" it
  readonly remedy: string;
}

/** What a path may have that is not plain. Of several faults the first is named. */
const PATH_FAULTS: readonly PathFault[] = [
  {
    sign: /^(?!\/)/,
    what: "no slash at its beginning",
    remedy: "Begin it with a slash.",
  },
  {
    sign: /\/\//,
    what: "two slashes in a row",
    remedy: "Often the base address ends with a slash: leave that one out.",
  },
  {
    sign: /%.{0,2}/s,
    what: "an encoded character",
    remedy: "The API's paths have none: encode in the query only.",
  },
  {
    sign: /(?<=\/)\.[^/]*/,
    what: "a segment that begins with a dot",
    remedy: "Write the path without it.",
  },
  {
    sign: /[^\w\-.~:@/]/,
    what: "a character other than A-Z a-z 0-9 - . _ ~ : @",
    remedy: "The API's paths have no other.",
  },
];

/**
 * The one rule for paths, of first targets and of redirects: every reader of a path must see the
 * same one, so only plain segments are let through, and nothing is decoded.
 * @returns the string to send, or a refusal
 */
export function allowedTarget(target: string, gatewayPaths: readonly string[]): string | Refusal {
  const path = withoutQuery(target);
  const fault = findFault(path);
  if (fault !== undefined)
    return badTarget(path, `the path has ${nameOf(fault, path)}`, fault.remedy);
  const sign = signToEncode(target);
  if (sign !== undefined)
    return badTarget(
      path,
      "its query has a character that must be percent-encoded",
      `Write ${sign} for it.`,
    );
  if (!gatewayPaths.some((listed) => covers(listed, path))) return notListed(path, gatewayPaths);
  return target;
}

/** The part of a target that names what is read; the query only says how. */
export function withoutQuery(target: string): string {
  const end = target.indexOf("?");
  return end === -1 ? target : target.slice(0, end);
}

/**
 * @returns what is wrong with a path, naming it, without a full stop; undefined if the path is
 * plain
 */
export function pathFault(path: string): string | undefined {
  const fault = findFault(path);
  return fault === undefined ? undefined : nameOf(fault, path);
}

function findFault(path: string): PathFault | undefined {
  if (PLAIN_PATH.test(path)) return undefined;
  return PATH_FAULTS.find(({ sign }) => sign.test(path));
}

/** Such as `an encoded character (%2f)`. */
function nameOf({ sign, what }: PathFault, path: string): string {
  const part = shown(sign.exec(path)?.[0] ?? "", SHOWN_FAULT);
  return part === "" ? what : `${what} (${part})`;
}

function badTarget(path: string, what: string, remedy: string): Refusal {
  return refuse("bad_target", `The gateway refused ${shown(path, SHOWN_PATH)}: ${what}. ${remedy}`);
}

function notListed(path: string, gatewayPaths: readonly string[]): Refusal {
  const listed = `it is not below gateway-paths (${quote(gatewayPaths.join(", "))})`;
  const remedy = "Add it there if every step may read it.";
  return refuse(
    "path_refused",
    `The gateway refused ${shown(path, SHOWN_PATH)}: ${listed}. ${remedy}`,
  );
}

function covers(listed: string, path: string): boolean {
  return listed.endsWith("/") ? path.startsWith(listed) : path === listed;
}

/**
 * @returns the first character that is not visible ASCII, or begins a fragment, as it is to be
 * written
 */
function signToEncode(target: string): string | undefined {
  const sign = /[^\x21-\x7e]|#/.exec(target)?.[0];
  if (sign === undefined) return undefined;
  const bytes = Buffer.from(sign, sign > "\xff" ? "utf8" : "latin1"); // Node gives one character a byte
  return bytes.toString("hex").toUpperCase().replace(/../g, "%$&");
}

/** Text of others as it may be printed. */
function shown(text: string, length: number): string {
  const quoted = quote(text);
  return quoted.length > length ? `${quoted.slice(0, length)}…` : quoted;
}
