// The built action behind squid and tinyproxy, as their packages install them, on Linux:
// node_modules/.bin/node __tests__/bundle/proxies/run.ts

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Sandbox, startSandbox } from "../../../sandbox/armor.ts";
import { Job, type Values } from "../../../sandbox/runner.ts";
import { createAuthority } from "../../fixtures/certificates.ts";

/** The proxies' packages put them where a user's PATH may not lead. */
const PATH = `${process.env["PATH"]}:/usr/sbin:/sbin`;
/** A name that only squid resolves. */
const HIDDEN = "armor.corp.test";
/** tinyproxy asks the system, so it gets an address: not a loopback one by name, but it leads to this machine. */
const OWN = "0.0.0.0";
const [USER, PASSWORD] = ["user", "Secret1"];
const CLIENT: Values = { "app-id": "an-app", "api-key": "the-key-of-the-app" };
const READY_MS = 15_000;
const STOP_MS = 5_000;

interface Proxy {
  readonly name: string;
  readonly ports: readonly number[];
  /** What it has printed. */
  output(): string;
  stop(): Promise<void>;
}

async function run(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "armor-proxies-"));
  await chmod(folder, 0o755); // squid reads its files as a user of its own
  const authority = await createAuthority("Corp CA");
  const armor = await startSandbox({
    appId: CLIENT["app-id"] ?? "",
    apiKey: CLIENT["api-key"] ?? "",
    tls: await authority.sign([HIDDEN, OWN]),
  });
  const { port } = new URL(armor.url);
  const inputs = (host: string): Values => ({
    ...CLIENT,
    "api-url": `https://${host}:${port}`,
    "ca-certificate": authority.certificate,
    timeout: "5",
  });
  try {
    const { key, cert } = await authority.sign(["127.0.0.1"]);
    await writeFile(join(folder, "key.pem"), key, { mode: 0o644 });
    await writeFile(join(folder, "cert.pem"), cert);
    await tryTinyproxy(folder, armor, inputs(OWN));
    await trySquid(folder, armor, inputs(HIDDEN));
  } finally {
    await armor.close();
    await rm(folder, { recursive: true });
  }
}

async function tryTinyproxy(folder: string, armor: Sandbox, inputs: Values): Promise<void> {
  const port = await freePort();
  const config = [
    "Listen 127.0.0.1",
    `Port ${port}`,
    "LogLevel Connect",
    `BasicAuth ${USER} ${PASSWORD}`,
  ];
  const file = join(folder, "tinyproxy.conf");
  await writeFile(file, `${config.join("\n")}\n`);
  const version = execFileSync("tinyproxy", ["-v"], { env: { PATH }, encoding: "utf8" }).trim();
  const proxy = await startProxy(version, "tinyproxy", ["-d", "-c", file], [port]);
  const connects = () => proxy.output().split("CONNECT 0.0.0.0:").length - 1;
  try {
    await expectJob(proxy, "Basic", armor, inputs, {
      https_proxy: `http://${USER}:${PASSWORD}@127.0.0.1:${port}`,
    });
    check(connects() >= 3, "its log has no CONNECT for each connection");
    const wrong = { https_proxy: `http://${USER}:Wr0ng@127.0.0.1:${port}` };
    await expectRefusal(
      proxy,
      "wrong credentials",
      inputs,
      wrong,
      "does not accept the user and password (401)",
    );
    const before = connects();
    await expectJob(proxy, "no_proxy, so past it", armor, inputs, {
      ...wrong,
      no_proxy: `x.test, ${OWN}`,
    });
    check(connects() === before, "a host of no_proxy went through the proxy");
  } finally {
    await proxy.stop();
  }
}

