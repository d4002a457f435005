// Why an input did not arrive: a wrong name, a wrapper, Dependabot, a fork, or a secret of another
// name.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import type { ArmorError } from "../../src/errors.ts";
import { DEFAULTS, readInputs } from "../../src/step/inputs.ts";
import { makeTempFolder } from "../fixtures/opened.ts";

type Env = Readonly<Record<string, string>>;

/** What the runner sets, also if the workflow gives nothing. */
const GIVEN_DEFAULTS = Object.fromEntries(
  Object.entries(DEFAULTS).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
);
const CREDENTIALS = { "INPUT_APP-ID": "id", "INPUT_API-KEY": "key-of-the-app" };

/** Reads as @actions/core does. */
function read(env: Env) {
  return readInputs((name) => (env[`INPUT_${name.toUpperCase()}`] ?? "").trim(), env);
}

function errorOf(env: Env): ArmorError | undefined {
  try {
    read(env);
  } catch (error) {
    return error as ArmorError;
  }
  return undefined;
}

const problemOf = (env: Env) => errorOf(env)?.message ?? "none";

describe("a name that is almost right", () => {
  test.each([
    { given: "APP_ID", meant: "app-id" },
    { given: "APPID", meant: "app-id" },
    { given: "CLIENT-ID", meant: "app-id" },
    { given: "CLIENT_ID", meant: "app-id" },
    { given: "APPI-D", meant: "app-id" },
    { given: "API_KEY", meant: "api-key" },
    { given: "API-KEYS", meant: "api-key" },
    { given: "ARMOR-API-KEY", meant: "api-key" },
    { given: "BASE_URL", meant: "api-url" },
    { given: "CA-CERT", meant: "ca-certificate" },
    { given: "TIMEOUT-SECONDS", meant: "timeout" },
    { given: "CLIENT_SECRET", meant: "api-key" },
    { given: "API_URL", meant: "api-url" },
    { given: "KEEP_FRESH", meant: "keep-fresh" },
    { given: "KEEP-FRSEH", meant: "keep-fresh" },
    { given: "KEEPFRESH", meant: "keep-fresh" },
    { given: "TIMEOUTS", meant: "timeout" },
    { given: "GATEWAY-PATH", meant: "gateway-paths" },
    { given: "CA_CERTIFICATE", meant: "ca-certificate" },
    { given: "TERMINATE-SESION", meant: "terminate-session" },
    { given: "EXPORT_ENVIRONMENT", meant: "export-environment" },
    { given: "ARMOR_APP_ID", meant: "app-id" },
    { given: "FORTANIX-ARMOR-API-KEY", meant: "api-key" },
    { given: "APP-SECRET", meant: "api-key" },
    { given: "ENDPOINT", meant: "api-url" },
    { given: "CA-CERT", meant: "ca-certificate" },
    { given: "CA_BUNDLE", meant: "ca-certificate" },
    { given: "TIMEOUT-SECONDS", meant: "timeout" },
    { given: "EXPORT-ENV", meant: "export-environment" },
    { given: "APPLICATION_ID", meant: "app-id" },
    { given: "APP_KEY", meant: "api-key" },
    { given: "API_SECRET", meant: "api-key" },
    { given: "SECRET-KEY", meant: "api-key" },
    { given: "API-ENDPOINT", meant: "api-url" },
    { given: "CA-CERTS", meant: "ca-certificate" },
    { given: "CA_FILE", meant: "ca-certificate" },
    { given: "FORTANIX_API_KEY", meant: "api-key" },
    { given: "APP-IID", meant: "app-id" },
    { given: "TIMAOUT", meant: "timeout" },
  ])("$given is answered with $meant", ({ given, meant }) => {
    const others: Record<string, string> = { ...CREDENTIALS };
    delete others[`INPUT_${meant.toUpperCase()}`];
    const env = { ...GIVEN_DEFAULTS, ...others, [`INPUT_${given}`]: "a-secret-value" };
    const problem = problemOf(env);
    expect(problem).toBe(
      `The workflow gives ${given.toLowerCase()}; the input is ${meant}. Correct the name under with:.`,
    );
  });

  test("is named together with the other one", () => {
    const env = { ...GIVEN_DEFAULTS, INPUT_APP_ID: "x", INPUT_API_KEY: "y" };
    expect(problemOf(env)).toMatch(
      /^The workflow gives app_id and api_key; the inputs are app-id and api-key\./,
    );
  });

  test("is ignored if the right one is given, too, and if it is nothing like any of them", () => {
    const others = { INPUT_APP_ID: "x", INPUT_KEEP_FRESH: "x", INPUT_TOKEN: "x", INPUT_: "x" };
    const env = { ...GIVEN_DEFAULTS, ...CREDENTIALS, ...others, "INPUT_KEEP-FRESH": "true" };
    expect(read(env)).toMatchObject({ keepFresh: true });
  });

  test("is no input's if the variable only ends like one", () => {
    const env = { ...GIVEN_DEFAULTS, ...CREDENTIALS, MY_INPUT_KEEP_FRESH: "true" };
    expect(read(env)).toMatchObject({ keepFresh: false });
  });

  test("is printed as one harmless line", () => {
    const name = "INPUT_APP_\n::error::ID";
    expect(
      problemOf({ ...GIVEN_DEFAULTS, ...CREDENTIALS, "INPUT_APP-ID": "", [name]: "x" }),
    ).not.toMatch(/\n|::/);
  });
});

