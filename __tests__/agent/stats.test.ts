import { expect, test } from "@jest/globals";
import { Stats } from "../../src/agent/stats.ts";

test("an agent that did nothing has the step's own token to report, and nothing else", () => {
  expect(new Stats().report()).toEqual({
    ...{ minted: 1, handedOut: 0, answered: {}, failed: {}, refused: 0, problems: {} },
  });
});

test("each thing is counted once and under its own name, and the last text of a problem stays", () => {
  const stats = new Stats();
  stats.minted();
  stats.handedOut();
  for (const status of [200, 204, 304, 404, 500, 599]) stats.answered(status);
  stats.failed("reply_timeout", "first");
  stats.failed("reply_timeout", "last");
  stats.failed("connection_failed", "none");
  stats.refused();
  stats.refused();
  stats.problem("path_refused", "not listed");
  stats.problem("rate_limited", "too often");
  const report = stats.report();
  expect(report).toEqual({
    minted: 2,
    handedOut: 1,
    answered: { "2xx": 2, "3xx": 1, "4xx": 1, "5xx": 2 },
    failed: { connection_failed: 1, reply_timeout: 2 },
    refused: 2,
    problems: {
      connection_failed: "none",
      path_refused: "not listed",
      rate_limited: "too often",
      reply_timeout: "last",
    },
  });
  expect(Object.keys(report.problems)).toEqual(Object.keys(report.problems).sort());
});
