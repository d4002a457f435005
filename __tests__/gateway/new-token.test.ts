// A token that is so new that not every server of Armor's knows it.

import { expect, test } from "@jest/globals";
import { clock } from "../../src/clock.ts";
import { startGateway, tokenOf } from "../fixtures/agent.ts";
import type { Answer } from "../fixtures/server.ts";

test("is tried again, and not replaced by one that is as new", async () => {
  const knownFrom = clock.now() + 800;
  const answer: Answer = (response) => {
    response.writeHead(clock.now() < knownFrom ? 401 : 200).end();
  };
  await using gateway = await startGateway([answer], { first: tokenOf("first") });
  const replies = await Promise.all(Array.from({ length: 32 }, () => gateway.call()));
  expect(replies.map(({ status }) => status)).toEqual(Array(32).fill(200));
  expect(gateway.fetches()).toBe(0);
});
