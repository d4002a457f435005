// Owns the authorization server of the simulation: a rate limit, an outage, and a network in between.

import type { ApiReply, ApiRequest, Send } from "../../src/armor/http.ts";
import type { Simulation } from "./simulation.ts";

export interface ServerOptions {
  /** A token bucket: so many requests a second, and as many at once after a pause. */
  readonly perSecond: number;
  readonly hasRetryAfter: boolean;
  /** From the start on, the server answers 503. */
  readonly outageMs: number;
}

const MIN_TRIP_MS = 20;
const MAX_TRIP_MS = 80;
const LIFETIME_S = 60;

export class Server {
  /** When each request arrived, in ms. */
  readonly arrivals: number[] = [];
  readonly #simulation: Simulation;
  readonly #options: ServerOptions;
  readonly #random: () => number;
  #bucket: number;
  #filledAt = 0;

  constructor(simulation: Simulation, options: ServerOptions, random: () => number) {
    this.#simulation = simulation;
    this.#options = options;
    this.#random = random;
    this.#bucket = options.perSecond;
  }

  /** The network's part of the action, in place of src/armor/http.ts. */
  readonly send: Send = (request, signal) =>
    new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      const trip = () => (MIN_TRIP_MS + this.#random() * (MAX_TRIP_MS - MIN_TRIP_MS)) / 2;
      this.#simulation.after(trip(), () => {
        const reply = this.#answer(request);
        this.#simulation.after(trip(), () => resolve(reply));
      });
    });

  #answer({ url }: ApiRequest): ApiReply {
    const { now } = this.#simulation;
    const { outageMs, perSecond } = this.#options;
    this.arrivals.push(now);
    if (now < outageMs) return this.#reply(url, 503, outageMs - now);
    this.#bucket = Math.min(
      perSecond,
      this.#bucket + ((now - Math.max(this.#filledAt, outageMs)) / 1000) * perSecond,
    );
    this.#filledAt = now;
    if (this.#bucket < 1) return this.#reply(url, 429, ((1 - this.#bucket) / perSecond) * 1000);
    this.#bucket -= 1;
    return this.#reply(url, 200);
  }

  #reply(url: URL, status: number, waitMs?: number): ApiReply {
    const headers: Record<string, string> =
      waitMs !== undefined && this.#options.hasRetryAfter
        ? { "retry-after": String(Math.ceil(waitMs / 1000)) }
        : {};
    const body = status === 200 ? JSON.stringify({ access_token: "t0k3n", expires_in: LIFETIME_S }) : "{}";
    return { url, status, headers, body, receivedAt: this.#simulation.now };
  }
}
