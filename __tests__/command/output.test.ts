import { Writable } from "node:stream";
import { expect, test } from "@jest/globals";
import { processOutput } from "../../src/command/output.ts";

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
