// GitHub's API, and Slack's webhook, while workflows run without them: __tests__/examples/github_stand_in.py.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../../sandbox/runner.ts";

export interface GitHub {
  readonly url: string;
  close(): Promise<void>;
}

/** Its issues and artifacts: those of the case, and what is uploaded. What it is sent is in FOLDER/github. */
export async function startGitHub(
  folder: string,
  token: string,
  state: object = {},
): Promise<GitHub> {
  await writeFile(join(folder, "state"), JSON.stringify(state));
  const options = {
    state: join(folder, "state"),
    log: join(folder, "github"),
    artifacts: join(folder, "artifacts"),
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(
    "python3",
    ["-B", join(ROOT, "__tests__", "examples", "github_stand_in.py"), ...args],
    {
      env: { ...process.env, GITHUB_TOKEN: token },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const closed = new Promise((resolve) => child.once("close", resolve));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return {
    url: line.toString("utf8").trim(),
    close: async () => {
      child.kill();
      await closed;
    },
  };
}
