// @actions/core imports @actions/exec for one method, platform.getDetails, which this action never calls. Bundled, it
// and @actions/io would be a fifth of dist/: more than a thousand lines that run programs and change files. Should
// anything ever reach for it, it fails loudly.

export function getExecOutput() {
  throw new Error("@actions/exec is not part of this action: platform.getDetails must not be called");
}
