// The second half of `npm run build`: dist/ from build/, which tsc makes from src/.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { writeDistRecord } from "./dist-record.ts";

/** The part of ncc that is used here. ncc has no types. */
type Ncc = (entry: string, options: object) => Promise<Bundle>;
type Bundle = { code: string; assets: Record<string, { source: Buffer }> };

const ncc = createRequire(import.meta.url)("@vercel/ncc") as Ncc;
const root = join(import.meta.dirname, "..");

/**
 * @actions/http-client imports undici for `getAgentDispatcher`, and @actions/core imports @actions/exec for
 * `platform.getDetails`. The action calls neither; with both packages dist/ would have 1.2 MB.
 */
const externals = { undici: "./not-bundled.js", "@actions/exec": "./not-bundled.js" };
const NOT_BUNDLED = `// Required in place of undici and @actions/exec, which this action never calls.
const fail = (name) => function notBundled() { throw new Error(\`\${name} is not part of this action\`); };
module.exports = { ProxyAgent: fail("undici"), getExecOutput: fail("@actions/exec") };
`;

// ncc writes CommonJS unless the nearest package.json says "module". CommonJS starts a little faster.
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
write("index.js", action.code);
write("main.js", 'require("./index.js").runMain();\n');
write("post.js", 'require("./index.js").runPost();\n');
write("agent.js", 'require("./index.js").runAgent();\n');
write("armor-token.js", command.code);
write("not-bundled.js", NOT_BUNDLED);
write("package.json", '{ "type": "commonjs" }\n');
write("licenses.txt", licenses);
writeDistRecord(root);
