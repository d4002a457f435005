// A proxy on the way to Armor that restarts now and then, and forgets connections that were idle,
// as a NAT does: what is sent over them afterwards reaches nobody, and nobody is told.

import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { between } from "./armor.ts";

const UP_MS = [6_000, 20_000] as const;
const DOWN_MS = [200, 1_500] as const;
/** Above the 15 s after which the agent uses no connection again. */
const FORGET_MS = 20_000;

export interface BadProxy {
  readonly port: number;
  readonly restarts: number;
  /** Of the last restart, by `performance.now()`. */
  readonly lastRestart: number;
  /** How many pieces were sent over connections that it had forgotten. */
  readonly swallowed: number;
  close(): void;
}

/** @param armorPort where every CONNECT leads to, whatever name it asks for */
export async function startBadProxy(armorPort: number): Promise<BadProxy> {
  const sockets = new Set<Socket>();
  let restarts = 0;
  let lastRestart = Number.NEGATIVE_INFINITY;
  let swallowed = 0;
  const server = createServer((_, response) => response.writeHead(400).end());
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("connect", (_, client: Socket) => {
    const armor = connect(armorPort, "127.0.0.1", () => client.write("HTTP/1.1 200 OK\r\n\r\n"));
    let lastUsed = performance.now();
    const pass = (from: Socket, to: Socket) => {
      from.on("data", (chunk: Buffer) => {
        if (performance.now() - lastUsed > FORGET_MS) {
          swallowed += 1;
          return;
        }
        lastUsed = performance.now();
        if (!to.write(chunk)) from.pause();
      });
      to.on("drain", () => from.resume());
      from.on("error", () => undefined);
      from.on("close", () => to.destroySoon());
    };
    pass(client, armor);
    pass(armor, client);
  });
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;

  let timer: NodeJS.Timeout;
  const goDown = () => {
    restarts += 1;
    lastRestart = performance.now();
    server.close();
    for (const socket of sockets) socket.destroy();
    timer = setTimeout(comeBack, between(DOWN_MS));
  };
  const comeBack = async () => {
    await listen(port);
    timer = setTimeout(goDown, between(UP_MS));
  };
  timer = setTimeout(goDown, between(UP_MS));
  return {
    port,
    get restarts() {
      return restarts;
    },
    get lastRestart() {
      return lastRestart;
    },
    get swallowed() {
      return swallowed;
    },
    close() {
      clearTimeout(timer);
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
