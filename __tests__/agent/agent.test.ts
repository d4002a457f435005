// The token agent inside the test's own process: what it reads, says, serves and ends by.

import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { type Sandbox, startSandbox } from "../../sandbox/armor.ts";
import { agent, type Farewell, type Greeting } from "../../src/agent/agent.ts";
import { systemClock } from "../../src/clock.ts";
import { NO_CRASH } from "../fixtures/in-process.ts";
import { startServer } from "../fixtures/server.ts";
import { API_KEY, APP_ID } from "../fixtures/step.ts";

let armor: Sandbox;
let folder: string;

beforeEach(async () => {
  armor = await startSandbox({ appId: APP_ID, apiKey: API_KEY });
  folder = await mkdtemp(join(tmpdir(), "armor-agent-"));
});

afterEach(async () => {
  await armor.close();
  await rm(folder, { recursive: true, force: true });
});

/** An agent whose first token is dead already. */
async function start(changes: object = {}, clock = systemClock) {
  const config = {
    credentials: { appId: APP_ID, apiKey: API_KEY },
    apiUrl: armor.url,
    certificates: [],
    timeoutMs: 1_000,
    idleMs: 1_000,
    terminateSession: true,
    capability: "cap",
    folder,
    first: { accessToken: "dead", expiresIn: 60, expiresAt: Date.now() - 1 },
    ...changes,
  };
  const stdout = new PassThrough();
  const exitCode = process.exitCode;
  const stdin = Readable.from([Buffer.from(JSON.stringify(config))]);
  const ended = agent({}, NO_CRASH, { stdin, stdout }, clock).finally(() => {
    process.exitCode = exitCode;
  });
  const [line] = await stdout.take(1).toArray();
  const greeting = JSON.parse(String(line)) as Greeting;
  const url = "port" in greeting ? `http://127.0.0.1:${greeting.port}/cap` : "";
  return { greeting, url, ended };
}

async function stop(url: string): Promise<Farewell> {
  return (await (await fetch(`${url}/stop`, { method: "POST" })).json()) as Farewell;
}

describe("agent", () => {
  test("serves tokens and calls, and ends when told to, its session with it", async () => {
    const { url, ended } = await start();
    const reply = await fetch(`${url}/token`);
    expect(reply.headers.get("cache-control")).toBe("no-store");
    expect(await reply.json()).toEqual({
      access_token: expect.stringMatching(/^[\w-]{40,}$/),
      token_type: "Bearer",
      expires_in: expect.any(Number),
      expires_at: expect.stringMatching(/^20.*Z$/),
    });
    await expect(fetch(`${url}/api/v1/discovery/scans`)).resolves.toMatchObject({ status: 200 });
    await expect(stop(url)).resolves.toMatchObject({
      ended: 1,
      report: { minted: 2, calls: { "2xx": 1 }, failures: {} },
    });
    await ended;
    await expect(fetch(url)).rejects.toThrow();
    expect(armor.requests.at(-1)).toBe("POST /api/v1/iam/session/terminate 204");
  });

  test("leaves the session alone where it is told so", async () => {
    const { url, ended } = await start({ terminateSession: false });
    await fetch(`${url}/token`);
    await expect(stop(url)).resolves.toMatchObject({ ended: 0 });
    await ended;
    expect(armor.requests).toHaveLength(1);
  });

  test("begins with the step's token, for as long as that lives", async () => {
    const { url, ended } = await start({
      first: { accessToken: "first", expiresIn: 60, expiresAt: Date.now() + 30_000 },
    });
    await expect((await fetch(`${url}/token`)).json()).resolves.toMatchObject({ access_token: "first" });
    await expect(stop(url)).resolves.toMatchObject({ ended: 0, report: { minted: 1 } });
    await ended;
  });

  test("says why it has no token, without a secret", async () => {
    const { url, ended } = await start({ credentials: { appId: APP_ID, apiKey: "wr0ng" } });
    const reply = await fetch(`${url}/token`);
    expect(reply.status).toBe(502);
    const { error, error_description: description } = (await reply.json()) as Record<string, string>;
    expect(error).toBe("credentials_rejected");
    expect(description).toMatch(/^Armor does not accept this client app/);
    expect(description).not.toContain("wr0ng");
    await expect(stop(url)).resolves.toMatchObject({ report: { failures: { credentials_rejected: 1 } } });
    await ended;
  });

  test("closes the connection to an Armor that does not answer: the agent lives long, and they would add up", async () => {
    let close: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    const stuck = await startServer([(response) => response.on("close", close)]);
    const { url, ended } = await start({ apiUrl: stuck.url });
    const reply = await fetch(`${url}/token`);
    expect(reply.status).toBe(504);
    await closed;
    await stop(url);
    await ended;
    await stuck.close();
  });

  test("ends when its folder is gone", async () => {
    const { ended } = await start();
    await rm(folder, { recursive: true });
    await ended;
    await expect(access(folder)).rejects.toThrow();
  });

  test("ends after a day without being asked, and not before", async () => {
    let later = 0;
    const { url, ended } = await start({}, { ...systemClock, now: () => systemClock.now() + later });
    later = 23 * 3_600_000;
    await expect(fetch(`${url}/token`)).resolves.toMatchObject({ status: 200 });
    later += 24 * 3_600_000 + 1;
    await ended;
    await expect(fetch(`${url}/token`)).rejects.toThrow();
  });

  test("ends when it is told to by the system", async () => {
    const { ended } = await start();
    process.emit("SIGTERM");
    await ended;
  });

  test.each([["an address that is none", { apiUrl: "none" }]])(
    "says in its one line that it cannot start: %s",
    async (_, changes) => {
      const { greeting, ended } = await start(changes);
      await ended;
      expect(greeting).toEqual({ problem: expect.stringMatching(/^Unexpected .*\.$/) });
    },
  );

  test("says nothing of a configuration that it cannot read", async () => {
    const stdout = new PassThrough();
    await agent({}, NO_CRASH, { stdin: Readable.from([Buffer.from(`{"apiKey": ${API_KEY}`)]), stdout });
    expect(String(stdout.read())).toBe(
      '{"problem":"Unexpected . This is a fault of the action itself: please report this line."}\n',
    );
  });
});
