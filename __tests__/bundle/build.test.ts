// dist/ is what the sources build, and small enough to be read.

import { exec } from "node:child_process";
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { fetchToken } from "../../src/armor/token.ts";
import { makeTempFolder } from "../fixtures/opened.ts";

type Files = Readonly<Record<string, string>>;

async function distOf(root: string): Promise<Files> {
  const dist = join(root, "dist");
  const names = (await readdir(dist, { recursive: true })).sort();
  const files = names.map(async (name) => [name, await readFile(join(dist, name), "utf8")]);
  return Object.fromEntries(await Promise.all(files));
}

/** Runs the build of package.json in this folder, on copies of all that goes into it. */
async function build(folder: string): Promise<Files> {
  const parts = [
    "src",
    "scripts",
    "package.json",
    "tsconfig.json",
    // ncc hashes its own path, so ncc has to be in the folder too.
    ...["@actions", "@types", "@vercel", "tunnel", "undici-types"].map((name) =>
      join("node_modules", name),
    ),
  ];
  await Promise.all(
    parts.map((name) => cp(join(ROOT, name), join(folder, name), { recursive: true })),
  );
  await cp(join(ROOT, "dist"), join(folder, "dist"), { recursive: true });
  await writeFile(join(folder, "dist", "left-over.js"), "");
  const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const tool = (...path: string[]) =>
    `"${process.execPath}" "${join(ROOT, "node_modules", ...path)}"`;
  const command = (scripts.build as string)
    .replace(/^tsc/, tool("typescript", "bin", "tsc"))
    .replace("&& biome", `&& ${tool("@biomejs", "biome", "bin", "biome")}`)
    .replace("&& node scripts/node24.cjs", `&& "${process.execPath}"`);
  await promisify(exec)(command, { cwd: folder });
  return await distOf(folder);
}

/** What people can be asked to read. Its comments stand in src/ alone. */
const MAX_BYTES = 300_000;

describe("dist/", () => {
  test("is what the sources build, byte for byte, also in another folder", async () => {
    await using folder = await makeTempFolder("armor build ");
    await expect(build(join(folder.path, "a", "b c"))).resolves.toEqual(await distOf(ROOT));
  }, 60_000);

  test("has these files, is small enough to be read, and not minified", async () => {
    const files = await distOf(ROOT);
    expect(Object.keys(files)).toEqual([
      "agent.js",
      "armor-token.js",
      "index.js",
      "licenses.txt",
      "main.js",
      "not-bundled.js",
      "package.json",
      "post.js",
    ]);
    expect(Buffer.byteLength(Object.values(files).join(""))).toBeLessThan(MAX_BYTES);
    const { "index.js": bundle = "", ...others } = files;
    expect(bundle).toContain(`\nasync function ${fetchToken.name}(`);
    expect(bundle.includes(ROOT)).toBe(false);
    expect(others["armor-token.js"]).not.toContain("node_modules");
    for (const role of ["post", "agent"])
      expect(others[`${role}.js`]).toBe(`require("./main.js")("${role}");\n`);
  });

  test("what is left out fails when it is called", () => {
    const { ProxyAgent, getExecOutput, httpsOverHttp, OidcClient } = createRequire(import.meta.url)(
      join(ROOT, "dist", "not-bundled.js"),
    );
    expect(() => new ProxyAgent()).toThrow("undici is not part of this action");
    expect(() => getExecOutput("ls")).toThrow("@actions/exec is not part of this action");
    expect(() => httpsOverHttp({})).toThrow("tunnel is not part of this action");
    expect(() => new OidcClient()).toThrow("./oidc-utils.js is not part of this action");
  });
});
