// Owns the wire: one request, one whole reply, or one ArmorError. The only importer of @actions/http-client.

import type { IncomingMessage, RequestOptions } from "node:http";
import tls from "node:tls";
import { getProxyUrl, HttpClient } from "@actions/http-client";
import { ArmorError } from "./errors.ts";

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
 * @throws ArmorError reply_timeout when the signal aborts first; host_unknown, connection_failed,
 * reply_incomplete, certificate_rejected, tls_failed, proxy_failed, proxy_refused or reply_invalid otherwise
 */
export const send: Send = async (request, signal) => {
  const proxy = proxyFor(request.url);
  const progress = { replying: false };
  const tooLate = rejectionOn(signal, () => timeoutError(request.url, proxy, progress.replying));
  try {
    // A reply such as 101 makes Node drop the connection without a word to http-client: never wait for it alone.
    return await Promise.race([exchange(request, signal, progress), tooLate.promise]);
  } catch (error) {
    if (error instanceof ArmorError) throw error;
    if (signal.aborted) throw timeoutError(request.url, proxy, progress.replying);
    throw networkError(error, request.url, proxy, progress.replying);
  } finally {
    tooLate.release();
  }
};

async function exchange(
  request: ApiRequest,
  signal: AbortSignal,
  progress: { replying: boolean },
): Promise<ApiReply> {
  // Redirects and retries of http-client re-send credentials by rules of its own, so both are off.
  const client = new HttpClient(USER_AGENT, [requestHandler(signal)], {
    allowRedirects: false,
    allowRetries: false,
  });
  const response = await client.request(request.method, request.url.href, request.body, {
    ...request.headers,
  });
  progress.replying = true;
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

function timeoutError(url: URL, proxy: URL | undefined, replying: boolean): ArmorError {
  return new ArmorError(
    "reply_timeout",
    replying ? `${url.origin} began to answer and did not finish` : `No answer from ${via(url, proxy)}`,
    proxy === undefined
      ? "Check that this runner can reach the host, or raise timeout."
      : "Check that the proxy can reach the host, or raise timeout.",
  );
}

function via(url: URL, proxy: URL | undefined): string {
  return proxy === undefined ? url.origin : `${url.origin} through the proxy ${proxy.origin}`;
}

const UNTRUSTED = new Set([
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "INVALID_CA",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);
const OUT_OF_DATE = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"]);
const WRONG_NAME = new Set(["ERR_TLS_CERT_ALTNAME_INVALID", "HOSTNAME_MISMATCH"]);
/** OpenSSL's remaining verification results, as Node names them. */
const OTHER_CERTIFICATE_FAULT = /^(CERT|CRL|ERROR_IN_CERT|INVALID_PURPOSE|PATH_LENGTH|UNABLE_TO)_?/;

/** What Node or http-client threw, in words for the user. */
function networkError(error: unknown, url: URL, proxy: URL | undefined, replying: boolean): ArmorError {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  if (message.startsWith("tunneling socket could not be established")) {
    return proxyError(message, url, proxy);
  }
  if (UNTRUSTED.has(code)) {
    return new ArmorError(
      "certificate_rejected",
      `The certificate of ${url.origin} is not signed by an authority that this runner trusts (${code})`,
      "Give the private CA that signed it, or that of the inspecting proxy, as ca-certificate.",
    );
  }
  if (OUT_OF_DATE.has(code)) {
    return new ArmorError(
      "certificate_rejected",
      `The certificate of ${url.origin} is expired or not valid yet (${code})`,
      "Renew it on the server and check this runner's clock; ca-certificate adds authorities and excuses no date.",
    );
  }
  if (WRONG_NAME.has(code)) {
    return new ArmorError(
      "certificate_rejected",
      `The certificate of ${url.origin} is for another host name (${code})`,
      "Use the name that the certificate carries in api-url; ca-certificate adds authorities and excuses no name.",
    );
  }
  if (OTHER_CERTIFICATE_FAULT.test(code)) {
    return new ArmorError(
      "certificate_rejected",
      `The certificate of ${url.origin} was rejected (${code})`,
      "Check the server's certificate chain and ca-certificate.",
    );
  }
  if (code === "ENOTFOUND") {
    return new ArmorError(
      "host_unknown",
      `The host ${url.hostname} is not known to this runner's name service`,
      "Check api-url, and whether this runner needs https_proxy to leave its network.",
    );
  }
  if (code === "EPROTO" || code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_")) {
    return new ArmorError(
      "tls_failed",
      `${url.origin} does not speak TLS as this runner does (${code})`,
      "Check the scheme and port in api-url.",
    );
  }
  if (code.startsWith("HPE_")) {
    return new ArmorError(
      "reply_invalid",
      `${url.origin} answered with something that is not HTTP (${code})`,
      "Check the scheme, host and port in api-url.",
    );
  }
  return replying
    ? new ArmorError("reply_incomplete", `${url.origin} broke off its answer`, "Run the job again later.")
    : new ArmorError(
        "connection_failed",
        `No connection to ${via(url, proxy)}${code === "" ? "" : ` (${code})`}`,
        "Check api-url, and that a firewall lets this runner reach it.",
      );
}

/** `tunnel` reports the proxy's status, or why there is none, in words only. */
function proxyError(message: string, url: URL, proxy: URL | undefined): ArmorError {
  const where = `The proxy ${proxy?.origin ?? ""}`;
  const status = Number(/statusCode=(\d+)/.exec(message)?.[1]);
  if (status === 407) {
    return new ArmorError(
      "proxy_refused",
      `${where} wants other credentials (407)`,
      "Put user and password, percent-encoded, into https_proxy: http://user:password@host:port.",
    );
  }
  if (status < 500 && status !== 408 && status !== 429) {
    return new ArmorError(
      "proxy_refused",
      `${where} refuses the way to ${url.host} (${status})`,
      "Have the proxy allow this host, or list it in no_proxy if this runner reaches it directly.",
    );
  }
  const cause = Number.isNaN(status) ? /\b(E[A-Z_]{4,}|[A-Z]+(_[A-Z]+){2,})\b/.exec(message)?.[1] : status;
  return new ArmorError(
    "proxy_failed",
    `${where} does not connect to ${url.host}${cause === undefined ? "" : ` (${cause})`}`,
    "Check https_proxy, and that the proxy is up and knows the host.",
  );
}
