// Why an input did not arrive. The runner hands each input over as INPUT_ and its name in capitals;
// a name that action.yml does not have arrives, too, with a warning of the runner.

import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { ArmorError } from "../errors.ts";
import { quote } from "../redact.ts";

/** Other products' names for what these inputs are, without signs between the words. */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ["CLIENTID", "app-id"],
  ["APPLICATIONID", "app-id"],
  ["CLIENTSECRET", "api-key"],
  ["APPSECRET", "api-key"],
  ["APISECRET", "api-key"],
  ["SECRETKEY", "api-key"],
  ["BASEURL", "api-url"],
  ["ENDPOINT", "api-url"],
  ["APIENDPOINT", "api-url"],
  ["CACERT", "ca-certificate"],
  ["CACERTS", "ca-certificate"],
  ["CAFILE", "ca-certificate"],
  ["CABUNDLE", "ca-certificate"],
  ["TIMEOUTSECONDS", "timeout"],
  ["EXPORTENV", "export-environment"],
]);
/** People put it before a name, as in their secrets' names. */
const PRODUCT = /^(?:FORTANIX)?(?:ARMOR)?/;
const MAX_EVENT_BYTES = 4 * 1024 * 1024; // an event of GitHub's is smaller

/**
 * Throws if the workflow gives an input under a name that is almost right. An optional one would
 * otherwise be ignored in silence, and `keep_fresh: true` would be green without an agent.
 * @param defaults the input's values if it is not given; a required one has none
 * @throws ArmorError input_invalid
 */
export function refuseMisspeltInputs(
  getInput: (name: string) => string,
  env: NodeJS.ProcessEnv,
  names: readonly string[],
  defaults: Readonly<Record<string, string>>,
): void {
  const misspelt: { readonly given: string; readonly meant: string }[] = [];
  for (const variable of Object.keys(env)) {
    const given = /^INPUT_(?<name>.+)$/s.exec(variable)?.groups?.["name"];
    if (given === undefined || names.includes(given.toLowerCase())) continue;
    const meant = meantBy(given, names);
    // Whoever gives the right one, too, has that one read.
    if (meant === undefined || getInput(meant) !== (defaults[meant] ?? "")) continue;
    misspelt.push({ given: quote(given.toLowerCase()), meant });
  }
  if (misspelt.length === 0) return;
  const given = misspelt.map((one) => one.given).join(" and ");
  const meant = misspelt.map((one) => one.meant).join(" and ");
  const are = misspelt.length === 1 ? "the input is" : "the inputs are";
  const problem = `The workflow gives ${given}; ${are} ${meant}`;
  throw new ArmorError("input_invalid", problem, "Correct the name under with:.");
}

/**
 * Gives the input whose name has the same letters but for one, or which another product calls so.
 */
function meantBy(given: string, names: readonly string[]): string | undefined {
  const letters = lettersOf(given).replace(PRODUCT, "");
  return names.find((name) => isAlmost(lettersOf(name), letters)) ?? OTHER_NAMES.get(letters);
}

function lettersOf(name: string): string {
  return name.toUpperCase().replace(/[^A-Z\d]/g, "");
}

/**
 * Gives whether at most one letter was left out, added, changed, or swapped with the next. With the
 * same letters, both rests are empty.
 */
function isAlmost(name: string, given: string): boolean {
  let start = 0;
  while (start < name.length && name[start] === given[start]) start += 1;
  const rest = name.slice(start);
  const givenRest = given.slice(start);
  const swapped = `${rest[1]}${rest[0]}${rest.slice(2)}`;
  return (
    rest.slice(1) === givenRest || // left out
    rest === givenRest.slice(1) || // added
    rest.slice(1) === givenRest.slice(1) || // changed
    swapped === givenRest
  );
}

/**
 * Gives the error for required inputs that are empty, with the one cause that applies.
 * @param names of them
 * @param areAllLost no input has a value, although the runner gives each that has a default
 */
export function missingError(
  names: readonly string[],
  areAllLost: boolean,
  env: NodeJS.ProcessEnv,
): ArmorError {
  if (areAllLost) {
    const problem = "No input arrived, not even api-url, which has a default";
    const remedy =
      "What starts this action drops variables with a hyphen in their names, as a script for sh does: " +
      "let the runner start it, or set the variables with env behind the script.";
    return new ArmorError("input_invalid", problem, remedy);
  }
  const problem = `${names.join(" and ")} ${names.length === 1 ? "is" : "are"} empty`;
  return new ArmorError("input_invalid", problem, remedyFor(env));
}

function remedyFor(env: NodeJS.ProcessEnv): string {
  if (env["GITHUB_ACTOR"] === "dependabot[bot]") {
    return (
      "Runs that Dependabot starts get Dependabot's own secrets only: " +
      "store it under Settings → Secrets and variables → Dependabot, too."
    );
  }
  if (isFromFork(env)) {
    return (
      "Runs that a fork's pull request starts get no secrets. Leave the step out there, by the line " +
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is GitHub that reads it
      "if: ${{ !github.event.pull_request || github.event.pull_request.head.repo.full_name == github.repository }}"
    );
  }
  return (
    "Check the secret's name. " +
    'If it is stored in an environment, the job needs "environment: NAME".'
  );
}

/**
 * With pull_request_target, a fork's pull request runs as the repository's own, and gets secrets.
 */
function isFromFork(env: NodeJS.ProcessEnv): boolean {
  if (!/^pull_request(?!_target)/.test(env["GITHUB_EVENT_NAME"] ?? "")) return false;
  const { pull_request: pull } = readEvent(env["GITHUB_EVENT_PATH"]);
  const head = pull?.head?.repo;
  if (head === null) return true; // the fork was deleted
  // A repository that is a fork itself can have pull requests of its own.
  return head?.fork === true && head.full_name !== pull?.base?.repo?.full_name;
}

/** The part of a pull request's event that is read here. Nothing of it is certain to be there. */
interface PullRequestEvent {
  readonly pull_request?: {
    readonly head?: { readonly repo?: Repository | null };
    readonly base?: { readonly repo?: Repository };
  };
}
interface Repository {
  readonly fork?: boolean;
  readonly full_name?: string;
}

/** Gives an empty event if the file cannot be read: the cause is then unknown. */
function readEvent(path: string | undefined): PullRequestEvent {
  let file: number | undefined;
  try {
    file = openSync(path ?? "", constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(file);
    if (!stats.isFile() || stats.size > MAX_EVENT_BYTES) return {};
    return (JSON.parse(readFileSync(file, "utf8")) as PullRequestEvent | null) ?? {};
  } catch {
    return {};
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
