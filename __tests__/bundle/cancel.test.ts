// The main step cancelled at times spread over its whole run, and then the post step: nothing is left.

import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, jest, test } from "@jest/globals";
import { openJob } from "../fixtures/job.ts";
import { disposable } from "../fixtures/opened.ts";
import { agentsBelow } from "../fixtures/processes.ts";
import { type Answer, startServer, text, token } from "../fixtures/server.ts";

jest.setTimeout(240_000); // for 50 times on a busy machine

const TIMES = process.env["CI"] ? 50 : 5;
/** Side by side; more would only wait for each other. */
const AT_ONCE = 5;
/** So that many cancellations meet a request on its way. */
const ANSWER_MS = 100;

/** Issues tokens of an hour, whoever waits for them, and knows whose sessions have not ended. */
async function startCountingArmor() {
  const live = new Set<string>();
  let issued = 0;
  const answer: Answer = async (response, request) => {
    if (request.path.endsWith("/terminate")) {
      const isLive = live.delete(request.headers.authorization?.replace("Bearer ", "") ?? "");
      return text(isLive ? 204 : 401, "")(response, request);
    }
    issued += 1;
    const name = `t0k3n-a${issued}`;
    live.add(name);
    await sleep(ANSWER_MS);
    token({ access_token: name, expires_in: 3600 })(response, request);
  };
  const { url, close } = await startServer([answer]);
  return disposable({ live, url }, close);
}

// Windows has no signals that a process could handle.
if (process.platform !== "win32") {
  describe.each(["false", "true"])("the main step, with keep-fresh: %s", (keepFresh) => {
    test.concurrent(`cancelled at ${TIMES} times, leaves no agent and no session behind post`, async () => {
      await using armor = await startCountingArmor();
      const { live } = armor;
      const cancelAfter = async (ms?: number) => {
        await using job = await openJob({ "api-url": armor.url, "keep-fresh": keepFresh });
        const main = await job.main(async (child) => {
          if (ms === undefined) return;
          await sleep(ms);
          child.kill("SIGINT");
        });
        const post = await job.post();
        expect(post).toMatchObject({ exitCode: 0, stderr: "" });
        if (main.files["GITHUB_STATE"] === "") expect(post.stdout).toBe("");
        if (main.exitCode !== 0)
          expect(main.files).toMatchObject({ GITHUB_OUTPUT: "", GITHUB_ENV: "" });
        // It ends when its folder is gone, which it looks for every two seconds.
        for (let tries = 0; tries < 200 && agentsBelow(job.temp).length > 0; tries += 1)
          await sleep(50);
        expect(agentsBelow(job.temp)).toEqual([]);
        return main.ms;
      };
      const wholeMs = await cancelAfter();
      for (let done = 0; done < TIMES; done += AT_ONCE) {
        const shares = Array.from({ length: AT_ONCE }, (_, index) => (done + index + 0.5) / TIMES);
        await Promise.all(shares.map((share) => cancelAfter(share * wholeMs)));
      }
      expect([...live]).toEqual([]);
    });
  });
}
