/******/ (() => { // webpackBootstrap
/******/ 	"use strict";
/******/ 	var __webpack_modules__ = ({});
/************************************************************************/
/******/ 	// The module cache
/******/ 	var __webpack_module_cache__ = {};
/******/ 	
/******/ 	// The require function
/******/ 	function __nccwpck_require__(moduleId) {
/******/ 		// Check if module is in cache
/******/ 		var cachedModule = __webpack_module_cache__[moduleId];
/******/ 		if (cachedModule !== undefined) {
/******/ 			return cachedModule.exports;
/******/ 		}
/******/ 		// Create a new module (and put it into the cache)
/******/ 		var module = __webpack_module_cache__[moduleId] = {
/******/ 			// no module.id needed
/******/ 			// no module.loaded needed
/******/ 			exports: {}
/******/ 		};
/******/ 	
/******/ 		// Execute the module function
/******/ 		var threw = true;
/******/ 		try {
/******/ 			__webpack_modules__[moduleId](module, module.exports, __nccwpck_require__);
/******/ 			threw = false;
/******/ 		} finally {
/******/ 			if(threw) delete __webpack_module_cache__[moduleId];
/******/ 		}
/******/ 	
/******/ 		// Return the exports of the module
/******/ 		return module.exports;
/******/ 	}
/******/ 	
/************************************************************************/
/******/ 	/* webpack/runtime/asset-relocator-loader */
/******/ 	if (typeof __nccwpck_require__ !== 'undefined') __nccwpck_require__.ab = __dirname + "/";
/******/ 	
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
/******/ 	/* webpack/runtime/create fake namespace object */
/******/ 	(() => {
/******/ 		var getProto = Object.getPrototypeOf ? (obj) => (Object.getPrototypeOf(obj)) : (obj) => (obj.__proto__);
/******/ 		var leafPrototypes;
/******/ 		// create a fake namespace object
/******/ 		// mode & 1: value is a module id, require it
/******/ 		// mode & 2: merge all properties of value into the ns
/******/ 		// mode & 4: return value when already ns object
/******/ 		// mode & 16: return value when it's Promise-like
/******/ 		// mode & 8|1: behave like require
/******/ 		__nccwpck_require__.t = function(value, mode) {
/******/ 			if(mode & 1) value = this(value);
/******/ 			if(mode & 8) return value;
/******/ 			if(typeof value === 'object' && value) {
/******/ 				if((mode & 4) && value.__esModule) return value;
/******/ 				if((mode & 16) && typeof value.then === 'function') return value;
/******/ 			}
/******/ 			var ns = Object.create(null);
/******/ 			__nccwpck_require__.r(ns);
/******/ 			var def = {};
/******/ 			leafPrototypes = leafPrototypes || [null, getProto({}), getProto([]), getProto(getProto)];
/******/ 			for(var current = mode & 2 && value; typeof current == 'object' && !~leafPrototypes.indexOf(current); current = getProto(current)) {
/******/ 				Object.getOwnPropertyNames(current).forEach((key) => (def[key] = () => (value[key])));
/******/ 			}
/******/ 			def['default'] = () => (value);
/******/ 			__nccwpck_require__.d(ns, def);
/******/ 			return ns;
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
/******/ 	/* webpack/runtime/make namespace object */
/******/ 	(() => {
/******/ 		// define __esModule on exports
/******/ 		__nccwpck_require__.r = (exports) => {
/******/ 			if(typeof Symbol !== 'undefined' && Symbol.toStringTag) {
/******/ 				Object.defineProperty(exports, Symbol.toStringTag, { value: 'Module' });
/******/ 			}
/******/ 			Object.defineProperty(exports, '__esModule', { value: true });
/******/ 		};
/******/ 	})();
/******/ 	
/************************************************************************/
var __webpack_exports__ = {};
// ESM COMPAT FLAG
__nccwpck_require__.r(__webpack_exports__);

// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  runAgent: () => (/* binding */ runAgent),
  runMain: () => (/* binding */ runMain),
  runPost: () => (/* binding */ runPost)
});

;// CONCATENATED MODULE: external "node:path"
const external_node_path_namespaceObject = require("node:path");
;// CONCATENATED MODULE: external "os"
const external_os_namespaceObject = require("os");
;// CONCATENATED MODULE: ./node_modules/@actions/core/lib/utils.js
// We use any as a valid input type
/* eslint-disable @typescript-eslint/no-explicit-any */
/**
 * Sanitizes an input into a string so it can be passed into issueCommand safely
 * @param input input to sanitize into a string
 */
function toCommandValue(input) {
    if (input === null || input === undefined) {
        return '';
    }
    else if (typeof input === 'string' || input instanceof String) {
        return input;
    }
    return JSON.stringify(input);
}
/**
 *
 * @param annotationProperties
 * @returns The command properties to send with the actual annotation command
 * See IssueCommandProperties: https://github.com/actions/runner/blob/main/src/Runner.Worker/ActionCommandManager.cs#L646
 */
function utils_toCommandProperties(annotationProperties) {
    if (!Object.keys(annotationProperties).length) {
        return {};
    }
    return {
        title: annotationProperties.title,
        file: annotationProperties.file,
        line: annotationProperties.startLine,
        endLine: annotationProperties.endLine,
        col: annotationProperties.startColumn,
        endColumn: annotationProperties.endColumn
    };
}
//# sourceMappingURL=utils.js.map
;// CONCATENATED MODULE: ./node_modules/@actions/core/lib/command.js


/**
 * Issues a command to the GitHub Actions runner
 *
 * @param command - The command name to issue
 * @param properties - Additional properties for the command (key-value pairs)
 * @param message - The message to include with the command
 * @remarks
 * This function outputs a specially formatted string to stdout that the Actions
 * runner interprets as a command. These commands can control workflow behavior,
 * set outputs, create annotations, mask values, and more.
 *
 * Command Format:
 *   ::name key=value,key=value::message
 *
 * @example
 * ```typescript
 * // Issue a warning annotation
 * issueCommand('warning', {}, 'This is a warning message');
 * // Output: ::warning::This is a warning message
 *
 * // Set an environment variable
 * issueCommand('set-env', { name: 'MY_VAR' }, 'some value');
 * // Output: ::set-env name=MY_VAR::some value
 *
 * // Add a secret mask
 * issueCommand('add-mask', {}, 'secretValue123');
 * // Output: ::add-mask::secretValue123
 * ```
 *
 * @internal
 * This is an internal utility function that powers the public API functions
 * such as setSecret, warning, error, and exportVariable.
 */
function command_issueCommand(command, properties, message) {
    const cmd = new Command(command, properties, message);
    process.stdout.write(cmd.toString() + external_os_namespaceObject.EOL);
}
function command_issue(name, message = '') {
    command_issueCommand(name, {}, message);
}
const CMD_STRING = '::';
class Command {
    constructor(command, properties, message) {
        if (!command) {
            command = 'missing.command';
        }
        this.command = command;
        this.properties = properties;
        this.message = message;
    }
    toString() {
        let cmdStr = CMD_STRING + this.command;
        if (this.properties && Object.keys(this.properties).length > 0) {
            cmdStr += ' ';
            let first = true;
            for (const key in this.properties) {
                if (this.properties.hasOwnProperty(key)) {
                    const val = this.properties[key];
                    if (val) {
                        if (first) {
                            first = false;
                        }
                        else {
                            cmdStr += ',';
                        }
                        cmdStr += `${key}=${escapeProperty(val)}`;
                    }
                }
            }
        }
        cmdStr += `${CMD_STRING}${escapeData(this.message)}`;
        return cmdStr;
    }
}
function escapeData(s) {
    return toCommandValue(s)
        .replace(/%/g, '%25')
        .replace(/\r/g, '%0D')
        .replace(/\n/g, '%0A');
}
function escapeProperty(s) {
    return toCommandValue(s)
        .replace(/%/g, '%25')
        .replace(/\r/g, '%0D')
        .replace(/\n/g, '%0A')
        .replace(/:/g, '%3A')
        .replace(/,/g, '%2C');
}
//# sourceMappingURL=command.js.map
;// CONCATENATED MODULE: external "crypto"
const external_crypto_namespaceObject = require("crypto");
;// CONCATENATED MODULE: external "fs"
const external_fs_namespaceObject = require("fs");
;// CONCATENATED MODULE: ./node_modules/@actions/core/lib/file-command.js
// For internal use, subject to change.
// We use any as a valid input type
/* eslint-disable @typescript-eslint/no-explicit-any */




function issueFileCommand(command, message) {
    const filePath = process.env[`GITHUB_${command}`];
    if (!filePath) {
        throw new Error(`Unable to find environment variable for file command ${command}`);
    }
    if (!external_fs_namespaceObject.existsSync(filePath)) {
        throw new Error(`Missing file at path: ${filePath}`);
    }
    external_fs_namespaceObject.appendFileSync(filePath, `${toCommandValue(message)}${external_os_namespaceObject.EOL}`, {
        encoding: 'utf8'
    });
}
function prepareKeyValueMessage(key, value) {
    const delimiter = `ghadelimiter_${external_crypto_namespaceObject.randomUUID()}`;
    const convertedValue = toCommandValue(value);
    // These should realistically never happen, but just in case someone finds a
    // way to exploit uuid generation let's not allow keys or values that contain
    // the delimiter.
    if (key.includes(delimiter)) {
        throw new Error(`Unexpected input: name should not contain the delimiter "${delimiter}"`);
    }
    if (convertedValue.includes(delimiter)) {
        throw new Error(`Unexpected input: value should not contain the delimiter "${delimiter}"`);
    }
    return `${key}<<${delimiter}${external_os_namespaceObject.EOL}${convertedValue}${external_os_namespaceObject.EOL}${delimiter}`;
}
//# sourceMappingURL=file-command.js.map
;// CONCATENATED MODULE: external "path"
const external_path_namespaceObject = require("path");
;// CONCATENATED MODULE: external "./not-bundled.js"
const external_not_bundled_js_namespaceObject = require("./not-bundled.js");
;// CONCATENATED MODULE: ./node_modules/@actions/core/lib/core.js
var __awaiter = (undefined && undefined.__awaiter) || function (thisArg, _arguments, P, generator) {
    function adopt(value) { return value instanceof P ? value : new P(function (resolve) { resolve(value); }); }
    return new (P || (P = Promise))(function (resolve, reject) {
        function fulfilled(value) { try { step(generator.next(value)); } catch (e) { reject(e); } }
        function rejected(value) { try { step(generator["throw"](value)); } catch (e) { reject(e); } }
        function step(result) { result.done ? resolve(result.value) : adopt(result.value).then(fulfilled, rejected); }
        step((generator = generator.apply(thisArg, _arguments || [])).next());
    });
};






/**
 * The code to exit an action
 */
var ExitCode;
(function (ExitCode) {
    /**
     * A code indicating that the action was successful
     */
    ExitCode[ExitCode["Success"] = 0] = "Success";
    /**
     * A code indicating that the action was a failure
     */
    ExitCode[ExitCode["Failure"] = 1] = "Failure";
})(ExitCode || (ExitCode = {}));
//-----------------------------------------------------------------------
// Variables
//-----------------------------------------------------------------------
/**
 * Sets env variable for this action and future actions in the job
 * @param name the name of the variable to set
 * @param val the value of the variable. Non-string values will be converted to a string via JSON.stringify
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
function exportVariable(name, val) {
    const convertedVal = toCommandValue(val);
    process.env[name] = convertedVal;
    const filePath = process.env['GITHUB_ENV'] || '';
    if (filePath) {
        return issueFileCommand('ENV', prepareKeyValueMessage(name, val));
    }
    command_issueCommand('set-env', { name }, convertedVal);
}
/**
 * Registers a secret which will get masked from logs
 *
 * @param secret - Value of the secret to be masked
 * @remarks
 * This function instructs the Actions runner to mask the specified value in any
 * logs produced during the workflow run. Once registered, the secret value will
 * be replaced with asterisks (***) whenever it appears in console output, logs,
 * or error messages.
 *
 * This is useful for protecting sensitive information such as:
 * - API keys
 * - Access tokens
 * - Authentication credentials
 * - URL parameters containing signatures (SAS tokens)
 *
 * Note that masking only affects future logs; any previous appearances of the
 * secret in logs before calling this function will remain unmasked.
 *
 * @example
 * ```typescript
 * // Register an API token as a secret
 * const apiToken = "abc123xyz456";
 * setSecret(apiToken);
 *
 * // Now any logs containing this value will show *** instead
 * console.log(`Using token: ${apiToken}`); // Outputs: "Using token: ***"
 * ```
 */
function setSecret(secret) {
    command_issueCommand('add-mask', {}, secret);
}
/**
 * Prepends inputPath to the PATH (for this action and future actions)
 * @param inputPath
 */
function addPath(inputPath) {
    const filePath = process.env['GITHUB_PATH'] || '';
    if (filePath) {
        issueFileCommand('PATH', inputPath);
    }
    else {
        command_issueCommand('add-path', {}, inputPath);
    }
    process.env['PATH'] = `${inputPath}${external_path_namespaceObject.delimiter}${process.env['PATH']}`;
}
/**
 * Gets the value of an input.
 * Unless trimWhitespace is set to false in InputOptions, the value is also trimmed.
 * Returns an empty string if the value is not defined.
 *
 * @param     name     name of the input to get
 * @param     options  optional. See InputOptions.
 * @returns   string
 */
function getInput(name, options) {
    const val = process.env[`INPUT_${name.replace(/ /g, '_').toUpperCase()}`] || '';
    if (options && options.required && !val) {
        throw new Error(`Input required and not supplied: ${name}`);
    }
    if (options && options.trimWhitespace === false) {
        return val;
    }
    return val.trim();
}
/**
 * Gets the values of an multiline input.  Each value is also trimmed.
 *
 * @param     name     name of the input to get
 * @param     options  optional. See InputOptions.
 * @returns   string[]
 *
 */
function getMultilineInput(name, options) {
    const inputs = getInput(name, options)
        .split('\n')
        .filter(x => x !== '');
    if (options && options.trimWhitespace === false) {
        return inputs;
    }
    return inputs.map(input => input.trim());
}
/**
 * Gets the input value of the boolean type in the YAML 1.2 "core schema" specification.
 * Support boolean input list: `true | True | TRUE | false | False | FALSE` .
 * The return value is also in boolean type.
 * ref: https://yaml.org/spec/1.2/spec.html#id2804923
 *
 * @param     name     name of the input to get
 * @param     options  optional. See InputOptions.
 * @returns   boolean
 */
function getBooleanInput(name, options) {
    const trueValue = ['true', 'True', 'TRUE'];
    const falseValue = ['false', 'False', 'FALSE'];
    const val = getInput(name, options);
    if (trueValue.includes(val))
        return true;
    if (falseValue.includes(val))
        return false;
    throw new TypeError(`Input does not meet YAML 1.2 "Core Schema" specification: ${name}\n` +
        `Support boolean input list: \`true | True | TRUE | false | False | FALSE\``);
}
/**
 * Sets the value of an output.
 *
 * @param     name     name of the output to set
 * @param     value    value to store. Non-string values will be converted to a string via JSON.stringify
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
function setOutput(name, value) {
    const filePath = process.env['GITHUB_OUTPUT'] || '';
    if (filePath) {
        return issueFileCommand('OUTPUT', prepareKeyValueMessage(name, value));
    }
    process.stdout.write(external_os_namespaceObject.EOL);
    command_issueCommand('set-output', { name }, toCommandValue(value));
}
/**
 * Enables or disables the echoing of commands into stdout for the rest of the step.
 * Echoing is disabled by default if ACTIONS_STEP_DEBUG is not set.
 *
 */
function setCommandEcho(enabled) {
    issue('echo', enabled ? 'on' : 'off');
}
//-----------------------------------------------------------------------
// Results
//-----------------------------------------------------------------------
/**
 * Sets the action status to failed.
 * When the action exits it will be with an exit code of 1
 * @param message add error issue message
 */
function setFailed(message) {
    process.exitCode = ExitCode.Failure;
    error(message);
}
//-----------------------------------------------------------------------
// Logging Commands
//-----------------------------------------------------------------------
/**
 * Gets whether Actions Step Debug is on or not
 */
function isDebug() {
    return process.env['RUNNER_DEBUG'] === '1';
}
/**
 * Writes debug message to user log
 * @param message debug message
 */
function debug(message) {
    command_issueCommand('debug', {}, message);
}
/**
 * Adds an error issue
 * @param message error issue message. Errors will be converted to string via toString()
 * @param properties optional properties to add to the annotation.
 */
function error(message, properties = {}) {
    command_issueCommand('error', utils_toCommandProperties(properties), message instanceof Error ? message.toString() : message);
}
/**
 * Adds a warning issue
 * @param message warning issue message. Errors will be converted to string via toString()
 * @param properties optional properties to add to the annotation.
 */
function warning(message, properties = {}) {
    command_issueCommand('warning', utils_toCommandProperties(properties), message instanceof Error ? message.toString() : message);
}
/**
 * Adds a notice issue
 * @param message notice issue message. Errors will be converted to string via toString()
 * @param properties optional properties to add to the annotation.
 */
function notice(message, properties = {}) {
    issueCommand('notice', toCommandProperties(properties), message instanceof Error ? message.toString() : message);
}
/**
 * Writes info to log with console.log.
 * @param message info message
 */
function info(message) {
    process.stdout.write(message + external_os_namespaceObject.EOL);
}
/**
 * Begin an output group.
 *
 * Output until the next `groupEnd` will be foldable in this group
 *
 * @param name The name of the output group
 */
function startGroup(name) {
    command_issue('group', name);
}
/**
 * End an output group.
 */
function endGroup() {
    command_issue('endgroup');
}
/**
 * Wrap an asynchronous function call in a group.
 *
 * Returns the same type as the function itself.
 *
 * @param name The name of the group
 * @param fn The function to wrap in the group
 */
function group(name, fn) {
    return __awaiter(this, void 0, void 0, function* () {
        startGroup(name);
        let result;
        try {
            result = yield fn();
        }
        finally {
            endGroup();
        }
        return result;
    });
}
//-----------------------------------------------------------------------
// Wrapper action state
//-----------------------------------------------------------------------
/**
 * Saves state for current action, the state can only be retrieved by this action's post job execution.
 *
 * @param     name     name of the state to store
 * @param     value    value to store. Non-string values will be converted to a string via JSON.stringify
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
function saveState(name, value) {
    const filePath = process.env['GITHUB_STATE'] || '';
    if (filePath) {
        return issueFileCommand('STATE', prepareKeyValueMessage(name, value));
    }
    command_issueCommand('save-state', { name }, toCommandValue(value));
}
/**
 * Gets the value of an state set by this action's main execution.
 *
 * @param     name     name of the state to get
 * @returns   string
 */
function getState(name) {
    return process.env[`STATE_${name}`] || '';
}
function getIDToken(aud) {
    return __awaiter(this, void 0, void 0, function* () {
        return yield OidcClient.getIDToken(aud);
    });
}
/**
 * Summary exports
 */

/**
 * @deprecated use core.summary
 */

/**
 * Path exports
 */

/**
 * Platform utilities exports
 */

//# sourceMappingURL=core.js.map
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

;// CONCATENATED MODULE: ./build/armor/credentials.js

function formEncode(text) {
  return new URLSearchParams([["", text]]).toString().slice(1);
}
function basicPairs({ appId, apiKey }) {
  const encoded = `${formEncode(appId)}:${formEncode(apiKey)}`;
  const raw = `${appId}:${apiKey}`;
  const isRawUseful = raw !== encoded && !appId.includes(":");
  return { encoded, raw: isRawUseful ? raw : undefined };
}
function secretForms({ appId, apiKey }) {
  const key = apiKey.toWellFormed();
  if (key === "") return [];
  const formEncoded = formEncode(key);
  const percentEncoded = encodeURIComponent(key);
  const { encoded: encodedPair } = basicPairs({ appId, apiKey });
  const rawPair = `${appId}:${key}`;
  return [
    ...new Set([
      ...maskedForms(key),
      ...maskedForms(formEncoded),
      percentEncoded,
      lowerCaseEscapes(percentEncoded),
      lowerCaseEscapes(formEncoded),
      pythonQuoted(percentEncoded),
      encodeURI(key),
      ...jsonForms(key),
      ...base64Forms(key),
      ...base64Forms(formEncoded),
      ...base64Forms(encodedPair),
      ...base64Forms(rawPair),
      wrappedBase64(key),
      wrappedBase64(rawPair),
    ]),
  ];
}
function lowerCaseEscapes(text) {
  return text.replace(/%[\dA-F]{2}/g, (triplet) => triplet.toLowerCase());
}
function pythonQuoted(percentEncoded) {
  const strictly = percentEncoded.replace(/[!'()*]/g, (sign) => `%${hexOf(sign, 2)}`);
  return strictly.replaceAll("%2F", "/");
}
function jsonForms(key) {
  const json = JSON.stringify(key).slice(1, -1);
  const upper = (sign) => `\\u${hexOf(sign, 4)}`;
  const lower = (sign) => upper(sign).toLowerCase();
  const slashesEscaped = json.replaceAll("/", "\\/");
  return [
    key.replaceAll("\\", "\\\\").replace(/["&'+<>`\u007f-\uffff]/g, upper),
    json.replace(/[&'<=>]/g, lower),
    json.replace(/[&<>]/g, lower),
    slashesEscaped.replace(/[\u007f-\uffff]/g, lower),
  ];
}
function hexOf(unit, digits) {
  return unit.charCodeAt(0).toString(16).toUpperCase().padStart(digits, "0");
}
function base64Forms(text) {
  const bytes = Buffer.from(text, "utf8");
  const padded = bytes.toString("base64");
  const urlSafe = bytes.toString("base64url");
  return padded.startsWith(urlSafe) ? [padded] : [padded, urlSafe];
}
const LINE_LENGTH = 76;
const MIN_LINE_LENGTH = 8;
function wrappedBase64(text) {
  const base64 = Buffer.from(text, "utf8").toString("base64");
  const lines = base64.match(new RegExp(`.{1,${LINE_LENGTH}}`, "g")) ?? [];
  return lines.filter((line) => lines.length === 1 || line.length >= MIN_LINE_LENGTH).join("\n");
}

;// CONCATENATED MODULE: external "http"
const external_http_namespaceObject = require("http");
var external_http_namespaceObject_0 = /*#__PURE__*/__nccwpck_require__.t(external_http_namespaceObject, 2);
;// CONCATENATED MODULE: external "https"
const external_https_namespaceObject = require("https");
var external_https_namespaceObject_0 = /*#__PURE__*/__nccwpck_require__.t(external_https_namespaceObject, 2);
;// CONCATENATED MODULE: ./node_modules/@actions/http-client/lib/proxy.js
function getProxyUrl(reqUrl) {
    const usingSsl = reqUrl.protocol === 'https:';
    if (checkBypass(reqUrl)) {
        return undefined;
    }
    const proxyVar = (() => {
        if (usingSsl) {
            return process.env['https_proxy'] || process.env['HTTPS_PROXY'];
        }
        else {
            return process.env['http_proxy'] || process.env['HTTP_PROXY'];
        }
    })();
    if (proxyVar) {
        try {
            return new DecodedURL(proxyVar);
        }
        catch (_a) {
            if (!proxyVar.startsWith('http://') && !proxyVar.startsWith('https://'))
                return new DecodedURL(`http://${proxyVar}`);
        }
    }
    else {
        return undefined;
    }
}
function checkBypass(reqUrl) {
    if (!reqUrl.hostname) {
        return false;
    }
    const reqHost = reqUrl.hostname;
    if (isLoopbackAddress(reqHost)) {
        return true;
    }
    const noProxy = process.env['no_proxy'] || process.env['NO_PROXY'] || '';
    if (!noProxy) {
        return false;
    }
    // Determine the request port
    let reqPort;
    if (reqUrl.port) {
        reqPort = Number(reqUrl.port);
    }
    else if (reqUrl.protocol === 'http:') {
        reqPort = 80;
    }
    else if (reqUrl.protocol === 'https:') {
        reqPort = 443;
    }
    // Format the request hostname and hostname with port
    const upperReqHosts = [reqUrl.hostname.toUpperCase()];
    if (typeof reqPort === 'number') {
        upperReqHosts.push(`${upperReqHosts[0]}:${reqPort}`);
    }
    // Compare request host against noproxy
    for (const upperNoProxyItem of noProxy
        .split(',')
        .map(x => x.trim().toUpperCase())
        .filter(x => x)) {
        if (upperNoProxyItem === '*' ||
            upperReqHosts.some(x => x === upperNoProxyItem ||
                x.endsWith(`.${upperNoProxyItem}`) ||
                (upperNoProxyItem.startsWith('.') &&
                    x.endsWith(`${upperNoProxyItem}`)))) {
            return true;
        }
    }
    return false;
}
function isLoopbackAddress(host) {
    const hostLower = host.toLowerCase();
    return (hostLower === 'localhost' ||
        hostLower.startsWith('127.') ||
        hostLower.startsWith('[::1]') ||
        hostLower.startsWith('[0:0:0:0:0:0:0:1]'));
}
class DecodedURL extends URL {
    constructor(url, base) {
        super(url, base);
        this._decodedUsername = decodeURIComponent(super.username);
        this._decodedPassword = decodeURIComponent(super.password);
    }
    get username() {
        return this._decodedUsername;
    }
    get password() {
        return this._decodedPassword;
    }
}
//# sourceMappingURL=proxy.js.map
;// CONCATENATED MODULE: ./node_modules/@actions/http-client/lib/index.js
/* eslint-disable @typescript-eslint/no-explicit-any */
var lib_awaiter = (undefined && undefined.__awaiter) || function (thisArg, _arguments, P, generator) {
    function adopt(value) { return value instanceof P ? value : new P(function (resolve) { resolve(value); }); }
    return new (P || (P = Promise))(function (resolve, reject) {
        function fulfilled(value) { try { step(generator.next(value)); } catch (e) { reject(e); } }
        function rejected(value) { try { step(generator["throw"](value)); } catch (e) { reject(e); } }
        function step(result) { result.done ? resolve(result.value) : adopt(result.value).then(fulfilled, rejected); }
        step((generator = generator.apply(thisArg, _arguments || [])).next());
    });
};





var HttpCodes;
(function (HttpCodes) {
    HttpCodes[HttpCodes["OK"] = 200] = "OK";
    HttpCodes[HttpCodes["MultipleChoices"] = 300] = "MultipleChoices";
    HttpCodes[HttpCodes["MovedPermanently"] = 301] = "MovedPermanently";
    HttpCodes[HttpCodes["ResourceMoved"] = 302] = "ResourceMoved";
    HttpCodes[HttpCodes["SeeOther"] = 303] = "SeeOther";
    HttpCodes[HttpCodes["NotModified"] = 304] = "NotModified";
    HttpCodes[HttpCodes["UseProxy"] = 305] = "UseProxy";
    HttpCodes[HttpCodes["SwitchProxy"] = 306] = "SwitchProxy";
    HttpCodes[HttpCodes["TemporaryRedirect"] = 307] = "TemporaryRedirect";
    HttpCodes[HttpCodes["PermanentRedirect"] = 308] = "PermanentRedirect";
    HttpCodes[HttpCodes["BadRequest"] = 400] = "BadRequest";
    HttpCodes[HttpCodes["Unauthorized"] = 401] = "Unauthorized";
    HttpCodes[HttpCodes["PaymentRequired"] = 402] = "PaymentRequired";
    HttpCodes[HttpCodes["Forbidden"] = 403] = "Forbidden";
    HttpCodes[HttpCodes["NotFound"] = 404] = "NotFound";
    HttpCodes[HttpCodes["MethodNotAllowed"] = 405] = "MethodNotAllowed";
    HttpCodes[HttpCodes["NotAcceptable"] = 406] = "NotAcceptable";
    HttpCodes[HttpCodes["ProxyAuthenticationRequired"] = 407] = "ProxyAuthenticationRequired";
    HttpCodes[HttpCodes["RequestTimeout"] = 408] = "RequestTimeout";
    HttpCodes[HttpCodes["Conflict"] = 409] = "Conflict";
    HttpCodes[HttpCodes["Gone"] = 410] = "Gone";
    HttpCodes[HttpCodes["TooManyRequests"] = 429] = "TooManyRequests";
    HttpCodes[HttpCodes["InternalServerError"] = 500] = "InternalServerError";
    HttpCodes[HttpCodes["NotImplemented"] = 501] = "NotImplemented";
    HttpCodes[HttpCodes["BadGateway"] = 502] = "BadGateway";
    HttpCodes[HttpCodes["ServiceUnavailable"] = 503] = "ServiceUnavailable";
    HttpCodes[HttpCodes["GatewayTimeout"] = 504] = "GatewayTimeout";
})(HttpCodes || (HttpCodes = {}));
var Headers;
(function (Headers) {
    Headers["Accept"] = "accept";
    Headers["ContentType"] = "content-type";
})(Headers || (Headers = {}));
var MediaTypes;
(function (MediaTypes) {
    MediaTypes["ApplicationJson"] = "application/json";
})(MediaTypes || (MediaTypes = {}));
/**
 * Returns the proxy URL, depending upon the supplied url and proxy environment variables.
 * @param serverUrl  The server URL where the request will be sent. For example, https://api.github.com
 */
function lib_getProxyUrl(serverUrl) {
    const proxyUrl = pm.getProxyUrl(new URL(serverUrl));
    return proxyUrl ? proxyUrl.href : '';
}
const HttpRedirectCodes = [
    HttpCodes.MovedPermanently,
    HttpCodes.ResourceMoved,
    HttpCodes.SeeOther,
    HttpCodes.TemporaryRedirect,
    HttpCodes.PermanentRedirect
];
const HttpResponseRetryCodes = [
    HttpCodes.BadGateway,
    HttpCodes.ServiceUnavailable,
    HttpCodes.GatewayTimeout
];
const RetryableHttpVerbs = ['OPTIONS', 'GET', 'DELETE', 'HEAD'];
const ExponentialBackoffCeiling = 10;
const ExponentialBackoffTimeSlice = 5;
class HttpClientError extends Error {
    constructor(message, statusCode) {
        super(message);
        this.name = 'HttpClientError';
        this.statusCode = statusCode;
        Object.setPrototypeOf(this, HttpClientError.prototype);
    }
}
class HttpClientResponse {
    constructor(message) {
        this.message = message;
    }
    readBody() {
        return lib_awaiter(this, void 0, void 0, function* () {
            return new Promise((resolve) => lib_awaiter(this, void 0, void 0, function* () {
                let output = Buffer.alloc(0);
                this.message.on('data', (chunk) => {
                    output = Buffer.concat([output, chunk]);
                });
                this.message.on('end', () => {
                    resolve(output.toString());
                });
            }));
        });
    }
    readBodyBuffer() {
        return lib_awaiter(this, void 0, void 0, function* () {
            return new Promise((resolve) => lib_awaiter(this, void 0, void 0, function* () {
                const chunks = [];
                this.message.on('data', (chunk) => {
                    chunks.push(chunk);
                });
                this.message.on('end', () => {
                    resolve(Buffer.concat(chunks));
                });
            }));
        });
    }
}
function isHttps(requestUrl) {
    const parsedUrl = new URL(requestUrl);
    return parsedUrl.protocol === 'https:';
}
class HttpClient {
    constructor(userAgent, handlers, requestOptions) {
        this._ignoreSslError = false;
        this._allowRedirects = true;
        this._allowRedirectDowngrade = false;
        this._maxRedirects = 50;
        this._allowRetries = false;
        this._maxRetries = 1;
        this._keepAlive = false;
        this._disposed = false;
        this.userAgent = this._getUserAgentWithOrchestrationId(userAgent);
        this.handlers = handlers || [];
        this.requestOptions = requestOptions;
        if (requestOptions) {
            if (requestOptions.ignoreSslError != null) {
                this._ignoreSslError = requestOptions.ignoreSslError;
            }
            this._socketTimeout = requestOptions.socketTimeout;
            if (requestOptions.allowRedirects != null) {
                this._allowRedirects = requestOptions.allowRedirects;
            }
            if (requestOptions.allowRedirectDowngrade != null) {
                this._allowRedirectDowngrade = requestOptions.allowRedirectDowngrade;
            }
            if (requestOptions.maxRedirects != null) {
                this._maxRedirects = Math.max(requestOptions.maxRedirects, 0);
            }
            if (requestOptions.keepAlive != null) {
                this._keepAlive = requestOptions.keepAlive;
            }
            if (requestOptions.allowRetries != null) {
                this._allowRetries = requestOptions.allowRetries;
            }
            if (requestOptions.maxRetries != null) {
                this._maxRetries = requestOptions.maxRetries;
            }
        }
    }
    options(requestUrl, additionalHeaders) {
        return lib_awaiter(this, void 0, void 0, function* () {
            return this.request('OPTIONS', requestUrl, null, additionalHeaders || {});
        });
    }
    get(requestUrl, additionalHeaders) {
        return lib_awaiter(this, void 0, void 0, function* () {
            return this.request('GET', requestUrl, null, additionalHeaders || {});
        });
    }
    del(requestUrl, additionalHeaders) {
        return lib_awaiter(this, void 0, void 0, function* () {
            return this.request('DELETE', requestUrl, null, additionalHeaders || {});
        });
    }
    post(requestUrl, data, additionalHeaders) {
        return lib_awaiter(this, void 0, void 0, function* () {
            return this.request('POST', requestUrl, data, additionalHeaders || {});
        });
    }
    patch(requestUrl, data, additionalHeaders) {
        return lib_awaiter(this, void 0, void 0, function* () {
            return this.request('PATCH', requestUrl, data, additionalHeaders || {});
        });
    }
    put(requestUrl, data, additionalHeaders) {
        return lib_awaiter(this, void 0, void 0, function* () {
            return this.request('PUT', requestUrl, data, additionalHeaders || {});
        });
    }
    head(requestUrl, additionalHeaders) {
        return lib_awaiter(this, void 0, void 0, function* () {
            return this.request('HEAD', requestUrl, null, additionalHeaders || {});
        });
    }
    sendStream(verb, requestUrl, stream, additionalHeaders) {
        return lib_awaiter(this, void 0, void 0, function* () {
            return this.request(verb, requestUrl, stream, additionalHeaders);
        });
    }
    /**
     * Gets a typed object from an endpoint
     * Be aware that not found returns a null.  Other errors (4xx, 5xx) reject the promise
     */
    getJson(requestUrl_1) {
        return lib_awaiter(this, arguments, void 0, function* (requestUrl, additionalHeaders = {}) {
            additionalHeaders[Headers.Accept] = this._getExistingOrDefaultHeader(additionalHeaders, Headers.Accept, MediaTypes.ApplicationJson);
            const res = yield this.get(requestUrl, additionalHeaders);
            return this._processResponse(res, this.requestOptions);
        });
    }
    postJson(requestUrl_1, obj_1) {
        return lib_awaiter(this, arguments, void 0, function* (requestUrl, obj, additionalHeaders = {}) {
            const data = JSON.stringify(obj, null, 2);
            additionalHeaders[Headers.Accept] = this._getExistingOrDefaultHeader(additionalHeaders, Headers.Accept, MediaTypes.ApplicationJson);
            additionalHeaders[Headers.ContentType] =
                this._getExistingOrDefaultContentTypeHeader(additionalHeaders, MediaTypes.ApplicationJson);
            const res = yield this.post(requestUrl, data, additionalHeaders);
            return this._processResponse(res, this.requestOptions);
        });
    }
    putJson(requestUrl_1, obj_1) {
        return lib_awaiter(this, arguments, void 0, function* (requestUrl, obj, additionalHeaders = {}) {
            const data = JSON.stringify(obj, null, 2);
            additionalHeaders[Headers.Accept] = this._getExistingOrDefaultHeader(additionalHeaders, Headers.Accept, MediaTypes.ApplicationJson);
            additionalHeaders[Headers.ContentType] =
                this._getExistingOrDefaultContentTypeHeader(additionalHeaders, MediaTypes.ApplicationJson);
            const res = yield this.put(requestUrl, data, additionalHeaders);
            return this._processResponse(res, this.requestOptions);
        });
    }
    patchJson(requestUrl_1, obj_1) {
        return lib_awaiter(this, arguments, void 0, function* (requestUrl, obj, additionalHeaders = {}) {
            const data = JSON.stringify(obj, null, 2);
            additionalHeaders[Headers.Accept] = this._getExistingOrDefaultHeader(additionalHeaders, Headers.Accept, MediaTypes.ApplicationJson);
            additionalHeaders[Headers.ContentType] =
                this._getExistingOrDefaultContentTypeHeader(additionalHeaders, MediaTypes.ApplicationJson);
            const res = yield this.patch(requestUrl, data, additionalHeaders);
            return this._processResponse(res, this.requestOptions);
        });
    }
    /**
     * Makes a raw http request.
     * All other methods such as get, post, patch, and request ultimately call this.
     * Prefer get, del, post and patch
     */
    request(verb, requestUrl, data, headers) {
        return lib_awaiter(this, void 0, void 0, function* () {
            if (this._disposed) {
                throw new Error('Client has already been disposed.');
            }
            const parsedUrl = new URL(requestUrl);
            let info = this._prepareRequest(verb, parsedUrl, headers);
            // Only perform retries on reads since writes may not be idempotent.
            const maxTries = this._allowRetries && RetryableHttpVerbs.includes(verb)
                ? this._maxRetries + 1
                : 1;
            let numTries = 0;
            let response;
            do {
                response = yield this.requestRaw(info, data);
                // Check if it's an authentication challenge
                if (response &&
                    response.message &&
                    response.message.statusCode === HttpCodes.Unauthorized) {
                    let authenticationHandler;
                    for (const handler of this.handlers) {
                        if (handler.canHandleAuthentication(response)) {
                            authenticationHandler = handler;
                            break;
                        }
                    }
                    if (authenticationHandler) {
                        return authenticationHandler.handleAuthentication(this, info, data);
                    }
                    else {
                        // We have received an unauthorized response but have no handlers to handle it.
                        // Let the response return to the caller.
                        return response;
                    }
                }
                let redirectsRemaining = this._maxRedirects;
                while (response.message.statusCode &&
                    HttpRedirectCodes.includes(response.message.statusCode) &&
                    this._allowRedirects &&
                    redirectsRemaining > 0) {
                    const redirectUrl = response.message.headers['location'];
                    if (!redirectUrl) {
                        // if there's no location to redirect to, we won't
                        break;
                    }
                    const parsedRedirectUrl = new URL(redirectUrl);
                    if (parsedUrl.protocol === 'https:' &&
                        parsedUrl.protocol !== parsedRedirectUrl.protocol &&
                        !this._allowRedirectDowngrade) {
                        throw new Error('Redirect from HTTPS to HTTP protocol. This downgrade is not allowed for security reasons. If you want to allow this behavior, set the allowRedirectDowngrade option to true.');
                    }
                    // we need to finish reading the response before reassigning response
                    // which will leak the open socket.
                    yield response.readBody();
                    // strip authorization header if redirected to a different hostname
                    if (parsedRedirectUrl.hostname !== parsedUrl.hostname) {
                        for (const header in headers) {
                            // header names are case insensitive
                            if (header.toLowerCase() === 'authorization') {
                                delete headers[header];
                            }
                        }
                    }
                    // let's make the request with the new redirectUrl
                    info = this._prepareRequest(verb, parsedRedirectUrl, headers);
                    response = yield this.requestRaw(info, data);
                    redirectsRemaining--;
                }
                if (!response.message.statusCode ||
                    !HttpResponseRetryCodes.includes(response.message.statusCode)) {
                    // If not a retry code, return immediately instead of retrying
                    return response;
                }
                numTries += 1;
                if (numTries < maxTries) {
                    yield response.readBody();
                    yield this._performExponentialBackoff(numTries);
                }
            } while (numTries < maxTries);
            return response;
        });
    }
    /**
     * Needs to be called if keepAlive is set to true in request options.
     */
    dispose() {
        if (this._agent) {
            this._agent.destroy();
        }
        this._disposed = true;
    }
    /**
     * Raw request.
     * @param info
     * @param data
     */
    requestRaw(info, data) {
        return lib_awaiter(this, void 0, void 0, function* () {
            return new Promise((resolve, reject) => {
                function callbackForResult(err, res) {
                    if (err) {
                        reject(err);
                    }
                    else if (!res) {
                        // If `err` is not passed, then `res` must be passed.
                        reject(new Error('Unknown error'));
                    }
                    else {
                        resolve(res);
                    }
                }
                this.requestRawWithCallback(info, data, callbackForResult);
            });
        });
    }
    /**
     * Raw request with callback.
     * @param info
     * @param data
     * @param onResult
     */
    requestRawWithCallback(info, data, onResult) {
        if (typeof data === 'string') {
            if (!info.options.headers) {
                info.options.headers = {};
            }
            info.options.headers['Content-Length'] = Buffer.byteLength(data, 'utf8');
        }
        let callbackCalled = false;
        function handleResult(err, res) {
            if (!callbackCalled) {
                callbackCalled = true;
                onResult(err, res);
            }
        }
        const req = info.httpModule.request(info.options, (msg) => {
            const res = new HttpClientResponse(msg);
            handleResult(undefined, res);
        });
        let socket;
        req.on('socket', sock => {
            socket = sock;
        });
        // If we ever get disconnected, we want the socket to timeout eventually
        req.setTimeout(this._socketTimeout || 3 * 60000, () => {
            if (socket) {
                socket.end();
            }
            handleResult(new Error(`Request timeout: ${info.options.path}`));
        });
        req.on('error', function (err) {
            // err has statusCode property
            // res should have headers
            handleResult(err);
        });
        if (data && typeof data === 'string') {
            req.write(data, 'utf8');
        }
        if (data && typeof data !== 'string') {
            data.on('close', function () {
                req.end();
            });
            data.pipe(req);
        }
        else {
            req.end();
        }
    }
    /**
     * Gets an http agent. This function is useful when you need an http agent that handles
     * routing through a proxy server - depending upon the url and proxy environment variables.
     * @param serverUrl  The server URL where the request will be sent. For example, https://api.github.com
     */
    getAgent(serverUrl) {
        const parsedUrl = new URL(serverUrl);
        return this._getAgent(parsedUrl);
    }
    getAgentDispatcher(serverUrl) {
        const parsedUrl = new URL(serverUrl);
        const proxyUrl = getProxyUrl(parsedUrl);
        const useProxy = proxyUrl && proxyUrl.hostname;
        if (!useProxy) {
            return;
        }
        return this._getProxyAgentDispatcher(parsedUrl, proxyUrl);
    }
    _prepareRequest(method, requestUrl, headers) {
        const info = {};
        info.parsedUrl = requestUrl;
        const usingSsl = info.parsedUrl.protocol === 'https:';
        info.httpModule = usingSsl ? external_https_namespaceObject_0 : external_http_namespaceObject_0;
        const defaultPort = usingSsl ? 443 : 80;
        info.options = {};
        info.options.host = info.parsedUrl.hostname;
        info.options.port = info.parsedUrl.port
            ? parseInt(info.parsedUrl.port)
            : defaultPort;
        info.options.path =
            (info.parsedUrl.pathname || '') + (info.parsedUrl.search || '');
        info.options.method = method;
        info.options.headers = this._mergeHeaders(headers);
        if (this.userAgent != null) {
            info.options.headers['user-agent'] = this.userAgent;
        }
        info.options.agent = this._getAgent(info.parsedUrl);
        // gives handlers an opportunity to participate
        if (this.handlers) {
            for (const handler of this.handlers) {
                handler.prepareRequest(info.options);
            }
        }
        return info;
    }
    _mergeHeaders(headers) {
        if (this.requestOptions && this.requestOptions.headers) {
            return Object.assign({}, lowercaseKeys(this.requestOptions.headers), lowercaseKeys(headers || {}));
        }
        return lowercaseKeys(headers || {});
    }
    /**
     * Gets an existing header value or returns a default.
     * Handles converting number header values to strings since HTTP headers must be strings.
     * Note: This returns string | string[] since some headers can have multiple values.
     * For headers that must always be a single string (like Content-Type), use the
     * specialized _getExistingOrDefaultContentTypeHeader method instead.
     */
    _getExistingOrDefaultHeader(additionalHeaders, header, _default) {
        let clientHeader;
        if (this.requestOptions && this.requestOptions.headers) {
            const headerValue = lowercaseKeys(this.requestOptions.headers)[header];
            if (headerValue) {
                clientHeader =
                    typeof headerValue === 'number' ? headerValue.toString() : headerValue;
            }
        }
        const additionalValue = additionalHeaders[header];
        if (additionalValue !== undefined) {
            return typeof additionalValue === 'number'
                ? additionalValue.toString()
                : additionalValue;
        }
        if (clientHeader !== undefined) {
            return clientHeader;
        }
        return _default;
    }
    /**
     * Specialized version of _getExistingOrDefaultHeader for Content-Type header.
     * Always returns a single string (not an array) since Content-Type should be a single value.
     * Converts arrays to comma-separated strings and numbers to strings to ensure type safety.
     * This was split from _getExistingOrDefaultHeader to provide stricter typing for callers
     * that assign the result to places expecting a string (e.g., additionalHeaders[Headers.ContentType]).
     */
    _getExistingOrDefaultContentTypeHeader(additionalHeaders, _default) {
        let clientHeader;
        if (this.requestOptions && this.requestOptions.headers) {
            const headerValue = lowercaseKeys(this.requestOptions.headers)[Headers.ContentType];
            if (headerValue) {
                if (typeof headerValue === 'number') {
                    clientHeader = String(headerValue);
                }
                else if (Array.isArray(headerValue)) {
                    clientHeader = headerValue.join(', ');
                }
                else {
                    clientHeader = headerValue;
                }
            }
        }
        const additionalValue = additionalHeaders[Headers.ContentType];
        // Return the first non-undefined value, converting numbers or arrays to strings if necessary
        if (additionalValue !== undefined) {
            if (typeof additionalValue === 'number') {
                return String(additionalValue);
            }
            else if (Array.isArray(additionalValue)) {
                return additionalValue.join(', ');
            }
            else {
                return additionalValue;
            }
        }
        if (clientHeader !== undefined) {
            return clientHeader;
        }
        return _default;
    }
    _getAgent(parsedUrl) {
        let agent;
        const proxyUrl = getProxyUrl(parsedUrl);
        const useProxy = proxyUrl && proxyUrl.hostname;
        if (this._keepAlive && useProxy) {
            agent = this._proxyAgent;
        }
        if (!useProxy) {
            agent = this._agent;
        }
        // if agent is already assigned use that agent.
        if (agent) {
            return agent;
        }
        const usingSsl = parsedUrl.protocol === 'https:';
        let maxSockets = 100;
        if (this.requestOptions) {
            maxSockets = this.requestOptions.maxSockets || external_http_namespaceObject.globalAgent.maxSockets;
        }
        // This is `useProxy` again, but we need to check `proxyURl` directly for TypeScripts's flow analysis.
        if (proxyUrl && proxyUrl.hostname) {
            const agentOptions = {
                maxSockets,
                keepAlive: this._keepAlive,
                proxy: Object.assign(Object.assign({}, ((proxyUrl.username || proxyUrl.password) && {
                    proxyAuth: `${proxyUrl.username}:${proxyUrl.password}`
                })), { host: proxyUrl.hostname, port: proxyUrl.port })
            };
            let tunnelAgent;
            const overHttps = proxyUrl.protocol === 'https:';
            if (usingSsl) {
                tunnelAgent = overHttps ? external_not_bundled_js_namespaceObject.httpsOverHttps : external_not_bundled_js_namespaceObject.httpsOverHttp;
            }
            else {
                tunnelAgent = overHttps ? external_not_bundled_js_namespaceObject.httpOverHttps : external_not_bundled_js_namespaceObject.httpOverHttp;
            }
            agent = tunnelAgent(agentOptions);
            this._proxyAgent = agent;
        }
        // if tunneling agent isn't assigned create a new agent
        if (!agent) {
            const options = { keepAlive: this._keepAlive, maxSockets };
            agent = usingSsl ? new external_https_namespaceObject.Agent(options) : new external_http_namespaceObject.Agent(options);
            this._agent = agent;
        }
        if (usingSsl && this._ignoreSslError) {
            // we don't want to set NODE_TLS_REJECT_UNAUTHORIZED=0 since that will affect request for entire process
            // http.RequestOptions doesn't expose a way to modify RequestOptions.agent.options
            // we have to cast it to any and change it directly
            agent.options = Object.assign(agent.options || {}, {
                rejectUnauthorized: false
            });
        }
        return agent;
    }
    _getProxyAgentDispatcher(parsedUrl, proxyUrl) {
        let proxyAgent;
        if (this._keepAlive) {
            proxyAgent = this._proxyAgentDispatcher;
        }
        // if agent is already assigned use that agent.
        if (proxyAgent) {
            return proxyAgent;
        }
        const usingSsl = parsedUrl.protocol === 'https:';
        proxyAgent = new external_not_bundled_js_namespaceObject.ProxyAgent(Object.assign({ uri: proxyUrl.href, pipelining: !this._keepAlive ? 0 : 1 }, ((proxyUrl.username || proxyUrl.password) && {
            token: `Basic ${Buffer.from(`${proxyUrl.username}:${proxyUrl.password}`).toString('base64')}`
        })));
        this._proxyAgentDispatcher = proxyAgent;
        if (usingSsl && this._ignoreSslError) {
            // we don't want to set NODE_TLS_REJECT_UNAUTHORIZED=0 since that will affect request for entire process
            // http.RequestOptions doesn't expose a way to modify RequestOptions.agent.options
            // we have to cast it to any and change it directly
            proxyAgent.options = Object.assign(proxyAgent.options.requestTls || {}, {
                rejectUnauthorized: false
            });
        }
        return proxyAgent;
    }
    _getUserAgentWithOrchestrationId(userAgent) {
        const baseUserAgent = userAgent || 'actions/http-client';
        const orchId = process.env['ACTIONS_ORCHESTRATION_ID'];
        if (orchId) {
            // Sanitize the orchestration ID to ensure it contains only valid characters
            // Valid characters: 0-9, a-z, _, -, .
            const sanitizedId = orchId.replace(/[^a-z0-9_.-]/gi, '_');
            return `${baseUserAgent} actions_orchestration_id/${sanitizedId}`;
        }
        return baseUserAgent;
    }
    _performExponentialBackoff(retryNumber) {
        return lib_awaiter(this, void 0, void 0, function* () {
            retryNumber = Math.min(ExponentialBackoffCeiling, retryNumber);
            const ms = ExponentialBackoffTimeSlice * Math.pow(2, retryNumber);
            return new Promise(resolve => setTimeout(() => resolve(), ms));
        });
    }
    _processResponse(res, options) {
        return lib_awaiter(this, void 0, void 0, function* () {
            return new Promise((resolve, reject) => lib_awaiter(this, void 0, void 0, function* () {
                const statusCode = res.message.statusCode || 0;
                const response = {
                    statusCode,
                    result: null,
                    headers: {}
                };
                // not found leads to null obj returned
                if (statusCode === HttpCodes.NotFound) {
                    resolve(response);
                }
                // get the result from the body
                function dateTimeDeserializer(key, value) {
                    if (typeof value === 'string') {
                        const a = new Date(value);
                        if (!isNaN(a.valueOf())) {
                            return a;
                        }
                    }
                    return value;
                }
                let obj;
                let contents;
                try {
                    contents = yield res.readBody();
                    if (contents && contents.length > 0) {
                        if (options && options.deserializeDates) {
                            obj = JSON.parse(contents, dateTimeDeserializer);
                        }
                        else {
                            obj = JSON.parse(contents);
                        }
                        response.result = obj;
                    }
                    response.headers = res.message.headers;
                }
                catch (err) {
                    // Invalid resource (contents not json);  leaving result obj null
                }
                // note that 3xx redirects are handled by the http layer.
                if (statusCode > 299) {
                    let msg;
                    // if exception/error in body, attempt to get better error
                    if (obj && obj.message) {
                        msg = obj.message;
                    }
                    else if (contents && contents.length > 0) {
                        // it may be the case that the exception is in the body message as string
                        msg = contents;
                    }
                    else {
                        msg = `Failed request: (${statusCode})`;
                    }
                    const err = new HttpClientError(msg, statusCode);
                    err.result = response.result;
                    reject(err);
                }
                else {
                    resolve(response);
                }
            }));
        });
    }
}
const lowercaseKeys = (obj) => Object.keys(obj).reduce((c, k) => ((c[k.toLowerCase()] = obj[k]), c), {});
//# sourceMappingURL=index.js.map
;// CONCATENATED MODULE: external "node:timers/promises"
const promises_namespaceObject = require("node:timers/promises");
;// CONCATENATED MODULE: ./build/clock.js

const clock = {
  now: () => Number(process.hrtime.bigint()) / 1e6,
  date: () => Date.now(),
  sleep: (ms, signal) => (0,promises_namespaceObject.setTimeout)(ms, undefined, signal && { signal }),
  random: () => Math.random(),
};
function isoDate(msSinceEpoch) {
  return new Date(msSinceEpoch).toISOString().replace(/\.\d+Z$/, "Z");
}
async function within(ms, promise, late) {
  const settled = new AbortController();
  const timeout = clock.sleep(ms, settled.signal).then(late, () => promise);
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    settled.abort();
  }
}
function afterPendingReads(callback) {
  setImmediate(callback);
}

;// CONCATENATED MODULE: ./build/debug.js

let write;
function writeDebugTo(sink) {
  write = sink;
}
function debug_debug(line) {
  write?.(printable(line()));
}
function isDebugOn() {
  return write !== undefined;
}

;// CONCATENATED MODULE: external "node:os"
const external_node_os_namespaceObject = require("node:os");
;// CONCATENATED MODULE: ./build/errors.js


const REPOSITORY = "https://github.com/org/armor-token-action";
const TROUBLESHOOTING = `${REPOSITORY}/blob/v1/docs/troubleshooting.md`;
const CAN_PASS = {
  input_invalid: false,
  runner_unsupported: false,
  file_failed: false,
  cancelled: false,
  host_unknown: false,
  dns_failed: true,
  connection_failed: true,
  reply_incomplete: true,
  reply_timeout: true,
  certificate_rejected: false,
  tls_failed: false,
  proxy_failed: true,
  proxy_refused: false,
  redirect_refused: false,
  credentials_rejected: false,
  access_denied: false,
  endpoint_not_found: false,
  request_rejected: false,
  rate_limited: true,
  server_unavailable: true,
  reply_invalid: false,
  token_expired: true,
  agent_failed: false,
  agent_stopping: false,
  internal_error: false,
};
const ERROR_CODES = Object.keys(CAN_PASS);
class ArmorError extends Error {
  name = "ArmorError";
  code;
  problem;
  remedy;
  details;
  constructor(code, problem, remedy, details = {}) {
    super(`${problem}. ${remedy}`);
    this.code = code;
    this.problem = problem;
    this.remedy = remedy;
    this.details = details;
  }
  get canPass() {
    return CAN_PASS[this.code];
  }
  adding(fact) {
    return new ArmorError(this.code, `${this.problem}, ${fact}`, this.remedy, this.details);
  }
}
function asArmorError(error) {
  if (error instanceof ArmorError) return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const what = quote(text).replace(/\.$/, "");
  const remedy = "This is a fault of the action itself: please report this line.";
  return new ArmorError("internal_error", `Unexpected ${what}`, remedy);
}
function annotationOf(code, message) {
  return `${message} (${code}, ${TROUBLESHOOTING}#${code})`;
}
const FILE_REMEDIES = new Map([
  ["ENOSPC", "Free space on the runner's disk in a step before this one."],
  ["EDQUOT", "Raise the disk quota of the runner's user, or free space in a step before this one."],
  ["EROFS", "Mount the runner's work folder so that it can be written."],
  ["EMFILE", "Raise the runner's limit of open files (ulimit -n)."],
  ["ENFILE", "Raise the machine's limit of open files (sysctl fs.file-max)."],
  ["EFBIG", "Raise the runner's limit for the size of a file (ulimit -f)."],
  [
    "ENOENT",
    "A step has removed it, or the runner has not made it: see what cleans up RUNNER_TEMP.",
  ],
]);
function fileError(what, error, ownerId) {
  const { code, reason } = reasonOf(error);
  const why = reason === undefined ? "for an unknown reason" : `${reason} (${code})`;
  return new ArmorError(
    "file_failed",
    `${what} cannot be written: ${why}`,
    remedyFor(code, ownerId),
  );
}
function reasonOf({ errno, message }) {
  if (errno === -external_node_os_namespaceObject.constants.errno.EDQUOT) return { code: "EDQUOT", reason: "disk quota exceeded" };
  const { code = "", reason } = /^(?<code>[A-Z\d]+): (?<reason>[^,]+)/.exec(message)?.groups ?? {};
  return { code, reason };
}
function remedyFor(code, ownerId) {
  if (code === "EACCES" || code === "EPERM") {
    const option = ownerId === undefined ? "" : ` (options: --user ${ownerId})`;
    return `In a container job, run the container as the user who owns the runner's files${option}.`;
  }
  return (
    FILE_REMEDIES.get(code) ?? "Check the runner's disk and the folder that RUNNER_TEMP names."
  );
}

;// CONCATENATED MODULE: external "node:dns"
const external_node_dns_namespaceObject = require("node:dns");
var external_node_dns_default = /*#__PURE__*/__nccwpck_require__.n(external_node_dns_namespaceObject);
;// CONCATENATED MODULE: external "node:net"
const external_node_net_namespaceObject = require("node:net");
var external_node_net_default = /*#__PURE__*/__nccwpck_require__.n(external_node_net_namespaceObject);
;// CONCATENATED MODULE: ./build/armor/connecting.js




class Progress {
  stage = "connected";
  dnsCode;
  #isEnded = false;
  #giveUp = () => undefined;
  onEnd(giveUp) {
    this.#giveUp = giveUp;
    if (this.#isEnded) giveUp();
  }
  end() {
    this.#isEnded = true;
    this.#giveUp();
  }
}
async function connect(endpoint, progress, signal) {
  progress.stage = "looking-up";
  const addresses = await lookUp(endpoint.host, progress, signal);
  progress.stage = "connecting";
  return await new Race(alternate(addresses), endpoint.port, signal).run();
}
const UNKNOWN_NAME_MS = 5_000;
const FIRST_DNS_PAUSE_MS = 250;
const MAX_DNS_PAUSE_MS = 1_000;
const MAY_BE_KNOWN_SOON = new Set(["ENOTFOUND", "EAI_AGAIN"]);
async function lookUp(host, progress, signal) {
  const family = (0,external_node_net_namespaceObject.isIP)(host);
  if (family !== 0) return [{ address: host, family }];
  const beganAt = clock.now();
  let pauseMs = FIRST_DNS_PAUSE_MS;
  for (;;) {
    const askedAt = clock.now();
    const elapsed = () => `after ${Math.round(clock.now() - askedAt)} ms`;
    try {
      const addresses = await askDns(host, signal);
      debug_debug(() => `DNS: ${host} is ${addresses.map(toText).join(", ")}, ${elapsed()}`);
      return addresses;
    } catch (error) {
      const code = String(error.code);
      if (!signal.aborted) progress.dnsCode = code;
      debug_debug(
        () => `DNS: no address for ${host} (${signal.aborted ? "no answer" : code}), ${elapsed()}`,
      );
      const isLastTry = clock.now() + pauseMs - beganAt > UNKNOWN_NAME_MS;
      if (isLastTry || !MAY_BE_KNOWN_SOON.has(code)) throw error;
    }
    await clock.sleep(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, MAX_DNS_PAUSE_MS);
  }
}
function toText({ address }) {
  return address;
}
const HINTS = process.platform === "win32" ? 0 : (external_node_dns_default()).ADDRCONFIG;
function askDns(host, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    external_node_dns_default().lookup(host, { all: true, hints: HINTS }, (error, addresses) => {
      signal.removeEventListener("abort", onAbort);
      if (error !== null) reject(error);
      else if (addresses.length === 0) reject(unknownName(host));
      else resolve(addresses);
    });
  });
}
function unknownName(host) {
  return Object.assign(new Error(`no address for ${host}`), { code: "ENOTFOUND" });
}
function alternate(addresses) {
  const firstFamily = addresses[0]?.family;
  const preferred = addresses.filter(({ family }) => family === firstFamily);
  const others = addresses.filter(({ family }) => family !== firstFamily);
  const result = [];
  while (preferred.length > 0 || others.length > 0) {
    result.push(...preferred.splice(0, 1), ...others.splice(0, 1));
  }
  return result;
}
class Race {
  #addresses;
  #port;
  #signal;
  #attempts = new Set();
  #failures = [];
  #timer;
  constructor(addresses, port, signal) {
    this.#addresses = [...addresses];
    this.#port = port;
    this.#signal = signal;
  }
  async run() {
    this.#signal.throwIfAborted();
    const { promise, resolve, reject } = withResolvers();
    const onAbort = () => reject(this.#signal.reason);
    this.#signal.addEventListener("abort", onAbort, { once: true });
    try {
      this.#startNext(resolve, reject);
      return await promise;
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
      clearTimeout(this.#timer);
      for (const loser of this.#attempts) loser.destroy();
    }
  }
  #startNext(won, lost) {
    clearTimeout(this.#timer);
    const next = this.#addresses.shift();
    if (next === undefined) return;
    const { address, family } = next;
    const beganAt = clock.now();
    const elapsed = () => `${Math.round(clock.now() - beganAt)} ms`;
    const socket = external_node_net_default().connect({
      host: address,
      port: this.#port,
      family,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 1_000,
    });
    this.#attempts.add(socket);
    const onError = (error) => {
      debug_debug(() => `${address} port ${this.#port}: ${error.message}, after ${elapsed()}`);
      this.#attempts.delete(socket);
      this.#failures.push(error);
      const isLast = this.#attempts.size === 0 && this.#addresses.length === 0;
      if (isLast) lost(mostTelling(this.#failures));
      else this.#startNext(won, lost);
    };
    socket.once("error", onError);
    socket.once("connect", () => {
      debug_debug(() => `${address} port ${this.#port}: connected in ${elapsed()}`);
      this.#attempts.delete(socket);
      socket.off("error", onError);
      won(socket);
    });
    const delayMs = external_node_net_default().getDefaultAutoSelectFamilyAttemptTimeout();
    this.#timer = setTimeout(() => this.#startNext(won, lost), delayMs);
  }
}
const NO_ROUTE = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT", "EHOSTUNREACH", "ENETUNREACH"]);
function lacksIpv6(error) {
  const { code = "", address = "" } = error;
  return NO_ROUTE.has(code) && (0,external_node_net_namespaceObject.isIP)(address) === 6;
}
function mostTelling(failures) {
  const isReached = ({ code = "" }) => !NO_ROUTE.has(code);
  const failure =
    failures.find(isReached) ?? failures.find((one) => !lacksIpv6(one)) ?? failures[0];
  return failure ?? new Error("no address was tried");
}
function withResolvers() {
  let resolve = () => undefined;
  let reject = () => undefined;
  const promise = new Promise((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

;// CONCATENATED MODULE: ./build/armor/debug-lines.js

const SHOWN_HEADERS = ["date", "server", "via", "x-request-id", "retry-after"];
function shownHeaders(headers) {
  return SHOWN_HEADERS.filter((name) => headers[name] !== undefined)
    .map((name) => `, ${name}: "${quote(String(headers[name]))}"`)
    .join("");
}

;// CONCATENATED MODULE: external "node:fs"
const external_node_fs_namespaceObject = require("node:fs");
var external_node_fs_default = /*#__PURE__*/__nccwpck_require__.n(external_node_fs_namespaceObject);
;// CONCATENATED MODULE: ./build/armor/host.js

function withoutBrackets(hostname) {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
function isLoopback(hostname) {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
const CONTAINER_FILES = ["/.dockerenv", "/run/.containerenv"];
function containerHint(hostname) {
  if (!isLoopback(hostname) || !isInContainer()) return "";
  return (
    "In a container, 127.0.0.1 and localhost are the container itself: to reach the machine or a " +
    "service from there, use host.docker.internal or the name of the service. "
  );
}
function isInContainer() {
  if (process.ppid === 0) return true;
  try {
    return CONTAINER_FILES.some((file) => external_node_fs_default().existsSync(file));
  } catch {
    return false;
  }
}

;// CONCATENATED MODULE: ./build/armor/verify-errors.js
const VERIFY_ERRORS = new Map([
  ["UNSPECIFIED", "unspecified certificate verification error"],
  ["UNABLE_TO_GET_ISSUER_CERT", "unable to get issuer certificate"],
  ["UNABLE_TO_GET_CRL", "unable to get certificate CRL"],
  ["UNABLE_TO_DECRYPT_CERT_SIGNATURE", "unable to decrypt certificate's signature"],
  ["UNABLE_TO_DECRYPT_CRL_SIGNATURE", "unable to decrypt CRL's signature"],
  ["UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY", "unable to decode issuer public key"],
  ["CERT_SIGNATURE_FAILURE", "certificate signature failure"],
  ["CRL_SIGNATURE_FAILURE", "CRL signature failure"],
  ["CERT_NOT_YET_VALID", "certificate is not yet valid"],
  ["CERT_HAS_EXPIRED", "certificate has expired"],
  ["CRL_NOT_YET_VALID", "CRL is not yet valid"],
  ["CRL_HAS_EXPIRED", "CRL has expired"],
  ["ERROR_IN_CERT_NOT_BEFORE_FIELD", "format error in certificate's notBefore field"],
  ["ERROR_IN_CERT_NOT_AFTER_FIELD", "format error in certificate's notAfter field"],
  ["ERROR_IN_CRL_LAST_UPDATE_FIELD", "format error in CRL's lastUpdate field"],
  ["ERROR_IN_CRL_NEXT_UPDATE_FIELD", "format error in CRL's nextUpdate field"],
  ["OUT_OF_MEM", "out of memory"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "self-signed certificate in certificate chain"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "unable to get local issuer certificate"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate"],
  ["CERT_CHAIN_TOO_LONG", "certificate chain too long"],
  ["CERT_REVOKED", "certificate revoked"],
  ["NO_ISSUER_PUBLIC_KEY", "issuer certificate doesn't have a public key"],
  ["PATH_LENGTH_EXCEEDED", "path length constraint exceeded"],
  ["INVALID_PURPOSE", "unsuitable certificate purpose"],
  ["CERT_UNTRUSTED", "certificate not trusted"],
  ["CERT_REJECTED", "certificate rejected"],
  ["SUBJECT_ISSUER_MISMATCH", "subject issuer mismatch"],
  ["AKID_SKID_MISMATCH", "authority and subject key identifier mismatch"],
  ["AKID_ISSUER_SERIAL_MISMATCH", "authority and issuer serial number mismatch"],
  ["KEYUSAGE_NO_CERTSIGN", "key usage does not include certificate signing"],
  ["UNABLE_TO_GET_CRL_ISSUER", "unable to get CRL issuer certificate"],
  ["UNHANDLED_CRITICAL_EXTENSION", "unhandled critical extension"],
  ["KEYUSAGE_NO_CRL_SIGN", "key usage does not include CRL signing"],
  ["UNHANDLED_CRITICAL_CRL_EXTENSION", "unhandled critical CRL extension"],
  ["INVALID_NON_CA", "invalid non-CA certificate (has CA markings)"],
  ["PROXY_PATH_LENGTH_EXCEEDED", "proxy path length constraint exceeded"],
  ["KEYUSAGE_NO_DIGITAL_SIGNATURE", "key usage does not include digital signature"],
  [
    "PROXY_CERTIFICATES_NOT_ALLOWED",
    "proxy certificates not allowed, please set the appropriate flag",
  ],
  ["INVALID_EXTENSION", "invalid or inconsistent certificate extension"],
  ["INVALID_POLICY_EXTENSION", "invalid or inconsistent certificate policy extension"],
  ["NO_EXPLICIT_POLICY", "no explicit policy"],
  ["DIFFERENT_CRL_SCOPE", "different CRL scope"],
  ["UNSUPPORTED_EXTENSION_FEATURE", "unsupported extension feature"],
  ["UNNESTED_RESOURCE", "RFC 3779 resource not subset of parent's resources"],
  ["PERMITTED_VIOLATION", "permitted subtree violation"],
  ["EXCLUDED_VIOLATION", "excluded subtree violation"],
  ["SUBTREE_MINMAX", "name constraints minimum and maximum not supported"],
  ["APPLICATION_VERIFICATION", "application verification failure"],
  ["UNSUPPORTED_CONSTRAINT_TYPE", "unsupported name constraint type"],
  ["UNSUPPORTED_CONSTRAINT_SYNTAX", "unsupported or invalid name constraint syntax"],
  ["UNSUPPORTED_NAME_SYNTAX", "unsupported or invalid name syntax"],
  ["CRL_PATH_VALIDATION_ERROR", "CRL path validation error"],
  ["PATH_LOOP", "path loop"],
  ["SUITE_B_INVALID_VERSION", "Suite B: certificate version invalid"],
  ["SUITE_B_INVALID_ALGORITHM", "Suite B: invalid public key algorithm"],
  ["SUITE_B_INVALID_CURVE", "Suite B: invalid ECC curve"],
  ["SUITE_B_INVALID_SIGNATURE_ALGORITHM", "Suite B: invalid signature algorithm"],
  ["SUITE_B_LOS_NOT_ALLOWED", "Suite B: curve not allowed for this LOS"],
  ["SUITE_B_CANNOT_SIGN_P_384_WITH_P_256", "Suite B: cannot sign P-384 with P-256"],
  ["HOSTNAME_MISMATCH", "hostname mismatch"],
  ["EMAIL_MISMATCH", "email address mismatch"],
  ["IP_ADDRESS_MISMATCH", "IP address mismatch"],
  ["DANE_NO_MATCH", "no matching DANE TLSA records"],
  ["EE_KEY_TOO_SMALL", "EE certificate key too weak"],
  ["CA_KEY_TOO_SMALL", "CA certificate key too weak"],
  ["CA_MD_TOO_WEAK", "CA signature digest algorithm too weak"],
  ["INVALID_CALL", "invalid certificate verification context"],
  ["STORE_LOOKUP", "issuer certificate lookup error"],
  ["NO_VALID_SCTS", "Certificate Transparency required, but no valid SCTs found"],
  ["PROXY_SUBJECT_NAME_VIOLATION", "proxy subject name violation"],
  ["OCSP_VERIFY_NEEDED", "OCSP verification needed"],
  ["OCSP_VERIFY_FAILED", "OCSP verification failed"],
  ["OCSP_CERT_UNKNOWN", "OCSP unknown cert"],
  ["UNSUPPORTED_SIGNATURE_ALGORITHM", "Cannot find certificate signature algorithm"],
  [
    "SIGNATURE_ALGORITHM_MISMATCH",
    "subject signature algorithm and issuer public key algorithm mismatch",
  ],
  ["SIGNATURE_ALGORITHM_INCONSISTENCY", "cert info signature and signature algorithm mismatch"],
  ["INVALID_CA", "invalid CA certificate"],
  ["PATHLEN_INVALID_FOR_NON_CA", "Path length invalid for non-CA cert"],
  ["PATHLEN_WITHOUT_KU_KEY_CERT_SIGN", "Path length given without key usage keyCertSign"],
  ["KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA", "Key usage keyCertSign invalid for non-CA cert"],
  ["ISSUER_NAME_EMPTY", "Issuer name empty"],
  ["SUBJECT_NAME_EMPTY", "Subject name empty"],
  ["MISSING_AUTHORITY_KEY_IDENTIFIER", "Missing Authority Key Identifier"],
  ["MISSING_SUBJECT_KEY_IDENTIFIER", "Missing Subject Key Identifier"],
  ["EMPTY_SUBJECT_ALT_NAME", "Empty Subject Alternative Name extension"],
  ["EMPTY_SUBJECT_SAN_NOT_CRITICAL", "Subject empty and Subject Alt Name extension not critical"],
  ["CA_BCONS_NOT_CRITICAL", "Basic Constraints of CA cert not marked critical"],
  ["AUTHORITY_KEY_IDENTIFIER_CRITICAL", "Authority Key Identifier marked critical"],
  ["SUBJECT_KEY_IDENTIFIER_CRITICAL", "Subject Key Identifier marked critical"],
  ["CA_CERT_MISSING_KEY_USAGE", "CA cert does not include key usage extension"],
  ["EXTENSIONS_REQUIRE_VERSION_3", "Using cert extension requires at least X509v3"],
  ["EC_KEY_EXPLICIT_PARAMS", "Certificate public key has explicit ECC parameters"],
  ["RPK_UNTRUSTED", "Raw public key untrusted, no trusted keys configured"],
]);

;// CONCATENATED MODULE: ./build/armor/certificate.js



const PRIVATE_CA =
  "If the issuer is your own CA, or a proxy that inspects TLS, give its certificate as " +
  "ca-certificate. If you do not know it, ask who runs the network.";
const FAMILIES = [
  {
    names: new Set(["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN"]),
    problem: "has a certificate that is self-signed, or of a self-signed authority",
    remedy: PRIVATE_CA,
  },
  {
    names: new Set(["UNABLE_TO_GET_ISSUER_CERT"]),
    problem:
      "has a certificate that is not signed by an authority that this runner trusts: " +
      "the root of its chain is missing",
    remedy:
      "Give the root certificate of its private CA as ca-certificate, too: an intermediate one " +
      "alone is not enough.",
  },
  {
    names: new Set([
      "CERT_UNTRUSTED",
      "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    ]),
    problem: "has a certificate that is not signed by an authority that this runner trusts",
    remedy: `${PRIVATE_CA} A server with a public certificate has to send its whole chain.`,
  },
  {
    names: new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"]),
    problem: "has a certificate that is expired or not valid yet",
    remedy:
      "Renew it on the server and check this runner's clock; ca-certificate does not help here.",
  },
  {
    names: new Set([
      "ERR_TLS_CERT_ALTNAME_FORMAT",
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "HOSTNAME_MISMATCH",
      "IP_ADDRESS_MISMATCH",
    ]),
    problem: "has a certificate for another host name",
    remedy: "Use the name that the certificate has; ca-certificate does not help here.",
  },
  {
    names: new Set(["CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "EE_KEY_TOO_SMALL"]),
    remedy:
      "Have it, or that of its authority, replaced: RSA keys of 2048 bits or more, and SHA-256 " +
      "instead of SHA-1. ca-certificate does not help here.",
  },
];
const OTHER_REMEDY =
  "Have it replaced on the server by one that OpenSSL accepts, with its whole chain.";
const RAISED_IN_HANDSHAKE = new Set([
  "CA_KEY_TOO_SMALL",
  "CA_MD_TOO_WEAK",
  "CERTIFICATE_VERIFY_FAILED",
  "EE_KEY_TOO_SMALL",
]);
const NAME_OF_VERIFY_ERROR = /^(CERT|CRL|ERROR_IN|INVALID|OCSP|PATH_LENGTH|SUITE_B|UNABLE)_/;
function certificateFault(nodeCode, error) {
  const { message = "" } = error;
  const name = nameOf(nodeCode, message);
  if (name === undefined) return undefined;
  const family = FAMILIES.find(({ names }) => names.has(name));
  const rejected = `has a certificate that was rejected${certificate_reasonOf(name, message)}`;
  return {
    name,
    problem: family?.problem ?? rejected,
    remedy: family?.remedy ?? OTHER_REMEDY,
  };
}
function nameOf(nodeCode, message) {
  if (nodeCode === "UNSPECIFIED") {
    const found = [...VERIFY_ERRORS].find(([, words]) => words === message);
    return found?.[0] ?? nodeCode;
  }
  const raised = nodeCode.replace(/^ERR_SSL_/, "");
  if (RAISED_IN_HANDSHAKE.has(raised)) return raised;
  const isFamiliar = FAMILIES.some(({ names }) => names.has(nodeCode));
  const isKnown = isFamiliar || VERIFY_ERRORS.has(nodeCode) || NAME_OF_VERIFY_ERROR.test(nodeCode);
  return isKnown ? nodeCode : undefined;
}
function certificate_reasonOf(name, message) {
  const words = name === "UNSPECIFIED" ? message : VERIFY_ERRORS.get(name);
  return words === undefined || words === "" ? "" : `: ${quote(words)}`;
}
function watchCertificate(socket) {
  let certificate;
  socket.prependOnceListener("secure", () => {
    certificate = socket.getPeerCertificate();
  });
  const addCertificate = (error) => {
    const rejected = certificate;
    if (rejected === undefined) return;
    error.cert ??= rejected;
    debug_debug(() => `TLS failed: ${error.code}, ${describe(rejected)}`);
  };
  socket.prependOnceListener("error", addCertificate);
  socket.once("secureConnect", () => {
    socket.off("error", addCertificate);
    debug_debug(() => `${socket.getProtocol()}, ${describe(socket.getPeerCertificate())}`);
  });
}
function describe(certificate) {
  const subject = nameIn(certificate.subject) ?? "nobody";
  const issuer = nameIn(certificate.issuer) ?? "nobody";
  return `certificate of "${subject}" by "${issuer}" until ${quote(String(certificate.valid_to))}`;
}
function issuerOf(error) {
  const { cert } = error;
  return cert === undefined ? undefined : nameIn(cert.issuer);
}
function nameIn(names) {
  const attributes = names ?? {};
  const value = attributes["CN"] ?? attributes["O"] ?? attributes["OU"];
  if (value === undefined) return undefined;
  const text = quote([value].flat().join(", ")).replaceAll('"', "'");
  return text === "" ? undefined : text;
}

;// CONCATENATED MODULE: ./build/armor/fault.js


const CHECK_PORT = "Check the scheme, the host and the port of its address.";
const CHECK_WAY =
  "Check what stands between this runner and Armor, such as a proxy or load balancer.";
const fault_FAMILIES = [
  {
    nodeCodes: /^(EMFILE|ENFILE|ENOBUFS|EADDRNOTAVAIL)$/,
    code: "connection_failed",
    problem: "cannot be connected to, because this runner has no free file or port",
    remedy: "Check the limit of open files (ulimit -n) and what else runs on this machine.",
  },
  {
    nodeCodes: /ALERT_(.*CERTIFICATE|UNKNOWN_CA)/,
    code: "tls_failed",
    problem: "asks for a client certificate, which this action does not send",
    remedy: "Use an address that takes the client app's key alone.",
  },
  {
    nodeCodes: /WRONG_VERSION|PACKET_LENGTH|UNKNOWN_PROTOCOL/,
    code: "tls_failed",
    problem: "does not speak TLS",
    remedy: CHECK_PORT,
  },
  {
    nodeCodes: /^(EPROTO$|ERR_(SSL|TLS|OSSL)_)/,
    code: "tls_failed",
    problem: "and this runner have no TLS version or cipher in common, or TLS was cut off",
    remedy:
      "Check the server's TLS settings, the port, and whether a client certificate is wanted.",
  },
  {
    nodeCodes: /^HPE_HEADER_OVERFLOW$/,
    code: "reply_invalid",
    problem: "answered with headers of more than 16 KB",
    remedy: CHECK_WAY,
  },
  {
    nodeCodes: /^HPE_(INVALID_(CONSTANT|VERSION)|STRICT)$/,
    code: "reply_invalid",
    problem: "answered with something that is not HTTP",
    remedy: CHECK_PORT,
  },
  {
    nodeCodes: /^HPE_/,
    code: "reply_invalid",
    problem:
      "answered with HTTP that contradicts itself, or with a reply that this action does not take",
    remedy: CHECK_WAY,
  },
];
function faultOf(error) {
  const nodeCode = codeOf(error);
  if (lacksIpv6(error)) {
    return {
      code: "connection_failed",
      problem: `has an IPv6 address, and this runner has no way there by IPv6 (${nodeCode})`,
      remedy: "Use a name or an address with IPv4, or give this runner (or its container) IPv6.",
    };
  }
  const rejected = certificateFault(nodeCode, error);
  if (rejected !== undefined) {
    const issuer = issuerOf(error);
    const whose = issuer === undefined ? "" : `; its issuer is "${issuer}"`;
    const problem = `${rejected.problem} (${rejected.name})${whose}`;
    return { code: "certificate_rejected", problem, remedy: rejected.remedy };
  }
  const family = fault_FAMILIES.find(({ nodeCodes }) => nodeCodes.test(nodeCode));
  if (family === undefined) return undefined;
  const { code, problem, remedy } = family;
  return { code, problem: `${problem} (${nodeCode})`, remedy };
}
const OPENSSL_REASON = /:error:\w+:[^:]*:[^:]*:(?<reason>[\w /]+):/;
function codeOf(error) {
  const { name, code, message = "" } = error;
  if (name === "AbortError" || name === "TimeoutError") return "ETIMEDOUT";
  const reason = code === "EPROTO" ? OPENSSL_REASON.exec(message)?.groups?.["reason"] : undefined;
  if (reason !== undefined) return `ERR_SSL_${reason.toUpperCase().replaceAll(" ", "_")}`;
  return typeof code === "string" && /^[\w/]+$/.test(code) ? code : "";
}

;// CONCATENATED MODULE: ./build/armor/proxy-error.js



const EARLY_BYTES = "EARLY_BYTES";
const CHECK_PROXY = "Check https_proxy, that the proxy is up, and that it can reach the host.";
function proxyError(proxy, target, error, stage = "connecting") {
  const who = `The proxy ${proxy.origin}`;
  const nodeCode = codeOf(error) || error.name;
  if (nodeCode === "ENOTFOUND") {
    const problem = `DNS does not know the proxy ${proxy.origin} (${nodeCode})`;
    return new ArmorError("proxy_failed", problem, CHECK_PROXY);
  }
  if (stage === "looking-up" || nodeCode.startsWith("EAI_")) {
    const problem = `DNS does not answer for the proxy ${proxy.origin} (${nodeCode})`;
    return new ArmorError("proxy_failed", problem, CHECK_PROXY);
  }
  const fault = faultOf(error);
  switch (fault?.code) {
    case "connection_failed":
      return new ArmorError(fault.code, `${who} ${fault.problem}`, fault.remedy);
    case "certificate_rejected":
    case "tls_failed":
      return new ArmorError("proxy_refused", `${who} ${fault.problem}`, fault.remedy);
  }
  const isNoProxy = fault?.code === "reply_invalid" || nodeCode === EARLY_BYTES;
  const what = isNoProxy ? "does not answer as an HTTP proxy" : "cannot be used";
  const problem = `${who} ${what} (${nodeCode}): no connection to ${target}`;
  const hint = nodeCode === "ECONNREFUSED" ? containerHint(new URL(proxy.origin).hostname) : "";
  return new ArmorError("proxy_failed", problem, hint + CHECK_PROXY);
}
function proxyStatusError(proxy, target, status, challenge = "") {
  const who = `The proxy ${proxy.origin}`;
  if (status === 401 || status === 407) return credentialsError(proxy, status, challenge);
  if (status === 408 || status === 429 || (status >= 500 && status <= 599)) {
    const problem = `${who} cannot connect to ${target} (${status})`;
    return new ArmorError("proxy_failed", problem, CHECK_PROXY);
  }
  if (status >= 300 && status <= 499) {
    const remedy =
      "Have the proxy allow this host, or list it in no_proxy if this runner reaches it directly.";
    const problem = `${who} refuses to connect to ${target} (${status})`;
    return new ArmorError("proxy_refused", problem, remedy);
  }
  const problem = `${who} does not answer as an HTTP proxy (${status}): no connection to ${target}`;
  return new ArmorError("proxy_failed", problem, CHECK_PROXY);
}
const SCHEMES = /(?:^|,)\s*(?<scheme>basic|digest|ntlm|negotiate|bearer)\b/g;
function credentialsError(proxy, status, challenge) {
  const who = `The proxy ${proxy.origin}`;
  const named = challenge.toLowerCase().matchAll(SCHEMES);
  const schemes = [...named].map(({ groups }) => groups?.["scheme"]);
  if (schemes.length > 0 && !schemes.includes("basic")) {
    const wanted = `wants authentication by ${schemes.join(" or ")} (${status})`;
    const problem = `${who} ${wanted}, and this action sends Basic only`;
    const remedy = "Have the proxy accept Basic authentication, or list the host in no_proxy.";
    return new ArmorError("proxy_refused", problem, remedy);
  }
  const what =
    proxy.credentials === undefined
      ? "wants a user and a password"
      : "does not accept the user and password";
  const remedy = "Put them, percent-encoded, into https_proxy: http://user:password@host:port.";
  return new ArmorError("proxy_refused", `${who} ${what} (${status})`, remedy);
}

;// CONCATENATED MODULE: ./build/armor/network-error.js




const CHECK_DNS =
  "Check api-url, this runner's DNS, and whether it needs https_proxy to leave its network.";
function networkError(error, state) {
  if (error instanceof ArmorError) return error;
  const { origin, hostname } = state.url;
  const nodeCode = codeOf(error);
  const isCutOff = state.isReplying || /^HPE_(INVALID_EOF_STATE|CLOSED_CONNECTION)$/.test(nodeCode);
  if (isCutOff) {
    const problem = `${origin} broke off its answer`;
    return new ArmorError("reply_incomplete", problem, "Run the job again later.");
  }
  if (isFromDns(nodeCode)) return dnsError(hostname, nodeCode);
  const fault = faultOf(error);
  if (fault !== undefined) {
    return new ArmorError(fault.code, `${via(state)} ${fault.problem}`, fault.remedy);
  }
  const why = nodeCode === "" ? "" : ` (${nodeCode})`;
  const hint = nodeCode === "ECONNREFUSED" ? containerHint(hostname) : "";
  const remedy = `${hint}Check api-url, and that a firewall lets this runner reach it.`;
  return new ArmorError("connection_failed", `No connection to ${via(state)}${why}`, remedy);
}
function isFromDns(nodeCode) {
  return nodeCode === "ENOTFOUND" || nodeCode.startsWith("EAI_");
}
function dnsError(hostname, nodeCode) {
  if (nodeCode === "ENOTFOUND") {
    const problem = `DNS does not know the host ${hostname} (${nodeCode})`;
    return new ArmorError("host_unknown", problem, CHECK_DNS);
  }
  const problem = `DNS does not answer for the host ${hostname} (${nodeCode})`;
  return new ArmorError("dns_failed", problem, CHECK_DNS);
}
function timeoutError(state) {
  const { url, proxy, progress, isReplying } = state;
  const stage = progress?.stage ?? "connected";
  const dnsCode = progress?.dnsCode ?? "ETIMEDOUT";
  if (proxy !== undefined && stage !== "connected") {
    const code = stage === "looking-up" ? dnsCode : "ETIMEDOUT";
    return proxyError(proxy, url.host, { code }, stage);
  }
  if (stage === "looking-up") return dnsError(url.hostname, dnsCode);
  const problem = isReplying
    ? `${url.origin} began to answer and did not finish`
    : `No answer from ${via(state)}`;
  const who = proxy === undefined ? "this runner" : "the proxy";
  const orElse = state.isGatewayCall ? "ask for less in one call" : "raise timeout";
  const remedy = `Check that ${who} can reach the host, or ${orElse}.`;
  return new ArmorError("reply_timeout", problem, remedy);
}
function via({ url, proxy }) {
  return proxy === undefined ? url.origin : `${url.origin} through the proxy ${proxy.origin}`;
}

;// CONCATENATED MODULE: ./build/armor/no-proxy.js


function bypassingEntry(url, noProxy) {
  const host = withoutBrackets(url.hostname).replace(/\.$/, "");
  const port = url.port || "443";
  const entries = noProxy.toLowerCase().split(/[\s,]+/);
  return entries.find((entry) => entry === "*" || isEntryFor(entry, host, port));
}
const NO_PROXY_ENTRY = /^(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^:]+))(?::(?<port>\d+))?$/;
function isEntryFor(entry, host, port) {
  const parts = NO_PROXY_ENTRY.exec(entry)?.groups ?? { plain: entry };
  const pattern = parts["bracketed"] ?? parts["plain"] ?? "";
  if (parts["port"] !== undefined && Number(parts["port"]) !== Number(port)) return false;
  if ((0,external_node_net_namespaceObject.isIP)(host) !== 0) return isAddressIn(host, pattern);
  const name = pattern.replace(/^\*?\./, "").replace(/\.$/, "");
  return name !== "" && (host === name || host.endsWith(`.${name}`));
}
const RANGE = /^(?<base>[\da-f.:]+)(?:\/(?<length>\d{1,3}))?$/;
function isAddressIn(address, range) {
  const { base = "", length } = RANGE.exec(range)?.groups ?? {};
  if ((0,external_node_net_namespaceObject.isIP)(base) === 0) return false;
  const maxLength = (0,external_node_net_namespaceObject.isIP)(base) === 6 ? 128 : 32;
  const prefixLength = length === undefined ? maxLength : Number(length);
  if (prefixLength > maxLength) return false;
  const subnet = new external_node_net_namespaceObject.BlockList();
  subnet.addSubnet(base, prefixLength, familyOf(base));
  return subnet.check(address, familyOf(address));
}
function familyOf(address) {
  return (0,external_node_net_namespaceObject.isIP)(address) === 6 ? "ipv6" : "ipv4";
}

;// CONCATENATED MODULE: ./build/armor/proxy.js



function takeRoute(env) {
  const proxy = takeVariable(env, ["https_proxy", "HTTPS_PROXY"]);
  const noProxy = takeVariable(env, ["no_proxy", "NO_PROXY"])?.value ?? "";
  return proxy === undefined ? { noProxy } : { proxy, noProxy };
}
function takeVariable(env, names) {
  const found = names
    .map((variable) => ({ variable, value: env[variable] ?? "" }))
    .find(({ value }) => value !== "");
  for (const name of names) delete env[name];
  return found;
}
function proxyFor(url, route) {
  if (route.proxy === undefined || reasonToBypass(url, route) !== undefined) return undefined;
  return parseProxy(route.proxy);
}
function reasonToBypass(url, { noProxy }) {
  if (isLoopback(url.hostname)) return "the host is this machine";
  const entry = bypassingEntry(url, noProxy);
  return entry === undefined ? undefined : `no_proxy has the entry ${entry}`;
}
function explainRoute(url, route) {
  const direct = `Route to ${url.origin}: direct, because`;
  if (route.proxy === undefined) return `${direct} neither https_proxy nor HTTPS_PROXY is set`;
  const reason = reasonToBypass(url, route);
  if (reason !== undefined) return `${direct} ${reason}`;
  const { origin, credentials } = parseProxy(route.proxy);
  const user = credentials === undefined ? "without" : "with";
  const how = `${user} a user, by the variable ${route.proxy.variable}`;
  return `Route to ${url.origin}: through the proxy ${origin}, ${how}`;
}
const SCHEME = /(?:(?<scheme>[a-z][a-z\d+.-]*):\/\/)?/.source;
const USERINFO = /(?:(?<userinfo>.*)@)?/.source;
const HOST = /(?<host>\[[\da-f:.]+\]|[\w.-]+)/.source;
const PORT = /(?::(?<port>\d{1,5}))?/.source;
const PROXY = new RegExp(`^${SCHEME}${USERINFO}${HOST}${PORT}/?$`, "i");
function parseProxy({ variable, value }) {
  if (!/^[\x21-\x7e]+$/.test(value)) {
    throw refusal(variable, "it contains a blank or a character outside ASCII");
  }
  const parts = PROXY.exec(value)?.groups ?? {};
  const scheme = parts["scheme"]?.toLowerCase() ?? "http";
  if (scheme !== "http" && scheme !== "https") {
    throw refusal(variable, "only http:// and https:// are supported");
  }
  const credentials = decodeUserinfo(parts["userinfo"] ?? "");
  if (credentials === undefined) {
    throw refusal(variable, "user or password holds a character that must be percent-encoded");
  }
  const host = parts["host"];
  if (host === undefined || !URL.canParse(`${scheme}://${host}`)) {
    const cause = "after the scheme there must be a host name and a port, and nothing else";
    throw refusal(variable, cause);
  }
  const port = Number(parts["port"] ?? (scheme === "https" ? 443 : 80));
  if (port < 1 || port > 65_535) throw refusal(variable, "the port is not between 1 and 65535");
  const origin = `${scheme}://${new URL(`${scheme}://${host}`).hostname}:${port}`;
  return credentials === "" ? { origin } : { origin, credentials };
}
function refusal(variable, cause) {
  const problem = `The variable ${variable} is not a valid proxy address: ${cause}`;
  const remedy =
    "Give it as http://proxy.example.com:3128, with special characters of user and password " +
    "percent-encoded (# is %23, / is %2F, % is %25).";
  return new ArmorError("proxy_refused", problem, remedy);
}
function decodeUserinfo(userinfo) {
  if (userinfo === "") return "";
  if (/[#/\\?@]/.test(userinfo)) return undefined;
  const pair = userinfo.includes(":") ? userinfo : `${userinfo}:`;
  try {
    return decodeURIComponent(pair);
  } catch {
    return undefined;
  }
}

;// CONCATENATED MODULE: external "node:http"
const external_node_http_namespaceObject = require("node:http");
var external_node_http_default = /*#__PURE__*/__nccwpck_require__.n(external_node_http_namespaceObject);
;// CONCATENATED MODULE: external "node:https"
const external_node_https_namespaceObject = require("node:https");
var external_node_https_default = /*#__PURE__*/__nccwpck_require__.n(external_node_https_namespaceObject);
;// CONCATENATED MODULE: external "node:tls"
const external_node_tls_namespaceObject = require("node:tls");
var external_node_tls_default = /*#__PURE__*/__nccwpck_require__.n(external_node_tls_namespaceObject);
;// CONCATENATED MODULE: ./build/armor/trust.js


let contextWithMore;
function trustCertificates(certificates) {
  contextWithMore = undefined;
  if (certificates.length === 0) return;
  const secureContext = external_node_tls_default().createSecureContext();
  const native = secureContext.context;
  if (typeof native.addCACert !== "function") {
    const node = `this runner's Node ${process.version}`;
    const problem = `ca-certificate cannot be added to what ${node} trusts`;
    const remedy =
      "Use the Node that comes with the runner, or name the file in NODE_EXTRA_CA_CERTS.";
    throw new ArmorError("runner_unsupported", problem, remedy);
  }
  for (const certificate of certificates) native.addCACert(certificate);
  contextWithMore = secureContext;
}
function trustOptions() {
  const options = { rejectUnauthorized: true };
  if (contextWithMore !== undefined) options.secureContext = contextWithMore;
  return options;
}

;// CONCATENATED MODULE: ./build/armor/tunnel.js











const USER_AGENT = "armor-token-action";
async function openTunnel(proxy, target, progress, signal) {
  const shownTarget = target.replace(/:443$/, "");
  try {
    const socket = await connectToProxy(proxy, progress, signal);
    return await askForTunnel(socket, proxy, target, signal);
  } catch (error) {
    if (!(error instanceof ProxyAnswer)) throw proxyError(proxy, shownTarget, error);
    if (error.isOpen) throw proxyError(proxy, shownTarget, { code: EARLY_BYTES });
    throw proxyStatusError(proxy, shownTarget, error.status, error.challenge);
  }
}
class ProxyAnswer extends Error {
  status;
  challenge;
  constructor(status, challenge) {
    super(`status ${status}`);
    this.status = status;
    this.challenge = challenge;
  }
  get isOpen() {
    return this.status >= 200 && this.status < 300;
  }
}
async function connectToProxy(proxy, progress, signal) {
  const { protocol, hostname, port } = new URL(proxy.origin);
  const isTls = protocol === "https:";
  const host = withoutBrackets(hostname);
  const endpoint = { host, port: Number(port || (isTls ? 443 : 80)) };
  const socket = await connect(endpoint, progress, signal);
  if (!isTls) return socket;
  const servername = (0,external_node_net_namespaceObject.isIP)(host) === 0 ? host : "";
  const tlsSocket = external_node_tls_default().connect({ ...trustOptions(), socket, host, servername });
  watchCertificate(tlsSocket);
  return tlsSocket;
}
function askForTunnel(proxySocket, proxy, target, signal) {
  const beganAt = clock.now();
  const request = external_node_http_default().request({
    createConnection: () => proxySocket,
    method: "CONNECT",
    path: target,
    signal,
    headers: connectHeaders(proxy, target),
  });
  request.removeHeader("Connection");
  return new Promise((resolve, reject) => {
    request.once("connect", ({ statusCode = 0, headers }, socket, head) => {
      debug_debug(() => {
        const ms = Math.round(clock.now() - beganAt);
        const answer = `${statusCode} in ${ms} ms${shownHeaders(headers)}`;
        return `CONNECT ${target} through ${proxy.origin}: ${answer}`;
      });
      const answer = new ProxyAnswer(statusCode, headers["proxy-authenticate"]);
      if (answer.isOpen && head.length === 0) return resolve(socket);
      socket.destroy();
      reject(answer);
    });
    request.once("error", reject);
    request.end();
  });
}
function connectHeaders(proxy, target) {
  const headers = {
    Host: target,
    "User-Agent": USER_AGENT,
    "Proxy-Connection": "keep-alive",
  };
  if (proxy.credentials !== undefined) {
    const encoded = Buffer.from(proxy.credentials, "utf8").toString("base64");
    headers["Proxy-Authorization"] = `Basic ${encoded}`;
  }
  return headers;
}

;// CONCATENATED MODULE: ./build/armor/route-agents.js






class Opener {
  #proxy;
  #underWay = new Set();
  constructor(proxy) {
    this.#proxy = proxy;
  }
  async open(options) {
    const { host, port, progress = new Progress() } = options;
    const ending = new AbortController();
    this.#underWay.add(ending);
    progress.onEnd(() => ending.abort());
    try {
      const endpoint = { host: host ?? "", port: Number(port) };
      const socket = await this.#reach(endpoint, progress, ending.signal);
      progress.stage = "connected";
      return socket;
    } finally {
      this.#underWay.delete(ending);
    }
  }
  async #reach({ host, port }, progress, signal) {
    if (this.#proxy === undefined) return await connect({ host, port }, progress, signal);
    const target = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    return await openTunnel(this.#proxy, target, progress, signal);
  }
  destroy() {
    for (const ending of this.#underWay) ending.abort();
  }
}
class RouteAgent extends (external_node_https_default()).Agent {
  #opener;
  constructor(proxy, options = {}) {
    super({ ...options, rejectUnauthorized: true });
    this.#opener = new Opener(proxy);
  }
  createConnection(options, done) {
    const startTls = (socket) => {
      const tlsOptions = { ...options, ...trustOptions(), socket };
      const tlsSocket = super.createConnection(tlsOptions);
      watchCertificate(tlsSocket);
      return tlsSocket;
    };
    this.#opener
      .open(options)
      .then(startTls)
      .then((socket) => done(null, socket), done);
  }
  destroy() {
    this.#opener.destroy();
    super.destroy();
  }
}
class LoopbackAgent extends (external_node_http_default()).Agent {
  #opener = new Opener(undefined);
  createConnection(options, done) {
    this.#opener.open(options).then((socket) => done(null, socket), done);
  }
  destroy() {
    this.#opener.destroy();
    super.destroy();
  }
}
function createAgent(url, proxy, options = {}) {
  return url.protocol === "http:" ? new LoopbackAgent(options) : new RouteAgent(proxy, options);
}

;// CONCATENATED MODULE: ./build/armor/http.js










const http_USER_AGENT = "armor-token-action";
const MAX_REPLY_BYTES = 1024 * 1024;
function createSend(route) {
  return async (request, signal) => {
    const proxy = proxyFor(request.url, route);
    debug_debug(() => explainRoute(request.url, route));
    const exchange = new Exchange(request.url, proxy);
    return await exchange.run(request, signal);
  };
}
class Exchange {
  #url;
  #proxy;
  #progress = new Progress();
  #deadline = new AbortController();
  #isReplying = false;
  constructor(url, proxy) {
    this.#url = url;
    this.#proxy = proxy;
  }
  async run({ url, headers, body }, signal) {
    if (signal.aborted) throw this.#timeoutError();
    const beganAt = clock.now();
    const end = () => {
      this.#progress.end();
      this.#deadline.abort();
    };
    const onAbort = () => afterPendingReads(end);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const replying = this.#createClient().post(url.href, body, { ...headers });
      const { message } = await Promise.race([replying, this.#rejectAtDeadline()]);
      this.#isReplying = true;
      const reply = await this.#readReply(message);
      debug_debug(() => describeReply(reply, clock.now() - beganAt));
      return reply;
    } catch (error) {
      throw this.#judge(error);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
  #createClient() {
    const handler = {
      prepareRequest: (options) => this.#prepare(options),
      canHandleAuthentication: () => false,
      handleAuthentication: () => Promise.reject(new Error("no authentication handler")),
    };
    return new HttpClient(http_USER_AGENT, [handler], { allowRedirects: false, allowRetries: false });
  }
  #prepare(options) {
    options.signal = this.#deadline.signal;
    options.host = withoutBrackets(this.#url.hostname);
    options.headers = { ...options.headers, "user-agent": http_USER_AGENT };
    options.agent = createAgent(this.#url, this.#proxy);
    options.progress = this.#progress;
  }
  #rejectAtDeadline() {
    return new Promise((_, reject) => {
      this.#deadline.signal.addEventListener("abort", reject, { once: true });
    });
  }
  async #readReply(message) {
    const { statusCode: status = 0, headers } = message;
    const body = await readBody(message, this.#url);
    const hasLength =
      headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
    if (!hasLength && this.#deadline.signal.aborted) throw this.#timeoutError();
    return { url: this.#url, status, headers, body };
  }
  #judge(error) {
    if (error instanceof ArmorError) return error;
    if (this.#deadline.signal.aborted) return this.#timeoutError();
    const isFromNetwork = error.code !== undefined;
    return isFromNetwork ? networkError(error, this.#state()) : error;
  }
  #timeoutError() {
    return timeoutError(this.#state());
  }
  #state() {
    const { stage, dnsCode } = this.#progress;
    const progress = { stage, dnsCode };
    return { url: this.#url, proxy: this.#proxy, isReplying: this.#isReplying, progress };
  }
}
function describeReply({ url, status, headers, body }, elapsedMs) {
  const how = `${status} in ${Math.round(elapsedMs)} ms, ${Buffer.byteLength(body)} bytes`;
  return `POST ${url.origin}${url.pathname}: ${how}${shownHeaders(headers)}`;
}
async function readBody(message, { origin }) {
  const chunks = [];
  let size = 0;
  for await (const chunk of message) {
    size += chunk.length;
    if (size > MAX_REPLY_BYTES) {
      const problem = `${origin} answered with more than 1 MiB, which is no token response`;
      const remedy = "Check that api-url is the address of the Armor API.";
      throw new ArmorError("reply_invalid", problem, remedy);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

;// CONCATENATED MODULE: ./build/armor/hints.js
const ID_NAME = /(?:app|client|armor|api)[-_]?id/.source;
const SECRET_NAME = /(?:(?:app|client|armor|api|access)[-_]?)?(?:key|secret|token|password)/.source;
const NAME = `(?:[a-z]+[-_])*(?:${ID_NAME}|${SECRET_NAME})(?:[-_][a-z0-9]+)*`;
const DECLARATION = /(?:(?:export|set|env|const|let|var|-)\s+|\$env:)?/.source;
const SIGN = /\s*(?:=|:=|:\s)\s*/.source;
const ASSIGNMENT = new RegExp(`^${DECLARATION}["']?${NAME}["']?${SIGN}[^\\s=]`, "i");
const TELLING_NAME = /\w*(?:key|secret|token|pass|cred|client|armor|api|app_?id)\w*/.source;
const VARIABLES = [
  `\\$\\{?${TELLING_NAME}(?::?[-?=+].*)?\\}?`,
  "\\$(?:secrets|vars|env)\\.\\w+",
  "(?:process\\.env|os\\.(?:environ|getenv)|System\\.getenv|ENV)[.\\[(].*",
  "\\$env:\\w+",
  `%${TELLING_NAME}%`,
  `!${TELLING_NAME}!`,
  "\\$\\(.*\\)",
  "\\{\\{.*\\}\\}",
];
const VARIABLE = new RegExp(`^(?:${VARIABLES.join("|")})$`, "i");
const MISTAKES = [
  {
    shape: /^[*\u2022\u25cf.\u2026xX]{3,}$|^\[?(?:redacted|masked|hidden|secure|filtered)\]?$/i,
    shows: "is what a log or a page shows instead of the value",
  },
  {
    shape: /^(?:undefined|null|none|nil|nan|true|false|\[object object\])$/i,
    shows: "is what a program writes if there is nothing",
  },
  {
    shape: /\$\{\{/,
    shows: "is an expression that GitHub has not evaluated, as it stands in quotes or in a script",
  },
  {
    shape: /^(?:secrets|vars|env|inputs|steps|needs|matrix|github)\.[\w.-]+$|^secrets\[.*\]$/i,
    shows: "is an expression without the dollar sign and the two pairs of braces around it",
  },
  {
    shape: VARIABLE,
    shows: "is the name of a variable, which nothing replaces here",
  },
  {
    shape: /^-----BEGIN|^ssh-(?:rsa|ed25519) /,
    shows: "is a PEM or SSH file, which is something else",
  },
  {
    shape: /^[a-z][a-z\d+.-]*:\/\/\S|^arn:aws/i,
    shows: "is an address or a reference, not what it leads to",
  },
  {
    shape: /^[[{]\s*["'{[].*[\]}]$/su,
    shows: "is a whole JSON text: store one value of it alone",
  },
  {
    shape: /^(?:authorization\s*:\s*)?(?:basic|bearer)\s+\S/i,
    shows: "begins with a scheme, as in an HTTP header: store what follows it",
  },
  { shape: /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/, shows: "has the shape of a session's token (JWT)" },
  {
    shape: ASSIGNMENT,
    shows: "begins with a name and a sign before the value",
  },
  {
    shape: /^["'`]|["'`][,;]?$|[\u2018-\u201f\u2032-\u2036\u00ab\u00bb]/su,
    shows: "has quotation marks: store it without them",
  },
  {
    shape: /^<.*>$|^\[.*\]$|^\(.*\)$|^\{.*\}$|^\*\*.*\*\*$/su,
    shows: "stands in brackets or other marks: store it without them",
  },
  {
    shape: /^replace[-_ ]?(?:me|it|this)$/i,
    shows: "is what some instructions write until the value is known",
  },
  {
    shape:
      /^(?:your|(?:my|the|insert|enter|paste|replace|put|add)[-_ ]).*(?:id|key|secret|here|me)$/i,
    shows: "is a placeholder of some instructions",
  },
  {
    shape:
      /^(?:(?:fix|fill|change)[-_ ]?(?:me|it|in)|to[-_ ]?do|tbd|dummy|test|example|sample|placeholder)$/i,
    shows: "is a placeholder of some instructions",
  },
  {
    shape: /^(?:app[-_ ]?id|api[-_ ]?key|client[-_ ]?(?:id|secret)|armor[-_ ]\w+|\w*_api_key)$/i,
    shows: "is a name, not what is kept under it",
  },
  {
    shape: { test: hasInvisibleCharacter },
    shows: "contains an invisible character: copy it again, from the page on which Armor shows it",
  },
  { shape: /\ufffd/, shows: "contains a character that was damaged on the way" },
  {
    shape: /^[\w+/=.~-]{8,}(?:\s+[\w+/=.~-]+)+$/,
    shows: "contains blanks, as wrapped lines leave behind",
  },
  {
    shape: /[\u2010-\u2015\u2212\u2026\uff01-\uff5e]/,
    shows: "contains a typographic character that a word processor put in",
  },
  {
    shape: /^(?=.*%(?:2B|2F|3D))(?:[\w.~-]|%(?:2B|2F|3D))+$/i,
    shows: "is percent-encoded, as inside an address: store it as it was before that",
  },
  {
    shape:
      /^@?(?:~\/|[A-Z]:\\)?[\w./\\ -]+\.(?:txt|key|pem|json|env|ya?ml)$|^\/(?:run|etc|home|var|tmp)\//i,
    shows: "is a path, not what lies there",
  },
  {
    shape: /[,;]$/,
    shows: "ends in a comma or semicolon, which separates values in a list or a program",
  },
  { shape: /\.{3}$/, shows: "ends in three dots, so a part of it is missing" },
  {
    shape: /&(?:amp|lt|gt|quot|apos|nbsp|#\d{2,4}|#x[\da-f]{2,4});/i,
    shows: "is written as in the source of a web page, with signs replaced",
  },
  {
    shape: /\\u00[\da-f]{2}/i,
    shows: "is written as inside JSON, with signs replaced",
  },
  {
    shape: /\\n$/,
    shows: "ends in a line end that is written as two characters",
  },
];
function hasInvisibleCharacter(text) {
  const shape = new RegExp("[\\p{Cf}\\p{Zl}\\p{Zp}]|\\p{Default_Ignorable_Code_Point}", "u");
  return shape.test(text);
}
const UUID = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i;
const LONG_RANDOM = /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\w+/=.~-]{32,}$/;
function hintsOf(credentials) {
  const { appId, apiKey } = credentials;
  const hints = [hintOfBoth(credentials), hintOf("app-id", appId), hintOf("api-key", apiKey)];
  return hints.filter((hint) => hint !== undefined && !repeats(hint, [appId, apiKey]));
}
function repeats(text, values) {
  const words = text.replaceAll("app-id", "").replaceAll("api-key", "").toLowerCase();
  const folded = values.map((value) => value.toLowerCase());
  for (let start = 0; start + 4 <= words.length; start += 1) {
    const run = words.slice(start, start + 4);
    if (folded.some((value) => value.includes(run))) return true;
  }
  return false;
}
const MAX_LENGTH = 4_096;
function hintOf(name, value) {
  if (value.length > MAX_LENGTH) return undefined;
  const mistake = MISTAKES.find(({ shape }) => shape.test(value));
  if (mistake !== undefined) return `${name} ${mistake.shows}.`;
  const isDecomposed = value !== value.normalize("NFC");
  return isDecomposed ? `${name} has accents as characters of their own.` : undefined;
}
function hintOfBoth({ appId, apiKey }) {
  if (appId === apiKey) return "app-id and api-key are the same text.";
  if (isPair(apiKey, appId)) return "api-key holds both values, joined by a colon.";
  if (isPair(appId, apiKey)) return "app-id holds both values, joined by a colon.";
  if (isPair(decoded(apiKey), appId)) return "api-key is the base64 of both values together.";
  if (isPair(decoded(appId), apiKey)) return "app-id is the base64 of both values together.";
  if (decoded(apiKey) === appId) return "api-key is the base64 of app-id.";
  if (contains(apiKey, appId)) return "api-key holds app-id, too: store the part behind it alone.";
  if (contains(appId, apiKey)) return "app-id holds api-key, too: store the other part alone.";
  const looksSwapped = UUID.test(apiKey) && LONG_RANDOM.test(appId);
  return looksSwapped ? "app-id and api-key look as if they were swapped." : undefined;
}
function isPair(text, other) {
  return text.startsWith(`${other}:`) || text.endsWith(`:${other}`);
}
function contains(text, other) {
  return other.length >= 8 && text.includes(other);
}
function decoded(text) {
  const base64 = text.replace(/^basic\s+/i, "");
  return Buffer.from(base64, "base64").toString("utf8").trim();
}

;// CONCATENATED MODULE: ./build/armor/body.js
function parseObject(body) {
  try {
    const value = JSON.parse(body.replace(/^\uFEFF/, ""));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    const members = Object.entries(value).filter((member) => member[1] !== null);
    return Object.fromEntries(members);
  } catch {
    return undefined;
  }
}
function shapeOf({ headers, body }) {
  const encoding = headers["content-encoding"] ?? "identity";
  const isGzip = body.startsWith("\x1f");
  if (encoding !== "identity" || isGzip) return "a compressed reply";
  return body.trimStart().startsWith("<") ? "a web page" : "something else";
}

;// CONCATENATED MODULE: ./build/armor/refusal.js




const MAX_SECONDS = 2 ** 31 - 1;
const CREDENTIALS = {
  code: "credentials_rejected",
  problem: "Armor does not accept this client app",
  remedy:
    "Check that app-id and api-key are of the same client app and were copied whole, that the app " +
    "is enabled, and that api-url is the address of its region: no other region knows the app.",
};
const DENIED = {
  code: "access_denied",
  problem: "Armor denies access",
  remedy:
    "Check what the client app is permitted to do, and whether an IP allow-list covers this runner.",
};
const NOT_FOUND = {
  code: "endpoint_not_found",
  problem: "This is not the Armor API",
  remedy:
    "Check api-url: it must be the address of the Armor API, not of a web page, and usually has no path.",
};
const REJECTED = {
  code: "request_rejected",
  problem: "Armor did not accept the request",
  remedy:
    "Check that api-url is the address of the Armor API, and app-id and api-key those of a client app.",
};
const LIMITED = {
  code: "rate_limited",
  problem: "Armor's rate limit is reached",
  remedy: "Start the workflow at another minute, not at the full hour, or raise timeout.",
};
const UNAVAILABLE = {
  code: "server_unavailable",
  problem: "Armor is not available",
  remedy: "Run the job again later, or raise timeout.",
};
const BY_OAUTH_ERROR = new Map([
  ["invalid_client", CREDENTIALS],
  ["invalid_grant", CREDENTIALS],
  ["unauthorized_client", DENIED],
  ["access_denied", DENIED],
  ["invalid_request", REJECTED],
  ["invalid_scope", REJECTED],
  ["unsupported_grant_type", REJECTED],
  ["server_error", UNAVAILABLE],
  ["temporarily_unavailable", UNAVAILABLE],
]);
const BY_STATUS = new Map([
  [403, DENIED],
  [404, NOT_FOUND],
]);
const FINAL_STATUS = new Set([400, 401, 403]);
function rejectionOf(status, oauthError) {
  if (status === 429) return LIMITED;
  if (status === 408 || status >= 500) return UNAVAILABLE;
  if (status === 401) return CREDENTIALS;
  return BY_OAUTH_ERROR.get(oauthError) ?? BY_STATUS.get(status) ?? REJECTED;
}
function tokenRefusal(reply) {
  const { url, status, body } = reply;
  const fields = parseObject(body) ?? {};
  const { code, problem, remedy } = rejectionOf(status, fields["error"]);
  const canPass = code === "rate_limited" || code === "server_unavailable";
  const isFromTokenEndpoint = typeof fields["error"] === "string" && FINAL_STATUS.has(status);
  return new ArmorError(
    code,
    `${problem}: ${printable(url.origin)} answered ${status}${saidBy(fields)}`,
    remedy,
    {
      retryAfterMs: canPass ? retryAfterMs(reply) : undefined,
      isPermanent: !canPass && isFromTokenEndpoint,
    },
  );
}
function terminateRefusal(reply) {
  const { status, body } = reply;
  const fields = parseObject(body) ?? {};
  const { code } = rejectionOf(status, fields["error"]);
  const problem = `Armor answered ${status}${saidBy(fields)}`;
  return new ArmorError(code, problem, SESSION_ENDS, { retryAfterMs: retryAfterMs(reply) });
}
const SESSION_ENDS = "The session ends by itself when its token expires.";
function answerOf({ status, body }) {
  return `${status}${saidBy(parseObject(body) ?? {})}`;
}
function saidBy(fields) {
  if (fields["access_token"] !== undefined) return "";
  const { error } = fields;
  const words = wordsIn(fields);
  const code = isWords(error) ? ` ${quote(error)}` : "";
  return words === undefined ? code : `${code} ("${quote(words)}")`;
}
const WORDS = ["error_description", "message", "Message", "detail", "title", "faultstring"];
function wordsIn(fields) {
  const { error, errors, fault } = fields;
  const places = [fields, error, errors, fault].map((it) => (Array.isArray(it) ? it[0] : it));
  const candidates = places.flatMap((place) => WORDS.map((name) => Object(place)[name]));
  return candidates.find(isWords);
}
function isWords(value) {
  return typeof value === "string" && value !== "";
}
function retryAfterMs({ headers }) {
  const value = headers["retry-after"]?.trim() ?? "";
  if (/^\d+$/.test(value)) return Math.min(Number(value), MAX_SECONDS) * 1000;
  const until = parseHttpDate(value);
  if (until === undefined) return undefined;
  const serverNow = parseHttpDate(headers.date) ?? clock.date();
  return Math.max(0, until - serverNow);
}
const IMF_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;
function parseHttpDate(text) {
  if (text === undefined || !IMF_DATE.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

;// CONCATENATED MODULE: ./build/armor/oauth.js




const HEADERS = {
  "X-Csrf-Header": '""',
  Accept: "application/json",
  "Accept-Encoding": "identity",
};
const DEFAULT_EXPIRES_IN = 60;
function tokenRequest(apiUrl, basicPair) {
  return {
    url: new URL(`${apiUrl}/api/v1/iam/session/oauth2/token`),
    headers: {
      ...HEADERS,
      Authorization: `Basic ${Buffer.from(basicPair, "utf8").toString("base64")}`,
      "Content-Type": "application/x-www-form-urlencoded",
    },
    body: "grant_type=client_credentials",
  };
}
function terminateRequest(apiUrl, accessToken) {
  const headers = { ...HEADERS, Authorization: `Bearer ${accessToken}` };
  return { url: new URL(`${apiUrl}/api/v1/iam/session/terminate`), headers, body: "" };
}
function isClientUnknown({ status, body }) {
  if (status === 401) return true;
  return status === 400 && parseObject(body)?.["error"] === "invalid_client";
}
function judgeToken(reply) {
  if (reply.status !== 200) throw tokenRefusal(reply);
  const fields = parseObject(reply.body);
  if (fields === undefined) throw invalid(reply, `${shapeOf(reply)} instead of a JSON object`);
  if (isErrorAlone(fields)) throw tokenRefusal(reply);
  if (fields["error"] !== undefined)
    throw invalid(reply, `an OAuth error instead of a token${saidBy(fields)}`);
  const accessToken = fields["access_token"];
  if (typeof accessToken !== "string" || accessToken === "")
    throw invalid(reply, "no access_token");
  const fault = tokenFault(accessToken);
  if (fault !== undefined) throw invalid(reply, `an access_token ${fault}`);
  const tokenType = fields["token_type"] ?? "Bearer";
  if (typeof tokenType !== "string" || tokenType.toLowerCase() !== "bearer")
    throw invalid(reply, "a token_type other than Bearer");
  const expiresIn = parseSeconds(fields["expires_in"] ?? DEFAULT_EXPIRES_IN);
  if (expiresIn === undefined)
    throw invalid(reply, "an expires_in that is no number of seconds above 0");
  return { accessToken, expiresIn };
}
function isErrorAlone({ error, access_token }) {
  return typeof error === "string" && error !== "" && access_token === undefined;
}
function invalid({ url }, what) {
  const remedy =
    "Check that api-url is the address of the Armor API, not of a web page or a proxy's sign-in.";
  const problem = `${printable(url.origin)} answered with ${what}`;
  return new ArmorError("reply_invalid", problem, remedy);
}
function parseSeconds(value) {
  const isNumeric =
    typeof value === "number" || (typeof value === "string" && /^\d+(\.\d+)?$/.test(value));
  const seconds = isNumeric ? Number(value) : 0;
  return seconds > 0 && seconds <= MAX_SECONDS ? seconds : undefined;
}
function judgeTerminate(reply) {
  if (reply.status === 401) return false;
  if (reply.status >= 200 && reply.status < 300) return true;
  throw terminateRefusal(reply);
}

;// CONCATENATED MODULE: ./build/armor/redirect.js


const MAX_REDIRECTS = 5;
const REDIRECT_STATUS = new Set([301, 302, 303, 307, 308]);
const KEEPS_METHOD = new Set([307, 308]);
const VENDOR_ORIGIN = /^https:\/\/api\.([a-z0-9-]{1,63}\.)?armor\.fortanix\.com$/;
async function sendFollowing(send, request, signal) {
  let { url } = request;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const reply = await send({ ...request, url }, signal);
    const target = redirectTarget(reply);
    if (target === undefined) return reply;
    url = target;
  }
  throw refused(request.url, `more than ${MAX_REDIRECTS} times`);
}
function redirectTarget({ url: from, status, headers }) {
  if (!REDIRECT_STATUS.has(status)) return undefined;
  const refuse = (how) => refused(from, `(${status}) ${how}`);
  if (headers.location === undefined) throw refuse("without saying where to");
  if (!URL.canParse(headers.location, from.href)) throw refuse("to something that is no address");
  const target = new URL(headers.location, from);
  if (!isTrustedRedirect(from, target))
    throw refuse(`to ${redirect_nameOf(target)}, which must not get the credentials`);
  if (target.username || target.password) throw refuse("to an address with a user name in it");
  if (!KEEPS_METHOD.has(status)) throw refuse("in a way that turns a POST into a GET");
  target.hash = "";
  return target;
}
function redirect_nameOf({ origin, protocol }) {
  return origin === "null" ? `a ${quote(protocol)} address` : quote(origin);
}
function isTrustedRedirect(from, to) {
  if (from.protocol !== to.protocol) return false;
  if (from.origin === to.origin) return true;
  return VENDOR_ORIGIN.test(from.origin) && VENDOR_ORIGIN.test(to.origin);
}
function refused({ origin }, how) {
  const remedy = "Set api-url to the address at which Armor itself answers.";
  return new ArmorError("redirect_refused", `${printable(origin)} redirects ${how}`, remedy);
}

;// CONCATENATED MODULE: ./build/armor/retry.js



const FIRST_BACKOFF_MS = 500;
const FIRST_RATE_LIMIT_BACKOFF_MS = 4_000;
const MIN_RATE_LIMIT_PAUSE_MS = 1_000;
const MAX_BACKOFF_MS = 8_000;
const MIN_ATTEMPT_LIMIT_MS = 5_000;
const MIN_ATTEMPT_MS = 250;
const MAX_TIMEOUT_S = 300;
const ANSWERS = new Set(["rate_limited", "server_unavailable"]);
async function retry(attempt, options) {
  const { timeoutMs, onRetry } = options;
  const start = clock.now();
  const backoff = new Backoff();
  let answer;
  let last;
  for (let tries = 1; ; tries += 1) {
    const attemptStart = clock.now();
    try {
      return await withDeadline(attempt, start + timeoutMs - attemptStart);
    } catch (error) {
      if (!(error instanceof ArmorError)) throw error;
      const ms = Math.round(clock.now() - attemptStart);
      debug_debug(() => `Attempt ${tries} failed after ${ms} ms: ${error.code}`);
      if (!error.canPass) throw error;
      if (ANSWERS.has(error.code)) answer = error;
      const elapsedMs = clock.now() - start;
      const pauseMs = backoff.pauseAfter(error, timeoutMs - elapsedMs);
      if (pauseMs === undefined) throw gaveUp(error, answer, { tries, elapsedMs, options });
      onRetry?.(error, pauseMs, retryLine(error, tries, pauseMs, last));
      last = error;
      await clock.sleep(pauseMs);
    }
  }
}
async function withDeadline(attempt, leftMs) {
  const deadline = new AbortController();
  const limitMs = Math.min(leftMs, Math.max(leftMs / 2, MIN_ATTEMPT_LIMIT_MS));
  const timer = setTimeout(() => deadline.abort(), limitMs);
  try {
    return await attempt(deadline.signal);
  } finally {
    clearTimeout(timer);
  }
}
class Backoff {
  #failures = 0;
  #longestMs = 0;
  pauseAfter(error, leftMs) {
    this.#failures += 1;
    const askedMs = error.details.retryAfterMs ?? 0;
    const spareMs = leftMs - askedMs - MIN_ATTEMPT_MS;
    if (askedMs > 0) return askedPause(askedMs, spareMs, this.#nextLongest(error));
    const shortestMs = error.code === "rate_limited" ? MIN_RATE_LIMIT_PAUSE_MS : 0;
    if (spareMs < Math.max(FIRST_BACKOFF_MS, shortestMs)) return undefined;
    const nextLongestMs = this.#nextLongest(error);
    this.#longestMs = Math.max(this.#longestMs, Math.min(nextLongestMs, spareMs));
    const rangeMs = Math.max(0, this.#longestMs - shortestMs);
    const pauseMs = shortestMs + clock.random() * rangeMs;
    return pauseMs <= spareMs ? pauseMs : undefined;
  }
  #nextLongest({ code }) {
    const firstMs = code === "rate_limited" ? FIRST_RATE_LIMIT_BACKOFF_MS : FIRST_BACKOFF_MS;
    return Math.min(firstMs * 2 ** (this.#failures - 1), MAX_BACKOFF_MS);
  }
}
function askedPause(askedMs, spareMs, longestMs) {
  if (spareMs < 0) return undefined;
  return askedMs + clock.random() * Math.min(longestMs, spareMs);
}
function retryLine(error, tries, pauseMs, last) {
  const isToldAlready = last !== undefined && last.problem === error.problem;
  if (isToldAlready) return `Try ${tries + 1} in ${seconds(pauseMs)}.`;
  return `${error.problem}. Next try in ${seconds(pauseMs)}.`;
}
function gaveUp(last, answer, { tries, elapsedMs, options }) {
  const error = answer ?? last;
  if (options.isBrief) return error;
  const tried = `tried ${tries === 1 ? "once" : `${tries} times`} in ${seconds(elapsedMs)}`;
  if (error !== last) return error.adding(`${tried}, at last without an answer`);
  const { code, problem, details } = error;
  const askedMs = details.retryAfterMs ?? 0;
  if (askedMs === 0) return error.adding(tried);
  const timeout = wholeSeconds(options.timeoutMs);
  const asks = `${problem} and asks to wait ${wholeSeconds(askedMs)}, longer than timeout (${timeout}) allows`;
  const fact = tries === 1 ? asks : `${asks}, ${tried}`;
  const neededS = Math.floor(
    Math.max(options.timeoutMs, elapsedMs + askedMs + MIN_ATTEMPT_MS) / 1000,
  );
  const later = code === "rate_limited" ? "start at another minute" : "run the job again later";
  if (neededS < MAX_TIMEOUT_S)
    return new ArmorError(code, fact, `Set timeout above ${neededS}, or ${later}.`, details);
  const remedy = `No timeout is long enough for that: ${later}.`;
  return new ArmorError(code, fact, remedy, details);
}
function seconds(ms) {
  if (ms > 86_400_000) return "more than a day";
  return ms < 10_000 ? `${Math.max(ms / 1000, 0.1).toFixed(1)} s` : `${Math.ceil(ms / 1000)} s`;
}
function wholeSeconds(ms) {
  return seconds(ms).replace(".0 ", " ");
}

;// CONCATENATED MODULE: ./build/armor/token.js








async function fetchToken(context, credentials, last) {
  const { encoded, raw } = basicPairs(credentials);
  let refusal;
  const attempt = async (signal) => {
    if (raw === undefined || refusal === undefined) {
      const asked = await askForToken(context, encoded, signal);
      if (raw === undefined || !isClientUnknown(asked.reply)) return toToken(asked);
      refusal = asked.reply;
    }
    const asked = await askForToken(context, raw, signal);
    if (asked.reply.status === 400) throw tokenRefusal(refusal);
    return toToken(asked);
  };
  try {
    return await retry(attempt, context);
  } catch (error) {
    throw withCause(withRefusal(error, refusal), credentials, last);
  }
}
async function askForToken({ apiUrl, send }, basicPair, signal) {
  const sentAt = clock.date();
  const requestedAt = clock.now();
  const reply = await sendFollowing(send, tokenRequest(apiUrl, basicPair), signal);
  return { reply, requestedAt, sentAt };
}
function toToken({ reply, requestedAt, sentAt }) {
  const { accessToken, expiresIn } = judgeToken(reply);
  return { accessToken, expiresIn, requestedAt, expiresAt: sentAt + expiresIn * 1000 };
}
function withRefusal(error, refusal) {
  if (refusal === undefined || !(error instanceof ArmorError)) return error;
  if (error.code === "credentials_rejected" || error.code === "cancelled") return error;
  return error.adding(`after it had refused the key in form-encoded form (${answerOf(refusal)})`);
}
function withCause(error, credentials, last) {
  if (!(error instanceof ArmorError) || error.code !== "credentials_rejected") return error;
  const { code, problem, details } = error;
  if (last !== undefined) return new ArmorError(code, problem, refusedSince(last), details);
  const sentences = [...hintsOf(credentials), error.remedy];
  return new ArmorError(code, problem, sentences.join(" "), details);
}
function refusedSince({ expiresAt, expiresIn }) {
  const acceptedAt = isoDate(expiresAt - expiresIn * 1000);
  const hourAndMinute = acceptedAt.replace(/^.*T(\d\d:\d\d).*$/, "$1");
  return (
    `This pair was accepted at ${hourAndMinute} and is refused now: the key was replaced, or the app ` +
    "disabled. Store the key that is valid now, or enable the app, and run the job again."
  );
}
async function endSession(context, accessToken) {
  const { apiUrl, send } = context;
  const request = terminateRequest(apiUrl, accessToken);
  const attempt = async (signal) => judgeTerminate(await sendFollowing(send, request, signal));
  try {
    return await retry(attempt, { ...context, isBrief: true });
  } catch (error) {
    const { code, problem, remedy, details } = asArmorError(error);
    const whatFollows = code === "internal_error" ? remedy : SESSION_ENDS;
    throw new ArmorError(code, problem, whatFollows, details);
  }
}

;// CONCATENATED MODULE: ./build/armor/token-cache.js


const REFRESH_BELOW = 1 / 3;
const WAIT_BELOW = 1 / 6;
const WAIT_UNTIL = 1 / 20;
const MAX_WAIT_MS = 2_000;
const MIN_FAILURE_MS = 1_000;
const MAX_FAILURE_MS = 60_000;
const PERMANENT_FAILURE_MS = 30_000;
const REPLACE_PAUSE_MS = 1_000;
const MAX_SESSIONS = 50;
const TRY_AGAIN_AT_MS = [500, 1_000, 2_000];
class TokenCache {
  #fetch;
  #onFailure;
  #current;
  #arrivedAt;
  #previous = [];
  #forgotten = [];
  #rejected;
  #inFlight;
  #failure;
  #failedUntil = Number.NEGATIVE_INFINITY;
  #replacement;
  #nextReplacementAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;
  constructor(first, fetch, onFailure) {
    this.#current = first;
    this.#arrivedAt = first.requestedAt;
    this.#fetch = fetch;
    this.#onFailure = onFailure;
  }
  async get() {
    if (this.#isClosed) throw stopping();
    const current = this.#current;
    if (this.#rejected === current.accessToken) return await this.replace(current.accessToken);
    const share = this.#shareLeft(current);
    if (share > REFRESH_BELOW) return current;
    const refresh = this.#refresh();
    refresh.catch(() => undefined);
    if (share > WAIT_BELOW) return current;
    if (share <= 0) return await refresh;
    const waitMs = Math.min((share - WAIT_UNTIL) * lifetimeMs(current), MAX_WAIT_MS);
    if (waitMs <= 0) return current;
    const currentIfAlive = () => (this.#shareLeft(current) > 0 ? current : refresh);
    return await within(waitMs, refresh.catch(currentIfAlive), currentIfAlive);
  }
  async replace(accessToken) {
    if (!this.isCurrent(accessToken)) return await this.get();
    const pauseMs = this.#msUntilNextTry();
    if (pauseMs !== undefined) {
      await clock.sleep(pauseMs);
      return await this.get();
    }
    this.#rejected = accessToken;
    this.#replacement ??= this.#replaceCurrent().finally(() => {
      this.#replacement = undefined;
    });
    return await this.#replacement;
  }
  isCurrent(accessToken) {
    return accessToken === this.#current.accessToken;
  }
  msLeft(token) {
    const byMonotonicClock = token.requestedAt + lifetimeMs(token) - clock.now();
    const byWallClock = token.expiresAt - clock.date();
    return Math.min(byMonotonicClock, byWallClock);
  }
  async close(ms) {
    this.#isClosed = true;
    await within(ms, Promise.allSettled([this.#inFlight]), () => undefined);
    const tokens = [...this.#alive(this.#previous), this.#current];
    return {
      accessTokens: [...new Set(tokens.map(({ accessToken }) => accessToken))],
      forgotten: this.#alive(this.#forgotten).length,
      isFetching: this.#inFlight !== undefined,
    };
  }
  #shareLeft(token) {
    return token.accessToken === this.#rejected ? 0 : this.msLeft(token) / lifetimeMs(token);
  }
  #alive(tokens) {
    return tokens.filter((token) => this.msLeft(token) > 0);
  }
  #msUntilNextTry() {
    if (this.#isClosed || this.#rejected === this.#current.accessToken) return undefined;
    const ageMs = clock.now() - this.#arrivedAt;
    const nextTryAt = TRY_AGAIN_AT_MS.find((triedAt) => triedAt > ageMs);
    if (nextTryAt === undefined) return undefined;
    const pauseMs = nextTryAt - ageMs;
    return pauseMs < this.msLeft(this.#current) ? pauseMs : undefined;
  }
  async #replaceCurrent() {
    const { accessToken } = this.#current;
    const pauseMs = this.#nextReplacementAt - clock.now();
    const willFailAtOnce = clock.now() < this.#failedUntil;
    if (pauseMs > 0 && !willFailAtOnce) await clock.sleep(pauseMs);
    if (!this.isCurrent(accessToken)) return await this.get();
    this.#nextReplacementAt = clock.now() + REPLACE_PAUSE_MS;
    return await this.#refresh();
  }
  async #refresh() {
    if (this.#inFlight === undefined) {
      if (this.#isClosed) throw stopping();
      if (clock.now() < this.#failedUntil) throw this.#failure;
      this.#inFlight = this.#renew().finally(() => {
        this.#inFlight = undefined;
      });
    }
    return await this.#inFlight;
  }
  async #renew() {
    try {
      const token = await this.#fetch(this.#current);
      if (this.msLeft(token) <= 0) throw expiredOnArrival();
      this.#keepSession(this.#current);
      this.#current = token;
      this.#arrivedAt = clock.now();
      this.#rejected = undefined;
      return token;
    } catch (error) {
      this.#onFailure(error);
      this.#failure = error;
      this.#failedUntil = clock.now() + failureMs(error);
      throw error;
    }
  }
  #keepSession(token) {
    const sessions = [...this.#alive(this.#previous), token];
    const tooMany = sessions.splice(0, Math.max(0, sessions.length - MAX_SESSIONS));
    const forgotten = tooMany.map(({ requestedAt, expiresIn, expiresAt }) => ({
      requestedAt,
      expiresIn,
      expiresAt,
    }));
    this.#previous = sessions;
    this.#forgotten = [...this.#alive(this.#forgotten), ...forgotten];
  }
}
function lifetimeMs({ expiresIn }) {
  return expiresIn * 1000;
}
function failureMs(error) {
  const { isPermanent, retryAfterMs = 0 } = error instanceof ArmorError ? error.details : {};
  if (isPermanent) return PERMANENT_FAILURE_MS;
  return Math.min(Math.max(retryAfterMs, MIN_FAILURE_MS), MAX_FAILURE_MS);
}
function expiredOnArrival() {
  const problem = "The access token had expired before it arrived";
  const remedy = "Check the network between this runner and Armor, and this machine's clock.";
  return new ArmorError("token_expired", problem, remedy);
}
function stopping() {
  const problem = "The token agent is stopping, because the job is at its end";
  const remedy = "Call Armor in a step before this action's post step.";
  return new ArmorError("agent_stopping", problem, remedy);
}

;// CONCATENATED MODULE: ./build/gateway/refusals.js
const REFUSAL_STATUS = {
  bad_request: 400,
  bad_target: 400,
  body_refused: 400,
  foreign_request: 403,
  wrong_capability: 403,
  path_refused: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  head_too_large: 431,
  gateway_busy: 503,
};
function refuse(error, description) {
  return { route: "refused", status: REFUSAL_STATUS[error], error, description };
}
function wrongMethod(description, allow) {
  return { ...refuse("method_not_allowed", description), allow };
}
const RETRY_AFTER_S = 5;
function busy(description) {
  return { ...refuse("gateway_busy", description), retryAfterS: RETRY_AFTER_S, isFromJob: true };
}

;// CONCATENATED MODULE: ./build/gateway/targets.js


const SHOWN_PATH = 100;
const SHOWN_FAULT = 20;
const PLAIN_PATH = /^\/(?:[\w~:@-][\w.~:@-]*\/)*(?:[\w~:@-][\w.~:@-]*)?$/;
const PATH_FAULTS = [
  {
    sign: /^(?!\/)/,
    what: "no slash at its beginning",
    remedy: "Begin it with a slash.",
  },
  {
    sign: /\/\//,
    what: "two slashes in a row",
    remedy: "Often the base address ends with a slash: leave that one out.",
  },
  {
    sign: /%.{0,2}/s,
    what: "an encoded character",
    remedy: "The API's paths have none: encode in the query only.",
  },
  {
    sign: /(?<=\/)\.[^/]*/,
    what: "a segment that begins with a dot",
    remedy: "Write the path without it.",
  },
  {
    sign: /[^\w\-.~:@/]/,
    what: "a character other than A-Z a-z 0-9 - . _ ~ : @",
    remedy: "The API's paths have no other.",
  },
];
function allowedTarget(target, gatewayPaths) {
  const path = withoutQuery(target);
  const fault = findFault(path);
  if (fault !== undefined)
    return badTarget(path, `the path has ${targets_nameOf(fault, path)}`, fault.remedy);
  const sign = signToEncode(target);
  if (sign !== undefined)
    return badTarget(
      path,
      "its query has a character that must be percent-encoded",
      `Write ${sign} for it.`,
    );
  if (!gatewayPaths.some((listed) => covers(listed, path))) return notListed(path, gatewayPaths);
  return target;
}
function withoutQuery(target) {
  const end = target.indexOf("?");
  return end === -1 ? target : target.slice(0, end);
}
function pathFault(path) {
  const fault = findFault(path);
  return fault === undefined ? undefined : targets_nameOf(fault, path);
}
function findFault(path) {
  if (PLAIN_PATH.test(path)) return undefined;
  return PATH_FAULTS.find(({ sign }) => sign.test(path));
}
function targets_nameOf({ sign, what }, path) {
  const part = shown(sign.exec(path)?.[0] ?? "", SHOWN_FAULT);
  return part === "" ? what : `${what} (${part})`;
}
function badTarget(path, what, remedy) {
  return refuse("bad_target", `The gateway refused ${shown(path, SHOWN_PATH)}: ${what}. ${remedy}`);
}
function notListed(path, gatewayPaths) {
  const listed = `it is not below gateway-paths (${quote(gatewayPaths.join(", "))})`;
  const remedy = "Add it there if every step may read it.";
  return refuse(
    "path_refused",
    `The gateway refused ${shown(path, SHOWN_PATH)}: ${listed}. ${remedy}`,
  );
}
function covers(listed, path) {
  return listed.endsWith("/") ? path.startsWith(listed) : path === listed;
}
function signToEncode(target) {
  const sign = /[^\x21-\x7e]|#/.exec(target)?.[0];
  if (sign === undefined) return undefined;
  const bytes = Buffer.from(sign, sign > "\xff" ? "utf8" : "latin1");
  return bytes.toString("hex").toUpperCase().replace(/../g, "%$&");
}
function shown(text, length) {
  const quoted = quote(text);
  return quoted.length > length ? `${quoted.slice(0, length)}\u2026` : quoted;
}

;// CONCATENATED MODULE: ./build/gateway/forbidden-paths.js


const FORBIDDEN_MS = 10_000;
class ForbiddenPaths {
  #maxPaths;
  #until = new Map();
  constructor(maxPaths) {
    this.#maxPaths = maxPaths;
  }
  add(path) {
    const name = withoutQuery(path);
    this.#until.delete(name);
    this.#until.set(name, clock.now() + FORBIDDEN_MS);
    if (this.#until.size <= this.#maxPaths) return;
    for (const first of this.#until.keys()) {
      this.#until.delete(first);
      return;
    }
  }
  delete(path) {
    if (this.#until.size > 0) this.#until.delete(withoutQuery(path));
  }
  has(path) {
    const until = this.#until.get(withoutQuery(path));
    return until !== undefined && until > clock.now();
  }
  get size() {
    return this.#until.size;
  }
}

;// CONCATENATED MODULE: ./build/gateway/headers.js
function parseRawHeaders(rawHeaders) {
  const headers = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.push({ name: rawHeaders[index] ?? "", value: rawHeaders[index + 1] ?? "" });
  }
  return headers;
}
const PASSED_HEADERS = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "cache-control",
  "range",
  "user-agent",
  "traceparent",
  "tracestate",
  "x-request-id",
]);
const DROPPED_HEADERS = new Set([
  "connection",
  "keep-alive",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "referrer-policy",
  "set-cookie",
]);
const DROPPED_PREFIXES = ["proxy-", "x-armor"];
function isPassedToArmor(name) {
  return PASSED_HEADERS.has(name) || name.startsWith("if-");
}
function isPassedToClient(name) {
  return !DROPPED_HEADERS.has(name) && !DROPPED_PREFIXES.some((prefix) => name.startsWith(prefix));
}
function keepHeaders(message, isWanted) {
  const hopByHop = message.headers.connection?.toLowerCase().split(/[\s,]+/) ?? [];
  const kept = [];
  for (const { name, value } of parseRawHeaders(message.rawHeaders)) {
    const lowerCase = name.toLowerCase();
    const isDropped = hopByHop.includes(lowerCase) && lowerCase !== "content-length";
    if (isWanted(lowerCase) && !isDropped) kept.push(name, value);
  }
  return kept;
}
function lengthLast(headers) {
  const others = [];
  const lengths = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    const place = name.toLowerCase() === "content-length" ? lengths : others;
    place.push(name, headers[index + 1] ?? "");
  }
  return [...others, ...lengths];
}
function utf8Of(value) {
  return Buffer.from(value, "latin1").toString("utf8");
}

;// CONCATENATED MODULE: ./build/gateway/upstream.js












function serverOf(url) {
  const { origin, host, port } = url;
  const hostname = withoutBrackets(url.hostname);
  return { url, origin, host, hostname, port, isHttps: url.protocol === "https:" };
}
const MAX_IDLE_MS = 15_000;
const CLOSED_WHILE_IDLE = new Error("closed while idle");
class Upstream {
  #route;
  #limits;
  #maxIdleMs;
  #agents = new Map();
  #lastSentAt = 0;
  constructor(route, limits, maxIdleMs = MAX_IDLE_MS) {
    this.#route = route;
    this.#limits = limits;
    this.#maxIdleMs = maxIdleMs;
  }
  async send(call) {
    const { server } = call;
    const keptAgent = this.#keptAgent(server);
    try {
      return await new Sending(call, this.#limits, this.#route).run(keptAgent);
    } catch (error) {
      if (error !== CLOSED_WHILE_IDLE) throw error;
      debug_debug(() => `${server.origin} closed a kept connection: the call goes out once more`);
      const freshAgent = this.#createAgent(server, {});
      return await new Sending(call, this.#limits, this.#route).run(freshAgent);
    }
  }
  close() {
    for (const agent of this.#agents.values()) agent.destroy();
  }
  #keptAgent(server) {
    const now = clock.date();
    if (now - this.#lastSentAt > this.#maxIdleMs) this.#agents.clear();
    this.#lastSentAt = now;
    let agent = this.#agents.get(server.origin);
    if (agent === undefined) {
      agent = this.#createAgent(server, {
        keepAlive: true,
        maxFreeSockets: 128,
        timeout: this.#maxIdleMs,
      });
      this.#agents.set(server.origin, agent);
    }
    return agent;
  }
  #createAgent({ url }, options) {
    debug_debug(() => explainRoute(url, this.#route));
    return createAgent(url, proxyFor(url, this.#route), options);
  }
}
class Sending {
  #call;
  #limits;
  #route;
  #progress = new Progress();
  #timer;
  #isReplying = false;
  constructor(call, limits, route) {
    this.#call = call;
    this.#limits = limits;
    this.#route = route;
  }
  run(agent) {
    const { server, client } = this.#call;
    const beganAt = clock.now();
    return new Promise((resolve, reject) => {
      if (client.hasLeft) return reject(new Error("the client left"));
      const request = this.#createRequest(agent);
      const fail = (error) => {
        clearTimeout(this.#timer);
        reject(error);
        request.destroy();
        this.#progress.end();
      };
      client.onLeave(() => fail(new Error("the client left")));
      this.#watchTime(request, fail);
      request.once("response", (message) => {
        clearTimeout(this.#timer);
        this.#isReplying = true;
        debug_debug(() => this.#describe(message, clock.now() - beganAt));
        resolve(message);
      });
      request.once("upgrade", () => fail(networkError({ code: "HPE_UPGRADE" }, this.#state())));
      request.on("error", (error) => {
        if (this.#isReplying) return;
        const wasClosed = error.code === "ECONNRESET" || error.code === "EPIPE";
        const isStale = request.reusedSocket && wasClosed;
        debug_debug(() => `${server.origin}: ${error.code ?? error.name}: ${error.message}`);
        fail(isStale ? CLOSED_WHILE_IDLE : networkError(error, this.#state()));
      });
      request.end();
    });
  }
  #createRequest(agent) {
    const { method, server, path, headers } = this.#call;
    const options = {
      host: server.hostname,
      port: server.port,
      path,
      method,
      headers: headers,
      agent,
      progress: this.#progress,
    };
    return (server.isHttps ? (external_node_https_default()) : (external_node_http_default())).request(options);
  }
  #watchTime(request, fail) {
    const { connectMs, headMs } = this.#limits;
    const onLate = () => {
      afterPendingReads(() => {
        const wasEnded = this.#isReplying || request.destroyed;
        if (!wasEnded) fail(timeoutError(this.#state()));
      });
    };
    const limit = (ms) => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(onLate, ms);
    };
    limit(request.reusedSocket ? headMs : connectMs);
    if (request.reusedSocket) return;
    request.once("socket", (socket) => {
      if (this.#call.server.isHttps) socket.once("secureConnect", () => limit(headMs));
      else limit(headMs);
    });
  }
  #state() {
    const { url } = this.#call.server;
    const proxy = proxyFor(url, this.#route);
    const progress = this.#progress;
    return { url, proxy, progress, isReplying: false, isGatewayCall: true };
  }
  #describe({ statusCode, headers }, elapsedMs) {
    const { method, server, path } = this.#call;
    const bytes = headers["content-length"];
    const length = bytes === undefined ? "" : `, ${quote(bytes)} bytes`;
    const how = `${statusCode} in ${Math.round(elapsedMs)} ms${length}${shownHeaders(headers)}`;
    return `${method} ${server.origin}${withoutQuery(path)}: ${how}`;
  }
}

;// CONCATENATED MODULE: ./build/gateway/armor-calls.js





const MAX_REPEATS = 3;
class ArmorCalls {
  #gatewayPaths;
  #tokenCache;
  #upstream;
  #server;
  #basePath;
  #forbidden;
  constructor(options) {
    this.#gatewayPaths = options.gatewayPaths;
    this.#tokenCache = options.tokenCache;
    this.#upstream = options.upstream;
    const url = new URL(options.apiUrl);
    this.#server = serverOf(url);
    this.#basePath = url.pathname.replace(/\/$/, "");
    this.#forbidden = new ForbiddenPaths(options.maxForbiddenPaths);
  }
  async send(request, target, client) {
    const { method = "GET" } = request;
    const passedHeaders = keepHeaders(request, isPassedToArmor);
    let place = { server: this.#server, path: this.#basePath + target };
    let token = await this.#tokenCache.get();
    let repeats = 0;
    let redirects = 0;
    for (;;) {
      const { server, path } = place;
      const headers = [...passedHeaders, "Host", server.host];
      headers.push("Authorization", `Bearer ${token.accessToken}`);
      const message = await this.#upstream.send({ server, path, method, headers, client });
      const replyWith = (location) => ({
        message,
        origin: server.url,
        location,
        repeats: repeats + redirects,
      });
      if (message.statusCode === 401) {
        if (repeats === MAX_REPEATS) {
          this.#forbidden.add(path);
          return replyWith();
        }
        const isForbidden = this.#forbidden.has(path);
        if (isForbidden && this.#tokenCache.isCurrent(token.accessToken)) return replyWith();
        message.destroy();
        const next = await this.#tokenCache.replace(token.accessToken);
        if (next !== token) repeats += 1;
        token = next;
        continue;
      }
      this.#forbidden.delete(path);
      const location = armor_calls_redirectTarget(message, place);
      if (location === undefined) return replyWith();
      const next = this.#allowedRedirect(server.url, location);
      if (next === undefined || redirects === MAX_REDIRECTS) {
        const isAbsolute = URL.canParse(message.headers.location ?? "");
        return replyWith(isAbsolute ? undefined : location.href);
      }
      message.destroy();
      redirects += 1;
      place = next;
    }
  }
  #allowedRedirect(from, location) {
    if (location.username !== "" || location.password !== "") return undefined;
    if (!isTrustedRedirect(from, location)) return undefined;
    if (!location.pathname.startsWith(`${this.#basePath}/`)) return undefined;
    const target = location.pathname.slice(this.#basePath.length) + location.search;
    const allowed = allowedTarget(target, this.#gatewayPaths);
    if (typeof allowed !== "string") return undefined;
    return { server: serverOf(location), path: this.#basePath + allowed };
  }
}
function armor_calls_redirectTarget(message, from) {
  const { statusCode = 0, headers } = message;
  if (!REDIRECT_STATUS.has(statusCode) || headers.location === undefined) return undefined;
  const location = utf8Of(headers.location);
  const base = from.server.origin + from.path;
  return URL.canParse(location, base) ? new URL(location, base) : undefined;
}

;// CONCATENATED MODULE: ./build/gateway/bounds.js
const BOUNDS = {
  maxConnections: {
    value: 4_000,
    unit: "connections",
    protects: "Memory: one takes up to 40 KB, with a head of 16 KB. A job needs some 1,000.",
    beyond:
      "The one that waited longest is closed, else an idle one; if all are busy, the new one.",
  },
  maxWaiting: {
    value: 2_000,
    unit: "connections",
    protects: "Room for the job beside connections that never had an admitted request.",
    beyond: "Those that waited longest are closed, as many as there are too many.",
  },
  minWaitMs: {
    value: 2_000,
    unit: "ms",
    protects: "Clients that open many connections first and use them later, as Go's does.",
    beyond: "A connection beyond maxWaiting that waited for so long is closed to make room.",
  },
  backlog: {
    value: 4_096,
    unit: "connections",
    protects: "Calls that connect at the same moment. Node's default is 511.",
    beyond: "The system lets the client try again.",
  },
  headMs: {
    value: 10_000,
    unit: "ms",
    protects: "Connections that begin a request, or the body of a refused one, and do not go on.",
    beyond: "408 request_timeout, or the end of the refused connection.",
  },
  maxHeadBytes: {
    value: 16 * 1024,
    unit: "bytes",
    protects: "Memory for each connection. Node's own default.",
    beyond: "431 head_too_large.",
  },
  maxHeaders: {
    value: 100,
    unit: "headers",
    protects:
      "Memory, as 960 small headers take five times their bytes; and the guard, which would not see " +
      "what Node drops beyond a number of its own (1,000 in Node 20).",
    beyond: "431 head_too_large, from this number on.",
  },
  keepAliveMs: {
    value: 120_000,
    unit: "ms",
    protects:
      "Connections that nobody uses any more. Longer than common clients keep one, so that none is " +
      "closed while a request is on its way.",
    beyond: "The connection is closed.",
  },
  maxInLine: {
    value: 64,
    unit: "requests",
    protects: "Memory: requests on one connection that wait for the reply to the one before.",
    beyond: "503 gateway_busy, when it is that request's turn, and the end of the connection.",
  },
  maxInLineInAll: {
    value: 2_000,
    unit: "requests",
    protects: "The same over all connections; a request and its response take some 4 KB.",
    beyond: "The connection that brought the last request is reset.",
  },
  maxBytesInLine: {
    value: 16 * 1024 * 1024,
    unit: "bytes",
    protects: "The same by the bytes of the heads, which may be 16 KB each.",
    beyond: "The connection that brought the last request is reset.",
  },
  maxCalls: {
    value: 128,
    unit: "calls",
    protects: "Armor, and memory: each call under way may hold 100 KB of its reply.",
    beyond: "The call waits in line.",
  },
  maxCallsWaiting: {
    value: 2_000,
    unit: "calls",
    protects: "Memory: each holds its head of up to 16 KB. A job sends 1,000 at once.",
    beyond: "503 gateway_busy.",
  },
  callWaitMs: {
    value: 120_000,
    unit: "ms",
    protects: "Clients, of an answer that never comes. As long as Armor may take for a head.",
    beyond: "503 gateway_busy.",
  },
  maxUnreadMs: {
    value: 10_000,
    unit: "ms",
    protects: "Calls that wait in line, of clients that do not read. A pipe seldom stops so long.",
    beyond: "If a call has waited in line for as long, the reply is broken off.",
  },
  maxUnreadInAllMs: {
    value: 120_000,
    unit: "ms",
    protects: "The same, of clients that read a little now and then: the sum of their pauses.",
    beyond: "If a call has waited in line for maxUnreadMs, the reply is broken off.",
  },
  maxForbiddenPaths: {
    value: 500,
    unit: "paths",
    protects: "Memory: paths, of up to 16 KB each, that lately answered 401 to every token.",
    beyond: "The path that was noted first is forgotten, which may cost one more token.",
  },
};
const LIMITS = Object.fromEntries(
  Object.entries(BOUNDS).map(([name, { value }]) => [name, value]),
);

;// CONCATENATED MODULE: ./build/gateway/client.js
class Client {
  hasLeft = false;
  wasEnded = false;
  #giveUp = () => undefined;
  #pausedSince;
  #pausedMs = 0;
  constructor(response) {
    response.once("close", () => {
      this.hasLeft = !response.writableFinished;
      if (this.hasLeft) this.#giveUp();
    });
  }
  onLeave(giveUp) {
    this.#giveUp = giveUp;
    if (this.hasLeft) giveUp();
  }
  end() {
    this.wasEnded = true;
    this.#giveUp();
  }
  stopsReading(now) {
    this.#pausedSince ??= now;
  }
  readsAgain(now) {
    if (this.#pausedSince === undefined) return;
    this.#pausedMs += now - this.#pausedSince;
    this.#pausedSince = undefined;
  }
  pauses(now) {
    const pauseMs = this.#pausedSince === undefined ? 0 : now - this.#pausedSince;
    return { pauseMs, pausesInAllMs: this.#pausedMs + pauseMs };
  }
}

;// CONCATENATED MODULE: ./build/gateway/idle-timer.js

class IdleTimer {
  #timer;
  #wasActive = false;
  #isStopped = false;
  constructor(ms, onIdle) {
    const decide = () => {
      if (!this.#isStopped && !this.#wasActive) onIdle();
    };
    this.#timer = setTimeout(() => {
      this.#wasActive = false;
      afterPendingReads(decide);
    }, ms);
  }
  noteActivity() {
    this.#wasActive = true;
    this.#timer.refresh();
  }
  stop() {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }
}

;// CONCATENATED MODULE: ./build/gateway/pass-on.js





async function passOn(reply, response, client, options) {
  const { message, origin } = reply;
  try {
    response.writeHead(message.statusCode ?? 502, replyHeaders(reply));
  } catch {
    message.destroy();
    throw networkError({ code: "HPE_INVALID_HEAD" }, stateOf(origin, options.route, false));
  }
  const hasBodyToCome = message.readableLength === 0 && !message.complete;
  if (hasBodyToCome) response.flushHeaders();
  return await streamBody(reply, response, client, options);
}
function stateOf(url, route, isReplying) {
  return { url, proxy: proxyFor(url, route), isReplying, isGatewayCall: true };
}
function replyHeaders({ message, location }) {
  const isReplaced = (name) => name === "location" && location !== undefined;
  const isWanted = (name) => isPassedToClient(name) && !isReplaced(name);
  const headers = keepHeaders(message, isWanted);
  if (location !== undefined) headers.push("Location", location);
  headers.push("Referrer-Policy", "no-referrer");
  return lengthLast(headers);
}
function streamBody(reply, response, client, options) {
  const { message, origin } = reply;
  const state = () => stateOf(origin, options.route, true);
  const pause = () => {
    client.stopsReading(clock.now());
    options.slots.notePause(client);
  };
  return new Promise((resolve, reject) => {
    let length = 0;
    const fail = (error) => {
      idle.stop();
      reject(error);
      message.destroy();
    };
    const idle = new IdleTimer(options.idleMs, () => {
      if (message.isPaused()) idle.noteActivity();
      else fail(timeoutError(state()));
    });
    client.onLeave(() => fail(new Error("the client left")));
    if (client.hasLeft) return;
    message.on("data", (chunk) => {
      idle.noteActivity();
      length += chunk.length;
      if (response.write(chunk)) return;
      message.pause();
      pause();
    });
    response.on("drain", () => {
      idle.noteActivity();
      client.readsAgain(clock.now());
      message.resume();
    });
    message.once("end", () => {
      idle.stop();
      response.end(() => resolve(length));
      if (response.writableLength > 0) pause();
    });
    message.on("error", (error) => fail(networkError(error, state())));
  });
}

;// CONCATENATED MODULE: ./build/gateway/reply.js



function sendFailure(response, failure) {
  const { headers, body } = errorReply(failure.code, failure.message);
  const { retryAfterMs } = failure.details;
  if (retryAfterMs) headers["Retry-After"] = String(Math.ceil(retryAfterMs / 1000));
  response.writeHead(failureStatus(failure), headers).end(body);
}
function failureStatus({ code, details }) {
  if (details.isPermanent) return 424;
  if (details.retryAfterMs) return 503;
  return code === "reply_timeout" ? 504 : 502;
}
function sendRefusal(response, refusal, lingerMs) {
  const { headers, body } = refusalReply(refusal);
  response.writeHead(refusal.status, headers);
  const request = response.req.headers;
  const hasBody =
    request["transfer-encoding"] !== undefined || Number(request["content-length"] ?? 0) !== 0;
  if (!hasBody) {
    response.end(body);
    return;
  }
  response.flushHeaders();
  response.write(body);
  const timer = new IdleTimer(lingerMs, () => response.end());
  response.req.once("end", () => response.end()).resume();
  response.once("close", () => timer.stop());
}
function endSocket(socket, refusal, lingerMs) {
  const { headers, body } = refusalReply(refusal);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on("error", () => undefined);
  socket.end(
    `HTTP/1.1 ${refusal.status} ${external_node_http_namespaceObject.STATUS_CODES[refusal.status]}\r\n${lines.join("")}\r\n${body}`,
  );
  const timer = new IdleTimer(lingerMs, () => socket.destroy());
  socket.resume().once("close", () => timer.stop());
}
function refusalReply({ error, description, allow, retryAfterS }) {
  const { headers, body } = errorReply(error, description);
  headers["Connection"] = "close";
  if (allow !== undefined) headers["Allow"] = allow;
  if (retryAfterS !== undefined) headers["Retry-After"] = String(retryAfterS);
  return { headers, body };
}
function errorReply(error, description) {
  const body = JSON.stringify({ error, error_description: printable(description) });
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": String(Buffer.byteLength(body)),
    "Cache-Control": "no-store",
    "X-Armor-Gateway": "1",
  };
  return { headers, body };
}

;// CONCATENATED MODULE: ./build/gateway/slots.js

const MAX_CHECK_MS = 1_000;
class Slots {
  #limits;
  #free;
  #paused = new Set();
  #line = new Set();
  #check;
  constructor(limits) {
    this.#limits = limits;
    this.#free = limits.maxCalls;
  }
  async acquire(client) {
    if (client.hasLeft) return "left";
    if (this.#free > 0) {
      this.#free -= 1;
      return "granted";
    }
    if (this.#line.size >= this.#limits.maxCallsWaiting) return "tooMany";
    return await this.#wait(client);
  }
  release(client) {
    if (this.#paused.size > 0) this.#paused.delete(client);
    for (const next of this.#line) {
      next.leaveWith("granted");
      return;
    }
    this.#free += 1;
  }
  notePause(client) {
    this.#paused.add(client);
  }
  #wait(client) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => waiting.leaveWith("tooLate"), this.#limits.callWaitMs);
      timer.unref();
      const waiting = {
        client,
        since: clock.now(),
        leaveWith: (outcome) => {
          clearTimeout(timer);
          this.#line.delete(waiting);
          if (this.#line.size === 0) this.#stopChecking();
          resolve(outcome);
        },
      };
      this.#line.add(waiting);
      this.#startChecking();
      client.onLeave(() => {
        if (this.#line.has(waiting)) waiting.leaveWith("left");
      });
    });
  }
  #startChecking() {
    if (this.#check !== undefined) return;
    const ms = Math.min(MAX_CHECK_MS, this.#limits.maxUnreadMs / 5);
    this.#check = setInterval(() => this.#endClientsThatDoNotRead(), ms).unref();
  }
  #stopChecking() {
    clearInterval(this.#check);
    this.#check = undefined;
  }
  #endClientsThatDoNotRead() {
    const now = clock.now();
    let wanted = 0;
    for (const { since } of this.#line) {
      if (now - since >= this.#limits.maxUnreadMs) wanted += 1;
    }
    for (const client of this.#paused) {
      if (wanted === 0) return;
      if (!this.#doesNotRead(client, now)) continue;
      client.end();
      wanted -= 1;
    }
  }
  #doesNotRead(client, now) {
    const { pauseMs, pausesInAllMs } = client.pauses(now);
    return pauseMs >= this.#limits.maxUnreadMs || pausesInAllMs >= this.#limits.maxUnreadInAllMs;
  }
}

;// CONCATENATED MODULE: ./build/gateway/gateway.js








class Gateway {
  #options;
  #slots;
  constructor(options) {
    this.#options = options;
    this.#slots = new Slots(options.bounds);
  }
  async handle(request, response, target) {
    const startedAt = isDebugOn() ? clock.now() : 0;
    const client = new Client(response);
    const call = { request, response, target, client, startedAt };
    const outcome = await this.#slots.acquire(client);
    if (outcome !== "granted") {
      this.#answerWithoutSlot(call, outcome);
      return;
    }
    try {
      await this.#answer(call);
    } catch (error) {
      this.#tellFailure(call, error);
    } finally {
      this.#slots.release(client);
    }
  }
  async #answer(call) {
    const { calls, stats, idleMs, route } = this.#options;
    const { request, response, target, client } = call;
    const reply = await calls.send(request, target, client);
    const length = await passOn(reply, response, client, { idleMs, slots: this.#slots, route });
    const { statusCode } = response;
    stats.addAnswer(statusCode);
    stats.addRead(request.method ?? "GET", withoutQuery(target), statusCode);
    debug_debug(() => lineOf(call, `${statusCode}, ${length} bytes, ${reply.repeats} repeats`));
  }
  #answerWithoutSlot(call, outcome) {
    const { stats, bounds } = this.#options;
    debug_debug(() => lineOf(call, `no slot (${outcome})`));
    if (outcome === "left") {
      stats.abandoned += 1;
      return;
    }
    const refusal = outcome === "tooMany" ? tooManyWait(bounds) : waitedTooLong(bounds);
    stats.addRefusal(refusal);
    sendRefusal(call.response, refusal, bounds.headMs);
  }
  #tellFailure(call, error) {
    const { stats, bounds } = this.#options;
    const { response, client } = call;
    if (client.wasEnded) {
      debug_debug(() => lineOf(call, "ended, as its client did not read"));
      stats.addUnread(doesNotRead(bounds));
      response.socket?.resetAndDestroy();
      return;
    }
    if (client.hasLeft) {
      debug_debug(() => lineOf(call, "its client left"));
      stats.abandoned += 1;
      return;
    }
    const failure = stats.addFailure(error);
    debug_debug(() => lineOf(call, failure.code));
    if (response.headersSent) response.socket?.resetAndDestroy();
    else sendFailure(response, failure);
  }
}
function lineOf({ request, target, startedAt }, result) {
  const ms = Math.round(clock.now() - startedAt);
  return `Gateway: ${request.method} ${withoutQuery(target)}, ${ms} ms: ${result}`;
}
function tooManyWait({ maxCalls, maxCallsWaiting }) {
  return busy(
    `${maxCalls} calls to Armor are under way and ${maxCallsWaiting} wait in line. ` +
      "Send fewer calls at once, or repeat this one later.",
  );
}
function waitedTooLong({ maxCalls, callWaitMs }) {
  return busy(
    `This call waited ${callWaitMs / 1000} s in line behind ${maxCalls} calls that were under way. ` +
      "Send fewer calls at once, or repeat this one later.",
  );
}
function doesNotRead({ maxUnreadMs }) {
  return busy(
    `A client did not read its reply for ${maxUnreadMs / 1000} s or longer while other calls waited in ` +
      "line, so the reply was broken off. Read replies at once, or send fewer calls at the same time.",
  );
}

;// CONCATENATED MODULE: external "node:events"
const external_node_events_namespaceObject = require("node:events");
;// CONCATENATED MODULE: ./build/gateway/connections.js

class Connection {
  socket;
  since;
  turn;
  admittedAt;
  isRefused = false;
  lastResponse;
  line = [];
  isOverfull = false;
  requestsHeld = 0;
  bytesHeld = 0;
  letsGoAtClose = false;
  constructor(socket, since, turn) {
    this.socket = socket;
    this.since = since;
    this.turn = turn;
  }
  get isReplying() {
    return this.lastResponse !== undefined && !this.lastResponse.closed;
  }
}
const TURNS_TO_READ = 2;
class Connections {
  #limits;
  #all = new Map();
  #strangers = new Set();
  #turn = 0;
  #isTurnCounted = false;
  constructor(limits) {
    this.#limits = limits;
  }
  open(socket) {
    this.#countTurn();
    const connection = new Connection(socket, clock.now(), this.#turn);
    this.#all.set(socket, connection);
    this.#strangers.add(connection);
    socket.once("close", () => this.#forget(connection));
    const tooMany = this.#strangers.size - this.#limits.maxWaiting;
    if (tooMany > 0) this.#closeStrangers(tooMany, ({ since }) => this.#isOld(since));
    if (this.#all.size > this.#limits.maxConnections) this.#makeRoomFor(connection);
  }
  find(socket) {
    return this.#all.get(socket);
  }
  admit(connection) {
    this.#strangers.delete(connection);
    connection.admittedAt = clock.now();
  }
  refuse(connection) {
    connection.isRefused = true;
    connection.admittedAt = undefined;
    this.#strangers.add(connection);
  }
  #makeRoomFor(connection) {
    const hadItsTurn = ({ turn }) => this.#turn - turn >= TURNS_TO_READ;
    if (this.#closeStrangers(1, hadItsTurn)) return;
    if (this.#closeIdle()) return;
    this.#close(connection);
  }
  #closeStrangers(count, mayClose) {
    let closed = 0;
    for (const connection of this.#strangers) {
      if (closed === count || !mayClose(connection)) break;
      this.#close(connection);
      closed += 1;
    }
    return closed > 0;
  }
  #closeIdle() {
    for (const connection of this.#all.values()) {
      const { admittedAt } = connection;
      if (admittedAt === undefined || connection.isReplying || !this.#isOld(admittedAt)) continue;
      this.#close(connection);
      return true;
    }
    return false;
  }
  #countTurn() {
    if (this.#isTurnCounted) return;
    this.#isTurnCounted = true;
    setImmediate(() => {
      this.#turn += 1;
      this.#isTurnCounted = false;
    });
  }
  #isOld(since) {
    return clock.now() - since >= this.#limits.minWaitMs;
  }
  #close(connection) {
    this.#forget(connection);
    connection.socket.destroy();
  }
  #forget(connection) {
    this.#all.delete(connection.socket);
    this.#strangers.delete(connection);
  }
}

;// CONCATENATED MODULE: external "node:crypto"
const external_node_crypto_namespaceObject = require("node:crypto");
;// CONCATENATED MODULE: ./build/gateway/guard.js






const BROWSER_HEADER = /^(origin|sec-fetch-site|referer)$/;
const PROXY_HEADER = /^(x-forwarded-.*|forwarded|via|x-real-ip)$/;
const TOO_MANY_HEADERS = refuse(
  "head_too_large",
  `The request has ${BOUNDS.maxHeaders.value} headers or more. Leave out what the gateway does not need.`,
);
const NO_PROXY_REMEDY =
  "At the beginning of this step's script, put: " +
  "export no_proxy=127.0.0.1,$no_proxy NO_PROXY=127.0.0.1,$NO_PROXY";
function authorize(head, config) {
  const { method = "", url = "", rawHeaders } = head;
  if (rawHeaders.length >= 2 * BOUNDS.maxHeaders.value) return TOO_MANY_HEADERS;
  const gatewayTarget = targetBelow(url, config.capability);
  const request = {
    method,
    headers: parseRawHeaders(rawHeaders).map(({ name, value }) => ({
      name: normalName(name),
      value,
    })),
    gatewayTarget,
    controlTarget:
      gatewayTarget === undefined ? targetBelow(url, config.controlCapability) : undefined,
  };
  const verdict = judge(request, config);
  if (verdict.route !== "refused") return verdict;
  const isFromJob = request.gatewayTarget !== undefined || request.controlTarget !== undefined;
  return { ...verdict, isFromJob };
}
function normalName(name) {
  return name.toLowerCase().replaceAll("_", "-");
}
function judge(request, config) {
  const { method, headers, gatewayTarget, controlTarget } = request;
  const foreign = foreignRequest(headers, config.host);
  if (foreign !== undefined) return foreign;
  if (gatewayTarget !== undefined)
    return readRequest(method, headers, gatewayTarget, config.gatewayPaths);
  if (controlTarget !== undefined) return controlRequest(method, controlTarget);
  return refuse("wrong_capability", "Use ARMOR_GATEWAY_URL as it is, and append the path.");
}
function targetBelow(target, capability) {
  const given = Buffer.from(target.slice(0, capability.length + 1));
  const expected = Buffer.from(`/${capability}`);
  if (given.length !== expected.length || !(0,external_node_crypto_namespaceObject.timingSafeEqual)(given, expected)) return undefined;
  const below = target.slice(capability.length + 1);
  return below.startsWith("/") ? below : undefined;
}
function foreignRequest(headers, host) {
  const foreign = (description) => refuse("foreign_request", description);
  const [hostHeader, secondHostHeader] = headers.filter(({ name }) => name === "host");
  if (hostHeader?.value !== host || secondHostHeader !== undefined)
    return foreign(
      "The Host header is not the one of ARMOR_GATEWAY_URL. Use that address as it is, with 127.0.0.1.",
    );
  for (const { name, value } of headers) {
    if (PROXY_HEADER.test(name))
      return foreign(
        `The request came through a proxy (header ${quote(name)}). ${NO_PROXY_REMEDY}`,
      );
    const isOwnReferer = name === "referer" && value.startsWith(`http://${host}/`);
    if (BROWSER_HEADER.test(name) && !isOwnReferer)
      return foreign(
        `Requests with a header ${name} are refused: a web page may have sent them. ` +
          "Call the gateway from a program, not from a browser.",
      );
  }
  return undefined;
}
function readRequest(method, headers, below, gatewayPaths) {
  if (method !== "GET" && method !== "HEAD") {
    const remedy = "To change something, call Armor with a token of armor-token.";
    return wrongMethod(`The gateway only reads: GET and HEAD. ${remedy}`, "GET, HEAD");
  }
  if (headers.some(announcesBody))
    return refuse("body_refused", "Requests through the gateway have no body. Leave it out.");
  const target = allowedTarget(below, gatewayPaths);
  return typeof target === "string" ? { route: "gateway", target } : target;
}
function announcesBody({ name, value }) {
  if (name === "transfer-encoding") return true;
  return name === "content-length" && !/^\s*0+\s*$/.test(value);
}
function controlRequest(method, below) {
  switch (below) {
    case "/token":
      return method === "GET" ? { route: "token" } : wrongMethod("This takes GET only.", "GET");
    case "/stop":
      return method === "POST" ? { route: "stop" } : wrongMethod("This takes POST only.", "POST");
    default:
      return refuse("not_found", "There are GET /token and POST /stop.");
  }
}

;// CONCATENATED MODULE: ./build/gateway/requests.js





const BAD_REQUEST = refuse(
  "bad_request",
  "The request is not valid HTTP. Use a client that speaks HTTP/1.1.",
);
const REQUEST_TIMEOUT = "ERR_HTTP_REQUEST_TIMEOUT";
const BAD_HEADS = new Map([
  [
    "HPE_HEADER_OVERFLOW",
    refuse(
      "head_too_large",
      `The request's headers are larger than ${BOUNDS.maxHeadBytes.value / 1024} KB, or ` +
        `${BOUNDS.maxHeaders.value} or more. Leave out what the gateway does not need, such as cookies.`,
    ),
  ],
  [
    REQUEST_TIMEOUT,
    refuse("request_timeout", "The request's headers did not come in time. Send them at once."),
  ],
]);
const LINE_IS_FULL = busy(
  `More than ${BOUNDS.maxInLine.value} requests came on one connection before the first was answered. ` +
    "Wait for replies, or use several connections.",
);
class Requests {
  #options;
  #heldInAll = 0;
  #bytesHeldInAll = 0;
  constructor(options) {
    this.#options = options;
  }
  accept(exchange) {
    const { socket } = exchange.request;
    const connection = this.#options.connections.find(socket);
    if (socket.destroyed || connection === undefined || connection.isRefused) {
      ignoreRequests(socket);
      return;
    }
    if (connection.isReplying) this.#putInLine(connection, exchange);
    else this.#serve(connection, exchange);
  }
  #giveUp(socket, refusal) {
    const { connections, limits, onRefusal } = this.#options;
    const connection = connections.find(socket);
    if (connection !== undefined) connections.refuse(connection);
    onRefusal(refusal);
    endSocket(socket, refusal, limits.headMs);
  }
  refuseConnect(socket, refusal) {
    if (this.#options.connections.find(socket)?.isReplying) socket.resetAndDestroy();
    else this.#giveUp(socket, refusal);
  }
  endUnreadable(socket, code) {
    if (code !== REQUEST_TIMEOUT) {
      this.#endNow(socket, code);
      return;
    }
    const connection = this.#options.connections.find(socket);
    const before = connection?.lastResponse;
    afterPendingReads(() => {
      const hasCome = connection !== undefined && connection.lastResponse !== before;
      if (!hasCome) this.#endNow(socket, code);
    });
  }
  endIdle(socket) {
    const { bytesRead } = socket;
    afterPendingReads(() => {
      if (socket.bytesRead === bytesRead) socket.destroy();
    });
  }
  #serve(connection, { request, response, expectsContinue }) {
    const { connections, guard, handle } = this.#options;
    connection.lastResponse = response;
    const verdict = authorize(request, guard);
    if (verdict.route === "refused") {
      this.#refuse(connection, response, verdict);
      return;
    }
    connections.admit(connection);
    if (expectsContinue) response.writeContinue();
    handle(request, response, verdict);
  }
  #refuse(connection, response, refusal) {
    const { connections, limits, onRefusal } = this.#options;
    connection.lastResponse = response;
    connections.refuse(connection);
    ignoreRequests(connection.socket);
    onRefusal(refusal);
    sendRefusal(response, refusal, limits.headMs);
  }
  #putInLine(connection, exchange) {
    const { line, socket, lastResponse } = connection;
    const { maxInLine } = this.#options.limits;
    this.#hold(connection, exchange.request);
    if (!connection.letsGoAtClose) {
      connection.letsGoAtClose = true;
      socket.once("close", () => this.#letGoOfAll(connection));
    }
    if (this.#holdsTooMuch()) {
      socket.destroy();
      ignoreRequests(socket);
      return;
    }
    if (connection.isOverfull) return;
    line.push(exchange);
    if (line.length === 1) lastResponse?.once("close", () => this.#serveNext(connection));
    if (line.length <= maxInLine) return;
    connection.isOverfull = true;
    stopReading(socket);
  }
  #serveNext(connection) {
    const { line, socket, isOverfull, isRefused } = connection;
    const next = line.shift();
    if (next === undefined || socket.destroyed || isRefused) return;
    const isLast = line.length === 0;
    if (isLast && isOverfull) {
      this.#refuse(connection, next.response, LINE_IS_FULL);
      return;
    }
    this.#letGo(connection, next.request);
    this.#serve(connection, next);
    if (!isLast) next.response.once("close", () => this.#serveNext(connection));
  }
  #hold(connection, request) {
    const bytes = headLength(request);
    connection.requestsHeld += 1;
    connection.bytesHeld += bytes;
    this.#heldInAll += 1;
    this.#bytesHeldInAll += bytes;
  }
  #letGo(connection, request) {
    const bytes = headLength(request);
    connection.requestsHeld -= 1;
    connection.bytesHeld -= bytes;
    this.#heldInAll -= 1;
    this.#bytesHeldInAll -= bytes;
  }
  #letGoOfAll(connection) {
    this.#heldInAll -= connection.requestsHeld;
    this.#bytesHeldInAll -= connection.bytesHeld;
    connection.requestsHeld = 0;
    connection.bytesHeld = 0;
    connection.line.length = 0;
  }
  #holdsTooMuch() {
    const { maxInLineInAll, maxBytesInLine } = this.#options.limits;
    return this.#heldInAll > maxInLineInAll || this.#bytesHeldInAll > maxBytesInLine;
  }
  #endNow(socket, code) {
    const connection = this.#options.connections.find(socket);
    if (connection?.isRefused) return;
    if (connection?.isReplying) {
      socket.resetAndDestroy();
      return;
    }
    const isSilent = socket.bytesRead === 0;
    if (isSilent || code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    this.#giveUp(socket, BAD_HEADS.get(code) ?? BAD_REQUEST);
  }
}
function headLength({ url = "", rawHeaders }) {
  let length = url.length;
  for (const text of rawHeaders) length += text.length;
  return length;
}
function ignoreRequests(socket) {
  const { parser } = socket;
  if (typeof parser?.onIncoming === "function") parser.onIncoming = () => 0;
}
function stopReading(socket) {
  if (socket.listenerCount("resume", pause) === 0) socket.on("resume", pause);
  socket.pause();
}
function pause() {
  this.pause();
}

;// CONCATENATED MODULE: ./build/gateway/server.js





const NO_CONNECT = wrongMethod(
  "The gateway is no proxy: use it as the base address of a call.",
  "GET, HEAD",
);
async function listen(options) {
  const { handle, limits, onRefusal } = options;
  const server = createNodeServer(limits);
  await (0,external_node_events_namespaceObject.once)(server.listen(0, "127.0.0.1", limits.backlog), "listening");
  const { port } = server.address();
  const guard = {
    capability: options.guard.capability,
    controlCapability: options.guard.controlCapability,
    gatewayPaths: options.guard.gatewayPaths,
    host: `127.0.0.1:${port}`,
  };
  const connections = new Connections(limits);
  const requests = new Requests({ connections, guard, limits, handle, onRefusal });
  server.on("connection", (socket) => connections.open(socket));
  serveRequests(server, requests);
  return { port, server };
}
function createNodeServer(limits) {
  const server = (0,external_node_http_namespaceObject.createServer)({
    maxHeaderSize: limits.maxHeadBytes,
    headersTimeout: limits.headMs,
    connectionsCheckingInterval: limits.headMs / 5,
    keepAliveTimeout: limits.keepAliveMs,
    requestTimeout: 0,
    requireHostHeader: false,
  });
  server.maxHeadersCount = limits.maxHeaders;
  return server;
}
function serveRequests(server, requests) {
  const accept = (request, response) =>
    requests.accept({ request, response, expectsContinue: false });
  server.on("request", accept);
  server.on("checkContinue", (request, response) =>
    requests.accept({ request, response, expectsContinue: true }),
  );
  server.on("checkExpectation", accept);
  server.on("connect", (_, socket) => requests.refuseConnect(socket, NO_CONNECT));
  server.on("clientError", (error, socket) => requests.endUnreadable(socket, error.code ?? ""));
  server.on("timeout", (socket) => requests.endIdle(socket));
}

;// CONCATENATED MODULE: ./build/gateway/serve.js






class Service {
  tokenCache;
  #config;
  #stats;
  #bounds;
  #upstream;
  #server;
  constructor(config, fetchToken, stats, options = {}) {
    this.#config = config;
    this.#stats = stats;
    this.#bounds = { ...LIMITS, ...options.bounds };
    this.#upstream = new Upstream(config.route, config.limits, options.maxIdleMs);
    const onProblem = (error) => stats.addProblem(error);
    this.tokenCache = new TokenCache(config.first, fetchToken, onProblem);
  }
  async listen(control) {
    const { capability, controlCapability, gatewayPaths } = this.#config;
    const listening = await listen({
      guard: { capability, controlCapability, gatewayPaths },
      handle: this.#handler(control),
      limits: this.#bounds,
      onRefusal: (refusal) => this.#stats.addRefusal(refusal),
    });
    this.#server = listening.server;
    return listening;
  }
  close() {
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#upstream.close();
  }
  #handler(control) {
    const gateway = this.#createGateway();
    return (request, response, admission) => {
      control.onAdmitted();
      switch (admission.route) {
        case "gateway":
          gateway.handle(request, response, admission.target);
          break;
        case "token":
          control.answerToken(response);
          break;
        case "stop":
          control.answerStop(response);
          break;
      }
    };
  }
  #createGateway() {
    const { apiUrl, gatewayPaths, limits, route } = this.#config;
    const calls = new ArmorCalls({
      apiUrl,
      gatewayPaths,
      maxForbiddenPaths: this.#bounds.maxForbiddenPaths,
      tokenCache: this.tokenCache,
      upstream: this.#upstream,
    });
    const { idleMs } = limits;
    return new Gateway({ calls, stats: this.#stats, idleMs, bounds: this.#bounds, route });
  }
}

;// CONCATENATED MODULE: ./build/protocol/config.js
const CONTROL_FILE = "control-url";
const REPORT_FILE = "report.json";
const DEBUG_FILE = "debug.log";
const READY_LINE = /^token agent: (?:port (?<port>\d+)|(?<problem>.+))\n/m;
const CONTROL_URL = /^http:\/\/127\.0\.0\.1:(?<port>\d{1,5})\/(?<capability>[\w-]+)$/;
const MAX_CONTROL_BYTES = 1_024;
const MAX_REPORT_BYTES = 256 * 1024;
const MAX_DEBUG_BYTES = 256 * 1024;

;// CONCATENATED MODULE: ./build/protocol/files.js


const READ_FLAGS = external_node_fs_namespaceObject.constants.O_RDONLY | (external_node_fs_namespaceObject.constants.O_NOFOLLOW ?? 0) | (external_node_fs_namespaceObject.constants.O_NONBLOCK ?? 0);
async function readSmallFile(path, maxBytes) {
  const file = await external_node_fs_namespaceObject.promises.open(path, READ_FLAGS);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw unfit("NOT_A_FILE", path);
    const content = await readUpTo(file, maxBytes + 1);
    if (content.length > maxBytes) throw unfit("TOO_LARGE", path);
    return content.toString("utf8");
  } finally {
    await file.close();
  }
}
async function readUpTo(file, bytes) {
  const buffer = Buffer.alloc(bytes);
  let length = 0;
  while (length < bytes) {
    const { bytesRead } = await file.read(buffer, length, bytes - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}
function unfit(code, path) {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
async function placeFile(path, content) {
  const temporary = `${path}.${(0,external_node_crypto_namespaceObject.randomBytes)(6).toString("hex")}`;
  try {
    await external_node_fs_namespaceObject.promises.writeFile(temporary, content, { mode: 0o600, flag: "wx" });
    await external_node_fs_namespaceObject.promises.rename(temporary, path);
  } catch (error) {
    await external_node_fs_namespaceObject.promises.rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}
function ownerOf(path) {
  if (process.getuid === undefined) return undefined;
  try {
    return (0,external_node_fs_namespaceObject.statSync)(path).uid;
  } catch {
    return undefined;
  }
}

;// CONCATENATED MODULE: ./build/protocol/stats.js


const MAX_KINDS = 1_000;
const MAX_REPORTED_KINDS = 50;
const MAX_PATH_LENGTH = 200;
const stats_UUID = /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/gi;
class Stats {
  reason;
  minted = 1;
  handedOut = 0;
  answered = {};
  failed = {};
  abandoned = 0;
  refused = 0;
  sessionsEnded = 0;
  sessionsNotEnded = 0;
  problems = {};
  #read = new Map();
  #callsOfOtherKinds = 0;
  addAnswer(status) {
    const name = `${Math.floor(status / 100)}xx`;
    this.answered[name] = (this.answered[name] ?? 0) + 1;
  }
  addRead(method, path, status) {
    const general = shortened(path.replace(stats_UUID, "{id}"));
    const kind = `${method} ${general} ${status}`;
    const known = this.#read.get(kind);
    if (known !== undefined) known.calls += 1;
    else if (this.#read.size < MAX_KINDS)
      this.#read.set(kind, { method, path: general, status, calls: 1 });
    else this.#callsOfOtherKinds += 1;
  }
  addFailure(error) {
    const failure = this.addProblem(error);
    this.#countFailure(failure.code);
    return failure;
  }
  addUnread({ error, description }) {
    this.#countFailure(error);
    this.problems[error] = description;
  }
  addRefusal({ error, description, isFromJob }) {
    this.refused += 1;
    if (isFromJob) this.problems[error] = description;
  }
  addProblem(error) {
    const failure = asArmorError(error);
    this.problems[failure.code] = failure.message;
    return failure;
  }
  report() {
    const kinds = [...this.#read.values()].sort((a, b) => b.calls - a.calls);
    const others = kinds.splice(MAX_REPORTED_KINDS);
    let otherCalls = this.#callsOfOtherKinds;
    for (const { calls } of others) otherCalls += calls;
    const problems = Object.entries(this.problems);
    return {
      ...(this.reason === undefined ? {} : { reason: printable(this.reason) }),
      minted: this.minted,
      handedOut: this.handedOut,
      answered: this.answered,
      failed: this.failed,
      abandoned: this.abandoned,
      refused: this.refused,
      sessionsEnded: this.sessionsEnded,
      sessionsNotEnded: this.sessionsNotEnded,
      problems: Object.fromEntries(problems.map(([code, text]) => [code, printable(text)])),
      read: kinds.map((kind) => ({ ...kind, path: printable(kind.path) })),
      otherKinds: others.length,
      otherCalls,
    };
  }
  toJSON() {
    return this.report();
  }
  #countFailure(code) {
    this.failed[code] = (this.failed[code] ?? 0) + 1;
  }
}
function shortened(path) {
  if (path.length <= MAX_PATH_LENGTH) return path;
  return `${printable(path).slice(0, MAX_PATH_LENGTH)}\u2026`;
}
const MAX_COUNT = 1e9;
const MAX_ENTRIES = 100;
const MAX_TEXT = 4_000;
const stats_NAME = /^\w{1,40}$/;
const METHOD = /^(?:GET|HEAD)$/;
const PATH = /^[\w\-.~:@/{}*\u2026 ]{1,250}$/;
function parseStats(value) {
  if (!isObject(value)) return undefined;
  const counts = {
    minted: value["minted"],
    handedOut: value["handedOut"],
    abandoned: value["abandoned"],
    refused: value["refused"],
    sessionsEnded: value["sessionsEnded"],
    sessionsNotEnded: value["sessionsNotEnded"],
    otherKinds: value["otherKinds"],
    otherCalls: value["otherCalls"],
  };
  if (!areCounts(counts)) return undefined;
  const { reason, answered, failed, problems, read } = value;
  if (reason !== undefined && !isText(reason)) return undefined;
  if (!isRecordOf(answered, isCount) || !isRecordOf(failed, isCount)) return undefined;
  if (!isRecordOf(problems, isText) || !isListOfReads(read)) return undefined;
  const report = {
    ...counts,
    answered,
    failed,
    problems,
    read: read.map(({ method, path, status, calls }) => ({ method, path, status, calls })),
  };
  return reason === undefined ? report : { ...report, reason };
}
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
function isCount(value) {
  return Number.isInteger(value) && value >= 0 && value <= MAX_COUNT;
}
function areCounts(values) {
  return Object.values(values).every(isCount);
}
function isText(value) {
  return typeof value === "string" && value.length <= MAX_TEXT;
}
function isRecordOf(value, isEntry) {
  if (!isObject(value)) return false;
  const entries = Object.entries(value);
  return (
    entries.length <= MAX_ENTRIES && entries.every(([name, it]) => stats_NAME.test(name) && isEntry(it))
  );
}
function isListOfReads(value) {
  return Array.isArray(value) && value.length <= MAX_ENTRIES && value.every(isRead);
}
function isRead(value) {
  if (!isObject(value)) return false;
  const { method, path, status, calls } = value;
  if (typeof method !== "string" || !METHOD.test(method)) return false;
  if (typeof path !== "string" || !PATH.test(path)) return false;
  return isCount(status) && status >= 100 && status <= 999 && isCount(calls);
}

;// CONCATENATED MODULE: ./build/agent/control.js






const DRAIN_MS = 1_500;
const END_SESSIONS_MS = 2_000;
class Control {
  #options;
  #stopped;
  constructor(options) {
    this.#options = options;
  }
  async answerToken(response) {
    const { tokenCache, stats } = this.#options;
    try {
      const token = await tokenCache.get();
      const leftMs = Math.max(0, tokenCache.msLeft(token));
      response.once("finish", () => {
        stats.handedOut += 1;
      });
      sendJson(response, {
        access_token: token.accessToken,
        token_type: "Bearer",
        expires_in: Math.floor(leftMs / 1000),
        expires_at: isoDate(clock.date() + leftMs),
      });
    } catch (error) {
      sendFailure(response, stats.addProblem(error));
    }
  }
  async answerStop(response) {
    response.once("close", () => this.stop().then(this.#options.onStopped));
    await this.stop();
    sendJson(response, this.#options.stats);
  }
  stop() {
    this.#stopped ??= this.#endSessions();
    return this.#stopped;
  }
  async #endSessions() {
    const { tokenCache, stats, terminateSession } = this.#options;
    const { accessTokens, forgotten, isFetching } = await tokenCache.close(DRAIN_MS);
    if (!terminateSession) return;
    stats.sessionsNotEnded += forgotten;
    hide(accessTokens);
    await Promise.all(accessTokens.map((accessToken) => this.#endSession(accessToken)));
    if (isFetching) stats.sessionsNotEnded += 1;
  }
  async #endSession(accessToken) {
    const { context, stats } = this.#options;
    try {
      const wasAlive = await endSession({ ...context, timeoutMs: END_SESSIONS_MS }, accessToken);
      if (wasAlive) stats.sessionsEnded += 1;
    } catch (error) {
      stats.sessionsNotEnded += 1;
      debug_debug(() => `token agent: a session was not ended: ${asArmorError(error).message}`);
    }
  }
}
function sendJson(response, body) {
  const text = JSON.stringify(body);
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-store",
  };
  response.writeHead(200, headers).end(text);
}

;// CONCATENATED MODULE: ./build/agent/debug-file.js



const MAX_LINES = 1_000;
const WRITE_EVERY_MS = 1_000;
class DebugFile {
  #path;
  #lines = [];
  #bytes = 0;
  #isChanged = false;
  #writing = Promise.resolve();
  #timer;
  constructor(folder) {
    this.#path = (0,external_node_path_namespaceObject.join)(folder, DEBUG_FILE);
    this.#timer = setInterval(() => void this.write(), WRITE_EVERY_MS);
    this.#timer.unref();
  }
  add(line) {
    this.#lines.push(line);
    this.#bytes += sizeOf(line);
    this.#isChanged = true;
    while (this.#lines.length > MAX_LINES || this.#bytes > MAX_DEBUG_BYTES) {
      const oldest = this.#lines.shift();
      if (oldest === undefined) return;
      this.#bytes -= sizeOf(oldest);
    }
  }
  write() {
    this.#writing = this.#writing.then(() => this.#writeNow());
    return this.#writing;
  }
  async close() {
    clearInterval(this.#timer);
    await this.write();
  }
  async #writeNow() {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    const text = this.#lines.map((line) => `${line}\n`).join("");
    await placeFile(this.#path, text).catch(() => undefined);
  }
}
function sizeOf(line) {
  return Buffer.byteLength(line) + 1;
}

;// CONCATENATED MODULE: ./build/agent/life.js


const WATCH_MS = 2_000;
const HOUR_MS = 3_600_000;
const MAX_UNASKED_HOURS = 24;
const MAX_LIFE_DAYS = 5;
const END_SIGNALS = ["SIGINT", "SIGHUP", "SIGTERM"];
class Life {
  ended;
  #controlFile;
  #workerPid;
  #beganAt = clock.now();
  #lastAskedAt = clock.now();
  #signalListeners = END_SIGNALS.map((signal) => ({
    signal,
    listener: () => this.end(`it was told to end by a signal (${signal})`),
  }));
  #resolve = () => undefined;
  #timer;
  constructor({ controlFile, workerPid }) {
    this.#controlFile = controlFile;
    this.#workerPid = isAlive(workerPid) ? workerPid : undefined;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    for (const { signal, listener } of this.#signalListeners) process.on(signal, listener);
  }
  begin() {
    this.#timer = setInterval(() => void this.#watch(), WATCH_MS);
  }
  wasAsked() {
    this.#lastAskedAt = clock.now();
  }
  end(reason) {
    this.#resolve(reason);
  }
  forget() {
    clearInterval(this.#timer);
    for (const { signal, listener } of this.#signalListeners) process.off(signal, listener);
  }
  async #watch() {
    if (this.#workerPid !== undefined && !isAlive(this.#workerPid))
      this.end("the runner's worker, which ran this job, is gone");
    const now = clock.now();
    if (now - this.#lastAskedAt > MAX_UNASKED_HOURS * HOUR_MS)
      this.end(`it was not asked for anything in ${MAX_UNASKED_HOURS} hours`);
    if (now - this.#beganAt > MAX_LIFE_DAYS * 24 * HOUR_MS)
      this.end(`it has run for ${MAX_LIFE_DAYS} days, longer than GitHub lets a job run`);
    await external_node_fs_namespaceObject.promises
      .access(this.#controlFile, external_node_fs_namespaceObject.constants.R_OK)
      .catch(() => this.end("its folder below RUNNER_TEMP was removed, or given to another user"));
  }
}
function isAlive(pid) {
  if (pid === undefined || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

;// CONCATENATED MODULE: ./build/agent/agent.js
















const LAST_STOP_MS = 2_000;
const REPORT_MS = 1_000;
async function agent(crash, { stdin, stdout } = process) {
  stdout.on("error", () => undefined);
  const say = (what) => stdout.write(`token agent: ${what}\n`);
  let config;
  try {
    config = JSON.parse(Buffer.concat(await stdin.toArray()).toString("utf8"));
    hide([...secretForms(config.credentials), config.capability, config.controlCapability]);
    await serve(config, say, crash);
    process.exitCode = 0;
  } catch (error) {
    say(config === undefined ? "its configuration is cut off" : asArmorError(error).message);
  }
}
async function serve(config, say, crash) {
  const { controlCapability, folder, workerPid } = config;
  const debugFile = config.isDebug ? openDebugFile(folder) : undefined;
  trustCertificates(config.certificates);
  const stats = new Stats();
  const controlFile = (0,external_node_path_namespaceObject.join)(folder, CONTROL_FILE);
  const life = new Life({ controlFile, workerPid });
  const { service, control } = createService(config, stats, life);
  const { port } = await service.listen({
    onAdmitted: () => life.wasAsked(),
    answerToken: (response) => control.answerToken(response),
    answerStop: (response) => control.answerStop(response),
  });
  try {
    await placeControlFile(controlFile, `http://127.0.0.1:${port}/${controlCapability}`);
    life.begin();
    say(`port ${port}`);
    stats.reason = await Promise.race([life.ended, crash]);
    const wasTold = stats.reason === undefined;
    if (!wasTold) await within(LAST_STOP_MS, control.stop(), () => undefined);
  } catch (error) {
    stats.reason = asArmorError(error).message;
    throw error;
  } finally {
    life.forget();
    debug_debug(() => `token agent: ends, ${stats.reason ?? "as it was told to"}`);
    const left = [leaveReport(folder, stats), closeDebugFile(debugFile)];
    await within(REPORT_MS, Promise.all(left), () => undefined);
    service.close();
  }
}
function createService(config, stats, life) {
  const { apiUrl, route, terminateSession, timeoutMs } = config;
  const context = { apiUrl, timeoutMs, send: createSend(route) };
  const fetch = async (last) => {
    const token = await fetchToken(context, config.credentials, last);
    stats.minted += 1;
    debug_debug(() => `token agent: fetched a token, valid for ${token.expiresIn} s`);
    return token;
  };
  const service = new Service(config, fetch, stats);
  const { tokenCache } = service;
  const onStopped = () => life.end();
  const control = new Control({ tokenCache, context, stats, terminateSession, onStopped });
  return { service, control };
}
function openDebugFile(folder) {
  const file = new DebugFile(folder);
  writeDebugTo((line) => file.add(`${timeOfDay()} ${line}`));
  const { node, openssl } = process.versions;
  debug_debug(() => `token agent: Node ${node}, OpenSSL ${openssl}, ${process.platform}`);
  return file;
}
function timeOfDay() {
  return new Date(clock.date()).toISOString().slice("2026-01-01T".length, -"Z".length);
}
async function closeDebugFile(file) {
  if (file === undefined) return;
  writeDebugTo(undefined);
  await file.close();
}
async function placeControlFile(path, url) {
  try {
    await placeFile(path, `${url}\n`);
  } catch (error) {
    throw fileError("The folder that RUNNER_TEMP names", error);
  }
}
async function leaveReport(folder, stats) {
  await placeFile((0,external_node_path_namespaceObject.join)(folder, REPORT_FILE), JSON.stringify(stats)).catch(() => undefined);
}

;// CONCATENATED MODULE: ./build/step/cancel.js



const GRACE_MS = 5_000;
class Cancellation {
  deadline;
  #signal;
  #mark;
  constructor(mark) {
    const controller = new AbortController();
    for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => controller.abort());
    this.#signal = controller.signal;
    this.#mark = mark;
    this.deadline = rejectAfterGrace(controller.signal);
  }
  throwIfCancelled() {
    if (this.#signal.aborted || this.#mark.hasPostBegun()) throw cancelled();
  }
}
async function rejectAfterGrace(signal) {
  await (0,external_node_events_namespaceObject.once)(signal, "abort");
  await (0,promises_namespaceObject.setTimeout)(GRACE_MS, undefined, { ref: false });
  throw cancelled();
}
function cancelled() {
  return new ArmorError("cancelled", "The job was cancelled", "No token was handed on.");
}

;// CONCATENATED MODULE: ./build/step/missing.js



const OTHER_NAMES = new Map([
  ["CLIENTID", "app-id"],
  ["APPLICATIONID", "app-id"],
  ["CLIENTSECRET", "api-key"],
  ["APPSECRET", "api-key"],
  ["APISECRET", "api-key"],
  ["SECRETKEY", "api-key"],
  ["BASEURL", "api-url"],
  ["ENDPOINT", "api-url"],
  ["APIENDPOINT", "api-url"],
  ["CACERT", "ca-certificate"],
  ["CACERTS", "ca-certificate"],
  ["CAFILE", "ca-certificate"],
  ["CABUNDLE", "ca-certificate"],
  ["TIMEOUTSECONDS", "timeout"],
  ["EXPORTENV", "export-environment"],
]);
const PRODUCT = /^(?:FORTANIX)?(?:ARMOR)?/;
const MAX_EVENT_BYTES = 4 * 1024 * 1024;
function refuseMisspeltInputs(getInput, env, names, defaults) {
  const misspelt = [];
  for (const variable of Object.keys(env)) {
    const given = /^INPUT_(?<name>.+)$/s.exec(variable)?.groups?.["name"];
    if (given === undefined || names.includes(given.toLowerCase())) continue;
    const meant = meantBy(given, names);
    if (meant === undefined || getInput(meant) !== (defaults[meant] ?? "")) continue;
    misspelt.push({ given: quote(given.toLowerCase()), meant });
  }
  if (misspelt.length === 0) return;
  const given = misspelt.map((one) => one.given).join(" and ");
  const meant = misspelt.map((one) => one.meant).join(" and ");
  const are = misspelt.length === 1 ? "the input is" : "the inputs are";
  const problem = `The workflow gives ${given}; ${are} ${meant}`;
  throw new ArmorError("input_invalid", problem, "Correct the name under with:.");
}
function meantBy(given, names) {
  const letters = lettersOf(given).replace(PRODUCT, "");
  return names.find((name) => isAlmost(lettersOf(name), letters)) ?? OTHER_NAMES.get(letters);
}
function lettersOf(name) {
  return name.toUpperCase().replace(/[^A-Z\d]/g, "");
}
function isAlmost(name, given) {
  let start = 0;
  while (start < name.length && name[start] === given[start]) start += 1;
  const rest = name.slice(start);
  const givenRest = given.slice(start);
  const swapped = `${rest[1]}${rest[0]}${rest.slice(2)}`;
  return (
    rest.slice(1) === givenRest ||
    rest === givenRest.slice(1) ||
    rest.slice(1) === givenRest.slice(1) ||
    swapped === givenRest
  );
}
function missingError(names, areAllLost, env) {
  if (areAllLost) {
    const problem = "No input arrived, not even api-url, which has a default";
    const remedy =
      "What starts this action drops variables with a hyphen in their names, as a script for sh does: " +
      "let the runner start it, or set the variables with env behind the script.";
    return new ArmorError("input_invalid", problem, remedy);
  }
  const problem = `${names.join(" and ")} ${names.length === 1 ? "is" : "are"} empty`;
  return new ArmorError("input_invalid", problem, missing_remedyFor(env));
}
function missing_remedyFor(env) {
  if (env["GITHUB_ACTOR"] === "dependabot[bot]") {
    return (
      "Runs that Dependabot starts get Dependabot's own secrets only: " +
      "store it under Settings \u2192 Secrets and variables \u2192 Dependabot, too."
    );
  }
  if (isFromFork(env)) {
    return (
      "Runs that a fork's pull request starts get no secrets. Leave the step out there, by the line " +
      "if: ${{ !github.event.pull_request || github.event.pull_request.head.repo.full_name == github.repository }}"
    );
  }
  return (
    "Check the secret's name. " +
    'If it is stored in an environment, the job needs "environment: NAME".'
  );
}
function isFromFork(env) {
  if (!/^pull_request(?!_target)/.test(env["GITHUB_EVENT_NAME"] ?? "")) return false;
  const { pull_request: pull } = readEvent(env["GITHUB_EVENT_PATH"]);
  const head = pull?.head?.repo;
  if (head === null) return true;
  return head?.fork === true && head.full_name !== pull?.base?.repo?.full_name;
}
function readEvent(path) {
  let file;
  try {
    file = (0,external_node_fs_namespaceObject.openSync)(path ?? "", external_node_fs_namespaceObject.constants.O_RDONLY | external_node_fs_namespaceObject.constants.O_NONBLOCK);
    const stats = (0,external_node_fs_namespaceObject.fstatSync)(file);
    if (!stats.isFile() || stats.size > MAX_EVENT_BYTES) return {};
    return JSON.parse((0,external_node_fs_namespaceObject.readFileSync)(file, "utf8")) ?? {};
  } catch {
    return {};
  } finally {
    if (file !== undefined) (0,external_node_fs_namespaceObject.closeSync)(file);
  }
}

;// CONCATENATED MODULE: ./build/step/pem.js

const BEGIN = "-----BEGIN CERTIFICATE-----";
const END = "-----END CERTIFICATE-----";
const BLOCK =
  /-----BEGIN (?:X509 )?CERTIFICATE-----(?<body>[^-]+)-----END (?:X509 )?CERTIFICATE-----/g;
const BETWEEN = /\s+|\\+(?:u000[ad]|[nrt])?|%0[ad]|["',\u200b]/gi;
const LINE = /.{1,64}/g;
function readCertificates(text) {
  const blocks = [...text.matchAll(BLOCK)].map(({ groups }) => groups?.["body"] ?? "");
  const begun = text.split("-----BEGIN").length - 1;
  if (blocks.length === 0 || blocks.length !== begun)
    return { problem: "ca-certificate is not PEM" };
  const certificates = [];
  for (const [index, body] of blocks.entries()) {
    const lines = body.replace(BETWEEN, "").match(LINE) ?? [];
    const certificate = [BEGIN, ...lines, END].join("\n");
    if (!isCertificate(certificate))
      return {
        problem: `ca-certificate: certificate ${index + 1} of ${blocks.length} cannot be read`,
      };
    certificates.push(certificate);
  }
  return { certificates };
}
function isCertificate(pem) {
  try {
    new external_node_crypto_namespaceObject.X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

;// CONCATENATED MODULE: ./build/step/inputs.js






const DEFAULTS = {
  "api-url": "https://api.armor.fortanix.com",
  "ca-certificate": "",
  timeout: "30",
  "keep-fresh": "false",
  "gateway-paths": "/api/v1/discovery/",
  "export-environment": "true",
  "terminate-session": "true",
};
const INPUT_NAMES = ["app-id", "api-key", ...Object.keys(DEFAULTS)];
const MAX_TIMEOUT_SECONDS = 300;
const MIN_KEY_LENGTH = 8;
const MAX_CREDENTIAL_LENGTH = 4096;
const inputs_CONTROL = /[^ -~\u00a0-\u2027\u202a-\ud7ff\ue000-\u{10ffff}]/u;
function readSecrets(getInput) {
  const credentials = { appId: getInput("app-id"), apiKey: getInput("api-key") };
  return credentials.apiKey.length < MIN_KEY_LENGTH ? [] : secretForms(credentials);
}
function readInputs(getInput, env = {}) {
  refuseMisspeltInputs(getInput, env, INPUT_NAMES, DEFAULTS);
  return {
    credentials: readCredentials(getInput, env),
    apiUrl: parseApiUrl(getInput("api-url")),
    certificates: parseCertificates(getInput("ca-certificate")),
    timeoutMs: parseTimeout(getInput("timeout")),
    keepFresh: parseBoolean("keep-fresh", getInput("keep-fresh")),
    gatewayPaths: parseGatewayPaths(getInput("gateway-paths")),
    exportEnvironment: parseBoolean("export-environment", getInput("export-environment")),
    terminateSession: parseBoolean("terminate-session", getInput("terminate-session")),
  };
}
function readCredentials(getInput, env) {
  const appId = getInput("app-id");
  const apiKey = getInput("api-key");
  const credentials = [
    { name: "app-id", value: appId },
    { name: "api-key", value: apiKey },
  ];
  const empty = credentials.filter(({ value }) => value === "").map(({ name }) => name);
  const areAllLost = INPUT_NAMES.every((name) => getInput(name) === "");
  if (empty.length > 0) throw missingError(empty, areAllLost, env);
  const again =
    "Store the secret again: the value that Armor shows, on one line, and nothing else.";
  for (const { name, value } of credentials) {
    if (inputs_CONTROL.test(value))
      throw inputs_invalid(`${name} contains a line break or another control character`, again);
    if (value.length > MAX_CREDENTIAL_LENGTH)
      throw inputs_invalid(`${name} is longer than ${MAX_CREDENTIAL_LENGTH} characters`, again);
  }
  if (apiKey.length < MIN_KEY_LENGTH)
    throw inputs_invalid(
      `api-key is shorter than ${MIN_KEY_LENGTH} characters`,
      `Usually it was cut off. ${again}`,
    );
  return { appId, apiKey };
}
function parseApiUrl(value) {
  const remedy = `Give https:// and a host name, such as ${DEFAULTS["api-url"]}.`;
  if (value === "")
    throw inputs_invalid("api-url is empty", `${remedy} Without the input, that address is used.`);
  if (inputs_CONTROL.test(value) || !URL.canParse(value))
    throw inputs_invalid("api-url is not an absolute URL", remedy);
  const url = new URL(value);
  if (url.username !== "" || url.password !== "")
    throw inputs_invalid("api-url contains a user name or password", remedy);
  if (/[?#]/.test(value)) throw inputs_invalid("api-url contains a query or a fragment", remedy);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname)))
    throw inputs_invalid(
      "api-url does not start with https://",
      `${remedy} Only a loopback host may use http://.`,
    );
  if (/^\/+api(\/|$)/.test(url.pathname))
    throw inputs_invalid("api-url has a path that begins with /api", `The action adds it. ${remedy}`);
  return url.href.replace(/\/+$/, "");
}
function parseGatewayPaths(value) {
  const lines = value.split(/\r?\n/).map((line) => line.trim());
  const paths = lines.filter((line) => line !== "");
  if (paths.length === 0) return [DEFAULTS["gateway-paths"]];
  for (const [index, path] of paths.entries()) {
    const fault =
      pathFault(path) ?? (path.startsWith("/api/") ? undefined : "no /api/ at its beginning");
    if (fault === undefined) continue;
    const remedy = `Give one path a line, such as ${DEFAULTS["gateway-paths"]}.`;
    throw inputs_invalid(`gateway-paths: path ${index + 1} of ${paths.length} has ${fault}`, remedy);
  }
  return paths;
}
function parseCertificates(value) {
  if (value === "") return [];
  const range = "from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----";
  const remedy = `Give the text of one or more PEM certificates, each ${range}.`;
  if (value.includes("PRIVATE KEY-----"))
    throw inputs_invalid(
      "ca-certificate contains a private key",
      `${remedy} Consider that key compromised.`,
    );
  const result = readCertificates(value);
  if ("problem" in result) throw inputs_invalid(result.problem, remedy);
  return result.certificates;
}
function parseTimeout(value) {
  const seconds = /^\d+$/.test(value) ? Number(value) : 0;
  if (seconds >= 1 && seconds <= MAX_TIMEOUT_SECONDS) return seconds * 1000;
  const remedy = `Give seconds, or leave the input out for ${DEFAULTS.timeout}.`;
  throw inputs_invalid(`timeout is not a whole number from 1 to ${MAX_TIMEOUT_SECONDS}`, remedy);
}
function parseBoolean(name, value) {
  if (/^(true|True|TRUE)$/.test(value)) return true;
  if (/^(false|False|FALSE)$/.test(value)) return false;
  const remedy = `Give one of them, or leave the input out for ${DEFAULTS[name]}.`;
  throw inputs_invalid(`${name} is neither true nor false`, remedy);
}
function inputs_invalid(problem, remedy) {
  return new ArmorError("input_invalid", problem, remedy);
}

;// CONCATENATED MODULE: ./build/step/marks.js






const marks_NAME = /^armor-main-[\da-f]{16}$/;
const LOOK_EVERY_MS = 50;
const MAX_PID_BYTES = 20;
const postMark = (mark) => `${mark}-post`;
class MainMark {
  path;
  constructor(env) {
    this.path = leave(env["RUNNER_TEMP"]);
  }
  hasPostBegun() {
    return this.path !== undefined && (0,external_node_fs_namespaceObject.existsSync)(postMark(this.path));
  }
  remove() {
    if (this.path !== undefined) remove(this.path);
  }
}
function leave(temp) {
  if (!temp) return undefined;
  const path = (0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.resolve)(temp), `armor-main-${(0,external_node_crypto_namespaceObject.randomBytes)(8).toString("hex")}`);
  try {
    (0,external_node_fs_namespaceObject.writeFileSync)(path, String(process.pid), { flag: "wx", mode: 0o600 });
    return path;
  } catch {
    return undefined;
  }
}
async function endMain(mark, env, waitMs) {
  const temp = env["RUNNER_TEMP"];
  if (!temp || (0,external_node_path_namespaceObject.dirname)(mark) !== (0,external_node_path_namespaceObject.resolve)(temp) || !marks_NAME.test((0,external_node_path_namespaceObject.basename)(mark))) return true;
  const own = postMark(mark);
  if (!(await isRunning(mark))) {
    remove(mark);
    return true;
  }
  try {
    (0,external_node_fs_namespaceObject.writeFileSync)(own, "", { flag: "wx", mode: 0o600 });
  } catch {}
  const endsAt = clock.now() + waitMs;
  while (await isRunning(mark)) {
    if (clock.now() >= endsAt) return false;
    await (0,promises_namespaceObject.setTimeout)(LOOK_EVERY_MS);
  }
  remove(own);
  remove(mark);
  return true;
}
async function endMainsWithoutState(env, waitMs) {
  const temp = env["RUNNER_TEMP"];
  if (!temp) return;
  const names = await external_node_fs_namespaceObject.promises.readdir((0,external_node_path_namespaceObject.resolve)(temp)).catch(() => []);
  const marks = names.filter((name) => marks_NAME.test(name)).map((name) => (0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.resolve)(temp), name));
  await Promise.all(marks.map((mark) => endMain(mark, env, waitMs)));
}
async function isRunning(mark) {
  const text = await readSmallFile(mark, MAX_PID_BYTES).catch(() => "");
  const pid = Number(text);
  if (!(pid > 0)) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}
function remove(path) {
  try {
    (0,external_node_fs_namespaceObject.rmSync)(path);
  } catch {}
}

;// CONCATENATED MODULE: ./build/step/runner-files.js



const ALL = ["GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_ENV", "GITHUB_PATH"];
const OWNER_ONLY = 0o600;
const APPEND = external_node_fs_namespaceObject.constants.O_WRONLY | external_node_fs_namespaceObject.constants.O_APPEND | (external_node_fs_namespaceObject.constants.O_NONBLOCK ?? 0);
function checkFiles(variables) {
  for (const variable of variables) {
    if (!process.env[variable]) {
      const problem = `${variable} is not set, so there is no safe way to hand the token on`;
      const remedy = "Run this as a step of a GitHub Actions workflow.";
      throw new ArmorError("runner_unsupported", problem, remedy);
    }
    use(variable, (path) => (0,external_node_fs_namespaceObject.closeSync)((0,external_node_fs_namespaceObject.openSync)(path, APPEND)));
  }
}
function closeFilesToOthers() {
  for (const variable of ALL) {
    const path = process.env[variable];
    if (path) closeToOthers(path);
  }
}
function closeToOthers(path) {
  let file;
  try {
    file = (0,external_node_fs_namespaceObject.openSync)(path, APPEND);
    if ((0,external_node_fs_namespaceObject.fstatSync)(file).isFile()) (0,external_node_fs_namespaceObject.fchmodSync)(file, OWNER_ONLY);
  } catch {
  } finally {
    if (file !== undefined) (0,external_node_fs_namespaceObject.closeSync)(file);
  }
}
function writeRunnerFile(variable, append) {
  use(variable, (path) => {
    const before = (0,external_node_fs_namespaceObject.statSync)(path);
    try {
      append();
    } catch (error) {
      if (before.isFile()) (0,external_node_fs_namespaceObject.truncateSync)(path, before.size);
      throw error;
    }
  });
}
function use(variable, action) {
  const path = process.env[variable] ?? "";
  try {
    action(path);
  } catch (error) {
    throw fileError(`The file that ${variable} names`, error, ownerOf(path));
  }
}

;// CONCATENATED MODULE: ./build/step/outputs.js




function mask(secrets) {
  for (const secret of secrets) setSecret(secret);
  hide(secrets);
}
function outputs_isDebug() {
  return isDebug();
}
function startDebugLog() {
  if (!outputs_isDebug()) return;
  writeDebugTo(debug);
  const { node, openssl } = process.versions;
  debug_debug(() => `Node ${node}, OpenSSL ${openssl}, ${process.platform} ${process.arch}`);
}
function log(line) {
  info(printable(line));
}
function warn(line) {
  warning(printable(line));
}
function fail(line) {
  setFailed(printable(line));
}
function logDebug(line) {
  debug(printable(line));
}
function outputs_group(title, lines) {
  startGroup(printable(title));
  lines.forEach(log);
  endGroup();
}
function setOutputs(outputs) {
  for (const [name, value] of Object.entries(outputs))
    writeRunnerFile("GITHUB_OUTPUT", () => setOutput(name, value));
}
function exportAgent(env, gatewayUrl, bin) {
  writeRunnerFile("GITHUB_ENV", () => exportVariable("ARMOR_GATEWAY_URL", gatewayUrl));
  if (bin !== undefined) writeRunnerFile("GITHUB_PATH", () => addPath(bin));
  const noProxy = noProxyWithLoopback(env);
  if (noProxy !== undefined) {
    for (const name of NO_PROXY_VARIABLES)
      writeRunnerFile("GITHUB_ENV", () => exportVariable(name, noProxy));
  }
  const isProxied = PROXY_VARIABLES.some((name) => env[name]);
  const isNoProxyStar = isProxied && noProxyLists(env).some(isEveryHost);
  return { wasNoProxyExtended: noProxy !== undefined && noProxy !== "*", isNoProxyStar };
}
const PROXY_VARIABLES = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
const NO_PROXY_VARIABLES = ["no_proxy", "NO_PROXY"];
const LOOPBACK = "127.0.0.1";
function noProxyWithLoopback(env) {
  const isProxied = PROXY_VARIABLES.some((name) => env[name]);
  if (!isProxied) return undefined;
  const lists = noProxyLists(env);
  if (lists.every((list) => list.includes(LOOPBACK) || isEveryHost(list))) return undefined;
  if (lists.some(isEveryHost)) return "*";
  const union = new Set([...lists.flat(), LOOPBACK]);
  return [...union].join(",");
}
function noProxyLists(env) {
  return NO_PROXY_VARIABLES.map((name) => (env[name] ?? "").split(/[\s,]+/).filter(Boolean));
}
function isEveryHost(noProxy) {
  return noProxy.length === 1 && noProxy[0] === "*";
}

;// CONCATENATED MODULE: ./build/step/state.js


const NAMES = {
  apiUrl: "api_url",
  certificates: "ca_certificate",
  terminateSession: "terminate_session",
  accessToken: "access_token",
  expiresAt: "expires_at",
  agentFolder: "agent_folder",
  mark: "mark",
  stateFile: "state_file",
  isComplete: "complete",
};
const EMPTY = {
  apiUrl: "",
  certificates: [],
  terminateSession: true,
  accessToken: undefined,
  expiresAt: undefined,
  agentFolder: undefined,
  mark: undefined,
  stateFile: undefined,
  isComplete: false,
};
function saveEmptyState() {
  state_saveState(EMPTY);
}
function state_saveState(values) {
  for (const [field, value] of Object.entries(values)) {
    const name = NAMES[field];
    writeRunnerFile("GITHUB_STATE", () => saveState(name, textOf(value)));
  }
}
function textOf(value) {
  if (value === undefined) return "";
  return Array.isArray(value) ? value.join("\n") : String(value);
}
function loadState(env) {
  const saved = (field) => env[`STATE_${NAMES[field]}`] || undefined;
  const apiUrl = saved("apiUrl");
  if (apiUrl === undefined) return undefined;
  return {
    apiUrl,
    certificates: saved("certificates")?.split(/(?=-----BEGIN CERTIFICATE-----)/) ?? [],
    terminateSession: saved("terminateSession") !== "false",
    accessToken: saved("accessToken"),
    expiresAt: parseTime(saved("expiresAt")),
    agentFolder: saved("agentFolder"),
    mark: saved("mark"),
    stateFile: saved("stateFile"),
    isComplete: saved("isComplete") === "true",
  };
}
const ENTRY = /^(?<name>\w+)<<(?<delimiter>\S+)\r?\n(?<value>[\s\S]*?)\r?\n\k<delimiter>$/gm;
function parseStateFile(text) {
  const env = {};
  for (const { groups } of text.matchAll(ENTRY)) {
    if (groups !== undefined) env[`STATE_${groups["name"]}`] = groups["value"];
  }
  return env;
}
function parseTime(text) {
  const ms = Number(text ?? "");
  return ms > 0 && ms < 8.64e15 ? ms : undefined;
}

;// CONCATENATED MODULE: ./build/agent-client/folder.js




const IS_WINDOWS = process.platform === "win32";
const PREFIX = "armor-token-";
const FOLDER_NAME = /^armor-token-[A-Za-z0-9]{6}$/;
const BUILT_COMMAND = "armor-token.js";
const COPIED_COMMAND = "armor-token.cjs";
async function createAgentFolder(env, dist, isWindows = IS_WINDOWS) {
  const temp = env["RUNNER_TEMP"];
  if (!temp) {
    const remedy = "Run this as a step of a GitHub Actions workflow.";
    throw new ArmorError("runner_unsupported", "RUNNER_TEMP is not set", remedy);
  }
  process.umask(0o077);
  let path = "";
  try {
    path = await external_node_fs_namespaceObject.promises.mkdtemp((0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.resolve)(temp), PREFIX));
    const folder = await fillFolder(path, dist, isWindows);
    await giveToOwnerOf((0,external_node_path_namespaceObject.dirname)(path), [path, folder.bin]);
    return folder;
  } catch (error) {
    if (path !== "") await external_node_fs_namespaceObject.promises.rm(path, { recursive: true, force: true }).catch(() => undefined);
    if (error instanceof ArmorError) throw error;
    throw fileError("The folder that RUNNER_TEMP names", error, ownerOf(temp));
  }
}
async function fillFolder(path, dist, isWindows) {
  const bin = (0,external_node_path_namespaceObject.join)(path, "bin");
  const script = (0,external_node_path_namespaceObject.join)(bin, "armor-token");
  const program = (0,external_node_path_namespaceObject.join)(bin, COPIED_COMMAND);
  await external_node_fs_namespaceObject.promises.mkdir(bin);
  await copyCommand((0,external_node_path_namespaceObject.join)(dist, BUILT_COMMAND), program);
  await external_node_fs_namespaceObject.promises.writeFile(script, shWrapper(process.execPath, program, path, isWindows), {
    mode: 0o700,
  });
  if (isWindows) await external_node_fs_namespaceObject.promises.writeFile(`${script}.cmd`, cmdWrapper(process.execPath, COPIED_COMMAND));
  const canRun = await external_node_fs_namespaceObject.promises.access(script, external_node_fs_namespaceObject.constants.X_OK).then(
    () => true,
    () => false,
  );
  const command = isWindows ? `${script}.cmd` : script;
  const fitsPath = !bin.includes(isWindows ? ";" : external_node_path_namespaceObject.delimiter);
  return { path, bin, command, canRun, fitsPath };
}
async function copyCommand(built, copy) {
  try {
    await external_node_fs_namespaceObject.promises.access(built, external_node_fs_namespaceObject.constants.R_OK);
  } catch (error) {
    const { code } = error;
    const problem = `${BUILT_COMMAND} of this action cannot be read (${code})`;
    const remedy =
      "A step has removed or changed the action's files: use the action before that step.";
    throw new ArmorError("file_failed", problem, remedy);
  }
  await external_node_fs_namespaceObject.promises.copyFile(built, copy, external_node_fs_namespaceObject.constants.COPYFILE_EXCL);
}
async function giveToOwnerOf(temp, folders) {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await external_node_fs_namespaceObject.promises.stat(temp);
  if (uid === 0) return;
  try {
    for (const folder of folders.toReversed()) await external_node_fs_namespaceObject.promises.chown(folder, uid, gid);
    for (const folder of folders)
      await external_node_fs_namespaceObject.promises.access(folder, external_node_fs_namespaceObject.constants.R_OK | external_node_fs_namespaceObject.constants.W_OK | external_node_fs_namespaceObject.constants.X_OK);
  } catch {
    for (const folder of folders) await external_node_fs_namespaceObject.promises.chown(folder, 0, 0).catch(() => undefined);
  }
}
function shWrapper(node, program, folder, isWindows = false) {
  const quoted = [node, program, folder].map((path) => {
    const posixPath = isWindows ? path.replaceAll("\\", "/") : path;
    return `'${posixPath.replaceAll("'", "'\\''")}'`;
  });
  return `#!/bin/sh\nunset NODE_OPTIONS\nexec ${quoted.join(" ")} "$@"\n`;
}
function cmdWrapper(node, program) {
  const quotedNode = `"${node.replaceAll("%", "%%")}"`;
  return `@setlocal\r\n@set "NODE_OPTIONS="\r\n@${quotedNode} "%~dp0${program}" "%~dp0.." %*\r\n`;
}
async function isAgentFolder(path, env) {
  const temp = env["RUNNER_TEMP"];
  if (!temp || !FOLDER_NAME.test((0,external_node_path_namespaceObject.basename)(path))) return false;
  if (path !== (0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.resolve)(temp), (0,external_node_path_namespaceObject.basename)(path))) return false;
  try {
    const { uid } = await external_node_fs_namespaceObject.promises.stat(temp);
    const folder = await external_node_fs_namespaceObject.promises.lstat(path);
    const isOurs = folder.uid === process.getuid?.() || folder.uid === uid;
    return folder.isDirectory() && (IS_WINDOWS || isOurs);
  } catch (error) {
    return error.code === "ENOENT";
  }
}
async function removeFolder(folder, env = process.env) {
  if (!(await isAgentFolder(folder, env))) return;
  await external_node_fs_namespaceObject.promises.rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
}

;// CONCATENATED MODULE: external "node:child_process"
const external_node_child_process_namespaceObject = require("node:child_process");
;// CONCATENATED MODULE: ./build/agent-client/inherit.js

const PLAIN_VARIABLES = new Set([
  "PATH",
  "HOME",
  "USERPROFILE",
  "TEMP",
  "TMP",
  "TMPDIR",
  "SYSTEMROOT",
  "LANG",
  "RUNNER_TEMP",
  "RUNNER_TRACKING_ID",
  "NODE_USE_SYSTEM_CA",
]);
const PATH_VARIABLES = new Set([
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "OPENSSL_CONF",
  "OPENSSL_MODULES",
  "NIX_LD",
]);
const FOLDERS_VARIABLES = new Set(["LD_LIBRARY_PATH", "NIX_LD_LIBRARY_PATH"]);
const SSL_CERT_DIR = "SSL_CERT_DIR";
const LD_PRELOAD = "LD_PRELOAD";
const DYLD_PREFIX = "DYLD_";
function agentEnvironment(env) {
  const inherited = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    const inheritedValue = inheritedVariable(name.toUpperCase(), value);
    if (inheritedValue !== undefined) inherited[name] = inheritedValue;
  }
  return inherited;
}
function inheritedVariable(name, value) {
  if (!isInherited(name)) return undefined;
  if (value === "") return "";
  if (PATH_VARIABLES.has(name)) return (0,external_node_path_namespaceObject.resolve)(value);
  if (name === SSL_CERT_DIR) {
    const folders = value.split(external_node_path_namespaceObject.delimiter).filter((folder) => folder !== "");
    return folders.map(absoluteFolder).join(external_node_path_namespaceObject.delimiter);
  }
  if (FOLDERS_VARIABLES.has(name))
    return value.split(external_node_path_namespaceObject.delimiter).map(absoluteFolder).join(external_node_path_namespaceObject.delimiter);
  if (name === LD_PRELOAD) return value.split(/[:\s]/).map(absoluteLibrary).join(":");
  if (name.startsWith(DYLD_PREFIX)) return value.split(":").map(absoluteLibrary).join(":");
  return value;
}
function isInherited(name) {
  return (
    PLAIN_VARIABLES.has(name) ||
    PATH_VARIABLES.has(name) ||
    FOLDERS_VARIABLES.has(name) ||
    name === SSL_CERT_DIR ||
    name === LD_PRELOAD ||
    name.startsWith(DYLD_PREFIX)
  );
}
function absoluteFolder(folder) {
  return folder.startsWith("$") ? folder : (0,external_node_path_namespaceObject.resolve)(folder);
}
function absoluteLibrary(library) {
  const isRelativePath = library.includes("/") && !(0,external_node_path_namespaceObject.isAbsolute)(library);
  return isRelativePath ? absoluteFolder(library) : library;
}
const ALLOWED_FLAGS = new Set([
  "--use-openssl-ca",
  "--use-system-ca",
  "--use-bundled-ca",
  "--tls-cipher-list",
  "--dns-result-order",
  "--network-family-autoselection",
  "--network-family-autoselection-attempt-timeout",
]);
const ALLOWED_PREFIXES = ["--openssl-", "--tls-min-", "--tls-max-"];
const FLAGS_WITH_VALUE = new Set([
  "--tls-cipher-list",
  "--dns-result-order",
  "--openssl-config",
  "--network-family-autoselection-attempt-timeout",
]);
function allowedNodeFlags(nodeOptions) {
  const flags = [];
  const words = wordsOf(nodeOptions);
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const { name, value } = parseFlag(word);
    if (!isAllowedFlag(name)) continue;
    const givenValue = value ?? (FLAGS_WITH_VALUE.has(name) ? words.shift() : undefined);
    if (givenValue === undefined) flags.push(name);
    else if (name === "--openssl-config") flags.push(`${name}=${(0,external_node_path_namespaceObject.resolve)(givenValue)}`);
    else flags.push(`${name}=${givenValue}`);
  }
  return flags;
}
function wordsOf(nodeOptions) {
  const words = nodeOptions.match(/(?:[^ "]|"(?:\\.|[^"\\])*")+/gs) ?? [];
  return words.map((word) =>
    word.replace(/"((?:\\.|[^"\\])*)"/gs, (_, text) => text.replace(/\\(.)/gs, "$1")),
  );
}
function parseFlag(word) {
  const [name = ""] = word.split("=", 1);
  const value = word.length > name.length ? word.slice(name.length + 1) : undefined;
  return { name: name.replaceAll("_", "-"), value };
}
function isAllowedFlag(name) {
  const positive = name.replace(/^--no-/, "--");
  return ALLOWED_FLAGS.has(positive) || ALLOWED_PREFIXES.some((one) => positive.startsWith(one));
}

;// CONCATENATED MODULE: ./build/agent-client/node-flags.js


const MEMORY_FLAGS = ["--max-semi-space-size=4", "--max-old-space-size=256"];
function agentNodeFlags(paths, nodeOptions) {
  const flags = [...MEMORY_FLAGS, ...allowedNodeFlags(nodeOptions)];
  if (isKnown("--disable-sigusr1")) flags.push("--disable-sigusr1");
  if (isKnown("--permission")) flags.push(...permissionFlags(paths));
  return flags;
}
function permissionFlags({ dist, folder }) {
  const flags = [
    "--permission",
    `--allow-fs-read=${dist}`,
    `--allow-fs-read=${(0,external_node_path_namespaceObject.join)(folder, "*")}`,
    `--allow-fs-write=${(0,external_node_path_namespaceObject.join)(folder, "*")}`,
  ];
  if (isKnown("--allow-net")) flags.push("--allow-net");
  return flags;
}
function isKnown(flag) {
  return process.allowedNodeEnvironmentFlags.has(flag);
}

;// CONCATENATED MODULE: ./build/agent-client/launch.js









const PROGRAM = "agent.js";
const MALLOC = { MALLOC_ARENA_MAX: "1" };
const READY_MS = 10_000;
const MAX_OUTPUT_LENGTH = 64 * 1024;
function createCapability() {
  return (0,external_node_crypto_namespaceObject.randomBytes)(32).toString("base64url");
}
async function launchAgent(config, parent, readyMs = READY_MS) {
  let child;
  try {
    child = await spawnAgent(config.folder, parent);
    child.stdin.on("error", () => undefined);
    child.stdin.end(JSON.stringify(config));
    const port = await readyPort(child, readyMs);
    return { gatewayUrl: `http://127.0.0.1:${port}/${config.capability}`, pid: child.pid ?? 0 };
  } catch (error) {
    child?.kill("SIGKILL");
    const why = quote(error.message).replace(/\.$/, "");
    const remedy = "Without keep-fresh: true, the step sets its outputs only.";
    throw new ArmorError("agent_failed", `The token agent did not start: ${why}`, remedy);
  } finally {
    child?.unref();
    child?.stdout.destroy();
    child?.stderr.destroy();
  }
}
async function spawnAgent(folder, parent) {
  const { env, execPath = process.execPath } = parent;
  const dist = await external_node_fs_namespaceObject.promises.realpath(parent.dist);
  await checkProgram(dist);
  const flags = agentNodeFlags({ dist, folder }, env["NODE_OPTIONS"] ?? "");
  return (0,external_node_child_process_namespaceObject.spawn)(execPath, [...flags, (0,external_node_path_namespaceObject.join)(dist, PROGRAM)], {
    cwd: (0,external_node_path_namespaceObject.parse)(execPath).root,
    env: { ...agentEnvironment(env), ...MALLOC },
    detached: true,
    windowsHide: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
}
async function checkProgram(dist) {
  try {
    await external_node_fs_namespaceObject.promises.access((0,external_node_path_namespaceObject.join)(dist, PROGRAM));
  } catch (error) {
    const { code } = error;
    throw new Error(
      `${PROGRAM} of this action cannot be read (${code}): a step has removed or changed the action's files`,
    );
  }
}
function readyPort(child, ms) {
  return new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(why));
    let output = "";
    let errors = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      output = (output + chunk).slice(-MAX_OUTPUT_LENGTH);
      const line = READY_LINE.exec(output)?.groups;
      if (line?.["port"] !== undefined) resolve(Number(line["port"]));
      else if (line?.["problem"] !== undefined) fail(line["problem"]);
    });
    child.stderr.setEncoding("utf8").on("data", (chunk) => {
      errors = (errors + chunk).slice(-MAX_OUTPUT_LENGTH);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const end = `it ended with ${signal ?? `exit code ${code}`} before it was ready`;
      const reason = reasonIn(errors);
      fail(reason === undefined ? end : `${end}: ${reason}`);
    });
    setTimeout(fail, ms, `it was not ready within ${ms / 1000} s`).unref();
  });
}
function reasonIn(errors) {
  const lines = errors.split(/\r?\n/).map((line) => line.trim());
  const isReason = (line) => /\b(error|failed|assertion|unavailable|bad option)\b/i.test(line);
  return lines.find(isReason) ?? lines.find((line) => line !== "");
}

;// CONCATENATED MODULE: ./build/agent-client/ask-to-stop.js


const REPLY_HEAD = /^HTTP\/1\.1 200 .*?\r\n\r\n/s;
const CONTENT_LENGTH = /\r\ncontent-length: *(?<bytes>\d{1,9})\r\n/i;
const ask_to_stop_MAX_REPLY_BYTES = MAX_REPORT_BYTES + 4_096;
function askToStop({ port, capability, signal }) {
  return new Promise((resolve) => {
    const chunks = [];
    let bytes = 0;
    let code = "";
    const socket = (0,external_node_net_namespaceObject.connect)({ host: "127.0.0.1", port, signal });
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > ask_to_stop_MAX_REPLY_BYTES) socket.destroy();
    });
    socket.on("error", (error) => {
      code = error.code ?? "";
    });
    socket.on("close", () => {
      const kind = signal.aborted ? "late" : kindOf(code);
      resolve({ kind, code, hasReplied: bytes > 0, body: bodyOf(Buffer.concat(chunks)) });
    });
    socket.write(`POST /${capability}/stop HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  });
}
function kindOf(code) {
  if (code === "") return "closed";
  return code === "ECONNREFUSED" ? "refused" : "broken";
}
function bodyOf(reply) {
  const head = REPLY_HEAD.exec(reply.toString("latin1"))?.[0];
  if (head === undefined) return undefined;
  const body = reply.subarray(head.length);
  const length = Number(CONTENT_LENGTH.exec(head)?.groups?.["bytes"]);
  return body.length === length ? body.toString("utf8") : undefined;
}

;// CONCATENATED MODULE: ./build/agent-client/stop.js









const STARTING_MS = 1_000;
const stop_LOOK_EVERY_MS = 50;
const CLEAN_UP_MS = 500;
const MAX_PORT = 65_535;
const LATE = { kind: "unknown", reason: "it did not end in time" };
async function stopAgent(folder, signal, env = process.env) {
  const isOurs = await unlessAborted(isAgentFolder(folder, env), signal, undefined);
  if (isOurs === false) return unknown(NOT_OURS);
  if (isOurs === undefined) {
    await unlessAborted(removeFolder(folder, env), AbortSignal.timeout(CLEAN_UP_MS), undefined);
    return LATE;
  }
  const result = await unlessAborted(findEnd(folder, signal), signal, LATE);
  const cleanUp = AbortSignal.timeout(CLEAN_UP_MS);
  const debugLog = await unlessAborted(readDebugLog(folder), cleanUp, undefined);
  await unlessAborted(removeFolder(folder, env), cleanUp, undefined);
  if (debugLog === undefined) return result;
  if (result.kind === "ended") return { kind: "ended", stats: result.stats, debugLog };
  return { kind: "unknown", reason: result.reason, debugLog };
}
const CHANGED =
  "A step has changed the folder armor-token-\u2026 below RUNNER_TEMP, or its owner: leave it as it is";
const NOT_OURS =
  "what stands in place of its folder is not the agent's: a step has changed it, or the saved state";
async function findEnd(folder, signal) {
  let line;
  try {
    line = await readControlFile(folder);
  } catch (error) {
    const { code = "" } = error;
    if (code === "ENOENT") return { kind: "ended", stats: await readReport(folder) };
    return unknown(`${CONTROL_FILE} cannot be read (${code}). ${CHANGED}`);
  }
  const address = CONTROL_URL.exec(line)?.groups;
  const port = Number(address?.["port"]);
  if (address === undefined || port > MAX_PORT)
    return unknown(`${CONTROL_FILE} does not hold the agent's address. ${CHANGED}`);
  const answer = await askToStop({ port, capability: address["capability"] ?? "", signal });
  if (answer.kind === "late") return LATE;
  const stats = parseReport(answer.body) ?? (await readReport(folder));
  if (stats !== undefined || answer.kind === "refused") return { kind: "ended", stats };
  if (answer.kind === "broken") return unknown(`the connection broke off (${answer.code})`);
  if (answer.hasReplied)
    return unknown("what answered there gave no report: it is another program");
  return unknown("it closed the connection without a reply, as one that is killed does");
}
function unknown(reason) {
  return { kind: "unknown", reason };
}
async function readControlFile(folder) {
  const file = (0,external_node_path_namespaceObject.join)(folder, CONTROL_FILE);
  const isExpected = () => (0,external_node_fs_namespaceObject.existsSync)(folder) && !(0,external_node_fs_namespaceObject.existsSync)(file);
  for (let waitedMs = 0; waitedMs < STARTING_MS && isExpected(); waitedMs += stop_LOOK_EVERY_MS)
    await (0,promises_namespaceObject.setTimeout)(stop_LOOK_EVERY_MS);
  return (await readSmallFile(file, MAX_CONTROL_BYTES)).trim();
}
async function readReport(folder) {
  const path = (0,external_node_path_namespaceObject.join)(folder, REPORT_FILE);
  return parseReport(await readSmallFile(path, MAX_REPORT_BYTES).catch(() => undefined));
}
function parseReport(text) {
  if (text === undefined) return undefined;
  try {
    return parseStats(JSON.parse(text));
  } catch {
    return undefined;
  }
}
async function readDebugLog(folder) {
  const path = (0,external_node_path_namespaceObject.join)(folder, DEBUG_FILE);
  const text = await readSmallFile(path, MAX_DEBUG_BYTES).catch(() => undefined);
  return text?.split("\n").filter((line) => line !== "");
}
async function unlessAborted(promise, signal, late) {
  if (signal.aborted) return late;
  const done = new AbortController();
  const aborted = (0,external_node_events_namespaceObject.once)(signal, "abort", { signal: done.signal }).then(
    () => late,
    () => promise,
  );
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    done.abort();
  }
}

;// CONCATENATED MODULE: ./build/agent-client/worker.js

const WORKER_NAME = "Runner.Worker";
async function findWorker(parentPid = process.ppid) {
  const name = await external_node_fs_namespaceObject.promises.readFile(`/proc/${parentPid}/comm`, "utf8").catch(() => "");
  return name.trimEnd() === WORKER_NAME ? parentPid : undefined;
}

;// CONCATENATED MODULE: ./build/step/messages.js

function tokenSummary({ apiUrl }, { expiresIn }) {
  return `Access token from ${apiUrl}, valid for ${expiresIn} s`;
}
function agentSummary({ exportEnvironment, gatewayPaths }, { canRun, fitsPath }) {
  const gateway = exportEnvironment ? "$ARMOR_GATEWAY_URL" : "the output gateway-url";
  const isOnPath = exportEnvironment && canRun && fitsPath;
  const command = isOnPath ? "armor-token" : "the output token-command";
  const use = `Until the job ends, later steps reach Armor by ${gateway} and get tokens by ${command}.`;
  const paths = gatewayPaths.join(", ");
  return paths === DEFAULTS["gateway-paths"] ? use : `${use} The gateway reads ${paths}.`;
}

;// CONCATENATED MODULE: ./build/step/supply.js











const CALL_LIMITS = { connectMs: 30_000, headMs: 120_000, idleMs: 120_000 };
const GIVE_BACK_MS = 5_000;
async function supply(run) {
  const got = { isTokenSaved: false, isAgentRunning: false };
  try {
    if (run.inputs.keepFresh) await supplyWithAgent(run, got);
    else await supplyToken(run, got);
  } catch (error) {
    await giveBack(run, got);
    throw error;
  }
}
async function supplyToken(run, got) {
  const token = await fetchMaskedToken(run, got);
  setTokenOutputs(run, token);
  saveComplete(run);
  log(`${tokenSummary(run.inputs, token)}, until ${isoDate(token.expiresAt)}.`);
}
async function supplyWithAgent(run, got) {
  const folder = await createAgentFolder(run.env, run.dist);
  got.folder = folder;
  state_saveState({ agentFolder: folder.path });
  const token = await fetchMaskedToken(run, got);
  const gatewayUrl = await startAgent(run, folder.path, token);
  got.isAgentRunning = true;
  run.cancellation.throwIfCancelled();
  setTokenOutputs(run, token);
  handOnAgent(run, folder, gatewayUrl);
  saveComplete(run);
  log(`${tokenSummary(run.inputs, token)}. ${agentSummary(run.inputs, folder)}`);
}
function saveComplete({ cancellation }) {
  cancellation.throwIfCancelled();
  state_saveState({ isComplete: true });
}
async function giveBack(run, { folder, token, isTokenSaved, isAgentRunning }) {
  if (folder !== undefined && isAgentRunning) {
    await stopAgent(folder.path, AbortSignal.timeout(GIVE_BACK_MS), run.env);
    return;
  }
  if (folder !== undefined) await removeFolder(folder.path, run.env);
  const isLeftToPost = isTokenSaved && !run.mark.hasPostBegun();
  if (token === undefined || isLeftToPost || !run.inputs.terminateSession) return;
  const context = { ...contextOf(run), timeoutMs: GIVE_BACK_MS };
  await endSession(context, token.accessToken).catch(() => undefined);
}
function contextOf({ inputs, route }) {
  return { apiUrl: inputs.apiUrl, timeoutMs: inputs.timeoutMs, send: createSend(route) };
}
async function fetchMaskedToken(run, got) {
  const { inputs, cancellation } = run;
  const context = {
    ...contextOf(run),
    onRetry(_error, _pauseMs, line) {
      cancellation.throwIfCancelled();
      log(line);
    },
  };
  const token = await fetchToken(context, inputs.credentials);
  mask(maskedForms(token.accessToken));
  got.token = token;
  const accessToken = inputs.terminateSession ? token.accessToken : undefined;
  state_saveState({ accessToken, expiresAt: token.expiresAt });
  got.isTokenSaved = true;
  cancellation.throwIfCancelled();
  return token;
}
function setTokenOutputs({ inputs }, token) {
  setOutputs({
    "access-token": token.accessToken,
    "api-url": inputs.apiUrl,
    "token-type": "Bearer",
    "expires-in": String(token.expiresIn),
    "expires-at": isoDate(token.expiresAt),
  });
}
async function startAgent(run, folder, first) {
  const { env, dist, inputs, route } = run;
  const capability = createCapability();
  const controlCapability = createCapability();
  mask([capability, controlCapability].flatMap(maskedForms));
  const config = {
    credentials: inputs.credentials,
    apiUrl: inputs.apiUrl,
    certificates: inputs.certificates,
    route,
    timeoutMs: inputs.timeoutMs,
    limits: CALL_LIMITS,
    terminateSession: inputs.terminateSession,
    gatewayPaths: inputs.gatewayPaths,
    capability,
    controlCapability,
    folder,
    first,
    workerPid: await findWorker(),
    isDebug: outputs_isDebug(),
  };
  const { gatewayUrl } = await launchAgent(config, { env, dist });
  return gatewayUrl;
}
function handOnAgent({ env, inputs }, folder, gatewayUrl) {
  setOutputs({ "gateway-url": gatewayUrl, "token-command": folder.command });
  if (!folder.canRun) {
    warn(
      "armor-token cannot be started by its name: the file system of RUNNER_TEMP forbids programs (noexec). " +
        'Give the output token-command to the step as TOKEN_COMMAND, and run: sh "$TOKEN_COMMAND".',
    );
  }
  if (!inputs.exportEnvironment) return;
  const bin = folder.fitsPath ? folder.bin : undefined;
  const { wasNoProxyExtended, isNoProxyStar } = exportAgent(env, gatewayUrl, bin);
  if (bin === undefined) {
    warn(
      "armor-token is not on PATH, because the path of the runner's work folder contains the character that " +
        "separates folders in PATH. " +
        'Give the output token-command to the step as TOKEN_COMMAND, and run: "$TOKEN_COMMAND".',
    );
  }
  if (wasNoProxyExtended)
    log(
      "Added 127.0.0.1 to no_proxy and NO_PROXY, for calls of later steps to the gateway.",
    );
  if (isNoProxyStar) {
    warn(
      "no_proxy is *. wget does not understand that, and would show the gateway's address to the proxy. " +
        "List the hosts in no_proxy instead, with 127.0.0.1 among them.",
    );
  }
}

;// CONCATENATED MODULE: ./build/step/main.js











async function main(env, crash, dist) {
  let mark;
  try {
    mask(readSecrets(getInput));
    startDebugLog();
    closeFilesToOthers();
    checkFiles(["GITHUB_OUTPUT", "GITHUB_STATE"]);
    mark = new MainMark(env);
    const cancellation = new Cancellation(mark);
    const result = prepareAndSupply(env, dist, mark, cancellation);
    await Promise.race([result, crash, cancellation.deadline]);
    process.exitCode = 0;
  } catch (error) {
    process.exitCode = 1;
    const { code, message } = asArmorError(error);
    fail(annotationOf(code, message));
  } finally {
    mark?.remove();
  }
}
async function prepareAndSupply(env, dist, mark, cancellation) {
  saveEmptyState();
  const envOfJob = { ...env };
  const inputs = readInputs(getInput, env);
  const route = takeRoute(env);
  if (inputs.keepFresh && inputs.exportEnvironment) checkFiles(["GITHUB_ENV", "GITHUB_PATH"]);
  warnOfIam(inputs);
  trustCertificates(inputs.certificates);
  state_saveState({
    apiUrl: inputs.apiUrl,
    certificates: inputs.certificates,
    terminateSession: inputs.terminateSession,
    mark: mark.path,
    stateFile: env["GITHUB_STATE"],
  });
  const run = { env: envOfJob, dist, inputs, route, mark, cancellation };
  await supply(run);
}
const IAM = "/api/v1/iam/";
function warnOfIam({ gatewayPaths }) {
  for (const path of gatewayPaths) {
    const isInsideIam = path.startsWith(IAM);
    const isAboveIam = path.endsWith("/") && IAM.startsWith(path);
    if (!isInsideIam && !isAboveIam) continue;
    warn(
      `gateway-paths: ${path} covers ${IAM}, so with keep-fresh every later step of this job can read the ` +
        "users, apps and policies that the client app may read.",
    );
  }
}

;// CONCATENATED MODULE: ./build/step/report.js

const NOTHING = { lines: [], warnings: [], read: [], debugLog: [] };
function lineReport(line) {
  return { lines: [line], warnings: [], read: [], debugLog: [] };
}
function joined(first, second) {
  return {
    lines: [...first.lines, ...second.lines],
    warnings: [...first.warnings, ...second.warnings],
    read: [...first.read, ...second.read],
    debugLog: [...first.debugLog, ...second.debugLog],
  };
}
function agentReport(result, isMainComplete) {
  const { debugLog = [] } = result;
  if (result.kind === "unknown") {
    const warning = agentWarning(
      `The token agent could not be asked to stop: ${withoutStop(result.reason)}. ` +
        "It ends by itself when its folder is gone, at the latest when the runner cleans up.",
    );
    return { lines: [], warnings: [warning], read: [], debugLog };
  }
  const { stats } = result;
  if (stats === undefined) {
    if (!isMainComplete) return NOTHING;
    const why =
      " and left no report: a step killed it, RUNNER_TEMP was emptied, or the disk was full";
    return { lines: [], warnings: [earlyEnd(why)], read: [], debugLog };
  }
  const warnings = Object.entries(stats.problems).map(([code, text]) => annotationOf(code, text));
  if (stats.reason !== undefined) warnings.unshift(earlyEnd(`: ${withoutStop(stats.reason)}`));
  const lines = isMainComplete ? [workOf(stats), ...whyGivenUp(stats)] : [];
  return { lines: [...lines, ...sessionsLeft(stats)], warnings, read: readBy(stats), debugLog };
}
function withoutStop(text) {
  return text.replace(/\.$/, "");
}
function earlyEnd(why) {
  return agentWarning(
    `The token agent ended before the job did${why}. ` +
      "Later calls failed with curl (7): start at the first failed step.",
  );
}
function agentWarning(text) {
  const sessions = "The sessions of its tokens end by themselves when these expire.";
  return annotationOf("agent_failed", `${text} ${sessions}`);
}
function workOf(stats) {
  const used = [
    ...calls("answered", stats.answered),
    ...calls("failed", stats.failed),
    ...times(stats.abandoned, "call", "given up by its client", "given up by their clients"),
    ...times(stats.refused, "call", "refused"),
    ...times(stats.handedOut, "token", "handed out"),
  ];
  const work = [
    ...(used.length === 0 ? ["no call came"] : used),
    ...times(stats.minted, "token", "fetched"),
    ...times(stats.sessionsEnded, "session", "ended"),
  ];
  const line = `Token agent: ${work.join(", ")}.`;
  const isUnused = used.length === 0 && stats.reason === undefined;
  if (!isUnused) return line;
  return `${line} If no step needs it, leave keep-fresh out; steps in another container (docker://) cannot reach it.`;
}
function whyGivenUp({ abandoned }) {
  if (abandoned === 0) return [];
  return [
    "A client gives up if its own time limit (curl: --max-time) is shorter than Armor needs, " +
      "or if its step is cancelled. Give it more time, or ask for less in one call.",
  ];
}
function hasOnlyOwnToken({ minted }) {
  return minted === 1;
}
function sessionsLeft(stats) {
  const others = hasOnlyOwnToken(stats) ? stats.sessionsNotEnded - 1 : stats.sessionsNotEnded;
  const one = "could not be ended; it ends by itself when its token expires.";
  const several = "could not be ended; they end by themselves when their tokens expire.";
  return times(Math.max(others, 0), "Armor session", one, several);
}
function readBy({ read, otherKinds, otherCalls, handedOut }) {
  const lines = read.map(
    ({ calls, method, path, status }) => `${calls} \u00d7 ${method} ${path} ${status}`,
  );
  if (otherKinds > 0) {
    const kinds = otherKinds === 1 ? "1 other kind" : `${otherKinds} other kinds`;
    lines.push(`\u2026 and ${kinds} (${otherCalls} ${otherCalls === 1 ? "call" : "calls"})`);
  } else if (otherCalls > 0) lines.push(`\u2026 and ${otherCalls} other calls`);
  if (handedOut > 0)
    lines.push(
      "Calls with tokens that armor-token handed out are not seen, so they are not listed.",
    );
  return lines;
}
function calls(verb, counts) {
  let sum = 0;
  for (const count of Object.values(counts)) sum += count;
  const parts = Object.keys(counts)
    .sort()
    .map((name) => `${name} ${counts[name]}`);
  return times(sum, "call", `${verb} (${parts.join(", ")})`);
}
function times(count, noun, verb, verbOfMany = verb) {
  if (count === 0) return [];
  return [count === 1 ? `1 ${noun} ${verb}` : `${count} ${noun}s ${verbOfMany}`];
}

;// CONCATENATED MODULE: ./build/step/session-end.js




const REASONS = {
  host_unknown: "DNS does not know its host",
  dns_failed: "DNS did not answer",
  connection_failed: "no connection",
  reply_incomplete: "its answer broke off",
  reply_timeout: "no answer in time",
  reply_invalid: "its answer could not be read",
  certificate_rejected: "its certificate is not trusted",
  tls_failed: "no TLS connection",
  proxy_failed: "the proxy has failed",
  proxy_refused: "the proxy has refused",
  redirect_refused: "it was redirected to another address",
};
async function endSessionOf(state, { apiUrl, send }, timeoutMs) {
  const { accessToken, agentFolder, isComplete, terminateSession } = state;
  const say = (line) => (isComplete ? lineReport(line) : NOTHING);
  if (!terminateSession)
    return say("The Armor session was not ended, as terminate-session is false.");
  if (accessToken === undefined) return NOTHING;
  let lastStatus;
  const noteStatus = async (request, signal) => {
    const reply = await send(request, signal);
    lastStatus = reply.status;
    return reply;
  };
  try {
    const wasAlive = await endSession({ apiUrl, timeoutMs, send: noteStatus }, accessToken);
    if (wasAlive) return say("The Armor session was ended.");
    if (agentFolder !== undefined) return say("The Armor session was over already.");
    return say(
      "The Armor session was over already. " +
        "Tokens expire soon: with keep-fresh: true, later steps always have a valid one.",
    );
  } catch (error) {
    const { code } = asArmorError(error);
    if (code === "internal_error") throw error;
    const answered = lastStatus === undefined ? code : `Armor answered ${lastStatus}`;
    const reason = REASONS[code] ?? answered;
    return lineReport(`The Armor session could not be ended (${reason}); ${endOf(state)}.`);
  }
}
function endOf({ expiresAt }) {
  if (expiresAt === undefined) return "it ends by itself when its token expires";
  const time = new Date(expiresAt).toISOString().slice("2026-01-01T".length, -".000Z".length);
  const hasExpired = expiresAt <= clock.date();
  return hasExpired ? `it has ended by itself at ${time} UTC` : `it ends by itself at ${time} UTC`;
}

;// CONCATENATED MODULE: ./build/step/post.js















const TIMEOUT_MS = 5_500;
const MAIN_MS = 2_500;
const STOP_MS = 4_000;
const MIN_SESSION_MS = 500;
const SECOND_TRY_MS = 1_000;
const MAX_STATE_BYTES = 1024 * 1024;
const MAIN_RUNS =
  "The main step was cancelled and is still at work in its container. What it gets now, it gives back by itself.";
async function post(env, crash) {
  process.exitCode = 0;
  const state = loadState(env);
  if (state === undefined) return await endMainsWithoutState(env, MAIN_MS);
  if (state.accessToken !== undefined) mask(maskedForms(state.accessToken));
  try {
    startDebugLog();
    closeFilesToOthers();
    say(await Promise.race([finish(env, state), crash]));
  } catch (error) {
    const { code, message } = asArmorError(error);
    warn(annotationOf(code, message));
  }
}
function say({ lines, warnings, read, debugLog }) {
  lines.forEach(log);
  if (read.length > 0) outputs_group("What was read from Armor", read);
  warnings.forEach(warn);
  if (debugLog.length > 0) logDebug("The token agent's own debug log, with times in UTC:");
  debugLog.forEach(logDebug);
}
async function finish(env, saved) {
  const deadline = clock.now() + TIMEOUT_MS;
  const hasMainEnded = await waitForMain(env, saved);
  const state = await currentState(env, saved);
  const mainReport = hasMainEnded ? NOTHING : lineReport(MAIN_RUNS);
  return joined(mainReport, await endAll(env, state, saved, deadline));
}
async function endAll(env, state, saved, deadline) {
  const { accessToken, agentFolder, isComplete, terminateSession } = state;
  if (accessToken !== undefined && accessToken !== saved.accessToken)
    mask(maskedForms(accessToken));
  trustCertificates(state.certificates);
  const context = { apiUrl: state.apiUrl, send: createSend(takeRoute(env)) };
  if (agentFolder === undefined) return await endSessionOf(state, context, deadline - clock.now());
  const stopMs = Math.min(STOP_MS, deadline - clock.now() - MIN_SESSION_MS);
  const result = await stopAgent(agentFolder, timeoutSignal(stopMs), env);
  const agent = agentReport(result, isComplete);
  const stats = result.kind === "ended" ? result.stats : undefined;
  const leftMs = Math.max(MIN_SESSION_MS, deadline - clock.now());
  const wasToldToStop = stats !== undefined && stats.reason === undefined;
  if (!wasToldToStop || !terminateSession)
    return joined(agent, await endSessionOf(state, context, leftMs));
  if (stats.sessionsNotEnded > 0 && hasOnlyOwnToken(stats))
    return joined(agent, await endSessionOf(state, context, Math.min(leftMs, SECOND_TRY_MS)));
  const isNothingSaid = stats.sessionsEnded === 0 && stats.sessionsNotEnded === 0;
  if (!isNothingSaid || !isComplete) return agent;
  return joined(agent, lineReport("The Armor session was over already."));
}
function timeoutSignal(ms) {
  return AbortSignal.timeout(Math.max(0, Math.floor(ms)));
}
async function waitForMain(env, saved) {
  const { isComplete, mark } = saved;
  if (isComplete || mark === undefined) return true;
  return await endMain(mark, env, MAIN_MS);
}
async function currentState(env, saved) {
  const { isComplete, mark, stateFile } = saved;
  if (isComplete || mark === undefined) return saved;
  const isRunnersFile = (0,external_node_path_namespaceObject.dirname)(stateFile ?? "") === (0,external_node_path_namespaceObject.dirname)(env["GITHUB_STATE"] ?? "none");
  if (stateFile === undefined || !isRunnersFile) return saved;
  try {
    const text = await readSmallFile(stateFile, MAX_STATE_BYTES);
    return loadState(parseStateFile(text)) ?? saved;
  } catch {
    return saved;
  }
}

;// CONCATENATED MODULE: ./build/index.js





async function runMain() {
  if (process.env["NODE_TLS_REJECT_UNAUTHORIZED"] === "0") {
    const remedy = "certificates are always verified. Give a private CA as ca-certificate.";
    warning(`NODE_TLS_REJECT_UNAUTHORIZED=0 is ignored: ${remedy}`);
  }
  const dist = (0,external_node_path_namespaceObject.dirname)(process.argv[1] ?? "");
  await run((crash) => main(process.env, crash, dist));
}
async function runPost() {
  await run((crash) => post(process.env, crash));
}
async function runAgent() {
  await run((crash) => agent(crash));
}
async function run(program) {
  process.exitCode = 1;
  process.noDeprecation = true;
  delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
  await program(watchCrash());
  await new Promise((resolve) => process.stdout.write("", () => resolve()));
  process.exit();
}
function watchCrash() {
  const crash = new Promise((_, reject) => {
    process.on("uncaughtException", reject);
    process.on("beforeExit", () => reject(new Error("the process ended without a result")));
  });
  crash.catch(() => undefined);
  return crash;
}

module.exports = __webpack_exports__;
/******/ })()
;