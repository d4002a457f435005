// The three programs of this action. Each has a file of its own in dist/ (main.js, post.js,
// agent.js; see entry.cjs), from which the runner or the main step starts it: a process that
// guessed its role from saved state would be wrong whenever that is missing.

import { dirname } from "node:path";
import * as core from "@actions/core";
import { agent } from "./agent/agent.ts";
import { main } from "./step/main.ts";
import { post } from "./step/post.ts";

/** The main step. Ends the process. */
export async function runMain(): Promise<void> {
  if (process.env["NODE_TLS_REJECT_UNAUTHORIZED"] === "0") {
    const remedy = "certificates are always verified. Give a private CA as ca-certificate.";
    core.warning(`NODE_TLS_REJECT_UNAUTHORIZED=0 is ignored: ${remedy}`);
  }
  const dist = dirname(process.argv[1] ?? "");
  await run((crash) => main(process.env, crash, dist));
}

/** The post step. Ends the process. */
export async function runPost(): Promise<void> {
  await run((crash) => post(process.env, crash));
}

/** The token agent. Ends the process. */
export async function runAgent(): Promise<void> {
  await run((crash) => agent(crash));
}

/** Ends the process with the exit code that the program sets, whatever is still open. */
async function run(program: (crash: Promise<never>) => Promise<void>): Promise<void> {
  process.exitCode = 1; // until success is certain: also when the process runs dry or dies
  process.noDeprecation = true; // warnings about libraries: there is nothing that a user could do
  delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"]; // Node reads it at each handshake
  await program(watchCrash());
  await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
  process.exit();
}

/** Rejects with what was not caught, and when the process would end without a result. */
function watchCrash(): Promise<never> {
  const crash = new Promise<never>((_, reject) => {
    process.on("uncaughtException", reject);
    process.on("beforeExit", () => reject(new Error("the process ended without a result")));
  });
  crash.catch(() => undefined);
  return crash;
}
