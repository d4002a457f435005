// The end of a session whose Armor is slow or gone: post stays within its time, fails no job, and
// says it in one line.

import { describe, expect, jest, test } from "@jest/globals";
import { goodArmor, openJob } from "../fixtures/job.ts";
import { type Answer, startServer, text } from "../fixtures/server.ts";

jest.setTimeout(60_000);

const TIME = String.raw`\d\d:\d\d:\d\d UTC`;

const isTerminate: (path: string) => boolean = (path) => path.endsWith("/terminate");
const silentAtTheEnd: Answer = (response, request) => {
  if (!isTerminate(request.path)) goodArmor(response, request);
};
const downAtTheEnd: Answer = (response, request) =>
  (isTerminate(request.path) ? text(503, "") : goodArmor)(response, request);

describe.each(["false", "true"])("post, with keep-fresh: %s", (keepFresh) => {
  test.concurrent.each([
    { what: "does not answer", answer: silentAtTheEnd, reason: "no answer in time" },
    { what: "is down", answer: downAtTheEnd, reason: "Armor answered 503" },
  ])(
    "says in its last line that Armor $what, and when the session ends",
    async ({ answer, reason }) => {
      await using armor = await startServer([answer]);
      await using job = await openJob({ "api-url": armor.url, "keep-fresh": keepFresh });
      await expect(job.main()).resolves.toMatchObject({ exitCode: 0 });
      const post = await job.post();
      expect(post).toMatchObject({ exitCode: 0, stderr: "" });
      const lines = job.log(post.stdout);
      expect(lines).toHaveLength(keepFresh === "true" ? 2 : 1);
      const line = String.raw`^The Armor session could not be ended \(${reason}\); it ends by itself at ${TIME}\.$`;
      expect(lines.at(-1)).toMatch(new RegExp(line));
      expect(post.ms).toBeLessThan(15_000); // 6 s on a quiet machine
    },
  );
});
