import type { IncomingHttpHeaders, IncomingMessage, RequestOptions } from "node:http";
import { HttpClient } from "@actions/http-client";
import { afterPendingReads, clock } from "../clock.ts";
import { debug } from "../debug.ts";
import { ArmorError } from "../errors.ts";
import { Progress } from "./connecting.ts";
import { shownHeaders } from "./debug-lines.ts";
import { withoutBrackets } from "./host.ts";
import { networkError, timeoutError } from "./network-error.ts";
import { explainRoute, type ProxyAddress, proxyFor, type RouteConfig } from "./proxy.ts";
import { createAgent, type TrackedRequestOptions } from "./route-agents.ts";

export interface ApiRequest {
  readonly url: URL; // of a POST
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface ApiReply {
  readonly url: URL; // where the reply came from
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Sends one request and settles when the signal aborts, whatever the peer does. */
export type Send = (request: ApiRequest, signal: AbortSignal) => Promise<ApiReply>;

const USER_AGENT = "armor-token-action";
const MAX_REPLY_BYTES = 1024 * 1024;

/**
 * A `Send` by this route. @throws ArmorError reply_timeout at an abort, or what `networkError` says
 */
export function createSend(route: RouteConfig): Send {
  return async (request, signal) => {
    const proxy = proxyFor(request.url, route);
    debug(() => explainRoute(request.url, route));
    const exchange = new Exchange(request.url, proxy);
    return await exchange.run(request, signal);
  };
}

/** One request and its reply, over a connection of its own. */
class Exchange {
  readonly #url: URL;
  readonly #proxy: ProxyAddress | undefined;
  readonly #progress = new Progress();
  readonly #deadline = new AbortController();
  #isReplying = false;

  constructor(url: URL, proxy: ProxyAddress | undefined) {
    this.#url = url;
    this.#proxy = proxy;
  }

  async run({ url, headers, body }: ApiRequest, signal: AbortSignal): Promise<ApiReply> {
    if (signal.aborted) throw this.#timeoutError();
    const beganAt = clock.now();
    const end = () => {
      this.#progress.end();
      this.#deadline.abort();
    };
    const onAbort = () => afterPendingReads(end);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const replying = this.#createClient().post(url.href, body, { ...headers });
      const { message } = await Promise.race([replying, this.#rejectAtDeadline()]);
      this.#isReplying = true;
      const reply = await this.#readReply(message);
      debug(() => describeReply(reply, clock.now() - beganAt));
      return reply;
    } catch (error) {
      throw this.#judge(error);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** For one request. Redirects and retries of http-client re-send credentials, so both are off. */
  #createClient(): HttpClient {
    const handler = {
      /** http-client's hook into the options of the request that it is about to make. */
      prepareRequest: (options: RequestOptions) => this.#prepare(options),
      canHandleAuthentication: () => false,
      handleAuthentication: () => Promise.reject(new Error("no authentication handler")),
    };
    return new HttpClient(USER_AGENT, [handler], { allowRedirects: false, allowRetries: false });
  }

  #prepare(options: TrackedRequestOptions): void {
    options.signal = this.#deadline.signal;
    options.host = withoutBrackets(this.#url.hostname);
    // http-client appends the runner's orchestration id, which Armor does not need.
    options.headers = { ...options.headers, "user-agent": USER_AGENT };
    options.agent = createAgent(this.#url, this.#proxy);
    options.progress = this.#progress;
  }

  /**
   * After a reply such as 101, Node drops the connection, and http-client alone would wait for
   * ever.
   */
  #rejectAtDeadline(): Promise<never> {
    return new Promise((_, reject) => {
      this.#deadline.signal.addEventListener("abort", reject, { once: true });
    });
  }

  async #readReply(message: IncomingMessage): Promise<ApiReply> {
    const { statusCode: status = 0, headers } = message;
    const body = await readBody(message, this.#url);
    // A reply without a length ends with its connection, also when the deadline ends that.
    const hasLength =
      headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
    if (!hasLength && this.#deadline.signal.aborted) throw this.#timeoutError();
    return { url: this.#url, status, headers, body };
  }

  #judge(error: unknown): unknown {
    if (error instanceof ArmorError) return error;
    if (this.#deadline.signal.aborted) return this.#timeoutError();
    // Node gives every failure of the network a code. Without one, this is a bug of the action.
    const isFromNetwork = (error as NodeJS.ErrnoException).code !== undefined;
    return isFromNetwork ? networkError(error, this.#state()) : error;
  }

  #timeoutError(): ArmorError {
    return timeoutError(this.#state());
  }

  #state() {
    const { stage, dnsCode } = this.#progress;
    const progress = { stage, dnsCode };
    return { url: this.#url, proxy: this.#proxy, isReplying: this.#isReplying, progress };
  }
}

/** Without the query and without the body, which may hold a secret. */
function describeReply({ url, status, headers, body }: ApiReply, elapsedMs: number): string {
  const how = `${status} in ${Math.round(elapsedMs)} ms, ${Buffer.byteLength(body)} bytes`;
  return `POST ${url.origin}${url.pathname}: ${how}${shownHeaders(headers)}`;
}

/** `for await` fails on a reply that breaks off; http-client's `readBody` never settles there. */
async function readBody(message: IncomingMessage, { origin }: URL): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_REPLY_BYTES) {
      const problem = `${origin} answered with more than 1 MiB, which is no token response`;
      const remedy = "Check that api-url is the address of the Armor API.";
      throw new ArmorError("reply_invalid", problem, remedy);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
