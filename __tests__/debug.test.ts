import { afterEach, expect, test } from "@jest/globals";
import { debug, isDebugOn, writeDebugTo } from "../src/debug.ts";
import { hide } from "../src/redact.ts";

const SECRET = "k3y-of-the-debug-log";
hide([SECRET]);

afterEach(() => writeDebugTo(undefined));

test("a line is not even made where the debug log is off", () => {
  let made = 0;
  const line = () => {
    made += 1;
    return "line";
  };
  debug(line);
  expect([isDebugOn(), made]).toEqual([false, 0]);
  writeDebugTo(() => undefined);
  debug(line);
  expect([isDebugOn(), made]).toEqual([true, 1]);
});

test("a line of the debug log is one line without a secret", () => {
  const lines: string[] = [];
  writeDebugTo((line) => lines.push(line));
  debug(() => `one\r\n::error::two ${SECRET}\u001b[31m`);
  expect(lines).toEqual(["one ::error::two *** [31m"]);
});
