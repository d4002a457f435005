import type { ServerResponse } from "node:http";
import { type CallState, networkError, timeoutError } from "../armor/network-error.ts";
import { proxyFor, type RouteConfig } from "../armor/proxy.ts";
import { clock } from "../clock.ts";
import type { Reply } from "./armor-calls.ts";
import type { Client } from "./client.ts";
import { isPassedToClient, keepHeaders, lengthLast } from "./headers.ts";
import { IdleTimer } from "./idle-timer.ts";
import type { Slots } from "./slots.ts";

/** How a reply is passed on. */
export interface PassOnOptions {
  readonly idleMs: number; // between bytes of the reply, while the client reads
  readonly slots: Slots; // which are told of a client that pauses
  readonly route: RouteConfig; // to name the proxy in an error
}

/**
 * Gives Armor's reply to the client, and resolves when all of it is with the system.
 * @returns the body's length in bytes.
 * @throws ArmorError if the reply breaks off or says nothing for idleMs; any other error if the
 * client left
 */
export async function passOn(
  reply: Reply,
  response: ServerResponse,
  client: Client,
  options: PassOnOptions,
): Promise<number> {
  const { message, origin } = reply;
  try {
    response.writeHead(message.statusCode ?? 502, replyHeaders(reply) as never);
  } catch {
    message.destroy();
    throw networkError({ code: "HPE_INVALID_HEAD" }, stateOf(origin, options.route, false));
  }
  // A body that has begun goes together with its head, which is less work; a head alone goes at
  // once.
  const hasBodyToCome = message.readableLength === 0 && !message.complete;
  if (hasBodyToCome) response.flushHeaders();
  return await streamBody(reply, response, client, options);
}

/** Made for an error only: to find the proxy takes time. */
function stateOf(url: URL, route: RouteConfig, isReplying: boolean): CallState {
  return { url, proxy: proxyFor(url, route), isReplying, isGatewayCall: true };
}

/** Names and values in turn. */
function replyHeaders({ message, location }: Reply): string[] {
  const isReplaced = (name: string) => name === "location" && location !== undefined;
  // A relative Location would lead the client to the gateway, so an absolute one takes its place.
  const isWanted = (name: string) => isPassedToClient(name) && !isReplaced(name);
  const headers = keepHeaders(message, isWanted);
  if (location !== undefined) headers.push("Location", location);
  headers.push("Referrer-Policy", "no-referrer"); // the gateway's address is a secret
  return lengthLast(headers);
}

/** Chunk by chunk, so that the idle limit can tell a slow client from a silent Armor. */
function streamBody(
  reply: Reply,
  response: ServerResponse,
  client: Client,
  options: PassOnOptions,
): Promise<number> {
  const { message, origin } = reply;
  const state = () => stateOf(origin, options.route, true);
  const pause = () => {
    client.stopsReading(clock.now());
    options.slots.notePause(client);
  };
  return new Promise<number>((resolve, reject) => {
    let length = 0;
    const fail = (error: Error) => {
      idle.stop();
      reject(error);
      message.destroy();
    };
    const idle = new IdleTimer(options.idleMs, () => {
      if (message.isPaused()) idle.noteActivity();
      else fail(timeoutError(state()));
    });
    client.onLeave(() => fail(new Error("the client left")));
    if (client.hasLeft) return;
    message.on("data", (chunk: Buffer) => {
      idle.noteActivity();
      length += chunk.length;
      if (response.write(chunk)) return;
      message.pause();
      pause();
    });
    response.on("drain", () => {
      idle.noteActivity();
      client.readsAgain(clock.now());
      message.resume();
    });
    message.once("end", () => {
      idle.stop();
      // What a client does not read is held until it does, so the call is not over before.
      response.end(() => resolve(length));
      if (response.writableLength > 0) pause();
    });
    message.on("error", (error) => fail(networkError(error, state())));
  });
}
