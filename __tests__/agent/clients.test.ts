// Real programs, many calls at once, clients that leave, and requests as well-known libraries send them.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import http from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import {
  CALL,
  open,
  pause,
  type RunningGateway,
  readAll,
  startGateway,
  tempFolder,
  tokenOf,
  until,
} from "../fixtures/agent.ts";
import { type Answer, drip, json, silence } from "../fixtures/server.ts";

interface Ran {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, args: readonly string[], cwd?: string): Promise<Ran> {
  // Without the variables of a proxy, which these programs would use.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/_proxy$/i.test(name)));
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      { env: { ...env, GOTOOLCHAIN: "local", GO111MODULE: "off" }, cwd },
      (error, stdout, stderr) => {
        resolve({ code: error?.code ?? 0, stdout, stderr });
      },
    );
  });
}

const isThere = async (program: string, flag: string) => (await run(program, [flag])).code === 0;
const [curl, python, go] = [
  await isThere("curl", "--version"),
  await isThere("python3", "--version"),
  process.env["CI"] ? await isThere("go", "version") : false, // compiling takes a while
];

const PYTHON = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode(), end='')";

describe("a program", () => {
  // A program that this machine does not have is left out.
  const programs: [string, string, (url: string) => string[]][] = [
    [
      "Node's fetch",
      process.execPath,
      (url) => ["-e", `fetch("${url}").then((r) => r.text()).then((t) => process.stdout.write(t))`],
    ],
    ...(curl
      ? ["--http1.0", "--http1.1", "--http2", "--compressed"].map(
          (flag): [string, string, (url: string) => string[]] => [
            `curl ${flag}`,
            "curl",
            (url) => ["-sSf", flag, url],
          ],
        )
      : []),
    ...(python
      ? [
          ["Python's urllib", "python3", (url: string) => ["-c", PYTHON, url]] as [
            string,
            string,
            (url: string) => string[],
          ],
        ]
      : []),
  ];

  test.each(programs)("such as %s is served", async (_, program, args) => {
    const { armor, url, stats } = await startGateway([json(200, { ok: true })]);
    const ran = await run(program, args(url + CALL));
    expect(ran).toEqual({ code: 0, stdout: '{"ok":true}', stderr: "" });
    expect(armor.requests).toHaveLength(1);
    expect(stats.report()).toMatchObject({ answered: { "2xx": 1 }, failed: {}, refused: 0 });
  });

  const uploads: [string, string, (url: string, file: string) => string[]][] = [
    [
      "Node's http",
      process.execPath,
      (url, file) => [
        "-e",
        `require("http").request("${url}", { method: "POST" }, (r) => { r.on("data", (d) => process.stdout.write(d)); }).on("error", (e) => console.error(e)).end(require("fs").readFileSync("${file}"))`,
      ],
    ],
    ...(curl
      ? ["Expect: 100-continue", "Expect:"].map(
          (header): [string, string, (url: string, file: string) => string[]] => [
            `curl with ${header}`,
            "curl",
            (url, file) => ["-sS", "-H", header, "--data-binary", `@${file}`, url],
          ],
        )
      : []),
    ...(python
      ? [
          [
            "Python's urllib",
            "python3",
            (url: string, file: string) => [
              "-c",
              `import urllib.request as r, urllib.error as e\ntry: r.urlopen("${url}", open("${file}", "rb").read())\nexcept e.HTTPError as x: print(x.read().decode(), end='')`,
            ],
          ] as [string, string, (url: string, file: string) => string[]],
        ]
      : []),
  ];

  test.each(uploads)("such as %s can read why its upload of 20 MB is refused", async (_, program, args) => {
    const { armor, url } = await startGateway([json(200, {})]);
    const file = join(await tempFolder(), "body");
    await writeFile(file, Buffer.alloc(20 * 1024 * 1024, "x"));
    const ran = await run(program, args(url + CALL, file));
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(ran.stdout)).toMatchObject({ error: "method_not_allowed" });
    expect(armor.requests).toEqual([]);
  });

  test.each<[string, string]>([
    [
      "the JDK's client",
      "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\nUpgrade: h2c\r\nUser-Agent: Java-http-client/21\r\n",
    ],
    [
      "Apache HttpClient",
      "Accept-Encoding: gzip, x-gzip, deflate\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\nUser-Agent: Apache-HttpClient/5.4\r\n",
    ],
    ["a websocket", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"],
    ["one that names the gateway as Referer", "Referer: http://HOST/CAP/\r\nConnection: close\r\n"],
    ["one that expects 100 Continue of a GET", "Expect: 100-continue\r\nConnection: close\r\n"],
  ])("that sends what %s does is served", async (_, headers) => {
    const { armor, begin } = await startGateway([json(200, { ok: true })]);
    const socket = await begin(`GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n${headers}\r\n`);
    const [reply] = (await once(socket, "data")) as [Buffer];
    expect(String(reply)).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\{"ok":true\}/);
    for (const name of ["upgrade", "http2-settings", "referer", "expect"]) {
      expect(armor.requests[0]?.headers).not.toHaveProperty(name);
    }
  });
});

