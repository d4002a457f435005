// `npm run test:workflows`: every example, and the end-to-end workflow, under nektos/act in host mode against the
// sandbox. The workflows stay as users see them: Armor's own name leads to the sandbox by a proxy and a private
// authority, and secrets and variables are given as on GitHub.

import { spawn, spawnSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSandbox } from "../../sandbox/armor.ts";
import { SOURCE } from "../../sandbox/inventory.ts";
import { ROOT, type Values } from "../../sandbox/runner.ts";
import { createAuthority } from "../fixtures/certificates.ts";
import { formsOf, leaksIn } from "../fixtures/leaks.ts";
import { agentsBelow } from "../fixtures/processes.ts";
import { startProxy } from "../fixtures/proxy.ts";
import { CASES, type Case } from "./cases.ts";
import { startGitHub } from "./github.ts";

const ARMOR_HOST = "api.armor.fortanix.com";
/** The host of examples/on-premises.yml. */
const ARMOR_ON_PREMISES = "armor.example.com";
const TOKEN_LIFETIME_S = 2;
const SCAN_SECONDS = 5;
const MAX_MS = 120_000;
/** Folders beside this file whose actions take the place of those that only GitHub can serve. */
const STAND_INS = ["checkout", "upload-artifact", "codeql-action"];
/** The files of the repository that the sandbox's source code scan is about. */
const SCANNED = join(ROOT, "__tests__", "examples", "scanned");
/** Where the team of the reusable workflow keeps it. */
const TEAM_REPOSITORY = "org/workflows@v1";
/** With this date, the commit of SCANNED is the one that the sandbox's source code scan is about. */
const COMMITTED_AT = "2026-11-19T12:00:00Z";

/** What a run needs: Armor, the way to it, and a repository that holds the workflows and the action. */
interface Stage {
  readonly folder: string;
  readonly repository: string;
  readonly env: Values;
  readonly vars: Values;
  readonly secrets: Values;
  /** Every form of a secret that no log may show; grows with each token. */
  leaks(log: string): string[];
  close(): Promise<void>;
}

