import { fstatSync, type Stats, statSync } from "node:fs";
import { devNull } from "node:os";

/** What stands at the other end of a stream, as far as this process can see. */
export type Destination =
  /** The stream was closed, or the null device: what is written is lost. */
  | "nothing"
  /** A regular file: what is written stays there, and the runner does not see it. */
  | "file"
  /** A pipe, a socket or a terminal: somebody reads. */
  | "reader";

/** One of the two streams of this call. */
export interface Output {
  readonly destination: Destination;
  /** Resolves when the text has been taken; rejects if nobody reads any more. */
  write(text: string): Promise<void>;
}

/** @param stream stdout or stderr of this process */
export function processOutput(stream: NodeJS.WriteStream & { readonly fd: number }): Output {
  return {
    destination: destinationOf(stream.fd),
    write: (text) =>
      new Promise((resolve, reject) => {
        // The callback gets the error, too. Without a listener the event would end the process.
        stream.once("error", reject);
        stream.write(text, (error) => (error ? reject(error) : resolve()));
      }),
  };
}

/** Node opens the null device in place of a stream that is closed, so the two look alike. */
export function destinationOf(descriptor: number): Destination {
  let stats: Stats;
  try {
    stats = fstatSync(descriptor);
  } catch {
    // Windows does not tell for some of its pipes and consoles.
    return "reader";
  }
  if (stats.isFile()) return "file";
  return isNullDevice(stats) ? "nothing" : "reader";
}

function isNullDevice(stats: Stats): boolean {
  if (!stats.isCharacterDevice()) return false;
  try {
    return stats.rdev === statSync(devNull).rdev;
  } catch {
    // Windows has no path for its null device.
    return false;
  }
}
