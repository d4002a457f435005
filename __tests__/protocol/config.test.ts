// What the main step takes for the agent's one line.

import { expect, test } from "@jest/globals";
import { READY_LINE } from "../../src/protocol/config.ts";

test.each([
  { output: "token agent: port 80\n", port: "80" },
  { output: "a library says hello\ntoken agent: port 80\n", port: "80" },
  { output: "a library says token agent: port 80\n", port: undefined },
  { output: "token agent: port 8", port: undefined },
])("of $output the port is $port", ({ output, port }) => {
  expect(READY_LINE.exec(output)?.groups?.["port"]).toBe(port);
});
