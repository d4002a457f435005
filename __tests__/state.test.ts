import { describe, expect, test } from "@jest/globals";
import {
  hasMainSucceeded,
  isPostStep,
  loadAgentFolder,
  loadSession,
  markMainStarted,
  markMainSucceeded,
  saveAgentFolder,
  saveSession,
} from "../src/state.ts";

/** What the runner makes of saved state in the post step. */
function roundTrip(save: (sink: { saveState(name: string, value: unknown): void }) => void) {
  const env: Record<string, string> = {};
  save({ saveState: (name, value) => Object.assign(env, { [`STATE_${name}`]: String(value) }) });
  return env;
}

describe("state", () => {
  test("tells the post step from the main step", () => {
    expect(isPostStep({})).toBe(false);
    expect(isPostStep(roundTrip(markMainStarted))).toBe(true);
  });

  test("knows whether the main step succeeded, and where an agent's folder is", () => {
    expect(hasMainSucceeded({})).toBe(false);
    expect(hasMainSucceeded(roundTrip(markMainSucceeded))).toBe(true);
    expect(loadAgentFolder({})).toBeUndefined();
    expect(loadAgentFolder(roundTrip((sink) => saveAgentFolder(sink, "/tmp/x")))).toBe("/tmp/x");
  });

  test.each([{ expiresAt: 5, accessToken: "abc" }, { expiresAt: 5 }])("keeps %p", (session) => {
    expect(loadSession(roundTrip((sink) => saveSession(sink, session)))).toEqual(session);
  });

  test.each([{}, { STATE_access_token: "abc" }, { STATE_expires_at: "soon" }, { STATE_expires_at: "" }])(
    "there is no session in %p",
    (env) => {
      expect(loadSession(env)).toBeUndefined();
    },
  );
});