describe("1,000 calls at once", () => {
  const slow: Answer = (response) => setTimeout(() => response.end("{}"), 30);

  const viaNode = async ({ call }: RunningGateway) => {
    const replies = await Promise.all(Array.from({ length: 1_000 }, () => call()));
    return replies.filter(({ status }) => status === 200).length;
  };
  const viaGo = async ({ url }: RunningGateway) => {
    const folder = await tempFolder();
    await writeFile(join(folder, "main.go"), GO);
    return Number((await run("go", ["run", "main.go", url + CALL], folder)).stdout);
  };
  const callers: [string, (gateway: RunningGateway) => Promise<number>][] = [
    ["Node's http", viaNode],
    ...(go ? [["Go's net/http", viaGo] as [string, typeof viaGo]] : []),
  ];

  test.each(callers)(
    "of %s are all answered, though the first token has expired",
    async (_, callAll) => {
      const gateway = await startGateway([slow], { first: { ...tokenOf("dead"), expiresAt: 0 } });
      await expect(callAll(gateway)).resolves.toBe(1_000);
      expect(gateway.fetches()).toBe(1);
      const { answered, failed, refused } = gateway.stats.report();
      expect({ answered, failed, refused }).toEqual({ answered: { "2xx": 1_000 }, failed: {}, refused: 0 });
    },
    120_000,
  );

  test("that all connect first and send later are all answered", async () => {
    const serverLimits = { headMs: 60_000, maxWaiting: 2_000, minWaitMs: 2_000 };
    const { port, stats } = await startGateway([slow], { serverLimits });
    const sockets = await Promise.all(Array.from({ length: 1_000 }, () => open(port)));
    await pause(300);
    const replies = sockets.map((socket: Socket) => {
      socket.write(
        `GET /gateway-capability${CALL} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`,
      );
      return readAll(socket);
    });
    const others = (await Promise.all(replies)).filter((reply) => !reply.startsWith("HTTP/1.1 200"));
    expect(others).toEqual([]);
    expect(stats.report()).toMatchObject({ answered: { "2xx": 1_000 }, failed: {}, refused: 0 });
  });
});

const GO = `package main
import ("fmt"; "io"; "net/http"; "os"; "sync"; "sync/atomic")
func main() {
  var group sync.WaitGroup
  var good atomic.Int64
  for i := 0; i < 1000; i++ {
    group.Add(1)
    go func() {
      defer group.Done()
      reply, err := http.Get(os.Args[1])
      if err != nil { return }
      io.Copy(io.Discard, reply.Body)
      reply.Body.Close()
      if reply.StatusCode == 200 { good.Add(1) }
    }()
  }
  group.Wait()
  fmt.Println(good.Load())
}
`;

function connectionsOf(server: http.Server): Promise<number> {
  return new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
}

