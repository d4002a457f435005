import { delimiter, isAbsolute, resolve } from "node:path";

// What the agent gets of the job's environment and of its NODE_OPTIONS: what the same Node needs to
// start, to trust the same authorities and to reach the same network as the main step, and nothing
// else. /proc shows it to others.

/** Names count in any case of letters, as on Windows, which writes `Path` and `SystemRoot`. */
const PLAIN_VARIABLES: ReadonlySet<string> = new Set([
  "PATH",
  "HOME",
  "USERPROFILE",
  "TEMP",
  "TMP",
  "TMPDIR",
  "SYSTEMROOT",
  "LANG",
  "RUNNER_TEMP",
  "RUNNER_TRACKING_ID", // by which the runner ends what outlived its job
  "NODE_USE_SYSTEM_CA",
]);

/** One path each. Paths are made absolute, because the agent runs in another folder. */
const PATH_VARIABLES: ReadonlySet<string> = new Set([
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "OPENSSL_CONF",
  "OPENSSL_MODULES",
  "NIX_LD",
]);

/**
 * Several folders each, as in PATH. For the loader, an empty entry is the working folder
 * (ld.so(8)).
 */
const FOLDERS_VARIABLES: ReadonlySet<string> = new Set(["LD_LIBRARY_PATH", "NIX_LD_LIBRARY_PATH"]);

/** Folders of authorities. OpenSSL passes over an empty entry, so it must not become a folder. */
const SSL_CERT_DIR = "SSL_CERT_DIR";

/** Libraries by path or by name. ld.so(8) takes a colon or a blank between them. */
const LD_PRELOAD = "LD_PRELOAD";

/** What macOS's loader reads, dyld(1): several paths each, or a switch such as `1`. */
const DYLD_PREFIX = "DYLD_";

/** @returns the variables of `env` that the agent gets, by the names that they have there */
export function agentEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const inherited: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    const inheritedValue = inheritedVariable(name.toUpperCase(), value);
    if (inheritedValue !== undefined) inherited[name] = inheritedValue;
  }
  return inherited;
}

/** @returns undefined for a variable that the agent does not get */
function inheritedVariable(name: string, value: string): string | undefined {
  if (!isInherited(name)) return undefined;
  if (value === "") return "";
  if (PATH_VARIABLES.has(name)) return resolve(value);
  if (name === SSL_CERT_DIR) {
    const folders = value.split(delimiter).filter((folder) => folder !== "");
    return folders.map(absoluteFolder).join(delimiter);
  }
  if (FOLDERS_VARIABLES.has(name))
    return value.split(delimiter).map(absoluteFolder).join(delimiter);
  if (name === LD_PRELOAD) return value.split(/[:\s]/).map(absoluteLibrary).join(":");
  if (name.startsWith(DYLD_PREFIX)) return value.split(":").map(absoluteLibrary).join(":");
  return value;
}

function isInherited(name: string): boolean {
  return (
    PLAIN_VARIABLES.has(name) ||
    PATH_VARIABLES.has(name) ||
    FOLDERS_VARIABLES.has(name) ||
    name === SSL_CERT_DIR ||
    name === LD_PRELOAD ||
    name.startsWith(DYLD_PREFIX)
  );
}

/** One that begins with `$`, such as `$ORIGIN/lib`, is the loader's to replace. */
function absoluteFolder(folder: string): string {
  return folder.startsWith("$") ? folder : resolve(folder);
}

/** A name without a slash is looked for by the loader, in folders of its own. */
function absoluteLibrary(library: string): string {
  const isRelativePath = library.includes("/") && !isAbsolute(library);
  return isRelativePath ? absoluteFolder(library) : library;
}

/** Of the job's NODE_OPTIONS: what decides whom to trust and how to reach it. */
const ALLOWED_FLAGS: ReadonlySet<string> = new Set([
  "--use-openssl-ca",
  "--use-system-ca",
  "--use-bundled-ca",
  "--tls-cipher-list",
  "--dns-result-order",
  "--network-family-autoselection",
  "--network-family-autoselection-attempt-timeout",
]);
/** Not `--tls-`: with `--tls-keylog`, everything that the agent says could be decrypted. */
const ALLOWED_PREFIXES = ["--openssl-", "--tls-min-", "--tls-max-"];

/** Node takes `--flag value` as well as `--flag=value` for these. */
const FLAGS_WITH_VALUE: ReadonlySet<string> = new Set([
  "--tls-cipher-list",
  "--dns-result-order",
  "--openssl-config",
  "--network-family-autoselection-attempt-timeout",
]);

/**
 * @param nodeOptions NODE_OPTIONS of the job.
 * @returns its flags that the agent gets, as `--flag=value`
 */
export function allowedNodeFlags(nodeOptions: string): string[] {
  const flags: string[] = [];
  const words = wordsOf(nodeOptions);
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const { name, value } = parseFlag(word);
    if (!isAllowedFlag(name)) continue;
    const givenValue = value ?? (FLAGS_WITH_VALUE.has(name) ? words.shift() : undefined);
    if (givenValue === undefined) flags.push(name);
    else if (name === "--openssl-config") flags.push(`${name}=${resolve(givenValue)}`);
    else flags.push(`${name}=${givenValue}`);
  }
  return flags;
}

/**
 * Blanks end a word, except between double quotes, where a backslash keeps the next sign (Node's
 * documentation).
 */
function wordsOf(nodeOptions: string): string[] {
  const words = nodeOptions.match(/(?:[^ "]|"(?:\\.|[^"\\])*")+/gs) ?? [];
  return words.map((word) =>
    word.replace(/"((?:\\.|[^"\\])*)"/gs, (_, text: string) => text.replace(/\\(.)/gs, "$1")),
  );
}

/** Node reads `_` in the name of a flag as `-`. */
function parseFlag(word: string): { name: string; value: string | undefined } {
  const [name = ""] = word.split("=", 1);
  const value = word.length > name.length ? word.slice(name.length + 1) : undefined;
  return { name: name.replaceAll("_", "-"), value };
}

/** `--no-` before a flag turns it off. */
function isAllowedFlag(name: string): boolean {
  const positive = name.replace(/^--no-/, "--");
  return ALLOWED_FLAGS.has(positive) || ALLOWED_PREFIXES.some((one) => positive.startsWith(one));
}
