// `ca-certificate` is added to whatever the built action's Node trusts, by whatever way it was told
// to.

import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import type { Values } from "../../sandbox/runner.ts";
import { type Authority, createAuthority } from "../fixtures/certificates.ts";
import { expectFailure, expectToken, goodArmor, runBuiltMain, startJob } from "../fixtures/job.ts";
import { type FakeServer, startServer } from "../fixtures/server.ts";

jest.setTimeout(60_000);

const MACHINE_CA = "Machine CA";

let ofInput: Authority;
let ofMachine: Authority;
/** Their certificates are of the input's authority, and of the one that the machine trusts. */
let inputServer: FakeServer;
let machineServer: FakeServer;
let folder: string;

beforeAll(async () => {
  [ofInput, ofMachine] = await Promise.all([
    createAuthority("Input CA"),
    createAuthority(MACHINE_CA),
  ]);
  inputServer = await startServer([goodArmor], { tls: await ofInput.sign(["127.0.0.1"]) });
  machineServer = await startServer([goodArmor], { tls: await ofMachine.sign(["127.0.0.1"]) });
  folder = await mkdtemp(join(tmpdir(), "armor-trust-"));
  await mkdir(join(folder, "certs"));
  await writeFile(join(folder, "ca.pem"), ofMachine.certificate);
  await writeFile(join(folder, "certs", `${hashOf(MACHINE_CA)}.0`), ofMachine.certificate);
});

afterAll(async () => {
  await inputServer.close();
  await machineServer.close();
  await rm(folder, { recursive: true });
});

/**
 * The name by which OpenSSL looks in a folder for the authority with this common name
 * (X509_NAME_hash).
 */
function hashOf(commonName: string): string {
  const tlv = (tag: number, value: Buffer) =>
    Buffer.concat([Buffer.from([tag, value.length]), value]);
  const type = Buffer.from([0x06, 0x03, 0x55, 0x04, 0x03]);
  const value = tlv(0x0c, Buffer.from(commonName.toLowerCase()));
  const canonical = tlv(0x31, tlv(0x30, Buffer.concat([type, value])));
  const digest = createHash("sha1").update(canonical).digest();
  return digest.readUInt32LE(0).toString(16).padStart(8, "0");
}

interface Way {
  readonly title: string;
  readonly env: () => Values;
}

const inFolder = (name: string) => join(folder, name);

const WAYS: readonly Way[] = [
  { title: "NODE_EXTRA_CA_CERTS", env: () => ({ NODE_EXTRA_CA_CERTS: inFolder("ca.pem") }) },
  {
    title: "--use-openssl-ca and SSL_CERT_FILE",
    env: () => ({ NODE_OPTIONS: "--use-openssl-ca", SSL_CERT_FILE: inFolder("ca.pem") }),
  },
  {
    title: "--use-openssl-ca and SSL_CERT_DIR",
    env: () => ({ NODE_OPTIONS: "--use-openssl-ca", SSL_CERT_DIR: inFolder("certs") }),
  },
  {
    title: "--use-openssl-ca and NODE_EXTRA_CA_CERTS",
    env: () => ({ NODE_OPTIONS: "--use-openssl-ca", NODE_EXTRA_CA_CERTS: inFolder("ca.pem") }),
  },
];

/**
 * On Linux the system's store is OpenSSL's; elsewhere it belongs to the machine, and no test adds
 * to it.
 */
const SYSTEM_WAYS: readonly Way[] = [
  {
    title: "NODE_USE_SYSTEM_CA and SSL_CERT_FILE",
    env: () => ({ NODE_USE_SYSTEM_CA: "1", SSL_CERT_FILE: inFolder("ca.pem") }),
  },
  {
    title: "--use-system-ca and SSL_CERT_DIR",
    env: () => ({ NODE_OPTIONS: "--use-system-ca", SSL_CERT_DIR: inFolder("certs") }),
  },
];

const ways = process.platform === "linux" ? [...WAYS, ...SYSTEM_WAYS] : WAYS;

describe("beside ca-certificate, main trusts what the machine trusts by", () => {
  test.each(ways)("$title", async ({ env }) => {
    const inputs = { "ca-certificate": ofInput.certificate };
    expectToken(await runBuiltMain({ ...inputs, "api-url": machineServer.url }, env()));
    expectToken(await runBuiltMain({ ...inputs, "api-url": inputServer.url }, env()));
  });
});

test("SSL_CERT_FILE alone does not count, as in every Node", async () => {
  const inputs = { "ca-certificate": ofInput.certificate, "api-url": machineServer.url };
  const main = await runBuiltMain(inputs, { SSL_CERT_FILE: inFolder("ca.pem") });
  expectFailure(main, "certificate_rejected", [`its issuer is "${MACHINE_CA}"`]);
});

describe("a whole job with both, where the machine trusts by", () => {
  test.each(ways)("$title", async ({ env }) => {
    const before = machineServer.requests.length;
    const inputs = { "api-url": machineServer.url, "ca-certificate": ofInput.certificate };
    await using started = await startJob(inputs, env());
    const { job, call } = started;
    expect((await call()).status).toBe(200);
    await job.post();
    const asked = machineServer.requests.slice(before).map(({ path }) => path);
    expect(asked.at(-1)).toBe("/api/v1/iam/session/terminate");
  });
});
