// Owns the end of the process: what was printed has arrived, and nothing that is still open delays it.

/** The part of Node's `process` that ends it. */
export interface Exitable {
  readonly stdout: { write(text: string, callback: () => void): unknown };
  readonly execPath: string;
  exitCode?: number | string | null | undefined;
  getActiveResourcesInfo(): string[];
  exit(): never;
  execve?(file: string, args: string[], env: Record<string, string>): never;
}

/** Ends the process with its `exitCode`, open sockets or not. */
export async function exit(process: Exitable): Promise<void> {
  await new Promise<void>((resolve) => process.stdout.write("", resolve));
  // exit() joins the thread that a name look-up runs on, and a resolver that never answers holds it for as long
  // as the system's resolver is patient, commonly 10 s and more. Only another program in this process's place
  // ends at once, with the same exit code.
  if (process.execve !== undefined && process.getActiveResourcesInfo().includes("GetAddrInfoReqWrap")) {
    try {
      process.execve(process.execPath, [process.execPath, "-e", `process.exit(${process.exitCode})`], {});
    } catch {
      // Windows has no execve; nor does it wait for that thread.
    }
  }
  process.exit();
}
