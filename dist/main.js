// The first code of the main step, the post step and the token agent. It is dist/main.js itself, as
// each file more takes a step some 0.8 ms; dist/post.js and dist/agent.js start it with their role.
// Every Node since 12 can read it, because some runners start the first `node` on PATH, and an old
// one has to be answered with a sentence instead of a stack trace.
"use strict";

const OLDEST_NODE = 20; // the bundle, index.js, uses its features
const DOCS = "https://github.com/org/armor-token-action/blob/v1/docs/troubleshooting.md";

/** How each role says in one line why it cannot go on, and the exit code that goes with it. */
const ROLES = {
  main: { program: "runMain", exitCode: 1, before: "::error::" },
  post: { program: "runPost", exitCode: 0, before: "::warning::" }, // post never fails the job
  agent: { program: "runAgent", exitCode: 1, before: "token agent: " }, // main reads this line
};

module.exports = start;
if (require.main === module) start("main");

function start(roleName) {
  const role = ROLES[roleName];
  process.exitCode = role.exitCode; // until the program itself sets another one
  // From the inspector, which NODE_OPTIONS or SIGUSR1 opens, every user of the machine can read the
  // key.
  process.on("SIGUSR1", () => undefined);
  const wasInspectorOpen = closeInspector();
  // The runner gives post the same inputs as main. Post needs none of them, and so does not keep
  // the key.
  if (roleName === "post") dropInputs();
  if (parseInt(process.versions.node, 10) < OLDEST_NODE) {
    const problem = `This action needs Node ${OLDEST_NODE} or newer, and was started with Node ${process.versions.node}`;
    const remedy = `Update the runner. A runner that takes node from PATH needs Node ${OLDEST_NODE} there`;
    fail(role, "runner_unsupported", `${problem}. ${remedy}.`);
    return;
  }
  if (wasInspectorOpen && roleName === "main") {
    const problem =
      "Node's inspector was open, so every user of this machine could read the api-key";
    const remedy = "Remove --inspect from NODE_OPTIONS, and replace the key";
    fail(role, "runner_unsupported", `${problem}. ${remedy}.`);
    return;
  }
  const failAtStart = (error) => failUnexpectedly(role, roleName, error);
  try {
    require("./index.js")[role.program]().catch(failAtStart);
  } catch (error) {
    failAtStart(error);
  }
}

/**
 * Gives whether the inspector was open. Node opens it by an option, or because a program that an
 * option loads asks for it. Without options, it is not looked for: that would take each step 1.9
 * ms. Then only a SIGUSR1 while Node itself started (some 20 ms) can have opened it. Whoever may
 * send that signal may read the environment of this process as well.
 */
function closeInspector() {
  if (!process.env.NODE_OPTIONS && process.execArgv.length === 0) return false;
  try {
    // biome-ignore lint/style/useNodejsImportProtocol: Node 12 does not know the prefix
    const inspector = require("inspector");
    const wasOpen = inspector.url() !== undefined;
    inspector.close(); // also ends the connections that somebody has made
    return wasOpen;
  } catch {
    return false; // this Node was built without an inspector
  }
}

function dropInputs() {
  for (const name of Object.keys(process.env)) {
    if (name.startsWith("INPUT_")) delete process.env[name];
  }
}

/** Says what was thrown by its kind alone: its text may hold anything. */
function failUnexpectedly(role, roleName, error) {
  const kind = String((error && (error.code || error.name)) || typeof error).replace(/\W+/g, " ");
  if (kind === "MODULE_NOT_FOUND" || kind === "ENOENT") {
    const problem = `A file of this action is missing beside ${roleName}.js (${kind})`;
    const remedy =
      "A step of this job has removed it: check the action out again, and clean up after it";
    fail(role, "file_failed", `${problem}. ${remedy}.`);
    return;
  }
  const remedy = "This is a fault of the action itself: please report this line.";
  fail(role, "internal_error", `Unexpected ${kind} at the start of ${roleName}.js. ${remedy}`);
}

function fail(role, code, text) {
  process.exitCode = role.exitCode;
  process.stdout.write(`${role.before}${text} (${code}, ${DOCS}#${code})\n`);
}
