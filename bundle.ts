// Owns the step from build/, which tsc makes of src/, to dist/: one file a program, with ncc, that loads a module when
// it first uses it. `npm run build` runs both.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/** The part of ncc that is used here; it comes without types. */
type Ncc = (
  entry: string,
  options: { cache: false; license: string; quiet: true },
) => Promise<{ code: string; assets: Readonly<Record<string, { source: string | Buffer }>> }>;

const ncc = createRequire(import.meta.url)("@vercel/ncc") as Ncc;

/** Where ncc's loader ends and the modules begin. */
const START = "var __webpack_exports__ = {};\n";
/** How a module is loaded: of Node's own, or a package in CommonJS, which ncc keeps by number. */
const LOADING = /^(?:const|var) (\w+) = ((?:require|__nccwpck_require__)\([^)]*\));$/gm;
/** What `import * as name` and `import name` make of such a module. */
const IMPORTED = /^var (\w+) = \/\*#__PURE__\*\/__nccwpck_require__\.([tn])\((\w+).*\);$/gm;

const LAZILY = `
// Loads a module when it is first used. To load all at the start takes longer than the exchange.
function lazily(load) {
  let module;
  return () => (module ??= load());
}

`;

/**
 * The same program, but a module is loaded when it is first used and not at the start: most steps need neither TLS
 * nor child processes.
 * @throws where ncc writes something else than it did when this was written
 */
function loadLazily(code: string): string {
  const start = code.indexOf(START) + START.length;
  const [loader, modules] = [code.slice(0, start), code.slice(start)];
  const loaded = [...modules.matchAll(LOADING)].map(([, name]) => name);
  // `import name` is a function in ncc's output already, and called wherever it is used.
  const spread = [...modules.matchAll(IMPORTED)].filter(([, , kind]) => kind === "t").map(([, name]) => name);
  if (start < START.length || loaded.length === 0) throw new Error("ncc's output is not as expected");
  // A package's name is a word of comments, too: there, no point and no space is before it, and no word after it.
  const names = [...loaded, ...spread].join("|");
  const uses = new RegExp(`(?<![\\w$/]|(?<!\\.\\.)\\.)(new )?(${names})(?=[.,;/ )])(?! [a-z=])`, "g");
  const lazy = modules
    .replace(uses, (_, isNew, name) => (isNew ? `new (${name}())` : `${name}()`))
    .replace(LOADING, "const $1 = lazily(() => $2);")
    .replace(IMPORTED, "const $1 = $3;");
  return loader + LAZILY + lazy;
}

/** @param program its entry below build/ @param folder below dist/ */
async function bundle(program: string, folder: string): Promise<void> {
  const { code, assets } = await ncc(join(import.meta.dirname, "build", program), {
    cache: false,
    license: "licenses.txt",
    quiet: true,
  });
  const target = join(import.meta.dirname, "dist", folder);
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, "index.js"), loadLazily(code));
  for (const [name, { source }] of Object.entries(assets)) writeFileSync(join(target, name), source);
}

/** ncc names the packages; the loader at the head of its output is webpack's. */
function addLoaderLicense(): void {
  const file = join(import.meta.dirname, "dist", "licenses.txt");
  const license = readFileSync(join(import.meta.dirname, "vendor", "webpack", "LICENSE"), "utf8");
  writeFileSync(file, `${readFileSync(file, "utf8").trimEnd()}\n\nwebpack\nMIT\n${license}`);
}

// CommonJS starts a few milliseconds sooner than ES modules: ncc makes what the nearest package.json says, and
// Node runs what it says.
writeFileSync(join(import.meta.dirname, "build", "package.json"), "{}\n");
await bundle("index.js", ".");
await bundle("cli.js", "cli");
addLoaderLicense();
writeFileSync(join(import.meta.dirname, "dist", "package.json"), '{ "type": "commonjs" }\n');
