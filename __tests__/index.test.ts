import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { runAgent, runMain, runPost } from "../src/index.ts";
import { runStep } from "./fixtures/in-process.ts";
import { disposable } from "./fixtures/opened.ts";
import { startServer, text } from "./fixtures/server.ts";

const EVENTS = ["SIGUSR1", "uncaughtException", "beforeExit"] as const;

describe("a program of the action", () => {
  let exit: ReturnType<typeof jest.spyOn>;
  beforeEach(() => {
    exit = jest.spyOn(process, "exit").mockImplementation((() => undefined) as never);
  });
  afterEach(() => {
    for (const event of EVENTS) process.removeAllListeners(event);
  });

  test("main that fails says why, and ends the process with exit code 1", async () => {
    const { exitCode, said } = await runStep(runMain);
    expect(exitCode).toBe(1);
    expect(said).toEqual([expect.stringMatching(/^::error::app-id and api-key are empty/)]);
    expect(exit).toHaveBeenCalledTimes(1);
  });

  test("post without state is silent, sends nothing, and succeeds", async () => {
    const result = await runStep(runPost, {}, { NODE_TLS_REJECT_UNAUTHORIZED: "0" });
    expect(result).toMatchObject({ exitCode: 0, lines: [] });
  });

  test("main says once that NODE_TLS_REJECT_UNAUTHORIZED is ignored, and it is gone", async () => {
    const { said } = await runStep(
      async () => {
        await runMain();
        expect(process.env).not.toHaveProperty("NODE_TLS_REJECT_UNAUTHORIZED");
      },
      {},
      { NODE_TLS_REJECT_UNAUTHORIZED: "0" },
    );
    expect(said.filter((line) => line.includes("NODE_TLS_REJECT_UNAUTHORIZED"))).toEqual([
      expect.stringMatching(
        /^::warning::NODE_TLS_REJECT_UNAUTHORIZED=0 is ignored: .*ca-certificate/,
      ),
    ]);
  });

  test("no log shows what Node finds outdated in the libraries of this action", async () => {
    process.noDeprecation = false;
    await runStep(runPost);
    expect(process.noDeprecation).toBe(true);
  });

  test("main fails, and says why, if an error was not caught anywhere", async () => {
    await using armor = await startServer([text(403, "")]); // too late
    const inputs = { "app-id": "id", "api-key": "k3y-of-the-app", "api-url": armor.url };
    const { exitCode, said } = await runStep(async () => {
      const running = runMain();
      process.emit("uncaughtException", new TypeError("x of nothing"));
      await running;
    }, inputs);
    expect(exitCode).toBe(1);
    expect(said).toEqual([
      expect.stringMatching(/^::error::Unexpected TypeError: x of nothing\. /),
    ]);
  });

  test("main fails if the process would end without a result", async () => {
    await using armor = await startServer([text(403, "")]); // too late
    const inputs = { "app-id": "id", "api-key": "k3y-of-the-app", "api-url": armor.url };
    const { exitCode, said } = await runStep(async () => {
      const running = runMain();
      process.emit("beforeExit", 0);
      await running;
    }, inputs);
    expect(exitCode).toBe(1);
    expect(said).toEqual([
      expect.stringMatching(/^::error::Unexpected Error: the process ended without a result\. /),
    ]);
  });

  test("the agent fails without a configuration, says so, and ends the process", async () => {
    const own = Object.getOwnPropertyDescriptor(process, "stdin") ?? {};
    Object.defineProperty(process, "stdin", { ...own, get: () => Readable.from([]) });
    await using _stdin = disposable({}, () => Object.defineProperty(process, "stdin", own));
    const { exitCode, lines } = await runStep(runAgent);
    expect(exitCode).toBe(1);
    expect(lines).toEqual(["token agent: its configuration is cut off"]);
    expect(exit).toHaveBeenCalledTimes(1);
  });
});
