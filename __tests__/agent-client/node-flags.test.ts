// The flags of the agent's Node, by what the Node of the job knows.

import { expect, test } from "@jest/globals";
import { agentNodeFlags } from "../../src/agent-client/node-flags.ts";
import { disposable } from "../fixtures/opened.ts";

const PATHS = { dist: "/dist", folder: "/folder" };
const NAME = "allowedNodeEnvironmentFlags";

test.each<{ readonly node: string; readonly known: readonly string[] }>([
  { node: "an old Node", known: [] },
  { node: "Node 24", known: ["--disable-sigusr1", "--permission"] },
  { node: "Node 25", known: ["--disable-sigusr1", "--permission", "--allow-net"] },
])("$node gets the flags that it knows, and so it starts", async ({ known }) => {
  const own = Object.getOwnPropertyDescriptor(process, NAME) ?? {};
  Object.defineProperty(process, NAME, { configurable: true, value: new Set(known) });
  await using _own = disposable({}, () => Object.defineProperty(process, NAME, own));
  const flags = agentNodeFlags(PATHS, "");
  const guards = ["--disable-sigusr1", "--permission", "--allow-net"];
  expect(flags.filter((flag) => guards.includes(flag))).toEqual(known);
});
