import { type Credentials, secretForms } from "../armor/credentials.ts";
import { isLoopback } from "../armor/host.ts";
import { ArmorError } from "../errors.ts";
import { pathFault } from "../gateway/targets.ts";
import { missingError, refuseMisspeltInputs } from "./missing.ts";
import { readCertificates } from "./pem.ts";

/** What the workflow wants, checked. */
export interface Inputs {
  readonly credentials: Credentials;
  readonly apiUrl: string; // without a slash at its end
  readonly certificates: readonly string[]; // PEM, one certificate each
  readonly timeoutMs: number;
  readonly keepFresh: boolean;
  // Absolute; one that ends with `/` is everything below it.
  readonly gatewayPaths: readonly string[];
  readonly exportEnvironment: boolean;
  readonly terminateSession: boolean;
}

type GetInput = (name: string) => string; // of @actions/core; it trims what it reads

/**
 * The same as in action.yml. The runner applies them to inputs that are left out, but not to empty
 * ones.
 */
export const DEFAULTS = {
  "api-url": "https://api.armor.fortanix.com",
  "ca-certificate": "",
  timeout: "30",
  "keep-fresh": "false",
  "gateway-paths": "/api/v1/discovery/",
  "export-environment": "true",
  "terminate-session": "true",
} as const;

const INPUT_NAMES = ["app-id", "api-key", ...Object.keys(DEFAULTS)];
const MAX_TIMEOUT_SECONDS = 300;
const MIN_KEY_LENGTH = 8;
// Far above any key, and far below what an environment variable can hold.
const MAX_CREDENTIAL_LENGTH = 4096;

/**
 * Control characters, line separators and lone surrogates. No credential and no URL has one.
 * Invisible characters pass here: after a 401 a hint tells of them.
 */
const CONTROL = /[^ -~\u00a0-\u2027\u202a-\ud7ff\ue000-\u{10ffff}]/u;

/**
 * Every form of the key, to be masked first. A short key has none: its mask would cover half of the
 * log.
 */
export function readSecrets(getInput: GetInput): string[] {
  const credentials = { appId: getInput("app-id"), apiKey: getInput("api-key") };
  return credentials.apiKey.length < MIN_KEY_LENGTH ? [] : secretForms(credentials);
}

/**
 * Reads and checks all inputs.
 * @param env of this process, which tells why an input is missing
 * @throws ArmorError input_invalid, naming the first input that is wrong and what to do
 */
export function readInputs(getInput: GetInput, env: NodeJS.ProcessEnv = {}): Inputs {
  refuseMisspeltInputs(getInput, env, INPUT_NAMES, DEFAULTS);
  return {
    credentials: readCredentials(getInput, env),
    apiUrl: parseApiUrl(getInput("api-url")),
    certificates: parseCertificates(getInput("ca-certificate")),
    timeoutMs: parseTimeout(getInput("timeout")),
    keepFresh: parseBoolean("keep-fresh", getInput("keep-fresh")),
    gatewayPaths: parseGatewayPaths(getInput("gateway-paths")),
    exportEnvironment: parseBoolean("export-environment", getInput("export-environment")),
    terminateSession: parseBoolean("terminate-session", getInput("terminate-session")),
  };
}

function readCredentials(getInput: GetInput, env: NodeJS.ProcessEnv): Credentials {
  const appId = getInput("app-id");
  const apiKey = getInput("api-key");
  const credentials = [
    { name: "app-id", value: appId },
    { name: "api-key", value: apiKey },
  ];
  const empty = credentials.filter(({ value }) => value === "").map(({ name }) => name);
  const areAllLost = INPUT_NAMES.every((name) => getInput(name) === "");
  if (empty.length > 0) throw missingError(empty, areAllLost, env);
  const again =
    "Store the secret again: the value that Armor shows, on one line, and nothing else.";
  for (const { name, value } of credentials) {
    if (CONTROL.test(value))
      throw invalid(`${name} contains a line break or another control character`, again);
    if (value.length > MAX_CREDENTIAL_LENGTH)
      throw invalid(`${name} is longer than ${MAX_CREDENTIAL_LENGTH} characters`, again);
  }
  if (apiKey.length < MIN_KEY_LENGTH)
    throw invalid(
      `api-key is shorter than ${MIN_KEY_LENGTH} characters`,
      `Usually it was cut off. ${again}`,
    );
  return { appId, apiKey };
}

function parseApiUrl(value: string): string {
  const remedy = `Give https:// and a host name, such as ${DEFAULTS["api-url"]}.`;
  if (value === "")
    throw invalid("api-url is empty", `${remedy} Without the input, that address is used.`);
  if (CONTROL.test(value) || !URL.canParse(value))
    throw invalid("api-url is not an absolute URL", remedy);
  const url = new URL(value);
  if (url.username !== "" || url.password !== "")
    throw invalid("api-url contains a user name or password", remedy);
  if (/[?#]/.test(value)) throw invalid("api-url contains a query or a fragment", remedy);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname)))
    throw invalid(
      "api-url does not start with https://",
      `${remedy} Only a loopback host may use http://.`,
    );
  if (/^\/+api(\/|$)/.test(url.pathname))
    throw invalid("api-url has a path that begins with /api", `The action adds it. ${remedy}`);
  return url.href.replace(/\/+$/, "");
}

/** @throws ArmorError input_invalid for a line that the gateway's path rule refuses */
function parseGatewayPaths(value: string): string[] {
  const lines = value.split(/\r?\n/).map((line) => line.trim());
  const paths = lines.filter((line) => line !== "");
  if (paths.length === 0) return [DEFAULTS["gateway-paths"]];
  for (const [index, path] of paths.entries()) {
    const fault =
      pathFault(path) ?? (path.startsWith("/api/") ? undefined : "no /api/ at its beginning");
    if (fault === undefined) continue;
    const remedy = `Give one path a line, such as ${DEFAULTS["gateway-paths"]}.`;
    throw invalid(`gateway-paths: path ${index + 1} of ${paths.length} has ${fault}`, remedy);
  }
  return paths;
}

function parseCertificates(value: string): readonly string[] {
  if (value === "") return [];
  const range = "from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----";
  const remedy = `Give the text of one or more PEM certificates, each ${range}.`;
  if (value.includes("PRIVATE KEY-----"))
    throw invalid(
      "ca-certificate contains a private key",
      `${remedy} Consider that key compromised.`,
    );
  const result = readCertificates(value);
  if ("problem" in result) throw invalid(result.problem, remedy);
  return result.certificates;
}

function parseTimeout(value: string): number {
  const seconds = /^\d+$/.test(value) ? Number(value) : 0;
  if (seconds >= 1 && seconds <= MAX_TIMEOUT_SECONDS) return seconds * 1000;
  const remedy = `Give seconds, or leave the input out for ${DEFAULTS.timeout}.`;
  throw invalid(`timeout is not a whole number from 1 to ${MAX_TIMEOUT_SECONDS}`, remedy);
}

/** The spellings of the YAML 1.2 core schema, as @actions/core's getBooleanInput takes them. */
function parseBoolean(name: keyof typeof DEFAULTS, value: string): boolean {
  if (/^(true|True|TRUE)$/.test(value)) return true;
  if (/^(false|False|FALSE)$/.test(value)) return false;
  const remedy = `Give one of them, or leave the input out for ${DEFAULTS[name]}.`;
  throw invalid(`${name} is neither true nor false`, remedy);
}

function invalid(problem: string, remedy: string): ArmorError {
  return new ArmorError("input_invalid", problem, remedy);
}
