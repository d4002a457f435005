// Why a session could not be ended, as the post step says it.

import { expect, test } from "@jest/globals";
import type { Send } from "../../src/armor/http.ts";
import { ArmorError, type ErrorCode } from "../../src/errors.ts";
import { endSessionOf } from "../../src/step/session-end.ts";
import { loadState, type State } from "../../src/step/state.ts";
import { virtualClock } from "../fixtures/virtual-clock.ts";

const STATE = loadState({
  STATE_api_url: "https://armor.example",
  STATE_access_token: "t0k3n-a1",
  STATE_complete: "true",
}) as State;

/** @param outcomes of the attempts, in turn: a status, or the code of an error; the last one for ever */
async function reasonAfter(outcomes: readonly (number | ErrorCode)[]) {
  const clock = virtualClock();
  let attempts = 0;
  const send: Send = async ({ url }) => {
    const outcome = outcomes[Math.min(attempts, outcomes.length - 1)] ?? 500;
    attempts += 1;
    await clock.pass(500);
    if (typeof outcome === "string") throw new ArmorError(outcome, "It failed", "Look.");
    return { url, status: outcome, headers: {}, body: "" };
  };
  const { lines } = await endSessionOf(STATE, { apiUrl: STATE.apiUrl, send }, 5_000);
  expect(attempts).toBeGreaterThanOrEqual(outcomes.length);
  return /could not be ended \((?<reason>[^)]*)\)/.exec(lines.join())?.groups?.["reason"];
}

test.each([
  { what: "an answer", outcomes: [503], reason: "Armor answered 503" },
  {
    what: "an answer, and then silence",
    outcomes: [503, "reply_timeout"],
    reason: "Armor answered 503",
  },
  {
    what: "silence, and then an answer",
    outcomes: ["reply_timeout", 429],
    reason: "Armor answered 429",
  },
  { what: "silence alone", outcomes: ["reply_timeout"], reason: "no answer in time" },
  {
    what: "an answer, and then a fault that stays",
    outcomes: [503, "tls_failed"],
    reason: "no TLS connection",
  },
] as const)("after $what, the reason is: $reason", async ({ outcomes, reason }) => {
  await expect(reasonAfter(outcomes)).resolves.toBe(reason);
});

test.each<ErrorCode>([
  "host_unknown",
  "dns_failed",
  "connection_failed",
  "reply_incomplete",
  "reply_timeout",
  "reply_invalid",
  "certificate_rejected",
  "tls_failed",
  "proxy_failed",
  "proxy_refused",
  "redirect_refused",
])("what kept a session from being ended is told in words, not as %s", async (code) => {
  await expect(reasonAfter([code])).resolves.toMatch(/^[a-z]+ .*[a-z]$/i);
});

test("a fault of the action itself is not told as one of Armor", async () => {
  const send: Send = () => Promise.reject(new TypeError("it is not a function"));
  const ending = endSessionOf(STATE, { apiUrl: STATE.apiUrl, send }, 5_000);
  await expect(ending).rejects.toThrow("it is not a function");
});

test.each([
  { leftMs: 1, says: "it ends by itself at 08:00:01 UTC" },
  { leftMs: 0, says: "it has ended by itself at 08:00:01 UTC" },
])("with $leftMs ms left of a session that cannot be ended, $says", async ({ leftMs, says }) => {
  const clock = virtualClock();
  const state = { ...STATE, expiresAt: clock.date() + leftMs };
  const send: Send = ({ url }) => Promise.resolve({ url, status: 400, headers: {}, body: "" });
  const { lines } = await endSessionOf(state, { apiUrl: STATE.apiUrl, send }, 5_000);
  expect(lines).toEqual([expect.stringContaining(`; ${says}.`)]);
});
