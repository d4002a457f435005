import type { IncomingMessage, ServerResponse } from "node:http";
import type { RouteConfig } from "../armor/proxy.ts";
import { clock } from "../clock.ts";
import { debug, isDebugOn } from "../debug.ts";
import type { Stats } from "../protocol/stats.ts";
import type { ArmorCalls } from "./armor-calls.ts";
import type { Limits } from "./bounds.ts";
import { Client } from "./client.ts";
import { passOn } from "./pass-on.ts";
import { busy, type Refusal } from "./refusals.ts";
import { sendFailure, sendRefusal } from "./reply.ts";
import { type Outcome, Slots } from "./slots.ts";
import { withoutQuery } from "./targets.ts";

export interface GatewayOptions {
  readonly calls: ArmorCalls;
  readonly stats: Stats;
  readonly idleMs: number; // between bytes of a reply, while the client reads
  readonly bounds: Limits;
  readonly route: RouteConfig; // to name the proxy in an error
}

/** One call of a client. */
interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: string; // path and query below api-url
  readonly client: Client;
  readonly startedAt: number; // by the monotonic clock, in ms; 0 while the debug log is off
}

/**
 * A streaming reverse proxy to one origin, which only reads, and puts a valid token into each call.
 */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #slots: Slots;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#slots = new Slots(options.bounds);
  }

  /** Answers a request that was admitted, and counts it once. Never fails. */
  async handle(request: IncomingMessage, response: ServerResponse, target: string): Promise<void> {
    const startedAt = isDebugOn() ? clock.now() : 0;
    const client = new Client(response);
    const call: Call = { request, response, target, client, startedAt };
    const outcome = await this.#slots.acquire(client);
    if (outcome !== "granted") {
      this.#answerWithoutSlot(call, outcome);
      return;
    }
    try {
      await this.#answer(call);
    } catch (error) {
      this.#tellFailure(call, error);
    } finally {
      this.#slots.release(client);
    }
  }

  async #answer(call: Call): Promise<void> {
    const { calls, stats, idleMs, route } = this.#options;
    const { request, response, target, client } = call;
    const reply = await calls.send(request, target, client);
    const length = await passOn(reply, response, client, { idleMs, slots: this.#slots, route });
    const { statusCode } = response;
    stats.addAnswer(statusCode);
    stats.addRead(request.method ?? "GET", withoutQuery(target), statusCode);
    debug(() => lineOf(call, `${statusCode}, ${length} bytes, ${reply.repeats} repeats`));
  }

  #answerWithoutSlot(call: Call, outcome: Outcome): void {
    const { stats, bounds } = this.#options;
    debug(() => lineOf(call, `no slot (${outcome})`));
    if (outcome === "left") {
      stats.abandoned += 1;
      return;
    }
    const refusal = outcome === "tooMany" ? tooManyWait(bounds) : waitedTooLong(bounds);
    stats.addRefusal(refusal);
    sendRefusal(call.response, refusal, bounds.headMs);
  }

  #tellFailure(call: Call, error: unknown): void {
    const { stats, bounds } = this.#options;
    const { response, client } = call;
    if (client.wasEnded) {
      debug(() => lineOf(call, "ended, as its client did not read"));
      stats.addUnread(doesNotRead(bounds));
      response.socket?.resetAndDestroy();
      return;
    }
    if (client.hasLeft) {
      debug(() => lineOf(call, "its client left"));
      stats.abandoned += 1;
      return;
    }
    const failure = stats.addFailure(error);
    debug(() => lineOf(call, failure.code));
    // A reply that breaks off must not look whole: the connection is reset, which HTTP/1.0 needs.
    if (response.headersSent) response.socket?.resetAndDestroy();
    else sendFailure(response, failure);
  }
}

/** A line of the debug log, such as `Gateway: GET /api/v1/x, 12 ms: 200, 40 bytes, 0 repeats`. */
function lineOf({ request, target, startedAt }: Call, result: string): string {
  const ms = Math.round(clock.now() - startedAt);
  return `Gateway: ${request.method} ${withoutQuery(target)}, ${ms} ms: ${result}`;
}

function tooManyWait({ maxCalls, maxCallsWaiting }: Limits): Refusal {
  return busy(
    `${maxCalls} calls to Armor are under way and ${maxCallsWaiting} wait in line. ` +
      "Send fewer calls at once, or repeat this one later.",
  );
}

function waitedTooLong({ maxCalls, callWaitMs }: Limits): Refusal {
  return busy(
    `This call waited ${callWaitMs / 1000} s in line behind ${maxCalls} calls that were under way. ` +
      "Send fewer calls at once, or repeat this one later.",
  );
}

function doesNotRead({ maxUnreadMs }: Limits): Refusal {
  return busy(
    `A client did not read its reply for ${maxUnreadMs / 1000} s or longer while other calls waited in ` +
      "line, so the reply was broken off. Read replies at once, or send fewer calls at the same time.",
  );
}
