// Owns the wire: one request, one whole reply, or one ArmorError. The only importer of @actions/http-client.

import http, { type IncomingMessage, type RequestOptions } from "node:http";
import https from "node:https";
import tls from "node:tls";
import { getProxyUrl, HttpClient } from "@actions/http-client";
import { ArmorError } from "./errors.ts";
import { type Circumstances, networkError, timeoutError } from "./network-error.ts";

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
/** Calls that their clients leave alone leave connections behind, of which a few are enough. */
const KEPT = { keepAlive: true, maxFreeSockets: 32 };

/**
 * @throws ArmorError reply_timeout when the signal aborts first; host_unknown, connection_failed,
 * reply_incomplete, certificate_rejected, tls_failed, proxy_failed, proxy_refused or reply_invalid otherwise
 */
export const send: Send = async (request, signal) => {
  const circumstances: Circumstances = { url: request.url, proxy: proxyFor(request.url), isReplying: false };
  const tooLate = rejectionOn(signal, () => timeoutError(circumstances));
  try {
    // A reply such as 101 makes Node drop the connection without a word to http-client: never wait for it alone.
    return await Promise.race([exchange(request, signal, circumstances), tooLate.promise]);
  } catch (error) {
    if (error instanceof ArmorError) throw error;
    if (signal.aborted) throw timeoutError(circumstances);
    // Failures of the wire have a code; what has none is a fault of the action, and is to be called one.
    throw (error as NodeJS.ErrnoException).code === undefined ? error : networkError(error, circumstances);
  } finally {
    tooLate.release();
  }
};

async function exchange(
  request: ApiRequest,
  signal: AbortSignal,
  circumstances: Circumstances,
): Promise<ApiReply> {
  // Redirects and retries of http-client re-send credentials by rules of its own, so both are off.
  const client = new HttpClient(USER_AGENT, [requestHandler(signal)], {
    allowRedirects: false,
    allowRetries: false,
  });
  const response = await client.request(request.method, request.url.href, request.body, {
    ...request.headers,
  });
  circumstances.isReplying = true;
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
function requestHandler(signal: AbortSignal) {
  return {
    prepareRequest(options: RequestOptions & { agent?: { proxyOptions?: object } }) {
      options.signal = signal;
      // Inside an URL an IPv6 address stands in brackets, which Node would look up as a name.
      options.host = options.host?.replace(/^\[(.*)\]$/, "$1") ?? null;
      // http-client appends the runner's orchestration id, which is none of Armor's business.
      options.headers = { ...options.headers, "user-agent": USER_AGENT };
      // The package `tunnel` makes its CONNECT request from these options, and has no deadline of its own.
      if (options.agent?.proxyOptions) Object.assign(options.agent.proxyOptions, { signal });
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
  if (typeof tls.setDefaultCACertificates !== "function") {
    throw new ArmorError(
      "runner_unsupported",
      "ca-certificate needs a Node with tls.setDefaultCACertificates, which this runner's does not have",
      "Update the runner to 2.328.0 or newer, or set NODE_EXTRA_CA_CERTS to the certificate's file.",
    );
  }
  tls.setDefaultCACertificates([...tls.getCACertificates("default"), ...certificates]);
}

/**
 * The way that http-client would take to this URL, with connections that are kept and a limit for the proxy.
 * @throws ArmorError proxy_refused
 */
export function keptRoute(
  url: URL,
  idleMs: number,
): { readonly agent: http.Agent; readonly proxy: URL | undefined } {
  const proxy = proxyFor(url);
  if (proxy === undefined) {
    const { Agent } = url.protocol === "https:" ? https : http;
    return { agent: new Agent(KEPT), proxy };
  }
  // `tunnel` opens a new connection for every request; Node's own proxy support, from 24.5 on, keeps them. Where
  // Node does not know the option it would go past the proxy, so it has to show that it does.
  const agent = new https.Agent({ ...KEPT, timeout: idleMs, proxyEnv: { https_proxy: proxy.href } });
  const knowsProxies = Object.getOwnPropertySymbols(agent).some(
    (symbol) => symbol.description === "kProxyConfig",
  );
  return { agent: knowsProxies ? agent : new HttpClient(USER_AGENT).getAgent(url.href), proxy };
}

/** @returns the proxy that http-client will use, or undefined for none. @throws ArmorError proxy_refused */
function proxyFor(url: URL): URL | undefined {
  const proxy = parseProxy(url);
  if (proxy === undefined || proxy.protocol === "http:" || proxy.protocol === "https:") return proxy;
  throw new ArmorError(
    "proxy_refused",
    `The proxy for ${url.origin} is given as ${proxy.protocol} address, which is not supported`,
    "Set https_proxy to an http:// or https:// address.",
  );
}

function parseProxy(url: URL): URL | undefined {
  try {
    const href = getProxyUrl(url.href);
    return href === "" ? undefined : new URL(href);
  } catch {
    throw new ArmorError(
      "proxy_refused",
      `The proxy for ${url.origin} is not given as a valid address`,
      "Set https_proxy to an address such as http://proxy.example.com:3128, with user and password percent-encoded.",
    );
  }
}
