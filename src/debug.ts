import { printable } from "./redact.ts";

let write: ((line: string) => void) | undefined;

/** Turns the debug log of this process on. @param sink gets each line, without a line end */
export function writeDebugTo(sink: ((line: string) => void) | undefined): void {
  write = sink;
}

/** Says one line in the debug log. Where the log is off, `line` is not called and costs nothing. */
export function debug(line: () => string): void {
  write?.(printable(line()));
}
