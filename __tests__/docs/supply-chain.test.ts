// What reaches a user's runner, under which licences, and what runs when packages are installed.

import { expect, test } from "@jest/globals";
import { ourFiles, read } from "./markdown.ts";

const bundle = read("dist", "index.js") + read("dist", "armor-token.js");

test("dist/ has these packages of others, each with its MIT licence in dist/licenses.txt", () => {
  const folders = bundle.match(/(?<=MODULE: \.\/node_modules\/)(@[^/]+\/)?[^/]+/g);
  const packages = [...new Set(folders)].sort();
  expect(packages).toEqual(["@actions/core", "@actions/http-client", "tunnel"]);
  const licenses = read("dist", "licenses.txt");
  for (const name of packages) {
    expect(JSON.parse(read("node_modules", name, "package.json"))).toMatchObject({ name, license: "MIT" });
    expect(licenses).toMatch(new RegExp(`^${name}\\nMIT\\n[\\s\\S]*?Copyright`, "m"));
  }
  expect(licenses).toMatch(/^webpack\nMIT\nCopyright JS Foundation/m); // the loader
});

test("dist/ makes no code from text, and starts one program only", () => {
  expect(bundle).not.toMatch(/\beval\(|new Function\(|\bimport\(|\bvm\b/);
  expect(bundle.match(/child_process\w*\)?\.\w+/g)).toHaveLength(1);
});

const LOCKS = ourFiles().filter((path) => path.endsWith("package-lock.json"));

test.each(LOCKS)("%s locks by content, and no install script is run", (lock) => {
  const { packages } = JSON.parse(read(lock)) as { packages: Record<string, { integrity?: string }> };
  const locked = Object.entries(packages).filter(([path]) => path.startsWith("node_modules/"));
  expect(locked.length).toBeGreaterThan(1);
  expect(locked.filter(([, { integrity = "" }]) => !integrity.startsWith("sha512-"))).toEqual([]);
  expect(read(lock.replace("package-lock.json", ".npmrc"))).toMatch(/^ignore-scripts=true$/m);
});
