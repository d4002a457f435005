import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { ArmorError } from "../errors.ts";
import { printable } from "../redact.ts";
import { IdleTimer } from "./idle-timer.ts";
import type { Refusal } from "./refusals.ts";

/** An error of the agent's own. */
export function sendFailure(response: ServerResponse, failure: ArmorError): void {
  const { headers, body } = errorReply(failure.code, failure.message);
  const { retryAfterMs } = failure.details;
  if (retryAfterMs) headers["Retry-After"] = String(Math.ceil(retryAfterMs / 1000));
  response.writeHead(failureStatus(failure), headers).end(body);
}

/** 424 if a repeat is of no use, 503 if Armor named a time, 504 if time ran out, 502 otherwise. */
function failureStatus({ code, details }: ArmorError): 424 | 502 | 503 | 504 {
  if (details.isPermanent) return 424;
  if (details.retryAfterMs) return 503;
  return code === "reply_timeout" ? 504 : 502;
}

/**
 * Answers at once, then reads on: closing while the client sends loses the reply (RFC 9112 section
 * 9.6).
 */
export function sendRefusal(response: ServerResponse, refusal: Refusal, lingerMs: number): void {
  const { headers, body } = refusalReply(refusal);
  response.writeHead(refusal.status, headers);
  const request = response.req.headers;
  const hasBody =
    request["transfer-encoding"] !== undefined || Number(request["content-length"] ?? 0) !== 0;
  if (!hasBody) {
    response.end(body);
    return;
  }
  response.flushHeaders();
  response.write(body);
  const timer = new IdleTimer(lingerMs, () => response.end());
  response.req.once("end", () => response.end()).resume();
  response.once("close", () => timer.stop());
}

/**
 * The same for a connection without a response: Node's parser gave it up, or it asked for a tunnel.
 */
export function endSocket(socket: Duplex, refusal: Refusal, lingerMs: number): void {
  const { headers, body } = refusalReply(refusal);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on("error", () => undefined);
  socket.end(
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${lines.join("")}\r\n${body}`,
  );
  const timer = new IdleTimer(lingerMs, () => socket.destroy());
  socket.resume().once("close", () => timer.stop());
}

interface ErrorReply {
  readonly headers: Record<string, string>;
  readonly body: string;
}

function refusalReply({ error, description, allow, retryAfterS }: Refusal): ErrorReply {
  const { headers, body } = errorReply(error, description);
  headers["Connection"] = "close";
  if (allow !== undefined) headers["Allow"] = allow;
  if (retryAfterS !== undefined) headers["Retry-After"] = String(retryAfterS);
  return { headers, body };
}

/** In the shape of an OAuth error (RFC 6749 section 5.2). No secret leaves the agent in it. */
function errorReply(error: string, description: string): ErrorReply {
  const body = JSON.stringify({ error, error_description: printable(description) });
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": String(Buffer.byteLength(body)),
    "Cache-Control": "no-store",
    "X-Armor-Gateway": "1",
  };
  return { headers, body };
}