describe("a client that leaves", () => {
  test.each<[string, Answer]>([
    ["before the reply", silence],
    ["amid the reply", drip],
  ])("%s ends the request to Armor, and is counted as nothing", async (_, answer) => {
    let client: http.ClientRequest | undefined;
    let hasLeft = false;
    const { url, stats } = await startGateway([
      (response, request) => {
        response.on("close", () => {
          hasLeft = true;
        });
        answer(response, request);
        setTimeout(() => client?.destroy(), 50);
      },
    ]);
    client = http.get(url + CALL, { agent: false }, (response) => response.resume());
    client.on("error", () => undefined);
    await until(() => hasLeft);
    expect(stats.report()).toMatchObject({ answered: {}, failed: {}, refused: 0 });
  });

  test("gives up its place, in line and in the gateway", async () => {
    let isHanging = true;
    const { armor, server, begin, call } = await startGateway([
      (response) => (isHanging ? undefined : response.end("{}")),
    ]);
    const get = `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n\r\n`;
    const [begun, inLine] = [128, 72].map((length) => Array.from({ length }, () => begin(get)));
    await until(() => armor.requests.length === 128);
    isHanging = false;
    const last = call();
    for (const socket of await Promise.all(inLine ?? [])) socket.destroy();
    await until(async () => (await connectionsOf(server)) === 129);
    for (const socket of await Promise.all(begun ?? [])) socket.destroy();
    await expect(last).resolves.toMatchObject({ status: 200 });
    expect(armor.requests).toHaveLength(129);
  });

  test("with requests in line on its connection gives up the places of all", async () => {
    let isHanging = true;
    const { armor, begin, call } = await startGateway([
      (response) => (isHanging ? undefined : response.end("{}")),
    ]);
    const get = `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n\r\n`;
    for (let times = 1; times <= 130; times += 1) {
      const socket = await begin(get.repeat(3));
      await until(() => armor.requests.length === times);
      socket.destroy();
    }
    isHanging = false;
    await expect(call()).resolves.toMatchObject({ status: 200 });
    expect(armor.requests).toHaveLength(131);
  });

  test("as the first of 60 amid a refresh leaves 59 that are served, with one token", async () => {
    let finish: () => void = () => undefined;
    const { begin, call, fetches } = await startGateway([json(200, {})], {
      first: { ...tokenOf("dead"), expiresAt: 0 },
      fetch: () =>
        new Promise((resolve) => {
          finish = () => resolve(tokenOf("new"));
        }),
    });
    const first = await begin(`GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\n\r\n`);
    await until(() => fetches() === 1);
    const others = Array.from({ length: 59 }, () => call());
    await pause(100);
    first.destroy();
    await pause(100);
    finish();
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual(Array(59).fill(200));
    expect(fetches()).toBe(1);
  });

  test.each([
    ["the request line", "GET /CA"],
    ["the headers", `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\nAcc`],
    ["a refused body", `POST /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\nContent-Length: 999\r\n\r\nabc`],
    [
      "a refused chunk",
      `POST /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc`,
    ],
    ["CONNECT", "CONNECT other.example:443 HTTP/1.1\r\nHost: HOST\r\n\r\n"],
  ])("amid %s leaves nothing behind", async (_, bytes) => {
    const { server, begin, call } = await startGateway([json(200, {})]);
    const socket = await begin(bytes);
    await pause(50);
    socket.resetAndDestroy();
    await until(async () => (await connectionsOf(server)) === 0);
    await expect(call()).resolves.toMatchObject({ status: 200 });
  });
});

test("requests that are sent before the replies are answered in order", async () => {
  const { speak } = await startGateway([
    (response) => setTimeout(() => response.end("first"), 50),
    (response) => response.end("second"),
    (response) => response.end("third"),
  ]);
  const get = (connection: string) =>
    `GET /CAP${CALL} HTTP/1.1\r\nHost: HOST\r\nConnection: ${connection}\r\n\r\n`;
  const replies = await speak(get("keep-alive") + get("keep-alive") + get("close"));
  expect(replies).toMatch(/first[\s\S]*second[\s\S]*third/);
});
