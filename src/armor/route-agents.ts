import http from "node:http";
import https from "node:https";
import type { Duplex } from "node:stream";
import type tls from "node:tls";
import { watchCertificate } from "./certificate.ts";
import { connect, Progress } from "./connecting.ts";
import type { ProxyAddress } from "./proxy.ts";
import { trustOptions } from "./trust.ts";
import { openTunnel } from "./tunnel.ts";

/** Node hands all options of a request to its agent, and so this one, too. */
export interface TrackedRequestOptions extends https.RequestOptions {
  progress?: Progress; // undefined: nobody wants to know, or to end it
}

/** What Node's agents hand to `createConnection`. */
interface ConnectionOptions extends http.ClientRequestArgs {
  progress?: Progress;
}

type Done = (error: Error | null, socket?: Duplex | null) => void;

/**
 * Opens the connections of one agent, and ends those that are under way when the agent is
 * destroyed.
 */
class Opener {
  readonly #proxy: ProxyAddress | undefined;
  readonly #underWay = new Set<AbortController>();

  constructor(proxy: ProxyAddress | undefined) {
    this.#proxy = proxy;
  }

  /**
   * @returns a connection on which Armor itself is heard. @throws ArmorError for a proxy's fault
   */
  async open(options: ConnectionOptions): Promise<Duplex> {
    const { host, port, progress = new Progress() } = options;
    const ending = new AbortController();
    this.#underWay.add(ending);
    progress.onEnd(() => ending.abort());
    try {
      const endpoint = { host: host ?? "", port: Number(port) };
      const socket = await this.#reach(endpoint, progress, ending.signal);
      progress.stage = "connected";
      return socket;
    } finally {
      this.#underWay.delete(ending);
    }
  }

  async #reach(
    { host, port }: { host: string; port: number },
    progress: Progress,
    signal: AbortSignal,
  ): Promise<Duplex> {
    if (this.#proxy === undefined) return await connect({ host, port }, progress, signal);
    const target = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    return await openTunnel(this.#proxy, target, progress, signal);
  }

  destroy(): void {
    for (const ending of this.#underWay) ending.abort();
  }
}

/**
 * Connections to https hosts, directly or through the proxy; what fails before the tunnel is a
 * `proxyError`. With Node's `proxyEnv`, an abort does not end the CONNECT, what a proxy sends
 * before the tunnel stands is buffered without limit, and Node 24.5 puts the proxy's password into
 * an error.
 */
export class RouteAgent extends https.Agent {
  readonly #opener: Opener;

  constructor(proxy: ProxyAddress | undefined, options: https.AgentOptions = {}) {
    super({ ...options, rejectUnauthorized: true });
    this.#opener = new Opener(proxy);
  }

  override createConnection(options: ConnectionOptions, done: Done): undefined {
    const startTls = (socket: Duplex) => {
      const tlsOptions = { ...options, ...trustOptions(), socket } as tls.ConnectionOptions;
      const tlsSocket = super.createConnection(tlsOptions) as tls.TLSSocket;
      watchCertificate(tlsSocket);
      return tlsSocket;
    };
    this.#opener
      .open(options)
      .then(startTls)
      .then((socket) => done(null, socket), done);
  }

  override destroy(): void {
    this.#opener.destroy();
    super.destroy();
  }
}

/** Connections to http hosts, which are loopback hosts and so never behind a proxy. */
class LoopbackAgent extends http.Agent {
  readonly #opener = new Opener(undefined);

  override createConnection(options: ConnectionOptions, done: Done): undefined {
    this.#opener.open(options).then((socket) => done(null, socket), done);
  }

  override destroy(): void {
    this.#opener.destroy();
    super.destroy();
  }
}

/**
 * @returns an agent for requests to this URL's origin. @param proxy on the way there, undefined for
 * none
 */
export function createAgent(
  url: URL,
  proxy: ProxyAddress | undefined,
  options: https.AgentOptions = {},
): http.Agent {
  return url.protocol === "http:" ? new LoopbackAgent(options) : new RouteAgent(proxy, options);
}
