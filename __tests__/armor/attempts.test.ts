// How a connection comes about, step by step: what is asked, what is waited for, what is left behind.

import { getEventListeners } from "node:events";
import { type Agent, request } from "node:http";
import net, { type Socket } from "node:net";
import { expect, jest, test } from "@jest/globals";
import { alternate, connect, Progress } from "../../src/armor/connecting.ts";
import { createAgent } from "../../src/armor/route-agents.ts";
import { addressesOf, nameHere } from "../fixtures/names.ts";
import { disposable } from "../fixtures/opened.ts";
import { CLOSED_PORT, startServer, text } from "../fixtures/server.ts";
import { setClock } from "../fixtures/virtual-clock.ts";

const NAME = "localhost";
const NAMED = { host: NAME, port: CLOSED_PORT };
const never = () => new AbortController().signal;

/** What each address does when it is connected to, in turn. */
function scriptConnects(...scripts: readonly ((socket: Socket) => void)[]) {
  const sockets: Socket[] = [];
  const connecting = jest.spyOn(net, "connect").mockImplementation((() => {
    const socket = new net.Socket();
    const script = scripts[sockets.length];
    sockets.push(socket);
    setImmediate(() => script?.(socket));
    return socket;
  }) as typeof net.connect);
  return { sockets, connecting };
}

const failsWith = (code: string, address: string) => (socket: Socket) => {
  socket.destroy(Object.assign(new Error(code), { code, address }));
};
const accepts = (socket: Socket) => void socket.emit("connect");

/** Attempts follow each other so soon. */
async function hurryAttempts(ms: number): Promise<AsyncDisposable> {
  const delay = net.getDefaultAutoSelectFamilyAttemptTimeout();
  net.setDefaultAutoSelectFamilyAttemptTimeout(ms);
  return disposable({}, () => net.setDefaultAutoSelectFamilyAttemptTimeout(delay));
}

test("a request on a kept connection is connected from the start", () => {
  expect(new Progress().stage).toBe("connected");
});

test("a request that has ended ends also what begins for it later", () => {
  const progress = new Progress();
  const giveUp = jest.fn();
  progress.onEnd(giveUp);
  expect(giveUp).not.toHaveBeenCalled();
  progress.end();
  const late = jest.fn();
  progress.onEnd(late);
  expect([giveUp, late].map((mock) => mock.mock.calls.length)).toEqual([1, 1]);
});

test("the families are in turn until both are used up", () => {
  const order = (...given: string[]) =>
    alternate(addressesOf(...given)).map(({ address }) => address);
  expect(order("::1", "10.0.0.1", "10.0.0.2")).toEqual(["::1", "10.0.0.1", "10.0.0.2"]);
  expect(order()).toEqual([]);
});

test("an address is not looked up", async () => {
  await using names = nameHere({});
  scriptConnects(accepts);
  await connect({ host: "127.0.0.1", port: 1 }, new Progress(), never());
  expect(names.asked).not.toHaveBeenCalled();
});

test("a name that DNS does not know is asked for again for five seconds at most", async () => {
  await using _names = nameHere({ [NAME]: ["ENOTFOUND"] });
  const pauses: number[] = [];
  let now = 0;
  const sleep = async (ms: number) => {
    pauses.push(ms);
    now += ms;
  };
  setClock({ now: () => now, sleep });
  const progress = new Progress();
  await expect(connect(NAMED, progress, never())).rejects.toMatchObject({ code: "ENOTFOUND" });
  expect(pauses).toEqual([250, 500, 1000, 1000, 1000, 1000]);
  expect(progress).toMatchObject({ stage: "looking-up", dnsCode: "ENOTFOUND" });
});

test("an abort ends the wait for DNS with its own reason", async () => {
  await using _names = nameHere({ [NAME]: ["silence"] });
  const ending = new AbortController();
  const connected = connect(NAMED, new Progress(), ending.signal);
  const reason = new Error("it was enough");
  ending.abort(reason);
  await expect(connected).rejects.toBe(reason);
});

