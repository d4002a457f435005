import { describe, expect, test } from "@jest/globals";
import { ArmorError } from "../../src/errors.ts";
import { Stats } from "../../src/protocol/stats.ts";
import { agentReport } from "../../src/step/report.ts";

const reportOf = (stats?: Stats) => agentReport({ kind: "ended", stats }, true);

describe("of the agent, the post step tells", () => {
  test("in one line that it was not used, and nothing else", () => {
    const lines = [expect.stringContaining("answered no call")];
    expect(reportOf(new Stats())).toEqual({ lines, warnings: [] });
  });

  test("counts that add up, and none without data", () => {
    const stats = new Stats();
    for (const status of [404, 200, 204, 304, 500, 599]) stats.addAnswer(status);
    expect(reportOf(stats).lines).toEqual([
      "Token agent: 6 calls answered (2xx 2, 3xx 1, 4xx 1, 5xx 2), 1 token fetched.",
    ]);
    stats.handedOut += 1;
    stats.minted += 1;
    stats.sessionsEnded += 1;
    expect(reportOf(stats).lines).toEqual([
      "Token agent: 6 calls answered (2xx 2, 3xx 1, 4xx 1, 5xx 2), 1 token handed out, 2 tokens fetched, 1 session ended.",
    ]);
  });

  test("each kind of failure in one warning, with its last full text", () => {
    const stats = new Stats();
    for (const text of ["First text", "Last text"])
      stats.addFailure(new ArmorError("reply_timeout", text, "Wait."));
    stats.refused += 1;
    stats.problems["path_refused"] = "Not listed.";
    const { lines, warnings } = reportOf(stats);
    expect(lines).toEqual([
      "Token agent: 2 calls failed (reply_timeout 2), 1 call refused, 1 token fetched.",
    ]);
    expect(warnings).toEqual([
      expect.stringMatching(/^Last text\. Wait\. \(reply_timeout, .*#reply_timeout\)$/),
      expect.stringMatching(/^Not listed\. \(path_refused, .*#path_refused\)$/),
    ]);
  });

  test("sessions that may go on", () => {
    const stats = new Stats();
    stats.sessionsNotEnded = 2;
    expect(reportOf(stats).warnings).toEqual([
      "2 Armor sessions may not have ended. Sessions end when their tokens expire.",
    ]);
  });

  test("why it ended before the job did, and what it had done", () => {
    const stats = new Stats();
    stats.reason = "it had enough.";
    stats.addAnswer(200);
    const early = expect.stringMatching(
      /had ended before the job did: it had enough\. Calls after/,
    );
    const lines = ["Token agent: 1 call answered (2xx 1), 1 token fetched."];
    expect(reportOf(stats)).toEqual({ lines, warnings: [early] });
    const killed = expect.stringMatching(
      /had ended before the job did: it left no report: it was killed, /,
    );
    expect(reportOf(undefined)).toEqual({ lines: [], warnings: [killed] });
  });

  test("nothing if main has failed and stopped it", () => {
    expect(agentReport({ kind: "ended", stats: undefined }, false)).toEqual({
      lines: [],
      warnings: [],
    });
  });
});
