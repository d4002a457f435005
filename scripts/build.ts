// The last part of `npm run build`: dist/ from build/, which tsc makes from src/ and Biome formats, so
// that the code in dist/ looks as it does in src/.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { writeDistRecord } from "./dist-record.ts";

/** The part of ncc that is used here. ncc has no types. */
type Ncc = (entry: string, options: object) => Promise<Bundle>;

/** What ncc makes of one entry file. */
interface Bundle {
  readonly code: string;
  readonly assets: Readonly<Record<string, { readonly source: Buffer }>>; // by file name
}

const ncc = createRequire(import.meta.url)("@vercel/ncc") as Ncc;
const root = join(import.meta.dirname, "..");

/**
 * What @actions/core and @actions/http-client import, and this action never calls, by the name in
 * the import: packages, and files of @actions/core. undici is for `getAgentDispatcher`, tunnel for
 * proxies, which src/armor/tunnel.ts does in its place, and the others are for ID tokens, job
 * summaries, paths and details of the platform. With undici and @actions/exec dist/ would have 1.2 MB.
 * tunnel also loads node:assert: without it, a step loads in 40.9 instead of 43.0 ms (medians of 80
 * starts).
 */
const NOT_BUNDLED: readonly { readonly name: string; readonly functions: readonly string[] }[] = [
  { name: "undici", functions: ["ProxyAgent"] },
  { name: "@actions/exec", functions: ["getExecOutput"] },
  {
    name: "tunnel",
    functions: ["httpOverHttp", "httpOverHttps", "httpsOverHttp", "httpsOverHttps"],
  },
  { name: "./oidc-utils.js", functions: ["OidcClient"] },
  { name: "./summary.js", functions: ["summary", "markdownSummary"] },
  { name: "./platform.js", functions: ["getDetails"] },
  { name: "./path-utils.js", functions: ["toPosixPath", "toWin32Path", "toPlatformPath"] },
];

/** The module that stands in their place: each function fails by the name of what it was part of. */
function notBundled(): string {
  const lines = NOT_BUNDLED.flatMap(({ name, functions }) =>
    functions.map((called) => `exports.${called} = fail("${name}");`),
  );
  return `// Required in place of code of others which this action never calls (scripts/build.ts).
const fail = (name) => function notBundled() { throw new Error(\`\${name} is not part of this action\`); };
${lines.join("\n")}
`;
}

/**
 * The same program, with escapes in place of all other characters: V8 keeps a text in one byte a
 * character if it can, and then loads it faster. They stand in strings, regular expressions and
 * comments only, where an escape means the same or nothing.
 */
function inAscii(code: string): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return code.replace(/[^\0-\x7f]/g, escaped);
}
const externals = Object.fromEntries(NOT_BUNDLED.map(({ name }) => [name, "./not-bundled.js"]));

// ncc writes CommonJS unless the nearest package.json says "module". CommonJS starts a little
// faster.
writeFileSync(join(root, "build", "package.json"), "{}\n");
const options = { cache: false, externals, license: "licenses.txt", quiet: true };
const action = await ncc(join(root, "build", "index.js"), options);
const command = await ncc(join(root, "build", "armor-token.js"), options);
// ncc lists the packages. The loader at the head of each bundle is webpack's.
const webpack = readFileSync(join(import.meta.dirname, "webpack-license.txt"), "utf8");
const licenses = `${String(action.assets["licenses.txt"]?.source).trimEnd()}\n\nwebpack\nMIT\n${webpack}`;

const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
const write = (name: string, content: string) => writeFileSync(join(dist, name), content);
write("index.js", inAscii(action.code));
write("main.js", readFileSync(join(root, "src", "entry.cjs"), "utf8"));
for (const role of ["post", "agent"]) write(`${role}.js`, `require("./main.js")("${role}");\n`);
write("armor-token.js", inAscii(command.code));
write("not-bundled.js", notBundled());
write("package.json", '{ "type": "commonjs" }\n');
write("licenses.txt", licenses);
writeDistRecord(root);
