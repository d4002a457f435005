import { describe, expect, test } from "@jest/globals";
import { Stats } from "../../src/agent/stats.ts";
import { agentReport } from "../../src/step/report.ts";

const MAIN = { isComplete: true, terminateSession: true };

function stopped(stats: Stats, sessions: object = {}) {
  const reply = { report: stats.report(), sessions: { ended: 1, notEnded: 0, ...sessions } };
  return agentReport({ kind: "stopped", reply }, MAIN);
}

describe("of the agent, the post step tells", () => {
  test("in one line that it was not used, and nothing else", () => {
    expect(stopped(new Stats())).toEqual({ line: expect.stringContaining("answered no call"), warnings: [] });
  });

  test("counts that add up, and no row without data", () => {
    const stats = new Stats();
    for (const status of [200, 204, 404]) stats.answered(status);
    stats.handedOut();
    stats.minted();
    expect(stopped(stats)).toEqual({
      line: "Token agent: 3 calls answered, 1 token handed out, 2 tokens fetched.",
      rows: [
        ["calls answered", "3 (2xx 2, 4xx 1)"],
        ["tokens handed out", "1"],
        ["tokens fetched", "2"],
        ["sessions ended", "1"],
      ],
      warnings: [],
    });
  });

  test("each kind of failure in one warning, with its last full text", () => {
    const stats = new Stats();
    stats.failed("reply_timeout", "first");
    stats.failed("reply_timeout", "Last text.");
    stats.refused();
    stats.problem("path_refused", "Not listed.");
    const { line, warnings } = stopped(stats);
    expect(line).toBe("Token agent: 2 calls failed, 1 call refused, 1 token fetched.");
    expect(warnings).toEqual([
      expect.stringMatching(/^Not listed\. \(path_refused, .*#path_refused\)$/),
      expect.stringMatching(/^Last text\. \(reply_timeout, .*#reply_timeout\)$/),
    ]);
  });

  test("sessions that were not ended, with the reason", () => {
    const { warnings } = stopped(new Stats(), { notEnded: 2, reason: "No connection." });
    expect(warnings).toEqual([expect.stringMatching(/^2 Armor sessions were not ended.*No connection\.$/)]);
  });

  test("its end, unless main has failed and stopped it", () => {
    const result = { kind: "ended", reason: undefined } as const;
    expect(agentReport(result, { ...MAIN, isComplete: false })).toEqual({ line: "" });
    const killed = expect.stringMatching(
      /had ended before the job did: .* probably was killed\. Calls after/,
    );
    expect(agentReport(result, MAIN).warnings).toEqual([killed]);
  });
});
