// What every benchmark needs around it: a server in Armor's place, with TLS or without, and a
// folder for files.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority } from "../__tests__/fixtures/certificates.ts";
import { ROOT } from "../sandbox/runner.ts";
import { type StartedProgram, startProgram } from "./measure.ts";

export const SCHEMES = ["https", "http"] as const;
export type Scheme = (typeof SCHEMES)[number];

/** Never resolved by the machine: only where bench/black-hole.ts says what its addresses are. */
export const BLACK_HOLE_HOST = "armor.bench.test";

export interface World {
  readonly armor: StartedProgram;
  readonly folder: string;
  /** What makes Node, and curl, trust the server. */
  readonly trust: { readonly NODE_EXTRA_CA_CERTS: string; readonly CURL_CA_BUNDLE: string };
}

/** Ends what it started, also when `measure` fails. */
export async function withArmor<T>(
  scheme: Scheme,
  measure: (world: World) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "armor-bench-"));
  try {
    const authority = await createAuthority("bench");
    const ca = join(folder, "ca.pem");
    await writeFile(ca, authority.certificate);
    const tls = scheme === "https" ? await authority.sign(["127.0.0.1", BLACK_HOLE_HOST]) : {};
    const server = await startProgram(join(ROOT, "bench", "armor.cjs"), tls);
    try {
      const armor = { ...server, base: server.base.replace("http:", `${scheme}:`) };
      return await measure({
        armor,
        folder,
        trust: { NODE_EXTRA_CA_CERTS: ca, CURL_CA_BUNDLE: ca },
      });
    } finally {
      server.end();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
