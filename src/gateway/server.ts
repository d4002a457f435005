import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Limits } from "./bounds.ts";
import { Connections } from "./connections.ts";
import type { GuardConfig } from "./guard.ts";
import { wrongMethod } from "./refusals.ts";
import { Requests, type RequestsOptions } from "./requests.ts";

const NO_CONNECT = wrongMethod(
  "The gateway is no proxy: use it as the base address of a call.",
  "GET, HEAD",
);

export interface ServerOptions extends Pick<RequestsOptions, "handle" | "onRefusal" | "limits"> {
  readonly guard: Omit<GuardConfig, "host">; // the host is known when the server listens
}

/** Listens on a free port of 127.0.0.1, and serves what the guard admits. */
export async function listen(
  options: ServerOptions,
): Promise<{ readonly port: number; readonly server: Server }> {
  const { handle, limits, onRefusal } = options;
  const server = createNodeServer(limits);
  await once(server.listen(0, "127.0.0.1", limits.backlog), "listening");
  const { port } = server.address() as AddressInfo;
  const guard: GuardConfig = {
    capability: options.guard.capability,
    controlCapability: options.guard.controlCapability,
    gatewayPaths: options.guard.gatewayPaths,
    host: `127.0.0.1:${port}`,
  };
  const connections = new Connections(limits);
  const requests = new Requests({ connections, guard, limits, handle, onRefusal });
  server.on("connection", (socket: Socket) => connections.open(socket));
  serveRequests(server, requests);
  return { port, server };
}

function createNodeServer(limits: Limits): Server {
  const server = createServer({
    maxHeaderSize: limits.maxHeadBytes,
    headersTimeout: limits.headMs,
    connectionsCheckingInterval: limits.headMs / 5,
    keepAliveTimeout: limits.keepAliveMs,
    requestTimeout: 0, // no request has a body
    requireHostHeader: false, // Node's own refusal has no text
  });
  server.maxHeadersCount = limits.maxHeaders; // Node keeps no more of them, and the guard refuses the request
  return server;
}

function serveRequests(server: Server, requests: Requests): void {
  const accept = (request: IncomingMessage, response: ServerResponse) =>
    requests.accept({ request, response, expectsContinue: false });
  server.on("request", accept);
  // Without these two, Node asks for the body of a request that will be refused (RFC 9110 section
  // 10.1.1).
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) =>
    requests.accept({ request, response, expectsContinue: true }),
  );
  server.on("checkExpectation", accept);
  server.on("connect", (_, socket) => requests.refuseConnect(socket as Socket, NO_CONNECT));
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) =>
    requests.endUnreadable(socket, error.code ?? ""),
  );
  server.on("timeout", (socket: Socket) => requests.endIdle(socket));
}
