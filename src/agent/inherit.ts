import { delimiter, resolve } from "node:path";

/** What /proc may show of the agent. By RUNNER_TRACKING_ID the runner ends what outlived its job. */
const ALLOWED_VARIABLE =
  /^(PATH|HOME|USERPROFILE|TE?MP|TMPDIR|SYSTEMROOT|LANG|RUNNER_(TEMP|TRACKING_ID)|NODE_USE_SYSTEM_CA)$/i;
const PATH_VARIABLES = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR"]; // made absolute
/** Of the job's NODE_OPTIONS: only what decides whom to trust and how to reach it, and no `--tls-keylog`. */
const ALLOWED_FLAG =
  /^--(use-(openssl|system|bundled)-ca|openssl-[\w-]+|tls-(min|max|cipher)-[\w.-]+|dns-result-order)(=.*)?$/s;
const FLAG_AND_VALUE = /(--(?:tls-cipher-list|dns-result-order|openssl-config))\s+/g;

export function agentEnvironment(env: NodeJS.ProcessEnv): Record<string, string | undefined> {
  const isAllowed = (name: string) => ALLOWED_VARIABLE.test(name) || PATH_VARIABLES.includes(name);
  const allowed = Object.entries(env).filter(([name]) => isAllowed(name));
  return Object.fromEntries(allowed.map(([name, value]) => [name, absolute(name, value)]));
}

/** SSL_CERT_DIR may name several folders, as PATH does. */
function absolute(name: string, value = ""): string {
  if (value === "" || !PATH_VARIABLES.includes(name)) return value;
  const paths = name === "SSL_CERT_DIR" ? value.split(delimiter) : [value];
  return paths.map((path) => resolve(path)).join(delimiter);
}

/** NODE_OPTIONS is split at spaces, and double quotes keep a space (Node's documentation of NODE_OPTIONS). */
export function allowedNodeFlags(nodeOptions: string): string[] {
  const words = nodeOptions.replace(FLAG_AND_VALUE, "$1=").match(/(?:[^\s"]|"(?:\\.|[^"\\])*")+/g) ?? [];
  const flags = words.map(unquote).filter((word) => ALLOWED_FLAG.test(word));
  return flags.map((flag) => flag.replace(/(?<=^--openssl-config=).*/s, (path) => resolve(path)));
}

function unquote(word: string): string {
  return word.replace(/"((?:\\.|[^"\\])*)"/g, (_, text: string) => text.replace(/\\(.)/g, "$1"));
}
