/******/ (() => { // webpackBootstrap
/******/ 	"use strict";
/******/ 	// The require scope
/******/ 	var __nccwpck_require__ = {};
/******/ 	
/************************************************************************/
/******/ 	/* webpack/runtime/compat get default export */
/******/ 	(() => {
/******/ 		// getDefaultExport function for compatibility with non-harmony modules
/******/ 		__nccwpck_require__.n = (module) => {
/******/ 			var getter = module && module.__esModule ?
/******/ 				() => (module['default']) :
/******/ 				() => (module);
/******/ 			__nccwpck_require__.d(getter, { a: getter });
/******/ 			return getter;
/******/ 		};
/******/ 	})();
/******/ 	
/******/ 	/* webpack/runtime/define property getters */
/******/ 	(() => {
/******/ 		// define getter functions for harmony exports
/******/ 		__nccwpck_require__.d = (exports, definition) => {
/******/ 			for(var key in definition) {
/******/ 				if(__nccwpck_require__.o(definition, key) && !__nccwpck_require__.o(exports, key)) {
/******/ 					Object.defineProperty(exports, key, { enumerable: true, get: definition[key] });
/******/ 				}
/******/ 			}
/******/ 		};
/******/ 	})();
/******/ 	
/******/ 	/* webpack/runtime/hasOwnProperty shorthand */
/******/ 	(() => {
/******/ 		__nccwpck_require__.o = (obj, prop) => (Object.prototype.hasOwnProperty.call(obj, prop))
/******/ 	})();
/******/ 	
/************************************************************************/
var __webpack_exports__ = {};

;// CONCATENATED MODULE: external "node:os"
const external_node_os_namespaceObject = require("node:os");
;// CONCATENATED MODULE: external "node:timers/promises"
const promises_namespaceObject = require("node:timers/promises");
;// CONCATENATED MODULE: external "node:util"
const external_node_util_namespaceObject = require("node:util");
;// CONCATENATED MODULE: ./build/redact.js
const secretsOfThisProcess = [];
function hide(secrets) {
  secretsOfThisProcess.push(...secrets);
}
const QUOTE_LENGTH = 200;
const READ_FACTOR = 4;
function quote(text, secrets = secretsOfThisProcess, maxLength = QUOTE_LENGTH) {
  const longest = secrets.reduce((length, secret) => Math.max(length, secret.length), 0);
  const readLength = READ_FACTOR * maxLength + 3 * longest;
  const isWholeRead = text.length <= readLength;
  const line = toHarmlessLine(text.slice(0, readLength), secrets);
  if (isWholeRead && line.length <= maxLength) return line;
  const shown = isWholeRead ? line : line.slice(0, Math.max(0, line.length - 2 * longest));
  return `${withoutHalfCharacter(shown.slice(0, maxLength))}\u2026`;
}
const UNSEEN = /[\p{C}\p{Z}]+/gu;
function toHarmlessLine(text, secrets) {
  const visible = scrubBroken(scrub(text, secrets), secrets).replace(UNSEEN, " ");
  const harmless = visible.replace(/:{2,}/g, ":").replaceAll("#[", "# [");
  return scrub(harmless, secrets).trim();
}
function scrubBroken(text, secrets) {
  const joined = text.replace(UNSEEN, "");
  const scrubbed = scrub(joined, secrets);
  const hasBrokenSecret = scrubbed !== joined;
  return hasBrokenSecret ? scrubbed : text;
}
function withoutHalfCharacter(text) {
  return text.replace(/[\ud800-\udbff]$/, "");
}
function scrub(text, secrets = secretsOfThisProcess) {
  const foldedText = foldCase(text);
  const foldedSecrets = new Set(secrets.map(foldCase));
  const spans = [...foldedSecrets].flatMap((secret) => spansOf(secret, foldedText));
  spans.sort((a, b) => a.start - b.start);
  let scrubbed = "";
  let end = 0;
  for (const span of spans) {
    if (span.start >= end) scrubbed += `${text.slice(end, span.start)}***`;
    end = Math.max(end, span.end);
  }
  return scrubbed + text.slice(end);
}
function spansOf(secret, text) {
  const spans = [];
  if (secret === "") return spans;
  let start = text.indexOf(secret);
  while (start !== -1) {
    const end = start + secret.length;
    spans.push({ start, end });
    start = text.indexOf(secret, start + 1);
  }
  return spans;
}
function foldCase(text) {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
const PLAIN = /^[ -~]*$/;
const CONTROL = /[\p{C}\p{Zl}\p{Zp}]+/gu;
function printable(text) {
  const scrubbed = scrub(text);
  return PLAIN.test(scrubbed) ? scrubbed : scrub(scrubbed.replace(CONTROL, " "));
}
const MIN_TOKEN_LENGTH = 8;
const MAX_TOKEN_LENGTH = 16 * 1024;
function isToken(text) {
  return tokenFault(text) === undefined;
}
function tokenFault(text) {
  if (!/^[\x21-\x7e]*$/.test(text)) return "with characters that no header can carry";
  if (text.length > MAX_TOKEN_LENGTH) return "that is longer than a header can be";
  if (text.length < MIN_TOKEN_LENGTH) return `of fewer than ${MIN_TOKEN_LENGTH} characters`;
  const isCommand = text.startsWith("::") || text.includes("##[");
  return isCommand ? "that the runner would take for a command" : undefined;
}
const JWT = /^eyJ[\w-]*\.(?:[\w-]*\.)+(?<lastPart>[\w-]{16,})$/;
const MIN_MASK_LENGTH = 6;
function maskedForms(secret) {
  const end = JWT.exec(secret)?.groups?.["lastPart"] ?? secret;
  const shorter = [end.slice(0, -1), end.slice(0, -2)];
  return [secret, ...shorter.filter((text) => text.length >= MIN_MASK_LENGTH)];
}
function maskCommand(secret) {
  const escaped = secret.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  return `::add-mask::${escaped}\n`;
}

;// CONCATENATED MODULE: external "node:fs"
const external_node_fs_namespaceObject = require("node:fs");
;// CONCATENATED MODULE: external "node:http"
const external_node_http_namespaceObject = require("node:http");
var external_node_http_default = /*#__PURE__*/__nccwpck_require__.n(external_node_http_namespaceObject);
;// CONCATENATED MODULE: external "node:path"
const external_node_path_namespaceObject = require("node:path");
;// CONCATENATED MODULE: ./build/command/debug-log.js

class DebugLog {
  #lines = [];
  add(line) {
    this.#lines.push(line);
  }
  async print(runnerPipe, stderr) {
    const commands = this.#lines.map(debugCommand);
    const hasArrived = (await runnerPipe?.write(commands)) === true;
    if (!hasArrived) await stderr.write(commands.join("")).catch(() => undefined);
  }
}
function debugCommand(line) {
  return `::debug::armor-token: ${printable(line).replaceAll("%", "%25")}\n`;
}

;// CONCATENATED MODULE: ./build/command/agent.js





const TIMEOUT_MS = 330_000;
const MAX_CONTROL_BYTES = 1024;
const MAX_ANSWER_LENGTH = 64 * 1024;
const MAX_REASON_LENGTH = 1_500;
const TROUBLESHOOTING =
  "https://github.com/org/armor-token-action/blob/v1/docs/troubleshooting.md";
async function fetchToken(folder, debugLog = new DebugLog()) {
  const answer = await askAgent(controlUrl(folder), debugLog);
  const { access_token: token } = answer;
  if (typeof token === "string" && isToken(token)) return token;
  throw new Error(`the token agent has no token: ${reasonIn(answer)}`);
}
const NOT_RUNNING =
  "the token agent is not running. " +
  "It lives from the step with keep-fresh: true to the end of that job. " +
  "If that step ran in this job, see the post step's warning";
function controlUrl(folder) {
  try {
    return readControlFile((0,external_node_path_namespaceObject.join)(folder, "control-url"));
  } catch (error) {
    const { code } = error;
    const isForeign = code === "EACCES" || code === "EPERM";
    if (!isForeign) throw new Error(NOT_RUNNING);
    throw new Error(
      `control-url of the token agent cannot be read (${code}). It belongs to another user: run ` +
        "armor-token as the user of the step with keep-fresh: true, or as root",
    );
  }
}
function readControlFile(path) {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = external_node_fs_namespaceObject.constants;
  const descriptor = (0,external_node_fs_namespaceObject.openSync)(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stats = (0,external_node_fs_namespaceObject.fstatSync)(descriptor);
    if (!stats.isFile() || stats.size > MAX_CONTROL_BYTES) throw new Error(NOT_RUNNING);
    return (0,external_node_fs_namespaceObject.readFileSync)(descriptor, "utf8").trim();
  } finally {
    (0,external_node_fs_namespaceObject.closeSync)(descriptor);
  }
}
async function askAgent(controlAddress, debugLog) {
  const startedAt = performance.now();
  const elapsed = () => `${Math.round(performance.now() - startedAt)} ms`;
  try {
    const response = await get(`${controlAddress}/token`);
    debugLog.add(`The token agent answered ${response.statusCode} in ${elapsed()}`);
    let body = "";
    for await (const chunk of response.setEncoding("utf8")) {
      body += chunk;
      if (body.length > MAX_ANSWER_LENGTH) throw new Error("this is not the agent");
    }
    return Object(JSON.parse(body));
  } catch (error) {
    const { code, name } = error;
    debugLog.add(`No answer from the token agent (${code ?? name}) in ${elapsed()}`);
    throw new Error(NOT_RUNNING);
  }
}
function get(url) {
  return new Promise((resolve, reject) => {
    const options = { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) };
    external_node_http_default().get(url, options, resolve).on("error", reject).on("upgrade", reject);
  });
}
function reasonIn(answer) {
  const { error: code, error_description: description } = answer;
  if (typeof description !== "string") return "it answered without one";
  const reason = quote(description, undefined, MAX_REASON_LENGTH);
  const isCode = typeof code === "string" && /^[a-z_]{1,40}$/.test(code);
  return isCode ? `${reason} (${code}, ${TROUBLESHOOTING}#${code})` : reason;
}

;// CONCATENATED MODULE: external "node:crypto"
const external_node_crypto_namespaceObject = require("node:crypto");
;// CONCATENATED MODULE: ./build/command/token-file.js


function checkTokenFile(path) {
  try {
    const stats = (0,external_node_fs_namespaceObject.lstatSync)(path, { throwIfNoEntry: false });
    if (stats === undefined || stats.isFile()) return;
    throw new Error(stats.isSymbolicLink() ? "a link, not a regular file" : "not a regular file");
  } catch (error) {
    throw fileProblem(error);
  }
}
function replaceTokenFile(path, token) {
  checkTokenFile(path);
  const temporary = `${path}.${(0,external_node_crypto_namespaceObject.randomBytes)(6).toString("hex")}`;
  try {
    (0,external_node_fs_namespaceObject.writeFileSync)(temporary, token, { mode: 0o600, flag: "wx" });
    (0,external_node_fs_namespaceObject.renameSync)(temporary, path);
  } catch (error) {
    (0,external_node_fs_namespaceObject.rmSync)(temporary, { force: true });
    throw fileProblem(error);
  }
}
function fileProblem(error) {
  const { code, message } = error;
  return new Error(`the file cannot be written (${code ?? message})`);
}

;// CONCATENATED MODULE: ./build/command/command.js







const USAGE = `Usage: armor-token [--header | --file PATH]

Prints a valid access token for Fortanix Armor, and fetches a new one if there is none.

  --header     print "Authorization: Bearer TOKEN", for curl --header @-
  --file PATH  write the token to PATH, which only this user can read
  -h, --help   print this

The token is masked in the job's log. It lives for about a minute: ask for it where it is used.
Between ::stop-commands:: and its end the runner takes no mask, and shows the token: ask before.
`;
const MASK_PAUSE_MS = 100;
class UsageError extends Error {}
async function runCommand(call) {
  const debugLog = new DebugLog();
  debugLog.add(`Node ${process.versions.node}, ${process.platform}`);
  try {
    await run(call, parseOptions(call.args), debugLog);
    return 0;
  } catch (error) {
    const { message } = error;
    await call.stderr.write(`armor-token: ${message.replace(/\.$/, "")}.\n`).catch(() => undefined);
    return error instanceof UsageError ? 2 : 1;
  } finally {
    if (call.isDebug) await debugLog.print(call.findRunnerPipe(), call.stderr);
  }
}
async function run(call, options, debugLog) {
  if (options.help) return await print(call.stdout, USAGE);
  if (options.file !== undefined) checkTokenFile(options.file);
  const runnerPipe = call.findRunnerPipe();
  if (runnerPipe === undefined) checkStderr(call.stderr);
  const token = await fetchToken(call.folder, debugLog);
  hide(maskedForms(token));
  await maskToken(token, runnerPipe, call, options, debugLog);
  await (0,promises_namespaceObject.setTimeout)(MASK_PAUSE_MS);
  if (options.file !== undefined) replaceTokenFile(options.file, token);
  else await print(call.stdout, options.header ? `Authorization: Bearer ${token}\n` : `${token}\n`);
}
function parseOptions(args) {
  try {
    const { values } = (0,external_node_util_namespaceObject.parseArgs)({
      args: [...args],
      options: {
        header: { type: "boolean" },
        file: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
    const isOneAtMost = Object.keys(values).length <= 1;
    if (isOneAtMost && values.file !== "") return values;
  } catch {}
  throw new UsageError("it takes --header, --file PATH or --help, and nothing else");
}
function checkStderr({ destination }) {
  if (destination === "reader") return;
  const what = destination === "file" ? "a regular file" : `closed or ${external_node_os_namespaceObject.devNull}`;
  throw new Error(
    `stderr is ${what}, so the token could not be masked in the log. Remove the redirection of ` +
      "stderr from this call, or call the gateway, which needs no mask",
  );
}
async function maskToken(token, runnerPipe, { stdout, stderr }, { file }, debugLog) {
  const lines = maskedForms(token).map(maskCommand);
  const hasArrived = (await runnerPipe?.write(lines)) === true;
  const way = runnerPipe === undefined ? "was not found" : `has taken the masks: ${hasArrived}`;
  debugLog.add(`The runner's own pipe ${way}`);
  if (hasArrived && runnerPipe?.isCertain) return;
  if (!hasArrived) checkStderr(stderr);
  const isOnStdout = file !== undefined && stdout.destination === "reader";
  const outputs = isOnStdout ? [stderr, stdout] : [stderr];
  for (const output of outputs.filter(({ destination }) => destination === "reader")) {
    await output.write(`\n${lines.join("")}`).catch(() => {
      throw new Error("the log's stream was closed, so the token could not be masked");
    });
  }
}
async function print(stdout, text) {
  await stdout.write(text).catch((error) => {
    if (error.code === "EPIPE" || error.code === "ECONNRESET") return;
    throw new Error(`stdout cannot be written (${error.code ?? error.name})`);
  });
}

;// CONCATENATED MODULE: ./build/command/output.js


function processOutput(stream) {
  return {
    destination: destinationOf(stream.fd),
    write: (text) =>
      new Promise((resolve, reject) => {
        stream.once("error", reject);
        stream.write(text, (error) => (error ? reject(error) : resolve()));
      }),
  };
}
function destinationOf(descriptor) {
  let stats;
  try {
    stats = (0,external_node_fs_namespaceObject.fstatSync)(descriptor);
  } catch {
    return "reader";
  }
  if (stats.isFile()) return "file";
  return isNullDevice(stats) ? "nothing" : "reader";
}
function isNullDevice(stats) {
  if (!stats.isCharacterDevice()) return false;
  try {
    return stats.rdev === (0,external_node_fs_namespaceObject.statSync)(external_node_os_namespaceObject.devNull).rdev;
  } catch {
    return false;
  }
}

;// CONCATENATED MODULE: ./build/command/proc.js

const STAT = /^\d+ \((?<name>.*)\) \S (?<parent>\d+) \d+ (?<session>\d+) /s;
function readProcess(pid) {
  const groups = STAT.exec((0,external_node_fs_namespaceObject.readFileSync)(`/proc/${pid}/stat`, "utf8"))?.groups;
  if (groups === undefined) throw new Error(`/proc/${pid}/stat cannot be read`);
  const { name = "", parent, session } = groups;
  return { pid, name, parent: Number(parent), session: Number(session) };
}
function listProcesses() {
  return (0,external_node_fs_namespaceObject.readdirSync)("/proc").filter(isNumber).map(Number);
}
function isNumber(name) {
  return /^\d+$/.test(name);
}
function descendantsOf(ancestor) {
  const parents = new Map();
  for (const pid of listProcesses()) {
    try {
      parents.set(pid, readProcess(pid).parent);
    } catch {}
  }
  const family = new Set([ancestor]);
  let size = 0;
  while (size < family.size) {
    size = family.size;
    for (const [pid, parent] of parents) if (family.has(parent)) family.add(pid);
  }
  family.delete(ancestor);
  return [...family];
}
function listPipesIfAllowed(pid) {
  try {
    return listPipes(pid);
  } catch {
    return [];
  }
}
function listPipes(pid) {
  const descriptors = (0,external_node_fs_namespaceObject.readdirSync)(`/proc/${pid}/fd`).filter(isNumber).map(Number);
  const pipes = descriptors.map((descriptor) => readPipe(pid, descriptor));
  return pipes.filter((pipe) => pipe !== undefined);
}
function readPipe(pid, descriptor) {
  const path = `/proc/${pid}/fd/${descriptor}`;
  try {
    const stats = (0,external_node_fs_namespaceObject.statSync)(path);
    if (!stats.isFIFO()) return undefined;
    const info = (0,external_node_fs_namespaceObject.readFileSync)(`/proc/${pid}/fdinfo/${descriptor}`, "utf8");
    const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(info)?.[1] ?? "", 8);
    const mode = flags & (external_node_fs_namespaceObject.constants.O_WRONLY | external_node_fs_namespaceObject.constants.O_RDWR);
    const isReadable = mode === external_node_fs_namespaceObject.constants.O_RDONLY || mode === external_node_fs_namespaceObject.constants.O_RDWR;
    const isWritable = mode === external_node_fs_namespaceObject.constants.O_WRONLY || mode === external_node_fs_namespaceObject.constants.O_RDWR;
    return { descriptor, path, id: idOf(stats), isReadable, isWritable };
  } catch {
    return undefined;
  }
}
function idOf({ dev, ino }) {
  return `${dev}:${ino}`;
}
function idsOfReadable(pipes) {
  return new Set(pipes.filter(({ isReadable }) => isReadable).map(({ id }) => id));
}

;// CONCATENATED MODULE: ./build/command/runner-pipe.js



const WORKER = "Runner.Worker";
const MAX_ANCESTORS = 64;
const MACHINE_NAMESPACE = "pid:[4026531836]";
const ATOMIC_BYTES = 4096;
const FULL_PIPE_MS = 30_000;
const RETRY_MS = 5;
function findRunnerPipe() {
  if (process.platform !== "linux") return undefined;
  try {
    const step = findStep();
    return step && findPipeOf(step);
  } catch {
    return undefined;
  }
}
function findStep() {
  let { pid, parent } = readProcess(process.pid);
  for (let count = 0; count < MAX_ANCESTORS; count += 1) {
    if (parent === 0) return isStepOfContainer(pid) ? { pid, worker: undefined } : undefined;
    const above = readProcess(parent);
    if (above.name === WORKER) return { pid, worker: parent };
    ({ pid, parent } = above);
  }
  return undefined;
}
function isStepOfContainer(pid) {
  if ((0,external_node_fs_namespaceObject.readlinkSync)("/proc/self/ns/pid") === MACHINE_NAMESPACE) return false;
  if (pid !== 1) return true;
  if (readProcess(1).session !== readProcess(process.pid).session) return false;
  return !listProcesses().some(isWorker);
}
function isWorker(pid) {
  try {
    return readProcess(pid).name === WORKER;
  } catch {
    return false;
  }
}
function findPipeOf(step) {
  const ofStep = listPipes(step.pid).filter(({ isWritable }) => isWritable);
  if (step.worker !== undefined) {
    const readByWorker = listPipes(step.worker).filter(({ isReadable }) => isReadable);
    return openable(choosePipes(step.pid, ofStep, readByWorker), true);
  }
  const { ids, isComplete } = readInsideContainer();
  const outward = ofStep.filter(({ id }) => !ids.has(id));
  const stderr = outward.filter(({ descriptor }) => descriptor === 2);
  return openable(stderr.length > 0 ? stderr : outward, isComplete);
}
function choosePipes(step, ofStep, readByWorker) {
  const ends = new Map(readByWorker.map(({ id, descriptor }) => [id, descriptor]));
  const isOfRunner = ({ id, isWritable }) => isWritable && ends.has(id);
  const held = ofStep.filter(isOfRunner);
  const stderr = held.find(({ descriptor }) => descriptor === 2);
  if (stderr === undefined) {
    const below = descendantsOf(step).flatMap(listPipesIfAllowed);
    return eachOnce([...held, ...below.filter(isOfRunner)]);
  }
  const endOf = ({ id }) => ends.get(id) ?? 0;
  const last = held.reduce((highest, pipe) => (endOf(pipe) > endOf(highest) ? pipe : highest));
  return eachOnce([stderr, last]);
}
function eachOnce(pipes) {
  return [...new Map(pipes.map((pipe) => [pipe.id, pipe])).values()];
}
function readInsideContainer() {
  const ids = new Set();
  let isComplete = true;
  for (const pid of listProcesses()) {
    try {
      for (const id of idsOfReadable(listPipes(pid))) ids.add(id);
    } catch (error) {
      const { code } = error;
      if (code !== "ENOENT" && code !== "ESRCH") isComplete = false;
    }
  }
  return { ids, isComplete };
}
function openable(pipes, isCertain) {
  if (pipes.length === 0) return undefined;
  const write = async (lines) => {
    const results = await Promise.all(pipes.map((pipe) => writeLines(pipe, lines)));
    return results.includes("arrived") && !results.includes("failed");
  };
  return { isCertain, write };
}
async function writeLines(pipe, lines) {
  let descriptor;
  try {
    descriptor = (0,external_node_fs_namespaceObject.openSync)(pipe.path, external_node_fs_namespaceObject.constants.O_WRONLY | external_node_fs_namespaceObject.constants.O_NONBLOCK);
    const stats = (0,external_node_fs_namespaceObject.fstatSync)(descriptor);
    const isSamePipe = stats.isFIFO() && idOf(stats) === pipe.id;
    if (!isSamePipe) return "failed";
    for (const text of joinShort(lines)) await writeWhole(descriptor, Buffer.from(text));
    return "arrived";
  } catch (error) {
    const { code } = error;
    return code === "ENXIO" || code === "EPIPE" ? "nobody reads" : "failed";
  } finally {
    if (descriptor !== undefined) (0,external_node_fs_namespaceObject.closeSync)(descriptor);
  }
}
function joinShort(lines) {
  const all = `\n${lines.join("")}`;
  return Buffer.byteLength(all) <= ATOMIC_BYTES ? [all] : lines.map((line) => `\n${line}`);
}
async function writeWhole(descriptor, bytes) {
  const deadline = performance.now() + FULL_PIPE_MS;
  let written = 0;
  while (written < bytes.length) {
    try {
      written += (0,external_node_fs_namespaceObject.writeSync)(descriptor, bytes, written);
    } catch (error) {
      const isFull = error.code === "EAGAIN";
      if (!isFull || performance.now() > deadline) throw error;
      await (0,promises_namespaceObject.setTimeout)(RETRY_MS);
    }
  }
}

;// CONCATENATED MODULE: ./build/armor-token.js



process.exitCode = 1;
const [folder = "", ...args] = process.argv.slice(2);
const stdout = processOutput(process.stdout);
const stderr = processOutput(process.stderr);
const isDebug = process.env["RUNNER_DEBUG"] === "1";
void runCommand({ folder, args, stdout, stderr, findRunnerPipe: findRunnerPipe, isDebug }).then(process.exit);

module.exports = __webpack_exports__;
/******/ })()
;