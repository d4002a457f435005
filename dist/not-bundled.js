// Required in place of undici and @actions/exec, which this action never calls.
const fail = (name) => function notBundled() { throw new Error(`${name} is not part of this action`); };
module.exports = { ProxyAgent: fail("undici"), getExecOutput: fail("@actions/exec") };
