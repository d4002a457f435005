// Main and post with keep-fresh, inside the test's own process, around a real agent.

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { Values } from "../../sandbox/runner.ts";
import { main } from "../../src/step/main.ts";
import { post } from "../../src/step/post.ts";
import { DEPENDENCIES, NO_CRASH, runStep, type StepRun } from "../fixtures/in-process.ts";
import { type Answer, type FakeServer, json, startServer, text, token } from "../fixtures/server.ts";

const answer: Answer = (response, request) => {
  const reply = request.path.endsWith("/token") ? token({ access_token: "t0k3n-1" }) : text(204, "");
  (request.method === "GET" ? json(200, {}) : reply)(response, request);
};

let temp: string;
let armor: FakeServer;

beforeEach(async () => {
  temp = await mkdtemp(join(tmpdir(), "armor-keep-fresh-"));
  armor = await startServer([answer]);
});

afterEach(async () => {
  await rm(temp, { recursive: true, force: true, maxRetries: 3 }); // an agent that is left ends without it
  await armor.close();
});

function runMain(inputs: Values = {}, env: Values = {}): Promise<StepRun> {
  const all = {
    "app-id": "id",
    "api-key": "k3y-of-the-app",
    "api-url": armor.url,
    "keep-fresh": "true",
    ...inputs,
  };
  return runStep((own) => main(own, NO_CRASH, DEPENDENCIES), all, { RUNNER_TEMP: temp, ...env });
}

function runPost({ state }: StepRun): Promise<StepRun> {
  const saved = Object.fromEntries(Object.entries(state).map(([name, value]) => [`STATE_${name}`, value]));
  return runStep((own) => post(own, NO_CRASH), {}, saved);
}

describe("keep-fresh", () => {
  test("main hands on the agent's address, and post stops the agent and ends the session", async () => {
    const started = await runMain({}, { http_proxy: "http://proxy.example" });
    expect(started.exitCode).toBe(0);
    const gateway = started.outputs["gateway-url"] ?? "";
    expect(started.lines).toContain(`::add-mask::${gateway.split("/").at(-1)}`);
    expect(started.exported).toEqual({
      ARMOR_GATEWAY_URL: gateway,
      no_proxy: "127.0.0.1",
      NO_PROXY: "127.0.0.1",
    });
    expect(started.said[0]).toMatch(/^Added 127\.0\.0\.1 to no_proxy and NO_PROXY/);
    expect(started.said[1]).toMatch(
      /later steps reach Armor by \$ARMOR_GATEWAY_URL and get tokens by armor-token\.$/,
    );
    await expect(fetch(`${gateway}/api/v1/discovery/scans`)).resolves.toMatchObject({ status: 200 });
    await expect(fetch(`${gateway}/api/v1/iam/users`)).resolves.toMatchObject({ status: 403 });
    const stopped = await runPost(started);
    expect(stopped.exitCode).toBe(0);
    expect(stopped.said[0]).toBe("::group::Token agent: 1 call answered, 1 call refused, 1 token fetched.");
    expect(stopped.said.at(-1)).toMatch(/^::warning::The path is not one of gateway-paths.*path_refused/);
    await expect(fetch(`${gateway}/api/v1/discovery/scans`)).rejects.toThrow();
    expect(armor.requests.filter(({ path }) => path.endsWith("/terminate"))).toHaveLength(1);
    await expect(readdir(temp)).resolves.toEqual([]);
  });

  test("without an exported environment, and with other paths, main says where the agent is and what it reads", async () => {
    const paths = { "export-environment": "false", "gateway-paths": "/api/v1/discovery/scans" };
    const started = await runMain(paths);
    expect(started.said).toEqual([
      expect.stringMatching(
        /by the output gateway-url .* by the output token-command\. The gateway reads \/api\/v1\/discovery\/scans\.$/,
      ),
    ]);
    expect(started.exported).toEqual({});
    await runPost(started);
  });

  // No other system has this device.
  if (process.platform === "linux") {
    test.each([
      ["GITHUB_OUTPUT", "/dev/full"],
      ["GITHUB_ENV", "/dev/full"],
    ])("what it started, main stops when %s is full", async (name, file) => {
      const { exitCode, said } = await runMain({}, { [name]: file });
      expect(exitCode).toBe(1);
      expect(said.at(-1)).toMatch(new RegExp(`^::error::The file that ${name} names .*ENOSPC.*file_failed`));
      await expect(readdir(temp)).resolves.toEqual([]);
    });
  }

  test("where no token comes, main leaves no folder", async () => {
    await armor.close();
    armor = await startServer([text(403, "")]);
    await expect(runMain()).resolves.toMatchObject({ exitCode: 1 });
    await expect(readdir(temp)).resolves.toEqual([]);
  });
});
