// What main does before what: masks before everything that may print, and a look at the job before it hands on.

import { expect, test } from "@jest/globals";
import { runMain } from "../fixtures/in-process.ts";
import { type Answer, startServer, token } from "../fixtures/server.ts";

test.each(["GITHUB_OUTPUT", "GITHUB_STATE"])(
  "the key is masked before the step fails for want of %s",
  async (variable) => {
    const { lines, exitCode } = await runMain(
      { "api-key": "k3y-to-be-masked" },
      { [variable]: "" },
    );
    expect(lines[0]).toBe("::add-mask::k3y-to-be-masked");
    expect(lines.at(-1)).toMatch(/^::error::.*\(runner_unsupported, /);
    expect(exitCode).toBe(1);
  },
);

test("what was got while the job was cancelled is not handed on, nor is an agent that has just started", async () => {
  const cancel = () => process.emit("SIGINT");
  // The token is there at once, and the agent takes some 0.1 s to start.
  const answer: Answer = (response, request) => {
    if (request.path.endsWith("/terminate")) response.writeHead(204).end();
    else {
      token()(response, request);
      setTimeout(cancel, 50);
    }
  };
  await using armor = await startServer([answer]);
  const inputs = { "api-url": armor.url, "keep-fresh": "true" };
  const { outputs, exported, exitCode } = await runMain(inputs, {
    RUNNER_TEMP: process.env["TMPDIR"] ?? "/tmp",
  });
  expect([outputs, exported, exitCode]).toEqual([{}, {}, 1]);
  expect(armor.requests.map(({ path }) => path.split("/").at(-1))).toEqual(["token", "terminate"]);
});

/** The runner kills a step some 10 s after it has sent SIGINT. */
const KILLED_AFTER_MS = 12_000;

test("a cancelled main ends before the runner kills it, though Armor says nothing", async () => {
  let isAnswered = false;
  const late: Answer = (response, request) => {
    process.emit("SIGINT");
    const answer = () => {
      isAnswered = true;
      token()(response, request);
    };
    const timer = setTimeout(answer, KILLED_AFTER_MS);
    response.once("close", () => clearTimeout(timer));
  };
  await using armor = await startServer([late]);
  const { said, exitCode } = await runMain({ "api-url": armor.url, timeout: "60" });
  expect([isAnswered, exitCode]).toEqual([false, 1]);
  expect(said.at(-1)).toMatch(/^::error::.*\(cancelled, /);
}, 60_000);
