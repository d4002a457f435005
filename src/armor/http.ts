import type { IncomingMessage, RequestOptions } from "node:http";
import tls from "node:tls";
import { HttpClient } from "@actions/http-client";
import { ArmorError } from "../errors.ts";
import { type CallState, networkError, timeoutError } from "./network-error.ts";
import { proxyFor, RouteAgent, type RouteConfig, withoutBrackets } from "./proxy.ts";

export interface ApiRequest {
  readonly method: "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface ApiReply {
  /** Where the reply came from. */
  readonly url: URL;
  readonly status: number;
  /** Names in small letters. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
  /** When the reply was complete, in ms since the epoch by this machine's clock. */
  readonly receivedAt: number;
}

/** Sends one request and settles when the signal aborts, whatever the peer does. */
export type Send = (request: ApiRequest, signal: AbortSignal) => Promise<ApiReply>;

const USER_AGENT = "armor-token-action";
const MAX_REPLY_BYTES = 1024 * 1024;

/**
 * A `Send` by this route. It throws ArmorError reply_timeout when the signal aborts first, and otherwise what
 * `networkError` makes of a failure, proxy_refused or reply_invalid.
 */
export function createSend(route: RouteConfig): Send {
  return async (request, signal) => {
    const state: CallState = { url: request.url, proxy: proxyFor(request.url, route), isReplying: false };
    const deadline = rejectionOn(signal, () => timeoutError(state));
    try {
      // A reply such as 101 makes Node drop the connection and http-client wait for ever: never wait for it alone.
      return await Promise.race([exchange(request, signal, state), deadline.promise]);
    } catch (error) {
      if (error instanceof ArmorError) throw error;
      if (signal.aborted) throw timeoutError(state);
      // Failures of the network have a code; what has none is a fault of the action, and is to be called one.
      throw (error as NodeJS.ErrnoException).code === undefined ? error : networkError(error, state);
    } finally {
      deadline.release();
    }
  };
}

async function exchange(request: ApiRequest, signal: AbortSignal, state: CallState): Promise<ApiReply> {
  // Redirects and retries of http-client re-send credentials by rules of its own, so both are off.
  const client = new HttpClient(USER_AGENT, [requestHandler(signal, state)], {
    allowRedirects: false,
    allowRetries: false,
  });
  const response = await client.request(request.method, request.url.href, request.body, {
    ...request.headers,
  });
  state.isReplying = true;
  const { message } = response;
  const body = await readBody(message, request.url);
  return {
    url: request.url,
    status: message.statusCode ?? 0,
    headers: flatHeaders(message),
    body,
    receivedAt: Date.now(),
  };
}

/** http-client's hook into the options of the request that it is about to make. */
function requestHandler(signal: AbortSignal, { url, proxy }: CallState) {
  return {
    prepareRequest(options: RequestOptions) {
      options.signal = signal;
      options.host = withoutBrackets(url.hostname);
      if (url.protocol === "https:") options.agent = new RouteAgent(proxy);
      // http-client appends the runner's orchestration id, which Armor does not need.
      options.headers = { ...options.headers, "user-agent": USER_AGENT };
    },
    canHandleAuthentication: () => false,
    handleAuthentication: () => Promise.reject(new Error("no authentication handler")),
  };
}

/** `for await` fails on a reply that breaks off; http-client's `readBody` never settles there. */
async function readBody(message: IncomingMessage, url: URL): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_REPLY_BYTES) {
      throw new ArmorError(
        "reply_invalid",
        `${url.origin} answered with more than 1 MiB, which is no token response`,
        "Check that api-url is the address of the Armor API.",
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function flatHeaders(message: IncomingMessage): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(message.headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
  );
}

/** A promise that rejects when the signal aborts, and a way to stop listening. */
function rejectionOn(signal: AbortSignal, error: () => Error): { promise: Promise<never>; release(): void } {
  const listening = new AbortController();
  const promise = new Promise<never>((_, reject) => {
    const onAbort = () => reject(error());
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { signal: listening.signal });
  });
  return { promise, release: () => listening.abort() };
}

/**
 * Trusts these certificate authorities for every TLS connection of this process, beside those that Node trusts.
 * @param certificates PEM, one certificate each
 * @throws ArmorError runner_unsupported where Node cannot do it
 */
export function trustCertificates(certificates: readonly string[]): void {
  if (certificates.length === 0) return;
  if (typeof tls.setDefaultCACertificates !== "function") {
    throw new ArmorError(
      "runner_unsupported",
      "ca-certificate needs a Node with tls.setDefaultCACertificates, which this runner's does not have",
      "Update the runner to 2.328.0 or newer, or set NODE_EXTRA_CA_CERTS to the certificate's file.",
    );
  }
  tls.setDefaultCACertificates([...tls.getCACertificates("default"), ...certificates]);
}
