import { expect, test } from "@jest/globals";
import { Stats } from "../../src/agent/stats.ts";

test("each thing is counted once and under its own name, and the last text of a problem stays", () => {
  const stats = new Stats();
  const nothing = { handedOut: 0, answered: {}, failed: {}, refused: 0, problems: {} };
  expect(stats.report()).toEqual({ minted: 1, ...nothing }); // the step's own token
  stats.minted();
  stats.handedOut();
  for (const status of [200, 204, 304, 404, 500, 599]) stats.answered(status);
  for (const text of ["first", "last"]) stats.failed("reply_timeout", text);
  stats.failed("connection_failed", "none");
  stats.refused();
  stats.refused();
  stats.problem("rate_limited", "too often");
  expect(JSON.stringify(stats.report())).toBe(
    JSON.stringify({
      ...{ minted: 2, handedOut: 1, refused: 2, answered: { "2xx": 2, "3xx": 1, "4xx": 1, "5xx": 2 } },
      failed: { connection_failed: 1, reply_timeout: 2 },
      problems: { connection_failed: "none", rate_limited: "too often", reply_timeout: "last" },
    }),
  );
});
