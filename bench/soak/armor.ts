// An Armor in bad shape: tokens that live for seconds, mints that fail in every way, sessions that end without a word.

import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Of the mints, how many fail. */
const FAILING_SHARE = 1 / 3;
const MIN_LIFETIME_S = 0.5;
const MAX_LIFETIME_S = 2;
const MIN_QUIET_MS = 2_000;
const MAX_QUIET_MS = 8_000;
const CHUNK = Buffer.alloc(64 * 1024, "armor");

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

/** By the names under which they are counted. Some pass when the agent tries again, some do not and end the mint. */
const FAULTS: readonly (readonly [name: string, fault: Fault])[] = [
  ["500", replies(500, "")],
  ["502 from a proxy", replies(502, "<html>bad gateway")],
  ["503", replies(503, '{"error":"temporarily_unavailable"}', { "Retry-After": "1" })],
  ["408", replies(408, "")],
  ["429", replies(429, "", { "Retry-After": "1" })],
  ["connection reset", (response) => response.socket?.destroy()],
  ["reply cut off", cutsOff],
  ["reply stalled", stalls],
  ["no HTTP", (response) => response.socket?.end("220 smtp.example ESMTP\r\n")],
  ["400", replies(400, '{"error":"invalid_request"}')],
  ["401", replies(401, '{"error":"invalid_client"}')],
  ["sign-in page", replies(200, "<html>sign in")],
  ["empty token", replies(200, '{"access_token":""}')],
];

export interface BadArmor {
  readonly url: string;
  readonly issued: number;
  readonly revocations: number;
  readonly faults: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

export async function startBadArmor(random: () => number = Math.random): Promise<BadArmor> {
  const tokens = new Map<string, number>();
  const faults = new Map<string, number>();
  let issued = 0;
  let revocations = 0;
  const isLive = (token: string) => performance.now() < (tokens.get(token) ?? 0);

  function mint(response: ServerResponse): void {
    if (random() < FAILING_SHARE) {
      const [name, fault] = FAULTS[Math.floor(random() * FAULTS.length)] as (typeof FAULTS)[number];
      faults.set(name, (faults.get(name) ?? 0) + 1);
      fault(response);
      return;
    }
    const token = randomBytes(24).toString("base64url");
    const lifetime = MIN_LIFETIME_S + random() * (MAX_LIFETIME_S - MIN_LIFETIME_S);
    tokens.set(token, performance.now() + lifetime * 1000);
    issued += 1;
    json(response, 200, { access_token: token, token_type: "Bearer", expires_in: lifetime });
  }

  const server = createServer((request, response) => {
    request.on("error", () => undefined);
    const url = new URL(request.url ?? "/", "http://armor");
    const [, token = ""] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "") ?? [];
    if (url.pathname.endsWith("/oauth2/token")) {
      request.resume().on("end", () => mint(response));
    } else if (!isLive(token)) {
      request.resume().on("end", () => json(response, 401, { error: "unauthorized" }));
    } else if (url.pathname.endsWith("/terminate")) {
      tokens.delete(token);
      response.writeHead(204).end();
    } else if (url.pathname.endsWith("/echo")) echo(request, response);
    else if (url.pathname.endsWith("/stream")) stream(response, Number(url.searchParams.get("chunks")));
    else json(response, 200, { path: url.pathname, query: url.search });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  let timer: NodeJS.Timeout;
  const revokeSometimes = () => {
    timer = setTimeout(
      () => {
        tokens.clear();
        revocations += 1;
        revokeSometimes();
      },
      MIN_QUIET_MS + random() * (MAX_QUIET_MS - MIN_QUIET_MS),
    );
  };
  revokeSometimes();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get issued() {
      return issued;
    },
    get revocations() {
      return revocations;
    },
    faults,
    close: async () => {
      clearTimeout(timer);
      await close(server);
    },
  };
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

/** How many bytes came. */
function echo(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on("end", () => json(response, 200, { bytes }));
}

/** As many chunks of 64 KiB, as fast as they are taken. */
function stream(response: ServerResponse, chunks: number): void {
  response.writeHead(200, { "Content-Type": "application/octet-stream" });
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

export const CHUNK_BYTES = CHUNK.length;

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}
