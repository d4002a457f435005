// armor-token in the test's own process, with an agent that answers as the test wants it.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../../src/command/command.ts";
import type { Destination } from "../../src/command/output.ts";
import type { RunnerPipe } from "../../src/command/runner-pipe.ts";
import { CONTROL_FILE } from "../../src/protocol/config.ts";
import { disposable } from "../fixtures/opened.ts";
import { type Answer, json, startServer } from "../fixtures/server.ts";

export const TOKEN = "t0k3n-of-the-agent";
export const GOOD: Answer = json(200, { access_token: TOKEN });

/** What reached each place, in the order in which it did. */
export interface Written {
  readonly to: "stdout" | "stderr" | "runner";
  readonly text: string;
  /** performance.now() */
  readonly at: number;
}

export interface CallOptions {
  /** Of stdout; a reader by default. "gone" is a reader that has left, "full" a disk. */
  readonly stdout?: Destination | "gone" | "full";
  readonly stderr?: Destination | "gone";
  /** Whether the runner's pipe is found: undefined for no, otherwise what it does. */
  readonly runner?: "certain" | "uncertain" | "broken";
  /** Whether the workflow runs with step debug logging; undefined for no. */
  readonly isDebug?: boolean;
}

export interface CallResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly runner: string;
  readonly written: readonly Written[];
}

/** An agent, and the folder that the wrapper would name. @param answer undefined if there is no agent */
export async function openAgent(answer: Answer | undefined = GOOD) {
  const folder = await mkdtemp(join(tmpdir(), "armor-command-"));
  const server = await startServer([answer]);
  await writeFile(join(folder, CONTROL_FILE), `${server.url}/cap\n`);
  const close = async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  };
  const call = (args: readonly string[], options: CallOptions = {}) =>
    callCommand(folder, args, options);
  return disposable({ folder, server, call }, close);
}

async function callCommand(
  folder: string,
  args: readonly string[],
  options: CallOptions,
): Promise<CallResult> {
  const written: Written[] = [];
  const output = (to: "stdout" | "stderr") => {
    const kind = options[to] ?? "reader";
    const destination = destinationOf(kind);
    const write = async (text: string) => {
      if (kind === "full") throw Object.assign(new Error("write ENOSPC"), { code: "ENOSPC" });
      if (kind === "gone") throw Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
      written.push({ to, text, at: performance.now() });
    };
    return { destination, write };
  };
  const pipe: RunnerPipe = {
    isCertain: options.runner !== "uncertain",
    write: async (lines) => {
      if (options.runner === "broken") return false;
      written.push({ to: "runner", text: lines.join(""), at: performance.now() });
      return true;
    },
  };
  const exitCode = await runCommand({
    folder,
    args,
    stdout: output("stdout"),
    stderr: output("stderr"),
    isDebug: options.isDebug === true,
    findRunnerPipe: () => (options.runner === undefined ? undefined : pipe),
  });
  const textOf = (to: Written["to"]) =>
    written
      .filter((one) => one.to === to)
      .map(({ text }) => text)
      .join("");
  return {
    exitCode,
    stdout: textOf("stdout"),
    stderr: textOf("stderr"),
    runner: textOf("runner"),
    written,
  };
}

function destinationOf(kind: Destination | "gone" | "full"): Destination {
  if (kind === "gone") return "reader";
  return kind === "full" ? "file" : kind;
}
