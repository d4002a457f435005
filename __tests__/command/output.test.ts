import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { expect, test } from "@jest/globals";
import { destinationOf, processOutput } from "../../src/command/output.ts";
import { disposable, makeTempFolder } from "../fixtures/opened.ts";

function openFile(path: string, flags = "w") {
  const descriptor = openSync(path, flags);
  return disposable({ descriptor }, () => closeSync(descriptor));
}

/** A stream in place of stdout. */
function outputOn(stream: Writable, descriptor: number) {
  return processOutput(Object.assign(stream, { fd: descriptor }) as never);
}

test("a stream into a regular file is one that the runner does not see", async () => {
  await using folder = await makeTempFolder();
  await using file = openFile(join(folder.path, "t.log"));
  expect(destinationOf(file.descriptor)).toBe("file");
  expect(outputOn(new PassThrough(), file.descriptor).destination).toBe("file");
});

if (process.platform !== "win32") {
  test("a stream into the null device leads to nothing", async () => {
    await using file = openFile(devNull);
    expect(destinationOf(file.descriptor)).toBe("nothing");
  });

  test("a stream into another device has a reader", async () => {
    await using file = openFile("/dev/zero");
    expect(destinationOf(file.descriptor)).toBe("reader");
  });

  test("a stream into a pipe has a reader", async () => {
    await using folder = await makeTempFolder();
    const path = join(folder.path, "pipe");
    execFileSync("mkfifo", [path]);
    await using pipe = openFile(path, "r+");
    expect(destinationOf(pipe.descriptor)).toBe("reader");
  });
}

test("a stream of which the system does not tell counts as one with a reader", () => {
  expect(destinationOf(2 ** 30)).toBe("reader"); // no process has so many open
});

test("a text is written once the stream has taken it", async () => {
  const taken: string[] = [];
  let release: (() => void) | undefined;
  const write = (chunk: Buffer, _: string, callback: () => void) => {
    taken.push(chunk.toString());
    release = callback;
  };
  let isWritten = false;
  const writing = outputOn(new Writable({ write }), 1).write("masks\n");
  const noted = writing.then(() => {
    isWritten = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect({ taken, isWritten }).toEqual({ taken: ["masks\n"], isWritten: false });
  release?.();
  await noted;
});

test("a text that nobody takes is an error, and no event that ends the process", async () => {
  const error = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
  const write = (_: Buffer, __: string, callback: (error: Error) => void) => callback(error);
  await expect(outputOn(new Writable({ write }), 1).write("masks\n")).rejects.toBe(error);
  await new Promise((resolve) => setImmediate(resolve)); // the event follows the callback
});

test("a reader that has left is an error of this one write, and does not end the program", async () => {
  const stream = new Writable({
    write: (_chunk, _encoding, done) => done(new Error("write EPIPE")),
  });
  const output = processOutput(Object.assign(stream, { fd: 2 }) as never);
  const writing = output.write("text");
  // Node ends a program at an error that nobody listens for, beside the write's own callback.
  expect(stream.listenerCount("error")).toBe(1);
  await expect(writing).rejects.toThrow("EPIPE");
});
