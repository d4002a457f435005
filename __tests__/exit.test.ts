import { describe, expect, test } from "@jest/globals";
import { exit } from "../src/exit.ts";

/** A process that notes how it ends. */
function fakeProcess({ resources = [] as string[], execve = undefined as (() => never) | undefined } = {}) {
  const calls: unknown[][] = [];
  const note = (...call: unknown[]) => calls.push(call) as never;
  return {
    calls,
    stdout: {
      write(text: string, callback: () => void) {
        calls.push(["write", text]);
        setImmediate(callback);
      },
    },
    execPath: "/opt/node",
    exitCode: 1,
    getActiveResourcesInfo: () => resources,
    exit: () => note("exit"),
    execve: (file: string, args: string[], env: object) => {
      note("execve", file, args, env);
      return execve?.() as never;
    },
  };
}

describe("exit", () => {
  test("waits for what was printed, and not for open sockets", async () => {
    const process = fakeProcess({ resources: ["TCPSocketWrap", "Timeout"] });
    await exit(process);
    expect(process.calls).toEqual([["write", ""], ["exit"]]);
  });

  test("gives its place away where a name look-up would hold it, and keeps the exit code", async () => {
    const process = fakeProcess({ resources: ["GetAddrInfoReqWrap"] });
    await exit(process);
    expect(process.calls[1]).toEqual(["execve", "/opt/node", ["/opt/node", "-e", "process.exit(1)"], {}]);
  });

  test("exits all the same where the system cannot do that", async () => {
    const process = fakeProcess({
      resources: ["GetAddrInfoReqWrap"],
      execve: () => {
        throw new Error("ERR_FEATURE_UNAVAILABLE_ON_PLATFORM");
      },
    });
    await exit(process);
    expect(process.calls.at(-1)).toEqual(["exit"]);
  });

  test("and where Node does not know how", async () => {
    const { execve: _, ...process } = fakeProcess({ resources: ["GetAddrInfoReqWrap"] });
    await exit(process);
    expect(process.calls.at(-1)).toEqual(["exit"]);
  });
});
