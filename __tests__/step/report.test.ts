import { describe, expect, test } from "@jest/globals";
import { Stats } from "../../src/agent/stats.ts";
import { reportLine, reportRows } from "../../src/step/report.ts";

describe("what the agent did", () => {
  test("nothing but the token it began with", () => {
    const report = new Stats().report();
    expect(reportLine({ report, ended: 0 })).toBe("Token agent: 1 token minted, 0 calls served, 0 failures.");
    expect(reportRows(report)).toEqual([
      ["tokens minted", "1"],
      ["calls served", "0"],
      ["median", "0 ms"],
      ["slowest", "0 ms"],
      ["failures", "0"],
    ]);
  });

  test("calls by class, failures by code, and how long calls took", () => {
    const stats = new Stats();
    stats.minted();
    for (const [status, ms] of [
      [200, 10],
      [204, 30],
      [404, 20],
      [502, 900],
    ] as const) {
      stats.served(status, ms);
    }
    stats.failed("server_unavailable");
    stats.failed("connection_failed");
    stats.failed("server_unavailable");
    stats.refused();
    const report = stats.report();
    expect(reportLine({ report, ended: 2 })).toBe(
      "Token agent: 2 tokens minted, 4 calls served, 3 failures, 2 sessions ended.",
    );
    expect(reportRows(report)).toEqual([
      ["tokens minted", "2"],
      ["calls served", "4 (2xx 2, 4xx 1, 5xx 1)"],
      ["median", "30 ms"],
      ["slowest", "900 ms"],
      ["failures", "3 (connection_failed 1, server_unavailable 2)"],
      ["refused", "1"],
    ]);
    expect(reportLine({ report: new Stats().report(), ended: 1 })).toMatch(/, 1 session ended\.$/);
  });

  test("of very many calls, the median is that of the latest, and the slowest is kept", () => {
    const stats = new Stats();
    stats.served(200, 5_000);
    for (let call = 0; call < 10_000; call += 1) stats.served(200, 7);
    expect(stats.report()).toMatchObject({ calls: { "2xx": 10_001 }, medianMs: 7, slowestMs: 5_000 });
  });
});
