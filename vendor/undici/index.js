// @actions/http-client imports undici for one method, getAgentDispatcher, which this action never
// calls: its proxies go through the package `tunnel`. Bundled, undici would be by far the largest
// part of dist/, to load and to audit. Should anything ever reach for it, it fails loudly.

exports.ProxyAgent = class ProxyAgent {
  constructor() {
    throw new Error("undici is not part of this action: getAgentDispatcher must not be called");
  }
};
