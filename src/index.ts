import { setDefaultAutoSelectFamilyAttemptTimeout } from "node:net";
import { dirname } from "node:path";
import * as core from "@actions/core";
import { agent } from "./agent/agent.ts";
import { main } from "./step/main.ts";
import { post } from "./step/post.ts";

export type Role = "main" | "post" | "agent";

/** Plays the role of this process, and ends it with its exit code, whatever is still open. */
export async function run(role: Role): Promise<void> {
  if (role === "main" && process.env["NODE_TLS_REJECT_UNAUTHORIZED"] === "0") {
    const remedy = "certificates are always verified. Give a private CA as ca-certificate.";
    core.warning(`NODE_TLS_REJECT_UNAUTHORIZED=0 is ignored: ${remedy}`);
  }
  delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"]; // Node reads it at each handshake
  // From the inspector, which NODE_OPTIONS or SIGUSR1 opens, every user of the machine can read the key.
  process.on("SIGUSR1", () => undefined);
  process.getBuiltinModule?.("node:inspector")?.close(); // neither is in every Node
  process.exitCode = 1; // until success is certain: also when the process runs dry or dies
  process.noDeprecation = true; // warnings about libraries: there is nothing that a user could do
  setDefaultAutoSelectFamilyAttemptTimeout(5_000); // an address: Node's 250 ms are too few for one far away
  const crash = watchCrash();
  if (role === "main") await main(process.env, crash, dirname(process.argv[1] ?? ""));
  else if (role === "post") await post(process.env, crash);
  else await agent(crash);
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
