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
;// CONCATENATED MODULE: external "node:util"
const external_node_util_namespaceObject = require("node:util");
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
    // The runner takes `::` and `##[` for the start of a command.
    const harmless = visible.replace(/:{2,}/g, ":").replaceAll("#[", "# [");
    // Again, as the clean-up can join a secret's halves.
    const line = scrub(harmless, secrets).trim();
    return line.length > QUOTE_LENGTH ? `${line.slice(0, QUOTE_LENGTH)}…` : line;
}
/** Replaces every secret by `***`, the longest first, in any case: a host name arrives in small letters. */
function scrub(text, secrets = secretsOfThisProcess) {
    const folded = [...new Set(secrets.map(foldCase))].filter((secret) => secret !== "");
    let scrubbed = text;
    for (const secret of folded.sort((a, b) => b.length - a.length))
        scrubbed = replaceSecret(scrubbed, secret);
    return scrubbed;
}
/**
 * Finds the secret in the folded text, and cuts it out of the text as it is. Not by a regular expression: one
 * of a few thousand characters is too large for some engines.
 */
function replaceSecret(text, foldedSecret) {
    const foldedText = foldCase(text);
    let result = "";
    let end = 0; // of the last secret that was found
    let start = foldedText.indexOf(foldedSecret);
    while (start !== -1) {
        result += `${text.slice(end, start)}***`;
        end = start + foldedSecret.length;
        start = foldedText.indexOf(foldedSecret, end);
    }
    return result + text.slice(end);
}
/** ASCII only, because toLowerCase changes the length of some other texts. */
function foldCase(text) {
    return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
/**
 * What may leave this process: one line, without control characters that a terminal or the runner would act
 * on, and without a secret. Log lines, annotations, the agent's replies and its report all pass here.
 */
function printable(text) {
    return scrub(text.replace(/\p{C}+/gu, " "));
}
/**
 * The texts to be masked for one secret: itself, and without its last one and two characters. Of each mask the
 * runner derives base64 at three offsets, with the mask's own end (actions/runner, ValueEncoders.cs), so that
 * these three cover base64 of every text that contains the secret.
 */
function maskedForms(secret) {
    return [secret, secret.slice(0, -1), secret.slice(0, -2)];
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
 * The runner reads stdout and stderr independently of each other, so a token on one can overtake its mask on
 * the other. Without a pause, 22 of 300 runs showed the token; with 50 ms, none did. This is twice as long.
 */
const MASK_PAUSE_MS = 100;
const TIMEOUT_MS = 330_000; // longer than the agent tries at the largest timeout
const MAX_ANSWER_LENGTH = 64 * 1024;
/** @param folder the agent's, which the wrapper gives. @param args what the user gave */
async function run(folder, args) {
    const options = parseOptions(args);
    if (options.help) {
        await write(process.stdout, USAGE);
    }
    else if (options.file !== undefined) {
        // stdout is the log's, so mask and token take one way, and the mask is there first.
        checkStream(process.stdout.fd, "stdout");
        const token = await fetchToken(folder);
        await write(process.stdout, maskCommand(token));
        replaceFile(options.file, token);
    }
    else {
        // stdout is captured by whoever wants the token. The mask takes the other way, and needs some time ahead.
        checkStream(process.stderr.fd, "stderr");
        const token = await fetchToken(folder);
        await write(process.stderr, maskCommand(token));
        await (0,promises_namespaceObject.setTimeout)(MASK_PAUSE_MS);
        await write(process.stdout, options.header ? `Authorization: Bearer ${token}\n` : `${token}\n`);
    }
}
function parseOptions(args) {
    try {
        const { values } = (0,external_node_util_namespaceObject.parseArgs)({
            args,
            options: {
                header: { type: "boolean" },
                file: { type: "string" },
                help: { type: "boolean", short: "h" },
            },
        });
        const isOneAtMost = Object.keys(values).length <= 1;
        if (isOneAtMost && values.file !== "")
            return values;
    }
    catch {
        // An option that is unknown or has no value, or an argument that is no option.
    }
    process.exitCode = 2;
    throw new Error("it takes --header, --file PATH or --help, and nothing else");
}
/** The log must be able to get the mask. Node opens the null device in place of a stream that is closed. */
function checkStream(descriptor, name) {
    if (!isNullDevice(descriptor))
        return;
    const hint = name === "stderr" ? ". Use --file PATH" : "";
    throw new Error(`${name} is closed or ${external_node_os_namespaceObject.devNull}, so the token could not be masked in the log${hint}`);
}
function isNullDevice(descriptor) {
    try {
        const stream = (0,external_node_fs_namespaceObject.fstatSync)(descriptor);
        return stream.isCharacterDevice() && stream.rdev === (0,external_node_fs_namespaceObject.statSync)(external_node_os_namespaceObject.devNull).rdev;
    }
    catch {
        return false; // Windows does not tell
    }
}
async function fetchToken(folder) {
    let answer;
    try {
        answer = await askAgent(folder);
    }
    catch {
        const lives = "It lives from the step with keep-fresh: true to the end of that job";
        throw new Error(`the token agent is not running. ${lives}`);
    }
    const { access_token: token, error_description: description } = answer;
    if (typeof token === "string" && isPlain(token))
        return token;
    const why = typeof description === "string" ? quote(description) : "it answered without one";
    throw new Error(`the token agent has no token: ${why}`);
}
/**
 * Another program may have got the port of an agent that died. What it says must not be a command of the
 * runner's, which begins with `::` or has `##[` in it (actions/runner, ActionCommand.cs).
 */
function isPlain(token) {
    return /^[\x21-\x7e]+$/.test(token) && !token.startsWith("::") && !token.includes("##[");
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
/** Writes a new file and renames it over the old one, so that a reader never sees half a token. */
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
/** A reader may close the pipe early, as `head` does. Then nothing is left to do, and that is no failure. */
function write(stream, text) {
    return new Promise((resolve) => {
        stream.write(text, (error) => (error ? process.exit() : resolve()));
    });
}
async function main() {
    const [folder = "", ...args] = process.argv.slice(2);
    try {
        await run(folder, args);
        process.exit(0);
    }
    catch (error) {
        const { message } = error;
        await write(process.stderr, `armor-token: ${message.replace(/\.$/, "")}.\n`);
    }
}
process.exitCode = 1; // until success is certain
void main();

module.exports = __webpack_exports__;
/******/ })()
;