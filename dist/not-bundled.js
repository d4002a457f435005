// Required in place of code of others which this action never calls (scripts/build.ts).
const fail = (name) => function notBundled() { throw new Error(`${name} is not part of this action`); };
exports.ProxyAgent = fail("undici");
exports.getExecOutput = fail("@actions/exec");
exports.httpOverHttp = fail("tunnel");
exports.httpOverHttps = fail("tunnel");
exports.httpsOverHttp = fail("tunnel");
exports.httpsOverHttps = fail("tunnel");
exports.OidcClient = fail("./oidc-utils.js");
exports.summary = fail("./summary.js");
exports.markdownSummary = fail("./summary.js");
exports.getDetails = fail("./platform.js");
exports.toPosixPath = fail("./path-utils.js");
exports.toWin32Path = fail("./path-utils.js");
exports.toPlatformPath = fail("./path-utils.js");
