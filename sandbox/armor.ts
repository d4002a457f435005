// An embedded Armor on loopback, for trying and testing: a certified OAuth 2.0 server at Armor's own paths, and
// Key Insight data behind it for tokens that this server issued and that still live.

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import Provider, { type Adapter, type AdapterPayload } from "oidc-provider";
import { discovery } from "./discovery.ts";

const TOKEN_PATH = "/api/v1/iam/session/oauth2/token";
const TERMINATE_PATH = "/api/v1/iam/session/terminate";
const DISCOVERY_PATH = "/api/v1/discovery/";

export interface SandboxOptions {
  readonly appId: string;
  readonly apiKey: string;
  /** Seconds that a token lives; 60 by default, as at Armor. */
  readonly tokenLifetime?: number;
  /** Seconds from the first call of Key Insight until its scan has completed; 10 by default. */
  readonly scanSeconds?: number;
  /** Whether the refusal of a client repeats what it sent, as a careless server might. */
  readonly echoesCredentials?: boolean;
  /** PEM; with these, Armor is at https:// under every name that the certificate has. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface Sandbox {
  /** What to give the action as api-url. */
  readonly url: string;
  readonly server: Server;
  /** One entry a request that arrived, such as `POST /api/v1/iam/session/oauth2/token 200`. */
  readonly requests: readonly string[];
  /** Every token that was issued. */
  readonly issued: readonly string[];
  /** Of these, those whose session has not ended. */
  live(): string[];
  /** Ends every session, as an administrator might. */
  revokeAll(): void;
  /** Refuses the client app from now on, as if its key had been replaced. Tokens that it has stay valid. */
  refuseClient(): void;
  close(): Promise<void>;
}

/** Starts a sandbox on a free port of 127.0.0.1. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const server = options.tls === undefined ? createServer() : createTlsServer(options.tls);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const scheme = options.tls === undefined ? "http" : "https";
  const url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let scanEnds: number | undefined; // undefined until somebody looks
  const store = new TokenStore();
  const token = authorizationServer(url, store, options).callback();
  const requests: string[] = [];
  let isRefused = false;
  server.on("request", (request, response) => {
    const path = new URL(request.url ?? "/", url).pathname;
    response.on("finish", () => requests.push(`${request.method} ${path} ${response.statusCode}`));
    if (path === TOKEN_PATH) {
      if (!hasCsrfHeader(request)) refuseCsrf(response);
      else if (isRefused) refuseClient(request, response, options);
      else token(request, response);
    } else if (path === TERMINATE_PATH) {
      terminate(store, request, response);
    } else if (path.startsWith(DISCOVERY_PATH)) {
      scanEnds ??= Date.now() + (options.scanSeconds ?? 10) * 1000;
      discover(store, new URL(request.url ?? "/", url), Date.now() < scanEnds, request, response);
    } else {
      reply(response, 404, { error: "not_found" });
    }
  });
  return {
    url,
    server,
    requests,
    issued: store.issued,
    live: () => store.issued.filter((token) => store.isLive(token)),
    revokeAll: () => store.clear(),
    refuseClient: () => {
      isRefused = true;
    },
    close: () => close(server),
  };
}

/** oidc-provider with nothing but client credentials, opaque tokens, and one confidential client. */
function authorizationServer(
  issuer: string,
  store: TokenStore,
  { appId, apiKey, tokenLifetime = 60 }: SandboxOptions,
): Provider {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return new Provider(issuer, {
    adapter: () => store,
    clients: [
      {
        client_id: appId,
        client_secret: apiKey,
        grant_types: ["client_credentials"],
        response_types: [],
        redirect_uris: [],
        token_endpoint_auth_method: "client_secret_basic",
        id_token_signed_response_alg: "ES256",
      },
    ],
    clientAuthMethods: ["client_secret_basic"],
    cookies: { keys: [randomBytes(32).toString("base64url")] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
    },
    jwks: { keys: [privateKey.export({ format: "jwk" }) as never] },
    routes: { token: TOKEN_PATH },
    ttl: { ClientCredentials: tokenLifetime },
  });
}

/** Tokens live in this process alone, and to the millisecond: oidc-provider itself counts in whole seconds. */
class TokenStore implements Adapter {
  readonly #stored = new Map<
    string,
    { readonly payload: AdapterPayload; readonly expiresAt: number }
  >();

  readonly issued: string[] = [];

  async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
    this.issued.push(id);
    this.#stored.set(id, { payload, expiresAt: Date.now() + expiresIn * 1000 });
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    return this.isLive(id) ? this.#stored.get(id)?.payload : undefined;
  }

  async destroy(id: string): Promise<void> {
    this.#stored.delete(id);
  }

  isLive(id: string): boolean {
    return Date.now() < (this.#stored.get(id)?.expiresAt ?? 0);
  }

  clear(): void {
    this.#stored.clear();
  }

  // Sessions, device codes, grants and one-time use are no part of client credentials.
  findByUserCode = unused;
  findByUid = unused;
  consume = unused;
  revokeByGrantId = unused;
}

async function unused(): Promise<undefined> {
  throw new Error("not used by client credentials");
}

/** Armor wants the two characters `""` in this header. */
function hasCsrfHeader(request: IncomingMessage): boolean {
  return request.headers["x-csrf-header"] === '""';
}

function refuseCsrf(response: ServerResponse): void {
  reply(response, 403, { error: "invalid_request", error_description: "X-Csrf-Header is missing" });
}

function refuseClient(
  { headers: { authorization = "" } }: IncomingMessage,
  response: ServerResponse,
  { echoesCredentials = false }: SandboxOptions,
): void {
  const pair = Buffer.from(authorization.replace(/^Basic /, ""), "base64").toString("utf8");
  const [, secret = ""] = pair.split(":");
  const sent = [authorization, pair, new URLSearchParams(`secret=${secret}`).get("secret")];
  const echo = echoesCredentials ? `: ${sent.join(", ")}` : "";
  reply(response, 401, { error: "invalid_client", error_description: `no such client${echo}` });
}

async function terminate(
  store: TokenStore,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const token = liveToken(store, request);
  if (request.method !== "POST") return reply(response, 405, { error: "method_not_allowed" });
  if (!hasCsrfHeader(request)) return refuseCsrf(response);
  if (token === undefined) return reply(response, 401, { error: "unauthorized" });
  await store.destroy(token);
  response.writeHead(204).end();
}

function discover(
  store: TokenStore,
  url: URL,
  isScanning: boolean,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const isAllowed = liveToken(store, request) !== undefined;
  const answer = isAllowed && request.method === "GET" ? discovery(url, isScanning) : undefined;
  if (!isAllowed) reply(response, 401, { error: "unauthorized" });
  else if (answer === undefined) reply(response, 404, { error: "not_found" });
  else reply(response, 200, answer);
}

/** The token in the Authorization header, if this server issued it and it neither expired nor was ended. */
function liveToken(store: TokenStore, request: IncomingMessage): string | undefined {
  const [, token = ""] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "") ?? [];
  return store.isLive(token) ? token : undefined;
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}
