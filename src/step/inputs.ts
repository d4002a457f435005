import { X509Certificate } from "node:crypto";
import { pathFault } from "../agent/guard.ts";
import type { Credentials } from "../armor/credentials.ts";
import { isLoopback } from "../armor/proxy.ts";
import { ArmorError } from "../errors.ts";

export interface Inputs {
  readonly credentials: Credentials;
  /** Without a slash at its end. */
  readonly apiUrl: string;
  /** PEM, one certificate each; empty where none is given. */
  readonly certificates: readonly string[];
  readonly timeoutMs: number;
  readonly keepFresh: boolean;
  /** Absolute paths; one that ends with `/` is everything below it. */
  readonly gatewayPaths: readonly string[];
  readonly exportEnvironment: boolean;
  readonly terminateSession: boolean;
}

/** The part of @actions/core that reads inputs; it trims them. */
export interface InputSource {
  getInput(name: string): string;
}

/**
 * As in action.yml, which the runner applies where an input is not given. An input given empty stays
 * empty.
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

const MAX_TIMEOUT_SECONDS = 300;
/** A mask of a shorter text would cover half of the log. */
const MIN_KEY_LENGTH = 8;
/** Far above any key, and far below what an environment variable can hold. */
const MAX_CREDENTIAL_LENGTH = 4096;

/** Control characters, line ends among them, that no credential and no URL contains. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/** The credentials as given, unchecked, so that they can be masked before anything is said about them. */
export function readCredentials(source: InputSource): Credentials {
  return { appId: source.getInput("app-id"), apiKey: source.getInput("api-key") };
}

/** @throws ArmorError input_invalid, naming the first input that is wrong and what to do */
export function readInputs(source: InputSource): Inputs {
  const credentials = readCredentials(source);
  checkCredentials(credentials);
  return {
    credentials,
    apiUrl: parseApiUrl(source.getInput("api-url")),
    certificates: parseCertificates(source.getInput("ca-certificate")),
    timeoutMs: parseTimeout(source.getInput("timeout")),
    keepFresh: readBoolean(source, "keep-fresh"),
    gatewayPaths: parseGatewayPaths(source.getInput("gateway-paths")),
    exportEnvironment: readBoolean(source, "export-environment"),
    terminateSession: readBoolean(source, "terminate-session"),
  };
}

function checkCredentials({ appId, apiKey }: Credentials): void {
  const values = [
    ["app-id", appId],
    ["api-key", apiKey],
  ] as const;
  const empty = values.filter(([, value]) => value === "").map(([name]) => name);
  if (empty.length > 0) {
    throw invalid(
      `${empty.join(" and ")} ${empty.length === 1 ? "is" : "are"} empty`,
      "Usually the secret is not defined here under the name that the workflow uses. " +
        "Workflows that a fork or Dependabot starts get no repository secrets.",
    );
  }
  for (const [name, value] of values) {
    if (CONTROL.test(value) || !value.isWellFormed()) {
      throw invalid(
        `${name} contains a line break or another control character`,
        "Store the secret again, as one line.",
      );
    }
    if (value.length > MAX_CREDENTIAL_LENGTH) {
      throw invalid(
        `${name} is longer than ${MAX_CREDENTIAL_LENGTH} characters`,
        "Store the secret again: the value that Armor shows, and nothing else.",
      );
    }
  }
  if (apiKey.length < MIN_KEY_LENGTH) {
    throw invalid(
      `api-key is shorter than ${MIN_KEY_LENGTH} characters`,
      "Usually it was cut off when it was copied. Store the secret again, as Armor shows it.",
    );
  }
}

function parseApiUrl(value: string): string {
  const remedy = `Give https:// and a host name, such as ${DEFAULTS["api-url"]}.`;
  if (value === "") {
    throw invalid("api-url is empty", `${remedy} Without the input, that address is used.`);
  }
  if (CONTROL.test(value) || !URL.canParse(value)) throw invalid("api-url is not an absolute URL", remedy);
  const url = new URL(value);
  if (url.username !== "" || url.password !== "")
    throw invalid("api-url contains a user name or password", remedy);
  if (/[?#]/.test(value)) throw invalid("api-url contains a query or a fragment", remedy);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname))) {
    throw invalid("api-url does not start with https://", `${remedy} Only a loopback host may use http://.`);
  }
  if (/^\/api(\/|$)/.test(url.pathname)) {
    throw invalid("api-url has a path that begins with /api", `The action adds it. ${remedy}`);
  }
  return url.href.replace(/\/+$/, "");
}

/** @throws ArmorError input_invalid for a line that the gateway's path rule refuses */
function parseGatewayPaths(value: string): string[] {
  const lines = value.split(/\r?\n/).map((line) => line.trim());
  const paths = lines.filter((line) => line !== "");
  for (const [index, path] of paths.entries()) {
    const fault = pathFault(path) ?? (path.startsWith("/api/") ? undefined : "no /api/ at its beginning");
    if (fault !== undefined) {
      throw invalid(
        `gateway-paths: path ${index + 1} of ${paths.length} has ${fault}`,
        `Give one path a line, such as ${DEFAULTS["gateway-paths"]}.`,
      );
    }
  }
  return paths.length === 0 ? [DEFAULTS["gateway-paths"]] : paths;
}

function parseCertificates(value: string): string[] {
  if (value === "") return [];
  const remedy =
    "Give the text of one or more PEM certificates, " +
    "each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.";
  if (value.includes("PRIVATE KEY-----")) {
    throw invalid("ca-certificate contains a private key", `${remedy} Consider that key compromised.`);
  }
  const blocks = value.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0 || blocks.length !== value.split("-----BEGIN").length - 1) {
    throw invalid("ca-certificate is not PEM", remedy);
  }
  for (const [index, block] of blocks.entries()) {
    if (!isCertificate(block)) {
      throw invalid(`ca-certificate: certificate ${index + 1} of ${blocks.length} cannot be read`, remedy);
    }
  }
  return blocks;
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

function parseTimeout(value: string): number {
  const seconds = /^\d+$/.test(value) ? Number(value) : 0;
  if (seconds >= 1 && seconds <= MAX_TIMEOUT_SECONDS) return seconds * 1000;
  throw invalid(
    `timeout is not a whole number from 1 to ${MAX_TIMEOUT_SECONDS}`,
    `Give seconds, or leave the input out for ${DEFAULTS.timeout}.`,
  );
}

/** The spellings of the YAML 1.2 core schema, as @actions/core's getBooleanInput takes them. */
function readBoolean(
  source: InputSource,
  name: "keep-fresh" | "export-environment" | "terminate-session",
): boolean {
  const value = source.getInput(name);
  if (/^(true|True|TRUE)$/.test(value)) return true;
  if (/^(false|False|FALSE)$/.test(value)) return false;
  throw invalid(
    `${name} is neither true nor false`,
    `Give one of them, or leave the input out for ${DEFAULTS[name]}.`,
  );
}

function invalid(problem: string, remedy: string): ArmorError {
  return new ArmorError("input_invalid", problem, remedy);
}
