// What is started: the main step and the post step by the runner, the token agent by the main step.

import { agent } from "./agent.ts";
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

const role = process.argv[2] === "agent" ? agent : isPostStep(process.env) ? post : main;
role(process.env, crash).then(() => exit(process));