async function trySquid(folder: string, armor: Sandbox, inputs: Values): Promise<void> {
  await writeFile(join(folder, "hosts"), `127.0.0.1 ${HIDDEN}\n`);
  const helper = join(folder, "helper");
  const answer = `[ "$line" = "${USER} ${PASSWORD}" ] && echo OK || echo ERR`;
  await writeFile(helper, `#!/bin/sh\nwhile read -r line; do ${answer}; done\n`);
  await chmod(helper, 0o755);
  const basic = await startSquid(folder, "basic", helper);
  const credentials = `${USER}:${PASSWORD}@`;
  const variable = ({ ports: [port] }: Proxy, user: string) => ({
    https_proxy: `http://${user}127.0.0.1:${port}`,
  });
  try {
    await expectJob(
      basic,
      "Basic, to a name that only it knows",
      armor,
      inputs,
      variable(basic, credentials),
    );
    await expectRefusal(
      basic,
      "wrong credentials",
      inputs,
      variable(basic, `${USER}:Wr0ng@`),
      "does not accept the user and password (407)",
    );
    await expectRefusal(
      basic,
      "no credentials",
      inputs,
      variable(basic, ""),
      "wants a user and a password (407)",
    );
    const past = { ...variable(basic, credentials), no_proxy: ".corp.test" };
    await expectFailure(
      basic,
      "no_proxy, so past it",
      inputs,
      past,
      /\((host_unknown|dns_failed),/,
      HIDDEN,
    );
    const tlsPort = basic.ports[1];
    const byTls = { https_proxy: `https://${credentials}127.0.0.1:${tlsPort}` };
    if (tlsPort === undefined)
      say(basic, "TLS to the proxy: not tried, as this package has no https_port");
    else await expectJob(basic, "TLS to the proxy", armor, inputs, byTls);
  } finally {
    await basic.stop();
  }
  const digest = await startSquid(folder, "digest", "/bin/cat");
  try {
    await expectRefusal(
      digest,
      "Digest only",
      inputs,
      variable(digest, credentials),
      "by digest (407)",
    );
  } finally {
    await digest.stop();
  }
}

/** @param helper the program that squid asks about users; with digest, it is never asked here */
async function startSquid(
  folder: string,
  scheme: "basic" | "digest",
  helper: string,
): Promise<Proxy> {
  const [port, tlsPort] = [await freePort(), await freePort()];
  const certificate = `tls-cert=${join(folder, "cert.pem")} tls-key=${join(folder, "key.pem")}`;
  const tls = `https_port 127.0.0.1:${tlsPort} ${certificate}`;
  const lines = [
    `http_port 127.0.0.1:${port}`,
    `hosts_file ${join(folder, "hosts")}`,
    `auth_param ${scheme} program ${helper}`,
    `auth_param ${scheme} realm proxy`,
    "acl known proxy_auth REQUIRED",
    "http_access allow known",
    "http_access deny all",
    "cache deny all",
    "access_log none",
    `cache_log ${join(folder, "cache.log")}`,
    "pid_filename none",
    "shutdown_lifetime 0 seconds",
    "coredump_dir /",
    "pinger_enable off",
    "netdb_filename none",
  ];
  const file = join(folder, "squid.conf");
  await writeFile(join(folder, "cache.log"), "");
  await chmod(join(folder, "cache.log"), 0o666);
  const write = (more: readonly string[]) => writeFile(file, `${[...lines, ...more].join("\n")}\n`);
  await write([tls]);
  const version = execFileSync("squid", ["-v"], { env: { PATH }, encoding: "utf8" });
  const name = `squid ${/Version (\S+)/.exec(version)?.[1] ?? ""}`.trim();
  const args = ["-N", "-f", file];
  try {
    return await startProxy(name, "squid", args, [port, tlsPort]);
  } catch {
    await write([]); // built without TLS for clients
    return await startProxy(name, "squid", args, [port]);
  }
}

/** Resolves when it listens on all of these ports. */
async function startProxy(
  name: string,
  program: string,
  args: readonly string[],
  ports: readonly number[],
): Promise<Proxy> {
  const child = spawn(program, args, { env: { PATH }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (piece) => (output += piece));
  const closed = new Promise<void>((resolve) =>
    child.once("close", () => resolve()).once("error", () => resolve()),
  );
  const stop = async () => {
    child.kill("SIGTERM"); // with SIGKILL, squid leaves files in /dev/shm
    const kill = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await closed;
    clearTimeout(kill);
  };
  try {
    for (const port of ports) await listening(port, child);
  } catch (error) {
    await stop();
    throw new Error(`${name} does not start: ${(error as Error).message} ${output.slice(-500)}`);
  }
  return { name, ports, output: () => output, stop };
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (
    const end = Date.now() + READY_MS;
    Date.now() < end && child.exitCode === null;
    await sleep(50)
  ) {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
  }
  throw new Error(`it does not listen on port ${port}.`);
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Main step, a call through the gateway, and post: each of them reaches Armor. */
async function expectJob(
  proxy: Proxy,
  what: string,
  armor: Sandbox,
  inputs: Values,
  env: Values,
): Promise<void> {
  const asked = armor.requests.length;
  const job = await Job.start({ ...inputs, "keep-fresh": "true" }, env);
  try {
    const main = await job.main();
    check(main.exitCode === 0, `${what}: ${main.stdout}`);
    const reply = await fetch(`${job.outputs["gateway-url"]}/api/v1/discovery/connections`);
    check(reply.status === 200, `${what}: ${await reply.text()}`);
  } finally {
    await job.post();
    await job.end();
  }
  const paths = armor.requests.slice(asked).map((request) => request.replace(/^.*\//, ""));
  check(
    paths.join() === "token 200,connections 200,terminate 204",
    `${what}: Armor saw ${paths.join()}`,
  );
  say(proxy, `${what}: a whole job works`);
}

const expectRefusal = (
  proxy: Proxy,
  what: string,
  inputs: Values,
  env: Values,
  says: string,
): Promise<void> => expectFailure(proxy, what, inputs, env, /\(proxy_refused,/, says);

async function expectFailure(
  ...[proxy, what, inputs, env, code, says]: [Proxy, string, Values, Values, RegExp, string]
): Promise<void> {
  const job = await Job.start(inputs, env);
  try {
    const { exitCode, stdout } = await job.main();
    const annotation = stdout.split("\n").find((line) => line.startsWith("::error::")) ?? "";
    const isExpected = exitCode === 1 && code.test(annotation) && annotation.includes(says);
    check(isExpected && !stdout.includes(PASSWORD ?? ""), `${what}: ${annotation || stdout}`);
  } finally {
    await job.end();
  }
  say(proxy, `${what}: fails, and says so ("${says}")`);
}

function check(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(what);
}

function say({ name }: Proxy, text: string): void {
  process.stdout.write(`${name}: ${text}\n`);
}

run().catch((error: NodeJS.ErrnoException) => {
  const hint = error.code === "ENOENT" ? " Install the packages squid and tinyproxy." : "";
  process.stderr.write(`The proxies failed. ${error.message}${hint}\n`);
  process.exitCode = 1;
});
