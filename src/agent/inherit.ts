import { delimiter, resolve } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What the agent may know of the environment. /proc shows it to other processes for the whole job, so it
 * is a list of what is needed. RUNNER_TRACKING_ID lets the runner end what outlived its job.
 */
const ALLOWED_VARIABLES = new Set([
  ...["PATH", "HOME", "USERPROFILE", "TMP", "TEMP", "TMPDIR", "SYSTEMROOT", "LANG"],
  ...["NODE_EXTRA_CA_CERTS", "NODE_USE_SYSTEM_CA", "SSL_CERT_FILE", "SSL_CERT_DIR"],
  ...["RUNNER_TEMP", "RUNNER_TRACKING_ID"],
]);
/** Their relative paths would mean other files in the agent's working folder. */
const PATH_VARIABLES = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR"];
/** Of the job's NODE_OPTIONS: only what decides whom to trust and how to reach it. */
const ALLOWED_NODE_FLAG =
  /^--(use-\w+-ca|openssl-[\w-]+|tls-(min|max)-v1\.[0-3]|tls-cipher-list|dns-result-order)(=|$)/;

export function agentEnvironment(env: Environment): Record<string, string | undefined> {
  const allowed = Object.entries(env).filter(([name]) => ALLOWED_VARIABLES.has(name.toUpperCase()));
  const absolute = (name: string, value = "") =>
    PATH_VARIABLES.includes(name) && value !== ""
      ? value
          .split(name === "SSL_CERT_DIR" ? delimiter : "\0")
          .map((path) => resolve(path))
          .join(delimiter)
      : value;
  return Object.fromEntries(allowed.map(([name, value]) => [name, absolute(name, value)]));
}

/** NODE_OPTIONS is split at spaces, and double quotes keep a space (Node's documentation of NODE_OPTIONS). */
export function allowedNodeFlags(nodeOptions: string): string[] {
  const words = (nodeOptions.match(/(?:[^\s"]|"(?:\\.|[^"\\])*")+/g) ?? []).map(unquote);
  const flags = words.flatMap((flag, index) => {
    if (!ALLOWED_NODE_FLAG.test(flag)) return [];
    const takesNext = /^--(tls-cipher-list|dns-result-order|openssl-config)$/.test(flag);
    return [takesNext ? `${flag}=${words[index + 1] ?? ""}` : flag];
  });
  return flags.map((flag) =>
    flag.replace(/^(--openssl-config=)(.*)$/, (_, name, path) => name + resolve(path)),
  );
}

function unquote(word: string): string {
  return word.replace(/"((?:\\.|[^"\\])*)"/g, (_, text: string) => text.replace(/\\(.)/g, "$1"));
}
