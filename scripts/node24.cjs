// Runs a program of package.json's scripts: on the Node that runs this file if it is 24.5 or newer,
// else on the one of the optional dependencies. Plain JavaScript, as it has to run on any Node. npm
// 10 and 11.0 leave no node_modules/.bin/node: they remove it again with the packages of the other
// platforms.

const { spawn } = require("node:child_process");
const { existsSync } = require("node:fs");
const { join } = require("node:path");

function findNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 24 || (major === 24 && minor >= 5)) return process.execPath;
  const isWindows = process.platform === "win32";
  const name = `node-${isWindows ? "win" : process.platform}-${process.arch}`;
  const file = join(__dirname, "..", "node_modules", name, "bin", isWindows ? "node.exe" : "node");
  return existsSync(file) ? file : undefined;
}

function fail() {
  process.stderr.write(
    `Node ${process.versions.node} is too old: install Node 24.5 or newer from https://nodejs.org ` +
      "(npm ci brings a Node 24 along on Linux x64 and arm64, Windows x64 and macOS x64 only).\n",
  );
  process.exitCode = 1;
}

const node = findNode();
if (node === undefined) fail();
else {
  const child = spawn(node, process.argv.slice(2), { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => child.kill(signal));
  child.on("error", fail);
  child.on("exit", (code) => {
    process.exitCode = code === null ? 1 : code;
  });
}
