// What reaches a user's runner: which packages, under which licences, with which of Node's modules.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";

const read = (...path: string[]) => readFile(join(ROOT, ...path), "utf8");
const readJson = async (...path: string[]) => JSON.parse(await read(...path));

/** All that dist/ contains of others: the two dependencies, what they bring along, and the stand-ins of vendor/. */
const BUNDLED = {
  "@actions/core": "node_modules/@actions/core",
  "@actions/exec": "vendor/exec",
  "@actions/http-client": "node_modules/@actions/http-client",
  tunnel: "node_modules/tunnel",
  undici: "vendor/undici",
};

interface Locked {
  readonly link?: boolean;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
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
    const security = await read("SECURITY.md");
    for (const name of ["@actions/core", "@actions/http-client", "tunnel", "vendor/", "dist/licenses.txt"]) {
      expect(security).toContain(`\`${name}\``);
    }
  });

  test("dist/ holds the sources, those, and what they need", async () => {
    const bundles = (await read("dist", "index.js")) + (await read("dist", "cli", "index.js"));
    const modules = [...bundles.matchAll(/^.*(?:CONCATENATED|EXTERNAL) MODULE: \.\/(\S+)$/gm)].map(
      ([, path = ""]) => path,
    );
    const folders = modules.map(
      (path) => /^(node_modules\/(?:@[^/]+\/)?[^/]+|vendor\/[^/]+|build)\//.exec(path)?.[1],
    );
    expect(new Set(folders)).toEqual(new Set(["build", ...Object.values(BUNDLED)]));
  });

  test("each of them has its licence in dist/licenses.txt, and all are MIT", async () => {
    const licenses = await read("dist", "licenses.txt");
    expect(licenses).toMatch(/^webpack\nMIT\nCopyright JS Foundation/m); // the loader
    for (const [name, folder] of Object.entries(BUNDLED)) {
      expect(await readJson(folder, "package.json")).toMatchObject({ name, license: "MIT" });
      expect(licenses).toMatch(new RegExp(`^${name}\\nMIT\\n`, "m"));
      if (folder.startsWith("vendor/")) {
        // Under this project's own licence, and no version that an advisory about the real package could mean.
        expect(await readJson(folder, "package.json")).toMatchObject({ private: true, version: "999.0.0" });
        continue;
      }
      const notice = /Copyright .*/.exec(
        await read(folder, name === "tunnel" ? "LICENSE" : "LICENSE.md").catch(() => read(folder, "LICENSE")),
      )?.[0];
      expect(licenses).toContain(notice);
    }
  });

  test("it loads these modules of Node's, and makes no code from text", async () => {
    const bundles = (await read("dist", "index.js")) + (await read("dist", "cli", "index.js"));
    const modules = [...bundles.matchAll(/\brequire\("(?:node:)?([^"]+)"\)/g)].map(([, name]) => name);
    expect([...new Set(modules)].sort()).toEqual([
      ...[
        "assert",
        "child_process",
        "crypto",
        "events",
        "fs",
        "fs/promises",
        "http",
        "https",
        "net",
        "os",
        "path",
      ],
      ...["timers/promises", "tls", "util"],
    ]);
    expect(bundles).not.toMatch(/\beval\(|new Function\(|\bimport\(|\bvm\b/);
    expect(bundles.match(/child_process_namespaceObject\(\)\.\w+/g)).toEqual([
      "child_process_namespaceObject().spawn",
    ]);
  });
});

describe("what builds it", () => {
  test("is locked by content, and runs no install script but Node's own", async () => {
    const { packages } = (await readJson("package-lock.json")) as {
      packages: Readonly<Record<string, Locked>>;
    };
    const { allowScripts } = await readJson("package.json");
    const locked = Object.entries(packages).filter(([path]) => path.startsWith("node_modules/"));
    expect(locked.length).toBeGreaterThan(100);
    for (const [, { link, integrity, resolved = "" }] of locked) {
      if (link) expect(resolved).toMatch(/^vendor\//);
      else expect([integrity, resolved]).toEqual([expect.stringMatching(/^sha512-/), ""]);
    }
    const scripted = locked.filter(([, { hasInstallScript }]) => hasInstallScript);
    expect(scripted.map(([path]) => path.replace("node_modules/", "")).sort()).toEqual(
      Object.keys(allowScripts).sort(),
    );
    expect(Object.keys(allowScripts).filter((name) => allowScripts[name])).toEqual(["node"]);
  });
});
