// The program armor-token: a bundle of its own, so that a step that asks for a token loads nothing
// else.

import { runCommand } from "./command/command.ts";
import { processOutput } from "./command/output.ts";
import { findRunnerPipe } from "./command/runner-pipe.ts";

// A process that ends without an answer has printed no token.
process.exitCode = 1;

// The wrapper in FOLDER/bin gives the agent's folder first, then what the user wrote.
const [folder = "", ...args] = process.argv.slice(2);
const stdout = processOutput(process.stdout);
const stderr = processOutput(process.stderr);
const isDebug = process.env["RUNNER_DEBUG"] === "1"; // as @actions/core asks
// A connection to the agent may still be open when the answer is known, and nothing waits for it.
void runCommand({ folder, args, stdout, stderr, findRunnerPipe, isDebug }).then(process.exit);
