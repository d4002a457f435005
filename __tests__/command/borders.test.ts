// What decides where a mask goes and whose answer counts, at the borders.

import { expect, test } from "@jest/globals";
import { maskCommand, maskedForms } from "../../src/redact.ts";
import { json, text } from "../fixtures/server.ts";
import { type CallOptions, openAgent, TOKEN } from "./call.ts";

const MASKS = maskedForms(TOKEN).map(maskCommand).join("");

interface Row extends CallOptions {
  readonly where: string;
  readonly args: readonly string[];
  readonly written: { readonly stderr: string; readonly runner: string };
}
test.each<Row>([
  {
    where: "nowhere else if it is certain that the runner reads them",
    args: [],
    runner: "certain",
    written: { stderr: "", runner: MASKS },
  },
  {
    where: "to no file, though somebody else might read the runner's pipe",
    args: [],
    runner: "uncertain",
    stderr: "file",
    written: { stderr: "", runner: MASKS },
  },
  {
    where: "to no stream that leads nowhere, though somebody else might read the runner's pipe",
    args: [],
    runner: "uncertain",
    stderr: "nothing",
    written: { stderr: "", runner: MASKS },
  },
])("masks that have reached the runner go $where", async ({ args, written, ...options }) => {
  await using agent = await openAgent();
  const expected = { exitCode: 0, stdout: `${TOKEN}\n`, ...written };
  await expect(agent.call(args, options)).resolves.toMatchObject(expected);
});

test("a stream that closes under the masks is told in a sentence", async () => {
  await using agent = await openAgent();
  const file = ["--file", `${agent.folder}/token`];
  const { exitCode, stderr } = await agent.call(file, { stdout: "gone" });
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/the log's stream was closed, so the token could not be masked/);
});

test("who has turned stderr away is told what to do", async () => {
  await using agent = await openAgent();
  const { stderr } = await agent.call([], { stderr: "file" });
  expect(stderr).toMatch(/Remove the redirection of stderr from this call, or call the gateway, /);
});

test("an agent that is not running is told of with where it lives", async () => {
  await using agent = await openAgent();
  await agent.server.close();
  const { stderr } = await agent.call([]);
  expect(stderr).toMatch(/is not running\. It lives from the step .* job\. If that step ran /);
});

const MAX_ANSWER_LENGTH = 64 * 1024;
test.each([
  { length: MAX_ANSWER_LENGTH, exitCode: 0 },
  { length: MAX_ANSWER_LENGTH + 1, exitCode: 1 },
])(
  "an answer of $length characters gives the exit code $exitCode",
  async ({ length, exitCode }) => {
    const answer = JSON.stringify({ access_token: TOKEN }).padEnd(length);
    await using agent = await openAgent(text(200, answer));
    await expect(agent.call([])).resolves.toMatchObject({ exitCode });
  },
);

test("a code that is no word has no address of an explanation", async () => {
  const refusal = { error: "rate_limited!", error_description: "Too often. Wait." };
  await using agent = await openAgent(json(503, refusal));
  const { stderr } = await agent.call([]);
  expect(stderr).toContain("Too often. Wait.");
  expect(stderr).not.toContain("rate_limited");
});