describe("an empty secret", () => {
  const EMPTY = { ...GIVEN_DEFAULTS, "INPUT_APP-ID": "id", "INPUT_API-KEY": "" };
  const fork = { fork: true, full_name: "someone/x" };
  const base = { fork: false, full_name: "org/x" };
  const FORK =
    /Runs that a fork's pull request starts get no secrets\. .* if: \$\{\{ !github\.event\.pull_request \|\| .* \}\}$/;
  const OWN = /^api-key is empty\. Check the secret's name\. .*"environment: NAME"\.$/;

  test("of Dependabot is looked for in Dependabot's own store", () => {
    const problem = problemOf({ ...EMPTY, GITHUB_ACTOR: "dependabot[bot]" });
    expect(problem).toMatch(
      /^api-key is empty\. .*Dependabot's own secrets.*Settings → Secrets and variables → Dependabot/,
    );
  });

  test.each([
    { event: { pull_request: { head: { repo: fork }, base: { repo: base } } }, says: FORK },
    { event: { pull_request: { head: { repo: null }, base: { repo: base } } }, says: FORK },
    { event: { pull_request: { head: { repo: fork }, base: { repo: fork } } }, says: OWN },
    { event: { pull_request: { head: { repo: base }, base: { repo: base } } }, says: OWN },
    { event: { pull_request: { head: { repo: fork }, base: {} } }, says: FORK },
    { event: { pull_request: { head: { repo: fork } } }, says: FORK },
    { event: null, says: OWN },
    { event: [], says: OWN },
    { event: { pull_request: 1 }, says: OWN },
  ])("has the cause that the event $event shows", async ({ event, says }) => {
    await using folder = await makeTempFolder("armor-event-");
    const path = join(folder.path, "event.json");
    await writeFile(path, JSON.stringify(event));
    const env = { ...EMPTY, GITHUB_EVENT_PATH: path, GITHUB_EVENT_NAME: "pull_request" };
    expect(problemOf(env)).toMatch(says);
    expect(problemOf({ ...env, GITHUB_EVENT_NAME: "pull_request_target" })).toMatch(OWN);
  });

  test.each([
    { what: "as large as GitHub's can be", bytes: 4 * 1024 * 1024, says: FORK },
    { what: "larger than any of GitHub's", bytes: 4 * 1024 * 1024 + 1, says: OWN },
  ])("is explained by no event that is larger than GitHub's: $what", async ({ bytes, says }) => {
    await using folder = await makeTempFolder("armor-event-");
    const path = join(folder.path, "event.json");
    const event = { pull_request: { head: { repo: fork }, base: { repo: base } } };
    await writeFile(path, JSON.stringify(event).padEnd(bytes));
    const env = { ...EMPTY, GITHUB_EVENT_PATH: path, GITHUB_EVENT_NAME: "pull_request" };
    expect(problemOf(env)).toMatch(says);
  });

  test.each(["/no/such/file", "/", ""])("is explained without the event at %j", (path) => {
    const env = { ...EMPTY, GITHUB_EVENT_PATH: path, GITHUB_EVENT_NAME: "pull_request" };
    expect(problemOf(env)).toMatch(OWN);
  });
});

test("inputs that a wrapper has dropped are not called secrets that are not defined", () => {
  expect(problemOf({})).toMatch(
    /^No input arrived, not even api-url, which has a default\. .*hyphen.*: let the runner start it/,
  );
});

test.each([
  { what: "a misspelt input", env: { ...GIVEN_DEFAULTS, INPUT_APP_ID: "x" } },
  { what: "an empty secret", env: { ...GIVEN_DEFAULTS, "INPUT_APP-ID": "id" } },
  { what: "inputs that a wrapper has dropped", env: {} },
])("the annotation of $what leads to what is said of inputs", ({ env }) => {
  expect(errorOf(env)?.code).toBe("input_invalid");
});
