import { delimiter, resolve } from "node:path";

/** What /proc may show of the agent. */
const ALLOWED_VARIABLES: ReadonlySet<string> = new Set([
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
/** They are made absolute, because the agent runs in another folder. */
const PATH_VARIABLES: ReadonlySet<string> = new Set([
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
]);

/** Of the job's NODE_OPTIONS: only what decides whom to trust and how to reach it, and no `--tls-keylog`. */
const ALLOWED_FLAG =
  /^--(use-(openssl|system|bundled)-ca|openssl-[\w-]+|tls-(min|max|cipher)-[\w.-]+|dns-result-order)(=.*)?$/s;
/** Node takes `--flag value` as well as `--flag=value`. */
const FLAG_BEFORE_VALUE = /(--(?:tls-cipher-list|dns-result-order|openssl-config))\s+/g;
/** A word of NODE_OPTIONS: spaces end it, except between double quotes (Node's documentation). */
const WORD = /(?:[^\s"]|"(?:\\.|[^"\\])*")+/g;

export function agentEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const inherited: Record<string, string> = {};
  for (const [name, value = ""] of Object.entries(env)) {
    if (PATH_VARIABLES.has(name)) inherited[name] = absolute(name, value);
    else if (ALLOWED_VARIABLES.has(name.toUpperCase())) inherited[name] = value;
  }
  return inherited;
}

function absolute(name: string, value: string): string {
  if (value === "") return "";
  if (name !== "SSL_CERT_DIR") return resolve(value);
  // It may name several folders, as PATH does.
  const folders = value.split(delimiter).map((folder) => resolve(folder));
  return folders.join(delimiter);
}

export function allowedNodeFlags(nodeOptions: string): string[] {
  const words = nodeOptions.replace(FLAG_BEFORE_VALUE, "$1=").match(WORD) ?? [];
  const flags = words.map(unquote).filter((word) => ALLOWED_FLAG.test(word));
  return flags.map((flag) => flag.replace(/(?<=^--openssl-config=).*/s, (path) => resolve(path)));
}

function unquote(word: string): string {
  return word.replace(/"((?:\\.|[^"\\])*)"/g, (_, text: string) => text.replace(/\\(.)/g, "$1"));
}
