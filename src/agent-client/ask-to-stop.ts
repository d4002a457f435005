import { connect } from "node:net";
import { MAX_REPORT_BYTES } from "../protocol/config.ts";

/** The head of the reply to a stop: its status, and where it ends. */
const REPLY_HEAD = /^HTTP\/1\.1 200 .*?\r\n\r\n/s;
const CONTENT_LENGTH = /\r\ncontent-length: *(?<bytes>\d{1,9})\r\n/i;
/** A head has some 200 bytes. */
const MAX_REPLY_BYTES = MAX_REPORT_BYTES + 4_096;

/** What came of asking an agent to stop. */
export interface StopAnswer {
  /**
   * Whether the connection was closed, was refused, broke off, or was still open when time was
   * over.
   */
  readonly kind: "closed" | "refused" | "broken" | "late";
  readonly code: string; // of the error of node:net; empty if there was none
  readonly hasReplied: boolean; // whether anything came back
  readonly body: string | undefined; // of a reply with status 200; undefined if there was none, or it was cut off
}

export interface StopRequest {
  readonly port: number; // on 127.0.0.1
  readonly capability: string; // the secret part of the address
  readonly signal: AbortSignal; // ends the waiting
}

/**
 * Asks an agent to stop, and resolves when its end closes the connection. That end is the receipt,
 * so this speaks over a plain socket: an HTTP client would close the connection, or keep it, by
 * rules of its own. Never throws.
 */
export function askToStop({ port, capability, signal }: StopRequest): Promise<StopAnswer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let code = "";
    const socket = connect({ host: "127.0.0.1", port, signal });
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_REPLY_BYTES) socket.destroy(); // this is not the agent
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      code = error.code ?? "";
    });
    socket.on("close", () => {
      const kind = signal.aborted ? "late" : kindOf(code);
      resolve({ kind, code, hasReplied: bytes > 0, body: bodyOf(Buffer.concat(chunks)) });
    });
    socket.write(`POST /${capability}/stop HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  });
}

function kindOf(code: string): StopAnswer["kind"] {
  if (code === "") return "closed";
  return code === "ECONNREFUSED" ? "refused" : "broken";
}

/** @returns the whole body of the reply, as UTF-8 */
function bodyOf(reply: Buffer): string | undefined {
  // In Latin-1, a letter is a byte.
  const head = REPLY_HEAD.exec(reply.toString("latin1"))?.[0];
  if (head === undefined) return undefined;
  const body = reply.subarray(head.length);
  const length = Number(CONTENT_LENGTH.exec(head)?.groups?.["bytes"]);
  return body.length === length ? body.toString("utf8") : undefined;
}
