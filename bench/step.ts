// Measures the steps, whole processes: main without and with keep-fresh, and post.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Job, parseFileCommand, ROOT, type StepResult, type Values } from "../sandbox/runner.ts";
import { type Command, inTurns, timed } from "./measure.ts";
import type { World } from "./world.ts";

const ROUNDS = 60;
const KEEP_FRESH_ROUNDS = 25;
const POST_ROUNDS = 10;
/** Each takes seconds. */
const HANGING_ROUNDS = 2;

/** What people do without this action, as the vendor's article has it. */
const CURL = `
token=$(curl --silent --location --request POST "$API_URL/api/v1/iam/session/oauth2/token" \\
  --header "Authorization: Basic $(printf %s "$APP_ID:$API_KEY" | base64 --wrap 0)" \\
  --header 'X-Csrf-Header:""' \\
  --header 'Content-Type: application/x-www-form-urlencoded' \\
  --data grant_type=client_credentials | jq --raw-output .access_token)
echo "::add-mask::$token"
echo "access-token=$token" >> "$GITHUB_OUTPUT"
`;

const CREDENTIALS = { "app-id": "7c1e6d5a-app", "api-key": "S3cr3t".repeat(8) };

export type Way = "empty Node" | "floor" | "main step" | "curl and jq";
export type Milliseconds = number[];

export async function benchMainStep(world: World): Promise<Record<Way, Milliseconds>> {
  return await withJob(world, {}, async (job) => {
    const env = {
      API_URL: world.armor.base,
      APP_ID: CREDENTIALS["app-id"],
      API_KEY: CREDENTIALS["api-key"],
      GITHUB_OUTPUT: join(world.folder, "output"),
      ...world.trust,
    };
    const curl = ["--noprofile", "--norc", "-eo", "pipefail", "-c", CURL];
    return await inTurns(
      {
        "empty Node": () => timed({ program: process.execPath, args: ["-e", ""], env }),
        floor: () => timed(floor(world, "false")),
        "main step": async () => passed(await job.main()),
        "curl and jq": () => timed({ program: "bash", args: curl, env }),
      },
      ROUNDS,
    );
  });
}

/**
 * Starting the agent, against two bare processes that do the same; and the post step, which stops
 * it.
 */
export async function benchKeepFresh(
  world: World,
): Promise<{ start: Record<"floor" | "main step", Milliseconds>; post: Milliseconds }> {
  const post: Milliseconds = [];
  const start = await inTurns(
    {
      floor: async () => {
        const output = join(world.folder, "output");
        await writeFile(output, "");
        const ms = await timed(floor(world, "true"));
        process.kill(Number(parseFileCommand(await readFile(output, "utf8"))["pid"]));
        return ms;
      },
      "main step": () =>
        withJob(world, { "keep-fresh": "true" }, async (job) => {
          const ms = passed(await job.main());
          post.push(passed(await job.post()));
          return ms;
        }),
    },
    KEEP_FRESH_ROUNDS,
  );
  return { start, post };
}

/**
 * How long post takes if there is no agent, and if Armor has gone meanwhile. The server is killed at
 * the end.
 */
export async function benchPost(world: World) {
  const { pid, end } = world.armor;
  const post = (keepFresh: boolean, between: () => void, after = () => {}) =>
    withJob(world, { "keep-fresh": String(keepFresh) }, async (job) => {
      passed(await job.main());
      between();
      const ms = passed(await job.post());
      after();
      return ms;
    });
  const hang = () => process.kill(pid, "SIGSTOP");
  const goOn = () => process.kill(pid, "SIGCONT");
  const alone = await inTurns({ post: () => post(false, () => {}) }, POST_ROUNDS);
  const hanging = await inTurns(
    {
      "with an agent": () => post(true, hang, goOn),
      "without an agent": () => post(false, hang, goOn),
    },
    HANGING_ROUNDS,
  );
  const refused = await post(true, end);
  return { alone: alone.post, hanging, refused: [refused] };
}

async function withJob<T>(
  { armor, trust }: World,
  inputs: Values,
  use: (job: Job) => Promise<T>,
): Promise<T> {
  const job = await Job.start({ ...CREDENTIALS, "api-url": armor.base, ...inputs }, trust);
  try {
    return await use(job);
  } finally {
    await job.end();
  }
}

/** @throws if the step failed */
function passed({ exitCode, stdout, ms }: StepResult): number {
  if (exitCode !== 0) throw new Error(`a step ended with exit code ${exitCode}:\n${stdout}`);
  return ms;
}

function floor({ armor, folder, trust }: World, keepFresh: "true" | "false"): Command {
  const env = {
    "INPUT_APP-ID": CREDENTIALS["app-id"],
    "INPUT_API-KEY": CREDENTIALS["api-key"],
    "INPUT_API-URL": armor.base,
    "INPUT_KEEP-FRESH": keepFresh,
    GITHUB_OUTPUT: join(folder, "output"),
    ...trust,
  };
  return { program: process.execPath, args: [join(ROOT, "bench", "floor.cjs")], env };
}
