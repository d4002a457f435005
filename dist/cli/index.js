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

// Loads a module when it is first used. To load all at the start takes longer than the exchange.
function lazily(load) {
  let module;
  return () => (module ??= load());
}


;// CONCATENATED MODULE: external "node:fs"
const external_node_fs_namespaceObject = lazily(() => require("node:fs"));
;// CONCATENATED MODULE: external "node:http"
const external_node_http_namespaceObject = lazily(() => require("node:http"));
const external_node_http_default = external_node_http_namespaceObject;
;// CONCATENATED MODULE: external "node:path"
const external_node_path_namespaceObject = lazily(() => require("node:path"));
;// CONCATENATED MODULE: ./build/cli.js
// The command armor-token: prints a live token from the token agent whose folder it is started with. A bundle of its own,
// of this file alone, so that it starts fast.



const USAGE = `Usage: armor-token [--header]

Prints an access token for Fortanix Armor that lives, fetching another where need be.

  --header  print "Authorization: Bearer TOKEN", for curl --header @-
  --help    print this

The token is masked in the job's log. It lives for about a minute at most: ask for it where
it is used, and do not keep it.`;
/**
 * The runner reads stdout and stderr with two readers. A token that follows its mask at once on the other stream
 * was seen unmasked in 22 of 300 runs; 50 ms later in none of 300. This is twice that.
 */
const MASK_PAUSE_MS = 100;
/** Longer than the agent itself tries, at the largest `timeout`. */
const PATIENCE_MS = 330_000;
/** @param args the agent's folder, then what the user gave */
async function run([folder = "", ...args]) {
    const [option, ...rest] = args;
    if (option === "--help")
        return await write(process.stdout, USAGE);
    if ((option !== undefined && option !== "--header") || rest.length > 0) {
        throw new Error("it takes --header or --help, and nothing else");
    }
    const token = await askAgent(folder);
    await write(process.stderr, `::add-mask::${token}`);
    await new Promise((resolve) => setTimeout(resolve, MASK_PAUSE_MS));
    await write(process.stdout, option === "--header" ? `Authorization: Bearer ${token}` : token);
}
async function askAgent(folder) {
    const { status, body } = await get(`${gatewayUrl(folder)}/token`);
    const reply = parse(body);
    if (status === 200 && typeof reply.access_token === "string")
        return reply.access_token;
    const why = typeof reply.error_description === "string" ? reply.error_description : `it answered ${status}`;
    throw new Error(`the token agent has no token: ${why}`);
}
function gatewayUrl(folder) {
    try {
        return (0,external_node_fs_namespaceObject().readFileSync)((0,external_node_path_namespaceObject().join)(folder, "gateway-url"), "utf8");
    }
    catch {
        throw notRunning();
    }
}
function notRunning() {
    return new Error("the token agent is not running. It lives from the step with keep-fresh: true to the end of that job");
}
function get(url) {
    return new Promise((resolve, reject) => {
        const request = external_node_http_default().get(url, { agent: false, timeout: PATIENCE_MS }, (response) => {
            const chunks = [];
            response.on("data", (chunk) => chunks.push(chunk));
            response.on("error", () => reject(notRunning()));
            response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }));
        });
        request.on("timeout", () => request.destroy());
        request.on("error", () => reject(notRunning()));
    });
}
function parse(body) {
    try {
        const value = JSON.parse(body);
        return typeof value === "object" && value !== null ? value : {};
    }
    catch {
        return {};
    }
}
function write(stream, line) {
    return new Promise((resolve, reject) => stream.write(`${line}\n`, (error) => (error ? reject(error) : resolve())));
}
process.exitCode = 1;
process.stdout.on("error", () => undefined); // whoever reads may leave early
run(process.argv.slice(2)).then(() => {
    process.exitCode = 0;
}, (error) => process.stderr.write(`armor-token: ${error.message.replace(/\s+/g, " ")}.\n`));

module.exports = __webpack_exports__;
/******/ })()
;