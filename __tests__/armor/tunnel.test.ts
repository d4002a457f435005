// The bytes of CONNECT, and what becomes of the connection to a proxy that opens no tunnel.

import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, test } from "@jest/globals";
import { createSend } from "../../src/armor/http.ts";
import { disposable } from "../fixtures/opened.ts";

const HOST = "armor.corp.test";

/** A proxy that keeps the head of each request, answers it and waits. */
async function startRecorder(reply: string) {
  const heads: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on("error", () => undefined));
    socket.once("data", (head: Buffer) => {
      heads.push(head.toString("latin1"));
      socket.write(reply);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return disposable({ heads, sockets, address: `127.0.0.1:${port}` }, () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
}

function sendThrough(value: string) {
  const route = { proxy: { variable: "https_proxy", value }, noProxy: "" };
  const request = { url: new URL(`https://${HOST}/x`), headers: {}, body: "" };
  return createSend(route)(request, AbortSignal.timeout(15_000));
}

test("CONNECT has the headers that proxies want, and does not ask them to close", async () => {
  await using proxy = await startRecorder("HTTP/1.1 403 No\r\n\r\n");
  const sent = sendThrough(`http://user:p%C3%A4ss@${proxy.address}`);
  await expect(sent).rejects.toMatchObject({ code: "proxy_refused" });
  const basic = Buffer.from("user:päss", "utf8").toString("base64");
  expect(proxy.heads).toEqual([
    [
      `CONNECT ${HOST}:443 HTTP/1.1`,
      `Host: ${HOST}:443`,
      "User-Agent: armor-token-action",
      "Proxy-Connection: keep-alive",
      `Proxy-Authorization: Basic ${basic}`,
      "",
      "",
    ].join("\r\n"),
  ]);
});

test.each([
  "HTTP/1.1 403 No\r\n\r\n",
  "HTTP/1.1 407 x\r\n\r\n",
  "HTTP/1.1 200 OK\r\n\r\nearly",
  "SSH-2.0-x\r\n",
])("the connection is closed after the answer %j", async (reply) => {
  await using proxy = await startRecorder(reply);
  await expect(sendThrough(`http://${proxy.address}`)).rejects.toMatchObject({
    name: "ArmorError",
  });
  const [socket] = proxy.sockets;
  if (socket?.closed === false) await once(socket.resume(), "close");
  expect(socket?.closed).toBe(true);
});
