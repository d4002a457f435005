import { describe, expect, test } from "@jest/globals";
import { ArmorError } from "../../src/errors.ts";
import { Stats } from "../../src/protocol/stats.ts";
import { agentReport, NOTHING } from "../../src/step/report.ts";

const reportOf = (stats?: Stats) => agentReport({ kind: "ended", stats: stats?.report() }, true);

describe("of the agent, the post step tells", () => {
  test("in one line that it was not used, and nothing else", () => {
    const stats = new Stats();
    stats.sessionsEnded = 1;
    const unused =
      /^Token agent: no call came, 1 token fetched, 1 session ended\. If no step needs it, leave keep-fresh out;/;
    const lines = [expect.stringMatching(unused)];
    expect(reportOf(stats)).toEqual({ ...NOTHING, lines });
  });

  test("calls that their clients gave up, without advice to leave keep-fresh out", () => {
    const stats = new Stats();
    stats.abandoned = 1;
    expect(reportOf(stats).lines).toEqual([
      "Token agent: 1 call given up by its client, 1 token fetched.",
      expect.stringMatching(/^A client gives up if .*--max-time.* Give it more time/),
    ]);
    stats.abandoned = 2;
    expect(reportOf(stats).lines[0]).toContain("2 calls given up by their clients");
  });

  test("what was read from Armor, the most frequent first, and what it cannot tell", () => {
    const stats = new Stats();
    const id = "9b2f6c1e-3f0a-4a4e-9d3e-0a1b2c3d4e5f";
    for (let index = 0; index < 60; index += 1) stats.addRead("GET", `/api/v1/a/${index}`, 404);
    for (let index = 0; index < 12; index += 1) stats.addRead("GET", `/api/v1/scans/${id}`, 200);
    stats.handedOut = 1;
    const { read } = reportOf(stats);
    expect(read).toHaveLength(52);
    expect(read[0]).toBe("12 × GET /api/v1/scans/{id} 200");
    expect(read.at(-2)).toBe("… and 11 other kinds (11 calls)");
    expect(read.at(-1)).toMatch(/armor-token handed out are not seen/);
    expect(reportOf(new Stats()).read).toEqual([]);
  });

  test("the agent's debug log, whatever has become of the agent", () => {
    const debugLog = ["a line"];
    const stats = new Stats().report();
    expect(agentReport({ kind: "ended", stats, debugLog }, true)).toMatchObject({ debugLog });
    expect(agentReport({ kind: "unknown", reason: "x", debugLog }, true)).toMatchObject({
      debugLog,
    });
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
    stats.minted = 3;
    stats.sessionsNotEnded = 2;
    expect(reportOf(stats).lines[1]).toBe(
      "2 Armor sessions could not be ended; they end by themselves when their tokens expire.",
    );
    stats.sessionsNotEnded = 1;
    expect(reportOf(stats)).toMatchObject({
      lines: [
        expect.anything(),
        "1 Armor session could not be ended; it ends by itself when its token expires.",
      ],
      warnings: [],
    });
  });

  test("why it ended before the job did, and what it had done", () => {
    const stats = new Stats();
    stats.reason = "its folder /a.b is gone.";
    stats.addAnswer(200);
    const early = expect.stringMatching(
      / ended before the job did: its folder \/a\.b is gone\. Later calls failed with curl \(7\): start at/,
    );
    const lines = ["Token agent: 1 call answered (2xx 1), 1 token fetched."];
    expect(reportOf(stats)).toEqual({ ...NOTHING, lines, warnings: [early] });
    const idle = new Stats();
    idle.reason = "it had enough.";
    // Whoever needs it could not use it: that is no reason to leave it out.
    expect(reportOf(idle).lines).toEqual(["Token agent: no call came, 1 token fetched."]);
    const killed = expect.stringMatching(
      / ended before the job did and left no report: a step killed it, /,
    );
    expect(reportOf(undefined)).toEqual({ ...NOTHING, warnings: [killed] });
  });

  test("that it could not be asked to stop, and when it and its sessions end", () => {
    const { warnings, ...rest } = agentReport({ kind: "unknown", reason: "it is /a.b." }, true);
    const warning =
      / could not be asked to stop: it is \/a\.b\. It ends by itself .*\. The sessions .* end by themselves .*\. \(agent_failed, .*#agent_failed\)$/;
    expect(warnings).toEqual([expect.stringMatching(warning)]);
    expect({ ...rest, warnings: [] }).toEqual(NOTHING);
  });

  test("nothing if main has failed and stopped it", () => {
    expect(agentReport({ kind: "ended", stats: undefined }, false)).toEqual(NOTHING);
    const stats = new Stats().report();
    expect(agentReport({ kind: "ended", stats }, false)).toEqual(NOTHING);
  });
});

test("the step's own session, which post tries to end itself, is not told of twice", () => {
  const stats = new Stats();
  stats.sessionsNotEnded = 1;
  const { lines } = agentReport({ kind: "ended", stats: stats.report() }, true);
  expect(lines.join("\n")).not.toContain("could not be ended");
});

test.each([
  { otherKinds: 1, otherCalls: 1, line: "… and 1 other kind (1 call)" },
  { otherKinds: 2, otherCalls: 2, line: "… and 2 other kinds (2 calls)" },
  { otherKinds: 0, otherCalls: 7, line: "… and 7 other calls" },
])("kinds of calls that are not listed are summed up as $line", (others) => {
  const { line, ...counts } = others;
  const stats = { ...new Stats().report(), ...counts };
  expect(agentReport({ kind: "ended", stats }, true).read).toEqual([line]);
});

test("without a debug log there is none in the report", () => {
  expect(agentReport({ kind: "unknown", reason: "x" }, true).debugLog).toEqual([]);
});
