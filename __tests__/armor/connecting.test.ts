import { once } from "node:events";
import { readFileSync } from "node:fs";
import net, { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { describe, expect, jest, test } from "@jest/globals";
import { alternate, connect, Progress } from "../../src/armor/connecting.ts";
import { createSend } from "../../src/armor/http.ts";
import {
  addressesOf,
  BLACK_HOLE,
  BLACK_HOLES,
  hasBlackHole,
  nameHere,
  openBlackHole,
} from "../fixtures/names.ts";
import { LINUX, testsThatNeed } from "../fixtures/needs.ts";
import { disposable } from "../fixtures/opened.ts";
import { startAnsweringProxy } from "../fixtures/proxy.ts";
import { CLOSED_PORT, startServer, text } from "../fixtures/server.ts";

const NAME = "localhost"; // the one name that http may have
const HERE = "127.0.0.1";
/** Below the minutes that a system gives an attempt, and above what a busy machine needs. */
const SOON_MS = 15_000;

async function listenHere(): Promise<{ server: Server; port: number } & AsyncDisposable> {
  const server = createServer((socket) => socket.on("error", () => undefined));
  server.listen(0, HERE);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return disposable({ server, port }, () => server.close());
}

async function connectTo(port: number, signal = AbortSignal.timeout(SOON_MS)): Promise<Socket> {
  const socket = await connect({ host: NAME, port }, new Progress(), signal);
  socket.destroy();
  return socket;
}

describe("the order of the attempts", () => {
  test.each([
    {
      title: "takes the families in turn, beginning with that of the first address",
      given: ["::1", "::2", "::3", "10.0.0.1", "10.0.0.2"],
      order: ["::1", "10.0.0.1", "::2", "10.0.0.2", "::3"],
    },
    {
      title: "begins with IPv4 if the system names it first",
      given: ["10.0.0.1", "::1", "10.0.0.2"],
      order: ["10.0.0.1", "::1", "10.0.0.2"],
    },
    { title: "is the system's within one family", given: ["::2", "::1"], order: ["::2", "::1"] },
  ])("$title", ({ given, order }) => {
    expect(alternate(addressesOf(...given)).map(({ address }) => address)).toEqual(order);
  });
});

describe("a name with several addresses", () => {
  test("is reached though the first address swallows packets, and nothing stays open", async () => {
    await using here = await listenHere();
    // Elsewhere than on Linux nothing listens there, so that the first attempt fails instead of
    // hanging.
    await using _hole = hasBlackHole ? await openBlackHole(here.port) : disposable({}, () => {});
    await using _names = nameHere({ [NAME]: [[BLACK_HOLE, HERE]] });
    const connecting = jest.spyOn(net, "connect");
    const socket = await connectTo(here.port);
    expect(socket.remoteAddress ?? HERE).toBe(HERE);
    const attempts = connecting.mock.results.map(({ value }) => value as Socket);
    connecting.mockRestore();
    expect(attempts).toHaveLength(2);
    expect(attempts.every(({ destroyed }) => destroyed)).toBe(true);
  });

  test("is reached at once by the next address if the first refuses", async () => {
    await using here = await listenHere();
    await using _names = nameHere({ [NAME]: [["127.0.0.3", "::1", HERE]] });
    const delay = net.getDefaultAutoSelectFamilyAttemptTimeout();
    net.setDefaultAutoSelectFamilyAttemptTimeout(60_000);
    try {
      await expect(connectTo(here.port)).resolves.toBeDefined();
    } finally {
      net.setDefaultAutoSelectFamilyAttemptTimeout(delay);
    }
  });

  testsThatNeed(BLACK_HOLES, "a slow attempt", () => {
    test("keeps a slow attempt when the next one begins", async () => {
      await using here = await listenHere();
      const { connect: original } = net;
      const connecting = jest.spyOn(net, "connect");
      await using _mock = disposable({}, () => connecting.mockRestore());
      await using _hole = await openBlackHole(here.port);
      const started: string[] = [];
      const sockets: Socket[] = [];
      connecting.mockImplementation(((options: net.TcpNetConnectOpts) => {
        started.push(String(options.host));
        // The first address answers when two more are being tried, which never answer.
        const socket = options.host === "127.0.0.9" ? new net.Socket() : original(options);
        if (sockets.push(socket) === 3) sockets[0]?.connect(here.port, HERE);
        return socket;
      }) as typeof net.connect);
      await using _names = nameHere({ [NAME]: [["127.0.0.9", BLACK_HOLE, BLACK_HOLE]] });
      const socket = await connect(
        { host: NAME, port: here.port },
        new Progress(),
        AbortSignal.timeout(SOON_MS),
      );
      expect(socket).toBe(sockets[0]);
      expect(socket.destroyed).toBe(false);
      socket.destroy();
      expect(started).toEqual(["127.0.0.9", BLACK_HOLE, BLACK_HOLE]);
    });
  });

  test.each([
    { codes: ["ENETUNREACH", "ECONNREFUSED"], told: "ECONNREFUSED" },
    { codes: ["ECONNREFUSED", "EHOSTUNREACH"], told: "ECONNREFUSED" },
    { codes: ["EADDRNOTAVAIL", "EHOSTUNREACH"], told: "EHOSTUNREACH" },
    { codes: ["EADDRNOTAVAIL", "ENETUNREACH"], told: "ENETUNREACH" },
  ])("$codes, by IPv6 and IPv4: $told is told", async ({ codes, told }) => {
    const addresses = ["2001:db8::1", "192.0.2.1"];
    await using _names = nameHere({ [NAME]: [addresses] });
    const connecting = jest.spyOn(net, "connect");
    await using _mock = disposable({}, () => connecting.mockRestore());
    connecting.mockImplementation((({ host }: net.TcpNetConnectOpts) => {
      const code = codes[addresses.indexOf(String(host))];
      const socket = new net.Socket();
      const error = Object.assign(new Error("refused"), { code, address: host });
      process.nextTick(() => socket.destroy(error));
      return socket;
    }) as typeof net.connect);
    await expect(connectTo(1)).rejects.toMatchObject({ code: told });
  });
});

describe("an abort", () => {
  testsThatNeed(BLACK_HOLES, "attempts under way", () => {
    test("ends every attempt that is under way", async () => {
      await using here = await listenHere();
      await using _hole = await openBlackHole(here.port);
      await using _names = nameHere({ [NAME]: [[BLACK_HOLE, BLACK_HOLE]] });
      const connecting = jest.spyOn(net, "connect");
      await using _mock = disposable({}, () => connecting.mockRestore());
      const ending = new AbortController();
      const connected = connectTo(here.port, ending.signal);
      connected.catch(() => undefined);
      while (connecting.mock.calls.length < 2) await new Promise((done) => setTimeout(done, 5));
      ending.abort();
      await expect(connected).rejects.toMatchObject({ name: "AbortError" });
      const attempts = connecting.mock.results.map(({ value }) => value as Socket);
      expect(attempts.every(({ destroyed }) => destroyed)).toBe(true);
    });
  });

  test("does not wait for DNS, and whoever asks later is told that DNS is silent", async () => {
    await using _names = nameHere({ [NAME]: ["silence"] });
    const sent = post(`http://${NAME}:${CLOSED_PORT}`, AbortSignal.timeout(200));
    await expect(sent).rejects.toMatchObject({
      code: "dns_failed",
      problem: "DNS does not answer for the host localhost (ETIMEDOUT)",
    });
  });

  test("ends the CONNECT of the exchange", async () => {
    const closed = { sockets: 0 };
    await using proxy = await startAnsweringProxy((client) => {
      client.once("close", () => {
        closed.sockets += 1;
      });
    });
    const variable = { variable: "https_proxy", value: `http://${HERE}:${proxy.port}` };
    const send = createSend({ proxy: variable, noProxy: "" });
    const request = { url: new URL("https://armor.corp.test/x"), headers: {}, body: "" };
    for (let times = 1; times <= 3; times += 1) {
      const sent = send(request, AbortSignal.timeout(300));
      await expect(sent).rejects.toMatchObject({ code: "proxy_failed" });
      while (closed.sockets < times) await new Promise((done) => setTimeout(done, 5));
    }
    expect(proxy.connects).toHaveLength(3);
  });
});

function post(base: string, signal = AbortSignal.timeout(SOON_MS)) {
  return createSend({ noProxy: "" })({ url: new URL("/x", base), headers: {}, body: "" }, signal);
}

describe("a name that DNS does not know", () => {
  test.each(["ENOTFOUND", "EAI_AGAIN"])("for a moment (%s) is reached", async (code) => {
    await using armor = await startServer([text(200, "reached")]);
    await using names = nameHere({ [NAME]: [code, code, [HERE]] });
    await expect(post(`http://${NAME}:${armor.port}`)).resolves.toMatchObject({ body: "reached" });
    expect(names.asked).toHaveBeenCalledTimes(3);
  });

  test("for seconds is believed", async () => {
    await using names = nameHere({ [NAME]: ["ENOTFOUND"] });
    await expect(post(`http://${NAME}:${CLOSED_PORT}`)).rejects.toMatchObject({
      code: "host_unknown",
    });
    expect(names.asked.mock.calls.length).toBeGreaterThan(4);
  });

  test("is told as such by a deadline that comes before", async () => {
    await using _names = nameHere({ [NAME]: ["ENOTFOUND"] });
    const sent = post(`http://${NAME}:${CLOSED_PORT}`, AbortSignal.timeout(700));
    await expect(sent).rejects.toMatchObject({ code: "host_unknown" });
  });

  test("is not asked for again if DNS fails for good", async () => {
    await using names = nameHere({ [NAME]: ["EAI_FAIL"] });
    await expect(post(`http://${NAME}:${CLOSED_PORT}`)).rejects.toMatchObject({
      code: "dns_failed",
    });
    expect(names.asked).toHaveBeenCalledTimes(1);
  });
});

test("what is written goes out at once, not when the next packet is full (Nagle's algorithm)", async () => {
  await using here = await listenHere();
  const connecting = jest.spyOn(net, "connect");
  try {
    const signal = AbortSignal.timeout(SOON_MS);
    const socket = await connect({ host: HERE, port: here.port }, new Progress(), signal);
    expect(connecting.mock.calls[0]?.[0]).toMatchObject({ noDelay: true });
    socket.destroy();
  } finally {
    connecting.mockRestore();
  }
});

test("when an address has answered, no other one is tried", async () => {
  await using here = await listenHere();
  await using _names = nameHere({ [NAME]: [[HERE, "127.0.0.3"]] });
  const delay = net.getDefaultAutoSelectFamilyAttemptTimeout();
  const connecting = jest.spyOn(net, "connect");
  net.setDefaultAutoSelectFamilyAttemptTimeout(50);
  try {
    const socket = await connectTo(here.port);
    await new Promise((done) => setTimeout(done, 300));
    expect(connecting).toHaveBeenCalledTimes(1);
    socket.destroy();
  } finally {
    net.setDefaultAutoSelectFamilyAttemptTimeout(delay);
    connecting.mockRestore();
  }
});

testsThatNeed(LINUX, "keep-alive", () => {
  test("a connection that is silent is kept alive, as a NAT forgets what says nothing for minutes", async () => {
    await using here = await listenHere();
    const socket = await connect(
      { host: HERE, port: here.port },
      new Progress(),
      AbortSignal.timeout(SOON_MS),
    );
    // Linux says by this number that a timer for keep-alive runs (proc_pid_net(5), `tr`).
    expect(timerOf(socket.localPort ?? 0, here.port)).toBe("02");
    socket.destroy();
  });
});

/** The kind of the timer that the system runs for the connection between these ports of 127.0.0.1. */
function timerOf(localPort: number, remotePort: number): string | undefined {
  const addressOf = (port: number) =>
    `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const [local, remote] = [addressOf(localPort), addressOf(remotePort)];
  const lines = readFileSync("/proc/self/net/tcp", "utf8").split("\n");
  const fields = lines
    .map((line) => line.trim().split(/\s+/))
    .find((one) => one[1] === local && one[2] === remote);
  return fields?.[5]?.split(":")[0];
}

test("a name for which DNS has no address is one that it does not know", async () => {
  await using _names = nameHere({ [NAME]: [[]] });
  const unknown = { code: "ENOTFOUND", message: `no address for ${NAME}` };
  await expect(connectTo(CLOSED_PORT)).rejects.toMatchObject(unknown);
});
