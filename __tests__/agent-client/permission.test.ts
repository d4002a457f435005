// What the agent's process could do with the key that it holds, if somebody else's code ran in it.

import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { createAgentFolder } from "../../src/agent-client/folder.ts";
import { launchAgent } from "../../src/agent-client/launch.ts";
import { agentNodeFlags } from "../../src/agent-client/node-flags.ts";
import type { AgentConfig } from "../../src/protocol/config.ts";
import { makeTempFolder, type TempFolder } from "../fixtures/opened.ts";

/** Older ones have no permission model. */
const NODE_HAS_PERMISSIONS = process.allowedNodeEnvironmentFlags.has("--permission");
const DENIED = NODE_HAS_PERMISSIONS ? "ERR_ACCESS_DENIED" : "done";
const IS_LINUX = process.platform === "linux";
/** What reading a missing file comes to. */
const NOT_THERE = NODE_HAS_PERMISSIONS ? "ERR_ACCESS_DENIED" : "ENOENT";
const NO_ADDONS = NODE_HAS_PERMISSIONS ? "ERR_DLOPEN_DISABLED" : "ERR_DLOPEN_FAILED";

/** Each expression is tried inside the agent's process, which tells the error's code, or "done". */
interface Attempt {
  readonly what: string;
  readonly code: (folders: Folders) => string;
  readonly result: string;
}

interface Folders {
  readonly dist: string;
  readonly folder: string;
  readonly temp: string;
}

const fs = (call: string) => `require("node:fs").${call}`;
const text = JSON.stringify;

const ATTEMPTS: readonly Attempt[] = [
  {
    what: "read a file of the machine",
    code: () => fs(`readFileSync(${text(process.execPath)})`),
    result: DENIED,
  },
  {
    what: "list RUNNER_TEMP",
    code: ({ temp }) => fs(`readdirSync(${text(temp)})`),
    result: DENIED,
  },
  {
    what: "read its neighbour's folder",
    code: ({ folder }) => fs(`readFileSync(${text(`${folder}-other/file`)})`),
    result: DENIED,
  },
  {
    what: "write into the action's files",
    code: ({ dist }) => fs(`writeFileSync(${text(join(dist, "agent.js"))}, "")`),
    result: DENIED,
  },
  {
    what: "write beside its folder",
    code: ({ temp }) => fs(`writeFileSync(${text(join(temp, "x"))}, "")`),
    result: DENIED,
  },
  {
    what: "link a file of the machine into its folder",
    code: ({ folder }) => fs(`symlinkSync(${text(process.execPath)}, ${text(join(folder, "l"))})`),
    result: DENIED,
  },
  {
    what: "start a program",
    code: () => `require("node:child_process").spawnSync(process.execPath, ["--version"])`,
    result: DENIED,
  },
  {
    what: "start a worker thread",
    code: () => `new (require("node:worker_threads").Worker)("", { eval: true })`,
    result: DENIED,
  },
  {
    what: "open the inspector",
    code: () => `require("node:inspector").open(0); require("node:inspector").close()`,
    result: DENIED,
  },
  {
    what: "fork itself",
    code: ({ dist }) => `require("node:child_process").fork(${text(join(dist, "agent.js"))})`,
    result: DENIED,
  },
  {
    what: "read its own environment and arguments",
    code: () => fs('readFileSync("/proc/self/environ")'),
    result: IS_LINUX ? DENIED : NOT_THERE,
  },
  {
    what: "make a hard link to a file of the machine",
    code: ({ folder }) => fs(`linkSync(${text(process.execPath)}, ${text(join(folder, "h"))})`),
    result: DENIED,
  },
  {
    what: "move a file of its folder out of it",
    code: ({ folder, temp }) => {
      const own = text(join(folder, "moved"));
      return `${fs(`writeFileSync(${own}, "")`)}; ${fs(`renameSync(${own}, ${text(join(temp, "m"))})`)}`;
    },
    result: DENIED,
  },
  {
    what: "leave its folder by ..",
    code: ({ folder }) => fs(`readdirSync(${text(`${folder}/bin/../..`)})`),
    result: DENIED,
  },
  {
    what: "reach Node's own bindings",
    code: () => `process.binding("fs")`,
    result: DENIED,
  },
  {
    what: "run WASI",
    code: () => `new (require("node:wasi").WASI)({ version: "preview1" })`,
    result: DENIED,
  },
  {
    what: "load an add-on",
    code: ({ dist }) => `process.dlopen({ exports: {} }, ${text(join(dist, "agent.js"))})`,
    result: NO_ADDONS,
  },
  {
    what: "read the action's files",
    code: ({ dist }) => fs(`readFileSync(${text(join(dist, "agent.js"))})`),
    result: "done",
  },
  {
    what: "write and read in its folder",
    code: ({ folder }) => {
      const file = text(join(folder, "own"));
      return `${fs(`writeFileSync(${file}, "")`)}; ${fs(`readFileSync(${file})`)}`;
    },
    result: "done",
  },
];

