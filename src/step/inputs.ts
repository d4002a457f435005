// Owns the inputs: the only reader, every check, every message about them. No message repeats a value.

import { X509Certificate } from "node:crypto";
import { ArmorError } from "./errors.ts";
import type { Credentials } from "./oauth.ts";

export interface Inputs {
  readonly credentials: Credentials;
  /** Without a slash at its end. */
  readonly apiUrl: string;
  /** PEM, one certificate each; empty where none is given. */
  readonly certificates: readonly string[];
  readonly timeoutMs: number;
  readonly keepFresh: boolean;
  readonly exportEnvironment: boolean;
  readonly terminateSession: boolean;
}

/** The part of @actions/core that reads inputs; it trims them. */
export interface InputSource {
  getInput(name: string): string;
}

/** As in action.yml, which the runner applies where an input is not given. An input given empty stays empty. */
export const DEFAULTS = {
  "api-url": "https://api.armor.fortanix.com",
  "ca-certificate": "",
  timeout: "30",
  "keep-fresh": "false",
  "export-environment": "true",
  "terminate-session": "true",
} as const;

const MAX_TIMEOUT_SECONDS = 300;

/** Control characters, line ends among them, that no credential and no URL contains. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/** The credentials as given, unchecked, so that they can be masked before anything is said about them. */
export function readCredentials(source: InputSource): Credentials {
  return { appId: source.getInput("app-id"), apiKey: source.getInput("api-key") };
}

/** @throws ArmorError input_invalid, naming the first input that is wrong and what to do */
export function readInputs(source: InputSource): Inputs {
  const credentials = readCredentials(source);
  checkCredential("app-id", credentials.appId);
  checkCredential("api-key", credentials.apiKey);
  return {
    credentials,
    apiUrl: parseApiUrl(source.getInput("api-url")),
    certificates: parseCertificates(source.getInput("ca-certificate")),
    timeoutMs: parseTimeout(source.getInput("timeout")),
    keepFresh: readBoolean(source, "keep-fresh"),
    exportEnvironment: readBoolean(source, "export-environment"),
    terminateSession: readBoolean(source, "terminate-session"),
  };
}

function checkCredential(name: "app-id" | "api-key", value: string): void {
  if (value === "") {
    throw invalid(
      `${name} is empty`,
      "Usually the secret is not defined here under the name used in the workflow; " +
        "workflows that a fork or Dependabot starts get no repository secrets.",
    );
  }
  if (CONTROL.test(value) || !value.isWellFormed()) {
    throw invalid(
      `${name} contains a line break or another control character`,
      "Store the secret again, as one line.",
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
  return url.href.replace(/\/+$/, "");
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

function parseCertificates(value: string): string[] {
  if (value === "") return [];
  const remedy =
    "Give the text of one or more PEM certificates, each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.";
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
