// Worker processes: each takes the next job, and makes room for a fresh one where it may be spoilt.

import { type ChildProcess, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { agentsBelow, kill } from "../../__tests__/fixtures/processes.ts";
import type { Alive, Job, Reply } from "./worker.ts";

const WORKER = fileURLToPath(new URL("./worker.ts", import.meta.url));
/** How much later than its limit a process may speak that does not hang. */
const GRACE_MS = 10_000;
/** Properties are tried with as many inputs. */
const RUNS = "50";

/** As many as a machine runs that has nothing else to do: most tests wait for something. */
export const WORKERS = 3 * availableParallelism();

/** Modules that were loaded once more are never freed. */
const MAX_STATICS = 25;

const running = new Set<ChildProcess>();

export interface Place {
  /** The instrumented copy of the project. */
  readonly copy: string;
  /** For the temporary files of the tests. */
  readonly temp: string;
  /** How many processes work at once. */
  readonly workers: number;
}

/** @param onReply is told in the order of the ends */
export async function runAll<T extends Job>(
  jobs: Iterable<T>,
  folders: Place,
  onReply: (job: T, reply: Reply) => void,
): Promise<void> {
  const queue = jobs[Symbol.iterator](); // one for all lanes
  const lane = async () => {
    let worker: ChildProcess | undefined;
    let statics = 0;
    for (let next = queue.next(); next.done !== true; next = queue.next()) {
      const job = next.value;
      const isFresh = worker === undefined;
      worker ??= start(folders);
      let reply = await ask(worker, job);
      if (!isFresh && reply.failures.some(({ kind }) => kind === "stray" || kind === "dirty")) {
        end(worker);
        worker = start(folders);
        reply = await ask(worker, job);
      }
      onReply(job, reply);
      if (job.isStatic) statics += 1;
      if (statics === MAX_STATICS || reply.failures.some(({ kind }) => kind !== "failed")) {
        end(worker);
        worker = undefined;
        statics = 0;
      }
    }
    if (worker !== undefined) end(worker);
  };
  await Promise.all(Array.from({ length: folders.workers }, lane));
}

/** Ends every process that was started, and on Linux the agents that tests have left. */
export function endAll(temp: string): void {
  for (const worker of running) end(worker);
  for (const { pid } of agentsBelow(temp)) kill(pid, "SIGKILL");
}

function start({ copy, temp }: Place): ChildProcess {
  const worker = fork(WORKER, [copy], {
    cwd: copy,
    env: { ...process.env, TMPDIR: temp, TEMP: temp, TMP: temp, PROPERTY_RUNS: RUNS, CI: "" },
    detached: true, // process.kill(0), which a mutant may call, reaches no further
    execArgv: ["--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  running.add(worker);
  worker.once("exit", () => running.delete(worker));
  return worker;
}

function end(worker: ChildProcess): void {
  worker.removeAllListeners("message").kill("SIGKILL");
}

async function ask(worker: ChildProcess, job: Job): Promise<Reply> {
  const { promise, resolve } = Promise.withResolvers<Reply>();
  const fail = (why: string) => {
    end(worker);
    resolve({ failures: [{ kind: "timeout", test: "", why }], runs: [], before: [] });
  };
  let timer: NodeJS.Timeout | undefined;
  const onExit = () => fail("the process ended");
  const onMessage = (message: Alive | Reply) => {
    clearTimeout(timer);
    if ("withinMs" in message)
      timer = setTimeout(fail, message.withinMs + GRACE_MS, "the process hung");
    else resolve(message);
  };
  worker.on("message", onMessage).once("exit", onExit);
  worker.send(job);
  return await promise.finally(() => {
    clearTimeout(timer);
    worker.off("message", onMessage).off("exit", onExit);
  });
}