test("nothing listens for an abort when the connection stands, or has failed", async () => {
  await using _names = nameHere({ [NAME]: [["127.0.0.1"]] });
  scriptConnects(accepts, failsWith("ECONNREFUSED", "127.0.0.1"));
  const { signal } = new AbortController();
  const progress = new Progress();
  await connect(NAMED, progress, signal);
  expect(getEventListeners(signal, "abort")).toEqual([]);
  await expect(connect(NAMED, progress, signal)).rejects.toThrow("ECONNREFUSED");
  expect(getEventListeners(signal, "abort")).toEqual([]);
  expect(progress.stage).toBe("connecting");
});

test("connections send at once, and are kept alive", async () => {
  const { connecting } = scriptConnects(accepts);
  await connect({ host: "127.0.0.1", port: 7 }, new Progress(), never());
  expect(connecting.mock.calls[0]?.[0]).toMatchObject({
    host: "127.0.0.1",
    port: 7,
    family: 4,
    noDelay: true,
    keepAlive: true,
  });
});

test("one address that is slow is waited for, though there is no other to be tried", async () => {
  await using _hurry = await hurryAttempts(10);
  const { sockets } = scriptConnects((socket) => setTimeout(accepts, 100, socket));
  const connected = await connect({ host: "127.0.0.1", port: 1 }, new Progress(), never());
  expect(connected).toBe(sockets[0]);
});

test("an attempt that fails last does not end one that is under way", async () => {
  await using _hurry = await hurryAttempts(10);
  await using _names = nameHere({ [NAME]: [["10.0.0.1", "10.0.0.2"]] });
  const { sockets } = scriptConnects(
    (socket) => setTimeout(accepts, 200, socket),
    failsWith("ECONNREFUSED", "10.0.0.2"),
  );
  const connected = await connect(NAMED, new Progress(), never());
  expect(connected).toBe(sockets[0]);
});

test("a connection that stands and breaks later starts no other attempt", async () => {
  await using _names = nameHere({ [NAME]: [["10.0.0.1", "10.0.0.2"]] });
  const { connecting } = scriptConnects(accepts, accepts);
  const socket = await connect(NAMED, new Progress(), never());
  socket.once("error", () => undefined);
  socket.emit("error", new Error("it broke"));
  expect(connecting).toHaveBeenCalledTimes(1);
});

test("a refusal tells more than a missing route, whichever address comes first", async () => {
  await using _names = nameHere({ [NAME]: [["192.0.2.1", "2001:db8::1"]] });
  scriptConnects(failsWith("EHOSTUNREACH", "192.0.2.1"), failsWith("ECONNREFUSED", "2001:db8::1"));
  await expect(connect(NAMED, new Progress(), never())).rejects.toThrow("ECONNREFUSED");
});

/** What Node's types leave out. */
interface Opening extends Agent {
  createConnection(options: object, done: (error: Error | null) => void): never;
}

test.each(["http:", "https:"])(
  "an agent for %s that is destroyed ends what is under way",
  async (scheme) => {
    await using _names = nameHere({ [NAME]: [["127.0.0.1"]] });
    const { sockets } = scriptConnects(() => undefined);
    const agent = createAgent(new URL(`${scheme}//${NAME}`), undefined);
    const done = jest.fn();
    (agent as Opening).createConnection(NAMED, done);
    while (sockets.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    agent.destroy();
    while (done.mock.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(done.mock.calls[0]?.[0]).toMatchObject({ name: "AbortError" });
    expect(sockets[0]?.destroyed).toBe(true);
  },
);

test("a kept connection of an agent ends with it", async () => {
  await using server = await startServer([text(200, "x")]);
  const url = new URL(server.url);
  const agent = createAgent(url, undefined, { keepAlive: true });
  await new Promise<void>((resolve) => {
    request(url, { agent }, (response) => response.resume().on("end", resolve)).end();
  });
  while (Object.keys(agent.freeSockets).length === 0)
    await new Promise((resolve) => setTimeout(resolve, 5));
  const [kept] = Object.values(agent.freeSockets).flat();
  agent.destroy();
  expect(kept?.destroyed).toBe(true);
});
