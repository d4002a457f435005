// Measures armor-token, whole processes, against curl of the same gateway's /token.

import { join } from "node:path";
import { inTurns } from "./measure.ts";

const ROUNDS = 40;

/** @param folder the running agent's @returns ms a run */
export async function benchCommand(
  gatewayUrl: string,
  folder: string,
): Promise<Record<"empty Node" | "armor-token" | "curl of /token", number[]>> {
  return await inTurns(
    {
      "empty Node": { program: process.execPath, args: ["-e", ""], env: {} },
      // What it says on stderr, the mask, is of no interest here.
      "armor-token": {
        program: "sh",
        args: ["-c", `exec "${join(folder, "bin", "armor-token")}" 2>/dev/null`],
        env: {},
      },
      "curl of /token": { program: "curl", args: ["--silent", "--fail", `${gatewayUrl}/token`], env: {} },
    },
    ROUNDS,
  );
}
