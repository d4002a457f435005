// What the runner starts, for the main step and for the post step.

import { exit } from "./exit.ts";
import { main } from "./main.ts";
import { post } from "./post.ts";
import { isPostStep } from "./state.ts";

// Until success is certain, the step has failed: also when the process runs dry or dies.
process.exitCode = 1;

// What a library calls deprecated (`tunnel`: Buffer() for a proxy's credentials) is nothing a user can act on.
process.noDeprecation = true;

const crash = new Promise<never>((_, reject) => process.once("uncaughtException", reject));
crash.catch(() => undefined);

const step = isPostStep(process.env) ? post : main;
step(process.env, crash).then(() => exit(process));
