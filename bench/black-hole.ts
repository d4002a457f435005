// Measures the action if the first address of Armor's name swallows packets, as a broken IPv6 or a
// dead A record does.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { agentConfig } from "../sandbox/agent.ts";
import { Job, ROOT } from "../sandbox/runner.ts";
import { READY_LINE } from "../src/protocol/config.ts";
import { BLACK_HOLE_HOST, type World } from "./world.ts";

/** A loopback address at which no server of the benchmarks listens. */
const BLACK_HOLE = "127.0.0.2";

/**
 * Gives a process both addresses for the name, the dead one first, whatever the machine's resolver
 * says.
 */
const HOOK = `
  const dns = require("node:dns");
  const { lookup } = dns;
  const addresses = ["${BLACK_HOLE}", "127.0.0.1"].map((address) => ({ address, family: 4 }));
  dns.lookup = (name, options, done) => {
    if (name !== "${BLACK_HOLE_HOST}") return lookup(name, options, done);
    const all = typeof options === "object" && options.all;
    setImmediate(() => (all ? done(null, addresses) : done(null, "${BLACK_HOLE}", 4)));
  };`;

/** Has no room for another connection, and never makes any: Linux then drops each SYN. */
const FULL_SERVER = `
  const host = "${BLACK_HOLE}";
  require("node:net").createServer().listen({ host, port: Number(process.argv[1]), backlog: 1 }, () => {
    process.stdout.write("listens");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;
/** More than Linux queues for a backlog of 1. */
const FILLERS = 8;

/** Ms until each has what it needs. */
export interface BlackHoleTimes {
  readonly main: number;
  readonly firstCall: number;
  readonly post: number;
}

/** @param world with https, as only its certificate is of the name */
export async function benchBlackHole(world: World): Promise<BlackHoleTimes> {
  const { port } = new URL(world.armor.base);
  const hook = join(world.folder, "names.cjs");
  await writeFile(hook, HOOK);
  const close = await openBlackHole(Number(port));
  try {
    const apiUrl = `https://${BLACK_HOLE_HOST}:${port}`;
    const steps = await timeSteps(world, apiUrl, hook);
    return {
      main: steps.main,
      firstCall: await timeFirstCall(world, apiUrl, hook),
      post: steps.post,
    };
  } finally {
    close();
  }
}

async function timeSteps(world: World, apiUrl: string, hook: string) {
  const inputs = { "app-id": "id", "api-key": "key-of-the-app", "api-url": apiUrl };
  const job = await Job.start(inputs, { ...world.trust, NODE_OPTIONS: `--require "${hook}"` });
  try {
    const main = await job.main();
    const post = await job.post();
    if (main.exitCode !== 0) throw new Error(`main failed:\n${main.stdout}`);
    return { main: main.ms, post: post.ms };
  } finally {
    await job.end();
  }
}

/** By an agent that is started by hand, because main hands no --require on. */
async function timeFirstCall(world: World, apiUrl: string, hook: string): Promise<number> {
  const folder = join(world.folder, "agent-behind-black-hole");
  await mkdir(folder, { mode: 0o700 });
  const config = agentConfig(
    {
      apiUrl,
      temp: world.folder,
      terminateSession: false,
      first: { accessToken: "t0k3n", expiresIn: 86_400 },
    },
    folder,
  );
  const agent = spawn(process.execPath, ["--require", hook, join(ROOT, "dist", "agent.js")], {
    env: { ...process.env, ...world.trust },
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    agent.stdin.end(JSON.stringify(config));
    const port = await readPort(agent.stdout);
    const start = performance.now();
    const url = `http://127.0.0.1:${port}/${config.capability}/api/v1/discovery/scans`;
    const response = await fetch(url);
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
    return performance.now() - start;
  } finally {
    agent.kill("SIGKILL");
  }
}

/** @throws if the agent ends without having said where it listens */
async function readPort(stdout: AsyncIterable<Buffer>): Promise<string> {
  let said = "";
  for await (const chunk of stdout) {
    said += String(chunk);
    const port = READY_LINE.exec(said)?.groups?.["port"];
    if (port !== undefined) return port;
  }
  throw new Error(`the agent did not start: ${said}`);
}

/** Makes connections to this port of the address hang. @returns what ends that */
async function openBlackHole(port: number): Promise<() => void> {
  const server = spawn(process.execPath, ["-e", FULL_SERVER, String(port)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(server.stdout, "data");
  const fillers = Array.from({ length: FILLERS }, (): Socket => connect(port, BLACK_HOLE));
  for (const socket of fillers) socket.on("error", () => undefined);
  await once(fillers[0] ?? server, "connect");
  return () => {
    for (const socket of fillers) socket.destroy();
    server.kill("SIGKILL");
  };
}
