import { printable } from "./redact.ts";

let write: ((line: string) => void) | undefined;

/** Turns the debug log of this process on. @param sink gets each line, without a line end */
export function writeDebugTo(sink: ((line: string) => void) | undefined): void {
  write = sink;
}

/** Says one line in the debug log. If the log is off, `line` is not called and costs nothing. */
export function debug(line: () => string): void {
  write?.(printable(line()));
}

/** Whether there is a debug log, for what has to be noted before the line can be made. */
export function isDebugOn(): boolean {
  return write !== undefined;
}
