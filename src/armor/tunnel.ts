import http from "node:http";
import { isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import { clock } from "../clock.ts";
import { debug } from "../debug.ts";
import { watchCertificate } from "./certificate.ts";
import { connect, type Progress } from "./connecting.ts";
import { shownHeaders } from "./debug-lines.ts";
import { withoutBrackets } from "./host.ts";
import type { ProxyAddress } from "./proxy.ts";
import { EARLY_BYTES, proxyError, proxyStatusError } from "./proxy-error.ts";
import { trustOptions } from "./trust.ts";

/** Proxies exist that refuse a CONNECT without one. */
const USER_AGENT = "armor-token-action";

/**
 * Asks a proxy for a tunnel by CONNECT (RFC 9110 section 9.3.6).
 * @param target `host:port`, an IPv6 address in brackets
 * @param signal ends whatever is under way; not the tunnel once it stands
 * @returns what leads to the target. @throws ArmorError proxy_failed or proxy_refused
 */
export async function openTunnel(
  proxy: ProxyAddress,
  target: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<Duplex> {
  const shownTarget = target.replace(/:443$/, "");
  try {
    const socket = await connectToProxy(proxy, progress, signal);
    return await askForTunnel(socket, proxy, target, signal);
  } catch (error) {
    if (!(error instanceof ProxyAnswer)) throw proxyError(proxy, shownTarget, error);
    if (error.isOpen) throw proxyError(proxy, shownTarget, { code: EARLY_BYTES });
    throw proxyStatusError(proxy, shownTarget, error.status, error.challenge);
  }
}

/** The answer to CONNECT, if no tunnel comes of it. */
class ProxyAnswer extends Error {
  readonly status: number;
  readonly challenge: string | undefined; // Proxy-Authenticate

  constructor(status: number, challenge: string | undefined) {
    super(`status ${status}`);
    this.status = status;
    this.challenge = challenge;
  }

  get isOpen(): boolean {
    return this.status >= 200 && this.status < 300;
  }
}

/** @returns a connection to the proxy; the handshake of one over TLS may still be under way */
async function connectToProxy(
  proxy: ProxyAddress,
  progress: Progress,
  signal: AbortSignal,
): Promise<Socket> {
  const { protocol, hostname, port } = new URL(proxy.origin);
  const isTls = protocol === "https:";
  const host = withoutBrackets(hostname);
  // URL leaves a default port out.
  const endpoint = { host, port: Number(port || (isTls ? 443 : 80)) };
  const socket = await connect(endpoint, progress, signal);
  if (!isTls) return socket;
  const servername = isIP(host) === 0 ? host : "";
  const tlsSocket = tls.connect({ ...trustOptions(), socket, host, servername });
  watchCertificate(tlsSocket);
  return tlsSocket;
}

function askForTunnel(
  proxySocket: Socket,
  proxy: ProxyAddress,
  target: string,
  signal: AbortSignal,
): Promise<Duplex> {
  const beganAt = clock.now();
  const request = http.request({
    createConnection: () => proxySocket,
    method: "CONNECT",
    path: target,
    signal,
    headers: connectHeaders(proxy, target),
  });
  // Some proxies take Node's `Connection: close` at its word, and close after their reply.
  request.removeHeader("Connection");
  return new Promise((resolve, reject) => {
    request.once("connect", ({ statusCode = 0, headers }, socket, head) => {
      debug(() => {
        const ms = Math.round(clock.now() - beganAt);
        const answer = `${statusCode} in ${ms} ms${shownHeaders(headers)}`;
        return `CONNECT ${target} through ${proxy.origin}: ${answer}`;
      });
      const answer = new ProxyAnswer(statusCode, headers["proxy-authenticate"]);
      // In TLS the client speaks first, so early bytes are the proxy's; they would be read as
      // Armor's.
      if (answer.isOpen && head.length === 0) return resolve(socket);
      socket.destroy();
      reject(answer);
    });
    request.once("error", reject);
    request.end();
  });
}

function connectHeaders(proxy: ProxyAddress, target: string): http.OutgoingHttpHeaders {
  const headers: http.OutgoingHttpHeaders = {
    Host: target,
    "User-Agent": USER_AGENT,
    // No standard knows it, but curl and browsers send it, and some proxies close the tunnel
    // without it.
    "Proxy-Connection": "keep-alive",
  };
  if (proxy.credentials !== undefined) {
    const encoded = Buffer.from(proxy.credentials, "utf8").toString("base64");
    headers["Proxy-Authorization"] = `Basic ${encoded}`;
  }
  return headers;
}
