/******/ (() => { // webpackBootstrap
/******/ 	var __webpack_modules__ = ({

/***/ 770:
/***/ ((module, __unused_webpack_exports, __nccwpck_require__) => {

module.exports = __nccwpck_require__(218);


/***/ }),

/***/ 218:
/***/ ((__unused_webpack_module, exports, __nccwpck_require__) => {

"use strict";
var __webpack_unused_export__;


var net = __nccwpck_require__(278);
var tls = __nccwpck_require__(756);
var http = __nccwpck_require__(611);
var https = __nccwpck_require__(692);
var events = __nccwpck_require__(434);
var assert = __nccwpck_require__(613);
var util = __nccwpck_require__(23);


exports.httpOverHttp = httpOverHttp;
exports.httpsOverHttp = httpsOverHttp;
exports.httpOverHttps = httpOverHttps;
exports.httpsOverHttps = httpsOverHttps;


function httpOverHttp(options) {
  var agent = new TunnelingAgent(options);
  agent.request = http.request;
  return agent;
}

function httpsOverHttp(options) {
  var agent = new TunnelingAgent(options);
  agent.request = http.request;
  agent.createSocket = createSecureSocket;
  agent.defaultPort = 443;
  return agent;
}

function httpOverHttps(options) {
  var agent = new TunnelingAgent(options);
  agent.request = https.request;
  return agent;
}

function httpsOverHttps(options) {
  var agent = new TunnelingAgent(options);
  agent.request = https.request;
  agent.createSocket = createSecureSocket;
  agent.defaultPort = 443;
  return agent;
}


function TunnelingAgent(options) {
  var self = this;
  self.options = options || {};
  self.proxyOptions = self.options.proxy || {};
  self.maxSockets = self.options.maxSockets || http.Agent.defaultMaxSockets;
  self.requests = [];
  self.sockets = [];

  self.on('free', function onFree(socket, host, port, localAddress) {
    var options = toOptions(host, port, localAddress);
    for (var i = 0, len = self.requests.length; i < len; ++i) {
      var pending = self.requests[i];
      if (pending.host === options.host && pending.port === options.port) {
        // Detect the request to connect same origin server,
        // reuse the connection.
        self.requests.splice(i, 1);
        pending.request.onSocket(socket);
        return;
      }
    }
    socket.destroy();
    self.removeSocket(socket);
  });
}
util.inherits(TunnelingAgent, events.EventEmitter);

TunnelingAgent.prototype.addRequest = function addRequest(req, host, port, localAddress) {
  var self = this;
  var options = mergeOptions({request: req}, self.options, toOptions(host, port, localAddress));

  if (self.sockets.length >= this.maxSockets) {
    // We are over limit so we'll add it to the queue.
    self.requests.push(options);
    return;
  }

  // If we are under maxSockets create a new one.
  self.createSocket(options, function(socket) {
    socket.on('free', onFree);
    socket.on('close', onCloseOrRemove);
    socket.on('agentRemove', onCloseOrRemove);
    req.onSocket(socket);

    function onFree() {
      self.emit('free', socket, options);
    }

    function onCloseOrRemove(err) {
      self.removeSocket(socket);
      socket.removeListener('free', onFree);
      socket.removeListener('close', onCloseOrRemove);
      socket.removeListener('agentRemove', onCloseOrRemove);
    }
  });
};

TunnelingAgent.prototype.createSocket = function createSocket(options, cb) {
  var self = this;
  var placeholder = {};
  self.sockets.push(placeholder);

  var connectOptions = mergeOptions({}, self.proxyOptions, {
    method: 'CONNECT',
    path: options.host + ':' + options.port,
    agent: false,
    headers: {
      host: options.host + ':' + options.port
    }
  });
  if (options.localAddress) {
    connectOptions.localAddress = options.localAddress;
  }
  if (connectOptions.proxyAuth) {
    connectOptions.headers = connectOptions.headers || {};
    connectOptions.headers['Proxy-Authorization'] = 'Basic ' +
        new Buffer(connectOptions.proxyAuth).toString('base64');
  }

  debug('making CONNECT request');
  var connectReq = self.request(connectOptions);
  connectReq.useChunkedEncodingByDefault = false; // for v0.6
  connectReq.once('response', onResponse); // for v0.6
  connectReq.once('upgrade', onUpgrade);   // for v0.6
  connectReq.once('connect', onConnect);   // for v0.7 or later
  connectReq.once('error', onError);
  connectReq.end();

  function onResponse(res) {
    // Very hacky. This is necessary to avoid http-parser leaks.
    res.upgrade = true;
  }

  function onUpgrade(res, socket, head) {
    // Hacky.
    process.nextTick(function() {
      onConnect(res, socket, head);
    });
  }

  function onConnect(res, socket, head) {
    connectReq.removeAllListeners();
    socket.removeAllListeners();

    if (res.statusCode !== 200) {
      debug('tunneling socket could not be established, statusCode=%d',
        res.statusCode);
      socket.destroy();
      var error = new Error('tunneling socket could not be established, ' +
        'statusCode=' + res.statusCode);
      error.code = 'ECONNRESET';
      options.request.emit('error', error);
      self.removeSocket(placeholder);
      return;
    }
    if (head.length > 0) {
      debug('got illegal response body from proxy');
      socket.destroy();
      var error = new Error('got illegal response body from proxy');
      error.code = 'ECONNRESET';
      options.request.emit('error', error);
      self.removeSocket(placeholder);
      return;
    }
    debug('tunneling connection has established');
    self.sockets[self.sockets.indexOf(placeholder)] = socket;
    return cb(socket);
  }

  function onError(cause) {
    connectReq.removeAllListeners();

    debug('tunneling socket could not be established, cause=%s\n',
          cause.message, cause.stack);
    var error = new Error('tunneling socket could not be established, ' +
                          'cause=' + cause.message);
    error.code = 'ECONNRESET';
    options.request.emit('error', error);
    self.removeSocket(placeholder);
  }
};

TunnelingAgent.prototype.removeSocket = function removeSocket(socket) {
  var pos = this.sockets.indexOf(socket)
  if (pos === -1) {
    return;
  }
  this.sockets.splice(pos, 1);

  var pending = this.requests.shift();
  if (pending) {
    // If we have pending requests and a socket gets closed a new one
    // needs to be created to take over in the pool for the one that closed.
    this.createSocket(pending, function(socket) {
      pending.request.onSocket(socket);
    });
  }
};

function createSecureSocket(options, cb) {
  var self = this;
  TunnelingAgent.prototype.createSocket.call(self, options, function(socket) {
    var hostHeader = options.request.getHeader('host');
    var tlsOptions = mergeOptions({}, self.options, {
      socket: socket,
      servername: hostHeader ? hostHeader.replace(/:.*$/, '') : options.host
    });

    // 0 is dummy port for v0.6
    var secureSocket = tls.connect(0, tlsOptions);
    self.sockets[self.sockets.indexOf(socket)] = secureSocket;
    cb(secureSocket);
  });
}


function toOptions(host, port, localAddress) {
  if (typeof host === 'string') { // since v0.10
    return {
      host: host,
      port: port,
      localAddress: localAddress
    };
  }
  return host; // for v0.11 or later
}

function mergeOptions(target) {
  for (var i = 1, len = arguments.length; i < len; ++i) {
    var overrides = arguments[i];
    if (typeof overrides === 'object') {
      var keys = Object.keys(overrides);
      for (var j = 0, keyLen = keys.length; j < keyLen; ++j) {
        var k = keys[j];
        if (overrides[k] !== undefined) {
          target[k] = overrides[k];
        }
      }
    }
  }
  return target;
}


var debug;
if (process.env.NODE_DEBUG && /\btunnel\b/.test(process.env.NODE_DEBUG)) {
  debug = function() {
    var args = Array.prototype.slice.call(arguments);
    if (typeof args[0] === 'string') {
      args[0] = 'TUNNEL: ' + args[0];
    } else {
      args.unshift('TUNNEL:');
    }
    console.error.apply(console, args);
  }
} else {
  debug = function() {};
}
__webpack_unused_export__ = debug; // for test


/***/ }),

/***/ 613:
/***/ ((module) => {

"use strict";
module.exports = require("assert");

/***/ }),

/***/ 434:
/***/ ((module) => {

"use strict";
module.exports = require("events");

/***/ }),

/***/ 611:
/***/ ((module) => {

"use strict";
module.exports = require("http");

/***/ }),

/***/ 692:
/***/ ((module) => {

"use strict";
module.exports = require("https");

/***/ }),

/***/ 278:
/***/ ((module) => {

"use strict";
module.exports = require("net");

/***/ }),

/***/ 756:
/***/ ((module) => {

"use strict";
module.exports = require("tls");

/***/ }),

/***/ 23:
/***/ ((module) => {

"use strict";
module.exports = require("util");

/***/ })

/******/ 	});
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
// This entry need to be wrapped in an IIFE because it need to be in strict mode.
(() => {
"use strict";
// ESM COMPAT FLAG
__nccwpck_require__.r(__webpack_exports__);

// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  runAgent: () => (/* binding */ runAgent),
  runMain: () => (/* binding */ runMain),
  runPost: () => (/* binding */ runPost)
});

;// CONCATENATED MODULE: external "node:net"
const external_node_net_namespaceObject = require("node:net");
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
// EXTERNAL MODULE: external "http"
var external_http_ = __nccwpck_require__(611);
var external_http_namespaceObject = /*#__PURE__*/__nccwpck_require__.t(external_http_, 2);
// EXTERNAL MODULE: external "https"
var external_https_ = __nccwpck_require__(692);
var external_https_namespaceObject = /*#__PURE__*/__nccwpck_require__.t(external_https_, 2);
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
// EXTERNAL MODULE: ./node_modules/tunnel/index.js
var tunnel = __nccwpck_require__(770);
;// CONCATENATED MODULE: external "./not-bundled.js"
const external_not_bundled_js_namespaceObject = require("./not-bundled.js");
;// CONCATENATED MODULE: ./node_modules/@actions/http-client/lib/index.js
/* eslint-disable @typescript-eslint/no-explicit-any */
var __awaiter = (undefined && undefined.__awaiter) || function (thisArg, _arguments, P, generator) {
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
        return __awaiter(this, void 0, void 0, function* () {
            return new Promise((resolve) => __awaiter(this, void 0, void 0, function* () {
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
        return __awaiter(this, void 0, void 0, function* () {
            return new Promise((resolve) => __awaiter(this, void 0, void 0, function* () {
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
class lib_HttpClient {
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
        return __awaiter(this, void 0, void 0, function* () {
            return this.request('OPTIONS', requestUrl, null, additionalHeaders || {});
        });
    }
    get(requestUrl, additionalHeaders) {
        return __awaiter(this, void 0, void 0, function* () {
            return this.request('GET', requestUrl, null, additionalHeaders || {});
        });
    }
    del(requestUrl, additionalHeaders) {
        return __awaiter(this, void 0, void 0, function* () {
            return this.request('DELETE', requestUrl, null, additionalHeaders || {});
        });
    }
    post(requestUrl, data, additionalHeaders) {
        return __awaiter(this, void 0, void 0, function* () {
            return this.request('POST', requestUrl, data, additionalHeaders || {});
        });
    }
    patch(requestUrl, data, additionalHeaders) {
        return __awaiter(this, void 0, void 0, function* () {
            return this.request('PATCH', requestUrl, data, additionalHeaders || {});
        });
    }
    put(requestUrl, data, additionalHeaders) {
        return __awaiter(this, void 0, void 0, function* () {
            return this.request('PUT', requestUrl, data, additionalHeaders || {});
        });
    }
    head(requestUrl, additionalHeaders) {
        return __awaiter(this, void 0, void 0, function* () {
            return this.request('HEAD', requestUrl, null, additionalHeaders || {});
        });
    }
    sendStream(verb, requestUrl, stream, additionalHeaders) {
        return __awaiter(this, void 0, void 0, function* () {
            return this.request(verb, requestUrl, stream, additionalHeaders);
        });
    }
    /**
     * Gets a typed object from an endpoint
     * Be aware that not found returns a null.  Other errors (4xx, 5xx) reject the promise
     */
    getJson(requestUrl_1) {
        return __awaiter(this, arguments, void 0, function* (requestUrl, additionalHeaders = {}) {
            additionalHeaders[Headers.Accept] = this._getExistingOrDefaultHeader(additionalHeaders, Headers.Accept, MediaTypes.ApplicationJson);
            const res = yield this.get(requestUrl, additionalHeaders);
            return this._processResponse(res, this.requestOptions);
        });
    }
    postJson(requestUrl_1, obj_1) {
        return __awaiter(this, arguments, void 0, function* (requestUrl, obj, additionalHeaders = {}) {
            const data = JSON.stringify(obj, null, 2);
            additionalHeaders[Headers.Accept] = this._getExistingOrDefaultHeader(additionalHeaders, Headers.Accept, MediaTypes.ApplicationJson);
            additionalHeaders[Headers.ContentType] =
                this._getExistingOrDefaultContentTypeHeader(additionalHeaders, MediaTypes.ApplicationJson);
            const res = yield this.post(requestUrl, data, additionalHeaders);
            return this._processResponse(res, this.requestOptions);
        });
    }
    putJson(requestUrl_1, obj_1) {
        return __awaiter(this, arguments, void 0, function* (requestUrl, obj, additionalHeaders = {}) {
            const data = JSON.stringify(obj, null, 2);
            additionalHeaders[Headers.Accept] = this._getExistingOrDefaultHeader(additionalHeaders, Headers.Accept, MediaTypes.ApplicationJson);
            additionalHeaders[Headers.ContentType] =
                this._getExistingOrDefaultContentTypeHeader(additionalHeaders, MediaTypes.ApplicationJson);
            const res = yield this.put(requestUrl, data, additionalHeaders);
            return this._processResponse(res, this.requestOptions);
        });
    }
    patchJson(requestUrl_1, obj_1) {
        return __awaiter(this, arguments, void 0, function* (requestUrl, obj, additionalHeaders = {}) {
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
        return __awaiter(this, void 0, void 0, function* () {
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
        return __awaiter(this, void 0, void 0, function* () {
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
        info.httpModule = usingSsl ? external_https_namespaceObject : external_http_namespaceObject;
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
            maxSockets = this.requestOptions.maxSockets || external_http_.globalAgent.maxSockets;
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
                tunnelAgent = overHttps ? tunnel.httpsOverHttps : tunnel.httpsOverHttp;
            }
            else {
                tunnelAgent = overHttps ? tunnel.httpOverHttps : tunnel.httpOverHttp;
            }
            agent = tunnelAgent(agentOptions);
            this._proxyAgent = agent;
        }
        // if tunneling agent isn't assigned create a new agent
        if (!agent) {
            const options = { keepAlive: this._keepAlive, maxSockets };
            agent = usingSsl ? new external_https_.Agent(options) : new external_http_.Agent(options);
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
        return __awaiter(this, void 0, void 0, function* () {
            retryNumber = Math.min(ExponentialBackoffCeiling, retryNumber);
            const ms = ExponentialBackoffTimeSlice * Math.pow(2, retryNumber);
            return new Promise(resolve => setTimeout(() => resolve(), ms));
        });
    }
    _processResponse(res, options) {
        return __awaiter(this, void 0, void 0, function* () {
            return new Promise((resolve, reject) => __awaiter(this, void 0, void 0, function* () {
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
;// CONCATENATED MODULE: ./node_modules/@actions/http-client/lib/auth.js
var auth_awaiter = (undefined && undefined.__awaiter) || function (thisArg, _arguments, P, generator) {
    function adopt(value) { return value instanceof P ? value : new P(function (resolve) { resolve(value); }); }
    return new (P || (P = Promise))(function (resolve, reject) {
        function fulfilled(value) { try { step(generator.next(value)); } catch (e) { reject(e); } }
        function rejected(value) { try { step(generator["throw"](value)); } catch (e) { reject(e); } }
        function step(result) { result.done ? resolve(result.value) : adopt(result.value).then(fulfilled, rejected); }
        step((generator = generator.apply(thisArg, _arguments || [])).next());
    });
};
class BasicCredentialHandler {
    constructor(username, password) {
        this.username = username;
        this.password = password;
    }
    prepareRequest(options) {
        if (!options.headers) {
            throw Error('The request has no headers');
        }
        options.headers['Authorization'] = `Basic ${Buffer.from(`${this.username}:${this.password}`).toString('base64')}`;
    }
    // This handler cannot handle 401
    canHandleAuthentication() {
        return false;
    }
    handleAuthentication() {
        return auth_awaiter(this, void 0, void 0, function* () {
            throw new Error('not implemented');
        });
    }
}
class auth_BearerCredentialHandler {
    constructor(token) {
        this.token = token;
    }
    // currently implements pre-authorization
    // TODO: support preAuth = false where it hooks on 401
    prepareRequest(options) {
        if (!options.headers) {
            throw Error('The request has no headers');
        }
        options.headers['Authorization'] = `Bearer ${this.token}`;
    }
    // This handler cannot handle 401
    canHandleAuthentication() {
        return false;
    }
    handleAuthentication() {
        return auth_awaiter(this, void 0, void 0, function* () {
            throw new Error('not implemented');
        });
    }
}
class PersonalAccessTokenCredentialHandler {
    constructor(token) {
        this.token = token;
    }
    // currently implements pre-authorization
    // TODO: support preAuth = false where it hooks on 401
    prepareRequest(options) {
        if (!options.headers) {
            throw Error('The request has no headers');
        }
        options.headers['Authorization'] = `Basic ${Buffer.from(`PAT:${this.token}`).toString('base64')}`;
    }
    // This handler cannot handle 401
    canHandleAuthentication() {
        return false;
    }
    handleAuthentication() {
        return auth_awaiter(this, void 0, void 0, function* () {
            throw new Error('not implemented');
        });
    }
}
//# sourceMappingURL=auth.js.map
;// CONCATENATED MODULE: ./node_modules/@actions/core/lib/oidc-utils.js
var oidc_utils_awaiter = (undefined && undefined.__awaiter) || function (thisArg, _arguments, P, generator) {
    function adopt(value) { return value instanceof P ? value : new P(function (resolve) { resolve(value); }); }
    return new (P || (P = Promise))(function (resolve, reject) {
        function fulfilled(value) { try { step(generator.next(value)); } catch (e) { reject(e); } }
        function rejected(value) { try { step(generator["throw"](value)); } catch (e) { reject(e); } }
        function step(result) { result.done ? resolve(result.value) : adopt(result.value).then(fulfilled, rejected); }
        step((generator = generator.apply(thisArg, _arguments || [])).next());
    });
};



class oidc_utils_OidcClient {
    static createHttpClient(allowRetry = true, maxRetry = 10) {
        const requestOptions = {
            allowRetries: allowRetry,
            maxRetries: maxRetry
        };
        return new HttpClient('actions/oidc-client', [new BearerCredentialHandler(oidc_utils_OidcClient.getRequestToken())], requestOptions);
    }
    static getRequestToken() {
        const token = process.env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'];
        if (!token) {
            throw new Error('Unable to get ACTIONS_ID_TOKEN_REQUEST_TOKEN env variable');
        }
        return token;
    }
    static getIDTokenUrl() {
        const runtimeUrl = process.env['ACTIONS_ID_TOKEN_REQUEST_URL'];
        if (!runtimeUrl) {
            throw new Error('Unable to get ACTIONS_ID_TOKEN_REQUEST_URL env variable');
        }
        return runtimeUrl;
    }
    static getCall(id_token_url) {
        return oidc_utils_awaiter(this, void 0, void 0, function* () {
            var _a;
            const httpclient = oidc_utils_OidcClient.createHttpClient();
            const res = yield httpclient
                .getJson(id_token_url)
                .catch(error => {
                throw new Error(`Failed to get ID Token. \n 
        Error Code : ${error.statusCode}\n 
        Error Message: ${error.message}`);
            });
            const id_token = (_a = res.result) === null || _a === void 0 ? void 0 : _a.value;
            if (!id_token) {
                throw new Error('Response json body do not have ID Token field');
            }
            return id_token;
        });
    }
    static getIDToken(audience) {
        return oidc_utils_awaiter(this, void 0, void 0, function* () {
            try {
                // New ID Token is requested from action service
                let id_token_url = oidc_utils_OidcClient.getIDTokenUrl();
                if (audience) {
                    const encodedAudience = encodeURIComponent(audience);
                    id_token_url = `${id_token_url}&audience=${encodedAudience}`;
                }
                debug(`ID token url is ${id_token_url}`);
                const id_token = yield oidc_utils_OidcClient.getCall(id_token_url);
                setSecret(id_token);
                return id_token;
            }
            catch (error) {
                throw new Error(`Error message: ${error.message}`);
            }
        });
    }
}
//# sourceMappingURL=oidc-utils.js.map
;// CONCATENATED MODULE: ./node_modules/@actions/core/lib/summary.js
var summary_awaiter = (undefined && undefined.__awaiter) || function (thisArg, _arguments, P, generator) {
    function adopt(value) { return value instanceof P ? value : new P(function (resolve) { resolve(value); }); }
    return new (P || (P = Promise))(function (resolve, reject) {
        function fulfilled(value) { try { step(generator.next(value)); } catch (e) { reject(e); } }
        function rejected(value) { try { step(generator["throw"](value)); } catch (e) { reject(e); } }
        function step(result) { result.done ? resolve(result.value) : adopt(result.value).then(fulfilled, rejected); }
        step((generator = generator.apply(thisArg, _arguments || [])).next());
    });
};


const { access, appendFile, writeFile } = external_fs_namespaceObject.promises;
const SUMMARY_ENV_VAR = 'GITHUB_STEP_SUMMARY';
const SUMMARY_DOCS_URL = 'https://docs.github.com/actions/using-workflows/workflow-commands-for-github-actions#adding-a-job-summary';
class Summary {
    constructor() {
        this._buffer = '';
    }
    /**
     * Finds the summary file path from the environment, rejects if env var is not found or file does not exist
     * Also checks r/w permissions.
     *
     * @returns step summary file path
     */
    filePath() {
        return summary_awaiter(this, void 0, void 0, function* () {
            if (this._filePath) {
                return this._filePath;
            }
            const pathFromEnv = process.env[SUMMARY_ENV_VAR];
            if (!pathFromEnv) {
                throw new Error(`Unable to find environment variable for $${SUMMARY_ENV_VAR}. Check if your runtime environment supports job summaries.`);
            }
            try {
                yield access(pathFromEnv, external_fs_namespaceObject.constants.R_OK | external_fs_namespaceObject.constants.W_OK);
            }
            catch (_a) {
                throw new Error(`Unable to access summary file: '${pathFromEnv}'. Check if the file has correct read/write permissions.`);
            }
            this._filePath = pathFromEnv;
            return this._filePath;
        });
    }
    /**
     * Wraps content in an HTML tag, adding any HTML attributes
     *
     * @param {string} tag HTML tag to wrap
     * @param {string | null} content content within the tag
     * @param {[attribute: string]: string} attrs key-value list of HTML attributes to add
     *
     * @returns {string} content wrapped in HTML element
     */
    wrap(tag, content, attrs = {}) {
        const htmlAttrs = Object.entries(attrs)
            .map(([key, value]) => ` ${key}="${value}"`)
            .join('');
        if (!content) {
            return `<${tag}${htmlAttrs}>`;
        }
        return `<${tag}${htmlAttrs}>${content}</${tag}>`;
    }
    /**
     * Writes text in the buffer to the summary buffer file and empties buffer. Will append by default.
     *
     * @param {SummaryWriteOptions} [options] (optional) options for write operation
     *
     * @returns {Promise<Summary>} summary instance
     */
    write(options) {
        return summary_awaiter(this, void 0, void 0, function* () {
            const overwrite = !!(options === null || options === void 0 ? void 0 : options.overwrite);
            const filePath = yield this.filePath();
            const writeFunc = overwrite ? writeFile : appendFile;
            yield writeFunc(filePath, this._buffer, { encoding: 'utf8' });
            return this.emptyBuffer();
        });
    }
    /**
     * Clears the summary buffer and wipes the summary file
     *
     * @returns {Summary} summary instance
     */
    clear() {
        return summary_awaiter(this, void 0, void 0, function* () {
            return this.emptyBuffer().write({ overwrite: true });
        });
    }
    /**
     * Returns the current summary buffer as a string
     *
     * @returns {string} string of summary buffer
     */
    stringify() {
        return this._buffer;
    }
    /**
     * If the summary buffer is empty
     *
     * @returns {boolen} true if the buffer is empty
     */
    isEmptyBuffer() {
        return this._buffer.length === 0;
    }
    /**
     * Resets the summary buffer without writing to summary file
     *
     * @returns {Summary} summary instance
     */
    emptyBuffer() {
        this._buffer = '';
        return this;
    }
    /**
     * Adds raw text to the summary buffer
     *
     * @param {string} text content to add
     * @param {boolean} [addEOL=false] (optional) append an EOL to the raw text (default: false)
     *
     * @returns {Summary} summary instance
     */
    addRaw(text, addEOL = false) {
        this._buffer += text;
        return addEOL ? this.addEOL() : this;
    }
    /**
     * Adds the operating system-specific end-of-line marker to the buffer
     *
     * @returns {Summary} summary instance
     */
    addEOL() {
        return this.addRaw(external_os_namespaceObject.EOL);
    }
    /**
     * Adds an HTML codeblock to the summary buffer
     *
     * @param {string} code content to render within fenced code block
     * @param {string} lang (optional) language to syntax highlight code
     *
     * @returns {Summary} summary instance
     */
    addCodeBlock(code, lang) {
        const attrs = Object.assign({}, (lang && { lang }));
        const element = this.wrap('pre', this.wrap('code', code), attrs);
        return this.addRaw(element).addEOL();
    }
    /**
     * Adds an HTML list to the summary buffer
     *
     * @param {string[]} items list of items to render
     * @param {boolean} [ordered=false] (optional) if the rendered list should be ordered or not (default: false)
     *
     * @returns {Summary} summary instance
     */
    addList(items, ordered = false) {
        const tag = ordered ? 'ol' : 'ul';
        const listItems = items.map(item => this.wrap('li', item)).join('');
        const element = this.wrap(tag, listItems);
        return this.addRaw(element).addEOL();
    }
    /**
     * Adds an HTML table to the summary buffer
     *
     * @param {SummaryTableCell[]} rows table rows
     *
     * @returns {Summary} summary instance
     */
    addTable(rows) {
        const tableBody = rows
            .map(row => {
            const cells = row
                .map(cell => {
                if (typeof cell === 'string') {
                    return this.wrap('td', cell);
                }
                const { header, data, colspan, rowspan } = cell;
                const tag = header ? 'th' : 'td';
                const attrs = Object.assign(Object.assign({}, (colspan && { colspan })), (rowspan && { rowspan }));
                return this.wrap(tag, data, attrs);
            })
                .join('');
            return this.wrap('tr', cells);
        })
            .join('');
        const element = this.wrap('table', tableBody);
        return this.addRaw(element).addEOL();
    }
    /**
     * Adds a collapsable HTML details element to the summary buffer
     *
     * @param {string} label text for the closed state
     * @param {string} content collapsable content
     *
     * @returns {Summary} summary instance
     */
    addDetails(label, content) {
        const element = this.wrap('details', this.wrap('summary', label) + content);
        return this.addRaw(element).addEOL();
    }
    /**
     * Adds an HTML image tag to the summary buffer
     *
     * @param {string} src path to the image you to embed
     * @param {string} alt text description of the image
     * @param {SummaryImageOptions} options (optional) addition image attributes
     *
     * @returns {Summary} summary instance
     */
    addImage(src, alt, options) {
        const { width, height } = options || {};
        const attrs = Object.assign(Object.assign({}, (width && { width })), (height && { height }));
        const element = this.wrap('img', null, Object.assign({ src, alt }, attrs));
        return this.addRaw(element).addEOL();
    }
    /**
     * Adds an HTML section heading element
     *
     * @param {string} text heading text
     * @param {number | string} [level=1] (optional) the heading level, default: 1
     *
     * @returns {Summary} summary instance
     */
    addHeading(text, level) {
        const tag = `h${level}`;
        const allowedTag = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].includes(tag)
            ? tag
            : 'h1';
        const element = this.wrap(allowedTag, text);
        return this.addRaw(element).addEOL();
    }
    /**
     * Adds an HTML thematic break (<hr>) to the summary buffer
     *
     * @returns {Summary} summary instance
     */
    addSeparator() {
        const element = this.wrap('hr', null);
        return this.addRaw(element).addEOL();
    }
    /**
     * Adds an HTML line break (<br>) to the summary buffer
     *
     * @returns {Summary} summary instance
     */
    addBreak() {
        const element = this.wrap('br', null);
        return this.addRaw(element).addEOL();
    }
    /**
     * Adds an HTML blockquote to the summary buffer
     *
     * @param {string} text quote text
     * @param {string} cite (optional) citation url
     *
     * @returns {Summary} summary instance
     */
    addQuote(text, cite) {
        const attrs = Object.assign({}, (cite && { cite }));
        const element = this.wrap('blockquote', text, attrs);
        return this.addRaw(element).addEOL();
    }
    /**
     * Adds an HTML anchor tag to the summary buffer
     *
     * @param {string} text link text/content
     * @param {string} href hyperlink
     *
     * @returns {Summary} summary instance
     */
    addLink(text, href) {
        const element = this.wrap('a', text, { href });
        return this.addRaw(element).addEOL();
    }
}
const _summary = new Summary();
/**
 * @deprecated use `core.summary`
 */
const markdownSummary = (/* unused pure expression or super */ null && (_summary));
const summary = (/* unused pure expression or super */ null && (_summary));
//# sourceMappingURL=summary.js.map
;// CONCATENATED MODULE: ./node_modules/@actions/core/lib/path-utils.js

/**
 * toPosixPath converts the given path to the posix form. On Windows, \\ will be
 * replaced with /.
 *
 * @param pth. Path to transform.
 * @return string Posix path.
 */
function toPosixPath(pth) {
    return pth.replace(/[\\]/g, '/');
}
/**
 * toWin32Path converts the given path to the win32 form. On Linux, / will be
 * replaced with \\.
 *
 * @param pth. Path to transform.
 * @return string Win32 path.
 */
function toWin32Path(pth) {
    return pth.replace(/[/]/g, '\\');
}
/**
 * toPlatformPath converts the given path to a platform-specific path. It does
 * this by replacing instances of / and \ with the platform-specific path
 * separator.
 *
 * @param pth The path to platformize.
 * @return string The platform-specific path.
 */
function toPlatformPath(pth) {
    return pth.replace(/[/\\]/g, path.sep);
}
//# sourceMappingURL=path-utils.js.map
;// CONCATENATED MODULE: ./node_modules/@actions/core/lib/platform.js
var platform_awaiter = (undefined && undefined.__awaiter) || function (thisArg, _arguments, P, generator) {
    function adopt(value) { return value instanceof P ? value : new P(function (resolve) { resolve(value); }); }
    return new (P || (P = Promise))(function (resolve, reject) {
        function fulfilled(value) { try { step(generator.next(value)); } catch (e) { reject(e); } }
        function rejected(value) { try { step(generator["throw"](value)); } catch (e) { reject(e); } }
        function step(result) { result.done ? resolve(result.value) : adopt(result.value).then(fulfilled, rejected); }
        step((generator = generator.apply(thisArg, _arguments || [])).next());
    });
};


const getWindowsInfo = () => platform_awaiter(void 0, void 0, void 0, function* () {
    const { stdout: version } = yield exec.getExecOutput('powershell -command "(Get-CimInstance -ClassName Win32_OperatingSystem).Version"', undefined, {
        silent: true
    });
    const { stdout: name } = yield exec.getExecOutput('powershell -command "(Get-CimInstance -ClassName Win32_OperatingSystem).Caption"', undefined, {
        silent: true
    });
    return {
        name: name.trim(),
        version: version.trim()
    };
});
const getMacOsInfo = () => platform_awaiter(void 0, void 0, void 0, function* () {
    var _a, _b, _c, _d;
    const { stdout } = yield exec.getExecOutput('sw_vers', undefined, {
        silent: true
    });
    const version = (_b = (_a = stdout.match(/ProductVersion:\s*(.+)/)) === null || _a === void 0 ? void 0 : _a[1]) !== null && _b !== void 0 ? _b : '';
    const name = (_d = (_c = stdout.match(/ProductName:\s*(.+)/)) === null || _c === void 0 ? void 0 : _c[1]) !== null && _d !== void 0 ? _d : '';
    return {
        name,
        version
    };
});
const getLinuxInfo = () => platform_awaiter(void 0, void 0, void 0, function* () {
    const { stdout } = yield exec.getExecOutput('lsb_release', ['-i', '-r', '-s'], {
        silent: true
    });
    const [name, version] = stdout.trim().split('\n');
    return {
        name,
        version
    };
});
const platform = external_os_namespaceObject.platform();
const arch = external_os_namespaceObject.arch();
const isWindows = platform === 'win32';
const isMacOS = platform === 'darwin';
const isLinux = platform === 'linux';
function getDetails() {
    return platform_awaiter(this, void 0, void 0, function* () {
        return Object.assign(Object.assign({}, (yield (isWindows
            ? getWindowsInfo()
            : isMacOS
                ? getMacOsInfo()
                : getLinuxInfo()))), { platform,
            arch,
            isWindows,
            isMacOS,
            isLinux });
    });
}
//# sourceMappingURL=platform.js.map
;// CONCATENATED MODULE: ./node_modules/@actions/core/lib/core.js
var core_awaiter = (undefined && undefined.__awaiter) || function (thisArg, _arguments, P, generator) {
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
function core_setSecret(secret) {
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
function core_debug(message) {
    issueCommand('debug', {}, message);
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
    issue('group', name);
}
/**
 * End an output group.
 */
function endGroup() {
    issue('endgroup');
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
    return core_awaiter(this, void 0, void 0, function* () {
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
    return core_awaiter(this, void 0, void 0, function* () {
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
;// CONCATENATED MODULE: external "node:fs/promises"
const promises_namespaceObject = require("node:fs/promises");
;// CONCATENATED MODULE: ./build/armor/credentials.js
/** application/x-www-form-urlencoded, as RFC 6749 appendix B defines it. */
function formEncode(text) {
    return new URLSearchParams([["", text]]).toString().slice(1);
}
function basicPairs({ appId, apiKey }) {
    const encoded = `${formEncode(appId)}:${formEncode(apiKey)}`;
    const raw = `${appId}:${apiKey}`;
    // A server ends the app id at the first colon, so with a raw one in it, it would read another client's id.
    const isRawUseful = raw !== encoded && !appId.includes(":");
    return { encoded, raw: isRawUseful ? raw : undefined };
}
/**
 * Every form of the key that is worth a mask, each once. The runner itself masks base64 of the whole value
 * and some escapes (actions/runner, ValueEncoders.cs): not base64url, unpadded base64, percent-encoding, or a
 * key in the base64 of a pair. Never the app id: the runner drops a job output that contains a masked text.
 */
function secretForms({ appId, apiKey }) {
    const key = apiKey.toWellFormed();
    if (key === "")
        return [];
    const formEncoded = formEncode(key);
    const percentEncoded = encodeURIComponent(key);
    const { encoded: encodedPair } = basicPairs({ appId, apiKey });
    // The raw pair also where it is never sent: other steps may have made it of the same secrets.
    const rawPair = `${appId}:${key}`;
    return [
        ...new Set([
            key,
            percentEncoded,
            formEncoded,
            lowerCaseEscapes(percentEncoded),
            lowerCaseEscapes(formEncoded),
            ...base64Forms(key),
            ...base64Forms(formEncoded),
            ...base64Forms(encodedPair),
            ...base64Forms(rawPair),
        ]),
    ];
}
/** `%2F` as `%2f`. */
function lowerCaseEscapes(text) {
    return text.replace(/%[\dA-F]{2}/g, (triplet) => triplet.toLowerCase());
}
/** Standard and URL-safe, each with and without its padding. */
function base64Forms(text) {
    const bytes = Buffer.from(text, "utf8");
    const padded = bytes.toString("base64");
    const urlSafe = bytes.toString("base64url"); // has no padding
    const padding = /=*$/.exec(padded)?.[0] ?? "";
    return [padded, padded.replace(/=+$/, ""), urlSafe, urlSafe + padding];
}

;// CONCATENATED MODULE: external "node:tls"
const external_node_tls_namespaceObject = require("node:tls");
var external_node_tls_default = /*#__PURE__*/__nccwpck_require__.n(external_node_tls_namespaceObject);
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

;// CONCATENATED MODULE: ./build/errors.js

/** Where the documentation of this version lies. The owner's name stands here and in package.json. */
const REPOSITORY = "https://github.com/org/armor-token-action";
const TROUBLESHOOTING = `${REPOSITORY}/blob/v1/docs/troubleshooting.md`;
/** Every failure that a user can meet, and whether it can pass. docs/troubleshooting.md explains each. */
const CAN_PASS = {
    input_invalid: false, // an input is missing, malformed or out of range
    runner_unsupported: false, // not started as a runner starts an action, or its Node lacks a feature
    file_failed: false, // a file or folder of the runner cannot be written
    cancelled: false, // the job was cancelled
    host_unknown: false, // DNS does not know the name of the Armor host
    dns_failed: true, // DNS does not answer
    connection_failed: true, // no connection, or it broke before a reply began
    reply_incomplete: true, // the reply began and broke off
    reply_timeout: true, // no complete reply in the time that one attempt has
    certificate_rejected: false, // the certificate of the Armor host is untrusted, expired or for another name
    tls_failed: false, // no common version, a client certificate is wanted, no TLS at all
    proxy_failed: true, // the proxy cannot be reached, or it cannot reach the Armor host
    proxy_refused: false, // credentials, policy or certificate; or its address cannot be understood
    redirect_refused: false, // to another host, one that turns POST into GET, or one of too many
    credentials_rejected: false, // 401, or OAuth's invalid_client
    access_denied: false, // 403, or OAuth's unauthorized_client
    endpoint_not_found: false, // 404
    request_rejected: false, // 400 and every other status that no retry will change
    rate_limited: true, // 429
    server_unavailable: true, // 408 and 5xx
    reply_invalid: false, // not HTTP, or a 200 that is no token response (RFC 6749 section 5.1)
    token_expired: true, // a token was issued, and had expired before it could be used
    agent_failed: false, // the token agent did not start, or it ended
    agent_stopping: false, // the job is at its end, and the token agent takes no more calls
    internal_error: false, // a fault of the action itself
};
const ERROR_CODES = Object.keys(CAN_PASS);
/**
 * The only error that is raised on purpose. Its message is a sentence of fact and one of remedy, without a
 * secret, a body, a header or an unquoted word of the server's.
 */
class ArmorError extends Error {
    name = "ArmorError";
    code;
    problem; // what failed, and with whom, without a full stop
    remedy; // what to do, in sentences
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
    /** The same error with one more fact behind the problem, such as how often it was tried. */
    adding(fact) {
        return new ArmorError(this.code, `${this.problem}, ${fact}`, this.remedy, this.details);
    }
}
/** Turns whatever was thrown into an ArmorError. Any other error is a bug of this action. */
function asArmorError(error) {
    if (error instanceof ArmorError)
        return error;
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const what = quote(text).replace(/\.$/, "");
    const remedy = "This is a fault of the action itself: please report this line.";
    return new ArmorError("internal_error", `Unexpected ${what}`, remedy);
}
/** The text of an annotation: one line that ends with the code and the address of its documentation. */
function annotationOf(code, message) {
    return `${message} (${code}, ${TROUBLESHOOTING}#${code})`;
}
/** The ArmorError for an error of node:fs. @param what cannot be written */
function fileError(what, error) {
    // Node's text is `EACCES: permission denied, open '/a/path'`.
    const { code, reason } = /^(?<code>[A-Z\d]+): (?<reason>[^,]+)/.exec(error.message)?.groups ?? {};
    const why = reason === undefined ? "for an unknown reason" : `${reason} (${code})`;
    const isForbidden = code === "EACCES" || code === "EPERM";
    const remedy = isForbidden
        ? "In a container job, run the container as the user who owns the runner's files (options: --user)."
        : "Check the runner's disk and the folder that RUNNER_TEMP names.";
    return new ArmorError("file_failed", `${what} cannot be written: ${why}`, remedy);
}

;// CONCATENATED MODULE: ./build/armor/network-error.js

const GIVE_CHAIN = "Give its private CA as ca-certificate, or have the server send its whole chain.";
const CHECK_PORT = "Check the scheme, the host and the port of its address.";
const CHECK_WAY = "Check what stands between this runner and Armor, such as a proxy or load balancer.";
const CHECK_DNS = "Check api-url, this runner's DNS, and whether it needs https_proxy to leave its network.";
const CHECK_PROXY = "Check https_proxy, that the proxy is up, and that it can reach the host.";
/** The first match counts, so a family stands behind its special cases. */
const FAULTS = [
    {
        nodeCodes: /^(EMFILE|ENFILE|ENOBUFS|EADDRNOTAVAIL)$/,
        code: "connection_failed",
        problem: "cannot be connected to, because this runner has no free file or port",
        remedy: "Check the limit of open files (ulimit -n) and what else runs on this machine.",
    },
    {
        nodeCodes: /SELF_SIGNED/,
        code: "certificate_rejected",
        problem: "has a certificate that is self-signed, or of a self-signed authority",
        remedy: "Give the private CA that signed it, or that of the inspecting proxy, as ca-certificate.",
    },
    {
        nodeCodes: /^UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)/,
        code: "certificate_rejected",
        problem: "has a certificate that is not signed by an authority that this runner trusts",
        remedy: GIVE_CHAIN,
    },
    {
        nodeCodes: /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
        code: "certificate_rejected",
        problem: "has a certificate that is expired or not valid yet",
        remedy: "Renew it on the server and check this runner's clock; ca-certificate does not help here.",
    },
    {
        nodeCodes: /ALTNAME|HOSTNAME_MISMATCH/,
        code: "certificate_rejected",
        problem: "has a certificate for another host name",
        remedy: "Use the name that the certificate has; ca-certificate does not help here.",
    },
    {
        nodeCodes: /^(CERT|CRL|ERROR_IN|INVALID|PATH_LENGTH|UNABLE)_/,
        code: "certificate_rejected",
        problem: "has a certificate that was rejected",
        remedy: GIVE_CHAIN,
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
        remedy: "Check the server's TLS settings, the port, and whether a client certificate is wanted.",
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
        problem: "answered with HTTP that contradicts itself, or with a reply that this action does not take",
        remedy: CHECK_WAY,
    },
];
function faultOf(nodeCode) {
    return FAULTS.find(({ nodeCodes }) => nodeCodes.test(nodeCode));
}
/** What an error of the connection means. An ArmorError passes as it is: a `RouteAgent` has judged it. */
function networkError(error, state) {
    if (error instanceof ArmorError)
        return error;
    const { origin, hostname } = state.url;
    const nodeCode = codeOf(error);
    const isCutOff = state.isReplying || /^HPE_(INVALID_EOF_STATE|CLOSED_CONNECTION)$/.test(nodeCode);
    if (isCutOff) {
        return new ArmorError("reply_incomplete", `${origin} broke off its answer`, "Run the job again later.");
    }
    if (nodeCode === "ENOTFOUND") {
        const problem = `DNS does not know the host ${hostname} (${nodeCode})`;
        return new ArmorError("host_unknown", problem, CHECK_DNS);
    }
    if (nodeCode.startsWith("EAI_")) {
        const problem = `DNS does not answer for the host ${hostname} (${nodeCode})`;
        return new ArmorError("dns_failed", problem, CHECK_DNS);
    }
    const fault = faultOf(nodeCode);
    if (fault !== undefined) {
        return new ArmorError(fault.code, `${via(state)} ${fault.problem} (${nodeCode})`, fault.remedy);
    }
    const why = nodeCode === "" ? "" : ` (${nodeCode})`;
    const remedy = "Check api-url, and that a firewall lets this runner reach it.";
    return new ArmorError("connection_failed", `No connection to ${via(state)}${why}`, remedy);
}
/** Nothing came, or not all of it, before the deadline. */
function timeoutError(state) {
    const { url, proxy, hasTunnel, isReplying } = state;
    if (proxy !== undefined && hasTunnel === false)
        return proxyError(proxy, url.host, "ETIMEDOUT");
    const problem = isReplying
        ? `${url.origin} began to answer and did not finish`
        : `No answer from ${via(state)}`;
    const who = proxy === undefined ? "this runner" : "the proxy";
    return new ArmorError("reply_timeout", problem, `Check that ${who} can reach the host, or raise timeout.`);
}
function via({ url, proxy }) {
    return proxy === undefined ? url.origin : `${url.origin} through the proxy ${proxy.origin}`;
}
/** OpenSSL's reason is in Node's text only: `write EPROTO …:error:CODE:…:…:wrong version number:…` */
const OPENSSL_REASON = /:error:\w+:[^:]*:[^:]*:(?<reason>[\w /]+):/;
/** @returns the code that Node or OpenSSL gave this error; "" where there is none that can be printed */
function codeOf(error) {
    const { name, code, message = "" } = error;
    if (name === "AbortError" || name === "TimeoutError")
        return "ETIMEDOUT";
    const reason = code === "EPROTO" ? OPENSSL_REASON.exec(message)?.groups?.["reason"] : undefined;
    if (reason !== undefined)
        return `ERR_SSL_${reason.toUpperCase().replaceAll(" ", "_")}`;
    // The slash is for ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE.
    return typeof code === "string" && /^[\w/]+$/.test(code) ? code : "";
}
/** What `proxyError` is told where a proxy that opened the tunnel sent bytes of its own behind its reply. */
const EARLY_BYTES = "EARLY_BYTES";
/** No tunnel, because the proxy was not reached or did not speak HTTP. `nodeCode` is what `codeOf` gives. */
function proxyError(proxy, target, nodeCode) {
    const who = `The proxy ${proxy.origin}`;
    if (nodeCode === "ENOTFOUND") {
        const problem = `DNS does not know the proxy ${proxy.origin} (${nodeCode})`;
        return new ArmorError("proxy_failed", problem, CHECK_PROXY);
    }
    const fault = faultOf(nodeCode);
    switch (fault?.code) {
        case "connection_failed": // this runner's limits, not the proxy's
            return new ArmorError(fault.code, `${who} ${fault.problem} (${nodeCode})`, fault.remedy);
        case "certificate_rejected":
        case "tls_failed":
            return new ArmorError("proxy_refused", `${who} ${fault.problem} (${nodeCode})`, fault.remedy);
    }
    const isNoProxy = fault?.code === "reply_invalid" || nodeCode === EARLY_BYTES;
    const what = isNoProxy ? "does not answer as an HTTP proxy" : "cannot be used";
    const problem = `${who} ${what} (${nodeCode}): no connection to ${target}`;
    return new ArmorError("proxy_failed", problem, CHECK_PROXY);
}
/** No tunnel, because the proxy answered CONNECT with this status. `challenge` is Proxy-Authenticate. */
function proxyStatusError(proxy, target, status, challenge = "") {
    const who = `The proxy ${proxy.origin}`;
    // Some proxies, tinyproxy among them, say 401 where 407 is meant.
    if (status === 401 || status === 407)
        return proxyCredentialsError(proxy, status, challenge);
    if (status === 408 || status === 429 || (status >= 500 && status <= 599)) {
        return new ArmorError("proxy_failed", `${who} cannot connect to ${target} (${status})`, CHECK_PROXY);
    }
    if (status >= 300 && status <= 499) {
        const remedy = "Have the proxy allow this host, or list it in no_proxy if this runner reaches it directly.";
        return new ArmorError("proxy_refused", `${who} refuses to connect to ${target} (${status})`, remedy);
    }
    const problem = `${who} does not answer as an HTTP proxy (${status}): no connection to ${target}`;
    return new ArmorError("proxy_failed", problem, CHECK_PROXY);
}
function proxyCredentialsError(proxy, status, challenge) {
    const who = `The proxy ${proxy.origin}`;
    const named = challenge
        .toLowerCase()
        .matchAll(/(?:^|,)\s*(basic|digest|ntlm|negotiate|bearer)\b/g);
    const schemes = [...named].map(([, scheme]) => scheme);
    if (schemes.length > 0 && !schemes.includes("basic")) {
        const wanted = `wants authentication by ${schemes.join(" or ")} (${status})`;
        const remedy = "Have the proxy accept Basic authentication, or list the host in no_proxy.";
        return new ArmorError("proxy_refused", `${who} ${wanted}, and this action sends Basic only`, remedy);
    }
    const what = proxy.credentials
        ? "does not accept the user and password"
        : "wants a user and a password";
    const remedy = "Put them, percent-encoded, into https_proxy: http://user:password@host:port.";
    return new ArmorError("proxy_refused", `${who} ${what} (${status})`, remedy);
}

;// CONCATENATED MODULE: external "node:http"
const external_node_http_namespaceObject = require("node:http");
var external_node_http_default = /*#__PURE__*/__nccwpck_require__.n(external_node_http_namespaceObject);
;// CONCATENATED MODULE: external "node:https"
const external_node_https_namespaceObject = require("node:https");
var external_node_https_default = /*#__PURE__*/__nccwpck_require__.n(external_node_https_namespaceObject);
;// CONCATENATED MODULE: ./build/armor/proxy.js





/**
 * Takes the proxy variables out of the environment, because http-client would act on them in its own way. As
 * in curl, small letters go first, and an empty variable is not set.
 */
function takeRoute(env) {
    const proxy = takeVariable(env, ["https_proxy", "HTTPS_PROXY"]);
    const noProxy = takeVariable(env, ["no_proxy", "NO_PROXY"])?.value ?? "";
    return proxy === undefined ? { noProxy } : { proxy, noProxy };
}
/** @returns the first of these variables that is set. All of them are removed. */
function takeVariable(env, names) {
    const found = names
        .map((variable) => ({ variable, value: env[variable] ?? "" }))
        .find(({ value }) => value !== "");
    for (const name of names)
        delete env[name];
    return found;
}
/** @returns the proxy on the way to this URL, undefined for none. @throws ArmorError proxy_refused */
function proxyFor(url, { proxy, noProxy }) {
    if (proxy === undefined || isLoopback(url.hostname) || isBypassed(url, noProxy))
        return undefined;
    return parseProxy(proxy.variable, proxy.value);
}
function isLoopback(hostname) {
    return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
const SCHEME = /(?:(?<scheme>[a-z][a-z\d+.-]*):\/\/)?/.source;
const USERINFO = /(?:(?<userinfo>.*)@)?/.source; // greedy up to the last `@`, as a password may hold one
const HOST = /(?<host>\[[\da-f:.]+\]|[\w.-]+)/.source;
const PORT = /(?::(?<port>\d{1,5}))?/.source;
const PROXY = new RegExp(`^${SCHEME}${USERINFO}${HOST}${PORT}/?$`, "i");
/** Whatever cannot be understood is refused: otherwise the key would go past the proxy. */
function parseProxy(variable, value) {
    const refuse = (cause) => {
        const problem = `The variable ${variable} is not a valid proxy address: ${cause}`;
        const remedy = "Give it as http://proxy.example.com:3128, with special characters of user and password " +
            "percent-encoded (# is %23, / is %2F, % is %25).";
        return new ArmorError("proxy_refused", problem, remedy);
    };
    if (!/^[\x21-\x7e]+$/.test(value))
        throw refuse("it contains a blank or a character outside ASCII");
    const parts = PROXY.exec(value)?.groups ?? {};
    const scheme = parts["scheme"]?.toLowerCase() ?? "http";
    if (scheme !== "http" && scheme !== "https")
        throw refuse("only http:// and https:// are supported");
    const credentials = decodeUserinfo(parts["userinfo"] ?? "");
    if (credentials === undefined)
        throw refuse("user or password holds a character that must be percent-encoded");
    const host = parts["host"];
    if (host === undefined || !URL.canParse(`${scheme}://${host}`))
        throw refuse("after the scheme there must be a host name and a port, and nothing else");
    const port = Number(parts["port"] ?? (scheme === "https" ? 443 : 80));
    if (port < 1 || port > 65_535)
        throw refuse("the port is not between 1 and 65535");
    // URL writes the host in one way, but leaves a default port out.
    const origin = `${scheme}://${new URL(`${scheme}://${host}`).hostname}:${port}`;
    return credentials === "" ? { origin } : { origin, credentials };
}
/** @returns `user:password`, undefined where a character should have been encoded (RFC 3986 section 3.2.1) */
function decodeUserinfo(userinfo) {
    if (userinfo === "")
        return "";
    if (/[#/\\?@]/.test(userinfo))
        return undefined;
    const pair = userinfo.includes(":") ? userinfo : `${userinfo}:`;
    try {
        return decodeURIComponent(pair);
    }
    catch {
        return undefined;
    }
}
/** Whether an entry of no_proxy names this host. An entry that cannot be understood matches nothing. */
function isBypassed(url, noProxy) {
    const host = withoutBrackets(url.hostname).replace(/\.$/, "");
    const port = url.port || "443"; // http goes to loopback hosts alone, and never here
    const entries = noProxy.toLowerCase().split(/[\s,]+/);
    return entries.some((entry) => entry === "*" || isEntryFor(entry, host, port));
}
/** `[address]`, `[address]:port`, `name` or `name:port`. An IPv6 address without brackets has no port. */
const NO_PROXY_ENTRY = /^(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^:]+))(?::(?<port>\d+))?$/;
/** @param entry `name`, `.name`, `*.name`, an address or a range of them (CIDR); with or without a port */
function isEntryFor(entry, host, port) {
    const parts = NO_PROXY_ENTRY.exec(entry)?.groups ?? { plain: entry };
    const pattern = parts["bracketed"] ?? parts["plain"] ?? "";
    if (parts["port"] !== undefined && Number(parts["port"]) !== Number(port))
        return false;
    if ((0,external_node_net_namespaceObject.isIP)(host) !== 0)
        return isAddressIn(host, pattern);
    const name = pattern.replace(/^\*?\./, "").replace(/\.$/, "");
    return name !== "" && (host === name || host.endsWith(`.${name}`));
}
/** @param range an address, or a subnet such as `10.0.0.0/8` */
function isAddressIn(address, range) {
    const { base = "", length } = /^(?<base>[\da-f.:]+)(?:\/(?<length>\d{1,3}))?$/.exec(range)?.groups ?? {};
    if ((0,external_node_net_namespaceObject.isIP)(base) === 0)
        return false;
    const maxLength = (0,external_node_net_namespaceObject.isIP)(base) === 6 ? 128 : 32;
    const prefixLength = length === undefined ? maxLength : Number(length);
    if (prefixLength > maxLength)
        return false;
    const subnet = new external_node_net_namespaceObject.BlockList();
    subnet.addSubnet(base, prefixLength, familyOf(base));
    return subnet.check(address, familyOf(address));
}
function familyOf(address) {
    return (0,external_node_net_namespaceObject.isIP)(address) === 6 ? "ipv6" : "ipv4";
}
/** Inside a URL an IPv6 address stands in brackets, which Node would look up as a name. */
function withoutBrackets(hostname) {
    return hostname.replace(/^\[(.*)\]$/, "$1");
}
const CONNECT_MS = 30_000; // for a proxy to answer CONNECT, its own TLS included
/**
 * Connections to https hosts, directly or through the proxy; what fails before the tunnel is a `proxyError`.
 * With Node's `proxyEnv`, an abort does not end the CONNECT, what a proxy sends before the tunnel stands is
 * buffered without limit, and Node 24.5 puts the proxy's password into an error.
 */
class RouteAgent extends (external_node_https_default()).Agent {
    hasTunnel = false; // whether the proxy has opened one
    #proxy;
    #connectMs;
    constructor(proxy, options = {}, connectMs = CONNECT_MS) {
        super({ ...options, rejectUnauthorized: true });
        this.#proxy = proxy;
        this.#connectMs = connectMs;
    }
    createConnection(options, done) {
        if (this.#proxy === undefined)
            return super.createConnection(options, done);
        const host = options.host?.includes(":") ? `[${options.host}]` : options.host;
        openTunnel(this.#proxy, `${host}:${options.port}`, this.#connectMs)
            .then((socket) => {
            this.hasTunnel = true;
            return super.createConnection({ ...options, socket });
        })
            .then((socket) => done(null, socket), done);
        return undefined;
    }
}
/** CONNECT (RFC 9110 section 9.3.6). */
function openTunnel(proxy, target, limitMs) {
    const { protocol, hostname, port } = new URL(proxy.origin);
    const host = withoutBrackets(hostname);
    const headers = { Host: target };
    if (proxy.credentials !== undefined) {
        headers["Proxy-Authorization"] =
            `Basic ${Buffer.from(proxy.credentials, "utf8").toString("base64")}`;
    }
    const request = (protocol === "https:" ? (external_node_https_default()) : (external_node_http_default())).request({
        host,
        port,
        // Node would take the name from the Host header, which is Armor's.
        servername: (0,external_node_net_namespaceObject.isIP)(host) === 0 ? host : "",
        method: "CONNECT",
        path: target,
        agent: false,
        rejectUnauthorized: true,
        signal: AbortSignal.timeout(limitMs),
        headers,
    });
    const shownTarget = target.replace(/:443$/, "");
    return new Promise((resolve, reject) => {
        request.once("connect", ({ statusCode = 0, headers }, socket, head) => {
            const isOpen = statusCode >= 200 && statusCode < 300;
            if (isOpen && head.length === 0)
                return resolve(socket);
            socket.destroy();
            if (!isOpen) {
                reject(proxyStatusError(proxy, shownTarget, statusCode, headers["proxy-authenticate"]));
            }
            else {
                // In TLS the client speaks first, so these bytes are the proxy's; they would be read as Armor's.
                reject(proxyError(proxy, shownTarget, EARLY_BYTES));
            }
        });
        request.once("error", (error) => {
            reject(proxyError(proxy, shownTarget, codeOf(error) || error.name));
        });
        request.end();
    });
}

;// CONCATENATED MODULE: ./build/armor/http.js





const USER_AGENT = "armor-token-action";
const MAX_REPLY_BYTES = 1024 * 1024;
/** A `Send` by this route. @throws ArmorError reply_timeout at an abort, or what `networkError` says */
function createSend(route) {
    return async ({ url, headers, body }, signal) => {
        const proxy = proxyFor(url, route);
        const agent = url.protocol === "https:" ? new RouteAgent(proxy) : undefined;
        let isReplying = false;
        try {
            const replying = createClient(url, signal, agent).post(url.href, body, { ...headers });
            const { message } = await Promise.race([replying, rejectWhenAborted(signal)]);
            isReplying = true;
            const replyBody = await readBody(message, url);
            return { url, status: message.statusCode ?? 0, headers: message.headers, body: replyBody };
        }
        catch (error) {
            if (error instanceof ArmorError)
                throw error;
            const state = { url, proxy, isReplying, hasTunnel: agent?.hasTunnel ?? true };
            if (signal.aborted)
                throw timeoutError(state);
            // Node gives every failure of the network a code. Without one, this is a bug of the action.
            const isFromNetwork = error.code !== undefined;
            throw isFromNetwork ? networkError(error, state) : error;
        }
    };
}
/** After a reply such as 101, Node drops the connection, and http-client alone would wait for ever. */
function rejectWhenAborted(signal) {
    return new Promise((_, reject) => {
        signal.addEventListener("abort", reject, { once: true });
    });
}
/** For one request. Redirects and retries of http-client re-send credentials, so both are off. */
function createClient(url, signal, agent) {
    const handler = {
        /** http-client's hook into the options of the request that it is about to make. */
        prepareRequest(options) {
            options.signal = signal;
            options.host = withoutBrackets(url.hostname);
            // http-client appends the runner's orchestration id, which Armor does not need.
            options.headers = { ...options.headers, "user-agent": USER_AGENT };
            if (agent !== undefined)
                options.agent = agent;
        },
        canHandleAuthentication: () => false,
        handleAuthentication: () => Promise.reject(new Error("no authentication handler")),
    };
    return new lib_HttpClient(USER_AGENT, [handler], { allowRedirects: false, allowRetries: false });
}
/** `for await` fails on a reply that breaks off; http-client's `readBody` never settles there. */
async function readBody(message, { origin }) {
    const chunks = [];
    let size = 0;
    for await (const chunk of message) {
        size += chunk.length;
        if (size > MAX_REPLY_BYTES) {
            const problem = `${origin} answered with more than 1 MiB, which is no token response`;
            throw new ArmorError("reply_invalid", problem, "Check that api-url is the address of the Armor API.");
        }
        chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
}
/** Trusts these (PEM) beside those that Node trusts, everywhere. @throws ArmorError runner_unsupported */
function trustCertificates(certificates) {
    if (certificates.length === 0)
        return;
    if (typeof (external_node_tls_default()).setDefaultCACertificates !== "function") {
        const problem = "ca-certificate needs a newer Node than this runner's (tls.setDefaultCACertificates)";
        const remedy = "Update the runner to 2.328.0 or newer, or name the file in NODE_EXTRA_CA_CERTS.";
        throw new ArmorError("runner_unsupported", problem, remedy);
    }
    external_node_tls_default().setDefaultCACertificates([...external_node_tls_default().getCACertificates("default"), ...certificates]);
}

;// CONCATENATED MODULE: external "node:timers/promises"
const external_node_timers_promises_namespaceObject = require("node:timers/promises");
;// CONCATENATED MODULE: ./build/clock.js

/** Time and chance. Tests put others in their place, so nothing else asks the system for them. */
const clock = {
    /**
     * Monotonic, in ms, for durations and deadlines. All processes of a machine count from the same start, so
     * that the agent can go on with a time that the main step has noted.
     */
    now: () => Number(process.hrtime.bigint()) / 1e6,
    /** The wall clock, in ms since the epoch. Unlike `now`, it goes on while the machine sleeps. */
    date: () => Date.now(),
    /** Resolves after `ms`, and rejects at once when the signal aborts. */
    sleep: (ms, signal) => (0,external_node_timers_promises_namespaceObject.setTimeout)(ms, undefined, signal && { signal }),
    /** At least 0, below 1. */
    random: () => Math.random(),
};
/** ISO 8601, UTC, whole seconds rounded down. */
function isoDate(msSinceEpoch) {
    return new Date(msSinceEpoch).toISOString().replace(/\.\d+Z$/, "Z");
}
/** What the promise gives, or what `late` gives where `ms` pass before. */
async function within(ms, promise, late) {
    const settled = new AbortController();
    // The second callback is for the sleep that is ended below, when the race is over.
    const timeout = clock.sleep(ms, settled.signal).then(late, () => promise);
    try {
        return await Promise.race([promise, timeout]);
    }
    finally {
        settled.abort();
    }
}

;// CONCATENATED MODULE: ./build/armor/oauth.js



/** The vendor's article wants the first one on session endpoints, with two double quotes as its value. */
const HEADERS = {
    "X-Csrf-Header": '""',
    Accept: "application/json",
    "Accept-Encoding": "identity",
};
const DEFAULT_EXPIRES_IN = 60; // seconds, where the reply does not say (vendor's article)
const MAX_SECONDS = 2 ** 31 - 1; // 68 years: what lies above is no time to wait or to live
const MAX_TOKEN_LENGTH = 16 * 1024; // a longer one fits into no header, and could keep post from starting
/** The access token request of RFC 6749 section 4.4.2. `apiUrl` ends without a slash. */
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
/** Ends the session that the token stands for. */
function terminateRequest(apiUrl, accessToken) {
    const headers = { ...HEADERS, Authorization: `Bearer ${accessToken}` };
    return { url: new URL(`${apiUrl}/api/v1/iam/session/terminate`), headers, body: "" };
}
/** Whether the server may know the client by the other form of Basic: 401, or 400 with invalid_client. */
function isClientUnknown({ status, body }) {
    return status === 401 || (status === 400 && parseObject(body)?.["error"] === "invalid_client");
}
/**
 * @returns a token of visible ASCII (RFC 6750 section 2.1), and its lifetime in seconds, above 0
 * @throws ArmorError whenever the reply is not a token response (RFC 6749 section 5.1)
 */
function judgeToken(reply) {
    if (reply.status !== 200)
        throw statusError(reply);
    const invalid = (what) => {
        const remedy = "Check that api-url is the address of the Armor API, not of a web page or a proxy's sign-in.";
        return new ArmorError("reply_invalid", `${reply.url.origin} answered with ${what}`, remedy);
    };
    const fields = parseObject(reply.body);
    if (fields === undefined)
        throw invalid(`${shapeOf(reply)} instead of a JSON object`);
    if (fields["error"] !== undefined)
        throw invalid(`an OAuth error instead of a token${saidBy(fields)}`);
    const accessToken = fields["access_token"];
    if (typeof accessToken !== "string" || accessToken === "")
        throw invalid("no access_token");
    if (!/^[\x21-\x7e]+$/.test(accessToken))
        throw invalid("an access_token with characters that no header can carry");
    if (accessToken.length > MAX_TOKEN_LENGTH)
        throw invalid("an access_token that is longer than a header can be");
    const tokenType = fields["token_type"] ?? "Bearer";
    if (typeof tokenType !== "string" || tokenType.toLowerCase() !== "bearer")
        throw invalid("a token_type other than Bearer");
    const expiresIn = parseSeconds(fields["expires_in"] ?? DEFAULT_EXPIRES_IN);
    if (expiresIn === undefined)
        throw invalid("an expires_in that is no number of seconds above 0");
    return { accessToken, expiresIn };
}
/** @param value a number, or one in a text as some servers send it. @returns undefined where it is neither */
function parseSeconds(value) {
    const isNumeric = typeof value === "number" || (typeof value === "string" && /^\d+(\.\d+)?$/.test(value));
    const seconds = isNumeric ? Number(value) : 0;
    return seconds > 0 && seconds <= MAX_SECONDS ? seconds : undefined;
}
/** @throws ArmorError unless the session has ended; a session that had already ended counts as `false`. */
function judgeTerminate(reply) {
    if (reply.status === 401)
        return false;
    if (reply.status >= 200 && reply.status < 300)
        return true;
    throw statusError(reply);
}
const CREDENTIALS = {
    code: "credentials_rejected",
    problem: "Armor does not accept this client app",
    remedy: "Check that app-id and api-key are of the same client app, copied whole, that the app is enabled, " +
        "and that api-url is of its region.",
};
const DENIED = {
    code: "access_denied",
    problem: "Armor denies access",
    remedy: "Check what the client app is permitted to do, and whether an IP allow-list covers this runner.",
};
const NOT_FOUND = {
    code: "endpoint_not_found",
    problem: "This is not the Armor API",
    remedy: "Check api-url: it is the address of the Armor API, without a path of its own.",
};
const REJECTED = {
    code: "request_rejected",
    problem: "Armor did not accept the request",
    remedy: "Check that api-url is the address of the Armor API, and app-id and api-key those of a client app.",
};
const LIMITED = {
    code: "rate_limited",
    problem: "Armor's rate limit is reached",
    remedy: "Start the workflow at another minute, or raise timeout.",
};
const UNAVAILABLE = {
    code: "server_unavailable",
    problem: "Armor is not available",
    remedy: "Run the job again later, or raise timeout.",
};
/** RFC 6749 sections 5.2 and 4.1.2.1. */
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
    [401, CREDENTIALS],
    [403, DENIED],
    [404, NOT_FOUND],
]);
function rejectionOf(status, oauthError) {
    // A server that is overloaded may say anything, so these statuses count whatever the body says.
    if (status === 429)
        return LIMITED;
    if (status === 408 || status >= 500)
        return UNAVAILABLE;
    return BY_OAUTH_ERROR.get(oauthError) ?? BY_STATUS.get(status) ?? REJECTED;
}
/** The error for a reply whose status says no, with the server's own words where they help. */
function statusError(reply) {
    const { url, status, body } = reply;
    const fields = parseObject(body) ?? {};
    const { code, problem, remedy } = rejectionOf(status, fields["error"]);
    const canPass = code === "rate_limited" || code === "server_unavailable";
    // Without an OAuth error, the answer may be that of a proxy or load balancer, which may think again.
    const isFromTokenEndpoint = typeof fields["error"] === "string" && [400, 401, 403].includes(status);
    return new ArmorError(code, `${problem}: ${url.origin} answered ${status}${saidBy(fields)}`, remedy, {
        retryAfterMs: canPass ? retryAfterMs(reply) : undefined,
        isPermanent: !canPass && isFromTokenEndpoint,
    });
}
/** A JSON object without its members that are null; a byte order mark is dropped. */
function parseObject(body) {
    try {
        const value = JSON.parse(body.replace(/^\uFEFF/, ""));
        if (typeof value !== "object" || value === null || Array.isArray(value))
            return undefined;
        return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null));
    }
    catch {
        return undefined;
    }
}
function shapeOf({ headers, body }) {
    const encoding = headers["content-encoding"] ?? "identity";
    if (encoding !== "identity" || body.startsWith("\x1f"))
        return "a compressed reply";
    return body.trimStart().startsWith("<") ? "a web page" : "something else";
}
/** `error` and `error_description`, fit to print; not beside a token, which has no mask yet. */
function saidBy({ access_token, error, error_description }) {
    if (access_token !== undefined)
        return "";
    const said = typeof error === "string" ? ` ${quote(error)}` : "";
    return typeof error_description === "string" ? `${said} ("${quote(error_description)}")` : said;
}
/**
 * @returns how long the server asks to wait (RFC 9110 section 10.2.3). A date is compared with the server's
 * own `Date`, because the clock of this machine may be off.
 */
function retryAfterMs({ headers }) {
    const value = headers["retry-after"]?.trim() ?? "";
    if (/^\d+$/.test(value))
        return Math.min(Number(value), MAX_SECONDS) * 1000;
    const until = parseHttpDate(value);
    if (until === undefined)
        return undefined;
    const serverNow = parseHttpDate(headers.date) ?? clock.date();
    return Math.max(0, until - serverNow);
}
/** The one form of a date that servers must send (IMF-fixdate, RFC 9110 section 5.6.7). */
const IMF_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;
/** @returns ms since the epoch */
function parseHttpDate(text) {
    if (text === undefined || !IMF_DATE.test(text))
        return undefined;
    const ms = Date.parse(text);
    return Number.isNaN(ms) ? undefined : ms;
}

;// CONCATENATED MODULE: ./build/armor/redirect.js

const MAX_REDIRECTS = 5;
const REDIRECT_STATUS = new Set([301, 302, 303, 307, 308]);
/** The vendor's API hosts, on https and port 443: `api.armor.fortanix.com`, and one label for a region. */
const VENDOR_ORIGIN = /^https:\/\/api\.([a-z0-9-]+\.)?armor\.fortanix\.com$/;
/**
 * Follows redirects, as the vendor's OpenAPI text demands, if they keep method and body (307, 308; RFC 9110
 * section 15.4) and stay with the origin or the vendor's API hosts. @throws ArmorError redirect_refused
 */
async function sendFollowing(send, request, signal) {
    let { url } = request;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
        const reply = await send({ ...request, url }, signal);
        const target = redirectTarget(reply);
        if (target === undefined)
            return reply;
        url = target;
    }
    throw refused(request.url, `more than ${MAX_REDIRECTS} times`);
}
/** @returns where the reply redirects to, undefined where it does not. @throws ArmorError redirect_refused */
function redirectTarget({ url: from, status, headers }) {
    if (!REDIRECT_STATUS.has(status))
        return undefined;
    const refuse = (how) => refused(from, `(${status}) ${how}`);
    if (headers.location === undefined)
        throw refuse("without saying where to");
    if (!URL.canParse(headers.location, from.href))
        throw refuse("to something that is no address");
    const target = new URL(headers.location, from);
    if (!isTrustedRedirect(from, target)) {
        const where = target.origin === "null" ? `a ${target.protocol} address` : target.origin;
        throw refuse(`to ${where}, which must not get the credentials`);
    }
    if (target.username || target.password)
        throw refuse("to an address with a user name in it");
    if (status !== 307 && status !== 308)
        throw refuse("in a way that turns a POST into a GET");
    target.hash = "";
    return target;
}
/** Same origin, or from one API host of the vendor's to another. */
function isTrustedRedirect(from, to) {
    if (from.protocol !== to.protocol)
        return false; // blob: has the origin of the address inside it
    return from.origin === to.origin || [from, to].every(({ origin }) => VENDOR_ORIGIN.test(origin));
}
function refused({ origin }, how) {
    const remedy = "Set api-url to the address at which Armor itself answers.";
    return new ArmorError("redirect_refused", `${origin} redirects ${how}`, remedy);
}

;// CONCATENATED MODULE: ./build/armor/retry.js


const FIRST_BACKOFF_MS = 500;
const FIRST_RATE_LIMIT_BACKOFF_MS = 4_000; // many jobs ask at once: a wider spread (docs/decisions.md)
const MAX_BACKOFF_MS = 8_000;
/** An attempt gets half of what is left, to leave room for another after a stall, but not less than this. */
const MIN_ATTEMPT_LIMIT_MS = 5_000;
const MIN_ATTEMPT_MS = 250; // with less left, an attempt would only replace a clear error by a time-out
/** Until an attempt succeeds, fails for good, or time is up; the last error says how often it was tried. */
async function retry(attempt, { timeoutMs, onRetry }) {
    const start = clock.now();
    for (let tries = 1;; tries += 1) {
        try {
            return await withDeadline(attempt, start + timeoutMs - clock.now());
        }
        catch (error) {
            if (!(error instanceof ArmorError) || !error.canPass)
                throw error;
            const elapsedMs = clock.now() - start;
            const pauseMs = pauseAfter(error, tries, timeoutMs - elapsedMs);
            if (pauseMs === undefined)
                throw error.adding(effort(error, tries, elapsedMs));
            onRetry?.(error, pauseMs);
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
    }
    finally {
        clearTimeout(timer);
    }
}
/** @returns how long to wait before the next attempt; undefined where no time is left for one */
function pauseAfter(error, tries, leftMs) {
    const askedMs = error.details.retryAfterMs ?? 0;
    const spareMs = leftMs - askedMs - MIN_ATTEMPT_MS;
    // A server that names a time spreads its clients itself. Without one, the pause must have room for jitter:
    // otherwise all jobs that failed together would make their last attempt together.
    const neededMs = askedMs > 0 ? 0 : FIRST_BACKOFF_MS;
    if (spareMs < neededMs)
        return undefined;
    // Drawn from zero up ("full jitter"), so that jobs that failed together do not come back together
    // (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    const firstMs = error.code === "rate_limited" ? FIRST_RATE_LIMIT_BACKOFF_MS : FIRST_BACKOFF_MS;
    const longestMs = Math.min(firstMs * 2 ** (tries - 1), MAX_BACKOFF_MS, spareMs);
    return askedMs + clock.random() * longestMs;
}
/** Such as `tried 3 times in 9.6 s`. */
function effort(error, tries, elapsedMs) {
    const tried = `tried ${tries === 1 ? "once" : `${tries} times`} in ${seconds(elapsedMs)}`;
    const askedMs = error.details.retryAfterMs ?? 0;
    if (askedMs === 0)
        return tried;
    return `${tried}; it asks to wait ${seconds(askedMs)}, which does not fit into what is left of timeout`;
}
/** For people: tenths below ten seconds, whole ones above, and never 0. */
function seconds(ms) {
    if (ms > 86_400_000)
        return "more than a day";
    return ms < 10_000 ? `${Math.max(ms / 1000, 0.1).toFixed(1)} s` : `${Math.ceil(ms / 1000)} s`;
}

;// CONCATENATED MODULE: ./build/armor/token.js





/** RFC 6749 section 4.4: by the form-encoded pair, and where the client is unknown, by the raw one. */
async function fetchToken(context, credentials) {
    const { apiUrl, send } = context;
    const { encoded, raw } = basicPairs(credentials);
    return await retry(async (signal) => {
        const sentAt = clock.date();
        const requestedAt = clock.now();
        let reply = await sendFollowing(send, tokenRequest(apiUrl, encoded), signal);
        if (raw !== undefined && isClientUnknown(reply)) {
            const replyToRaw = await sendFollowing(send, tokenRequest(apiUrl, raw), signal);
            // A server that insists on the encoding calls the raw pair malformed; its first answer says more.
            if (replyToRaw.status !== 400)
                reply = replyToRaw;
        }
        const { accessToken, expiresIn } = judgeToken(reply);
        return { accessToken, expiresIn, requestedAt, expiresAt: sentAt + expiresIn * 1000 };
    }, context);
}
/** Ends the session that the token stands for. @returns whether there still was one. @throws ArmorError */
async function endSession(context, accessToken) {
    const { apiUrl, send } = context;
    const request = terminateRequest(apiUrl, accessToken);
    return await retry(async (signal) => judgeTerminate(await sendFollowing(send, request, signal)), context);
}

;// CONCATENATED MODULE: ./build/armor/token-cache.js


// What a caller gets depends on the share of the token's lifetime that is left:
//
//   above 1/3        the token
//   1/3 to 1/6       the token, and a refresh begins behind the answer
//   1/6 to 1/20      the next token, if it comes before 1/20 is reached and within two seconds; else this one
//   1/20 to 0        the token, and a refresh begins: the caller has no time to lose
//   expired, refused the next token, however long it takes
const REFRESH_BELOW = 1 / 3;
const WAIT_BELOW = 1 / 6;
const WAIT_UNTIL = 1 / 20;
const MAX_WAIT_MS = 2_000;
/** A failed refresh is remembered for as long as the server asked, within these bounds. */
const MIN_FAILURE_MS = 1_000;
const MAX_FAILURE_MS = 60_000;
const PERMANENT_FAILURE_MS = 30_000;
const REPLACE_PAUSE_MS = 1_000; // between two refreshes that a 401 asked for: a path may refuse every token
const MAX_SESSIONS = 50; // of older tokens; with frequent revocations there would be thousands
/** Keeps a valid token: one refresh at a time, ahead of need by fractions of its lifetime, and no timers. */
class TokenCache {
    #fetch; // gets another
    #onFailure; // told of every refresh that fails
    #current;
    #previous = []; // those before it whose sessions may go on
    #rejected; // the access token that the server refused although it should live
    #inFlight; // the refresh under way
    #failure; // of the last refresh
    #failedUntil = Number.NEGATIVE_INFINITY; // until then, a refresh fails with it; by the monotonic clock
    #replacement; // for all whose token was refused
    #nextReplacementAt = Number.NEGATIVE_INFINITY; // by the monotonic clock
    #isClosed = false;
    constructor(first, fetch, onFailure) {
        this.#current = first;
        this.#fetch = fetch;
        this.#onFailure = onFailure;
    }
    /** @returns a token that lives. @throws what the refresh threw, where there is none; agent_stopping */
    async get() {
        if (this.#isClosed)
            throw stopping();
        const current = this.#current;
        if (this.#rejected === current.accessToken)
            return await this.replace(current.accessToken);
        const share = this.#shareLeft(current);
        if (share > REFRESH_BELOW)
            return current;
        const refresh = this.#refresh();
        refresh.catch(() => undefined); // onFailure was told, and not every path below waits for it
        if (share > WAIT_BELOW)
            return current;
        if (share <= 0)
            return await refresh;
        const waitMs = Math.min((share - WAIT_UNTIL) * lifetimeMs(current), MAX_WAIT_MS);
        if (waitMs <= 0)
            return current;
        // It may have expired or been refused meanwhile.
        const currentIfAlive = () => (this.#shareLeft(current) > 0 ? current : refresh);
        return await within(waitMs, refresh.catch(currentIfAlive), currentIfAlive);
    }
    /** To be called when the server answers 401. @returns a newer token. @throws as `get` does */
    async replace(accessToken) {
        if (!this.isCurrent(accessToken))
            return await this.get();
        this.#rejected = accessToken;
        this.#replacement ??= this.#replaceCurrent().finally(() => {
            this.#replacement = undefined;
        });
        return await this.#replacement;
    }
    isCurrent(accessToken) {
        return accessToken === this.#current.accessToken;
    }
    /** Ms until the token expires, by whichever clock says less. */
    msLeft(token) {
        const byMonotonicClock = token.requestedAt + lifetimeMs(token) - clock.now();
        const byWallClock = token.expiresAt - clock.date();
        return Math.min(byMonotonicClock, byWallClock);
    }
    /** No refresh begins any more, and one under way gets `ms`. @returns the sessions that may go on */
    async close(ms) {
        this.#isClosed = true;
        await within(ms, Promise.allSettled([this.#inFlight]), () => undefined);
        const tokens = [...this.#livePrevious(), this.#current];
        const accessTokens = tokens.map(({ accessToken }) => accessToken);
        return { accessTokens, isFetching: this.#inFlight !== undefined };
    }
    /** 1 when new, 0 when expired or refused. */
    #shareLeft(token) {
        return token.accessToken === this.#rejected ? 0 : this.msLeft(token) / lifetimeMs(token);
    }
    #livePrevious() {
        return this.#previous.filter((token) => this.msLeft(token) > 0);
    }
    /** One for all whose token was refused, and after a pause since the last one. */
    async #replaceCurrent() {
        const { accessToken } = this.#current;
        const pauseMs = this.#nextReplacementAt - clock.now();
        const willFailAtOnce = clock.now() < this.#failedUntil;
        if (pauseMs > 0 && !willFailAtOnce)
            await clock.sleep(pauseMs);
        if (!this.isCurrent(accessToken))
            return this.#current;
        this.#nextReplacementAt = clock.now() + REPLACE_PAUSE_MS;
        return await this.#refresh();
    }
    /** Belongs to no caller: one that leaves does not end it. */
    async #refresh() {
        if (this.#inFlight === undefined) {
            if (this.#isClosed)
                throw stopping();
            if (clock.now() < this.#failedUntil)
                throw this.#failure;
            this.#inFlight = this.#renew().finally(() => {
                this.#inFlight = undefined;
            });
        }
        return await this.#inFlight;
    }
    async #renew() {
        try {
            const token = await this.#fetch();
            if (this.msLeft(token) <= 0) {
                const problem = "The access token had expired before it arrived";
                const remedy = "Check the network between this runner and Armor, and this machine's clock.";
                throw new ArmorError("token_expired", problem, remedy);
            }
            this.#previous = [...this.#livePrevious(), this.#current].slice(-MAX_SESSIONS);
            this.#current = token;
            this.#rejected = undefined;
            return token;
        }
        catch (error) {
            this.#onFailure(error);
            this.#failure = error;
            this.#failedUntil = clock.now() + failureMs(error);
            throw error;
        }
    }
}
function lifetimeMs({ expiresIn }) {
    return expiresIn * 1000;
}
/** How long a refresh that failed so is not tried again. */
function failureMs(error) {
    const { isPermanent, retryAfterMs = 0 } = error instanceof ArmorError ? error.details : {};
    if (isPermanent)
        return PERMANENT_FAILURE_MS;
    return Math.min(Math.max(retryAfterMs, MIN_FAILURE_MS), MAX_FAILURE_MS);
}
function stopping() {
    const problem = "The token agent is stopping, because the job is at its end";
    return new ArmorError("agent_stopping", problem, "Call Armor in a step before this action's post step.");
}

;// CONCATENATED MODULE: external "node:crypto"
const external_node_crypto_namespaceObject = require("node:crypto");
;// CONCATENATED MODULE: ./build/gateway/headers.js
/** Node's `rawHeaders` are names and values in turn, as they were sent. */
function parseRawHeaders(rawHeaders) {
    const headers = [];
    for (let index = 0; index < rawHeaders.length; index += 2) {
        headers.push({ name: rawHeaders[index] ?? "", value: rawHeaders[index + 1] ?? "" });
    }
    return headers;
}
/** The request headers that reach Armor, with all that begin with `if-`; all others are dropped. */
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
/** Reply headers of one connection (RFC 9110 section 7.6.1), or not for the client. */
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
/** Names and values in turn: the message's headers that are wanted and that Connection does not name. */
function keepHeaders(message, isWanted) {
    const hopByHop = message.headers.connection?.toLowerCase().split(/[\s,]+/) ?? [];
    const kept = [];
    for (const { name, value } of parseRawHeaders(message.rawHeaders)) {
        const lowerCase = name.toLowerCase();
        // Without its length, a body that breaks off would look whole: it stays, whatever Connection says.
        const isDropped = hopByHop.includes(lowerCase) && lowerCase !== "content-length";
        if (isWanted(lowerCase) && !isDropped)
            kept.push(name, value);
    }
    return kept;
}

;// CONCATENATED MODULE: ./build/gateway/guard.js


/** Every refusal of the gateway, with its status. docs/troubleshooting.md has an entry for each. */
const REFUSAL_STATUS = {
    bad_request: 400, // not HTTP
    bad_target: 400, // a path or query that not every reader understands alike
    body_refused: 400,
    foreign_request: 403, // not from a program of this job
    wrong_capability: 403,
    path_refused: 403, // not one of gateway-paths
    not_found: 404, // at the control address
    method_not_allowed: 405,
    request_timeout: 408,
    head_too_large: 431,
};
const BROWSER_HEADER = /^(origin|sec-fetch-site|referer)$/; // browsers add them, programs of a job do not
const PROXY_HEADER = /^(x-forwarded-.*|forwarded|via|x-real-ip)$/;
/** Whether this request may do what it asks for. Pure checks in a fixed order, before anything is done. */
function authorize(head, config) {
    const { method = "", url = "", rawHeaders } = head;
    const request = {
        method,
        headers: parseRawHeaders(rawHeaders).map(({ name, value }) => ({
            name: normalName(name),
            value,
        })),
        gatewayTarget: targetBelow(url, config.capability),
        controlTarget: targetBelow(url, config.controlCapability),
    };
    const verdict = judge(request, config);
    if (verdict.route !== "refused")
        return verdict;
    const isFromJob = request.gatewayTarget !== undefined || request.controlTarget !== undefined;
    return { ...verdict, isFromJob };
}
/** CGI and some proxies write `_` for `-`. */
function normalName(name) {
    return name.toLowerCase().replaceAll("_", "-");
}
function judge(request, config) {
    const { method, headers, gatewayTarget, controlTarget } = request;
    const foreign = foreignRequest(headers, config.host);
    if (foreign !== undefined)
        return foreign;
    if (gatewayTarget !== undefined)
        return readRequest(method, headers, gatewayTarget, config.gatewayPaths);
    if (controlTarget !== undefined)
        return controlRequest(method, controlTarget);
    return refuse("wrong_capability", "Use ARMOR_GATEWAY_URL as it is, and append the path.");
}
/** @returns what follows `/CAPABILITY`, undefined where that is not what the target begins with */
function targetBelow(target, capability) {
    const given = Buffer.from(target.slice(0, capability.length + 1));
    const expected = Buffer.from(`/${capability}`);
    if (given.length !== expected.length || !(0,external_node_crypto_namespaceObject.timingSafeEqual)(given, expected))
        return undefined;
    const below = target.slice(capability.length + 1);
    return below.startsWith("/") ? below : undefined;
}
/** What shows that the request does not come from a program of this job. */
function foreignRequest(headers, host) {
    const foreign = (description) => refuse("foreign_request", description);
    const [hostHeader, secondHostHeader] = headers.filter(({ name }) => name === "host");
    if (hostHeader?.value !== host || secondHostHeader !== undefined)
        return foreign("The Host header is not the one of ARMOR_GATEWAY_URL.");
    for (const { name, value } of headers) {
        if (PROXY_HEADER.test(name)) {
            const remedy = "Add 127.0.0.1 to no_proxy and NO_PROXY of this step.";
            return foreign(`The request came through a proxy (header ${name}). ${remedy}`);
        }
        const isOwnReferer = name === "referer" && value.startsWith(`http://${host}/`);
        if (BROWSER_HEADER.test(name) && !isOwnReferer)
            return foreign(`Requests with a header ${name} are refused: a web page may have sent them.`);
    }
    return undefined;
}
function readRequest(method, headers, below, gatewayPaths) {
    if (method !== "GET" && method !== "HEAD") {
        const remedy = "To change something, call Armor with a token of armor-token.";
        return wrongMethod(`The gateway only reads: GET and HEAD. ${remedy}`, "GET, HEAD");
    }
    // A body has no meaning in GET and HEAD (RFC 9110 section 9.3.1), and could hide a second request.
    if (headers.some(announcesBody))
        return refuse("body_refused", "Requests through the gateway have no body.");
    const target = allowedTarget(below, gatewayPaths);
    return typeof target === "string" ? { route: "gateway", target } : target;
}
function announcesBody({ name, value }) {
    if (name === "transfer-encoding")
        return true;
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
/**
 * The one rule for paths, of first targets and of redirects: every reader of a path must see the same one, so
 * only plain segments are let through, and nothing is decoded. @returns the string to send, or a refusal
 */
function allowedTarget(target, gatewayPaths) {
    const [path = ""] = target.split("?", 1);
    const fault = pathFault(path);
    if (fault !== undefined)
        return refuse("bad_target", `The path has ${fault}.`);
    if (!/^[\x21-\x7e]*$/.test(target) || target.includes("#"))
        return refuse("bad_target", "The query has a character that must be percent-encoded.");
    if (!gatewayPaths.some((listed) => covers(listed, path)))
        return refuse("path_refused", `The path is not one of gateway-paths: ${gatewayPaths.join(", ")}.`);
    return target;
}
function covers(listed, path) {
    return listed.endsWith("/") ? path.startsWith(listed) : path === listed;
}
/** @returns what is wrong with a path, undefined where it is plain */
function pathFault(path) {
    if (!path.startsWith("/"))
        return "no slash at its beginning";
    if (path.includes("//"))
        return "two slashes in a row: is there one at the end of the base address?";
    if (path.includes("%"))
        return "an encoded character (%)";
    if (path.includes("/."))
        return "a segment that begins with a dot";
    if (!/^[A-Za-z0-9\-._~:@/]+$/.test(path))
        return "a character other than A-Z a-z 0-9 - . _ ~ : @";
    return undefined;
}
function refuse(error, description) {
    return { route: "refused", status: REFUSAL_STATUS[error], error, description };
}
/** @param allow the methods that there are */
function wrongMethod(description, allow) {
    return { ...refuse("method_not_allowed", description), allow };
}

;// CONCATENATED MODULE: ./build/gateway/reply.js

/** An error of the agent's own. */
function sendFailure(response, failure) {
    const { headers, body } = errorReply(failure.code, failure.message);
    const { retryAfterMs } = failure.details;
    if (retryAfterMs)
        headers["Retry-After"] = String(Math.ceil(retryAfterMs / 1000));
    response.writeHead(failureStatus(failure), headers).end(body);
}
/** 424 where a repeat is of no use, 503 where Armor named a time, 504 where time ran out, 502 otherwise. */
function failureStatus({ code, details }) {
    if (details.isPermanent)
        return 424;
    if (details.retryAfterMs)
        return 503;
    return code === "reply_timeout" ? 504 : 502;
}
/** Answers at once, then reads on: closing while the client sends loses the reply (RFC 9112 section 9.6). */
function sendRefusal(response, refusal, lingerMs) {
    const { headers, body } = refusalReply(refusal);
    response.writeHead(refusal.status, headers);
    const request = response.req.headers;
    const hasBody = request["transfer-encoding"] !== undefined || Number(request["content-length"] ?? 0) !== 0;
    if (!hasBody) {
        response.end(body);
        return;
    }
    response.flushHeaders();
    response.write(body);
    const timer = setTimeout(() => response.end(), lingerMs);
    response.req.once("end", () => response.end()).resume();
    response.once("close", () => clearTimeout(timer));
}
/** The same for a connection that Node's parser gave up. */
function endSocket(socket, refusal, lingerMs) {
    const { headers, body } = refusalReply(refusal);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.on("error", () => undefined);
    socket.end(`HTTP/1.1 ${refusal.status} ${external_node_http_namespaceObject.STATUS_CODES[refusal.status]}\r\n${lines.join("")}\r\n${body}`);
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.resume().once("close", () => clearTimeout(timer));
}
function refusalReply({ error, description, allow }) {
    const { headers, body } = errorReply(error, description);
    headers["Connection"] = "close";
    if (allow !== undefined)
        headers["Allow"] = allow;
    return { headers, body };
}
/** In the shape of an OAuth error (RFC 6749 section 5.2). */
function errorReply(error, description) {
    const body = JSON.stringify({ error, error_description: description });
    const headers = {
        "Content-Type": "application/json",
        "Content-Length": String(Buffer.byteLength(body)),
        "Cache-Control": "no-store",
        "X-Armor-Gateway": "1",
    };
    return { headers, body };
}

;// CONCATENATED MODULE: ./build/gateway/slots.js
/**
 * The client of a call, which may leave before the reply is complete. The listener refers to nothing but this
 * small object: when it referred to the whole call, or to an AbortSignal, garbage collection took three times
 * as long (measured with Node 24.21).
 */
class Client {
    hasLeft = false;
    #giveUp = () => undefined;
    constructor(response) {
        response.once("close", () => {
            this.hasLeft = !response.writableFinished;
            if (this.hasLeft)
                this.#giveUp();
        });
    }
    /** @param giveUp ends what is being done for the client now, in place of what was given before */
    onLeave(giveUp) {
        this.#giveUp = giveUp;
        if (this.hasLeft)
            giveUp();
    }
}
/** A limit on how many calls go on at once: first come, first served. */
class Slots {
    #free;
    #waiting = new Set();
    constructor(size) {
        this.#free = size;
    }
    /** @returns whether there is a slot now, to be released; false for a client that left before */
    async acquire(client) {
        if (client.hasLeft)
            return false;
        if (this.#free > 0) {
            this.#free -= 1;
            return true;
        }
        return await new Promise((resolve) => {
            this.#waiting.add(resolve);
            client.onLeave(() => {
                if (this.#waiting.delete(resolve))
                    resolve(false);
            });
        });
    }
    release() {
        const [next] = this.#waiting;
        if (next === undefined) {
            this.#free += 1;
        }
        else {
            this.#waiting.delete(next);
            next(true);
        }
    }
}

;// CONCATENATED MODULE: ./build/gateway/gateway.js







const MAX_CALLS = 128;
const MAX_REPEATS = 3;
const FORBIDDEN_PATH_MS = 10_000; // how long a path that answers 401 to every token asks for no other one
/** A streaming reverse proxy to one origin, which only reads, and puts a valid token into each call. */
function createGateway(options) {
    const slots = new Slots(MAX_CALLS);
    const fetchReply = createFetch(options);
    return async (request, response, target) => {
        const client = new Client(response);
        if (!(await slots.acquire(client)))
            return;
        try {
            const reply = await fetchReply(request, target, client);
            await passOn(reply, response, client, options.limits.idleMs);
            options.stats.addAnswer(response.statusCode);
        }
        catch (error) {
            if (client.hasLeft)
                return;
            const failure = options.stats.addFailure(error);
            // A reply that breaks off must not look whole: the connection is reset, which HTTP/1.0 needs.
            if (response.headersSent)
                response.socket?.resetAndDestroy();
            else
                sendFailure(response, failure);
        }
        finally {
            slots.release();
        }
    };
}
/** Gives Armor's reply: after a newer token where one was refused, and redirects that may be followed. */
function createFetch({ apiUrl, gatewayPaths, tokenCache, upstream }) {
    const base = new URL(apiUrl);
    const basePath = base.pathname.replace(/\/$/, "");
    const forbidden = new ForbiddenPaths();
    /** @returns the place of a redirect to a trusted origin and a listed path, undefined for every other one */
    const allowedRedirect = (from, location) => {
        if (location.username !== "" || location.password !== "")
            return undefined;
        if (!isTrustedRedirect(from, location))
            return undefined;
        if (!location.pathname.startsWith(`${basePath}/`))
            return undefined;
        const target = location.pathname.slice(basePath.length) + location.search;
        const allowed = allowedTarget(target, gatewayPaths);
        return typeof allowed === "string" ? { origin: location, path: basePath + allowed } : undefined;
    };
    return async (request, target, client) => {
        const { method = "GET" } = request;
        const passedHeaders = keepHeaders(request, isPassedToArmor);
        let place = { origin: base, path: basePath + target };
        let { accessToken } = await tokenCache.get();
        let repeats = 0;
        let redirects = 0;
        for (;;) {
            const { origin, path } = place;
            const headers = [
                ...passedHeaders,
                "Host",
                origin.host,
                "Authorization",
                `Bearer ${accessToken}`,
            ];
            const message = await upstream.send({ origin, path, method, headers, client });
            if (message.statusCode === 401) {
                if (repeats === MAX_REPEATS) {
                    forbidden.add(path);
                    return { message, origin, location: undefined };
                }
                // This path has lately refused every token. It is asked again only if there is a newer one by now.
                if (forbidden.has(path) && tokenCache.isCurrent(accessToken))
                    return { message, origin, location: undefined };
                message.destroy();
                repeats += 1;
                ({ accessToken } = await tokenCache.replace(accessToken));
                continue;
            }
            forbidden.delete(path);
            const location = gateway_redirectTarget(message, place);
            const next = location && allowedRedirect(origin, location);
            if (next === undefined || redirects === MAX_REDIRECTS)
                return { message, origin, location };
            message.destroy();
            redirects += 1;
            place = next;
        }
    };
}
/** Paths, without their query, of which a 401 is about the path and not about the token. */
class ForbiddenPaths {
    #until = new Map(); // by the monotonic clock, in ms
    add(path) {
        this.#until.set(withoutQuery(path), clock.now() + FORBIDDEN_PATH_MS);
    }
    delete(path) {
        if (this.#until.size > 0)
            this.#until.delete(withoutQuery(path));
    }
    has(path) {
        const until = this.#until.get(withoutQuery(path));
        return until !== undefined && until > clock.now();
    }
}
function withoutQuery(path) {
    const [pathname = ""] = path.split("?", 1);
    return pathname;
}
/** @returns where a reply redirects to; undefined where it is no redirect, or to no address */
function gateway_redirectTarget({ statusCode = 0, headers }, from) {
    const { location } = headers;
    if (!REDIRECT_STATUS.has(statusCode) || location === undefined)
        return undefined;
    const base = from.origin.origin + from.path;
    return URL.canParse(location, base) ? new URL(location, base) : undefined;
}
/** Names and values in turn. */
function replyHeaders({ message, location }) {
    const headers = keepHeaders(message, 
    // A relative Location would lead the client to the gateway, so an absolute one takes its place.
    (name) => isPassedToClient(name) && !(name === "location" && location !== undefined));
    if (location !== undefined)
        headers.push("Location", location.href);
    headers.push("Referrer-Policy", "no-referrer"); // the gateway's address is a secret
    return headers;
}
/** Gives the reply to the client. @throws ArmorError where it breaks off */
async function passOn(reply, response, client, idleMs) {
    const { message, origin } = reply;
    try {
        response.writeHead(message.statusCode ?? 502, replyHeaders(reply));
    }
    catch {
        message.destroy();
        const state = { url: origin, proxy: undefined, isReplying: false };
        throw networkError({ code: "HPE_INVALID_HEAD" }, state);
    }
    // Head and body go together where the body has begun, which is less work; a head alone goes at once.
    const hasBodyToCome = message.readableLength === 0 && !message.complete;
    if (hasBodyToCome)
        response.flushHeaders();
    await streamBody(reply, response, client, idleMs);
}
/** Chunk by chunk, so that the idle limit can tell a slow client from a silent Armor. */
function streamBody(reply, response, client, idleMs) {
    const { message, origin } = reply;
    const state = { url: origin, proxy: undefined, isReplying: true };
    return new Promise((resolve, reject) => {
        const fail = (error) => {
            clearTimeout(idle);
            reject(error);
            message.destroy();
        };
        const idle = setTimeout(() => {
            if (message.isPaused())
                idle.refresh();
            else
                fail(timeoutError(state));
        }, idleMs);
        client.onLeave(() => fail(new Error("the client left")));
        if (client.hasLeft)
            return;
        message.on("data", (chunk) => {
            idle.refresh();
            if (!response.write(chunk))
                message.pause();
        });
        response.on("drain", () => {
            idle.refresh();
            message.resume();
        });
        message.once("end", () => {
            clearTimeout(idle);
            response.end();
            resolve();
        });
        message.on("error", (error) => fail(networkError(error, state)));
    });
}

;// CONCATENATED MODULE: external "node:events"
const external_node_events_namespaceObject = require("node:events");
;// CONCATENATED MODULE: ./build/gateway/server.js





const LIMITS = { headMs: 10_000, maxWaiting: 2_000, minWaitMs: 2_000 };
const MAX_HEADER_BYTES = 16 * 1024;
/** Longer than common clients keep a connection, so that none is closed while a request is on its way. */
const KEEP_ALIVE_MS = 120_000;
/** For many calls that connect at the same moment. Node's default is 511. */
const BACKLOG = 4_096;
const NO_CONNECT = wrongMethod("The gateway is no proxy: use it as the base address of a call.", "GET, HEAD");
const BAD_REQUEST = refuse("bad_request", "The request is not valid HTTP.");
/** By the codes of Node's parser. */
const BAD_HEADS = {
    HPE_HEADER_OVERFLOW: refuse("head_too_large", "The request's headers are larger than 16 KB."),
    ERR_HTTP_REQUEST_TIMEOUT: refuse("request_timeout", "The request's headers did not come in time."),
};
/** Listens on a free port of 127.0.0.1. */
async function listen(guard, handle, onRefusal, limits = LIMITS) {
    const server = (0,external_node_http_namespaceObject.createServer)({
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: limits.headMs,
        connectionsCheckingInterval: limits.headMs / 5,
        keepAliveTimeout: KEEP_ALIVE_MS,
        requestTimeout: 0, // no request has a body
        requireHostHeader: false, // Node's own refusal has no text
    });
    await (0,external_node_events_namespaceObject.once)(server.listen(0, "127.0.0.1", BACKLOG), "listening");
    const { port } = server.address();
    const config = { ...guard, host: `127.0.0.1:${port}` };
    const connections = new Connections(config, handle, onRefusal, limits);
    const onRequest = (request, response) => connections.serveInTurn(request, response);
    server.on("connection", (socket) => connections.open(socket));
    server.on("request", onRequest);
    // Without these, Node asks for the body of a request that will be refused (RFC 9110 section 10.1.1).
    server.on("checkContinue", onRequest);
    server.on("checkExpectation", onRequest);
    server.on("connect", (_, socket) => connections.giveUp(socket, NO_CONNECT));
    server.on("clientError", (error, socket) => connections.endUnreadable(socket, error.code ?? ""));
    return { port, server };
}
/** What is known of each connection, and what becomes of its requests. */
class Connections {
    #guard;
    #handle;
    #onRefusal;
    #limits;
    #waiting = new Map(); // without an admitted request, since when; the oldest first
    #refused = new WeakSet(); // they have their answer, and no further request is served
    #lastResponse = new WeakMap();
    constructor(guard, handle, onRefusal, limits) {
        this.#guard = guard;
        this.#handle = handle;
        this.#onRefusal = onRefusal;
        this.#limits = limits;
    }
    /** Closes the oldest connection that waits, where there are too many. */
    open(socket) {
        this.#waiting.set(socket, clock.now());
        socket.once("close", () => this.#waiting.delete(socket));
        if (this.#waiting.size <= this.#limits.maxWaiting)
            return;
        const [oldest] = this.#waiting;
        if (oldest === undefined)
            return;
        const [oldestSocket, since] = oldest;
        if (clock.now() - since >= this.#limits.minWaitMs)
            oldestSocket.destroy();
    }
    /**
     * Serves the requests of one connection one after the other. Node would serve pipelined requests at once,
     * and in older versions a reply that waits for its turn does not learn that the client has left.
     */
    serveInTurn(request, response) {
        const previous = this.#lastResponse.get(request.socket);
        this.#lastResponse.set(request.socket, response);
        if (previous === undefined || previous.closed)
            this.#serve(request, response);
        else
            previous.once("close", () => this.#serve(request, response));
    }
    #serve(request, response) {
        const { socket } = request;
        if (socket.destroyed || this.#refused.has(socket))
            return;
        const verdict = authorize(request, this.#guard);
        if (verdict.route === "refused") {
            this.#refused.add(socket);
            this.#onRefusal(verdict);
            sendRefusal(response, verdict, this.#limits.headMs);
            return;
        }
        this.#waiting.delete(socket);
        this.#handle(request, response, verdict);
    }
    /** Refuses a connection that has no response to write to. */
    giveUp(socket, refusal) {
        this.#refused.add(socket);
        this.#onRefusal(refusal);
        endSocket(socket, refusal, this.#limits.headMs);
    }
    /** Node's parser gave up, with this code. */
    endUnreadable(socket, code) {
        if (this.#refused.has(socket))
            return; // the rest of a request that has its answer
        const response = this.#lastResponse.get(socket);
        const isReplying = response !== undefined && !response.closed;
        if (isReplying) {
            // A refusal written now would be read as a part of the reply's body.
            socket.resetAndDestroy();
            return;
        }
        const isSilent = socket.bytesRead === 0; // a connection that a client has opened for later
        if (isSilent || code === "ECONNRESET" || !socket.writable) {
            socket.destroy();
            return;
        }
        this.giveUp(socket, BAD_HEADS[code] ?? BAD_REQUEST);
    }
}

;// CONCATENATED MODULE: ./build/gateway/upstream.js





/** A NAT or a VPN may have forgotten a connection that was idle for longer, so it is not used again. */
const MAX_IDLE_MS = 15_000;
/** The server closed a kept connection at the moment in which it was used again (RFC 9112 section 9.3.1). */
const CLOSED_WHILE_IDLE = new Error("closed while idle");
/** Sends calls to Armor over connections that are kept. */
class Upstream {
    #route;
    #limits;
    #maxIdleMs;
    #agents = new Map(); // by origin
    #lastSentAt = 0; // by the wall clock, in ms
    constructor(route, limits, maxIdleMs = MAX_IDLE_MS) {
        this.#route = route;
        this.#limits = limits;
        this.#maxIdleMs = maxIdleMs;
    }
    /** @returns the reply when its head is there. @throws ArmorError where none begins */
    async send(call) {
        try {
            return await this.#sendBy(this.#keptAgent(call.origin), call);
        }
        catch (error) {
            if (error !== CLOSED_WHILE_IDLE)
                throw error;
            const freshAgent = this.#createAgent(call.origin, {});
            return await this.#sendBy(freshAgent, call);
        }
    }
    close() {
        for (const agent of this.#agents.values())
            agent.destroy();
    }
    #keptAgent(url) {
        // Timers stand still while a machine sleeps, and the wall clock goes on.
        const now = clock.date();
        if (now - this.#lastSentAt > this.#maxIdleMs)
            this.#agents.clear();
        this.#lastSentAt = now;
        let agent = this.#agents.get(url.origin);
        if (agent === undefined) {
            agent = this.#createAgent(url, {
                keepAlive: true,
                maxFreeSockets: 128,
                timeout: this.#maxIdleMs,
            });
            this.#agents.set(url.origin, agent);
        }
        return agent;
    }
    #createAgent(url, options) {
        if (url.protocol === "http:")
            return new (external_node_http_default()).Agent(options);
        return new RouteAgent(proxyFor(url, this.#route), options, this.#limits.connectMs);
    }
    #sendBy(agent, call) {
        const { method, origin, path, headers, client } = call;
        const { connectMs, headMs } = this.#limits;
        // Made for an error only: to find the proxy takes time.
        const state = () => ({ url: origin, proxy: proxyFor(origin, this.#route), isReplying: false });
        return new Promise((resolve, reject) => {
            if (client.hasLeft)
                return reject(new Error("the client left"));
            const isTls = origin.protocol === "https:";
            const request = (isTls ? (external_node_https_default()) : (external_node_http_default())).request({
                host: withoutBrackets(origin.hostname),
                port: origin.port,
                path,
                method,
                headers: headers,
                agent,
            });
            let timer;
            const limit = (ms) => {
                clearTimeout(timer);
                timer = setTimeout(() => {
                    const hasTunnel = request.socket !== null;
                    fail(timeoutError({ ...state(), hasTunnel }));
                }, ms);
            };
            const fail = (error) => {
                clearTimeout(timer);
                reject(error);
                request.destroy(); // a request without a socket does not report its error, hence both
            };
            client.onLeave(() => fail(new Error("the client left")));
            if (request.reusedSocket) {
                limit(headMs);
            }
            else {
                limit(connectMs);
                const connected = isTls ? "secureConnect" : "connect";
                request.once("socket", (socket) => socket.once(connected, () => limit(headMs)));
            }
            let isReplying = false;
            request.once("response", (message) => {
                clearTimeout(timer);
                isReplying = true;
                resolve(message);
            });
            // Without a listener, Node would drop a connection that switches protocols and report nothing.
            request.once("upgrade", () => fail(networkError({ code: "HPE_UPGRADE" }, state())));
            request.on("error", (error) => {
                if (isReplying)
                    return; // the message has an error of its own, or is whole
                const wasClosed = error.code === "ECONNRESET" || error.code === "EPIPE";
                fail(request.reusedSocket && wasClosed ? CLOSED_WHILE_IDLE : networkError(error, state()));
            });
            request.end();
        });
    }
}

;// CONCATENATED MODULE: ./build/protocol/config.js
const CONTROL_FILE = "control-url"; // in its folder: the address for tokens and stopping, one line
const REPORT_FILE = "report.json"; // in its folder when it has ended: its `Stats`, as JSON
/** The agent's one line on stdout: the port on which it listens, or why it does not. */
const READY_LINE = /^token agent: (?:port (?<port>\d+)|(?<problem>.+))\n/m;

;// CONCATENATED MODULE: ./build/protocol/stats.js

/** What the agent did and what went wrong. A call whose client left is not counted, every other one once. */
class Stats {
    reason; // why the agent ended, where it was not told to
    minted = 1; // the step's own token is one
    handedOut = 0; // handed out by armor-token
    answered = {}; // calls that Armor answered in full, by class of status: `2xx`, `4xx` …
    failed = {}; // calls that were not answered in full, by code
    refused = 0; // requests that were refused before Armor saw them
    sessionsEnded = 0;
    sessionsNotEnded = 0; // those that may go on
    problems = {}; // by code: the last full text of what went wrong
    addAnswer(status) {
        const name = `${Math.floor(status / 100)}xx`;
        this.answered[name] = (this.answered[name] ?? 0) + 1;
    }
    addFailure(error) {
        const failure = this.addProblem(error);
        this.failed[failure.code] = (this.failed[failure.code] ?? 0) + 1;
        return failure;
    }
    addRefusal({ error, description, isFromJob }) {
        this.refused += 1;
        if (isFromJob)
            this.problems[error] = description;
    }
    addProblem(error) {
        const failure = asArmorError(error);
        this.problems[failure.code] = failure.message;
        return failure;
    }
}

;// CONCATENATED MODULE: ./build/agent/control.js




const DRAIN_MS = 1_500; // at a stop: for the refresh under way, and after it for the sessions to end
const END_SESSIONS_MS = 2_000;
/** What is behind the address for tokens and stopping. */
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
            const body = {
                access_token: token.accessToken,
                token_type: "Bearer",
                expires_in: Math.floor(leftMs / 1000),
                expires_at: isoDate(clock.date() + leftMs),
            };
            const headers = { "Content-Type": "application/json", "Cache-Control": "no-store" };
            response.writeHead(200, headers).end(JSON.stringify(body));
            stats.handedOut += 1;
        }
        catch (error) {
            sendFailure(response, stats.addProblem(error));
        }
    }
    async answerStop(response) {
        response.once("close", () => this.stop().then(this.#options.onStopped));
        await this.stop();
        response.writeHead(204).end();
    }
    /** Once, for all who ask: no refresh begins any more, and the sessions end. */
    stop() {
        this.#stopped ??= this.#endSessions();
        return this.#stopped;
    }
    async #endSessions() {
        const { tokenCache, stats, terminateSession } = this.#options;
        const { accessTokens, isFetching } = await tokenCache.close(DRAIN_MS);
        if (!terminateSession)
            return;
        hide(accessTokens); // Armor may repeat them in what it says
        await Promise.all(accessTokens.map((accessToken) => this.#endSession(accessToken)));
        if (isFetching)
            stats.sessionsNotEnded += 1; // that of the token which is still on its way
    }
    /** Never fails: a session that is not ended here ends by itself when its token expires. */
    async #endSession(accessToken) {
        const { context, stats } = this.#options;
        try {
            const wasAlive = await endSession({ ...context, timeoutMs: END_SESSIONS_MS }, accessToken);
            if (wasAlive)
                stats.sessionsEnded += 1;
        }
        catch (error) {
            stats.addProblem(error);
            stats.sessionsNotEnded += 1;
        }
    }
}

;// CONCATENATED MODULE: external "node:fs"
const external_node_fs_namespaceObject = require("node:fs");
;// CONCATENATED MODULE: ./build/agent/life.js



const FOLDER_CHECK_MS = 2_000;
const MAX_UNASKED_MS = 24 * 3600 * 1000;
/** For how long the agent is needed: until it is told to stop, or until one of three signs that it is not. */
class Life {
    ended; // gives why it ended by itself; undefined where it was told to
    #controlFile;
    #onSigterm = () => this.end("it was told to end by a signal (SIGTERM)");
    #resolve = () => undefined;
    #lastAsked = clock.now();
    #timer;
    /** @param controlFile which is there as long as the job is */
    constructor(controlFile) {
        this.#controlFile = controlFile;
        this.ended = new Promise((resolve) => {
            this.#resolve = resolve;
        });
        process.on("SIGTERM", this.#onSigterm);
    }
    /** From now on, a folder that is gone and a day without a request end the agent. */
    begin() {
        this.#timer = setInterval(() => {
            (0,promises_namespaceObject.access)(this.#controlFile, external_node_fs_namespaceObject.constants.R_OK).catch(() => this.end("its folder below RUNNER_TEMP was removed, or given to another user"));
            if (clock.now() - this.#lastAsked > MAX_UNASKED_MS)
                this.end("it was not asked for anything in 24 hours");
        }, FOLDER_CHECK_MS);
    }
    wasAsked() {
        this.#lastAsked = clock.now();
    }
    end(reason) {
        this.#resolve(reason);
    }
    forget() {
        clearInterval(this.#timer);
        process.off("SIGTERM", this.#onSigterm);
    }
}

;// CONCATENATED MODULE: ./build/agent/agent.js
















/** For a stop that no post step waits for: a system that shuts down leaves little time. */
const LAST_STOP_MS = 2_000;
/** The token agent: a foreground program that serves until it is told to stop, or is not needed any more. */
async function agent(crash, { stdin, stdout } = process) {
    stdout.on("error", () => undefined); // the main step reads one line only
    const say = (what) => stdout.write(`token agent: ${what}\n`); // READY_LINE
    let config;
    try {
        config = JSON.parse(Buffer.concat(await stdin.toArray()).toString("utf8"));
        hide(secretForms(config.credentials));
        await serve(config, say, crash);
        process.exitCode = 0;
    }
    catch (error) {
        // The error of JSON.parse would show a part of the configuration.
        say(config === undefined ? "its configuration is cut off" : asArmorError(error).message);
    }
}
async function serve(config, say, crash) {
    const { apiUrl, capability, controlCapability, gatewayPaths, limits, route, terminateSession } = config;
    trustCertificates(config.certificates);
    const stats = new Stats();
    const context = { apiUrl, timeoutMs: config.timeoutMs, send: createSend(route) };
    const fetch = async () => {
        const token = await fetchToken(context, config.credentials);
        stats.minted += 1;
        return token;
    };
    const tokenCache = new TokenCache(config.first, fetch, (error) => stats.addProblem(error));
    const upstream = new Upstream(route, limits);
    const gateway = createGateway({ apiUrl, gatewayPaths, limits, tokenCache, upstream, stats });
    const life = new Life((0,external_node_path_namespaceObject.join)(config.folder, CONTROL_FILE));
    const onStopped = () => life.end();
    const control = new Control({ tokenCache, context, stats, terminateSession, onStopped });
    const { port, server } = await listen({ capability, controlCapability, gatewayPaths }, (request, response, admission) => {
        life.wasAsked();
        switch (admission.route) {
            case "gateway":
                return gateway(request, response, admission.target);
            case "token":
                return control.answerToken(response);
            case "stop":
                return control.answerStop(response);
        }
    }, (refusal) => stats.addRefusal(refusal));
    try {
        const controlFile = (0,external_node_path_namespaceObject.join)(config.folder, CONTROL_FILE);
        await placeFile(controlFile, `http://127.0.0.1:${port}/${controlCapability}\n`);
        life.begin();
        say(`port ${port}`);
        stats.reason = await Promise.race([life.ended, crash]);
        const wasTold = stats.reason === undefined;
        if (!wasTold)
            await within(LAST_STOP_MS, control.stop(), () => undefined);
    }
    catch (error) {
        stats.reason = asArmorError(error).message;
        throw error;
    }
    finally {
        life.forget();
        // Before the connections close, which the post step waits for. The folder may be gone.
        const report = (0,external_node_path_namespaceObject.join)(config.folder, REPORT_FILE);
        await (0,promises_namespaceObject.writeFile)(report, JSON.stringify(stats), { mode: 0o600 }).catch(() => undefined);
        server.close();
        server.closeAllConnections();
        upstream.close();
    }
}
/** Whole or not at all: post may read at any time. Fails where the folder is gone, and so the job over. */
async function placeFile(file, line) {
    try {
        await (0,promises_namespaceObject.writeFile)(`${file}.new`, line, { mode: 0o600 });
        await (0,promises_namespaceObject.rename)(`${file}.new`, file);
    }
    catch (error) {
        throw fileError("The folder that RUNNER_TEMP names", error);
    }
}

;// CONCATENATED MODULE: ./build/agent-client/folder.js




const IS_WINDOWS = process.platform === "win32";
/**
 * Creates a folder below RUNNER_TEMP with the wrappers of armor-token. They hold no secret, and name Node by
 * its path, as it is not on PATH in a container job.
 * @throws ArmorError file_failed, runner_unsupported
 */
async function createAgentFolder(env, dist, isWindows = IS_WINDOWS) {
    const temp = env["RUNNER_TEMP"];
    if (!temp) {
        const remedy = "Run this as a step of a GitHub Actions workflow.";
        throw new ArmorError("runner_unsupported", "RUNNER_TEMP is not set", remedy);
    }
    process.umask(0o077); // whatever the job's is
    let path = "";
    try {
        path = await (0,promises_namespaceObject.mkdtemp)((0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.resolve)(temp), "armor-token-"));
        const bin = (0,external_node_path_namespaceObject.join)(path, "bin");
        const script = (0,external_node_path_namespaceObject.join)(bin, "armor-token");
        const program = (0,external_node_path_namespaceObject.join)(dist, "armor-token.js");
        await (0,promises_namespaceObject.mkdir)(bin);
        await (0,promises_namespaceObject.writeFile)(script, shWrapper(process.execPath, program, path, isWindows), { mode: 0o700 });
        if (isWindows)
            await (0,promises_namespaceObject.writeFile)(`${script}.cmd`, cmdWrapper(process.execPath, program));
        const canRun = await (0,promises_namespaceObject.access)(script, external_node_fs_namespaceObject.constants.X_OK).then(() => true, () => false);
        return { path, bin, command: isWindows ? `${script}.cmd` : script, canRun };
    }
    catch (error) {
        if (path !== "")
            await removeFolder(path);
        throw fileError("The folder that RUNNER_TEMP names", error);
    }
}
/** POSIX sh, on Windows that of Git, with forward slashes. NODE_OPTIONS is for the job's own Node. */
function shWrapper(node, program, folder, isWindows = false) {
    const quoted = [node, program, folder].map((path) => {
        const posixPath = isWindows ? path.replaceAll("\\", "/") : path;
        return `'${posixPath.replaceAll("'", "'\\''")}'`;
    });
    return `#!/bin/sh\nunset NODE_OPTIONS\nexec ${quoted.join(" ")} "$@"\n`;
}
/** `%~dp0` is the folder of the .cmd itself. cmd.exe expands percent signs also between quotes. */
function cmdWrapper(node, program) {
    const quoted = [node, program].map((path) => `"${path.replaceAll("%", "%%")}"`);
    return `@setlocal\r\n@set "NODE_OPTIONS="\r\n@${quoted.join(" ")} "%~dp0.." %*\r\n`;
}
/** Never fails: what is left of it, the runner removes with RUNNER_TEMP. */
async function removeFolder(folder) {
    await (0,promises_namespaceObject.rm)(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
}

;// CONCATENATED MODULE: external "node:child_process"
const external_node_child_process_namespaceObject = require("node:child_process");
;// CONCATENATED MODULE: ./build/agent-client/inherit.js

/** What /proc may show of the agent. */
const ALLOWED_VARIABLES = new Set([
    "PATH",
    "HOME",
    "USERPROFILE",
    "TEMP",
    "TMP",
    "TMPDIR",
    "SYSTEMROOT",
    "LANG",
    "RUNNER_TEMP",
    "RUNNER_TRACKING_ID", // by which the runner ends what outlived its job
    "NODE_USE_SYSTEM_CA",
]);
/** They are made absolute, because the agent runs in another folder. */
const PATH_VARIABLES = new Set([
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
]);
/** Of the job's NODE_OPTIONS: only what decides whom to trust and how to reach it, and no `--tls-keylog`. */
const ALLOWED_FLAG = /^--(use-(openssl|system|bundled)-ca|openssl-[\w-]+|tls-(min|max|cipher)-[\w.-]+|dns-result-order)(=.*)?$/s;
/** Node takes `--flag value` as well as `--flag=value`. */
const FLAG_BEFORE_VALUE = /(--(?:tls-cipher-list|dns-result-order|openssl-config))\s+/g;
/** A word of NODE_OPTIONS: spaces end it, except between double quotes (Node's documentation). */
const WORD = /(?:[^\s"]|"(?:\\.|[^"\\])*")+/g;
function agentEnvironment(env) {
    const inherited = {};
    for (const [name, value = ""] of Object.entries(env)) {
        if (PATH_VARIABLES.has(name))
            inherited[name] = absolute(name, value);
        else if (ALLOWED_VARIABLES.has(name.toUpperCase()))
            inherited[name] = value;
    }
    return inherited;
}
function absolute(name, value) {
    if (value === "")
        return "";
    if (name !== "SSL_CERT_DIR")
        return (0,external_node_path_namespaceObject.resolve)(value);
    // It may name several folders, as PATH does.
    const folders = value.split(external_node_path_namespaceObject.delimiter).map((folder) => (0,external_node_path_namespaceObject.resolve)(folder));
    return folders.join(external_node_path_namespaceObject.delimiter);
}
function allowedNodeFlags(nodeOptions) {
    const words = nodeOptions.replace(FLAG_BEFORE_VALUE, "$1=").match(WORD) ?? [];
    const flags = words.map(unquote).filter((word) => ALLOWED_FLAG.test(word));
    return flags.map((flag) => flag.replace(/(?<=^--openssl-config=).*/s, (path) => (0,external_node_path_namespaceObject.resolve)(path)));
}
function unquote(word) {
    return word.replace(/"((?:\\.|[^"\\])*)"/g, (_, text) => text.replace(/\\(.)/g, "$1"));
}

;// CONCATENATED MODULE: ./build/agent-client/launch.js







const MEMORY_FLAGS = [
    "--max-semi-space-size=2", // MiB; with 1, garbage collection took a tenth more CPU
    "--max-old-space-size=96",
];
/** glibc keeps a heap for each thread. With a single one, the agent takes a tenth less memory. */
const MALLOC = { MALLOC_ARENA_MAX: "1" };
const READY_MS = 10_000;
function createCapability() {
    return (0,external_node_crypto_namespaceObject.randomBytes)(32).toString("base64url"); // 256 bits
}
/** Starts an agent that outlives this step, and waits until it listens. @throws ArmorError agent_failed */
async function launchAgent(config, parent, readyMs = READY_MS) {
    let child;
    try {
        child = spawnAgent(parent);
        child.stdin.on("error", () => undefined); // it may have ended already, of which readyPort tells
        child.stdin.end(JSON.stringify(config));
        const port = await readyPort(child, readyMs);
        return { gatewayUrl: `http://127.0.0.1:${port}/${config.capability}`, pid: child.pid ?? 0 };
    }
    catch (error) {
        child?.kill("SIGKILL");
        const why = quote(error.message).replace(/\.$/, "");
        const remedy = "Without keep-fresh: true, the step sets its outputs only.";
        throw new ArmorError("agent_failed", `The token agent did not start: ${why}`, remedy);
    }
    finally {
        child?.unref();
        child?.stdout.destroy();
    }
}
/** Detached, with pipes of its own: the runner waits for all that hold the step's, and kills its children. */
function spawnAgent({ env, dist, execPath = process.execPath }) {
    const flags = [...MEMORY_FLAGS, ...allowedNodeFlags(env["NODE_OPTIONS"] ?? "")];
    // Without it, SIGUSR1 opens the inspector, from which every user of the machine can read the key.
    if (process.allowedNodeEnvironmentFlags.has("--disable-sigusr1"))
        flags.push("--disable-sigusr1");
    return (0,external_node_child_process_namespaceObject.spawn)(execPath, [...flags, (0,external_node_path_namespaceObject.join)(dist, "agent.js"), "agent"], {
        cwd: (0,external_node_path_namespaceObject.parse)(execPath).root, // always there; Windows lets no working folder be removed, such as RUNNER_TEMP
        env: { ...agentEnvironment(env), ...MALLOC },
        detached: true,
        windowsHide: true,
        stdio: ["pipe", "pipe", "ignore"],
    });
}
/** @returns the port that the agent says in its one line. Lines before that are not the agent's. */
function readyPort(child, ms) {
    return new Promise((resolve, reject) => {
        const fail = (why) => reject(new Error(why));
        let text = "";
        child.stdout.setEncoding("utf8").on("data", (chunk) => {
            text += chunk;
            const line = READY_LINE.exec(text)?.groups;
            if (line?.["port"] !== undefined)
                resolve(Number(line["port"]));
            else if (line?.["problem"] !== undefined)
                fail(line["problem"]);
        });
        child.on("error", reject);
        child.on("close", (code, signal) => fail(`it ended with ${signal ?? `exit code ${code}`} before it was ready`));
        setTimeout(fail, ms, `it was not ready within ${ms / 1000} s`).unref();
    });
}

;// CONCATENATED MODULE: ./build/agent-client/stop.js







const STARTING_MS = 1_000; // for an agent whose start was cancelled to write its control file
/** Tells the agent to stop and waits for its end, which ends its connection. Then the folder is removed. */
async function stopAgent(folder, signal) {
    try {
        return await askToStop(folder, signal);
    }
    finally {
        await removeFolder(folder); // an agent that was not reached ends when its folder is gone
    }
}
async function askToStop(folder, signal) {
    let url;
    try {
        url = await controlUrl(folder);
    }
    catch (error) {
        const { code = "" } = error;
        if (code === "ENOENT")
            return { kind: "ended", stats: await readReport(folder) };
        return { kind: "unknown", reason: `${CONTROL_FILE} cannot be read (${code})` };
    }
    try {
        await post(`${url}/stop`, signal);
    }
    catch (error) {
        const { code = "" } = error;
        if (code === "ECONNREFUSED")
            return { kind: "ended", stats: await readReport(folder) };
        const reason = signal.aborted ? "it did not end in time" : `the connection broke off (${code})`;
        return { kind: "unknown", reason };
    }
    const stats = await readReport(folder);
    if (stats !== undefined)
        return { kind: "ended", stats };
    return {
        kind: "unknown",
        reason: "what answered there left no report: another program, or a full disk",
    };
}
/** Waits a little for the file: if the start was cancelled a moment ago, the agent has yet to write it. */
async function controlUrl(folder) {
    const file = (0,external_node_path_namespaceObject.join)(folder, CONTROL_FILE);
    const isExpected = () => (0,external_node_fs_namespaceObject.existsSync)(folder) && !(0,external_node_fs_namespaceObject.existsSync)(file);
    for (let waitedMs = 0; waitedMs < STARTING_MS && isExpected(); waitedMs += 50)
        await (0,external_node_timers_promises_namespaceObject.setTimeout)(50);
    return (await (0,promises_namespaceObject.readFile)(file, "utf8")).trim();
}
/** @returns undefined where the agent was killed, or could not write */
async function readReport(folder) {
    try {
        return JSON.parse(await (0,promises_namespaceObject.readFile)((0,external_node_path_namespaceObject.join)(folder, REPORT_FILE), "utf8"));
    }
    catch {
        return undefined;
    }
}
/**
 * Asks to stop, and settles when the agent's end closes the connection. That end is the receipt, so this speaks
 * over a plain socket: an HTTP client would close the connection, or keep it, by rules of its own.
 */
function post(address, signal) {
    const { hostname, port, host, pathname } = new URL(address);
    return new Promise((resolve, reject) => {
        const socket = (0,external_node_net_namespaceObject.connect)({ host: hostname, port: Number(port), signal });
        socket.on("error", reject).on("close", () => resolve());
        socket.resume().write(`POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    });
}

;// CONCATENATED MODULE: ./build/step/inputs.js





/** The same as in action.yml. The runner applies them to inputs that are left out, but not to empty ones. */
const DEFAULTS = {
    "api-url": "https://api.armor.fortanix.com",
    "ca-certificate": "",
    timeout: "30",
    "keep-fresh": "false",
    "gateway-paths": "/api/v1/discovery/",
    "export-environment": "true",
    "terminate-session": "true",
};
const MAX_TIMEOUT_SECONDS = 300;
const MIN_KEY_LENGTH = 8;
const MAX_CREDENTIAL_LENGTH = 4096; // far above any key, and far below what an environment variable can hold
/** Control characters, line separators and lone surrogates. No credential and no URL has one. */
const CONTROL = /[\p{Cc}\p{Cs}\u2028\u2029]/u;
/** Every form of the key, to be masked first. A short key has none: its mask would cover half of the log. */
function readSecrets(getInput) {
    const credentials = { appId: getInput("app-id"), apiKey: getInput("api-key") };
    return credentials.apiKey.length < MIN_KEY_LENGTH ? [] : secretForms(credentials);
}
/** @throws ArmorError input_invalid, naming the first input that is wrong and what to do */
function readInputs(getInput) {
    return {
        credentials: parseCredentials(getInput("app-id"), getInput("api-key")),
        apiUrl: parseApiUrl(getInput("api-url")),
        certificates: parseCertificates(getInput("ca-certificate")),
        timeoutMs: parseTimeout(getInput("timeout")),
        keepFresh: parseBoolean("keep-fresh", getInput("keep-fresh")),
        gatewayPaths: parseGatewayPaths(getInput("gateway-paths")),
        exportEnvironment: parseBoolean("export-environment", getInput("export-environment")),
        terminateSession: parseBoolean("terminate-session", getInput("terminate-session")),
    };
}
function parseCredentials(appId, apiKey) {
    const credentials = [
        { name: "app-id", value: appId },
        { name: "api-key", value: apiKey },
    ];
    const empty = credentials.filter(({ value }) => value === "").map(({ name }) => name);
    if (empty.length > 0) {
        const remedy = "Usually the secret is not defined here under the name that the workflow uses. " +
            "Workflows that a fork or Dependabot starts get no repository secrets.";
        throw invalid(`${empty.join(" and ")} ${empty.length === 1 ? "is" : "are"} empty`, remedy);
    }
    const again = "Store the secret again: the value that Armor shows, on one line, and nothing else.";
    for (const { name, value } of credentials) {
        if (CONTROL.test(value))
            throw invalid(`${name} contains a line break or another control character`, again);
        if (value.length > MAX_CREDENTIAL_LENGTH)
            throw invalid(`${name} is longer than ${MAX_CREDENTIAL_LENGTH} characters`, again);
    }
    if (apiKey.length < MIN_KEY_LENGTH)
        throw invalid(`api-key is shorter than ${MIN_KEY_LENGTH} characters`, `Usually it was cut off. ${again}`);
    return { appId, apiKey };
}
function parseApiUrl(value) {
    const remedy = `Give https:// and a host name, such as ${DEFAULTS["api-url"]}.`;
    if (value === "")
        throw invalid("api-url is empty", `${remedy} Without the input, that address is used.`);
    if (CONTROL.test(value) || !URL.canParse(value))
        throw invalid("api-url is not an absolute URL", remedy);
    const url = new URL(value);
    if (url.username !== "" || url.password !== "")
        throw invalid("api-url contains a user name or password", remedy);
    if (/[?#]/.test(value))
        throw invalid("api-url contains a query or a fragment", remedy);
    if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname)))
        throw invalid("api-url does not start with https://", `${remedy} Only a loopback host may use http://.`);
    if (/^\/+api(\/|$)/.test(url.pathname))
        throw invalid("api-url has a path that begins with /api", `The action adds it. ${remedy}`);
    return url.href.replace(/\/+$/, "");
}
/** @throws ArmorError input_invalid for a line that the gateway's path rule refuses */
function parseGatewayPaths(value) {
    const lines = value.split(/\r?\n/).map((line) => line.trim());
    const paths = lines.filter((line) => line !== "");
    if (paths.length === 0)
        return [DEFAULTS["gateway-paths"]];
    for (const [index, path] of paths.entries()) {
        const fault = pathFault(path) ?? (path.startsWith("/api/") ? undefined : "no /api/ at its beginning");
        if (fault === undefined)
            continue;
        const remedy = `Give one path a line, such as ${DEFAULTS["gateway-paths"]}.`;
        throw invalid(`gateway-paths: path ${index + 1} of ${paths.length} has ${fault}`, remedy);
    }
    return paths;
}
function parseCertificates(value) {
    if (value === "")
        return [];
    const range = "from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----";
    const remedy = `Give the text of one or more PEM certificates, each ${range}.`;
    if (value.includes("PRIVATE KEY-----"))
        throw invalid("ca-certificate contains a private key", `${remedy} Consider that key compromised.`);
    const blocks = value.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    if (blocks.length === 0 || blocks.length !== value.split("-----BEGIN").length - 1)
        throw invalid("ca-certificate is not PEM", remedy);
    for (const [index, block] of blocks.entries()) {
        try {
            new external_node_crypto_namespaceObject.X509Certificate(block);
        }
        catch {
            throw invalid(`ca-certificate: certificate ${index + 1} of ${blocks.length} cannot be read`, remedy);
        }
    }
    return blocks;
}
function parseTimeout(value) {
    const seconds = /^\d+$/.test(value) ? Number(value) : 0;
    if (seconds >= 1 && seconds <= MAX_TIMEOUT_SECONDS)
        return seconds * 1000;
    const remedy = `Give seconds, or leave the input out for ${DEFAULTS.timeout}.`;
    throw invalid(`timeout is not a whole number from 1 to ${MAX_TIMEOUT_SECONDS}`, remedy);
}
/** The spellings of the YAML 1.2 core schema, as @actions/core's getBooleanInput takes them. */
function parseBoolean(name, value) {
    if (/^(true|True|TRUE)$/.test(value))
        return true;
    if (/^(false|False|FALSE)$/.test(value))
        return false;
    const remedy = `Give one of them, or leave the input out for ${DEFAULTS[name]}.`;
    throw invalid(`${name} is neither true nor false`, remedy);
}
function invalid(problem, remedy) {
    return new ArmorError("input_invalid", problem, remedy);
}

;// CONCATENATED MODULE: ./build/step/outputs.js




/** @throws ArmorError unless each can be appended to. Without the file, core would print the token. */
function checkFiles(variables) {
    for (const variable of variables) {
        if (!process.env[variable]) {
            const problem = `${variable} is not set, so there is no safe way to hand the token on`;
            const remedy = "Run this as a step of a GitHub Actions workflow.";
            throw new ArmorError("runner_unsupported", problem, remedy);
        }
        use(variable, (path) => (0,external_node_fs_namespaceObject.closeSync)((0,external_node_fs_namespaceObject.openSync)(path, external_node_fs_namespaceObject.constants.O_WRONLY | external_node_fs_namespaceObject.constants.O_APPEND)));
    }
}
/** Lets core write. If that fails half-way, the file is cut back, so that the runner reads no half line. */
function write(variable, append) {
    use(variable, (path) => {
        const before = (0,external_node_fs_namespaceObject.statSync)(path);
        try {
            append();
        }
        catch (error) {
            if (before.isFile())
                (0,external_node_fs_namespaceObject.truncateSync)(path, before.size);
            throw error;
        }
    });
}
function use(variable, action) {
    try {
        action(process.env[variable] ?? "");
    }
    catch (error) {
        throw fileError(`The file that ${variable} names`, error);
    }
}
/** Has the runner mask these texts in all that is printed afterwards, by any step; this one replaces them. */
function mask(secrets) {
    for (const secret of secrets)
        core_setSecret(secret);
    hide(secrets);
}
function log(line) {
    info(printable(line));
}
function warn(line) {
    warning(printable(line));
}
/** Also sets the exit code to 1. */
function fail(line) {
    setFailed(printable(line));
}
/** As action.yml describes them. */
function setOutputs(outputs) {
    for (const [name, value] of Object.entries(outputs))
        write("GITHUB_OUTPUT", () => setOutput(name, value));
}
/** Lets all later steps reach the agent. @returns whether no_proxy was extended, as the job has a proxy */
function exportAgent(env, gatewayUrl, bin) {
    write("GITHUB_ENV", () => exportVariable("ARMOR_GATEWAY_URL", gatewayUrl));
    write("GITHUB_PATH", () => addPath(bin));
    const noProxy = noProxyWithLoopback(env);
    if (noProxy === undefined)
        return false;
    for (const name of NO_PROXY_VARIABLES)
        write("GITHUB_ENV", () => exportVariable(name, noProxy));
    return true;
}
const PROXY_VARIABLES = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]; // for http, as the gateway is
const NO_PROXY_VARIABLES = ["no_proxy", "NO_PROXY"];
const LOOPBACK = "127.0.0.1";
/** @returns undefined where no program would use a proxy for the gateway as it is */
function noProxyWithLoopback(env) {
    const isProxied = PROXY_VARIABLES.some((name) => env[name]);
    if (!isProxied)
        return undefined;
    const lists = NO_PROXY_VARIABLES.map((name) => (env[name] ?? "").split(/[\s,]+/).filter(Boolean));
    if (lists.every((list) => list.includes(LOOPBACK) || isEveryHost(list)))
        return undefined;
    // Some programs read one of the variables and some the other, so both get what either had.
    if (lists.some(isEveryHost))
        return "*";
    const union = new Set([...lists.flat(), LOOPBACK]);
    return [...union].join(",");
}
/** curl and Python take `*` only where it is alone. */
function isEveryHost(noProxy) {
    return noProxy.length === 1 && noProxy[0] === "*";
}
/** For post. No API key and no proxy ever go into state, which is a readable file. */
function outputs_saveState(name, value) {
    write("GITHUB_STATE", () => saveState(name, value));
}
/** @returns undefined where main saved nothing */
function loadState(env) {
    const saved = (name) => env[`STATE_${name}`] || undefined;
    const apiUrl = saved("api_url");
    if (apiUrl === undefined)
        return undefined;
    return {
        apiUrl,
        certificates: saved("ca_certificate")?.split(/(?=-----BEGIN CERTIFICATE-----)/) ?? [],
        terminateSession: saved("terminate_session") !== "false",
        accessToken: saved("access_token"),
        agentFolder: saved("agent_folder"),
        isComplete: saved("complete") === "true",
    };
}

;// CONCATENATED MODULE: ./build/step/main.js














const CALL_LIMITS = { connectMs: 30_000, headMs: 120_000, idleMs: 120_000 }; // large reports begin late
const STOP_MS = 5_000;
/** For a reply that is on its way when the job is cancelled; the runner kills the step after some 10 s. */
const CANCEL_MS = 5_000;
/** Sets `process.exitCode` to 0 if and only if every output is set; else reports one error annotation. */
async function main(env, crash, dist) {
    mask(readSecrets(getInput));
    const { cancel, deadline } = watchCancel();
    try {
        const envOfJob = { ...env };
        checkFiles(["GITHUB_OUTPUT", "GITHUB_STATE"]);
        const inputs = readInputs(getInput);
        const route = takeRoute(env);
        const run = { env: envOfJob, dist, inputs, route, cancel };
        await Promise.race([supply(run), crash, deadline]);
        process.exitCode = 0;
    }
    catch (error) {
        process.exitCode = 1;
        const { code, message } = asArmorError(error);
        fail(annotationOf(code, message));
    }
}
/** The runner sends SIGINT, then SIGTERM. Work goes on to its next check of `cancel`, or to the deadline. */
function watchCancel() {
    const controller = new AbortController();
    const error = new ArmorError("cancelled", "The job was cancelled", "No token was handed on.");
    for (const name of ["SIGINT", "SIGTERM"])
        process.on(name, () => controller.abort(error));
    const deadline = (0,external_node_events_namespaceObject.once)(controller.signal, "abort").then(async () => {
        await (0,external_node_timers_promises_namespaceObject.setTimeout)(CANCEL_MS, undefined, { ref: false });
        throw error;
    });
    return { cancel: controller.signal, deadline };
}
/** Fetches the token, starts the agent where it is wanted, and sets the outputs. */
async function supply(run) {
    const { inputs } = run;
    if (inputs.keepFresh && inputs.exportEnvironment)
        checkFiles(["GITHUB_ENV", "GITHUB_PATH"]);
    warnOfIam(inputs);
    trustCertificates(inputs.certificates);
    outputs_saveState("api_url", inputs.apiUrl);
    outputs_saveState("ca_certificate", inputs.certificates.join("\n"));
    outputs_saveState("terminate_session", String(inputs.terminateSession));
    if (inputs.keepFresh)
        await supplyWithAgent(run);
    else
        await supplyToken(run);
}
async function supplyToken(run) {
    const token = await fetchMaskedToken(run);
    setTokenOutputs(token);
    outputs_saveState("complete", "true");
    log(`${tokenSummary(run.inputs, token)}, until ${isoDate(token.expiresAt)}.`);
}
async function supplyWithAgent(run) {
    // Created early: a folder that cannot be written fails before a token is asked for.
    const folder = await createAgentFolder(run.env, run.dist);
    let isAgentRunning = false;
    try {
        outputs_saveState("agent_folder", folder.path);
        const token = await fetchMaskedToken(run);
        const gatewayUrl = await startAgent(run, folder.path, token);
        isAgentRunning = true;
        setTokenOutputs(token);
        handOnAgent(run, folder, gatewayUrl);
        outputs_saveState("complete", "true");
        log(`${tokenSummary(run.inputs, token)}. ${agentSummary(run.inputs, folder)}`);
    }
    catch (error) {
        // What this step started, it stops, and does not leave to a post step that may not know of it.
        if (isAgentRunning)
            await stopAgent(folder.path, AbortSignal.timeout(STOP_MS));
        else
            await removeFolder(folder.path);
        throw error;
    }
}
function setTokenOutputs(token) {
    setOutputs({
        "access-token": token.accessToken,
        "token-type": "Bearer",
        "expires-in": String(token.expiresIn),
        "expires-at": isoDate(token.expiresAt),
    });
}
function warnOfIam({ gatewayPaths }) {
    const iam = "/api/v1/iam/";
    for (const path of gatewayPaths) {
        const isInsideIam = path.startsWith(iam);
        const isAboveIam = path.endsWith("/") && iam.startsWith(path);
        if (!isInsideIam && !isAboveIam)
            continue;
        warn(`gateway-paths: ${path} covers ${iam}, so with keep-fresh every later step of this job can read the ` +
            "users, apps and policies that the client app may read.");
    }
}
async function fetchMaskedToken({ inputs, route, cancel }) {
    const context = {
        apiUrl: inputs.apiUrl,
        timeoutMs: inputs.timeoutMs,
        send: createSend(route),
        onRetry({ problem }, pauseMs) {
            cancel.throwIfAborted();
            log(`${problem}. Next try in ${seconds(pauseMs)}.`);
        },
    };
    const token = await fetchToken(context, inputs.credentials);
    const { accessToken } = token;
    mask([accessToken]);
    try {
        outputs_saveState("access_token", inputs.terminateSession ? accessToken : "");
    }
    catch (error) {
        // The post step will not know of this session.
        if (inputs.terminateSession)
            await endSession({ ...context, timeoutMs: STOP_MS }, accessToken).catch(() => undefined);
        throw error;
    }
    cancel.throwIfAborted();
    return token;
}
/** @returns the gateway's address */
async function startAgent({ env, dist, inputs, route }, folder, firstToken) {
    const capability = createCapability();
    const controlCapability = createCapability();
    mask([capability, controlCapability]);
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
        first: firstToken,
    };
    const { gatewayUrl } = await launchAgent(config, { env, dist });
    return gatewayUrl;
}
function handOnAgent({ env, inputs }, folder, gatewayUrl) {
    setOutputs({ "gateway-url": gatewayUrl, "token-command": folder.command });
    if (!folder.canRun) {
        warn("armor-token cannot be run: RUNNER_TEMP's file system forbids programs (noexec). " +
            'Give the output token-command to the step as TOKEN_COMMAND, and run: sh "$TOKEN_COMMAND".');
    }
    if (!inputs.exportEnvironment)
        return;
    const wasNoProxyExtended = exportAgent(env, gatewayUrl, folder.bin);
    if (wasNoProxyExtended)
        log("Added 127.0.0.1 to no_proxy and NO_PROXY, for calls of later steps to the gateway.");
}
/** The start of the one line of a good run. */
function tokenSummary({ apiUrl }, { expiresIn }) {
    return `Access token from ${apiUrl}, valid for ${expiresIn} s`;
}
/** The rest of it, with keep-fresh. */
function agentSummary({ exportEnvironment, gatewayPaths }, { canRun }) {
    const gateway = exportEnvironment ? "$ARMOR_GATEWAY_URL" : "the output gateway-url";
    const command = exportEnvironment && canRun ? "armor-token" : "the output token-command";
    const use = `Until the job ends, later steps reach Armor by ${gateway} and get tokens by ${command}.`;
    const paths = gatewayPaths.join(", ");
    return paths === DEFAULTS["gateway-paths"] ? use : `${use} The gateway reads ${paths}.`;
}

;// CONCATENATED MODULE: ./build/step/report.js

const NOTHING = { lines: [], warnings: [] };
/** What the agent did, or why it cannot be known. */
function agentReport(result, isMainComplete) {
    if (result.kind === "unknown") {
        const then = "It ends by itself when its folder is gone, at the latest when the runner cleans up.";
        return {
            lines: [],
            warnings: [agentWarning("could not be asked to stop", result.reason, then)],
        };
    }
    const { stats } = result;
    if (stats === undefined) {
        if (!isMainComplete)
            return NOTHING; // main has failed, and has stopped it
        const why = "it left no report: it was killed, its folder was removed, or the disk is full";
        return { lines: [], warnings: [earlyEnd(why)] };
    }
    const warnings = problemsOf(stats);
    if (stats.reason !== undefined)
        warnings.unshift(earlyEnd(stats.reason));
    return { lines: [workOf(stats)], warnings };
}
function earlyEnd(reason) {
    const then = "Calls after that could not connect (curl: (7)): look at the first step that failed.";
    return agentWarning("had ended before the job did", reason, then);
}
function agentWarning(what, reason, then) {
    const sessions = "Sessions of tokens that it fetched end when these expire.";
    const text = `The token agent ${what}: ${reason.replace(/\.$/, "")}. ${then} ${sessions}`;
    return annotationOf("agent_failed", text);
}
/** Such as `Token agent: 3 calls answered (2xx 2, 4xx 1), 1 token fetched.` */
function workOf(stats) {
    const used = [
        ...calls("answered", stats.answered),
        ...calls("failed", stats.failed),
        ...times(stats.refused, "call", "refused"),
        ...times(stats.handedOut, "token", "handed out"),
    ];
    if (used.length === 0) {
        const hint = stats.reason === undefined ? ". Where no step needs it, leave keep-fresh out" : "";
        return `Token agent: it answered no call${hint}.`;
    }
    const tokens = [
        ...times(stats.minted, "token", "fetched"),
        ...times(stats.sessionsEnded, "session", "ended"),
    ];
    return `Token agent: ${[...used, ...tokens].join(", ")}.`;
}
function problemsOf({ problems, sessionsNotEnded }) {
    const warnings = Object.entries(problems).map(([code, text]) => annotationOf(code, text));
    const ends = "may not have ended. Sessions end when their tokens expire.";
    return [...warnings, ...times(sessionsNotEnded, "Armor session", ends)];
}
/** Such as `3 calls answered (2xx 2, 4xx 1)`; nothing for none. */
function calls(verb, counts) {
    let sum = 0;
    for (const count of Object.values(counts))
        sum += count;
    const parts = Object.keys(counts)
        .sort()
        .map((name) => `${name} ${counts[name]}`);
    return times(sum, "call", `${verb} (${parts.join(", ")})`);
}
/** Such as `3 tokens fetched`; nothing for none. */
function times(count, noun, verb) {
    if (count === 0)
        return [];
    return [`${count} ${count === 1 ? noun : `${noun}s`} ${verb}`];
}

;// CONCATENATED MODULE: ./build/step/post.js








const TIMEOUT_MS = 5_500; // for all that this step does, as the job waits for it
const post_STOP_MS = 4_000; // of it, for the agent to stop
const MIN_SESSION_MS = 500; // for ending the session, even where the agent took the rest
/**
 * Stops the agent, ends the session, and never fails the job. By saved state alone: inside nested composite
 * actions the runner gives this step the inputs of another action, or none (actions/runner#3514).
 */
async function post_post(env, crash) {
    process.exitCode = 0;
    const state = loadState(env);
    if (state === undefined)
        return;
    if (state.accessToken !== undefined)
        mask([state.accessToken]);
    try {
        const { lines, warnings } = await Promise.race([finish(env, state), crash]);
        // Quiet where main failed: its own annotation has said why. What was left behind is said all the same.
        if (state.isComplete)
            lines.forEach(log);
        warnings.forEach(warn);
    }
    catch (error) {
        const { code, message } = asArmorError(error);
        warn(annotationOf(code, message));
    }
}
async function finish(env, state) {
    const { agentFolder, isComplete, terminateSession } = state;
    if (agentFolder === undefined)
        return await finishSession(env, state, TIMEOUT_MS);
    const start = clock.now();
    const result = await stopAgent(agentFolder, AbortSignal.timeout(post_STOP_MS));
    const agent = agentReport(result, isComplete);
    // An agent that was told to stop, and so gives no reason of its own, has ended the step's session, too.
    const wasToldToStop = result.kind === "ended" && result.stats !== undefined && result.stats.reason === undefined;
    if (wasToldToStop && terminateSession)
        return agent;
    const leftMs = Math.max(MIN_SESSION_MS, TIMEOUT_MS - (clock.now() - start));
    const session = await finishSession(env, state, leftMs);
    return {
        lines: [...agent.lines, ...session.lines],
        warnings: [...agent.warnings, ...session.warnings],
    };
}
/** Ends the session of the step's own token, whatever the clocks say: a 401 means that it was over. */
async function finishSession(env, state, timeoutMs) {
    const { accessToken, agentFolder, apiUrl, certificates, terminateSession } = state;
    const say = (line) => ({ lines: [line], warnings: [] });
    if (!terminateSession)
        return say("The Armor session was not ended, as terminate-session is false.");
    if (accessToken === undefined)
        return NOTHING; // no token was issued
    try {
        trustCertificates(certificates);
        const context = { apiUrl, timeoutMs, send: createSend(takeRoute(env)) };
        const wasAlive = await endSession(context, accessToken);
        if (wasAlive)
            return say("The Armor session was ended.");
        if (agentFolder !== undefined)
            return say("The Armor session was over already.");
        return say("The Armor session was over already. " +
            "Tokens expire soon: with keep-fresh: true, later steps always have a valid one.");
    }
    catch (error) {
        const { code, message } = asArmorError(error);
        const text = `The Armor session was not ended, and ends when its token expires. ${message}`;
        return { lines: [], warnings: [annotationOf(code, text)] };
    }
}

;// CONCATENATED MODULE: ./build/index.js
// The three programs of this action. Each has a file of one line in dist/, from which the runner or the main
// step starts it: a process that guessed its role from saved state would be wrong whenever that is missing.






async function runMain() {
    if (process.env["NODE_TLS_REJECT_UNAUTHORIZED"] === "0") {
        const remedy = "certificates are always verified. Give a private CA as ca-certificate.";
        warning(`NODE_TLS_REJECT_UNAUTHORIZED=0 is ignored: ${remedy}`);
    }
    const dist = (0,external_node_path_namespaceObject.dirname)(process.argv[1] ?? "");
    await run((crash) => main(process.env, crash, dist));
}
async function runPost() {
    await run((crash) => post_post(process.env, crash));
}
async function runAgent() {
    await run((crash) => agent(crash));
}
/** Ends the process with the exit code that the program sets, whatever is still open. */
async function run(program) {
    process.exitCode = 1; // until success is certain: also when the process runs dry or dies
    process.noDeprecation = true; // warnings about libraries: there is nothing that a user could do
    delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"]; // Node reads it at each handshake
    closeInspector();
    // Node gives each address of a host 250 ms by default, which is too little for one that is far away.
    (0,external_node_net_namespaceObject.setDefaultAutoSelectFamilyAttemptTimeout)(5_000);
    await program(watchCrash());
    await new Promise((resolve) => process.stdout.write("", () => resolve()));
    process.exit();
}
/** From the inspector, which NODE_OPTIONS or SIGUSR1 opens, every user of the machine can read the key. */
function closeInspector() {
    process.on("SIGUSR1", () => undefined);
    process.getBuiltinModule?.("node:inspector")?.close(); // neither is in every Node
}
/** Rejects with what was not caught, and when the process would end without a result. */
function watchCrash() {
    const crash = new Promise((_, reject) => {
        process.on("uncaughtException", reject);
        process.on("beforeExit", () => reject(new Error("the process ended without a result")));
    });
    crash.catch(() => undefined);
    return crash;
}

})();

module.exports = __webpack_exports__;
/******/ })()
;