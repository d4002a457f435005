// An Armor in bad shape: tokens that live for seconds, mints that fail in every way, sessions that
// are revoked, a client app that is disabled at times, and connections that close at the moment in
// which they are used again.

import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";

/** Of the mints, how many fail. */
const FAILING_SHARE = 1 / 3;
/** Of the calls on a connection that is used again, how many find it closed. */
const CLOSING_SHARE = 1 / 50;
const LIFETIME_S = [0.5, 2] as const;
const QUIET_MS = [2_000, 8_000] as const;
/** Some revocations come in series. */
const SERIES = { share: 1 / 4, length: 6, pauseMs: 300 };
/** A client app that is unknown is remembered by the agent for half a minute, so this is rare. */
const DISABLED = { everyMs: 120_000, ms: 3_000 };
export const CHUNK = Buffer.alloc(64 * 1024, "armor");

type Fault = (response: ServerResponse) => void;

const replies =
  (status: number, body: string, headers: Record<string, string> = {}): Fault =>
  (response) =>
    response.writeHead(status, headers).end(body);

const cutsOff: Fault = (response) => {
  response.writeHead(200, { "Content-Length": "1000" });
  response.write('{"access_token":"', () => response.destroy());
};

const stalls: Fault = (response) => {
  response.writeHead(200, { "Content-Length": "1000" });
  response.write("{");
};

interface NamedFault {
  /** Under which it is counted. */
  readonly name: string;
  readonly fault: Fault;
}

const FAULTS: readonly NamedFault[] = [
  { name: "500", fault: replies(500, "") },
  { name: "502 from a proxy", fault: replies(502, "<html>bad gateway") },
  {
    name: "503",
    fault: replies(503, '{"error":"temporarily_unavailable"}', { "Retry-After": "1" }),
  },
  { name: "408", fault: replies(408, "") },
  { name: "429", fault: replies(429, "", { "Retry-After": "1" }) },
  { name: "connection reset", fault: (response) => response.socket?.destroy() },
  { name: "reply cut off", fault: cutsOff },
  { name: "reply stalled", fault: stalls },
  { name: "no HTTP", fault: (response) => response.socket?.end("220 smtp.example ESMTP\r\n") },
  { name: "400 from a firewall", fault: replies(400, "<html>bad request") },
  { name: "sign-in page", fault: replies(200, "<html>sign in") },
  { name: "empty token", fault: replies(200, '{"access_token":""}') },
];

export interface BadArmor {
  readonly port: number;
  readonly issued: number;
  readonly revocations: number;
  readonly faults: ReadonlyMap<string, number>;
  close(): void;
}

/** @param tls key and certificate */
export async function startBadArmor(tls: { key: string; cert: string }): Promise<BadArmor> {
  const start = performance.now();
  const tokens = new Map<string, number>();
  const faults = new Map<string, number>();
  const used = new WeakSet<Socket>();
  let issued = 0;
  let revocations = 0;
  const isLive = (token: string) => performance.now() < (tokens.get(token) ?? 0);
  const isDisabled = () =>
    (performance.now() - start) % DISABLED.everyMs > DISABLED.everyMs - DISABLED.ms;

  function mint(response: ServerResponse): void {
    const failing = isDisabled() ? DISABLED_FAULT : randomFault();
    if (failing !== undefined) {
      increment(faults, failing.name);
      failing.fault(response);
      return;
    }
    const token = randomBytes(24).toString("base64url");
    const lifetime = between(LIFETIME_S);
    tokens.set(token, performance.now() + lifetime * 1000);
    issued += 1;
    json(response, 200, { access_token: token, token_type: "Bearer", expires_in: lifetime });
  }

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, search, searchParams } = new URL(request.url ?? "/", "https://armor");
    const authorization = request.headers.authorization ?? "";
    const token = /^Bearer (?<token>\S+)$/.exec(authorization)?.groups?.["token"] ?? "";
    if (pathname.endsWith("/oauth2/token")) mint(response);
    else if (!isLive(token)) json(response, 401, { error: "unauthorized" });
    else if (pathname.endsWith("/terminate")) {
      tokens.delete(token);
      response.writeHead(204).end();
    } else if (pathname.endsWith("/stream")) stream(response, Number(searchParams.get("chunks")));
    else json(response, 200, { path: pathname, query: search });
  }

  const server = createServer(tls, (request, response) => {
    const { socket } = request;
    if (used.has(socket) && Math.random() < CLOSING_SHARE) return socket.destroy();
    used.add(socket);
    return request.resume().on("end", () => serve(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  let timer: NodeJS.Timeout;
  const revokeLater = (ms: number, left = 0) => {
    timer = setTimeout(() => {
      tokens.clear();
      revocations += 1;
      if (left > 0) revokeLater(SERIES.pauseMs, left - 1);
      else revokeLater(between(QUIET_MS), Math.random() < SERIES.share ? SERIES.length : 0);
    }, ms);
  };
  revokeLater(between(QUIET_MS));
  return {
    port: (server.address() as AddressInfo).port,
    get issued() {
      return issued;
    },
    get revocations() {
      return revocations;
    },
    faults,
    close() {
      clearTimeout(timer);
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Undefined for most mints, which succeed. */
function randomFault(): NamedFault | undefined {
  return FAULTS[Math.floor((Math.random() / FAILING_SHARE) * FAULTS.length)];
}

const DISABLED_FAULT: NamedFault = {
  name: "client app disabled",
  fault: replies(401, '{"error":"invalid_client"}'),
};

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

/** As many chunks, as fast as they are taken. */
function stream(response: ServerResponse, chunks: number): void {
  let left = chunks;
  const more = () => {
    while (left > 0 && !response.destroyed) {
      left -= 1;
      if (!response.write(CHUNK)) return;
    }
    response.end();
  };
  response.on("drain", more);
  more();
}

export function between([least, most]: readonly [number, number]): number {
  return least + Math.random() * (most - least);
}

export function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
