import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { isoDate } from "../../src/clock.ts";
import { writeDebugTo } from "../../src/debug.ts";
import { hide } from "../../src/redact.ts";
import * as runner from "../../src/step/outputs.ts";
import { exportAgent, logDebug, startDebugLog } from "../../src/step/outputs.ts";
import { runStep } from "../fixtures/in-process.ts";

describe("outputs", () => {
  test("have dates that are rounded down to whole seconds", () => {
    expect(isoDate(Date.UTC(2026, 10, 22, 2, 1, 0, 999))).toBe("2026-11-22T02:01:00Z");
  });

  test.each([
    { variables: {}, expected: undefined },
    { variables: { https_proxy: "http://p" }, expected: undefined },
    { variables: { http_proxy: "http://p" }, expected: "127.0.0.1" },
    {
      variables: { HTTP_PROXY: "http://p", no_proxy: "a.test, b.test", NO_PROXY: "c" },
      expected: "a.test,b.test,c,127.0.0.1",
    },
    { variables: { all_proxy: "http://p", NO_PROXY: "127.0.0.1" }, expected: "127.0.0.1" },
    {
      variables: { ALL_PROXY: "http://p", no_proxy: "127.0.0.0/8" },
      expected: "127.0.0.0/8,127.0.0.1",
    },
    {
      variables: { http_proxy: "http://p", no_proxy: "127.0.0.1", NO_PROXY: "a, 127.0.0.1" },
      expected: undefined,
    },
    { variables: { http_proxy: "http://p", no_proxy: "*", NO_PROXY: "*" }, expected: undefined },
    { variables: { http_proxy: "http://p", NO_PROXY: "*" }, expected: "*" },
    { variables: { http_proxy: "http://p", no_proxy: "a,*" }, expected: "a,*,127.0.0.1" },
  ])("with $variables, no_proxy of later steps is $expected", async ({ variables, expected }) => {
    let isExtended: boolean | undefined;
    let path = "";
    const { exported } = await runStep(() => {
      isExtended = exportAgent(variables, "http://127.0.0.1:1/c", "/bin").wasNoProxyExtended;
      path = readFileSync(process.env["GITHUB_PATH"] ?? "", "utf8").trim();
    });
    const noProxy = expected === undefined ? {} : { no_proxy: expected, NO_PROXY: expected };
    expect(exported).toEqual({ ARMOR_GATEWAY_URL: "http://127.0.0.1:1/c", ...noProxy });
    expect([isExtended, path]).toEqual([expected?.includes("127.0.0.1") === true, "/bin"]);
  });

  test.each([
    { variables: { http_proxy: "http://p", no_proxy: "*" }, isStar: true },
    { variables: { http_proxy: "http://p", no_proxy: "*", NO_PROXY: "*" }, isStar: true },
    { variables: { http_proxy: "http://p", no_proxy: "a,*" }, isStar: false },
    { variables: { http_proxy: "http://p", no_proxy: "*,a" }, isStar: false },
    { variables: { no_proxy: "*" }, isStar: false },
  ])("with $variables, no_proxy of * is told: $isStar", async ({ variables, isStar }) => {
    let isNoProxyStar: boolean | undefined;
    await runStep(() => {
      isNoProxyStar = exportAgent(variables, "http://127.0.0.1:1/c", "/bin").isNoProxyStar;
    });
    expect(isNoProxyStar).toBe(isStar);
  });

  test("leave PATH alone if it cannot hold the folder", async () => {
    let path = "";
    await runStep(() => {
      exportAgent({}, "http://127.0.0.1:1/c", undefined);
      path = readFileSync(process.env["GITHUB_PATH"] ?? "", "utf8");
    });
    expect(path).toBe("");
  });
});

const SECRET = "k3y-of-the-outputs";
const PRINTING: readonly { readonly what: string; readonly print: (text: string) => void }[] = [
  { what: "a line", print: runner.log },
  { what: "a warning", print: runner.warn },
  { what: "an error", print: runner.fail },
  { what: "a line of the debug log", print: runner.logDebug },
  { what: "the title of a group", print: (text) => runner.group(text, []) },
  { what: "a line of a group", print: (text) => runner.group("title", [text]) },
];

test.each(PRINTING)("$what shows no secret, and is one line", async ({ print }) => {
  const { lines } = await runStep(() => {
    hide([SECRET]);
    print(`it is ${SECRET}\u2028::error::x\u001b[31m`);
  });
  const line = lines.find((one) => one.includes("it is")) ?? "";
  expect(line).toMatch(/it is \*\*\* ::error::x \[31m$/);
});

test("the debug log begins with what Node and OpenSSL are here", async () => {
  const { lines } = await runStep(
    () => {
      startDebugLog();
      writeDebugTo(undefined);
      logDebug("a line\nof two");
    },
    {},
    { RUNNER_DEBUG: "1" },
  );
  const { node, openssl } = process.versions;
  expect(lines).toEqual([
    `::debug::Node ${node}, OpenSSL ${openssl}, ${process.platform} ${process.arch}`,
    "::debug::a line of two",
  ]);
});
