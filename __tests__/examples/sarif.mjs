import { spawnSync } from "node:child_process";
import { chmod, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { filesIn } from "./out.mjs";

const MULTITOOL = join(
  dirname(createRequire(import.meta.url).resolve("@microsoft/sarif-multitool-linux/package.json")),
  "Sarif.Multitool",
);

/** Key Insight does not say its version, and what is not known is not claimed. */
const ACCEPTED = ["SARIF2005"];

export async function sarifFaults(folder) {
  await chmod(MULTITOOL, 0o755); // what its install script would have done
  const files = (await filesIn(folder, ".sarif")).map(({ path }) => path);
  const verdict = join(folder, "verdict");
  const options = ["--rule-kind", "Sarif;GHAS", "--level", "Error;Warning", "--output", verdict];
  const { stdout, error } = spawnSync(MULTITOOL, ["validate", ...files, ...options], {
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  const { runs } = JSON.parse(await readFile(verdict, "utf8").catch(() => `{"runs": []}`));
  const isDone = runs.some(({ invocations }) =>
    invocations.every((one) => one.executionSuccessful),
  );
  const results = runs.flatMap((run) => run.results);
  return [
    ...(isDone ? [] : [stdout]),
    ...results
      .filter(({ ruleId, level = "warning" }) => level !== "note" && !ACCEPTED.includes(ruleId))
      .map(({ ruleId, message, locations: [{ physicalLocation }] }) => {
        const file = basename(physicalLocation.artifactLocation.uri ?? "");
        return `${file}: ${ruleId} ${JSON.stringify(message)}`;
      }),
  ];
}
