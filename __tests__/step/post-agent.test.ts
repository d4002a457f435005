// What the post step makes of an agent's report, and of what a cancelled main has saved late.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { createAgentFolder } from "../../src/agent-client/folder.ts";
import { CONTROL_FILE, DEBUG_FILE } from "../../src/protocol/config.ts";
import { type AgentReport, Stats } from "../../src/protocol/stats.ts";
import { post } from "../../src/step/post.ts";
import { runPost, runStep } from "../fixtures/in-process.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";
import { type Answer, raw, silence, startServer, text } from "../fixtures/server.ts";
import { setClock } from "../fixtures/virtual-clock.ts";

const TOKEN = "t0k3n-a1";

/** An agent that ends with this report, in a folder of its own, and the state that names it. */
async function openAgent(report: Partial<AgentReport>, { debugLog = "", afterMs = 0 } = {}) {
  const temp = await makeTempFolder("armor-post-");
  const body = JSON.stringify({ ...new Stats().report(), ...report });
  const reply = `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  const answer: Answer = (...args) => void setTimeout(() => raw(reply)(...args), afterMs);
  const server = await startServer([answer]);
  const folder = await createAgentFolder({ RUNNER_TEMP: temp.path }, join(ROOT, "dist"));
  await writeFile(join(folder.path, CONTROL_FILE), `${server.url}/c\n`);
  if (debugLog !== "") await writeFile(join(folder.path, DEBUG_FILE), debugLog);
  const state = { access_token: TOKEN, agent_folder: folder.path };
  return disposable({ state }, async () => {
    await server.close();
    await temp[Symbol.asyncDispose]();
  });
}

const ENDED = "The Armor session was ended.";
const OVER = "The Armor session was over already.";
interface Row {
  readonly report: Partial<AgentReport>;
  readonly complete: string;
  readonly asks: number;
  readonly says: readonly string[];
}
test.each<Row>([
  { report: { sessionsEnded: 1 }, complete: "true", asks: 0, says: [] },
  { report: {}, complete: "true", asks: 0, says: [OVER] },
  { report: {}, complete: "", asks: 0, says: [] },
  { report: { sessionsNotEnded: 1 }, complete: "true", asks: 1, says: [ENDED] },
  { report: { minted: 2, sessionsNotEnded: 1 }, complete: "true", asks: 0, says: [] },
  { report: { reason: "it had enough" }, complete: "true", asks: 1, says: [ENDED] },
])(
  "of an agent's report $report, with main complete: '$complete', post says of the session: $says",
  async ({ report, complete, asks, says }) => {
    await using armor = await startServer([text(204, "")]);
    await using agent = await openAgent(report);
    const { said } = await runPost({ api_url: armor.url, complete, ...agent.state });
    expect(said.filter((line) => line.startsWith("The Armor session"))).toEqual(says);
    expect(armor.requests).toHaveLength(asks);
  },
);

test("what was read from Armor is told behind a title, and the agent's debug log in that of the step", async () => {
  await using armor = await startServer([text(204, "")]);
  const read = [{ calls: 2, method: "GET", path: "/api/v1/discovery/scans", status: 200 }];
  await using agent = await openAgent(
    { answered: { "2xx": 2 }, read, sessionsEnded: 1 },
    { debugLog: "a line\n" },
  );
  const { said } = await runPost({ api_url: armor.url, complete: "true", ...agent.state });
  expect(said).toEqual([
    expect.stringMatching(/^Token agent: 2 calls answered/),
    expect.stringMatching(/^::group::\w+/),
    "2 × GET /api/v1/discovery/scans 200",
    "::endgroup::",
    expect.stringMatching(/^::debug::\w+/),
    "::debug::a line",
  ]);
  await using quiet = await openAgent({ answered: { "2xx": 2 }, sessionsEnded: 1 });
  const other = await runPost({ api_url: armor.url, complete: "true", ...quiet.state });
  expect(other.said).toEqual([expect.stringMatching(/^Token agent: 2 calls answered/)]);
});

test("a session that the agent could not end is tried once more, for a moment only", async () => {
  let startedAt = 0;
  let endedAt = 0;
  await using armor = await startServer([
    (response, request) => {
      startedAt = performance.now();
      response.on("close", () => {
        endedAt = performance.now();
      });
      silence(response, request);
    },
  ]);
  await using agent = await openAgent({ sessionsNotEnded: 1 });
  const { said } = await runPost({ api_url: armor.url, complete: "true", ...agent.state });
  expect(said.at(-1)).toMatch(/^The Armor session could not be ended \(no answer in time\)/);
  while (endedAt === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  // A second is what this try has; all that post has left would be more than four.
  expect(endedAt - startedAt).toBeLessThan(3_000);
});

test("an agent is waited for no longer than leaves time for the session", async () => {
  await using armor = await startServer([text(204, "")]);
  await using agent = await openAgent({ sessionsEnded: 1 }, { afterMs: 300 });
  // As if waiting for main, or a machine that was suspended, had taken nearly all of post's 5.5 s.
  const times = [0];
  setClock({ now: () => times.pop() ?? 5_200 });
  const { said } = await runPost({ api_url: armor.url, complete: "true", ...agent.state });
  expect(said).toEqual([
    ENDED,
    expect.stringMatching(/could not be asked to stop: it did not end in time/),
  ]);
});

/** As the runner's file for saved state holds it. */
const saved = (values: Readonly<Record<string, string>>) =>
  Object.entries(values)
    .map(([name, value]) => `${name}<<end\n${value}\nend\n`)
    .join("");

/** Post behind a main that was cancelled and has ended since. @param at of the file that it wrote */
async function runBehindMain(
  apiUrl: string,
  at: (temp: string) => string,
  content?: string,
  env: Readonly<Record<string, string>> = {},
) {
  await using temp = await makeTempFolder("armor-post-");
  const stateFile = at(temp.path);
  if (content !== undefined) await writeFile(stateFile, content);
  const never = new Promise<never>(() => undefined);
  return await runStep(
    (own) => post(own, never),
    {},
    {
      RUNNER_TEMP: temp.path,
      GITHUB_STATE: join(temp.path, "save_state_post"),
      STATE_api_url: apiUrl,
      STATE_mark: join(temp.path, "armor-main-0123456789abcdef"),
      STATE_state_file: stateFile,
      ...env,
    },
  );
}

test("post ends the session of a token that main saved after it was cancelled, and masks it", async () => {
  await using armor = await startServer([text(204, "")]);
  const late = saved({ api_url: armor.url, access_token: TOKEN, complete: "true" });
  const ran = await runBehindMain(armor.url, (temp) => join(temp, "save_state_main"), late);
  expect(ran.lines[0]).toBe(`::add-mask::${TOKEN}`);
  expect(ran.said).toEqual([expect.stringMatching(/^The Armor session was ended\.$/)]);
  expect(armor.requests).toMatchObject([{ headers: { authorization: `Bearer ${TOKEN}` } }]);
});

test.each([
  { what: "lies in another folder", name: "../save_state_main", content: true },
  { what: "is gone", name: "save_state_main", content: false },
])("post believes no state of a file that $what", async ({ name, content }) => {
  await using outer = await makeTempFolder("armor-outer-");
  await using armor = await startServer([text(204, "")]);
  const late = saved({ api_url: armor.url, access_token: TOKEN, complete: "true" });
  const at = (temp: string) =>
    name.startsWith("..") ? join(outer.path, "state") : join(temp, name);
  const ran = await runBehindMain(armor.url, at, content ? late : undefined);
  expect(ran).toMatchObject({ exitCode: 0, lines: [] });
  expect(armor.requests).toEqual([]);
});

test.each([
  { what: "went through", env: { STATE_complete: "true", STATE_access_token: TOKEN } },
  { what: "could leave no mark", env: { STATE_mark: "" } },
])(
  "post goes to no address that a step has written over the state of a main that $what",
  async ({ env }) => {
    await using armor = await startServer([text(204, "")]);
    await using other = await startServer([text(204, "")]);
    const late = saved({ api_url: other.url, access_token: TOKEN, complete: "true" });
    await runBehindMain(armor.url, (temp) => join(temp, "save_state_main"), late, env);
    expect(other.requests).toEqual([]);
  },
);

test("post does not stumble over saved state that has lost the token", async () => {
  await using armor = await startServer([text(204, "")]);
  const at = (temp: string) => join(temp, "save_state_main");
  const late = saved({ api_url: armor.url });
  const ran = await runBehindMain(armor.url, at, late, { STATE_access_token: TOKEN });
  expect(ran.said.join("\n")).not.toMatch(/Unexpected/);
});

test("post goes by what it knows if main has saved no address", async () => {
  await using armor = await startServer([text(204, "")]);
  const at = (temp: string) => join(temp, "save_state_main");
  const ran = await runBehindMain(armor.url, at, saved({ access_token: TOKEN }));
  expect(ran).toMatchObject({ exitCode: 0, lines: [] });
  expect(armor.requests).toEqual([]);
});
