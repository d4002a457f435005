import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import {
  loadState,
  parseStateFile,
  type State,
  saveEmptyState,
  saveState,
} from "../../src/step/state.ts";
import { runStep } from "../fixtures/in-process.ts";

const PEM = ["A", "B"].map(
  (text) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----`,
);
const STATE: State = {
  apiUrl: "https://armor.example",
  certificates: PEM,
  terminateSession: false,
  accessToken: "t0k3n-a1",
  expiresAt: 1_800_000_000_000,
  agentFolder: "/x",
  mark: "/m",
  stateFile: "/s",
  isComplete: true,
};
/** Certificates are parted before each BEGIN, so the first one keeps its line end. */
const LOADED = { ...STATE, certificates: [`${PEM[0]}\n`, PEM[1]] };

const asEnvironment = (state: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(state).map(([name, value]) => [`STATE_${name}`, value]));

describe("state", () => {
  test("is read as it was saved, certificates one by one", async () => {
    const run = await runStep(() => {
      saveEmptyState();
      saveState(STATE);
    });
    expect(loadState(asEnvironment(run.state))).toEqual(LOADED);
  });

  test("is read from its file as the runner would read it, what was saved last", async () => {
    let file = "";
    await runStep(() => {
      saveEmptyState();
      saveState({ apiUrl: "https://other.example" });
      saveState(STATE);
      file = readFileSync(process.env["GITHUB_STATE"] ?? "", "utf8");
    });
    expect(loadState(parseStateFile(file))).toEqual(LOADED);
    expect(parseStateFile("")).toEqual({});
    expect(parseStateFile("api_url<<x\ncut off")).toEqual({});
  });

  test("has every name from the beginning, so that no step can set one in its place", async () => {
    const early = await runStep(saveEmptyState);
    const late = await runStep(() => saveState(STATE));
    expect(Object.keys(early.state).sort()).toEqual(Object.keys(late.state).sort());
    expect(loadState(asEnvironment(early.state))).toBeUndefined();
  });

  test("promises nothing before anything has happened", async () => {
    const { state } = await runStep(saveEmptyState);
    const apiUrl = "https://x";
    expect(loadState({ ...asEnvironment(state), STATE_api_url: apiUrl })).toEqual({
      apiUrl,
      certificates: [],
      terminateSession: true,
      isComplete: false,
    });
  });

  test("is read from its file by whole lines alone", () => {
    expect(parseStateFile("not api_url<<end\nhttps://x\nend\n")).toEqual({});
    expect(parseStateFile("mark<<end\n/m\nendless\nend\n")).toEqual({ STATE_mark: "/m\nendless" });
  });

  test.each(["", "soon", "-1", "1e99", "NaN"])("has no time in %j", (text) => {
    const state = loadState({ STATE_api_url: "https://x", STATE_expires_at: text });
    expect(state?.expiresAt).toBeUndefined();
  });

  test("of a main that failed early says what it can", () => {
    expect(loadState({ STATE_api_url: "https://x" })).toMatchObject({
      apiUrl: "https://x",
      certificates: [],
      terminateSession: true,
      isComplete: false,
    });
  });

  test("there is none if main saved nothing, whatever else is in the environment", () => {
    expect(
      loadState({ "INPUT_API-URL": "https://x", STATE_complete: "true", STATE_api_url: "" }),
    ).toBeUndefined();
  });
});
