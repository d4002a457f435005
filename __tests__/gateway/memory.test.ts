// What the bounds promise together: that the agent's heap holds all of it, whatever clients do.

import { expect, test } from "@jest/globals";
import { agentNodeFlags } from "../../src/agent-client/node-flags.ts";
import { LIMITS } from "../../src/gateway/bounds.ts";

const KB = 1024;

/** What each may take, as bounds.ts says it, if all are reached at once. */
const BYTES = {
  connections: LIMITS.maxConnections * 40 * KB,
  requestsInLine: LIMITS.maxInLineInAll * 4 * KB + LIMITS.maxBytesInLine,
  calls: LIMITS.maxCalls * 100 * KB,
  callsWaiting: LIMITS.maxCallsWaiting * LIMITS.maxHeadBytes,
  paths: LIMITS.maxForbiddenPaths * LIMITS.maxHeadBytes,
};

test("the agent's heap holds all that the bounds let it hold, and the job's own needs fit into them", () => {
  const flags = agentNodeFlags({ dist: "/dist", folder: "/folder" }, "").join(" ");
  const heapMb = Number(/--max-old-space-size=(?<mb>\d+)/.exec(flags)?.groups?.["mb"]);
  const bytes = Object.values(BYTES).reduce((sum, one) => sum + one, 0);
  expect(bytes).toBeLessThan(heapMb * KB * KB);
  // A job opens some 1,000 connections, and sends as many calls at once.
  expect(LIMITS.maxConnections - LIMITS.maxWaiting).toBeGreaterThan(1_000);
  expect(LIMITS.maxCallsWaiting).toBeGreaterThan(1_000);
  expect(LIMITS.backlog).toBeGreaterThan(1_000);
});
