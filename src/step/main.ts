import * as core from "@actions/core";
import { takeRoute } from "../armor/proxy.ts";
import { trustCertificates } from "../armor/trust.ts";
import { annotationOf, asArmorError } from "../errors.ts";
import { Cancellation } from "./cancel.ts";
import { type Inputs, readInputs, readSecrets } from "./inputs.ts";
import { MainMark } from "./marks.ts";
import * as runner from "./outputs.ts";
import { checkFiles, closeFilesToOthers } from "./runner-files.ts";
import { saveEmptyState, saveState } from "./state.ts";
import { type Run, supply } from "./supply.ts";

/**
 * Sets `process.exitCode` to 0 if and only if every output is set; else reports one error
 * annotation.
 * @param env of the process, of which it takes the proxy variables
 * @param crash rejects with what nothing else has caught
 * @param dist the folder of the built files, one of which this is
 */
export async function main(
  env: NodeJS.ProcessEnv,
  crash: Promise<never>,
  dist: string,
): Promise<void> {
  let mark: MainMark | undefined;
  try {
    runner.mask(readSecrets(core.getInput));
    runner.startDebugLog();
    closeFilesToOthers();
    checkFiles(["GITHUB_OUTPUT", "GITHUB_STATE"]);
    mark = new MainMark(env);
    const cancellation = new Cancellation(mark);
    const result = prepareAndSupply(env, dist, mark, cancellation);
    await Promise.race([result, crash, cancellation.deadline]);
    process.exitCode = 0;
  } catch (error) {
    process.exitCode = 1;
    const { code, message } = asArmorError(error);
    runner.fail(annotationOf(code, message));
  } finally {
    mark?.remove();
  }
}

async function prepareAndSupply(
  env: NodeJS.ProcessEnv,
  dist: string,
  mark: MainMark,
  cancellation: Cancellation,
): Promise<void> {
  saveEmptyState();
  const envOfJob = { ...env };
  const inputs = readInputs(core.getInput, env);
  const route = takeRoute(env);
  if (inputs.keepFresh && inputs.exportEnvironment) checkFiles(["GITHUB_ENV", "GITHUB_PATH"]);
  warnOfIam(inputs);
  trustCertificates(inputs.certificates);
  saveState({
    apiUrl: inputs.apiUrl,
    certificates: inputs.certificates,
    terminateSession: inputs.terminateSession,
    mark: mark.path,
    stateFile: env["GITHUB_STATE"],
  });
  const run: Run = { env: envOfJob, dist, inputs, route, mark, cancellation };
  await supply(run);
}

/** Below this path Armor tells who has which rights. */
const IAM = "/api/v1/iam/";

function warnOfIam({ gatewayPaths }: Inputs): void {
  for (const path of gatewayPaths) {
    const isInsideIam = path.startsWith(IAM);
    const isAboveIam = path.endsWith("/") && IAM.startsWith(path);
    if (!isInsideIam && !isAboveIam) continue;
    runner.warn(
      `gateway-paths: ${path} covers ${IAM}, so with keep-fresh every later step of this job can read the ` +
        "users, apps and policies that the client app may read.",
    );
  }
}
