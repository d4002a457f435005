// The main step: inputs → token → outputs.

import { existsSync } from "node:fs";
import * as core from "@actions/core";
import { systemClock } from "./clock.ts";
import { ArmorError, messageOf } from "./errors.ts";
import { send, trustCertificates } from "./http.ts";
import { readCredentials, readInputs } from "./inputs.ts";
import { isoDate, mask, setTokenOutputs } from "./outputs.ts";
import { quoteWithout, scrubber } from "./quote.ts";
import { secretForms } from "./secrets.ts";
import { markMainStarted, saveSession } from "./state.ts";
import { type Armor, fetchToken } from "./token.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Sets `process.exitCode` to 0 if and only if every output is set; otherwise reports one error annotation.
 * @param crash rejects with what nothing caught
 */
export async function main(env: Environment, crash: Promise<never>): Promise<void> {
  const secrets = secretForms(readCredentials(core));
  mask(core, secrets);
  try {
    checkFileCommands(env);
    markMainStarted(core);
    await Promise.race([run(secrets), crash]);
    process.exitCode = 0;
  } catch (error) {
    core.setFailed(scrubber(secrets)(messageOf(error, quoteWithout(secrets))));
  }
}

async function run(secrets: readonly string[]): Promise<void> {
  const { credentials, apiUrl, certificates, timeoutMs, terminateSession } = readInputs(core);
  const tell = (line: string) => core.info(scrubber(secrets)(line));
  if (certificates.length > 0) trustCertificates(certificates);
  const armor: Armor = {
    apiUrl,
    send,
    clock: systemClock,
    timeoutMs,
    quote: quoteWithout(secrets),
    onRetry: ({ problem }, pauseMs) => tell(`${problem}; trying again in ${(pauseMs / 1000).toFixed(1)} s.`),
  };
  const token = await fetchToken(armor, credentials);
  saveSession(core, terminateSession ? token : { expiresAt: token.expiresAt });
  setTokenOutputs(core, token);
  tell(`Access token from ${apiUrl}, valid for ${token.expiresIn} s, until ${isoDate(token.expiresAt)}.`);
}

/**
 * Without these files @actions/core falls back to commands on stdout, the token in plain sight among them.
 * @throws ArmorError runner_unsupported
 */
function checkFileCommands(env: Environment): void {
  for (const name of ["GITHUB_OUTPUT", "GITHUB_STATE"]) {
    if (!existsSync(env[name] ?? "")) {
      throw new ArmorError(
        "runner_unsupported",
        `${name} is not the path of a file, so there is no safe way to hand the token on`,
        "Run this as a step of a GitHub Actions workflow.",
      );
    }
  }
}
