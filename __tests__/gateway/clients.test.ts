// Real programs, many calls at once, clients that leave, and requests as well-known libraries send them.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import {
  DEAD,
  pause,
  type RunningGateway,
  readAll,
  startGateway,
  tokenOf,
  until,
} from "../fixtures/agent.ts";
import { programs, testsThatNeed } from "../fixtures/needs.ts";
import { makeTempFolder } from "../fixtures/opened.ts";
import { type Answer, CALL, drip, json, silence } from "../fixtures/server.ts";

/** More than the buffers of a connection hold, so that the refusal comes amid the upload. */
const UPLOAD_BYTES = 20 * 1024 * 1024;
const GO_CALLS = 1_000;
const GET = `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n`;

function run(program: string, args: readonly string[], cwd?: string) {
  // Without the variables of a proxy, which these programs would use.
  const own = Object.entries(process.env).filter(([name]) => !/_proxy$/i.test(name));
  const env = { ...Object.fromEntries(own), GOTOOLCHAIN: "local", GO111MODULE: "off" };
  return new Promise<{ code: number | string; stdout: string; stderr: string }>((resolve) => {
    execFile(program, args, { env, cwd }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

const NODE_GET = `
const reply = await fetch(process.argv[1]);
process.stdout.write(await reply.text());
`;

/** Sends the file `body` of its working folder, and prints the reply. */
const NODE_POST = `
import { readFileSync } from "node:fs";
import { request } from "node:http";

const upload = request(process.argv[1], { method: "POST" });
upload.on("response", (reply) => reply.pipe(process.stdout));
upload.end(readFileSync("body"));
`;

const PYTHON_GET = `
import sys
from urllib.request import urlopen

with urlopen(sys.argv[1]) as reply:
    print(reply.read().decode(), end="")
`;

/** The same as NODE_POST. */
const PYTHON_POST = `
import sys
from urllib.error import HTTPError
from urllib.request import urlopen

with open("body", "rb") as file:
    body = file.read()
try:
    urlopen(sys.argv[1], body)
except HTTPError as refusal:
    print(refusal.read().decode(), end="")
`;

interface Client {
  /** As the title of its test says it. */
  readonly name: string;
  readonly program: string;
  /** What stands before the address. */
  readonly args: readonly string[];
}

const CURL_UPLOAD = ["-sS", "--data-binary", "@body"];

const READERS: readonly Client[] = [
  {
    name: "Node's fetch",
    program: process.execPath,
    args: ["--input-type=module", "-e", NODE_GET],
  },
  { name: "curl with HTTP/1.0", program: "curl", args: ["-sSf", "--http1.0"] },
  { name: "curl with HTTP/1.1", program: "curl", args: ["-sSf", "--http1.1"] },
  { name: "curl that offers HTTP/2", program: "curl", args: ["-sSf", "--http2"] },
  { name: "curl that takes gzip", program: "curl", args: ["-sSf", "--compressed"] },
  { name: "Python's urllib", program: "python3", args: ["-c", PYTHON_GET] },
];

const UPLOADERS: readonly Client[] = [
  {
    name: "Node's http",
    program: process.execPath,
    args: ["--input-type=module", "-e", NODE_POST],
  },
  {
    name: "curl that waits for 100 Continue",
    program: "curl",
    args: [...CURL_UPLOAD, "-H", "Expect: 100-continue"],
  },
  { name: "curl that does not wait", program: "curl", args: [...CURL_UPLOAD, "-H", "Expect:"] },
  { name: "Python's urllib", program: "python3", args: ["-c", PYTHON_POST] },
];

const installed = new Set<string>();
for (const program of [process.execPath, "curl", "python3"]) {
  const { code } = await run(program, ["--version"]);
  if (code === 0) installed.add(program);
}

/** Registers a test of this client, if this machine has its program. */
function testClient({ program }: Client, title: string, body: () => Promise<void>): void {
  const need = programs([program], installed.has(program));
  testsThatNeed(need, title, () => test(title, body));
}

describe("a program", () => {
  for (const client of READERS) {
    testClient(client, `such as ${client.name} is served`, async () => {
      await using gateway = await startGateway([json(200, { ok: true })]);
      const { armor, url, counts } = gateway;
      const ran = await run(client.program, [...client.args, url + CALL]);
      expect(ran).toEqual({ code: 0, stdout: '{"ok":true}', stderr: "" });
      expect(armor.requests).toHaveLength(1);
      expect(counts()).toEqual({ answered: { "2xx": 1 }, failed: {}, refused: 0 });
    });
  }

  for (const client of UPLOADERS) {
    testClient(client, `such as ${client.name} can read why its upload is refused`, async () => {
      await using gateway = await startGateway([json(200, {})]);
      const { armor, url } = gateway;
      await using folder = await makeTempFolder();
      await writeFile(join(folder.path, "body"), Buffer.alloc(UPLOAD_BYTES, "x"));
      const ran = await run(client.program, [...client.args, url + CALL], folder.path);
      expect(ran).toMatchObject({ code: 0, stderr: "" });
      expect(JSON.parse(ran.stdout)).toMatchObject({ error: "method_not_allowed" });
      expect(armor.requests).toEqual([]);
    });
  }

  test.each([
    {
      what: "the JDK's client",
      headers: "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAE\r\nUpgrade: h2c",
    },
    {
      what: "Apache HttpClient",
      headers: "Upgrade: TLS/1.2\r\nConnection: Upgrade\r\nUser-Agent: Apache-HttpClient/5.4",
    },
    {
      what: "a websocket",
      headers: "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x",
    },
    {
      what: "one that names the gateway as Referer",
      headers: "Referer: http://HOST/CAP/\r\nConnection: close",
    },
  ])("that sends what $what does is served", async ({ headers }) => {
    await using gateway = await startGateway([json(200, { ok: true })]);
    const { armor, begin } = gateway;
    const socket = await begin(`${GET}${headers}\r\n\r\n`);
    const [reply] = (await once(socket, "data")) as [Buffer];
    expect(String(reply)).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\{"ok":true\}/);
    const passed = Object.keys(armor.requests[0]?.headers ?? {});
    expect(passed.filter((name) => /upgrade|http2|websocket|referer|expect/.test(name))).toEqual(
      [],
    );
  });
});

/** Calls the address GO_CALLS times at once, and prints how many replies were whole and good. */
const GO = `
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
)

func main() {
	var group sync.WaitGroup
	var good atomic.Int64
	for i := 0; i < ${GO_CALLS}; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			reply, err := http.Get(os.Args[1])
			if err != nil {
				return
			}
			defer reply.Body.Close()
			_, err = io.Copy(io.Discard, reply.Body)
			if err == nil && reply.StatusCode == 200 {
				good.Add(1)
			}
		}()
	}
	group.Wait()
	fmt.Println(good.Load())
}
`;

const hasGo = (await run("go", ["version"])).code === 0;

describe("many calls at once", () => {
  const MANY = process.env["CI"] ? 1_000 : 300;
  const slow: Answer = (response) => setTimeout(() => response.end("{}"), 30);

  const viaNode = async ({ call }: RunningGateway) => {
    const replies = await Promise.all(Array.from({ length: MANY }, () => call()));
    return replies.filter(({ status }) => status === 200).length;
  };
  const viaGo = async ({ url }: RunningGateway) => {
    await using folder = await makeTempFolder();
    await writeFile(join(folder.path, "main.go"), GO);
    const { stdout } = await run("go", ["run", "main.go", url + CALL], folder.path);
    return Number(stdout);
  };

  async function expectAllAnswered(
    callAll: (gateway: RunningGateway) => Promise<number>,
    times: number,
  ): Promise<void> {
    await using gateway = await startGateway([slow], { first: DEAD });
    await expect(callAll(gateway)).resolves.toBe(times);
    expect(gateway.fetches()).toBe(1);
    expect(gateway.counts()).toEqual({ answered: { "2xx": times }, failed: {}, refused: 0 });
  }

  test("of Node's http are all answered, though the first token has expired", async () => {
    await expectAllAnswered(viaNode, MANY);
  }, 120_000);

  testsThatNeed(programs(["go"], hasGo), "of Go", () => {
    test("of Go are all answered, though the first token has expired", async () => {
      await expectAllAnswered(viaGo, GO_CALLS);
    }, 120_000);
  });

  test("that all connect first and send later are all answered", async () => {
    const serverLimits = { headMs: 60_000, maxWaiting: 2_000, minWaitMs: 2_000 };
    await using gateway = await startGateway([slow], { serverLimits });
    const { port, url, counts, openConnection } = gateway;
    const sockets = await Promise.all(Array.from({ length: MANY }, () => openConnection()));
    await pause(200);
    const replies = sockets.map((socket) => {
      socket.write(`GET ${new URL(url + CALL).pathname} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`);
      socket.write("Connection: close\r\n\r\n");
      return readAll(socket);
    });
    expect(
      (await Promise.all(replies)).filter((reply) => !reply.startsWith("HTTP/1.1 200")),
    ).toEqual([]);
    expect(counts()).toEqual({ answered: { "2xx": MANY }, failed: {}, refused: 0 });
  }, 120_000);
});

describe("a client that leaves", () => {
  test.each<{ readonly what: string; readonly answer: Answer }>([
    { what: "before the reply", answer: silence },
    { what: "amid the reply", answer: drip },
  ])("$what ends the request to Armor, and is counted as nothing", async ({ answer }) => {
    let client: http.ClientRequest | undefined;
    let hasLeft = false;
    await using gateway = await startGateway([
      (response, request) => {
        response.on("close", () => {
          hasLeft = true;
        });
        answer(response, request);
        setTimeout(() => client?.destroy(), 50);
      },
    ]);
    const { url, counts } = gateway;
    client = http.get(url + CALL, { agent: false }, (response) => response.resume());
    client.on("error", () => undefined);
    await until(() => hasLeft);
    expect(counts()).toEqual({ answered: {}, failed: {}, refused: 0 });
  });

  test("gives up its places: in the gateway, in line, and of more requests on its connection", async () => {
    let isHanging = true;
    await using gateway = await startGateway([
      (response) => (isHanging ? undefined : response.end("{}")),
    ]);
    const { armor, begin, call, connections } = gateway;
    const beginMany = (names: readonly number[]) =>
      Promise.all(
        names.map((name) => begin(GET.replace(CALL, `${CALL}?${name}`).concat("\r\n").repeat(3))),
      );
    const begun = await beginMany([...Array(128).keys()]);
    await until(() => armor.requests.length === 128);
    expect(new Set(armor.requests.map(({ path }) => path)).size).toBe(128); // one for each connection
    const inLine = await beginMany([...Array(72).keys()]);
    isHanging = false;
    const last = call();
    await until(async () => (await connections()) === 201);
    for (const socket of inLine) socket.destroy();
    await until(async () => (await connections()) === 129);
    for (const socket of begun) socket.destroy();
    await expect(last).resolves.toMatchObject({ status: 200 });
    expect(armor.requests).toHaveLength(129);
  });

  test("as the first of 60 amid a refresh leaves 59 that are served, with one token", async () => {
    let finish: () => void = () => undefined;
    await using gateway = await startGateway([json(200, {})], {
      first: DEAD,
      fetch: () =>
        new Promise((resolve) => {
          finish = () => resolve(tokenOf("new"));
        }),
    });
    const { begin, call, fetches, connections } = gateway;
    const first = await begin(`${GET}\r\n`);
    await until(() => fetches() === 1);
    const others = Array.from({ length: 59 }, () => call());
    await until(async () => (await connections()) === 60);
    first.destroy();
    await until(async () => (await connections()) === 59);
    finish();
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual(Array(59).fill(200));
    expect(fetches()).toBe(1);
  });

  test.each([
    { what: "the request line", bytes: "GET /CA" },
    { what: "the headers", bytes: `${GET}Acc` },
    {
      what: "a refused body",
      bytes: `POST /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\nContent-Length: 999\r\n\r\nabc`,
    },
    { what: "a refused chunk", bytes: `${GET}Transfer-Encoding: chunked\r\n\r\nff\r\nabc` },
    { what: "CONNECT", bytes: "CONNECT other.example:443 HTTP/1.1\r\nHost: HOST\r\n\r\n" },
  ])("amid $what leaves nothing behind", async ({ bytes }) => {
    await using gateway = await startGateway([json(200, {})]);
    const { begin, call, connections } = gateway;
    const socket = await begin(bytes);
    await pause(50);
    socket.resetAndDestroy();
    await until(async () => (await connections()) === 0);
    await expect(call()).resolves.toMatchObject({ status: 200 });
  });
});

test("requests that are sent before the replies are answered in order", async () => {
  await using gateway = await startGateway([
    (response) => setTimeout(() => response.end("first"), 50),
    (response) => response.end("second"),
    (response) => response.end("third"),
  ]);
  const { speak } = gateway;
  const replies = await speak(`${GET}\r\n${GET}\r\n${GET}Connection: close\r\n\r\n`);
  expect(replies).toMatch(/first[\s\S]*second[\s\S]*third/);
});
