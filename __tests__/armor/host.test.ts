import fs from "node:fs";
import { expect, test } from "@jest/globals";
import { containerHint } from "../../src/armor/host.ts";
import { networkError } from "../../src/armor/network-error.ts";
import { proxyError } from "../../src/armor/proxy-error.ts";
import { disposable } from "../fixtures/opened.ts";

const HINT = "In a container, 127.0.0.1 and localhost are the container itself";
const NO_FILES: readonly string[] = [];

/** Where this process seems to run: what exists of a container's files, and its parent. */
function standIn({ files, ppid }: { files: readonly string[]; ppid: number }) {
  const { existsSync } = fs;
  const parent = Object.getOwnPropertyDescriptor(process, "ppid");
  Object.assign(fs, { existsSync: (path: string) => files.includes(path) });
  Object.defineProperty(process, "ppid", { value: ppid, configurable: true });
  return disposable({}, () => {
    Object.assign(fs, { existsSync });
    if (parent !== undefined) Object.defineProperty(process, "ppid", parent);
  });
}

test.each([
  { title: "dockerd's file", files: ["/.dockerenv"], ppid: 1, expected: HINT },
  { title: "Podman's file", files: ["/run/.containerenv"], ppid: 1, expected: HINT },
  { title: "no parent in the container", files: NO_FILES, ppid: 0, expected: HINT },
  { title: "nothing of it", files: NO_FILES, ppid: 1, expected: "" },
])("with $title, the hint is $expected", async ({ files, ppid, expected }) => {
  await using _machine = standIn({ files, ppid });
  expect(containerHint("localhost").slice(0, HINT.length)).toBe(expected);
  expect(containerHint("127.0.0.1").slice(0, HINT.length)).toBe(expected);
  expect(containerHint("[::1]").slice(0, HINT.length)).toBe(expected);
  expect(containerHint("armor.example")).toBe("");
});

test("whoever is refused on loopback is told, before the usual remedy", async () => {
  await using _machine = standIn({ files: NO_FILES, ppid: 0 });
  const refused = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  const url = new URL("http://localhost:3000/x");
  const { remedy } = networkError(refused, { url, proxy: undefined, isReplying: false });
  expect(remedy).toMatch(new RegExp(`^${HINT}.* Check api-url, and that a firewall`));
  const proxy = proxyError({ origin: "http://127.0.0.1:3128" }, "armor.example", refused);
  expect(proxy.remedy).toMatch(new RegExp(`^${HINT}.* Check https_proxy`));
});

test("where this process may not look for a container's files, there is no hint", async () => {
  await using _machine = standIn({ files: NO_FILES, ppid: 1 });
  const denied = () => {
    throw new Error("Access to this API has been restricted");
  };
  Object.assign(fs, { existsSync: denied });
  expect(containerHint("localhost")).toBe("");
});
