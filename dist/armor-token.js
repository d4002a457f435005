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
;// CONCATENATED MODULE: external "node:timers/promises"
const promises_namespaceObject = require("node:timers/promises");
;// CONCATENATED MODULE: ./build/redact.js
const secretsOfThisProcess = []; // in every form in which they travel
/** From now on, nothing that is quoted or scrubbed shows these. */
function hide(secrets) {
    secretsOfThisProcess.push(...secrets);
}
const QUOTE_LENGTH = 200;
/** Makes text that somebody else wrote safe to print: one short line, no secret, no workflow command. */
function quote(text, secrets = secretsOfThisProcess) {
    // Controls, line ends, zero-width and bidi marks: all that is neither visible nor a plain space.
    const visible = scrub(text, secrets).replace(/[\p{C}\p{Z}]+/gu, " ");
    // Again, as the clean-up can join a secret's halves.
    const line = scrub(visible.replace(/:{2,}/g, ":").replaceAll("#[", "# ["), secrets).trim();
    return line.length > QUOTE_LENGTH ? `${line.slice(0, QUOTE_LENGTH)}…` : line;
}
/** Replaces every secret by `***`, the longest first, in any case: a host name arrives in small letters. */
function scrub(text, secrets = secretsOfThisProcess) {
    const longestFirst = [...new Set(secrets.map(foldCase))].sort((a, b) => b.length - a.length);
    return longestFirst.filter((secret) => secret !== "").reduce(replaceAll, text);
}
/** Not a regular expression: one of a few thousand characters is too large for some engines. */
function replaceAll(text, secret) {
    let at = 0;
    const kept = foldCase(text)
        .split(secret)
        .map(({ length }) => {
        const part = text.slice(at, at + length);
        at += length + secret.length;
        return part;
    });
    return kept.join("***");
}
/** Keeps the length, which toLowerCase does not. */
function foldCase(text) {
    return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
/** The line by which the runner masks a value, escaped as it unescapes (actions/runner, ActionCommand.cs). */
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

The token is masked in the job's log. It lives for about a minute: ask for it where it is used.
`;
/**
 * The runner reads stdout and stderr apart: a token at once behind its mask was seen unmasked in 22 of 300
 * runs, 50 ms later in none. This is twice that.
 */
const MASK_PAUSE_MS = 100;
const TIMEOUT_MS = 330_000; // longer than the agent tries at the largest timeout
const MAX_ANSWER_LENGTH = 64 * 1024;
/** @param args the agent's folder, which the wrapper gives, then what the user gave */
async function run([folder = "", ...args]) {
    const [option = "", file] = args;
    const isAlone = args.length === 0 || (args.length === 1 && /^(--header|-h|--help)$/.test(option));
    if (!isAlone && !(option === "--file" && file && args.length === 2)) {
        process.exitCode = 2;
        throw new Error("it takes --header, --file PATH or --help, and nothing else");
    }
    if (option === "-h" || option === "--help")
        return await write(process.stdout, USAGE);
    // To a file, mask and token take one way; else they take two, and the mask needs some time ahead.
    const maskStream = file === undefined ? process.stderr : process.stdout;
    checkStream(maskStream.fd, file === undefined ? "stderr" : "stdout");
    const token = await fetchToken(folder);
    await write(maskStream, maskCommand(token));
    if (file !== undefined)
        return replaceFile(file, token);
    await (0,promises_namespaceObject.setTimeout)(MASK_PAUSE_MS);
    await write(process.stdout, `${option === "--header" ? "Authorization: Bearer " : ""}${token}\n`);
}
/** Node opens the null device where a stream is closed. */
function checkStream(descriptor, name) {
    try {
        const [stream, none] = [(0,external_node_fs_namespaceObject.fstatSync)(descriptor), (0,external_node_fs_namespaceObject.statSync)(external_node_os_namespaceObject.devNull)];
        if (!stream.isCharacterDevice() || stream.rdev !== none.rdev)
            return;
    }
    catch {
        return; // Windows does not tell
    }
    const hint = name === "stderr" ? ". Use --file PATH" : "";
    throw new Error(`${name} is closed or ${external_node_os_namespaceObject.devNull}, so the token could not be masked in the log${hint}`);
}
async function fetchToken(folder) {
    const { access_token: token, error_description: description } = await askAgent(folder).catch(() => {
        const lives = "It lives from the step with keep-fresh: true to the end of that job";
        throw new Error(`the token agent is not running. ${lives}`);
    });
    // Another program may have got the port of an agent that died. A line with a command of the runner's is
    // no token: one that begins with `::` or holds `##[` (actions/runner, ActionCommand.cs).
    if (typeof token === "string" && /^(?!::)[\x21-\x7e]+$/.test(token) && !token.includes("##["))
        return token;
    const why = typeof description === "string" ? quote(description) : "it answered without one";
    throw new Error(`the token agent has no token: ${why}`);
}
async function askAgent(folder) {
    const url = `${(0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(folder, "control-url"), "utf8").trim()}/token`;
    const response = await new Promise((resolve, reject) => {
        const options = { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) };
        external_node_http_default().get(url, options, resolve).on("error", reject).on("upgrade", reject);
    });
    let body = "";
    for await (const chunk of response.setEncoding("utf8")) {
        body += chunk;
        if (body.length > MAX_ANSWER_LENGTH)
            throw new Error("this is not the agent");
    }
    return Object(JSON.parse(body));
}
/** A new file, renamed over the old one: a reader sees the old token or the new one, and never a part. */
function replaceFile(path, token) {
    const temporary = `${path}.${(0,external_node_crypto_namespaceObject.randomBytes)(6).toString("hex")}`;
    try {
        // For root, the rename would replace a device such as /dev/null.
        if ((0,external_node_fs_namespaceObject.statSync)(path, { throwIfNoEntry: false })?.isFile() === false)
            throw new Error("not a regular file");
        (0,external_node_fs_namespaceObject.writeFileSync)(temporary, token, { mode: 0o600, flag: "wx" });
        (0,external_node_fs_namespaceObject.renameSync)(temporary, path);
    }
    catch (error) {
        (0,external_node_fs_namespaceObject.rmSync)(temporary, { force: true });
        const { code, message } = error;
        throw new Error(`the file cannot be written (${code ?? message})`);
    }
}
/** Who reads the output may leave early, as head does: then there is nothing more to do. */
function write(stream, text) {
    return new Promise((resolve) => {
        stream.write(text, (error) => (error ? process.exit() : resolve()));
    });
}
process.exitCode = 1;
run(process.argv.slice(2)).then(() => process.exit(0), ({ message }) => write(process.stderr, `armor-token: ${message.replace(/\.$/, "")}.\n`));

module.exports = __webpack_exports__;
/******/ })()
;