async function main(): Promise<void> {
  if (spawnSync("act", ["--version"]).error !== undefined) {
    throw new Error(
      "act is not on PATH. Run .ci/tools FOLDER, which installs it from PyPI, and put FOLDER/bin on PATH.",
    );
  }
  const names = process.argv.slice(2);
  const chosen = CASES.filter(
    ({ name }) => names.length === 0 || names.some((part) => name.includes(part)),
  );
  let failed = 0;
  await everyExampleIsRun();
  for (const one of chosen) {
    const stage = await setStage(one);
    try {
      if ((await runCase(one, stage)).length > 0) failed += 1;
    } finally {
      await stage.close();
    }
  }
  say(`${chosen.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && chosen.length > 0 ? 0 : 1;
}

async function setStage(one: Case): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "armor-act-"));
  const repository = join(folder, "repository");
  await writeRepository(repository);
  await writeTeamRepository(join(folder, "team"));
  const authority = await createAuthority("Sandbox CA");
  const credentials = { appId: randomUUID(), apiKey: `${randomBytes(32).toString("base64")}+/=%` };
  const armor = await startSandbox({
    ...credentials,
    tokenLifetime: TOKEN_LIFETIME_S,
    scanSeconds: one.scanSeconds ?? SCAN_SECONDS,
    tls: await authority.sign([ARMOR_HOST, ARMOR_ON_PREMISES, "127.0.0.1"]),
  });
  const proxy = await startProxy({
    hosts: [ARMOR_HOST, ARMOR_ON_PREMISES],
    connectTo: armor.server,
  });
  const certificate = join(folder, "ca.pem");
  await writeFile(certificate, authority.certificate);
  const githubToken = `ghs_${randomBytes(24).toString("hex")}`;
  const github = await startGitHub(folder, githubToken, one.github);
  return {
    folder,
    repository,
    env: {
      https_proxy: `http://127.0.0.1:${proxy.port}`,
      NODE_EXTRA_CA_CERTS: certificate,
      CURL_CA_BUNDLE: certificate,
      ARTIFACTS: join(folder, "artifacts"),
      ARMOR_TOKEN_ACTION: ROOT,
      GITHUB_API_URL: github.url,
      GITHUB_REPOSITORY: "org/payments",
    },
    vars: {
      ARMOR_API_URL: `https://${ARMOR_HOST}`,
      ARMOR_APP_ID: credentials.appId,
    },
    secrets: {
      // The workflow of this project keeps the app id as a secret; the examples prefer the variable.
      ARMOR_APP_ID: credentials.appId,
      ARMOR_API_KEY: credentials.apiKey,
      GITHUB_TOKEN: githubToken,
      ARMOR_CA_CERTIFICATE: authority.certificate,
      ARMOR_HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`,
      SLACK_WEBHOOK_URL: `${github.url}/slack`,
    },
    leaks: (log) => {
      const pairs = [`${credentials.appId}:${credentials.apiKey}`];
      const forms = [credentials.apiKey, githubToken, ...armor.issued].flatMap((secret) =>
        formsOf(secret, pairs),
      );
      return leaksIn(log, [...new Set(forms)]);
    },
    async close() {
      await github.close();
      await proxy.close();
      await armor.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 }); // act may still write
    },
  };
}

/** act wants a git repository; this one holds what a user's would, and the action for `uses: ./`. */
async function writeRepository(repository: string): Promise<void> {
  await cp(SCANNED, repository, { recursive: true });
  git(repository, ["init", "--quiet", "--initial-branch=main"]);
  commit(repository, "Sign messages");
  const revision = git(repository, ["rev-parse", "HEAD"]);
  if (revision !== SOURCE.revision)
    throw new Error(`${SCANNED} is ${revision}, not ${SOURCE.revision}`);
  await mkdir(join(repository, ".github", "workflows"), { recursive: true });
  for (const name of ["action.yml", "dist", "examples"]) {
    await cp(join(ROOT, name), join(repository, name), { recursive: true, filter: isOfUser });
  }
  await cp(join(ROOT, ".github", "workflows"), join(repository, ".github", "workflows"), {
    recursive: true,
  });
  commit(repository, "Use the examples");
}

/** A user copies the workflows; the scripts come by the workflows' second checkout. */
const isOfUser = (path: string) => path !== join(ROOT, "examples", "scripts");

/** The one in which a team keeps the reusable workflow. */
async function writeTeamRepository(team: string): Promise<void> {
  const path = join(team, ".github", "workflows", "reusable-budget.yml");
  await cp(join(ROOT, "examples", "reusable-budget.yml"), path);
  git(team, ["init", "--quiet"]);
  commit(team, "Share a workflow");
}

/** With one identity and one date, so that the same files have the same hash. */
function commit(folder: string, message: string): void {
  git(folder, ["add", "--all"]);
  const identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
  git(folder, [...identity, "commit", "--quiet", "--message", message]);
}

function git(cwd: string, args: readonly string[]): string {
  const dates = {
    GIT_AUTHOR_DATE: COMMITTED_AT,
    GIT_COMMITTER_DATE: COMMITTED_AT,
    GIT_CONFIG_GLOBAL: join(cwd, "..", "gitconfig"), // none: the machine's own may sign or convert
    GIT_CONFIG_NOSYSTEM: "1",
  };
  const { status, stdout, stderr } = spawnSync("git", args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, ...dates },
  });
  if (status !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

/** For each action of the examples that has a stand-in, at the commits to which they are pinned. */
async function standIns(): Promise<string[]> {
  const names = (await readdir(join(ROOT, "examples"))).filter((name) => name.endsWith(".yml"));
  const texts = await Promise.all(
    names.map((name) => readFile(join(ROOT, "examples", name), "utf8")),
  );
  const pinned =
    /\buses: (?<action>[\w-]+\/(?<name>[\w-]+))(?:\/[\w/-]+)?@(?<commit>[0-9a-f]{40})\b/g;
  const found = texts.flatMap((text) => [...text.matchAll(pinned)].map(({ groups }) => groups));
  const options = found.flatMap((pin) => {
    if (pin === undefined || !STAND_INS.includes(pin["name"] ?? "")) return [];
    const folder = join(ROOT, "__tests__", "workflows", pin["name"] ?? "");
    return [`${pin["action"]}@${pin["commit"]}=${folder}`];
  });
  return [...new Set(options)];
}

async function everyExampleIsRun(): Promise<void> {
  const examples = (await readdir(join(ROOT, "examples"))).filter((name) => name.endsWith(".yml"));
  const run = CASES.flatMap(({ workflow, calls }) => [workflow, calls]);
  const missing = examples.filter((name) => !run.includes(`examples/${name}`));
  if (missing.length > 0) throw new Error(`no case runs ${missing.join(", ")}`);
}

/** @returns what is wrong, after having said it */
async function runCase(one: Case, stage: Stage): Promise<string[]> {
  const start = performance.now();
  const home = await mkdtemp(join(stage.folder, "home-"));
  const { log, exitCode } = await act(one, stage, home);
  const faults = [
    ...(exitCode === (one.fails ? 1 : 0) ? [] : [`act ended with exit code ${exitCode}`]),
    ...one.says
      .filter((pattern) => !pattern.test(log))
      .map((pattern) => `the log lacks ${pattern}`),
    ...(stage.leaks(log).length === 0 ? [] : ["the log shows a secret"]),
    ...(log.includes("***") || one.isWithoutSecrets ? [] : ["nothing was masked"]),
    ...(/Success - Post /.test(log) || one.isWithoutSecrets ? [] : ["no post step ran"]),
    ...(agentsBelow(home).length === 0 ? [] : ["a token agent was left running"]),
    ...(await missingArtifacts(one, stage)),
    ...(await missingMessages(one, stage)),
  ];
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  say(`${faults.length === 0 ? "ok  " : "FAIL"} ${one.name} (${seconds} s)`);
  for (const fault of faults) say(`     ${fault}`);
  if (faults.length > 0 && stage.leaks(log).length === 0) say(log.replace(/^/gm, "     | "));
  return faults;
}

async function act(
  one: Case,
  stage: Stage,
  home: string,
): Promise<{ log: string; exitCode: number | null }> {
  const [secretFile, varFile] = [join(home, "secrets"), join(home, "vars")];
  const secrets = one.isWithoutSecrets ? {} : stage.secrets;
  await writeFile(secretFile, dotenv(secrets), { mode: 0o600 });
  await writeFile(varFile, dotenv({ ...stage.vars, ...one.vars }));
  const options = {
    workflows: [one.workflow],
    platform: ["ubuntu-latest=-self-hosted", "self-hosted=-self-hosted", "linux=-self-hosted"],
    env: Object.entries(stage.env).map(([name, value]) => `${name}=${value}`),
    "secret-file": [secretFile],
    "var-file": [varFile],
    "local-repository": [
      `org/armor-token-action@v1=${stage.repository}`,
      `${TEAM_REPOSITORY}=${join(stage.folder, "team")}`,
      ...(await standIns()),
    ],
  };
  const args = Object.entries(options).flatMap(([name, values]) =>
    values.flatMap((value) => [`--${name}`, value]),
  );
  const child = spawn("act", [one.event, "--action-offline-mode", ...args], {
    cwd: stage.repository,
    env: {
      PATH: process.env["PATH"],
      HOME: home,
      XDG_CACHE_HOME: join(home, ".cache"),
      TMPDIR: home,
    },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: MAX_MS,
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const exitCode = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { log: Buffer.concat(chunks).toString("utf8"), exitCode };
}

function dotenv(values: Values): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}="${value.trim().replaceAll("\n", "\\n")}"\n`)
    .join("");
}

async function missingArtifacts({ artifacts = {} }: Case, stage: Stage): Promise<string[]> {
  const faults = Object.entries(artifacts).map(async ([name, pattern]) => {
    const content = await readFile(join(stage.env["ARTIFACTS"] ?? "", name), "utf8").catch(
      () => "",
    );
    return pattern.test(content) ? [] : [`the artifact ${name} lacks ${pattern}`];
  });
  return (await Promise.all(faults)).flat();
}

async function missingMessages({ sent = [] }: Case, stage: Stage): Promise<string[]> {
  const content = await readFile(join(stage.folder, "github"), "utf8").catch(() => "");
  return sent
    .filter((pattern) => !pattern.test(content))
    .map((pattern) => `GitHub did not get ${pattern}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
