// What the agent counts, and what post believes of a report that any step could have written.

import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { type AgentReport, parseStats, Stats } from "../../src/protocol/stats.ts";
import { hide } from "../../src/redact.ts";

const UUID = "0ac5f7ab-1111-4222-8333-ABCDEF012345";
const LISTED = "/api/v1/discovery/";

test("what was read is counted by method, path and status, with {id} in place of UUIDs", () => {
  const stats = new Stats();
  stats.addRead("GET", `${LISTED}scans/${UUID}/keys/${UUID.toLowerCase()}`, 200);
  stats.addRead("GET", `${LISTED}scans/11111111-2222-4333-8444-555555555555/keys/${UUID}`, 200);
  stats.addRead("GET", `${LISTED}scans`, 403);
  stats.addRead("HEAD", `${LISTED}scans`, 200);
  expect(stats.report().read).toEqual([
    { method: "GET", path: `${LISTED}scans/{id}/keys/{id}`, status: 200, calls: 2 },
    { method: "GET", path: `${LISTED}scans`, status: 403, calls: 1 },
    { method: "HEAD", path: `${LISTED}scans`, status: 200, calls: 1 },
  ]);
});

test("the 50 most frequent kinds are reported, the others are numbers, and memory stays bounded", () => {
  const stats = new Stats();
  for (let kind = 0; kind < 2_000; kind += 1) stats.addRead("GET", `${LISTED}x${kind}`, 200);
  for (let times = 0; times < 5; times += 1) stats.addRead("GET", `${LISTED}x900`, 200);
  const { read, otherKinds, otherCalls } = stats.report();
  expect(read).toHaveLength(50);
  expect(read[0]).toEqual({ method: "GET", path: `${LISTED}x900`, status: 200, calls: 6 });
  expect(otherKinds).toBe(950);
  expect(otherCalls).toBe(1_950);
});

test("a report shows no secret, also where a long path is cut amid one, or a problem repeats it", () => {
  hide(["s3cret-of-the-stats-test"]);
  const stats = new Stats();
  stats.addRead("GET", `${LISTED}S3CRET-of-the-stats-test`, 200);
  stats.addRead(
    "GET",
    `${LISTED}${"x".repeat(170)}s3cret-of-the-stats-test${"y".repeat(9_000)}`,
    200,
  );
  stats.addProblem(new TypeError("of s3cret-of-the-stats-test"));
  stats.reason = "because of\ns3cret-of-the-stats-test";
  const text = JSON.stringify(stats);
  expect(text.toLowerCase()).not.toContain("s3cret");
  expect(text.length).toBeLessThan(1_500);
});

test("a long path is shown by its beginning, and the report with it counts", () => {
  const stats = new Stats();
  stats.addRead("GET", `${LISTED}${"x".repeat(5_000)}`, 200);
  const report = parseStats(JSON.parse(JSON.stringify(stats)));
  expect(report?.read[0]?.path).toMatch(/^\/api\/v1\/discovery\/x+…$/);
});

test("what was counted is what is parsed", () => {
  const stats = new Stats();
  stats.addAnswer(200);
  stats.addRead("GET", `${LISTED}scans/${UUID}`, 200);
  stats.addFailure(new TypeError("x"));
  stats.addRefusal({ error: "path_refused", description: "No.", isFromJob: true });
  stats.abandoned += 1;
  for (const reason of [undefined, "its folder was removed"]) {
    stats.reason = reason;
    expect(parseStats(JSON.parse(JSON.stringify(stats)))).toEqual(stats.report());
  }
});

const good = (): Record<string, unknown> => ({ ...new Stats().report() });
const read = { method: "GET", path: "/api/v1/x", status: 200, calls: 1 };

test.each<{ readonly what: string; readonly changes: Record<string, unknown> }>([
  { what: "a negative count", changes: { minted: -1 } },
  { what: "a count that is text", changes: { refused: "::error::1" } },
  { what: "half a call", changes: { abandoned: 0.5 } },
  { what: "more tokens than any job takes", changes: { minted: 1e15 } },
  { what: "no count", changes: { sessionsEnded: undefined } },
  { what: "a reason that is an object", changes: { reason: {} } },
  { what: "a reason that is a list", changes: { reason: [] } },
  { what: "a reason of 1 MB", changes: { reason: "x".repeat(1_000_000) } },
  { what: "a problem of 1 MB", changes: { problems: { x: "x".repeat(1_000_000) } } },
  { what: "a problem that is a list", changes: { problems: { x: [] } } },
  { what: "a code that is a command", changes: { problems: { "::error::": "x" } } },
  { what: "a code with a command behind it", changes: { problems: { "x\n::error::": "x" } } },
  { what: "a code with a command before it", changes: { problems: { "::error::x": "x" } } },
  {
    what: "10,000 codes",
    changes: { failed: Object.fromEntries([...Array(10_000).keys()].map((n) => [`c${n}`, 1])) },
  },
  { what: "a list of counts", changes: { answered: [1, 2] } },
  { what: "a number in place of counts", changes: { answered: 7 } },
  { what: "a read that is nothing", changes: { read: [null] } },
  { what: "reads that are no list", changes: { read: {} } },
  { what: "10,000 reads", changes: { read: Array(10_000).fill(read) } },
  { what: "a path with a line end", changes: { read: [{ ...read, path: "/x\n::error::" }] } },
  { what: "a path that is a command", changes: { read: [{ ...read, path: "##[error]" }] } },
  { what: "a path that is a list", changes: { read: [{ ...read, path: ["/x"] }] } },
  { what: "a method of its own", changes: { read: [{ ...read, method: "::GET" }] } },
  { what: "a method and a command", changes: { read: [{ ...read, method: "GET\n::error::" }] } },
  { what: "a method that is a list", changes: { read: [{ ...read, method: ["GET"] }] } },
  { what: "a status that is text", changes: { read: [{ ...read, status: "200" }] } },
  { what: "a status of two digits", changes: { read: [{ ...read, status: 99 }] } },
  { what: "a status of four digits", changes: { read: [{ ...read, status: 1_000 }] } },
])("a report with $what is none", ({ changes }) => {
  expect(parseStats(good())).toBeDefined();
  expect(parseStats({ ...good(), ...changes })).toBeUndefined();
});

test.each([100, 999])("a report tells of an answer with %i, as of any three digits", (status) => {
  expect(parseStats({ ...good(), read: [{ ...read, status }] })).toBeDefined();
});

test("any JSON is a report or none, never an error, and gives known fields only", () => {
  const known = new Set([...Object.keys(good()), "reason"]);
  fc.assert(
    fc.property(fc.jsonValue(), fc.dictionary(fc.string(), fc.jsonValue()), (value, extra) => {
      expect(() => parseStats(value)).not.toThrow();
      const parsed = parseStats({ ...extra, ...good() }) as AgentReport;
      expect(Object.keys(parsed).filter((name) => !known.has(name))).toEqual([]);
    }),
  );
});
