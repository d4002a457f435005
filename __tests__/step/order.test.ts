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
