import { setDefaultAutoSelectFamilyAttemptTimeout } from "node:net";
import { dirname } from "node:path";
import * as core from "@actions/core";
import { agent } from "./agent/agent.ts";
import { createSend } from "./armor/http.ts";
import { systemClock } from "./clock.ts";
import { main } from "./step/main.ts";
import { post } from "./step/post.ts";

export type Role = "main" | "post" | "agent";

/** Node's 250 ms for each address are too few for a host with IPv4 and IPv6 that is far away. */
const ATTEMPT_MS = 5_000;

/** Plays the role of this process, and ends it with its exit code, whatever is still open. */
export async function run(role: Role): Promise<void> {
  ignoreRejectUnauthorized(role);
  closeInspector();
  // Until success is certain, the process has failed: also when it runs dry or dies.
  process.exitCode = 1;
  // Node's own warnings are about libraries: there is nothing that a user could do.
  process.noDeprecation = true;
  setDefaultAutoSelectFamilyAttemptTimeout(ATTEMPT_MS);
  const { env } = process;
  const crash = watchCrash();
  if (role === "main") {
    await main(env, crash, { createSend, clock: systemClock, dist: dirname(process.argv[1] ?? "") });
  } else if (role === "post") {
    await post(env, crash);
  } else {
    await agent(crash);
  }
  await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
  process.exit();
}

/** Node reads this variable at each handshake: with 0, the key would go to any server. */
function ignoreRejectUnauthorized(role: Role): void {
  const value = process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
  delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
  if (value !== "0" || role !== "main") return;
  core.warning(
    "NODE_TLS_REJECT_UNAUTHORIZED=0 is ignored: certificates are always verified. " +
      "Give a private CA as ca-certificate.",
  );
}

/**
 * Through the inspector, every user of the machine can read the key: not by NODE_OPTIONS, and not by
 * SIGUSR1.
 */
function closeInspector(): void {
  process.on("SIGUSR1", () => undefined);
  const inspector = process.getBuiltinModule?.("node:inspector");
  if (inspector?.url() !== undefined) inspector.close();
}

/** Rejects with what was not caught, and when the process would end without a result. */
function watchCrash(): Promise<never> {
  const crash = new Promise<never>((_, reject) => {
    process.once("uncaughtException", reject);
    process.once("beforeExit", () => reject(new Error("the process ended without a result")));
  });
  crash.catch(() => undefined);
  return crash;
}
