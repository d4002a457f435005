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

;// CONCATENATED MODULE: external "node:crypto"
const external_node_crypto_namespaceObject = require("node:crypto");
;// CONCATENATED MODULE: external "node:fs"
const external_node_fs_namespaceObject = require("node:fs");
;// CONCATENATED MODULE: external "node:http"
const external_node_http_namespaceObject = require("node:http");
var external_node_http_default = /*#__PURE__*/__nccwpck_require__.n(external_node_http_namespaceObject);
;// CONCATENATED MODULE: external "node:os"
const external_node_os_namespaceObject = require("node:os");
;// CONCATENATED MODULE: external "node:path"
const external_node_path_namespaceObject = require("node:path");
;// CONCATENATED MODULE: ./build/redact.js
const QUOTE_LENGTH = 200;
/** What is neither a visible character nor a plain space: controls, line ends, zero-width and bidi marks. */
const INVISIBLE = /[\p{C}\p{Z}]+/gu;
/**
 * A `Quote` for a process that knows these secrets. The text is scrubbed before and after the clean-up, because
 * the clean-up can join the two halves of a secret.
 */
function quoteWithout(secrets) {
    const scrub = scrubber(secrets);
    return (text) => {
        const clean = scrub(scrub(text).replace(INVISIBLE, " ").replace(/:{2,}/g, ":").replaceAll("##[", "["));
        const line = clean.trim();
        return line.length > QUOTE_LENGTH ? `${line.slice(0, QUOTE_LENGTH)}…` : line;
    };
}
/**
 * Replaces every secret by `***`, the longest first. The case of ASCII letters is ignored, because a host name that
 * contains a key arrives in small letters.
 */
