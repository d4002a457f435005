// `npm test`: the example scripts run against the sandbox's data, typed and linted; and the files that they
// make, validated by those whose formats these are.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cbomFaults } from "./cbom.mjs";
import { chartFaults } from "./charts.mjs";
import { exchangeFaults } from "./github-api.mjs";
import { lintFaults } from "./lint.mjs";
import { serveSandbox } from "./sandbox.mjs";
import { sarifFaults } from "./sarif.mjs";

const HERE = import.meta.dirname;

/** @returns what the program printed where it failed */
async function faultsOf(program, args, env = {}) {
  const child = spawn(program, args, { cwd: HERE, env: { ...process.env, ...env } });
  const chunks = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => chunks.push(chunk));
  const code = await new Promise((resolve, reject) =>
    child.once("error", reject).once("close", resolve),
  );
  return code === 0 ? [] : [Buffer.concat(chunks).toString("utf8")];
}

async function testFaults(out) {
  const sandbox = await serveSandbox();
  const scripts = join(HERE, "..", "..", "examples", "scripts");
  // The tests import the scripts, whichever of them is loaded first.
  const env = { SANDBOX_URL: sandbox.url, OUT_FOLDER: out, PYTHONPATH: scripts };
  try {
    return await faultsOf("python3", ["-B", "-m", "unittest", "discover", "-s", "tests"], env);
  } finally {
    sandbox.close();
  }
}

function report(what, faults) {
  process.stdout.write(`${faults.length === 0 ? "ok  " : "FAIL"} ${what}\n`);
  for (const fault of faults) process.stdout.write(`${fault.replace(/^/gm, "     ")}\n`);
  if (faults.length > 0) process.exitCode = 1;
}

async function run() {
  const out = await mkdtemp(join(tmpdir(), "armor-examples-"));
  try {
    const [tests, types] = await Promise.all([
      testFaults(out),
      faultsOf("npx", ["--no", "pyright"]),
    ]);
    report("tests of the scripts", tests);
    report("types (pyright)", types);
    report(
      "lint and format (ruff)",
      await lintFaults([join(HERE, "..", "..", "examples", "scripts"), join(HERE, "tests"), HERE]),
    );
    report("CBOMs (CycloneDX)", await cbomFaults(out));
    report("SARIF (sarif-multitool, with GitHub's rules)", await sarifFaults(out));
    report("charts (Mermaid)", await chartFaults(out));
    report("calls to GitHub (its OpenAPI description)", await exchangeFaults(out));
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

await run();
