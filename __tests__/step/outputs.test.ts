import { describe, expect, test } from "@jest/globals";
import { exportAgent, isoDate, mask, setAgentOutputs, setTokenOutputs } from "../../src/step/outputs.ts";

function recorder() {
  const calls: unknown[][] = [];
  return {
    calls,
    setSecret: (secret: string) => calls.push(["mask", secret]),
    setOutput: (name: string, value: unknown) => calls.push([name, value]),
  };
}

describe("outputs", () => {
  test("the mask comes before the outputs", () => {
    const sink = recorder();
    setTokenOutputs(sink, {
      accessToken: "abc",
      expiresIn: 60,
      expiresAt: Date.UTC(2026, 10, 22, 2, 1, 0, 999),
      requestedAt: 0,
    });
    expect(sink.calls).toEqual([
      ["mask", "abc"],
      ["access-token", "abc"],
      ["token-type", "Bearer"],
      ["expires-in", "60"],
      ["expires-at", "2026-11-22T02:01:00Z"],
    ]);
  });

  test("the capability's mask comes before its address, and its outputs before its export", () => {
    const sink = {
      ...recorder(),
      exportVariable: (name: string, value: unknown) => sink.calls.push(["env", name, value]),
      addPath: (folder: string) => sink.calls.push(["path", folder]),
    };
    const address = {
      gatewayUrl: "http://x/cap",
      capability: "cap",
      command: "/bin/armor-token",
      bin: "/bin",
    };
    setAgentOutputs(sink, address);
    exportAgent(sink, address);
    expect(sink.calls).toEqual([
      ["mask", "cap"],
      ["gateway-url", "http://x/cap"],
      ["token-command", "/bin/armor-token"],
      ["env", "ARMOR_GATEWAY_URL", "http://x/cap"],
      ["path", "/bin"],
    ]);
  });

  test("masks each secret", () => {
    const sink = recorder();
    mask(sink, ["a", "b"]);
    expect(sink.calls).toEqual([
      ["mask", "a"],
      ["mask", "b"],
    ]);
  });

  test("a date is rounded down, and the longest lifetime has one", () => {
    expect(isoDate(1_999)).toBe("1970-01-01T00:00:01Z");
    expect(isoDate(Date.UTC(2026, 0) + (2 ** 31 - 1) * 1000)).toBe("2094-01-19T03:14:07Z");
  });
});
