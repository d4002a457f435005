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

/***/ 576:
/***/ ((__unused_webpack_module, exports) => {

// @actions/http-client imports undici for one method, getAgentDispatcher, which this action never
// calls: its proxies go through the package `tunnel`. Bundled, undici would be by far the largest
// part of dist/, to load and to audit. Should anything ever reach for it, it fails loudly.

exports.k = class ProxyAgent {
  constructor() {
    throw new Error("undici is not part of this action: getAgentDispatcher must not be called");
  }
};


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

// Loads a module when it is first used. To load all at the start takes longer than the exchange.
function lazily(load) {
  let module;
  return () => (module ??= load());
}

// This entry need to be wrapped in an IIFE because it need to be in strict mode.
(() => {
"use strict";

// NAMESPACE OBJECT: ./node_modules/@actions/core/lib/platform.js
var platform_namespaceObject = {};
__nccwpck_require__.r(platform_namespaceObject);
__nccwpck_require__.d(platform_namespaceObject, {
  arch: () => (arch),
  getDetails: () => (getDetails),
  isLinux: () => (isLinux),
  isMacOS: () => (isMacOS),
  isWindows: () => (isWindows),
  platform: () => (platform)
});

// NAMESPACE OBJECT: ./node_modules/@actions/core/lib/core.js
var core_namespaceObject = {};
__nccwpck_require__.r(core_namespaceObject);
__nccwpck_require__.d(core_namespaceObject, {
  ExitCode: () => (ExitCode),
  addPath: () => (addPath),
  debug: () => (debug),
  endGroup: () => (endGroup),
  error: () => (error),
  exportVariable: () => (exportVariable),
  getBooleanInput: () => (getBooleanInput),
  getIDToken: () => (getIDToken),
  getInput: () => (getInput),
  getMultilineInput: () => (getMultilineInput),
  getState: () => (getState),
  group: () => (group),
  info: () => (info),
  isDebug: () => (isDebug),
  markdownSummary: () => (markdownSummary),
  notice: () => (notice),
  platform: () => (platform_namespaceObject),
  saveState: () => (saveState),
  setCommandEcho: () => (setCommandEcho),
  setFailed: () => (setFailed),
  setOutput: () => (setOutput),
  setSecret: () => (setSecret),
  startGroup: () => (startGroup),
  summary: () => (summary),
  toPlatformPath: () => (toPlatformPath),
  toPosixPath: () => (toPosixPath),
  toWin32Path: () => (toWin32Path),
  warning: () => (warning)
});

;// CONCATENATED MODULE: external "node:fs"
const external_node_fs_namespaceObject = lazily(() => require("node:fs"));
;// CONCATENATED MODULE: external "node:timers/promises"
const promises_namespaceObject = lazily(() => require("node:timers/promises"));
;// CONCATENATED MODULE: ./build/clock.js
// Owns time and chance, so that everything above can be run in virtual time.

const systemClock = {
    now: () => Number(process.hrtime.bigint()) / 1e6,
    date: () => Date.now(),
    sleep: (ms, signal) => (0,promises_namespaceObject().setTimeout)(ms, undefined, signal === undefined ? {} : { signal }),
    random: () => Math.random(),
};

;// CONCATENATED MODULE: ./build/errors.js
// Owns what can go wrong: one error class, a closed list of codes, and which of them can pass by themselves.
/**
 * Every failure that a user can meet, and whether trying again can help.
 * `docs` and tests key on these names; the annotation shows the sentence, not the code.
 */
const CAN_PASS = {
    /** An input is missing, malformed or out of range. */
    input_invalid: false,
    /** The process was not started the way a runner starts an action, or its Node lacks a feature. */
    runner_unsupported: false,
    /** The name of the Armor host does not resolve. */
    host_unknown: false,
    /** Nobody listens, or the connection broke before a reply began. */
    connection_failed: true,
    /** The reply began and broke off. */
    reply_incomplete: true,
    /** No complete reply in the time that one attempt has. */
    reply_timeout: true,
    /** The certificate of the Armor host is untrusted, expired or for another name. */
    certificate_rejected: false,
    /** The peer does not speak TLS that Node accepts. */
    tls_failed: false,
    /** The proxy, or its way to the Armor host, is down. */
    proxy_failed: true,
    /** The proxy refuses: credentials, policy, or its address is unusable. */
    proxy_refused: false,
    /** A redirect that would carry the credentials elsewhere, turns POST into GET, or never ends. */
    redirect_refused: false,
    /** 401: the pair of app-id and api-key is not accepted. */
    credentials_rejected: false,
    /** 403 */
    access_denied: false,
    /** 404 */
    endpoint_not_found: false,
    /** 400 and every other status that no retry will change. */
    request_rejected: false,
    /** 429 */
    rate_limited: true,
    /** 408 and 5xx */
    server_unavailable: true,
    /** A 200 whose body is no token response (RFC 6749 section 5.1). */
    reply_invalid: false,
    /** A token was issued, and dead before it could be used. */
    token_expired: true,
    /** The token agent did not start, or said why it could not. */
    agent_failed: false,
};
const ERROR_CODES = Object.keys(CAN_PASS);
/**
 * The only error that is raised on purpose. Its message is one sentence of fact and one of remedy, made for
 * the annotation: it never holds a secret, a body, a header or an unquoted word of the server's.
 */
class ArmorError extends Error {
    name = "ArmorError";
    code;
    problem;
    remedy;
    retryAfterMs;
    /**
     * @param problem what failed, and with whom; no full stop at its end
     * @param remedy what to do; one or more whole sentences
     * @param retryAfterMs how long the server asked to be left alone, in ms, where it asked
     */
    constructor(code, problem, remedy, retryAfterMs) {
        super(`${problem}. ${remedy}`);
        this.code = code;
        this.problem = problem;
        this.remedy = remedy;
        this.retryAfterMs = retryAfterMs;
    }
    get canPass() {
        return CAN_PASS[this.code];
    }
    /** The same error with one more fact behind the problem, such as how often it was tried. */
    adding(fact) {
        return new ArmorError(this.code, `${this.problem}, ${fact}`, this.remedy, this.retryAfterMs);
    }
}
/** One line for anything that was thrown. What is no ArmorError is a fault of the action, and says so. */
function messageOf(error, quote) {
    if (error instanceof ArmorError)
        return error.message;
    const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return `Unexpected ${quote(what)}. This is a fault of the action itself: please report this line.`;
}

;// CONCATENATED MODULE: external "node:http"
const external_node_http_namespaceObject = lazily(() => require("node:http"));
const external_node_http_default = external_node_http_namespaceObject;
;// CONCATENATED MODULE: external "node:https"
const external_node_https_namespaceObject = lazily(() => require("node:https"));
const external_node_https_default = external_node_https_namespaceObject;
;// CONCATENATED MODULE: ./build/network-error.js
// Owns what a failure on the wire means, in words for the user. Pure.

/** Nothing came, or not all of it, before the signal aborted. */
function timeoutError({ url, proxy, isReplying }) {
    return new ArmorError("reply_timeout", isReplying ? `${url.origin} began to answer and did not finish` : `No answer from ${via(url, proxy)}`, proxy === undefined
        ? "Check that this runner can reach the host, or raise timeout."
        : "Check that the proxy can reach the host, or raise timeout.");
}
function via(url, proxy) {
    return proxy === undefined ? url.origin : `${url.origin} through the proxy ${proxy.origin}`;
}
const UNTRUSTED = new Set([
    "CERT_SIGNATURE_FAILURE",
    "CERT_UNTRUSTED",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "INVALID_CA",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_GET_ISSUER_CERT",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);
const OUT_OF_DATE = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"]);
const WRONG_NAME = new Set(["ERR_TLS_CERT_ALTNAME_INVALID", "HOSTNAME_MISMATCH"]);
/** OpenSSL's remaining verification results, as Node names them. */
const OTHER_CERTIFICATE_FAULT = /^(CERT|CRL|ERROR_IN_CERT|INVALID_PURPOSE|PATH_LENGTH|UNABLE_TO)_?/;
/** What Node or http-client threw. */
function networkError(error, { url, proxy, isReplying }) {
    const { code: given = "", message = "", statusCode } = error;
    const code = /^\w+$/.test(given) ? given : "";
    if (code === "ERR_PROXY_TUNNEL") {
        return statusCode === undefined
            ? timeoutError({ url, proxy, isReplying })
            : proxyError(statusCode, "", url, proxy);
    }
    // The package `tunnel` has nothing but words for the proxy's status, or for why there is none.
    const [, words] = /^tunneling socket could not be established, (.*)/.exec(message) ?? [];
    if (words !== undefined) {
        const status = /^statusCode=(\d+)/.exec(words)?.[1];
        return proxyError(status === undefined ? undefined : Number(status), words, url, proxy);
    }
    if (UNTRUSTED.has(code)) {
        return new ArmorError("certificate_rejected", `The certificate of ${url.origin} is not signed by an authority that this runner trusts (${code})`, "Give the private CA that signed it, or that of the inspecting proxy, as ca-certificate.");
    }
    if (OUT_OF_DATE.has(code)) {
        return new ArmorError("certificate_rejected", `The certificate of ${url.origin} is expired or not valid yet (${code})`, "Renew it on the server and check this runner's clock; ca-certificate adds authorities and excuses no date.");
    }
    if (WRONG_NAME.has(code)) {
        return new ArmorError("certificate_rejected", `The certificate of ${url.origin} is for another host name (${code})`, "Use the name that the certificate carries in api-url; ca-certificate adds authorities and excuses no name.");
    }
    if (OTHER_CERTIFICATE_FAULT.test(code)) {
        return new ArmorError("certificate_rejected", `The certificate of ${url.origin} was rejected (${code})`, "Check the server's certificate chain and ca-certificate.");
    }
    if (code === "ENOTFOUND") {
        return new ArmorError("host_unknown", `The host ${url.hostname} is not known to this runner's name service`, "Check api-url, and whether this runner needs https_proxy to leave its network.");
    }
    if (code === "EPROTO" || code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_")) {
        return new ArmorError("tls_failed", `${url.origin} does not speak TLS as this runner does (${code})`, "Check the scheme and port in api-url.");
    }
    if (code.startsWith("HPE_")) {
        return new ArmorError("reply_invalid", `${url.origin} answered with something that is not HTTP (${code})`, "Check the scheme, host and port in api-url.");
    }
    return isReplying
        ? new ArmorError("reply_incomplete", `${url.origin} broke off its answer`, "Run the job again later.")
        : new ArmorError("connection_failed", `No connection to ${via(url, proxy)}${code === "" ? "" : ` (${code})`}`, "Check api-url, and that a firewall lets this runner reach it.");
}
/** The proxy answered CONNECT with this status, or could not be asked for a reason that these words name. */
function proxyError(status, words, url, proxy) {
    const where = `The proxy ${proxy?.origin ?? ""}`;
    if (status === 407) {
        return new ArmorError("proxy_refused", `${where} wants other credentials (407)`, "Put user and password, percent-encoded, into https_proxy: http://user:password@host:port.");
    }
    if (status !== undefined && status < 500 && status !== 408 && status !== 429) {
        return new ArmorError("proxy_refused", `${where} refuses the way to ${url.host} (${status})`, "Have the proxy allow this host, or list it in no_proxy if this runner reaches it directly.");
    }
    const cause = status ?? /\b(E[A-Z_]{4,}|[A-Z]+(_[A-Z]+){2,})\b/.exec(words)?.[1];
    return new ArmorError("proxy_failed", `${where} does not connect to ${url.host}${cause === undefined ? "" : ` (${cause})`}`, "Check https_proxy, and that the proxy is up and knows the host.");
}

;// CONCATENATED MODULE: ./build/redirect.js
// Owns where credentials may follow a redirect to. Pure.

const MAX_REDIRECTS = 5;
const VENDOR_DOMAIN = "armor.fortanix.com";
const REDIRECT_STATUS = new Set([301, 302, 303, 307, 308]);
/**
 * A `Send` that follows redirects as the vendor's OpenAPI text demands, but only those that keep method and body
 * (307 and 308, RFC 9110 section 15.4) and stay where the credentials are at home.
 * @throws ArmorError redirect_refused; the other host is sent nothing
 */
function followingRedirects(send) {
    return async (request, signal) => {
        let current = request;
        for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
            const reply = await send(current, signal);
            const target = redirectTarget(reply);
            if (target === undefined)
                return reply;
            current = { ...current, url: target };
        }
        throw refused(`${request.url.origin} redirects more than ${MAX_REDIRECTS} times`);
    };
}
/** @returns where the reply redirects to, undefined where it does not. @throws ArmorError redirect_refused */
function redirectTarget(reply) {
    if (!REDIRECT_STATUS.has(reply.status))
        return undefined;
    const from = reply.url;
    const redirects = `${from.origin} redirects (${reply.status})`;
    const location = reply.headers["location"];
    if (location === undefined)
        throw refused(`${redirects} without saying where to`);
    if (!URL.canParse(location, from.href))
        throw refused(`${redirects} to something that is no address`);
    const target = new URL(location, from);
    if (!isTrustedRedirect(from, target)) {
        const where = target.origin === "null" ? `a ${target.protocol} address` : target.origin;
        throw refused(`${redirects} to ${where}, where the credentials do not belong`);
    }
    if (target.username !== "" || target.password !== "") {
        throw refused(`${redirects} to an address with a user name in it`);
    }
    if (reply.status !== 307 && reply.status !== 308) {
        throw refused(`${redirects} in a way that turns a POST into a GET`);
    }
    target.hash = "";
    return target;
}
/** Same origin, or from one https host of the vendor's to another. */
function isTrustedRedirect(from, to) {
    return from.origin === to.origin || (isVendorHost(from) && isVendorHost(to));
}
function isVendorHost(url) {
    const { protocol, hostname } = url;
    return protocol === "https:" && (hostname === VENDOR_DOMAIN || hostname.endsWith(`.${VENDOR_DOMAIN}`));
}
function refused(problem) {
    return new ArmorError("redirect_refused", problem, "Set api-url to the address that Armor itself answers at.");
}

;// CONCATENATED MODULE: ./build/gateway.js
// Owns the way of a call through to Armor: a streaming reverse proxy to one origin, which puts a live token into
// each request and takes out what belongs to one connection or to somebody else.





/** Belong to one connection (RFC 9110 section 7.6.1), or are the gateway's own to set or to keep back. */
const DROPPED_REQUEST_HEADERS = new Set([
    "authorization",
    "connection",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
]);
const DROPPED_REPLY_HEADERS = new Set([
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "set-cookie",
    "trailer",
    "transfer-encoding",
    "upgrade",
]);
function createGateway(options) {
    const { apiUrl, keeper, clock, stats } = options;
    return async (request, response, target) => {
        const start = clock.now();
        response.on("finish", () => stats.served(response.statusCode, clock.now() - start));
        try {
            const reply = await replyTo(request, response, new URL(apiUrl + target), options);
            if (reply !== undefined)
                passOn(reply, response, options);
        }
        catch (error) {
            if (response.destroyed)
                return;
            const failure = error instanceof ArmorError ? error : unexpected(error);
            stats.failed(failure.code);
            refuse(request, response, failure);
        }
    };
    /** Armor's reply, after one renewal where the token was refused, and redirects where they stay at home. */
    async function replyTo(request, response, url, own) {
        const isRepeatable = (request.method === "GET" || request.method === "HEAD") && !hasBody(request);
        let current = url;
        let isRenewed = false;
        for (let redirects = 0;;) {
            const { accessToken } = await keeper.token();
            if (response.destroyed)
                return undefined;
            const message = await ask(request, response, current, accessToken, isRepeatable, own);
            if (message.statusCode === 401 && keeper.reject(accessToken) && isRepeatable && !isRenewed) {
                isRenewed = true;
                message.destroy();
                continue;
            }
            const redirect = isRepeatable && redirects < MAX_REDIRECTS ? redirectAtHome(message, current, apiUrl) : undefined;
            if (redirect === undefined)
                return { message, url: current };
            redirects += 1;
            message.destroy();
            current = redirect;
        }
    }
}
/** Sends the client's request to Armor, body and all. @throws ArmorError where no reply begins */
function ask(request, response, url, accessToken, isRepeatable, own) {
    return new Promise((resolve, reject) => {
        const { request: open } = url.protocol === "https:" ? (external_node_https_default()) : (external_node_http_default());
        const upstream = open({
            host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
            port: url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port),
            path: url.pathname + url.search,
            method: request.method ?? "GET",
            headers: requestHeaders(request, url, accessToken),
            agent: own.agent,
        });
        let isAnswered = false;
        const circumstances = { url, proxy: own.proxy, isReplying: false };
        // A request that has no socket yet keeps its error to itself, hence both.
        const abandon = (error) => {
            reject(error);
            upstream.destroy(error);
        };
        const late = () => abandon(timeoutError(circumstances));
        // A server may answer before it has read everything: then the rest of the body has nowhere to go, either.
        const leave = () => {
            if (!response.writableFinished || !upstream.writableFinished)
                abandon(new Error("the client left"));
        };
        response.once("close", leave);
        upstream.setTimeout(own.idleMs, late);
        // That timer is the socket's, and behind a proxy there is none until the tunnel stands.
        const waiting = setTimeout(late, own.idleMs);
        upstream.once("socket", () => clearTimeout(waiting));
        upstream.once("close", () => clearTimeout(waiting));
        upstream.once("response", (message) => {
            isAnswered = true;
            resolve(message);
        });
        // Without a listener, Node would drop a connection that switches protocols and say nothing.
        upstream.once("upgrade", (_, socket) => {
            socket.destroy();
            reject(networkError({ code: "HPE_UPGRADE" }, circumstances));
        });
        upstream.on("error", (error) => {
            if (isAnswered)
                return; // the reply's own stream has it too
            response.off("close", leave);
            // A kept connection may have been closed by the server the moment it was used again.
            if (isRepeatable && upstream.reusedSocket && error.code === "ECONNRESET" && !response.destroyed) {
                resolve(ask(request, response, url, accessToken, false, own));
            }
            else {
                reject(error instanceof ArmorError ? error : networkError(error, circumstances));
            }
        });
        if (hasBody(request))
            sendBody(request, upstream);
        else
            upstream.end();
    });
}
/** Not `pipeline`, which would take the client's connection down with Armor's, and the error reply with it. */
function sendBody(request, upstream) {
    request.pipe(upstream);
    upstream.once("error", () => {
        request.unpipe(upstream);
        request.resume();
    });
}
function hasBody({ headers }) {
    return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}
/** Names and values in turn: the client's, less what is dropped, plus Host and a live token. */
function requestHeaders(request, url, accessToken) {
    const headers = kept(request, DROPPED_REQUEST_HEADERS);
    headers.push("Host", url.host, "Authorization", `Bearer ${accessToken}`);
    if (request.headers["transfer-encoding"] !== undefined)
        headers.push("Transfer-Encoding", "chunked");
    return headers;
}
/**
 * The message's headers without these, and without those that its Connection header names; but the length of the
 * body stays, whoever names it: without it the body would be read as the next request.
 */
function kept({ rawHeaders, headers }, dropped) {
    const named = headers.connection
        ?.toLowerCase()
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== "content-length");
    const result = [];
    for (let index = 0; index < rawHeaders.length; index += 2) {
        const name = rawHeaders[index] ?? "";
        const lowerCase = name.toLowerCase();
        if (!dropped.has(lowerCase) && !named?.includes(lowerCase))
            result.push(name, rawHeaders[index + 1] ?? "");
    }
    return result;
}
/** Where a GET goes on inside the trusted origins and below `/api/`; undefined for every other reply. */
function redirectAtHome({ statusCode = 0, headers }, from, apiUrl) {
    const { location } = headers;
    if (!REDIRECT_STATUS.has(statusCode) || location === undefined || !URL.canParse(location, from.href)) {
        return undefined;
    }
    const to = new URL(location, from);
    const isPlain = to.username === "" && to.password === "" && to.pathname.startsWith(`${basePath(apiUrl)}/api/`);
    return isPlain && isTrustedRedirect(from, to) ? to : undefined;
}
/** The path of api-url itself, without a slash at its end. */
function basePath(apiUrl) {
    return new URL(apiUrl).pathname.replace(/\/$/, "");
}
/** Streams the reply to the client. One that breaks off breaks the client's connection too: never a short body. */
function passOn({ message, url }, response, { apiUrl, gatewayPath, stats }) {
    const headers = kept(message, DROPPED_REPLY_HEADERS);
    const inside = redirectAtHome(message, url, apiUrl);
    if (inside !== undefined && inside.origin === new URL(apiUrl).origin) {
        const below = inside.pathname.slice(basePath(apiUrl).length);
        replaceHeader(headers, "location", gatewayPath + below + inside.search);
    }
    try {
        response.writeHead(message.statusCode ?? 502, headers);
    }
    catch {
        // A status or header that Node reads but does not write.
        message.destroy();
        throw networkError({ code: "HPE_UNWRITABLE" }, { url, proxy: undefined, isReplying: false });
    }
    // `pipe` with its one failure handled: `pipeline` makes an AbortController and its error for every call.
    message.once("error", () => {
        if (!response.destroyed)
            stats.failed("reply_incomplete");
        response.destroy();
    });
    message.pipe(response);
}
function replaceHeader(headers, name, value) {
    for (let index = 0; index < headers.length; index += 2) {
        if (headers[index]?.toLowerCase() === name)
            headers[index + 1] = value;
    }
}
/** 504 where time ran out, 502 otherwise. */
function failureStatus(code) {
    return code === "reply_timeout" ? 504 : 502;
}
/** The body has the shape of an OAuth error (RFC 6749 section 5.2). */
function refuse(request, response, failure) {
    const body = JSON.stringify({ error: failure.code, error_description: failure.message });
    response.writeHead(failureStatus(failure.code), {
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(body),
        // What is left of a request body would be read as the next request.
        ...(request.complete ? {} : { Connection: "close" }),
    });
    response.end(body);
}
function unexpected(error) {
    const name = error instanceof Error ? error.name : "failure";
    return new ArmorError("agent_failed", `The token agent met an unexpected ${name}`, "Please report this.");
}

;// CONCATENATED MODULE: external "node:tls"
const external_node_tls_namespaceObject = lazily(() => require("node:tls"));
const external_node_tls_default = external_node_tls_namespaceObject;
// EXTERNAL MODULE: external "http"
const external_http_ = lazily(() => __nccwpck_require__(611));
const external_http_namespaceObject = external_http_;
// EXTERNAL MODULE: external "https"
const external_https_ = lazily(() => __nccwpck_require__(692));
const external_https_namespaceObject = external_https_;
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
const tunnel = lazily(() => __nccwpck_require__(770));
// EXTERNAL MODULE: ./vendor/undici/index.js
const undici = lazily(() => __nccwpck_require__(576));
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
    const proxyUrl = getProxyUrl(new URL(serverUrl));
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
        info.httpModule = usingSsl ? external_https_namespaceObject() : external_http_namespaceObject();
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
            maxSockets = this.requestOptions.maxSockets || external_http_().globalAgent.maxSockets;
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
                tunnelAgent = overHttps ? tunnel().httpsOverHttps : tunnel().httpsOverHttp;
            }
            else {
                tunnelAgent = overHttps ? tunnel().httpOverHttps : tunnel().httpOverHttp;
            }
            agent = tunnelAgent(agentOptions);
            this._proxyAgent = agent;
        }
        // if tunneling agent isn't assigned create a new agent
        if (!agent) {
            const options = { keepAlive: this._keepAlive, maxSockets };
            agent = usingSsl ? new (external_https_()).Agent(options) : new (external_http_()).Agent(options);
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
        proxyAgent = new (undici())/* ProxyAgent */.k(Object.assign({ uri: proxyUrl.href, pipelining: !this._keepAlive ? 0 : 1 }, ((proxyUrl.username || proxyUrl.password) && {
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
;// CONCATENATED MODULE: ./build/http.js
// Owns the wire: one request, one whole reply, or one ArmorError. The only importer of @actions/http-client.






const USER_AGENT = "armor-token-action";
const MAX_REPLY_BYTES = 1024 * 1024;
/** Calls that their clients leave alone leave connections behind, of which a few are enough. */
const KEPT = { keepAlive: true, maxFreeSockets: 32 };
/**
 * @throws ArmorError reply_timeout when the signal aborts first; host_unknown, connection_failed,
 * reply_incomplete, certificate_rejected, tls_failed, proxy_failed, proxy_refused or reply_invalid otherwise
 */
const send = async (request, signal) => {
    const circumstances = { url: request.url, proxy: proxyFor(request.url), isReplying: false };
    const tooLate = rejectionOn(signal, () => timeoutError(circumstances));
    try {
        // A reply such as 101 makes Node drop the connection without a word to http-client: never wait for it alone.
        return await Promise.race([exchange(request, signal, circumstances), tooLate.promise]);
    }
    catch (error) {
        if (error instanceof ArmorError)
            throw error;
        if (signal.aborted)
            throw timeoutError(circumstances);
        // Failures of the wire have a code; what has none is a fault of the action, and is to be called one.
        throw error.code === undefined ? error : networkError(error, circumstances);
    }
    finally {
        tooLate.release();
    }
};
async function exchange(request, signal, circumstances) {
    // Redirects and retries of http-client re-send credentials by rules of its own, so both are off.
    const client = new HttpClient(USER_AGENT, [requestHandler(signal)], {
        allowRedirects: false,
        allowRetries: false,
    });
    const response = await client.request(request.method, request.url.href, request.body, {
        ...request.headers,
    });
    circumstances.isReplying = true;
    const { message } = response;
    const body = await readBody(message, request.url);
    return {
        url: request.url,
        status: message.statusCode ?? 0,
        headers: flatHeaders(message),
        body,
        receivedAt: Date.now(),
    };
}
/** http-client's hook into the options of the request that it is about to make. */
function requestHandler(signal) {
    return {
        prepareRequest(options) {
            options.signal = signal;
            // Inside an URL an IPv6 address stands in brackets, which Node would look up as a name.
            options.host = options.host?.replace(/^\[(.*)\]$/, "$1") ?? null;
            // http-client appends the runner's orchestration id, which is none of Armor's business.
            options.headers = { ...options.headers, "user-agent": USER_AGENT };
            // The package `tunnel` makes its CONNECT request from these options, and has no deadline of its own.
            if (options.agent?.proxyOptions)
                Object.assign(options.agent.proxyOptions, { signal });
        },
        canHandleAuthentication: () => false,
        handleAuthentication: () => Promise.reject(new Error("no authentication handler")),
    };
}
/** `for await` fails on a reply that breaks off; http-client's `readBody` never settles there. */
async function readBody(message, url) {
    const chunks = [];
    let size = 0;
    for await (const chunk of message) {
        size += chunk.length;
        if (size > MAX_REPLY_BYTES) {
            throw new ArmorError("reply_invalid", `${url.origin} answered with more than 1 MiB, which is no token response`, "Check that api-url is the address of the Armor API.");
        }
        chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
}
function flatHeaders(message) {
    return Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]));
}
/** A promise that rejects when the signal aborts, and a way to stop listening. */
function rejectionOn(signal, error) {
    const listening = new AbortController();
    const promise = new Promise((_, reject) => {
        const onAbort = () => reject(error());
        if (signal.aborted)
            onAbort();
        signal.addEventListener("abort", onAbort, { signal: listening.signal });
    });
    return { promise, release: () => listening.abort() };
}
/**
 * Trusts these certificate authorities for every TLS connection of this process, beside those that Node trusts.
 * @param certificates PEM, one certificate each
 * @throws ArmorError runner_unsupported where Node cannot do it
 */
function trustCertificates(certificates) {
    if (typeof (external_node_tls_default()).setDefaultCACertificates !== "function") {
        throw new ArmorError("runner_unsupported", "ca-certificate needs a Node with tls.setDefaultCACertificates, which this runner's does not have", "Update the runner to 2.328.0 or newer, or set NODE_EXTRA_CA_CERTS to the certificate's file.");
    }
    external_node_tls_default().setDefaultCACertificates([...external_node_tls_default().getCACertificates("default"), ...certificates]);
}
/**
 * The way that http-client would take to this URL, with connections that are kept and a limit for the proxy.
 * @throws ArmorError proxy_refused
 */
function keptRoute(url, idleMs) {
    const proxy = proxyFor(url);
    if (proxy === undefined) {
        const { Agent } = url.protocol === "https:" ? (external_node_https_default()) : (external_node_http_default());
        return { agent: new Agent(KEPT), proxy };
    }
    // `tunnel` opens a new connection for every request; Node's own proxy support, from 24.5 on, keeps them. Where
    // Node does not know the option it would go past the proxy, so it has to show that it does.
    const agent = new (external_node_https_default()).Agent({ ...KEPT, timeout: idleMs, proxyEnv: { https_proxy: proxy.href } });
    const knowsProxies = Object.getOwnPropertySymbols(agent).some((symbol) => symbol.description === "kProxyConfig");
    return { agent: knowsProxies ? agent : new HttpClient(USER_AGENT).getAgent(url.href), proxy };
}
/** @returns the proxy that http-client will use, or undefined for none. @throws ArmorError proxy_refused */
function proxyFor(url) {
    const proxy = parseProxy(url);
    if (proxy === undefined || proxy.protocol === "http:" || proxy.protocol === "https:")
        return proxy;
    throw new ArmorError("proxy_refused", `The proxy for ${url.origin} is given as ${proxy.protocol} address, which is not supported`, "Set https_proxy to an http:// or https:// address.");
}
function parseProxy(url) {
    try {
        const href = lib_getProxyUrl(url.href);
        return href === "" ? undefined : new URL(href);
    }
    catch {
        throw new ArmorError("proxy_refused", `The proxy for ${url.origin} is not given as a valid address`, "Set https_proxy to an address such as http://proxy.example.com:3128, with user and password percent-encoded.");
    }
}

;// CONCATENATED MODULE: ./build/keeper.js
// Owns the freshness of the token: one renewal at a time, ahead of need by fractions of its lifetime, no timers.

/** With more than this share of its lifetime left, a token is handed out as it is. */
const FRESH = 1 / 3;
/** Down to this share it is handed out while another is fetched behind the answer; below, callers wait. */
const USABLE = 1 / 6;
/** When no other can be had, a waiting caller gets a token with at least this share left: it has to arrive alive. */
const LAST_RESORT = 1 / 20;
/** How long a failure answers for the next renewal: as long as the server asked, within these bounds. */
const MIN_FAILURE_MS = 1_000;
const MAX_FAILURE_MS = 60_000;
class Keeper {
    #options;
    #current;
    /** Those that were handed out before and may still live. */
    #previous = [];
    /** The access token that the server refused although it should live. */
    #rejected;
    #nextRejectionAt = 0;
    #flight;
    #failure;
    constructor(options) {
        this.#options = options;
        this.#current = options.first;
    }
    /** @returns a token that lives. @throws what the renewal threw, where there is none */
    async token() {
        const share = this.#shareLeft(this.#current);
        if (share > FRESH)
            return this.#current;
        const renewal = this.#renew();
        if (share > USABLE) {
            renewal.catch(() => undefined); // counted already, and the next caller meets it
            return this.#current;
        }
        try {
            return await renewal;
        }
        catch (error) {
            if (this.#shareLeft(this.#current) > LAST_RESORT)
                return this.#current;
            throw error;
        }
    }
    /**
     * To be told when the server refuses a token that should live.
     * @returns whether another token may help: not so where a renewal for this reason was a moment ago
     */
    reject(accessToken) {
        if (accessToken !== this.#current.accessToken)
            return true;
        const now = this.#options.clock.now();
        if (now < this.#nextRejectionAt)
            return false;
        this.#nextRejectionAt = now + this.#current.expiresIn * 1000 * USABLE;
        this.#rejected = accessToken;
        return true;
    }
    /** Every access token whose session may still live. */
    live() {
        return [...this.#previous, this.#current]
            .filter((token) => this.#shareLeft(token) > 0)
            .map(({ accessToken }) => accessToken);
    }
    /** 1 when new, 0 when dead. */
    #shareLeft({ accessToken, requestedAt, expiresIn }) {
        if (accessToken === this.#rejected)
            return 0;
        return 1 - (this.#options.clock.now() - requestedAt) / (expiresIn * 1000);
    }
    #renew() {
        const { clock } = this.#options;
        if (this.#failure !== undefined && clock.now() < this.#failure.until) {
            return Promise.reject(this.#failure.error);
        }
        this.#flight ??= this.#fly().finally(() => {
            this.#flight = undefined;
        });
        return this.#flight;
    }
    async #fly() {
        const { mint, clock, onMint, onFailure } = this.#options;
        try {
            const token = await mint();
            onMint();
            this.#previous = [...this.#previous, this.#current].filter((old) => this.#shareLeft(old) > 0);
            this.#current = token;
            this.#rejected = undefined;
            this.#failure = undefined;
            if (this.#shareLeft(token) <= 0)
                throw expiredOnArrival();
            return token;
        }
        catch (error) {
            onFailure(error);
            const askedMs = error instanceof ArmorError ? (error.retryAfterMs ?? 0) : 0;
            const holdsMs = Math.min(Math.max(askedMs, MIN_FAILURE_MS), MAX_FAILURE_MS);
            this.#failure = { error, until: clock.now() + holdsMs };
            throw error;
        }
    }
}
function expiredOnArrival() {
    return new ArmorError("token_expired", "The access token had expired before it arrived", "Check the network between this runner and Armor.");
}

;// CONCATENATED MODULE: ./build/outputs.js
// Owns what the step hands on: mask first, then output. The only place that does either.
/** Registers masks for these texts with the runner; they hold for what is printed afterwards, by any step. */
function mask(sink, secrets) {
    for (const secret of secrets)
        sink.setSecret(secret);
}
/** Masks the token and sets the outputs that action.yml describes. */
function setTokenOutputs(sink, token) {
    mask(sink, [token.accessToken]);
    sink.setOutput("access-token", token.accessToken);
    sink.setOutput("token-type", "Bearer");
    sink.setOutput("expires-in", String(token.expiresIn));
    sink.setOutput("expires-at", isoDate(token.expiresAt));
}
/** Masks the capability and sets the outputs with which a step reaches the token agent. */
function setAgentOutputs(sink, { capability, gatewayUrl, command }) {
    mask(sink, [capability]);
    sink.setOutput("gateway-url", gatewayUrl);
    sink.setOutput("token-command", command);
}
/** Lets all later steps reach the token agent without being told; to be called after its outputs are set. */
function exportAgent(sink, { gatewayUrl, bin }) {
    sink.exportVariable("ARMOR_GATEWAY_URL", gatewayUrl);
    sink.addPath(bin);
}
/** ISO 8601, UTC, whole seconds rounded down: what it promises, the token keeps. */
function isoDate(msSinceEpoch) {
    return new Date(msSinceEpoch).toISOString().replace(/\.\d+Z$/, "Z");
}

;// CONCATENATED MODULE: ./build/quote.js
// Owns how text is made fit to print: scrubbed of secrets and, where somebody else wrote it, one short harmless line.
const QUOTE_LENGTH = 200;
/** What is neither a visible character nor a plain space: controls, line ends, zero-width and bidi marks. */
const INVISIBLE = /[\p{C}\p{Z}]+/gu;
/**
 * A `Quote` for a job with these secrets. Scrubbing ignores case, because a host name that echoes a key arrives
 * in small letters, and is done on both sides of the clean-up, because cleaning up can put a torn secret together.
 */
function quoteWithout(secrets) {
    const scrub = scrubber(secrets);
    return (text) => {
        const clean = scrub(scrub(text).replace(INVISIBLE, " ").replace(/:{2,}/g, ":").replaceAll("##[", "["));
        const line = clean.trim();
        return line.length > QUOTE_LENGTH ? `${line.slice(0, QUOTE_LENGTH)}…` : line;
    };
}
/** Replaces every secret by `***`, in any case of letters. The last gate of everything that is printed. */
function scrubber(secrets) {
    if (secrets.length === 0)
        return (text) => text;
    const longestFirst = secrets.toSorted((a, b) => b.length - a.length);
    const pattern = new RegExp(longestFirst.map(escapePattern).join("|"), "giu");
    return (text) => text.replace(pattern, "***");
}
/** Node 20, which the runner uses on 32-bit ARM, has no `RegExp.escape`. */
function escapePattern(text) {
    return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

;// CONCATENATED MODULE: ./build/oauth.js
// Owns the protocol: what to ask Armor for, and how to judge what it answers. Pure: no I/O, no clock.

const TOKEN_PATH = "/api/v1/iam/session/oauth2/token";
const TERMINATE_PATH = "/api/v1/iam/session/terminate";
/** Armor wants this header on its session endpoints, holding two double quotes (vendor's article). */
const CSRF_HEADER = { "X-Csrf-Header": '""' };
/** Seconds that a token lives where the reply does not say so (vendor's article). */
const DEFAULT_EXPIRES_IN = 60;
/** 68 years. What lies above is no lifetime, and would leave the range of dates. */
const MAX_EXPIRES_IN = 2 ** 31 - 1;
/** application/x-www-form-urlencoded, as RFC 6749 appendix B defines it. */
function formEncode(text) {
    return new URLSearchParams([["", text]]).toString().slice(1);
}
/**
 * The pairs to try in HTTP Basic, in this order: form-encoded first (RFC 6749 section 2.3.1, vendor's OpenAPI
 * text), then as the vendor's article joins them. One pair where both are the same, or where a colon in the
 * app id would make the raw pair mean another client.
 */
function basicPairs({ appId, apiKey }) {
    const encoded = `${formEncode(appId)}:${formEncode(apiKey)}`;
    const raw = `${appId}:${apiKey}`;
    return raw === encoded || appId.includes(":") ? [encoded] : [encoded, raw];
}
/** The access token request of RFC 6749 section 4.4.2. `apiUrl` ends without a slash. */
function tokenRequest(apiUrl, basicPair) {
    return {
        method: "POST",
        url: new URL(apiUrl + TOKEN_PATH),
        headers: {
            ...CSRF_HEADER,
            Accept: "application/json",
            Authorization: `Basic ${Buffer.from(basicPair, "utf8").toString("base64")}`,
            "Content-Type": "application/x-www-form-urlencoded",
        },
        body: "grant_type=client_credentials",
    };
}
/** Ends the session that the token stands for. */
function terminateRequest(apiUrl, accessToken) {
    return {
        method: "POST",
        url: new URL(apiUrl + TERMINATE_PATH),
        headers: { ...CSRF_HEADER, Accept: "application/json", Authorization: `Bearer ${accessToken}` },
        body: "",
    };
}
/** @throws ArmorError whenever the reply is not a token response. */
function judgeToken(reply, quote) {
    if (reply.status !== 200)
        throw statusError(reply, quote);
    const fields = parseObject(reply.body);
    if (fields === undefined) {
        const what = reply.body.trimStart().startsWith("<") ? "a web page" : "something else";
        throw invalidReply(reply, `${what} instead of a JSON object`);
    }
    if (fields["error"] !== undefined && fields["error"] !== null) {
        throw invalidReply(reply, `an OAuth error instead of a token ${saidBy(fields, quote)}`.trimEnd());
    }
    return {
        accessToken: accessTokenOf(fields, reply),
        expiresIn: expiresInOf(fields, reply),
    };
}
function accessTokenOf(fields, reply) {
    const token = fields["access_token"];
    if (typeof token !== "string" || token === "")
        throw invalidReply(reply, "no access_token");
    if (!/^[\x21-\x7e]+$/.test(token)) {
        throw invalidReply(reply, "an access_token with characters that no header can carry");
    }
    const type = fields["token_type"];
    if (type !== undefined && (typeof type !== "string" || type.toLowerCase() !== "bearer")) {
        throw invalidReply(reply, "a token_type other than Bearer");
    }
    return token;
}
function expiresInOf(fields, reply) {
    const value = fields["expires_in"] === undefined ? DEFAULT_EXPIRES_IN : fields["expires_in"];
    const isNumeric = typeof value === "string" && /^\d+(\.\d+)?$/.test(value);
    const seconds = typeof value === "number" ? value : isNumeric ? Number(value) : Number.NaN;
    if (seconds > 0 && seconds <= MAX_EXPIRES_IN)
        return seconds;
    throw invalidReply(reply, "an expires_in that is no number of seconds above 0");
}
/** @throws ArmorError unless the session has ended; a session that had already ended counts as `false`. */
function judgeTerminate(reply, quote) {
    if (reply.status === 401)
        return false;
    if (reply.status >= 200 && reply.status < 300)
        return true;
    throw statusError(reply, quote);
}
/** How a reply that is no success reads to the user: by status, with the server's own words where they help. */
function statusError(reply, quote) {
    const fields = parseObject(reply.body);
    const said = fields === undefined ? "" : saidBy(fields, quote);
    const answered = `${reply.url.origin} answered ${reply.status}${said === "" ? "" : ` ${said}`}`;
    const wait = retryAfterMs(reply);
    switch (reply.status) {
        case 401:
            return new ArmorError("credentials_rejected", `Armor does not accept this client app: ${answered}`, "Check that app-id and api-key are of the same client app, copied whole, and that the app is enabled.");
        case 403:
            return new ArmorError("access_denied", `Armor denies access: ${answered}`, "Check the client app's permissions, and whether a firewall or an IP allow-list covers this runner.");
        case 404:
            return new ArmorError("endpoint_not_found", `This is not the Armor API: ${answered}`, "Check api-url: it is the address of the Armor API, without a path of its own.");
        case 429:
            return new ArmorError("rate_limited", `Armor limits how often it is asked: ${answered}`, "Start the workflow at another minute, or raise timeout.", wait);
        default:
            return reply.status === 408 || reply.status >= 500
                ? new ArmorError("server_unavailable", `Armor is not available: ${answered}`, "Run the job again later, or raise timeout.", wait)
                : new ArmorError("request_rejected", `Armor did not issue a token: ${answered}`, "Check that api-url is the address of the Armor API, and app-id and api-key those of a client app.");
    }
}
function invalidReply(reply, what) {
    return new ArmorError("reply_invalid", `${reply.url.origin} answered with ${what}`, "Check that api-url is the address of the Armor API, not of a web page or of a proxy's sign-in.");
}
function parseObject(body) {
    try {
        const value = JSON.parse(body);
        return typeof value === "object" && value !== null && !Array.isArray(value)
            ? value
            : undefined;
    }
    catch {
        return undefined;
    }
}
/**
 * `error` and `error_description` (RFC 6749 section 5.2), fit to print; empty where there are none, and where a
 * token stands beside them, which the words could repeat before it has a mask.
 */
function saidBy(fields, quote) {
    if (fields["access_token"] !== undefined)
        return "";
    const [code, description] = [fields["error"], fields["error_description"]].map((value) => typeof value === "string" ? quote(value) : "");
    return [code, description && `("${description}")`].filter(Boolean).join(" ");
}
/**
 * `Retry-After` in ms, from seconds or from a date (RFC 9110 section 10.2.3). A date is measured against the
 * server's own `Date`, so that a runner whose clock is off waits just as long.
 */
function retryAfterMs(reply) {
    const value = reply.headers["retry-after"]?.trim();
    if (value === undefined || value === "")
        return undefined;
    if (/^\d+$/.test(value))
        return Number(value) * 1000;
    const until = Date.parse(value);
    if (Number.isNaN(until))
        return undefined;
    const serverTime = Date.parse(reply.headers["date"] ?? "");
    return Math.max(0, until - (Number.isNaN(serverTime) ? reply.receivedAt : serverTime));
}

;// CONCATENATED MODULE: ./build/secrets.js
// Owns the forms in which a client app's key travels or could be printed.

/**
 * Every form of the key that is worth a mask, each once. The runner derives base64 of the
 * whole value and some escapes by itself; it does not know base64url, unpadded base64, percent-encoding, form
 * encoding, or a key inside the base64 of a Basic pair (actions/runner, ValueEncoders.cs).
 * The app id is never among them: the runner drops a job output that contains a masked text.
 */
function secretForms(credentials) {
    const key = credentials.apiKey.toWellFormed();
    if (key === "")
        return [];
    const texts = [key, encodeURIComponent(key), formEncode(key)];
    const lowerCase = texts.map((text) => text.replace(/%[0-9A-F]{2}/g, (triplet) => triplet.toLowerCase()));
    // The raw pair also where it is never sent: others may have made it of the same secrets.
    const pairs = [...basicPairs(credentials), `${credentials.appId}:${key}`];
    const encoded = [key, formEncode(key), ...pairs].flatMap(base64Forms);
    return [...new Set([...texts, ...lowerCase, ...encoded])];
}
function base64Forms(text) {
    const bytes = Buffer.from(text, "utf8");
    const padded = bytes.toString("base64");
    const urlSafe = bytes.toString("base64url");
    const padding = padded.slice(padded.replace(/=+$/, "").length);
    return [padded, padded.replace(/=+$/, ""), urlSafe + padding, urlSafe];
}

;// CONCATENATED MODULE: external "node:crypto"
const external_node_crypto_namespaceObject = lazily(() => require("node:crypto"));
;// CONCATENATED MODULE: ./build/guard.js
// Owns who may ask the token agent for what. Pure checks in a fixed order, before anything is done.

/** What browsers and reverse proxies add, and programs of this job do not: a web page must not reach the agent. */
const FOREIGN_HEADERS = /^(origin|referer|sec-fetch-site|x-forwarded-.*)$/;
function judgeRequest(knock, door) {
    return foreign(knock, door) ?? misaddressed(knock, door) ?? routed(knock, door);
}
function isRefusal(verdict) {
    return "status" in verdict;
}
function foreign({ rawHeaders }, { host }) {
    const names = rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
    const hosts = rawHeaders.filter((_, index) => index % 2 === 1 && names[(index - 1) / 2] === "host");
    if (hosts.length !== 1 || hosts[0] !== host) {
        return refusal(403, "foreign_request", "The Host header is not the one of ARMOR_GATEWAY_URL.");
    }
    const name = names.find((header) => FOREIGN_HEADERS.test(header));
    if (name !== undefined) {
        return refusal(403, "foreign_request", `Requests with a header ${name} are not of this job.`);
    }
    if (names.includes("upgrade")) {
        return refusal(400, "bad_target", "The gateway does not switch protocols.");
    }
    return undefined;
}
/** Only `/CAPABILITY/…`: no absolute form, no asterisk (RFC 9112 section 3.2), and the capability must be right. */
function misaddressed({ target }, { capability }) {
    if (!target.startsWith("/"))
        return refusal(400, "bad_target", "The request target is not a path.");
    const given = target.slice(1, capability.length + 1);
    const isRight = isSame(given, capability) && target[capability.length + 1] === "/";
    return isRight
        ? undefined
        : refusal(403, "wrong_capability", "Use ARMOR_GATEWAY_URL as it is, and add a path.");
}
function isSame(given, expected) {
    const [a, b] = [Buffer.from(given, "utf8"), Buffer.from(expected, "utf8")];
    return a.length === b.length && (0,external_node_crypto_namespaceObject().timingSafeEqual)(a, b);
}
function routed({ method, target }, { capability }) {
    const below = target.slice(capability.length + 1);
    if (below === "/token")
        return method === "GET" ? { route: "token" } : wrongMethod("GET");
    if (below === "/stop")
        return method === "POST" ? { route: "stop" } : wrongMethod("POST");
    if (!below.startsWith("/api/")) {
        return refusal(404, "not_found", "There are /api/…, /token and /stop.");
    }
    return isPlainTarget(below)
        ? { route: "api", target: below }
        : refusal(400, "bad_target", "The path has dot segments, encoded separators or characters that no path has.");
}
/**
 * Whether every reader of this target sees the same path, and it stays below `/api/`: no dot segments, also not with
 * blanks around them or before a path parameter, no backslashes, no encoded separators, however often somebody
 * decodes; visible ASCII only, and no fragment.
 */
function isPlainTarget(target) {
    if (!/^[\x21-\x7e]+$/.test(target) || target.includes("#"))
        return false;
    const [path = ""] = target.split("?", 1);
    return path.split("/").every(isPlainSegment);
}
function isPlainSegment(segment) {
    if (/^\w[\w-]*$/.test(segment))
        return true; // nearly all are like this
    let text = segment;
    for (let decodings = 0; decodings < 4; decodings += 1) {
        if (/^\s*\.{1,2}\s*(;|$)|[/\\\p{Cc}]/u.test(text))
            return false;
        const decoded = decode(text);
        if (decoded === undefined)
            return decodings > 0; // behind one decoding, a lone % is a character like others
        if (decoded === text)
            return true;
        text = decoded;
    }
    return false;
}
function decode(text) {
    try {
        return decodeURIComponent(text);
    }
    catch {
        return undefined;
    }
}
function wrongMethod(allowed) {
    return refusal(405, "method_not_allowed", `This takes ${allowed} only.`);
}
function refusal(status, error, description) {
    return { status, error, description };
}

;// CONCATENATED MODULE: ./build/server.js
// Owns the token agent's listener on loopback: limits, the guard, and the routes behind it.


const MAX_HEADER_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 1024;
/** Connections that have not shown the capability yet; the oldest makes room, so that strangers cannot fill the house. */
const MAX_STRANGERS = 64;
const IDLE_MS = 10_000;
/** Refusals per second that are answered; beyond, connections are closed without a word. */
const MAX_REFUSALS_PER_SECOND = 50;
/**
 * Listens on a free port of 127.0.0.1. `routes` are made when the port is known.
 * @param idleMs how long a client may take for its headers, or keep a connection without a request
 */
async function listen(capability, stats, now, makeRoutes, idleMs = IDLE_MS) {
    const server = (0,external_node_http_namespaceObject().createServer)({
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: idleMs,
        connectionsCheckingInterval: idleMs / 5,
        keepAliveTimeout: idleMs,
        requestTimeout: 0, // an upload may take long; a silent one is the gateway's to end
    });
    server.maxConnections = MAX_CONNECTIONS;
    await new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address();
    const routes = makeRoutes(port);
    const door = { host: `127.0.0.1:${port}`, capability };
    const strangers = new Set();
    const allowsRefusal = limiter(now);
    server.on("connection", (socket) => {
        strangers.add(socket);
        socket.once("close", () => strangers.delete(socket));
        const [oldest] = strangers;
        if (strangers.size > MAX_STRANGERS)
            oldest?.destroy();
    });
    server.on("request", (request, response) => {
        const verdict = judgeRequest(knockOf(request), door);
        if (isRefusal(verdict)) {
            stats.refused();
            if (allowsRefusal())
                turnAway(response, verdict);
            else
                request.socket.destroy();
            return;
        }
        strangers.delete(request.socket);
        routes.onRequest();
        if (verdict.route === "api")
            routes.gateway(request, response, verdict.target);
        else
            routes[verdict.route](response);
    });
    server.on("connect", (_, socket) => {
        stats.refused();
        socket.end("HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
    server.on("clientError", (error, socket) => {
        stats.refused();
        if (error.code === "ECONNRESET" || !socket.writable)
            socket.destroy();
        else
            socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
    return { port, server };
}
function knockOf({ method = "", url = "", rawHeaders }) {
    return { method, target: url, rawHeaders };
}
function turnAway(response, { status, error, description }) {
    const body = JSON.stringify({ error, error_description: description });
    response.writeHead(status, {
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(body),
        Connection: "close",
    });
    response.end(body);
}
/** True for the first so many in each second. */
function limiter(now) {
    let second = 0;
    let count = 0;
    return () => {
        const current = Math.floor(now() / 1000);
        count = current === second ? count + 1 : 1;
        second = current;
        return count <= MAX_REFUSALS_PER_SECOND;
    };
}

;// CONCATENATED MODULE: ./build/stats.js
// Owns what the token agent counts, for the post step to tell.
const SAMPLES = 4096;
class Stats {
    /** The token that the agent began with is one. */
    #minted = 1;
    #refused = 0;
    #served = 0;
    #slowestMs = 0;
    #calls = new Map();
    #failures = new Map();
    #durationsMs = new Float32Array(SAMPLES);
    minted() {
        this.#minted += 1;
    }
    refused() {
        this.#refused += 1;
    }
    failed(code) {
        increment(this.#failures, code);
    }
    served(status, durationMs) {
        increment(this.#calls, `${Math.floor(status / 100)}xx`);
        this.#durationsMs[this.#served % SAMPLES] = durationMs;
        this.#served += 1;
        this.#slowestMs = Math.max(this.#slowestMs, durationMs);
    }
    report() {
        const durations = this.#durationsMs.slice(0, Math.min(this.#served, SAMPLES)).sort();
        return {
            minted: this.#minted,
            calls: Object.fromEntries([...this.#calls].sort()),
            medianMs: durations[durations.length >> 1] ?? 0,
            slowestMs: this.#slowestMs,
            failures: Object.fromEntries([...this.#failures].sort()),
            refused: this.#refused,
        };
    }
}
function increment(counts, key) {
    counts.set(key, (counts.get(key) ?? 0) + 1);
}

;// CONCATENATED MODULE: ./build/retry.js
// Owns patience: when to try again, how long to wait before, and when to stop. The only loop that sleeps.

const FIRST_BACKOFF_MS = 500;
/** A 429 is no glitch but a crowd, and one that comes back soon finds itself (docs/benchmarks.md). */
const FIRST_CROWD_BACKOFF_MS = 4_000;
const MAX_BACKOFF_MS = 8_000;
/** One attempt gets half of what is left, so that a stalled one leaves room for another, but not less than this. */
const MIN_ATTEMPT_LIMIT_MS = 5_000;
/** With less than this left, an attempt would only replace a telling error by a time-out. */
const MIN_ATTEMPT_MS = 250;
/**
 * Runs the attempt until it succeeds, fails for good, or the time is up. The attempt gets a signal that aborts
 * at its own deadline, and settles then.
 * @throws the attempt's last error; an ArmorError that could have passed says how often it was tried
 */
async function retry(attempt, { clock, timeoutMs, onRetry }) {
    const start = clock.now();
    for (let tries = 1;; tries += 1) {
        try {
            return await limited(attempt, attemptLimit(start + timeoutMs - clock.now()), clock);
        }
        catch (error) {
            if (!(error instanceof ArmorError) || !error.canPass)
                throw error;
            const elapsedMs = clock.now() - start;
            const askedMs = error.retryAfterMs ?? 0;
            const spareMs = timeoutMs - elapsedMs - MIN_ATTEMPT_MS - askedMs;
            // Where the server named no time, one more attempt needs some room, or a crowd's last ones would all come at once.
            if (spareMs < (askedMs > 0 ? 0 : FIRST_BACKOFF_MS))
                throw gaveUp(error, tries, elapsedMs, timeoutMs);
            const pauseMs = askedMs + clock.random() * Math.min(backoff(error, tries), spareMs);
            onRetry(error, pauseMs);
            await clock.sleep(pauseMs);
        }
    }
}
function attemptLimit(leftMs) {
    return Math.min(leftMs, Math.max(leftMs / 2, MIN_ATTEMPT_LIMIT_MS));
}
/** Runs the attempt with a signal that aborts after `limitMs`. */
async function limited(attempt, limitMs, clock) {
    const deadline = new AbortController();
    const settled = new AbortController();
    clock.sleep(limitMs, settled.signal).then(() => deadline.abort(), () => undefined);
    try {
        return await attempt(deadline.signal);
    }
    finally {
        settled.abort();
    }
}
/**
 * The longest pause. Exponential, and drawn from zero up ("full jitter"): many jobs that failed together must not come
 * back together (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). Where the server named a
 * time, that time comes first and the jitter after it. What does not fit into `timeout` is cut off, so that a job uses
 * all of it.
 */
function backoff({ code }, tries) {
    const firstMs = code === "rate_limited" ? FIRST_CROWD_BACKOFF_MS : FIRST_BACKOFF_MS;
    return Math.min(MAX_BACKOFF_MS, firstMs * 2 ** (tries - 1));
}
function gaveUp(error, tries, elapsedMs, timeoutMs) {
    const tried = `tried ${tries === 1 ? "once" : `${tries} times`} in ${seconds(elapsedMs)}`;
    const askedMs = error.retryAfterMs;
    return error.adding(askedMs === undefined
        ? tried
        : `${tried}; it asks to wait ${seconds(askedMs)}, and ${seconds(timeoutMs - elapsedMs)} of timeout are left`);
}
/** For people: tenths below ten seconds, whole ones above, and no astronomy. */
function seconds(ms) {
    if (ms > 86_400_000)
        return "more than a day";
    return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

;// CONCATENATED MODULE: ./build/token.js
// Owns a token's two ends: fetching it and ending its session, each as retry ∘ redirects ∘ send ∘ oauth.



/**
 * Exchanges the client app's credentials for an access token (RFC 6749 section 4.4).
 * @throws ArmorError
 */
async function fetchToken(armor, credentials) {
    return await retry(async (signal) => {
        const { reply, sentAt, requestedAt } = await token_ask(armor, credentials, signal);
        const { accessToken, expiresIn } = judgeToken(reply, armor.quote);
        return { accessToken, expiresIn, expiresAt: sentAt + expiresIn * 1000, requestedAt };
    }, armor);
}
/** Asks with the form-encoded pair and, where that makes a difference and is answered by 401, with the raw one. */
async function token_ask({ apiUrl, send, clock }, credentials, signal) {
    const follow = followingRedirects(send);
    const askWith = async (pair) => {
        const [sentAt, requestedAt] = [clock.date(), clock.now()];
        return { reply: await follow(tokenRequest(apiUrl, pair), signal), sentAt, requestedAt };
    };
    const [encoded, raw] = basicPairs(credentials);
    const first = await askWith(encoded);
    if (first.reply.status !== 401 || raw === undefined)
        return first;
    const second = await askWith(raw);
    // A server that insists on the encoding calls the raw pair malformed; what it said to the first one is the news.
    return second.reply.status === 400 ? first : second;
}
/**
 * Ends the session that the token stands for.
 * @returns whether there still was one
 * @throws ArmorError
 */
async function endSession(armor, accessToken) {
    const follow = followingRedirects(armor.send);
    return await retry(async (signal) => {
        const reply = await follow(terminateRequest(armor.apiUrl, accessToken), signal);
        return judgeTerminate(reply, armor.quote);
    }, armor);
}

;// CONCATENATED MODULE: ./build/agent.js
// The token agent: a foreground program that reads its configuration from stdin, says one line when it is ready,
// and then serves live tokens and the gateway until it is told to stop, or nobody can need it any more.












const FOLDER_CHECK_MS = 1_000;
const MAX_UNASKED_MS = 24 * 3600 * 1000;
const END_SESSION_MS = 3_000;
/** Runs until the agent ends. Sets `process.exitCode` to 0 if it served. Never throws. */
async function agent(_env, crash, { stdin, stdout } = process, clock = systemClock) {
    let quote = () => "";
    stdout.on("error", () => undefined); // nobody listens any more
    const greet = (greeting) => stdout.write(`${JSON.stringify(greeting)}\n`);
    try {
        const config = JSON.parse(await readAll(stdin));
        quote = quoteWithout(secretForms(config.credentials));
        await Promise.race([serve(config, quote, greet, clock), crash]);
        process.exitCode = 0;
    }
    catch (error) {
        greet({ problem: messageOf(error, quote) });
    }
}
async function readAll(stream) {
    const chunks = [];
    for await (const chunk of stream)
        chunks.push(chunk);
    return Buffer.concat(chunks).toString("utf8");
}
async function serve(config, quote, greet, clock) {
    const { apiUrl, capability, certificates, credentials, folder, idleMs, timeoutMs } = config;
    if (certificates.length > 0)
        trustCertificates(certificates);
    const { agent: route, proxy } = keptRoute(new URL(apiUrl), idleMs);
    const stats = new Stats();
    const armor = { apiUrl, send: send, clock, timeoutMs, quote, onRetry: () => undefined };
    const keeper = new Keeper({
        first: { ...config.first, requestedAt: clock.now() - sinceRequest(config.first, clock.date()) },
        mint: () => fetchToken(armor, credentials),
        clock,
        onMint: () => stats.minted(),
        onFailure: (error) => stats.failed(error instanceof ArmorError ? error.code : "agent_failed"),
    });
    let lastAsked = clock.now();
    let end = () => undefined;
    const ended = new Promise((resolve) => {
        end = resolve;
    });
    const { port, server } = await listen(capability, stats, clock.now, (ownPort) => ({
        gateway: createGateway({
            apiUrl,
            gatewayPath: `http://127.0.0.1:${ownPort}/${capability}`,
            keeper,
            agent: route,
            proxy,
            idleMs,
            clock,
            stats,
        }),
        token: (response) => answerToken(keeper, clock, response),
        async stop(response) {
            const farewell = {
                report: stats.report(),
                ended: config.terminateSession ? await endSessions(keeper, armor) : 0,
            };
            response.once("close", end);
            answer(response, 200, farewell);
        },
        onRequest() {
            lastAsked = clock.now();
        },
    }));
    const watch = setInterval(() => {
        if (!(0,external_node_fs_namespaceObject().existsSync)(folder) || clock.now() - lastAsked > MAX_UNASKED_MS)
            end();
    }, FOLDER_CHECK_MS);
    process.once("SIGTERM", end);
    greet({ port });
    await ended;
    clearInterval(watch);
    server.close();
    server.closeAllConnections();
}
/** Ms since the request that got the token; the two clocks belong to one machine. */
function sinceRequest({ expiresAt, expiresIn }, date) {
    return date - (expiresAt - expiresIn * 1000);
}
async function answerToken(keeper, clock, response) {
    try {
        const { accessToken, expiresAt } = await keeper.token();
        answer(response, 200, {
            access_token: accessToken,
            token_type: "Bearer",
            expires_in: Math.max(0, Math.floor((expiresAt - clock.date()) / 1000)),
            expires_at: isoDate(expiresAt),
        });
    }
    catch (error) {
        const { code, message } = error instanceof ArmorError ? error : { code: "agent_failed", message: "The token agent failed." };
        answer(response, failureStatus(code), { error: code, error_description: message });
    }
}
function answer(response, status, body) {
    response
        .writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" })
        .end(JSON.stringify(body));
}
/** @returns how many of the sessions that may still live were ended; the others end by themselves */
async function endSessions(keeper, armor) {
    const brief = { ...armor, timeoutMs: END_SESSION_MS };
    const results = await Promise.allSettled(keeper.live().map((token) => endSession(brief, token)));
    return results.filter((result) => result.status === "fulfilled" && result.value).length;
}

;// CONCATENATED MODULE: ./build/exit.js
// Owns the end of the process: what was printed has arrived, and nothing that is still open delays it.
/** Ends the process with its `exitCode`, open sockets or not. */
async function exit(process) {
    await new Promise((resolve) => process.stdout.write("", resolve));
    // exit() joins the thread that a name look-up runs on, and a resolver that never answers holds it for as long
    // as the system's resolver is patient, commonly 10 s and more. Only another program in this process's place
    // ends at once, with the same exit code.
    if (process.execve !== undefined && process.getActiveResourcesInfo().includes("GetAddrInfoReqWrap")) {
        try {
            process.execve(process.execPath, [process.execPath, "-e", `process.exit(${process.exitCode})`], {});
        }
        catch {
            // Windows has no execve; nor does it wait for that thread.
        }
    }
    process.exit();
}

;// CONCATENATED MODULE: external "node:path"
const external_node_path_namespaceObject = lazily(() => require("node:path"));
;// CONCATENATED MODULE: external "os"
const external_os_namespaceObject = lazily(() => require("os"));
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
function toCommandProperties(annotationProperties) {
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
function issueCommand(command, properties, message) {
    const cmd = new Command(command, properties, message);
    process.stdout.write(cmd.toString() + external_os_namespaceObject().EOL);
}
function issue(name, message = '') {
    issueCommand(name, {}, message);
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
const external_crypto_namespaceObject = lazily(() => require("crypto"));
;// CONCATENATED MODULE: external "fs"
const external_fs_namespaceObject = lazily(() => require("fs"));
;// CONCATENATED MODULE: ./node_modules/@actions/core/lib/file-command.js
// For internal use, subject to change.
// We use any as a valid input type
/* eslint-disable @typescript-eslint/no-explicit-any */




function issueFileCommand(command, message) {
    const filePath = process.env[`GITHUB_${command}`];
    if (!filePath) {
        throw new Error(`Unable to find environment variable for file command ${command}`);
    }
    if (!external_fs_namespaceObject().existsSync(filePath)) {
        throw new Error(`Missing file at path: ${filePath}`);
    }
    external_fs_namespaceObject().appendFileSync(filePath, `${toCommandValue(message)}${external_os_namespaceObject().EOL}`, {
        encoding: 'utf8'
    });
}
function prepareKeyValueMessage(key, value) {
    const delimiter = `ghadelimiter_${external_crypto_namespaceObject().randomUUID()}`;
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
    return `${key}<<${delimiter}${external_os_namespaceObject().EOL}${convertedValue}${external_os_namespaceObject().EOL}${delimiter}`;
}
//# sourceMappingURL=file-command.js.map
;// CONCATENATED MODULE: external "path"
const external_path_namespaceObject = lazily(() => require("path"));
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
class BearerCredentialHandler {
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



class OidcClient {
    static createHttpClient(allowRetry = true, maxRetry = 10) {
        const requestOptions = {
            allowRetries: allowRetry,
            maxRetries: maxRetry
        };
        return new HttpClient('actions/oidc-client', [new BearerCredentialHandler(OidcClient.getRequestToken())], requestOptions);
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
            const httpclient = OidcClient.createHttpClient();
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
                let id_token_url = OidcClient.getIDTokenUrl();
                if (audience) {
                    const encodedAudience = encodeURIComponent(audience);
                    id_token_url = `${id_token_url}&audience=${encodedAudience}`;
                }
                debug(`ID token url is ${id_token_url}`);
                const id_token = yield OidcClient.getCall(id_token_url);
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


const { access, appendFile, writeFile } = external_fs_namespaceObject().promises;
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
                yield access(pathFromEnv, external_fs_namespaceObject().constants.R_OK | external_fs_namespaceObject().constants.W_OK);
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
        return this.addRaw(external_os_namespaceObject().EOL);
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
const markdownSummary = _summary;
const summary = _summary;
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
    return pth.replace(/[/\\]/g, external_path_namespaceObject().sep);
}
//# sourceMappingURL=path-utils.js.map
;// CONCATENATED MODULE: ./vendor/exec/index.js
// @actions/core imports @actions/exec for one method, platform.getDetails, which this action never calls. Bundled, it
// and @actions/io would be a fifth of dist/: more than a thousand lines that run programs and change files. Should
// anything ever reach for it, it fails loudly.

function getExecOutput() {
  throw new Error("@actions/exec is not part of this action: platform.getDetails must not be called");
}

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
    const { stdout: version } = yield getExecOutput('powershell -command "(Get-CimInstance -ClassName Win32_OperatingSystem).Version"', undefined, {
        silent: true
    });
    const { stdout: name } = yield getExecOutput('powershell -command "(Get-CimInstance -ClassName Win32_OperatingSystem).Caption"', undefined, {
        silent: true
    });
    return {
        name: name.trim(),
        version: version.trim()
    };
});
const getMacOsInfo = () => platform_awaiter(void 0, void 0, void 0, function* () {
    var _a, _b, _c, _d;
    const { stdout } = yield getExecOutput('sw_vers', undefined, {
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
    const { stdout } = yield getExecOutput('lsb_release', ['-i', '-r', '-s'], {
        silent: true
    });
    const [name, version] = stdout.trim().split('\n');
    return {
        name,
        version
    };
});
const platform = external_os_namespaceObject().platform();
const arch = external_os_namespaceObject().arch();
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
    issueCommand('set-env', { name }, convertedVal);
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
    issueCommand('add-mask', {}, secret);
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
        issueCommand('add-path', {}, inputPath);
    }
    process.env['PATH'] = `${inputPath}${external_path_namespaceObject().delimiter}${process.env['PATH']}`;
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
    process.stdout.write(external_os_namespaceObject().EOL);
    issueCommand('set-output', { name }, toCommandValue(value));
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
    issueCommand('debug', {}, message);
}
/**
 * Adds an error issue
 * @param message error issue message. Errors will be converted to string via toString()
 * @param properties optional properties to add to the annotation.
 */
function error(message, properties = {}) {
    issueCommand('error', toCommandProperties(properties), message instanceof Error ? message.toString() : message);
}
/**
 * Adds a warning issue
 * @param message warning issue message. Errors will be converted to string via toString()
 * @param properties optional properties to add to the annotation.
 */
function warning(message, properties = {}) {
    issueCommand('warning', toCommandProperties(properties), message instanceof Error ? message.toString() : message);
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
    process.stdout.write(message + external_os_namespaceObject().EOL);
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
    issueCommand('save-state', { name }, toCommandValue(value));
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
;// CONCATENATED MODULE: ./build/file-command.js
// Owns the runner's file commands: one line a value, in the file that the runner named for it, or an error.
//
// Those of @actions/core do two things more. They draw a random delimiter for values of several lines, and load all
// of node:crypto for it, a tenth of the step's time; no value here has a line break. And where there is no file, they
// print the value, the token in plain sight.


/** To be called before anything is done whose result could not be handed on. @throws ArmorError runner_unsupported */
function checkFileCommands(env, variables) {
    for (const variable of variables) {
        if (!(0,external_node_fs_namespaceObject().existsSync)(env[variable] ?? ""))
            throw unsupported(variable);
    }
}
/** The functions of @actions/core by the same names. Each throws an ArmorError runner_unsupported without its file. */
function fileCommands(env) {
    const set = (variable) => (name, value) => append(env, variable, `${name}=${value}`);
    return {
        setOutput: set("GITHUB_OUTPUT"),
        saveState: set("GITHUB_STATE"),
        exportVariable: set("GITHUB_ENV"),
        addPath: (folder) => append(env, "GITHUB_PATH", folder),
    };
}
/** The runner takes what follows the first `=` as it is, to the end of the line (actions/runner, FileCommandManager.cs). */
function append(env, variable, line) {
    if (/[\r\n]/.test(line))
        throw new Error(`a line break in a value for ${variable}`);
    let file;
    try {
        // Without O_CREAT: what is not there, nobody reads.
        file = (0,external_node_fs_namespaceObject().openSync)(env[variable] ?? "", external_node_fs_namespaceObject().constants.O_WRONLY | external_node_fs_namespaceObject().constants.O_APPEND);
        (0,external_node_fs_namespaceObject().writeSync)(file, `${line}\n`);
    }
    catch {
        throw unsupported(variable);
    }
    finally {
        if (file !== undefined)
            (0,external_node_fs_namespaceObject().closeSync)(file);
    }
}
function unsupported(variable) {
    return new ArmorError("runner_unsupported", `${variable} is not the path of a file, so there is no safe way to hand the token on`, "Run this as a step of a GitHub Actions workflow.");
}

;// CONCATENATED MODULE: ./build/inputs.js
// Owns the inputs: the only reader, every check, every message about them. No message repeats a value.


/** As in action.yml, which the runner applies where an input is not given. An input given empty stays empty. */
const DEFAULTS = {
    "api-url": "https://api.armor.fortanix.com",
    "ca-certificate": "",
    timeout: "30",
    "keep-fresh": "false",
    "export-environment": "true",
    "terminate-session": "true",
};
const MAX_TIMEOUT_SECONDS = 300;
/** Control characters, line ends among them, that no credential and no URL contains. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;
/** The credentials as given, unchecked, so that they can be masked before anything is said about them. */
function readCredentials(source) {
    return { appId: source.getInput("app-id"), apiKey: source.getInput("api-key") };
}
/** @throws ArmorError input_invalid, naming the first input that is wrong and what to do */
function readInputs(source) {
    const credentials = readCredentials(source);
    checkCredential("app-id", credentials.appId);
    checkCredential("api-key", credentials.apiKey);
    return {
        credentials,
        apiUrl: parseApiUrl(source.getInput("api-url")),
        certificates: parseCertificates(source.getInput("ca-certificate")),
        timeoutMs: parseTimeout(source.getInput("timeout")),
        keepFresh: readBoolean(source, "keep-fresh"),
        exportEnvironment: readBoolean(source, "export-environment"),
        terminateSession: readBoolean(source, "terminate-session"),
    };
}
function checkCredential(name, value) {
    if (value === "") {
        throw invalid(`${name} is empty`, "Usually the secret is not defined here under the name used in the workflow; " +
            "workflows that a fork or Dependabot starts get no repository secrets.");
    }
    if (CONTROL.test(value) || !value.isWellFormed()) {
        throw invalid(`${name} contains a line break or another control character`, "Store the secret again, as one line.");
    }
}
function parseApiUrl(value) {
    const remedy = `Give https:// and a host name, such as ${DEFAULTS["api-url"]}.`;
    if (value === "") {
        throw invalid("api-url is empty", `${remedy} Without the input, that address is used.`);
    }
    if (CONTROL.test(value) || !URL.canParse(value))
        throw invalid("api-url is not an absolute URL", remedy);
    const url = new URL(value);
    if (url.username !== "" || url.password !== "")
        throw invalid("api-url contains a user name or password", remedy);
    if (/[?#]/.test(value))
        throw invalid("api-url contains a query or a fragment", remedy);
    if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname))) {
        throw invalid("api-url does not start with https://", `${remedy} Only a loopback host may use http://.`);
    }
    return url.href.replace(/\/+$/, "");
}
function isLoopback(hostname) {
    return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
function parseCertificates(value) {
    if (value === "")
        return [];
    const remedy = "Give the text of one or more PEM certificates, each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.";
    if (value.includes("PRIVATE KEY-----")) {
        throw invalid("ca-certificate contains a private key", `${remedy} Consider that key compromised.`);
    }
    const blocks = value.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    if (blocks.length === 0 || blocks.length !== value.split("-----BEGIN").length - 1) {
        throw invalid("ca-certificate is not PEM", remedy);
    }
    for (const [index, block] of blocks.entries()) {
        if (!isCertificate(block)) {
            throw invalid(`ca-certificate: certificate ${index + 1} of ${blocks.length} cannot be read`, remedy);
        }
    }
    return blocks;
}
function isCertificate(pem) {
    try {
        new (external_node_crypto_namespaceObject()).X509Certificate(pem);
        return true;
    }
    catch {
        return false;
    }
}
function parseTimeout(value) {
    const seconds = /^\d+$/.test(value) ? Number(value) : 0;
    if (seconds >= 1 && seconds <= MAX_TIMEOUT_SECONDS)
        return seconds * 1000;
    throw invalid(`timeout is not a whole number from 1 to ${MAX_TIMEOUT_SECONDS}`, `Give seconds, or leave the input out for ${DEFAULTS.timeout}.`);
}
/** The spellings of the YAML 1.2 core schema, as @actions/core's getBooleanInput takes them. */
function readBoolean(source, name) {
    const value = source.getInput(name);
    if (/^(true|True|TRUE)$/.test(value))
        return true;
    if (/^(false|False|FALSE)$/.test(value))
        return false;
    throw invalid(`${name} is neither true nor false`, `Give one of them, or leave the input out for ${DEFAULTS[name]}.`);
}
function invalid(problem, remedy) {
    return new ArmorError("input_invalid", problem, remedy);
}

;// CONCATENATED MODULE: external "node:child_process"
const external_node_child_process_namespaceObject = lazily(() => require("node:child_process"));
;// CONCATENATED MODULE: external "node:fs/promises"
const external_node_fs_promises_namespaceObject = lazily(() => require("node:fs/promises"));
;// CONCATENATED MODULE: ./build/command.js
// Owns the files of the command armor-token: wrappers for every shell, and where its agent listens.


/**
 * Writes the wrappers below the agent's folder. They name node and the bundle by absolute path: in a container job
 * node is not on PATH. A wrapper holds no secret; the gateway's address stands in a file that the owner alone reads.
 * @param folder the agent's own, made for its owner alone
 * @param node absolute path of node
 * @param cli absolute path of the bundle of armor-token
 */
async function writeCommand(folder, gatewayUrl, node, cli, isWindows) {
    const bin = (0,external_node_path_namespaceObject().join)(folder, "bin");
    await (0,external_node_fs_promises_namespaceObject().mkdir)(bin, { mode: 0o700 });
    await (0,external_node_fs_promises_namespaceObject().writeFile)((0,external_node_path_namespaceObject().join)(folder, "gateway-url"), gatewayUrl, { mode: 0o600 });
    await (0,external_node_fs_promises_namespaceObject().writeFile)((0,external_node_path_namespaceObject().join)(bin, "armor-token"), shWrapper(node, cli, folder), { mode: 0o700 });
    if (isWindows)
        await (0,external_node_fs_promises_namespaceObject().writeFile)((0,external_node_path_namespaceObject().join)(bin, "armor-token.cmd"), cmdWrapper(node, cli, folder));
    return { bin, command: (0,external_node_path_namespaceObject().join)(bin, isWindows ? "armor-token.cmd" : "armor-token") };
}
/** POSIX sh, which on Windows is that of Git. */
function shWrapper(node, cli, folder) {
    const [quotedNode, quotedCli, quotedFolder] = [node, cli, folder].map((path) => `'${path.replaceAll("'", "'\\''")}'`);
    return `#!/bin/sh\nexec ${quotedNode} ${quotedCli} ${quotedFolder} "$@"\n`;
}
/** cmd.exe expands percent signs also between quotes; a path cannot contain a quote there. */
function cmdWrapper(node, cli, folder) {
    const [quotedNode, quotedCli, quotedFolder] = [node, cli, folder].map((path) => `"${path.replaceAll("%", "%%")}"`);
    return `@${quotedNode} ${quotedCli} ${quotedFolder} %*\r\n`;
}

;// CONCATENATED MODULE: ./build/launch.js
// Owns the parent's side of the token agent: starting it in the main step, stopping it in the post step.







/**
 * What the agent may know of the environment. /proc shows it to neighbours for the whole job, so it is a list of
 * what is needed; RUNNER_TRACKING_ID lets the runner end what outlived its job.
 */
const ALLOWED = /^(PATH|HOME|USERPROFILE|TMP|TEMP|TMPDIR|SystemRoot|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS|NODE_OPTIONS|LANG|RUNNER_TEMP|RUNNER_TRACKING_ID)$/i;
/** A small young generation: the agent's garbage is short-lived, and it shares a machine with the job. */
const NODE_FLAGS = ["--max-semi-space-size=1", "--max-old-space-size=96"];
/** glibc keeps an arena for each thread, and in it what streams leave behind: with one, a tenth of the memory less. */
const MALLOC = { MALLOC_ARENA_MAX: "1" };
const READY_MS = 10_000;
const STOP_MS = 5_000;
/**
 * Starts an agent that outlives this step, and waits until it listens.
 * @throws ArmorError agent_failed with the agent's own reason; nothing is left behind then
 */
async function launchAgent(config, parent, quote, readyMs = READY_MS) {
    const temp = parent.env["RUNNER_TEMP"];
    if (!temp)
        throw failed("RUNNER_TEMP is not set");
    // mkdtemp creates the folder for its owner alone (0700).
    const folder = await (0,external_node_fs_promises_namespaceObject().mkdtemp)((0,external_node_path_namespaceObject().join)(temp, "armor-token-"));
    const capability = (0,external_node_crypto_namespaceObject().randomBytes)(32).toString("base64url");
    const child = spawnAgent(parent, temp);
    try {
        const { port } = await greeting(child, { ...config, capability, folder }, quote, readyMs);
        const gatewayUrl = `http://127.0.0.1:${port}/${capability}`;
        const { execPath, cli, isWindows } = parent;
        const files = await writeCommand(folder, gatewayUrl, execPath, cli, isWindows);
        return { ...files, folder, gatewayUrl, capability, pid: child.pid ?? 0 };
    }
    catch (error) {
        child.kill("SIGKILL");
        await removeFolder(folder);
        throw error instanceof ArmorError ? error : failed(quote(String(error)));
    }
    finally {
        child.unref();
        child.stdout?.destroy();
    }
}
/** Detached and with pipes of its own: the runner waits for whoever holds the step's, and kills the step's children. */
function spawnAgent({ env, execPath, bundle }, cwd) {
    return (0,external_node_child_process_namespaceObject().spawn)(execPath, [...NODE_FLAGS, bundle, "agent"], {
        cwd,
        env: { ...Object.fromEntries(Object.entries(env).filter(([name]) => ALLOWED.test(name))), ...MALLOC },
        detached: true,
        windowsHide: true,
        stdio: ["pipe", "pipe", "ignore"],
    });
}
/** Hands the configuration over and reads the line that answers it. */
async function greeting(child, config, quote, readyMs) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(failed(`it was not ready within ${readyMs / 1000} s`)), readyMs);
    });
    try {
        child.stdin?.on("error", () => undefined); // it ended early, which its end tells
        child.stdin?.end(JSON.stringify(config));
        const said = JSON.parse(await Promise.race([firstLine(child), late]));
        if ("port" in said)
            return said;
        throw failed(quote(said.problem));
    }
    finally {
        clearTimeout(timer);
    }
}
function firstLine(child) {
    return new Promise((resolve, reject) => {
        let text = "";
        child.stdout?.on("data", (chunk) => {
            text += chunk.toString("utf8");
            if (text.endsWith("\n"))
                resolve(text);
        });
        child.once("error", reject);
        child.once("close", (code) => reject(failed(`it ended with exit code ${code} before it was ready`)));
    });
}
function failed(why) {
    return new ArmorError("agent_failed", `The token agent did not start: ${why.replace(/\.$/, "")}`, "Without keep-fresh: true, the outputs alone are set.");
}
/**
 * Tells the agent to stop and waits until its connection is closed, which it is when the agent has ended.
 * @returns undefined where there is no agent any more
 */
async function stopAgent(folder) {
    try {
        const gatewayUrl = await (0,external_node_fs_promises_namespaceObject().readFile)((0,external_node_path_namespaceObject().join)(folder, "gateway-url"), "utf8");
        return JSON.parse(await post(`${gatewayUrl}/stop`));
    }
    catch {
        return undefined;
    }
    finally {
        // An agent that did not hear ends when its folder is gone.
        await removeFolder(folder);
    }
}
function post(url) {
    return new Promise((resolve, reject) => {
        const signal = AbortSignal.timeout(STOP_MS);
        const request = external_node_http_default().request(url, { method: "POST", agent: false, signal }, (response) => {
            const chunks = [];
            response.on("data", (chunk) => chunks.push(chunk));
            response.on("error", reject);
            response.on("close", () => resolve(Buffer.concat(chunks).toString("utf8")));
        });
        request.on("error", reject);
        request.end();
    });
}
async function removeFolder(folder) {
    await (0,external_node_fs_promises_namespaceObject().rm)(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
}

;// CONCATENATED MODULE: ./build/state.js
// Owns what the main step leaves for the post step: the names and forms of the runner's state variables.
/** The runner starts the same file for both steps; the second finds what the first saved. */
function markMainStarted(sink) {
    sink.saveState("main_started", "true");
}
/** From here on the post step has something to tell. */
function markMainSucceeded(sink) {
    sink.saveState("main_succeeded", "true");
}
function hasMainSucceeded(env) {
    return env["STATE_main_succeeded"] === "true";
}
function saveAgentFolder(sink, folder) {
    sink.saveState("agent_folder", folder);
}
/** @returns undefined where no token agent was started */
function loadAgentFolder(env) {
    return env["STATE_agent_folder"] || undefined;
}
function isPostStep(env) {
    return env["STATE_main_started"] === "true";
}
function saveSession(sink, { expiresAt, accessToken }) {
    sink.saveState("expires_at", String(expiresAt));
    if (accessToken !== undefined)
        sink.saveState("access_token", accessToken);
}
/** @returns undefined where the main step did not get as far as a token. */
function loadSession(env) {
    const expiresAt = Number(env["STATE_expires_at"]);
    const accessToken = env["STATE_access_token"];
    if (!(expiresAt > 0))
        return undefined;
    return accessToken ? { expiresAt, accessToken } : { expiresAt };
}

;// CONCATENATED MODULE: ./build/main.js
// The main step: inputs → token → outputs; starts the token agent when asked.













/** How long Armor may be silent in a call through the gateway; its largest reports take a while to begin. */
const GATEWAY_IDLE_MS = 120_000;
/**
 * Sets `process.exitCode` to 0 if and only if every output is set; otherwise reports one error annotation.
 * @param crash rejects with what nothing caught
 */
async function main(env, crash, means = { send: send, clock: systemClock, dist: (0,external_node_path_namespaceObject().dirname)(process.argv[1] ?? "") }) {
    const secrets = secretForms(readCredentials(core_namespaceObject));
    mask(core_namespaceObject, secrets);
    const sink = { setSecret: setSecret, ...fileCommands(env) };
    try {
        checkFileCommands(env, ["GITHUB_OUTPUT", "GITHUB_STATE"]);
        markMainStarted(sink);
        await Promise.race([run(env, sink, secrets, means), crash]);
        markMainSucceeded(sink);
        process.exitCode = 0;
    }
    catch (error) {
        setFailed(scrubber(secrets)(messageOf(error, quoteWithout(secrets))));
    }
}
async function run(env, sink, secrets, means) {
    const inputs = readInputs(core_namespaceObject);
    const { apiUrl, certificates, keepFresh, exportEnvironment, terminateSession } = inputs;
    if (keepFresh && exportEnvironment)
        checkFileCommands(env, ["GITHUB_ENV", "GITHUB_PATH"]);
    if (certificates.length > 0)
        trustCertificates(certificates);
    const tell = (line) => info(scrubber(secrets)(line));
    const armor = {
        ...inputs,
        ...means,
        quote: quoteWithout(secrets),
        onRetry: ({ problem }, pauseMs) => tell(`${problem}; trying again in ${(pauseMs / 1000).toFixed(1)} s.`),
    };
    const token = await fetchToken(armor, inputs.credentials);
    saveSession(sink, terminateSession ? token : { expiresAt: token.expiresAt });
    const agent = keepFresh ? await startAgent(parentOf(env, means.dist), inputs, token, armor) : undefined;
    if (agent !== undefined)
        saveAgentFolder(sink, agent.folder);
    setTokenOutputs(sink, token);
    tell(`Access token from ${apiUrl}, valid for ${token.expiresIn} s, until ${isoDate(token.expiresAt)}.`);
    if (agent === undefined)
        return;
    setAgentOutputs(sink, agent);
    if (exportEnvironment) {
        exportAgent(sink, agent);
        tell("The token agent supplies later steps: call ARMOR_GATEWAY_URL, or ask armor-token for a token.");
    }
    else {
        tell("The token agent supplies the steps that are given gateway-url or token-command.");
    }
}
async function startAgent(parent, inputs, { accessToken, expiresIn, expiresAt }, { quote }) {
    const { credentials, apiUrl, certificates, timeoutMs, terminateSession } = inputs;
    const first = { accessToken, expiresIn, expiresAt };
    return await launchAgent({ credentials, apiUrl, certificates, timeoutMs, terminateSession, idleMs: GATEWAY_IDLE_MS, first }, parent, quote);
}
/** The agent is this bundle in another role; armor-token's bundle lies beside it. */
function parentOf(env, dist) {
    return {
        env,
        execPath: process.execPath,
        bundle: (0,external_node_path_namespaceObject().join)(dist, "index.js"),
        cli: (0,external_node_path_namespaceObject().join)(dist, "cli", "index.js"),
        isWindows: process.platform === "win32",
    };
}

;// CONCATENATED MODULE: ./build/usage.js
// Owns how the token agent's work is told: one line, and a small table. Pure.
/** What happened, in one line. */
function reportLine({ report, ended }) {
    const calls = sum(report.calls);
    const failures = sum(report.failures);
    const session = ended > 0 ? `, ${count(ended, "session")} ended` : "";
    return `Token agent: ${count(report.minted, "token")} minted, ${count(calls, "call")} served, ${count(failures, "failure")}${session}.`;
}
/** Names and values. */
function reportRows({ minted, calls, medianMs, slowestMs, failures, refused, }) {
    const rows = [
        ["tokens minted", String(minted)],
        ["calls served", withParts(calls)],
        ["median", `${medianMs.toFixed(0)} ms`],
        ["slowest", `${slowestMs.toFixed(0)} ms`],
        ["failures", withParts(failures)],
    ];
    return refused === 0 ? rows : [...rows, ["refused", String(refused)]];
}
function withParts(counts) {
    const parts = Object.entries(counts).map(([name, times]) => `${name} ${times}`);
    return parts.length === 0 ? "0" : `${sum(counts)} (${parts.join(", ")})`;
}
function sum(counts) {
    return Object.values(counts).reduce((total, times) => total + times, 0);
}
function count(times, noun) {
    return `${times} ${noun}${times === 1 ? "" : "s"}`;
}

;// CONCATENATED MODULE: ./build/post.js
// The post step: stops the token agent, ends the session if it still lives, and says what happened in one line.
// Never fails the job.












/** The job waits for this, and the session ends by itself soon anyway. */
const TIMEOUT_MS = 3_000;
/**
 * Sets `process.exitCode` to 0, whatever happens. Quiet where the main step failed.
 * @param crash rejects with what nothing caught
 */
async function post_post(env, crash) {
    process.exitCode = 0;
    const session = loadSession(env);
    if (session === undefined)
        return;
    const secrets = [
        ...secretForms(readCredentials(core_namespaceObject)),
        ...(session.accessToken ? [session.accessToken] : []),
    ];
    mask(core_namespaceObject, secrets);
    const isQuiet = !hasMainSucceeded(env);
    const scrub = scrubber(secrets);
    try {
        const lines = await Promise.race([finish(env, session, secrets), crash]);
        if (!isQuiet)
            for (const line of lines)
                info(scrub(line));
    }
    catch (error) {
        const reason = messageOf(error, quoteWithout(secrets));
        if (!isQuiet)
            warning(scrub(`The Armor session was not ended and ends by itself in a while. ${reason}`));
    }
}
/** @returns what happened, the first line by itself */
async function finish(env, session, secrets) {
    const folder = loadAgentFolder(env);
    if (folder === undefined)
        return [await finishSession(session, secrets)];
    const farewell = await stopAgent(folder);
    if (farewell === undefined) {
        await finishSession(session, secrets);
        return ["The token agent had ended before the job did."];
    }
    await summarize(env, farewell);
    return [
        reportLine(farewell),
        ...reportRows(farewell.report).map(([name, value]) => `  ${name.padEnd(16)}${value}`),
    ];
}
/** The job summary is for what somebody should look at. */
async function summarize(env, farewell) {
    const { failures } = farewell.report;
    if (Object.keys(failures).length === 0 || !env["GITHUB_STEP_SUMMARY"])
        return;
    const header = ["Armor token agent", ""].map((data) => ({ data, header: true }));
    await summary
        .addTable([header, ...reportRows(farewell.report).map(([name, value]) => [name, value])])
        .write();
}
/** Ends the session of the step's own token. @returns what happened, in one line */
async function finishSession({ expiresAt, accessToken }, secrets) {
    const leftMs = expiresAt - systemClock.date();
    const left = `${Math.ceil(Math.abs(leftMs) / 1000)} s`;
    if (leftMs <= 0) {
        return `The access token expired ${left} before the job ended. keep-fresh: true supplies later steps for as long as the job runs.`;
    }
    if (accessToken === undefined) {
        return `The Armor session lives for another ${left}, as terminate-session is false.`;
    }
    const { apiUrl, certificates } = readInputs(core_namespaceObject);
    if (certificates.length > 0)
        trustCertificates(certificates);
    const armor = {
        apiUrl,
        send: send,
        clock: systemClock,
        timeoutMs: Math.min(TIMEOUT_MS, leftMs),
        quote: quoteWithout(secrets),
        onRetry: () => undefined,
    };
    return (await endSession(armor, accessToken))
        ? `Ended the Armor session, ${left} before its token would have expired.`
        : "The Armor session had already ended.";
}

;// CONCATENATED MODULE: ./build/index.js
// What is started: the main step and the post step by the runner, the token agent by the main step.





// Until success is certain, the step has failed: also when the process runs dry or dies.
process.exitCode = 1;
// What a library calls deprecated (`tunnel`: Buffer() for a proxy's credentials) is nothing a user can act on.
process.noDeprecation = true;
const crash = new Promise((_, reject) => process.once("uncaughtException", reject));
crash.catch(() => undefined);
const role = process.argv[2] === "agent" ? agent : isPostStep(process.env) ? post_post : main;
role(process.env, crash).then(() => exit(process));

})();

module.exports = __webpack_exports__;
/******/ })()
;