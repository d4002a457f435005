// Required in place of undici, @actions/exec, tunnel, which this action never calls.
const fail = (name) => function notBundled() { throw new Error(`${name} is not part of this action`); };
exports.ProxyAgent = fail("undici");
exports.getExecOutput = fail("@actions/exec");
exports.httpOverHttp = fail("tunnel");
exports.httpOverHttps = fail("tunnel");
exports.httpsOverHttp = fail("tunnel");
exports.httpsOverHttps = fail("tunnel");
