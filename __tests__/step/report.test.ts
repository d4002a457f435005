import { describe, expect, test } from "@jest/globals";
import { Stats } from "../../src/agent/stats.ts";
import { ArmorError } from "../../src/errors.ts";
import { agentReport } from "../../src/step/report.ts";

const MAIN = { isComplete: true, terminateSession: true };

function stopped(stats: Stats, sessions: object = {}) {
  const reply = { report: stats, sessions: { ended: 1, notEnded: 0, ...sessions } };
  return agentReport({ kind: "stopped", reply }, MAIN);
}

describe("of the agent, the post step tells", () => {
  test("in one line that it was not used, and nothing else", () => {
    expect(stopped(new Stats())).toEqual({ line: expect.stringContaining("answered no call"), warnings: [] });
  });

  test("counts that add up, and no row without data", () => {
    const stats = new Stats();
    for (const status of [404, 200, 204, 304, 500, 599]) stats.addAnswer(status);
    stats.handedOut += 1;
    stats.minted += 1;
    expect(stopped(stats)).toEqual({
      line: "Token agent: 6 calls answered, 1 token handed out, 2 tokens fetched.",
      rows: [
        ["calls answered", "6 (2xx 2, 3xx 1, 4xx 1, 5xx 2)"],
        ["tokens handed out", "1"],
        ["tokens fetched", "2"],
        ["sessions ended", "1"],
      ],
      warnings: [],
    });
  });

  test("each kind of failure in one warning, with its last full text", () => {
    const stats = new Stats();
    for (const text of ["First text", "Last text"])
      stats.addFailure(new ArmorError("reply_timeout", text, "Wait."));
    stats.refused += 1;
    stats.problems["path_refused"] = "Not listed.";
    const { line, warnings } = stopped(stats);
    expect(line).toBe("Token agent: 2 calls failed, 1 call refused, 1 token fetched.");
    expect(warnings).toEqual([
      expect.stringMatching(/^Last text\. Wait\. \(reply_timeout, .*#reply_timeout\)$/),
      expect.stringMatching(/^Not listed\. \(path_refused, .*#path_refused\)$/),
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
