import type { IncomingHttpHeaders, IncomingMessage, RequestOptions } from "node:http";
import tls from "node:tls";
import { HttpClient } from "@actions/http-client";
import { ArmorError } from "../errors.ts";
import { type CallState, networkError, timeoutError } from "./network-error.ts";
import { proxyFor, RouteAgent, type RouteConfig, withoutBrackets } from "./proxy.ts";

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

/** A `Send` by this route. @throws ArmorError reply_timeout at an abort, or what `networkError` says */
export function createSend(route: RouteConfig): Send {
  return async ({ url, headers, body }, signal) => {
    const proxy = proxyFor(url, route);
    const agent = url.protocol === "https:" ? new RouteAgent(proxy) : undefined;
    let isReplying = false;
    try {
      const replying = createClient(url, signal, agent).post(url.href, body, { ...headers });
      const { message } = await Promise.race([replying, rejectWhenAborted(signal)]);
      isReplying = true;
      const replyBody = await readBody(message, url);
      return { url, status: message.statusCode ?? 0, headers: message.headers, body: replyBody };
    } catch (error) {
      if (error instanceof ArmorError) throw error;
      const state: CallState = { url, proxy, isReplying, hasTunnel: agent?.hasTunnel ?? true };
      if (signal.aborted) throw timeoutError(state);
      // Node gives every failure of the network a code. Without one, this is a bug of the action.
      const isFromNetwork = (error as NodeJS.ErrnoException).code !== undefined;
      throw isFromNetwork ? networkError(error, state) : error;
    }
  };
}

/** After a reply such as 101, Node drops the connection, and http-client alone would wait for ever. */
function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", reject, { once: true });
  });
}

/** For one request. Redirects and retries of http-client re-send credentials, so both are off. */
function createClient(url: URL, signal: AbortSignal, agent: RouteAgent | undefined): HttpClient {
  const handler = {
    /** http-client's hook into the options of the request that it is about to make. */
    prepareRequest(options: RequestOptions) {
      options.signal = signal;
      options.host = withoutBrackets(url.hostname);
      // http-client appends the runner's orchestration id, which Armor does not need.
      options.headers = { ...options.headers, "user-agent": USER_AGENT };
      if (agent !== undefined) options.agent = agent;
    },
    canHandleAuthentication: () => false,
    handleAuthentication: () => Promise.reject(new Error("no authentication handler")),
  };
  return new HttpClient(USER_AGENT, [handler], { allowRedirects: false, allowRetries: false });
}

/** `for await` fails on a reply that breaks off; http-client's `readBody` never settles there. */
async function readBody(message: IncomingMessage, { origin }: URL): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_REPLY_BYTES) {
      const problem = `${origin} answered with more than 1 MiB, which is no token response`;
      throw new ArmorError(
        "reply_invalid",
        problem,
        "Check that api-url is the address of the Armor API.",
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Trusts these (PEM) beside those that Node trusts, everywhere. @throws ArmorError runner_unsupported */
export function trustCertificates(certificates: readonly string[]): void {
  if (certificates.length === 0) return;
  if (typeof tls.setDefaultCACertificates !== "function") {
    const problem =
      "ca-certificate needs a newer Node than this runner's (tls.setDefaultCACertificates)";
    const remedy =
      "Update the runner to 2.328.0 or newer, or name the file in NODE_EXTRA_CA_CERTS.";
    throw new ArmorError("runner_unsupported", problem, remedy);
  }
  tls.setDefaultCACertificates([...tls.getCACertificates("default"), ...certificates]);
}