/** A program in the agent's place that tries everything, and leaves what came of it in its folder. */
function programOf(folders: Folders): string {
  const tries = ATTEMPTS.map(({ what, code }) => `[${text(what)}, () => { ${code(folders)} }]`);
  return `
    const results = {};
    for (const [what, attempt] of [${tries.join(",\n")}]) {
      try { attempt(); results[what] = "done"; } catch (error) { results[what] = error.code; }
    }
    require("node:fs").writeFileSync(${text(join(folders.folder, "results"))}, JSON.stringify(results));
    console.log("token agent: tried");`;
}

/** `dist` is reached through a link, as RUNNER_TEMP of macOS is. */
async function makeFolders(temp: TempFolder): Promise<Folders & { readonly linked: string }> {
  const dist = join(temp.path, "real", "dist");
  const linked = join(temp.path, "linked");
  await mkdir(dist, { recursive: true });
  await symlink(join(temp.path, "real"), linked, "junction");
  await writeFile(join(dist, "package.json"), "{}");
  await writeFile(join(dist, "armor-token.js"), "");
  const { path: folder } = await createAgentFolder({ RUNNER_TEMP: temp.path }, dist);
  await mkdir(`${folder}-other`);
  await writeFile(join(`${folder}-other`, "file"), "");
  return { dist, folder, temp: temp.path, linked: join(linked, "dist") };
}

describe("the agent's process", () => {
  test("can reach its folder and the network, and nothing else of the machine", async () => {
    await using temp = await makeTempFolder("armor permission ");
    const folders = await makeFolders(temp);
    await writeFile(join(folders.dist, "agent.js"), programOf(folders));
    const parent = { env: { RUNNER_TEMP: temp.path }, dist: folders.linked };
    const launched = launchAgent({ folder: folders.folder } as AgentConfig, parent);
    await expect(launched).rejects.toThrow("did not start: tried");
    const results = JSON.parse(await readFile(join(folders.folder, "results"), "utf8"));
    const expected = ATTEMPTS.map(({ what, result }): [string, string] => [what, result]);
    expect(results).toEqual(Object.fromEntries(expected));
  });

  test("gets no flag that allows more than that", () => {
    const paths = { dist: "/dist", folder: "/folder" };
    const wanted = "--permission --allow-child-process --allow-fs-read=/ --allow-worker";
    const allowed = agentNodeFlags(paths, wanted).filter((flag) => flag.startsWith("--allow-"));
    const own = join(paths.folder, "*");
    const files = [`--allow-fs-read=${paths.dist}`, `--allow-fs-read=${own}`];
    const known = NODE_HAS_PERMISSIONS ? [...files, `--allow-fs-write=${own}`] : [];
    expect(allowed.filter((flag) => flag !== "--allow-net")).toEqual(known);
  });
});

test("the agent's Node is started so that SIGUSR1 opens nothing, wherever Node knows how", () => {
  const flags = agentNodeFlags(
    { dist: "/dist", folder: "/folder" },
    "--inspect --no-disable-sigusr1",
  );
  const isKnown = process.allowedNodeEnvironmentFlags.has("--disable-sigusr1");
  expect(flags.filter((flag) => /sigusr1|inspect/.test(flag))).toEqual(
    isKnown ? ["--disable-sigusr1"] : [],
  );
});
