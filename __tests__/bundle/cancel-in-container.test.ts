// A job in a container that is cancelled while main runs: no signal reaches main, which goes on
// inside while the runner takes the step for ended, reads its files, and runs post beside it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, jest, test } from "@jest/globals";
import { parseFileCommand, ROOT, readAction, type Values } from "../../sandbox/runner.ts";
import { makeTempFolder } from "../fixtures/opened.ts";
import { agentsBelow } from "../fixtures/processes.ts";
import { type Answer, startServer, text, token } from "../fixtures/server.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

jest.setTimeout(60_000);

const FILES = ["GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_ENV", "GITHUB_PATH"];

interface Step {
  readonly child: ChildProcess;
  readonly files: Values; // paths, by variable
  readonly stdout: Promise<string>;
}

/**
 * Starts a step with files of its own, as the runner makes them, in one folder for all steps of a
 * job.
 */
async function startStep(name: "main" | "post", temp: string, env: Values): Promise<Step> {
  const folder = join(temp, "_runner_file_commands");
  await mkdir(folder, { recursive: true });
  const files = Object.fromEntries(FILES.map((file) => [file, join(folder, `${file}_${name}`)]));
  for (const file of Object.values(files)) await writeFile(file, "");
  const child = spawn(process.execPath, [join(ROOT, "dist", `${name}.js`)], {
    env: { PATH: process.env["PATH"], ...files, RUNNER_TEMP: temp, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return { child, files, stdout: readText(child.stdout) };
}

async function inputsOf(given: Values): Promise<Values> {
  const { inputs } = await readAction();
  const entries = Object.entries(inputs).map(([name, { default: byDefault }]) => [
    `INPUT_${name.toUpperCase()}`,
    given[name] ?? byDefault ?? "",
  ]);
  return Object.fromEntries(entries);
}

/** What the runner reads when it takes main for ended, as post gets it. */
async function stateOf({ files }: Step): Promise<Values> {
  const state = parseFileCommand(await readFile(files["GITHUB_STATE"] ?? "", "utf8"));
  return Object.fromEntries(Object.entries(state).map(([name, value]) => [`STATE_${name}`, value]));
}

/** Grants a token when it is told to, and knows whose sessions have not ended. */
async function startArmor() {
  const live = new Set<string>();
  let grant: () => void = () => undefined;
  const isGranted = new Promise<void>((resolve) => {
    grant = resolve;
  });
  const answer: Answer = async (response, request) => {
    if (request.path.endsWith("/terminate")) {
      live.delete(request.headers.authorization?.replace("Bearer ", "") ?? "");
      return text(204, "")(response, request);
    }
    live.add("t0k3n-of-an-hour");
    await isGranted;
    token({ access_token: "t0k3n-of-an-hour", expires_in: 3600 })(response, request);
  };
  return Object.assign(await startServer([answer]), { live, grant });
}

/** Post has found main's mark, and left its own beside it. */
async function waitForPost(temp: string): Promise<void> {
  const isThere = async () => (await readdir(temp)).some((name) => name.endsWith("-post"));
  while (!(await isThere())) await sleep(10);
}

async function expectNothingLeft(temp: string, live: ReadonlySet<string>): Promise<void> {
  for (let tries = 0; tries < 200 && agentsBelow(temp).length > 0; tries += 1) await sleep(50);
  expect(agentsBelow(temp)).toEqual([]);
  expect([...live]).toEqual([]);
  const left = (await readdir(temp)).filter((name) => name.startsWith("armor-"));
  expect(left).toEqual([]);
}

describe.each(["false", "true"])("a main without a signal, with keep-fresh: %s", (keepFresh) => {
  test("ends what it got, hands on nothing, and post waits for it", async () => {
    await using temp = await makeTempFolder("armor container ");
    await using armor = await startArmor();
    const inputs = await inputsOf({
      "app-id": APP_ID,
      "api-key": API_KEY,
      "api-url": armor.url,
      "keep-fresh": keepFresh,
    });
    const main = await startStep("main", temp.path, inputs);
    while (armor.live.size === 0) await sleep(10);
    const post = await startStep("post", temp.path, await stateOf(main));
    await waitForPost(temp.path);
    armor.grant();
    await once(post.child, "close");
    // Post has waited: main is at its end, which may take it a moment yet.
    if (main.child.exitCode === null) await once(main.child, "close");
    expect([main.child.exitCode, post.child.exitCode]).toEqual([1, 0]);
    expect(await main.stdout).toMatch(/^::error::The job was cancelled\./m);
    expect(await post.stdout).not.toMatch(/::warning::|::error::/);
    for (const name of ["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH"])
      expect(await readFile(main.files[name] ?? "", "utf8")).toBe("");
    await expectNothingLeft(temp.path, armor.live);
  });

  test("ends what it got also if the runner has read none of its state", async () => {
    await using temp = await makeTempFolder("armor container ");
    await using armor = await startArmor();
    const inputs = await inputsOf({
      "app-id": APP_ID,
      "api-key": API_KEY,
      "api-url": armor.url,
      "keep-fresh": keepFresh,
    });
    const main = await startStep("main", temp.path, inputs);
    while (armor.live.size === 0) await sleep(10);
    const post = await startStep("post", temp.path, {});
    await waitForPost(temp.path);
    armor.grant();
    await once(post.child, "close");
    if (main.child.exitCode === null) await once(main.child, "close");
    expect([main.child.exitCode, post.child.exitCode, await post.stdout]).toEqual([1, 0, ""]);
    await expectNothingLeft(temp.path, armor.live);
  });

  test("that ends while an always() step runs leaves its session and agent to post", async () => {
    await using temp = await makeTempFolder("armor container ");
    await using armor = await startArmor();
    const inputs = await inputsOf({
      "app-id": APP_ID,
      "api-key": API_KEY,
      "api-url": armor.url,
      "keep-fresh": keepFresh,
    });
    const main = await startStep("main", temp.path, inputs);
    while (armor.live.size === 0) await sleep(10);
    const state = await stateOf(main);
    armor.grant();
    await once(main.child, "close");
    expect([main.child.exitCode, armor.live.size]).toEqual([0, 1]);
    const post = await startStep("post", temp.path, state);
    await once(post.child, "close");
    expect(post.child.exitCode).toBe(0);
    expect(await post.stdout).toMatch(/session (was )?ended/);
    await expectNothingLeft(temp.path, armor.live);
  });

  test("that Armor keeps waiting outlives post, which says so, and gives back what it gets", async () => {
    await using temp = await makeTempFolder("armor container ");
    await using armor = await startArmor();
    const inputs = await inputsOf({
      "app-id": APP_ID,
      "api-key": API_KEY,
      "api-url": armor.url,
      "keep-fresh": keepFresh,
    });
    const main = await startStep("main", temp.path, inputs);
    while (armor.live.size === 0) await sleep(10);
    const post = await startStep("post", temp.path, await stateOf(main));
    await once(post.child, "close");
    expect(post.child.exitCode).toBe(0);
    expect(await post.stdout).toMatch(/^The main step was cancelled and is still at work/m);
    // On a busy machine there may be no time left to ask for an agent, which is said. No more than that.
    expect(await post.stdout).not.toMatch(/::error::|internal_error/);
    armor.grant();
    await once(main.child, "close");
    expect(main.child.exitCode).toBe(1);
    expect([...armor.live]).toEqual([]);
    expect(agentsBelow(temp.path)).toEqual([]);
  });
});