function scrubber(secrets) {
    const longestFirst = [...new Set(secrets.map(foldCase))]
        .filter((secret) => secret !== "")
        .sort((a, b) => b.length - a.length);
    return (text) => longestFirst.reduce(replaceAll, text);
}
/** Not a regular expression: one of a few thousand characters is too large for some engines. */
function replaceAll(text, secret) {
    const folded = foldCase(text);
    let result = "";
    let from = 0;
    for (let at = folded.indexOf(secret); at >= 0; at = folded.indexOf(secret, from)) {
        result += `${text.slice(from, at)}***`;
        from = at + secret.length;
    }
    return result + text.slice(from);
}
/** Keeps the length, which toLowerCase does not. */
function foldCase(text) {
    return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
/**
 * The line that makes the runner mask a value, escaped as the runner unescapes it
 * (actions/runner, ActionCommand.cs). @actions/core does the same for the main step.
 */
function maskCommand(secret) {
    const escaped = secret.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
    return `::add-mask::${escaped}\n`;
}

;// CONCATENATED MODULE: ./build/armor-token.js






const USAGE = `Usage: armor-token [--header | --file PATH]

Prints a valid access token for Fortanix Armor, and fetches a new one where need be.

  --header     print "Authorization: Bearer TOKEN", for curl --header @-
  --file PATH  write the token to PATH, which only this user can read
  -h, --help   print this

The token is masked in the job's log. It lives for about a minute: ask for it where it is
used, and do not keep it.
`;
const NOT_RUNNING = "the token agent is not running. It lives from the step with keep-fresh: true to the end of that job";
/**
 * The runner reads stdout and stderr with two readers. A token that follows its mask at once on the other stream
 * was seen unmasked in 22 of 300 runs; 50 ms later in none of 300. This is twice that.
 */
const MASK_PAUSE_MS = 100;
/** Longer than the agent itself tries, at the largest `timeout`. */
const TIMEOUT_MS = 330_000;
/** Wrong arguments: exit code 2. */
class UsageError extends Error {
}
/** @param args the agent's folder, then what the user gave */
async function run([folder = "", ...args]) {
    const { isHelp, isHeader, file } = parse(args);
    if (isHelp)
        return await write(process.stdout, USAGE);
    if (file === undefined)
        checkStderr();
    const token = await fetchToken(folder);
    if (file !== undefined) {
        await write(process.stdout, maskCommand(token));
        return replaceFile(file, token);
    }
    await write(process.stderr, maskCommand(token));
    await new Promise((resolve) => setTimeout(resolve, MASK_PAUSE_MS));
    await write(process.stdout, isHeader ? `Authorization: Bearer ${token}\n` : `${token}\n`);
}
function parse(args) {
    const [option, value, ...rest] = args;
    if (option === undefined)
        return {};
    if (value === undefined && (option === "-h" || option === "--help"))
        return { isHelp: true };
    if (value === undefined && option === "--header")
        return { isHeader: true };
    if (option === "--file" && value && rest.length === 0)
        return { file: value };
    throw new UsageError("it takes --header, --file PATH or --help, and nothing else");
}
/** The mask goes to stderr. Node opens the null device where stderr is closed. */
function checkStderr() {
    if (isNullDevice(2)) {
        throw new Error("stderr is closed or /dev/null, so the token could not be masked. Use --file PATH");
    }
}
function isNullDevice(descriptor) {
    try {
        const [own, none] = [(0,external_node_fs_namespaceObject.fstatSync)(descriptor), (0,external_node_fs_namespaceObject.statSync)(external_node_os_namespaceObject.devNull)];
        return own.isCharacterDevice() && own.rdev === none.rdev;
    }
    catch {
        return false; // Windows has no such file
    }
}
async function fetchToken(folder) {
    const { status, body } = await get(`${controlUrl(folder)}/token`);
    const { access_token: token, error_description: description } = fieldsOf(body);
    // Another process may have got the port of an agent that died: nothing of its reply is printed unchecked.
    if (status === 200 && typeof token === "string" && /^[\x21-\x7e]+$/.test(token))
        return token;
    const why = typeof description === "string" ? quoteWithout([])(description) : `it answered ${status}`;
    throw new Error(`the token agent has no token: ${why}`);
}
function controlUrl(folder) {
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(folder, "control-url"), "utf8").trim();
    }
    catch {
        throw new Error(NOT_RUNNING);
    }
}
function get(url) {
    return new Promise((resolve, reject) => {
        const fail = () => reject(new Error(NOT_RUNNING));
        const request = external_node_http_default().get(url, { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) }, (response) => {
            const chunks = [];
            response.on("data", (chunk) => chunks.push(chunk));
            response.on("error", fail);
            response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }));
        });
        request.on("error", fail);
    });
}
function fieldsOf(body) {
    try {
        const value = JSON.parse(body);
        return typeof value === "object" && value !== null ? value : {};
    }
    catch {
        return {};
    }
}
/** A new file, renamed over the old one: a reader sees the old token or the new one, and never a part. */
function replaceFile(path, token) {
    const temporary = `${path}.${(0,external_node_crypto_namespaceObject.randomBytes)(6).toString("hex")}`;
    try {
        (0,external_node_fs_namespaceObject.writeFileSync)(temporary, token, { mode: 0o600, flag: "wx" });
        (0,external_node_fs_namespaceObject.renameSync)(temporary, path);
    }
    catch (error) {
        (0,external_node_fs_namespaceObject.rmSync)(temporary, { force: true });
        throw new Error(`the file cannot be written (${error.code})`);
    }
}
/** Who reads may leave early, as head does. */
class ReaderLeft extends Error {
}
function write(stream, text) {
    return new Promise((resolve, reject) => stream.write(text, (error) => (error ? reject(new ReaderLeft()) : resolve())));
}
process.exitCode = 1;
for (const stream of [process.stdout, process.stderr])
    stream.on("error", () => undefined);
run(process.argv.slice(2)).then(() => {
    process.exitCode = 0;
}, (error) => {
    if (error instanceof ReaderLeft)
        return;
    if (error instanceof UsageError)
        process.exitCode = 2;
    process.stderr.write(`armor-token: ${error.message.replace(/\.$/, "")}.\n`);
});

module.exports = __webpack_exports__;
/******/ })()
;